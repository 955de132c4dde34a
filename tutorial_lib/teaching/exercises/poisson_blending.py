"""Exercises of notebook 06, Poisson blending."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tutorial_lib.evaluation import metrics
from tutorial_lib.teaching.exercises.checking import draws, exercise, masks_of_all_families, same


@exercise
def check_blend_line(function: Callable[[Tensor, float, float], Tensor]) -> str:
    """Eq. 6 on a line of n hole pixels between two known ones.

    function(g (n,), left, right) -> (n,).

    The generator's gradients are those of g inside; towards the two known pixels they are 0 at the
    left (G equals g[0] there) and 0 at the right (G equals g[-1] there).
    """
    for seed, count in ((12, 1), (13, 5), (14, 12)):
        g = draws(count, seed=seed)
        left, right = draws(2, seed=seed + 50).tolist()
        padded = torch.cat([g[:1], g, g[-1:]]).double()
        start, end = left - padded[0], right - padded[-1]
        places = torch.arange(1, count + 1, dtype=torch.float64) / (count + 1)
        expected = g.double() + start + (end - start) * places
        same(expected, function(g, left, right), f"{count} hole pixels")
    return "G plus a straight line: the difference at the ends is spread evenly."


@exercise
def check_seam_strength(function: Callable[[Tensor, Tensor], Tensor]) -> str:
    """How much a seam shows.

    function(images, mask) -> (B,) mean absolute difference between a known pixel and a hole pixel
    beside it.
    """
    images, mask = draws(4, 3, 16, 16, seed=15), masks_of_all_families(16)
    same(metrics.seam_strength(images, mask), function(images, mask), "the seam")
    return "pairs across the hole's edge, both directions, all channels."
