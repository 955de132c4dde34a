"""One loop, and a step for each model."""

from tutorial_lib.training.loop import train
from tutorial_lib.training.task import Task

__all__ = ["Task", "train"]
