"""A few steps of every task in float64, for `test_distributed`: alone and under torchrun they must
leave the same weights.
"""

import os
import signal
import sys
from pathlib import Path

import numpy as np
import torch

from tutorial_lib import distributed
from tutorial_lib.datasets.base import ArrayImages
from tutorial_lib.training.context_encoder import ContextEncoderSettings, ContextEncoderTask
from tutorial_lib.training.gan import GANSettings, GANTask
from tutorial_lib.training.loop import train
from tutorial_lib.training.vae import VAESettings, VAETask

AUGMENT = ("color", "translation", "cutout")
STEPS, BATCH = 5, 8


class Noise(ArrayImages):
    """Random pictures in float64; after `interrupt_at` batches, process 1 gets a Ctrl-C."""

    def __init__(self, interrupt_at: int | None = None):
        super().__init__(
            np.random.default_rng(0).integers(0, 256, (20, 64, 64, 3), dtype=np.uint8), "noise"
        )
        self.left = interrupt_at

    def images(self, indices):
        if self.left is not None and distributed.rank() == 1:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGINT)
        return super().images(indices).double()


def tasks():
    yield "dcgan", GANTask(GANSettings(2, ema=0.9, r1=1.0, r1_every=2), seed=3)
    yield (
        "dcgan with aids",
        GANTask(GANSettings(2, norm="spectral", augment=AUGMENT, junk=0.5), seed=3),
    )
    yield "vae", VAETask(VAESettings(2, adversarial=5.0), seed=3)
    yield (
        "context encoder",
        ContextEncoderTask(
            ContextEncoderSettings(2, adversarial=0.1),
            ArrayImages.images(Noise(), range(8)),
            seed=3,
        ),
    )


def run(out: Path, steps: int) -> None:
    """Train every task for `steps` steps in all, each in a folder of its own."""
    for name, task in tasks():
        for module in task.modules.values():
            module.double()
        train(
            task, Noise(), steps=steps, batch_size=BATCH, seed=5, run_dir=out / name, progress=False
        )


def interrupted(out: Path) -> None:
    """Train until process 1 gets a Ctrl-C; every process writes how far it came."""
    task = GANTask(GANSettings(2), seed=3)
    for module in task.modules.values():
        module.double()
    log = train(
        task,
        Noise(interrupt_at=3),
        steps=STEPS,
        batch_size=BATCH,
        seed=5,
        run_dir=out,
        progress=False,
    )
    (out / f"{distributed.rank()}.txt").write_text(f"{log.steps} {log.interrupted}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    whole, half_done, stopped = map(Path, sys.argv[1:])
    with distributed.joined(torch.device("cpu")):
        assert distributed.world_size() == 2
        run(whole, STEPS)
        run(half_done, STEPS)
        interrupted(stopped)
