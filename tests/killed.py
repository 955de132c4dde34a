"""Trains one run twice, for `test_training`: once as a whole, once killed twenty times at random
moments and resumed.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch._dynamo  # noqa: F401 - optimizers import it, for a second: once, not in every child
from safetensors import safe_open

from tutorial_lib.datasets.base import ArrayImages
from tutorial_lib.training.checkpoint import CHECKPOINT
from tutorial_lib.training.gan import GANSettings, GANTask
from tutorial_lib.training.loop import train

STEPS, KILLS = 200, 20  # so many steps that no child comes to the end, however fast


def run(folder: Path, pipe: int | None = None) -> None:
    """Train to the end; a byte goes into `pipe` at the start of each step."""
    pictures = ArrayImages(
        np.random.default_rng(0).integers(0, 256, (20, 64, 64, 3), dtype=np.uint8), "noise"
    )
    task = GANTask(GANSettings(2, ema=0.9, junk=0.25), seed=3)
    step = task.step

    def told(*arguments):
        if pipe is not None:
            os.write(pipe, b".")
        return step(*arguments)

    task.step = told
    train(
        task,
        pictures,
        steps=STEPS,
        batch_size=4,
        seed=5,
        run_dir=folder,
        checkpoint_every=2,
        progress=False,
    )


def resumes(folder: Path) -> bool:
    path = folder / CHECKPOINT
    return path.exists() and int(safe_open(path, framework="pt").metadata()["steps"]) > 0


if __name__ == "__main__":
    torch.set_num_threads(1)
    folder, killed, resumed = Path(sys.argv[1]), 0, 0
    moments = random.Random(7)
    for _ in range(KILLS):
        resumed += resumes(folder / "killed")
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            run(folder / "killed", writing)
            os._exit(0)
        os.close(writing)
        for _ in range(moments.randint(1, 4)):
            os.read(reading, 1)
        time.sleep(moments.uniform(0, 0.03))  # somewhere in the step, or in the checkpoint after it
        os.kill(child, signal.SIGKILL)
        killed += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        os.close(reading)
    run(folder / "killed")
    run(folder / "whole")
    print(f"killed {killed} times, resumed {resumed} times")
