"""Checkpoints of a training run: modules, optimizers and log in one safetensors file."""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from tutorial_lib.cache import atomic_write
from tutorial_lib.training.task import Task

CHECKPOINT = "checkpoint.safetensors"
LOG = "log.csv"


@dataclass
class TrainingLog:
    """What a run left.

    Attributes:
        steps: how many are done.
        values: name -> a value for each step.
        interrupted: whether Ctrl-C ended the run.
    """

    steps: int = 0
    values: dict[str, list[float]] = field(default_factory=dict)
    interrupted: bool = False

    def add(self, values: dict[str, float]) -> None:
        """Append the values of one more step."""
        for name, value in values.items():
            self.values.setdefault(name, []).append(value)
        self.steps += 1


def save_checkpoint(path: Path, task: Task, config: dict, log: TrainingLog) -> None:
    """Write a checkpoint, and the log beside it as a CSV file for people.

    Args:
        path: of the checkpoint; the file is whole or it is not there.
        task: whose state is kept.
        config: what the run was started with; see `read_checkpoint`.
        log: of the run so far.

    Raises:
        OSError: when the folder cannot be written or the disk is full.
    """
    tensors: dict[str, Tensor] = {}
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
    metadata = {"config": json.dumps(config), "steps": str(log.steps)}
    metadata["sha256"] = _digest(tensors, metadata)
    with atomic_write(path) as file:
        file.write(save(tensors, metadata=metadata))
    with atomic_write(path.with_name(LOG), "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["step", *log.values])
        rows = zip(*log.values.values(), strict=True)
        writer.writerows((number, *row) for number, row in enumerate(rows, start=1))


def read_checkpoint(path: Path, config: dict) -> tuple[dict[str, Tensor], int]:
    """The tensors of a checkpoint by name, and the number of steps that were done.

    Args:
        path: of the checkpoint.
        config: what this run was started with.

    Raises:
        ValueError: when the file was written with another configuration, naming what differs, or is
            damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        stored, steps = json.loads(metadata["config"]), int(metadata["steps"])
        if metadata["sha256"] != _digest(tensors, metadata):
            raise ValueError("it holds other bytes than were written")
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"the checkpoint {path} is damaged ({error}): remove it to begin anew, "
            "or choose another run folder"
        ) from error
    _check_same(stored, config, path)
    return tensors, steps


def _check_same(stored: dict, config: dict, path: Path) -> None:
    """Two configurations are the same, or each setting that differs is named with both values."""
    before, now = _flat(stored), _flat(json.loads(json.dumps(config)))  # tuples become lists
    differing = [
        "other files" if key == "files" else f"{key} {before.get(key)!r} (now {now.get(key)!r})"
        for key in dict.fromkeys([*now, *before])
        if before.get(key) != now.get(key)
    ]
    if differing:
        raise ValueError(
            f"the checkpoint {path} was made with {', '.join(differing)}: go on with the same "
            "settings, or choose another run folder"
        )


def _flat(config: dict) -> dict:
    """The entries of a dictionary and of those in it, by their own names."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        flat |= _flat(value) if isinstance(value, dict) else {key: value}
    return flat


def _digest(tensors: dict[str, Tensor], metadata: dict[str, str]) -> str:
    """sha256 of all that a checkpoint says."""
    digest = hashlib.sha256(f"{metadata['config']} {metadata['steps']}".encode())
    for key in sorted(tensors):
        tensor = tensors[key]
        digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def restore(task: Task, tensors: dict[str, Tensor], steps: int) -> TrainingLog:
    """Put a checkpoint's state into `task` and return its log.

    Args:
        task: with the settings of the checkpoint.
        tensors: as `read_checkpoint` returns them.
        steps: the same.
    """
    for name, module in task.modules.items():
        module.load_state_dict(_below(f"module/{name}/", tensors))
    for name, optimizer in task.optimizers.items():
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in _below(f"optimizer/{name}/", tensors).items():
            index, field_name = key.split("/")
            state.setdefault(int(index), {})[field_name] = value
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": state, "param_groups": groups})
    values = {name: column.tolist() for name, column in _below("log/", tensors).items()}
    return TrainingLog(steps, values)


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, by the rest of their names."""
    return {
        key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)
    }
