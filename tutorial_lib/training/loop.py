"""The one training loop: progress, preview images, checkpoints, resume.

What a step does is the task's affair. Every random draw of step k comes from a generator seeded by
(seed, k), and the order of the images from (seed, epoch): so a checkpoint needs no generator state,
and a resumed run sees the numbers of the run that was never stopped.
"""

from __future__ import annotations

import json
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from tutorial_lib.cache import atomic_write, locked
from tutorial_lib.device import seeded_generator
from tutorial_lib.training import distributed
from tutorial_lib.training.checkpoint import (
    CHECKPOINT,
    LOG,
    TrainingLog,
    read_checkpoint,
    restore,
    save_checkpoint,
)
from tutorial_lib.training.task import Task

CONFIG = "config.json"
LOCK = ".lock"


class TrainingDiverged(RuntimeError):
    """A loss became NaN or infinite; the last good checkpoint is untouched."""


def train(
    task: Task,
    dataset: Any,
    *,
    steps: int,
    batch_size: int = 64,
    seed: int = 0,
    run_dir: str | os.PathLike | None = None,
    checkpoint_every: int = 250,
    preview_every: int = 250,
    on_preview: Callable[[int, Tensor], None] | None = None,
    progress: bool = True,
    minutes: float | None = None,
) -> TrainingLog:
    """Train `task` until `steps` steps are done in all, resuming if `run_dir` holds a checkpoint.

    Ctrl-C (or a notebook's stop button) ends the run after the step in progress, with a checkpoint;
    a second one ends it at once. SIGTERM does the same, and is then handed on. Inside
    `distributed.joined` several processes share each batch; process 0 writes and shows.

    Args:
        task: what to train; its modules and optimizers are updated in place.
        dataset: a map-style set with `images(indices) -> (B, 3, H, W)`, `len` and a `name`. Where
            it has `batch(indices)` as well (images with labels, or codes), a step gets that. Its
            `crop`, `identity` and `repeat` are part of the configuration, where it has them.
        steps: total number of steps, those of an earlier, resumed run included.
        batch_size: images a step, all processes together.
        seed: of the order of the images and of all draws.
        run_dir: where configuration, checkpoint and log are kept, the log as CSV and, where the
            package tensorboard is installed, for TensorBoard as well; None keeps nothing.
        checkpoint_every: in steps.
        preview_every: in steps.
        on_preview: called as on_preview(step, images) where this call begins, every `preview_every`
            steps and where it ends.
        progress: whether to show a progress bar.
        minutes: end after so many minutes of this call, with a checkpoint, as if `steps` were done;
            None for no limit.

    Returns:
        the log of the whole run, resumed part included.

    Raises:
        ValueError: for an empty set, a batch that the processes cannot share, processes that were
            started differently, or when the checkpoint in `run_dir` belongs to other settings.
        cache.InUse: when another process trains into `run_dir`.
        TrainingDiverged: when a loss, or a weight that is to be stored, is not finite.
    """
    config = _configuration(task, dataset, batch_size, seed)
    rank, processes = distributed.rank(), distributed.world_size()
    folder = None if run_dir is None else Path(run_dir)
    draw = getattr(dataset, "batch", dataset.images)
    order = _Order(len(dataset), batch_size, seed)
    end = time.monotonic() + 60 * (math.inf if minutes is None else minutes)
    with _only_here(folder), distributed.together(task), _held_signals() as came:
        log = _resumed(task, folder, config)
        signal_number = 0
        with _reporting(task, folder, log, steps, preview_every, on_preview, progress) as report:
            while log.steps < steps:
                signal_number, late = distributed.largest(
                    [came(), time.monotonic() > end], task.device
                )
                if signal_number or late:
                    break
                batch = draw(order.indices(log.steps)[rank::processes])
                # process 0 of several draws what a process alone would: (seed, k, 0) is (seed, k)
                rng = seeded_generator(seed, log.steps, rank)
                values = _averaged(task.step(batch, rng, log.steps))
                _check_finite(values, log.steps, folder)
                log.add(values)
                report(values)
                if folder and rank == 0 and log.steps % checkpoint_every == 0:
                    _check_weights(task, log.steps, folder)
                    save_checkpoint(folder / CHECKPOINT, task, config, log)
        if folder:  # the others wait: a process that ends early makes torchrun end them all
            last = folder / CHECKPOINT
            _check_weights(task, log.steps, folder)
            distributed.from_first(lambda: save_checkpoint(last, task, config, log))
        signal_number = signal_number or came()
    log.interrupted = signal_number == signal.SIGINT
    if signal_number == signal.SIGTERM:  # now that all is stored, it ends what it would have ended
        signal.raise_signal(signal.SIGTERM)
    return log


def _configuration(task: Task, dataset: Any, batch_size: int, seed: int) -> dict:
    """What decides on the numbers of a run; the same in all processes."""
    if len(dataset) == 0:
        raise ValueError("the data set holds no images: nothing to train on")
    if batch_size % distributed.world_size():
        raise ValueError(
            f"a batch of {batch_size} images cannot be shared by {distributed.world_size()} "
            "processes: choose a multiple"
        )
    config = {
        "kind": task.kind,
        "settings": task.describe(),
        "batch_size": batch_size,
        "seed": seed,
        "data": dataset.name,
        "pictures": len(dataset),
    }
    for key, value in (
        ("crop", getattr(dataset, "crop", None)),
        ("files", getattr(dataset, "identity", None)),
        ("repeat", getattr(dataset, "repeat", None)),
        ("start_from", task.started_from),
    ):
        if value is not None:
            config[key] = value
    if distributed.from_first(lambda: config) != config:
        raise ValueError(
            f"process {distributed.rank()} has other images or settings than process 0: start all "
            "with the same command, on copies of the same files"
        )
    return config


@contextmanager
def _only_here(folder: Path | None) -> Iterator[None]:
    """A block in which no other run writes to `folder`; of several processes, the first asks."""
    if folder is None or distributed.rank():
        yield
        return
    with locked(folder / LOCK, f"training into {folder}"):
        for name in (CHECKPOINT, LOG, CONFIG):  # half-written when an earlier run was killed
            for left in folder.glob(f".{name}.*.partial"):
                left.unlink()
        yield


def _resumed(task: Task, folder: Path | None, config: dict) -> TrainingLog:
    """The log of the run in `folder`, its state put into `task`; a new one where there is none."""
    if folder is None:
        return TrainingLog()
    path = folder / CHECKPOINT
    stored = distributed.from_first(
        lambda: read_checkpoint(path, config) if path.exists() else None
    )
    if distributed.rank() == 0:
        with atomic_write(folder / CONFIG, "w", encoding="utf-8") as file:
            json.dump(config, file, indent=1)
    return restore(task, *stored) if stored else TrainingLog()


def _averaged(values: dict[str, Tensor]) -> dict[str, float]:
    """The scalars of a step as numbers, each a mean over the processes."""
    return dict(
        zip(values, distributed.mean(torch.stack([*values.values()])).tolist(), strict=True)
    )


def _check_finite(values: dict[str, float], step: int, folder: Path | None) -> None:
    if not all(map(math.isfinite, values.values())):
        raise _diverged(f"step {step}: {values} is not finite", folder)


def _check_weights(task: Task, step: int, folder: Path) -> None:
    """A step's losses were computed before its update: look at the weights before they are kept."""
    for name, module in task.modules.items():
        if not all(bool(weight.isfinite().all()) for weight in module.parameters()):
            raise _diverged(f"after step {step} a weight of the {name} is not finite", folder)


def _diverged(what: str, folder: Path | None) -> TrainingDiverged:
    kept = ""
    if folder and (folder / CHECKPOINT).exists():
        kept = f"; the last good checkpoint is {folder / CHECKPOINT}"
    return TrainingDiverged(f"{what}{kept}. Try a lower learning rate, or float32 precision.")


class _Order:
    """Which images step k sees: the epochs' permutations laid end to end and cut into batches."""

    def __init__(self, count: int, batch_size: int, seed: int):
        self.count, self.batch_size, self.seed = count, batch_size, seed
        self._epochs: dict[int, np.ndarray] = {}

    def indices(self, step: int) -> list[int]:
        positions = range(step * self.batch_size, (step + 1) * self.batch_size)
        return [int(self._epoch(p // self.count)[p % self.count]) for p in positions]

    def _epoch(self, epoch: int) -> np.ndarray:
        if epoch not in self._epochs:
            self._epochs = {e: o for e, o in self._epochs.items() if e >= epoch - 1}
            self._epochs[epoch] = np.random.default_rng([self.seed, epoch]).permutation(self.count)
        return self._epochs[epoch]


@contextmanager
def _held_signals() -> Iterator[Callable[[], int]]:
    """Hold the first Ctrl-C or SIGTERM back; a second does at once what it would have done.

    Yields:
        a function that returns the number of the signal that came, 0 for none.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: 0  # only the main thread gets signals
        return
    came = 0

    def hold(number: int, frame: Any) -> None:
        nonlocal came
        if came:
            signal.signal(number, before[number])
            signal.raise_signal(number)
        came = number

    before: dict[int, Any] = {}
    for known in (signal.SIGINT, signal.SIGTERM):
        before[known] = signal.signal(known, hold)
    try:
        yield lambda: came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _reporting(
    task: Task,
    folder: Path | None,
    log: TrainingLog,
    steps: int,
    preview_every: int,
    on_preview: Callable[[int, Tensor], None] | None,
    progress: bool,
) -> Iterator[Callable[[dict[str, float]], None]]:
    """A block with a progress bar, previews and TensorBoard; of several processes, the first shows.

    Yields:
        a function of a step's values, to be called after each step.
    """
    if distributed.rank():
        yield lambda values: None
        return
    shown = log.steps
    if on_preview and log.steps < steps:
        on_preview(log.steps, task.preview())
    bar = tqdm(
        total=steps,
        initial=log.steps,
        unit="step",
        disable=not progress,
        desc=f"training {task.kind}",
    )
    board = _tensorboard(folder, log.steps) if folder else None

    def report(values: dict[str, float]) -> None:
        bar.set_postfix({name: f"{value:.2f}" for name, value in values.items()}, refresh=False)
        bar.update()
        nonlocal shown
        if on_preview and (log.steps % preview_every == 0 or log.steps == steps):
            shown = log.steps
            on_preview(log.steps, task.preview())
        if board:
            for name, value in values.items():
                board.add_scalar(name, value, log.steps)

    with bar, board or nullcontext():
        yield report
    if on_preview and log.steps != shown:  # ended by Ctrl-C or by the clock
        on_preview(log.steps, task.preview())


def _tensorboard(folder: Path, steps: int) -> Any:
    """A writer of TensorBoard's event files, None without that package.

    What an earlier run wrote after `steps` is hidden.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=steps + 1)
