"""Exercises of notebook 13, after GANs."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from tutorial_lib.inpainting.diffusion import repaint
from tutorial_lib.teaching.exercises.checking import draws, exercise, expect, same

# steps, jump, resamples -> what is tried with them
CASES = {
    (10, 5, 1): "done once, no step is repeated",
    (5, 5, 4): "the first block is never repeated",
    (10, 5, 3): "two blocks, the second done three times",
    (12, 5, 3): "the last block is shorter",
    (4, 10, 3): "the jump is longer than all steps",
    (50, 5, 5): "the default",
}


@exercise
def check_evaluations(function: Callable[[int, int, int], int]) -> str:
    """How often RePaint evaluates its network.

    function(steps, jump, resamples) -> a whole number.
    """
    for case, what in CASES.items():
        given = torch.as_tensor(function(*case))
        expect(given.numel() == 1, "one number is wanted")
        asked = _counted(*case)
        steps, jump, resamples = case
        where = f"steps = {steps}, jump = {jump}, resamples = {resamples} ({what})"
        expect(float(given) <= asked, f"{where}: {float(given):g} are too many")
        expect(float(given) >= asked, f"{where}: {float(given):g} are too few")
    return "the library's RePaint asks its network as often."


def _counted(steps: int, jump: int, resamples: int) -> int:
    calls = 0

    def model(x: Tensor, t: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return x

    mask = torch.tensor([1.0, 0.0]).view(1, 1, 1, 2)
    images = torch.zeros(1, 3, 1, 2)
    repaint(images, mask, model, steps=steps, jump=jump, resamples=resamples, progress=False)
    return calls


@exercise
def check_step_back(function: Callable[[Tensor, float, float, Tensor], Tensor]) -> str:
    """From x_s to a noisier x_t, s < t, by adding noise.

    function(x (N,), s, t, noise (N,)) -> (N,).
    """
    image, noise = draws(8, seed=51), draws(8, seed=52)
    nothing = torch.zeros(8)
    for s, t in ((0.0, 0.3), (0.2, 0.5), (0.6, 0.9), (0.4, 1.0)):
        where = f"s = {s:g}, t = {t:g}"
        shrunk = function((1 - s) * image, s, t, nothing)
        same((1 - t) * image, shrunk, f"{where}: the image in x_t, (1 - t) times the image", 1e-5)
        kept = (1 - t) / (1 - s)
        wanted = math.sqrt(t**2 - (kept * s) ** 2)  # its variance fills up that of x_s to t^2
        added = function(nothing, s, t, noise)
        same(wanted * noise, added, f"{where}: the noise that is added", 1e-5)
    return "the image shrinks to (1 - t), and all noise together has standard deviation t."
