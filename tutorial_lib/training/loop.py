"""The one training loop: progress, preview pictures, checkpoints, resume.

What a step does is the task's affair.

Every random draw of step k comes from a generator seeded by (seed, k), and the order of the
pictures from (seed, epoch): so a checkpoint needs no generator state, and a resumed run sees the
numbers of the run that was never stopped.
"""

from __future__ import annotations

import csv
import json
import math
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from tqdm.auto import tqdm

from tutorial_lib import distributed
from tutorial_lib.device import seeded_generator

CHECKPOINT = "checkpoint.safetensors"
LOG = "log.csv"
CONFIG = "config.json"


class Task(Protocol):
    """A model being trained: see `training.gan.GANTask`."""

    kind: str
    device: torch.device
    modules: dict[str, nn.Module]
    optimizers: dict[str, torch.optim.Optimizer]

    def describe(self) -> dict: ...
    def step(self, images, rng: torch.Generator, number: int) -> dict[str, Tensor]: ...
    def preview(self) -> Tensor: ...


class TrainingDiverged(RuntimeError):
    """A loss became NaN or infinite; the last good checkpoint is untouched."""


@dataclass
class TrainingLog:
    """What a run left: the number of steps done, a value per step and name, and whether it was
    interrupted.
    """

    steps: int = 0
    values: dict[str, list[float]] = field(default_factory=dict)
    interrupted: bool = False


def train(
    task: Task,
    dataset,
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
    """Train `task` on `dataset` until `steps` steps are done in all, resuming from `run_dir` if it
    holds a checkpoint.

    Ctrl-C (or a notebook's stop button) ends the run after the step in progress, with a checkpoint;
    a second one ends it at once. Inside `distributed.joined` several processes do the same steps
    together; process 0 writes and shows.

    Args:
        task: what to train; its modules and optimizers are updated in place.
        dataset: a map-style set with `images(indices) -> (B, 3, H, W)`, `len` and a `name`. Where
            it has `batch(indices)` as well (pictures with labels), a step gets that.
        steps: total number of steps, those of an earlier, resumed run included.
        batch_size: pictures a step, all processes together.
        seed: of the order of the pictures and of all draws.
        run_dir: where configuration, checkpoint and log are kept, the log as CSV and, where the
            package tensorboard is installed, for TensorBoard as well; None keeps nothing.
        checkpoint_every, preview_every: in steps.
        on_preview: called as on_preview(step, pictures) at step 0, every `preview_every` steps and
            at the end.
        progress: whether to show a progress bar.
        minutes: end after so many minutes of this call, with a checkpoint, as if `steps` were done;
            None for no limit.

    Returns:
        the log of the whole run, resumed part included.

    Raises:
        ValueError: for an empty set, a batch that the processes cannot share, processes that were
            started differently, or when the checkpoint in `run_dir` belongs to other settings.
        TrainingDiverged: when a loss is not finite.
    """
    if len(dataset) == 0:
        raise ValueError("the data set holds no pictures: nothing to train on")
    if batch_size % distributed.world_size():
        raise ValueError(
            f"a batch of {batch_size} pictures cannot be shared by {distributed.world_size()} processes: choose a multiple"
        )
    first = distributed.rank() == 0
    config = {
        "kind": task.kind,
        "settings": task.describe(),
        "batch_size": batch_size,
        "seed": seed,
        "data": dataset.name,
        "pictures": len(dataset),
    }
    if hasattr(dataset, "crop"):
        config["crop"] = dataset.crop
    if distributed.broadcast(lambda: config) != config:
        raise ValueError(
            f"process {distributed.rank()} has other pictures or settings than process 0: start all with the same command, on copies "
            "of the same files"
        )
    log = TrainingLog()
    path = board = None
    if run_dir is not None:
        path = Path(run_dir) / CHECKPOINT
        path.parent.mkdir(parents=True, exist_ok=True)
        stored = distributed.broadcast(
            lambda: read_checkpoint(path, config) if path.exists() else None
        )
        if stored:
            log = restore(task, *stored)
        if first:
            path.with_name(CONFIG).write_text(json.dumps(config, indent=1), encoding="utf-8")
            board = _tensorboard(path.parent, log.steps)
    order = _Order(len(dataset), batch_size, seed)
    draw = getattr(dataset, "batch", dataset.images)
    on_preview = on_preview if first else None
    if on_preview and log.steps < steps:
        on_preview(log.steps, task.preview())

    bar = tqdm(
        total=steps,
        initial=log.steps,
        unit="step",
        disable=not (progress and first),
        desc=f"training {task.kind}",
    )
    end = time.monotonic() + 60 * (math.inf if minutes is None else minutes)
    with bar, _deferred_interrupt() as interrupted, board or nullcontext():
        while log.steps < steps:
            log.interrupted = distributed.all_reduce_any(interrupted(), task.device)
            if log.interrupted or distributed.all_reduce_any(time.monotonic() > end, task.device):
                break
            number = log.steps
            values = task.step(
                draw(distributed.shard(order.indices(number))),
                seeded_generator(seed, number),
                number,
            )
            values = {
                name: float(distributed.all_reduce_mean(value)) for name, value in values.items()
            }
            if not all(np.isfinite(value) for value in values.values()):
                kept = f"; the last good checkpoint is {path}" if path and path.exists() else ""
                raise TrainingDiverged(
                    f"step {number}: {values} is not finite{kept}. "
                    "Try a lower learning rate, or float32 precision."
                )
            for name, value in values.items():
                log.values.setdefault(name, []).append(value)
            log.steps = number + 1
            bar.set_postfix({name: f"{value:.2f}" for name, value in values.items()}, refresh=False)
            bar.update()
            if on_preview and (log.steps % preview_every == 0 or log.steps == steps):
                on_preview(log.steps, task.preview())
            if board:
                for name, value in values.items():
                    board.add_scalar(name, value, log.steps)
            if path and first and log.steps % checkpoint_every == 0:
                save_checkpoint(path, task, config, log)
    if path:  # the others wait: a process that ends early makes torchrun end them all
        distributed.broadcast(lambda: save_checkpoint(path, task, config, log))
    return log


class _Order:
    """Which pictures step k sees: the epochs' permutations laid end to end and cut into batches."""

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
def _deferred_interrupt():
    """Hold the first Ctrl-C back until the step in progress is whole; yields a function that says
    whether it came.
    """
    came = threading.Event()

    def handler(number, frame):
        if came.is_set():
            raise KeyboardInterrupt
        came.set()

    if threading.current_thread() is not threading.main_thread():
        yield came.is_set  # only the main thread gets signals
        return
    previous = signal.signal(signal.SIGINT, handler)
    try:
        yield came.is_set
    finally:
        signal.signal(signal.SIGINT, previous)


def save_checkpoint(path: Path, task: Task, config: dict, log: TrainingLog) -> None:
    """Write modules, optimizers and log as one safetensors file, then move it into place.

    It is whole or it is not there.

    The log is also written beside it as a CSV file for people.
    """
    tensors = {}
    for name, module in task.modules.items():
        for key, tensor in module.state_dict().items():
            tensors[f"module/{name}/{key}"] = tensor
    for name, optimizer in task.optimizers.items():
        for index, state in optimizer.state_dict()["state"].items():
            for key, value in state.items():
                tensors[f"optimizer/{name}/{index}/{key}"] = torch.as_tensor(value)
    for name, values in log.values.items():
        tensors[f"log/{name}"] = torch.tensor(values, dtype=torch.float64)
    # clone: safetensors refuses tensors that share memory, and stores rows in the plain layout
    tensors = {key: tensor.detach().cpu().contiguous().clone() for key, tensor in tensors.items()}
    temporary = path.with_suffix(".partial")
    with (
        open(temporary, "wb") as file
    ):  # not save_file: it writes to a file of a random name, which stays when the run is killed
        file.write(save(tensors, metadata={"config": json.dumps(config), "steps": str(log.steps)}))
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    _write_log(path.with_name(LOG), log)


def read_checkpoint(path: Path, config: dict) -> tuple[dict[str, Tensor], int]:
    """The tensors of a checkpoint by name, and the number of steps that were done.

    Raises:
        ValueError: when the file was written with another configuration, naming what differs, or is
            damaged.
    """
    try:
        opened = safe_open(path, framework="pt")
    except SafetensorError as error:
        raise ValueError(
            f"the checkpoint {path} is damaged ({error}): remove it to begin anew, or choose another run folder"
        ) from error
    with opened as file:
        metadata = file.metadata() or {}
        stored = json.loads(metadata.get("config", "{}"))
        here = json.loads(json.dumps(config))
        if stored != here:
            differing = [key for key in here if stored.get(key) != here[key]]
            raise ValueError(
                f"the checkpoint {path} was made with other {', '.join(differing)}: resume with the same "
                "settings, or choose another run folder"
            )
        return {key: file.get_tensor(key) for key in file.keys()}, int(metadata["steps"])


def restore(task: Task, tensors: dict[str, Tensor], steps: int) -> TrainingLog:
    """Put a checkpoint's state into `task` and return its log."""
    for name, module in task.modules.items():
        prefix = f"module/{name}/"
        module.load_state_dict(
            {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        )
    for name, optimizer in task.optimizers.items():
        prefix = f"optimizer/{name}/"
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith(prefix):
                index, field_name = key.removeprefix(prefix).split("/")
                state.setdefault(int(index), {})[field_name] = value
        optimizer.load_state_dict(
            {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
        )
    values = {
        k.removeprefix("log/"): v.tolist() for k, v in tensors.items() if k.startswith("log/")
    }
    return TrainingLog(steps, values)


def _tensorboard(run_dir: Path, steps: int):
    """A writer of TensorBoard's event files, None without that package; what an earlier run wrote
    after `steps` is hidden.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(run_dir), purge_step=steps + 1)


def _write_log(path: Path, log: TrainingLog) -> None:
    temporary = path.with_suffix(".partial")
    with open(temporary, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["step", *log.values])
        writer.writerows(
            (number, *row) for number, row in enumerate(zip(*log.values.values()), start=1)
        )
    os.replace(temporary, path)
