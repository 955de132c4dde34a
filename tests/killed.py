"""Trains one run twice, for `test_training`: once as a whole, once killed twenty times at random moments and resumed."""

import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np
import torch

from tutorial_lib.datasets.folder import ArrayImages
from tutorial_lib.training.gan import GANSettings, GANTask
from tutorial_lib.training.loop import train

STEPS, KILLS = 120, 20


def run(folder: Path) -> None:
    pictures = ArrayImages(np.random.default_rng(0).integers(0, 256, (20, 64, 64, 3), dtype=np.uint8), "noise")
    task = GANTask(GANSettings(2, ema=0.9, junk=0.25), seed=3)
    train(task, pictures, steps=STEPS, batch_size=4, seed=5, run_dir=folder, checkpoint_every=2, progress=False)


if __name__ == "__main__":
    torch.set_num_threads(1)
    folder, killed = Path(sys.argv[1]), 0
    moments = random.Random(7)
    for _ in range(KILLS):
        child = os.fork()
        if child == 0:
            run(folder / "killed")
            os._exit(0)
        time.sleep(moments.uniform(0.02, 0.25))
        os.kill(child, signal.SIGKILL)
        killed += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    run(folder / "killed")
    run(folder / "whole")
    print(f"killed {killed} times")
