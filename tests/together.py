"""Trainings for `test_distributed`: run alone or under torchrun, with two processes.

Each process writes what it holds in the end.
"""

import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from tutorial_lib.datasets.base import ArrayImages
from tutorial_lib.training import distributed
from tutorial_lib.training.context_encoder import ContextEncoderSettings, ContextEncoderTask
from tutorial_lib.training.gan import GANSettings, GANTask
from tutorial_lib.training.loop import train
from tutorial_lib.training.task import Task
from tutorial_lib.training.vae import VAESettings, VAETask

AUGMENT = ("color", "translation", "cutout")
STEPS, BATCH = 5, 8


class Noise(ArrayImages):
    """Random images; after `signal_at` batches, process 1 gets a signal."""

    def __init__(self, signal_at: int = 0, number: int = signal.SIGINT):
        super().__init__(
            np.random.default_rng(0).integers(0, 256, (20, 64, 64, 3), dtype=np.uint8), "noise"
        )
        self.left, self.number = signal_at, number

    def images(self, indices):
        self.left -= 1
        if self.left == 0 and distributed.rank() == 1:
            os.kill(os.getpid(), self.number)
        return super().images(indices)


@dataclass(frozen=True)
class PlainSettings:
    precision: str = "float32"


class PlainTask(Task):
    """How bright is the left half, from the right half: no random draw, no batch norm."""

    kind = "plain"

    def __init__(self):
        super().__init__(PlainSettings(), "cpu")
        torch.manual_seed(0)
        self.network = nn.Sequential(nn.Linear(96, 16), nn.Tanh(), nn.Linear(16, 3)).double()
        self.modules = {"network": self.network}
        self.optimizers = {"network": torch.optim.Adam(self.network.parameters(), 1e-2)}

    def step(self, batch, rng, number):
        left, right = batch.double().chunk(2, dim=3)  # (B, 3, 64, 32)
        guess = self.network(right.mean(2).flatten(1))  # (B, 96) -> (B, 3)
        loss = (guess - left.mean((2, 3))).square().mean()
        self.update("network", loss)
        return {"loss": loss.detach()}

    def preview(self):
        return torch.zeros(1, 3, 64, 64)

    def finish(self):
        return self.network


def tasks():
    yield "plain", PlainTask()
    yield "dcgan", GANTask(GANSettings(2, ema=0.9, r1=1.0, r1_every=2), seed=3)
    yield (
        "dcgan with aids",
        GANTask(GANSettings(2, norm="spectral", augment=AUGMENT, junk=0.5), seed=3),
    )
    yield "vae", VAETask(VAESettings(2, adversarial=5.0), seed=3)
    yield (
        "context encoder",
        ContextEncoderTask(
            ContextEncoderSettings(2, adversarial=0.1), Noise().images(range(8)), seed=3
        ),
    )


def run(out: Path, steps: int, data: Noise, names: list[str] | None = None) -> None:
    """Train every task for `steps` steps in all, each in a folder of its own."""
    for name, task in tasks():
        if names and name not in names:
            continue
        log = train(
            task, data, steps=steps, batch_size=BATCH, seed=5, run_dir=out / name, progress=False
        )
        held = {
            f"{part}/{key}": value.detach().clone().contiguous()
            for part, module in task.modules.items()
            for key, value in module.named_parameters()
        }
        save_file(held, out / name / f"held-{distributed.rank()}.safetensors")
        (out / name / f"{distributed.rank()}.txt").write_text(f"{log.steps} {log.interrupted}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    with distributed.joined(torch.device("cpu")):
        assert distributed.world_size() == 2
        run(folder / "two", STEPS, Noise())
        run(folder / "resumed", 2, Noise())
        run(folder / "resumed", STEPS, Noise())
        run(folder / "begun alone", STEPS, Noise(), ["plain"])
        run(folder / "interrupted", STEPS, Noise(3), ["dcgan"])
        handed_on = []
        signal.signal(signal.SIGTERM, lambda number, frame: handed_on.append(number))
        run(folder / "terminated", STEPS, Noise(3, signal.SIGTERM), ["dcgan"])
        assert handed_on == [signal.SIGTERM]
