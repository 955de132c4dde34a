"""Exercises of notebook 10, comparisons."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tutorial_lib.evaluation import metrics
from tutorial_lib.masks import FAMILIES, make_masks
from tutorial_lib.teaching.exercises.checking import draws, exercise, expect, same


@exercise
def check_error_picture(function: Callable[[Tensor, Tensor, float], Tensor]) -> str:
    """The error as a picture.

    function(completed, originals, factor) -> (B, 3, H, W) in [0, 1]: |difference| as a fraction of
    the range 2, times factor.
    """
    completed, originals = draws(2, 3, 8, 8, seed=31), draws(2, 3, 8, 8, seed=32)
    for factor in (1.0, 5.0):
        wanted = (factor * (completed - originals).abs() / 2).clamp(max=1)
        given = function(completed, originals, factor)
        if torch.as_tensor(given).shape == wanted.shape:
            expect(bool((given >= 0).all()), "an error has no sign: take the absolute difference")
            expect(bool((given <= 1).all()), "a picture is white at 1: cut what is above")
        same(wanted, given, f"factor {factor:g}", 1e-5)
    return "and whoever shows such a picture has to say the factor."


@exercise
def check_whole_psnr(function: Callable[[Tensor, Tensor], Tensor]) -> str:
    """From the PSNR of the hole to that of the whole picture, whose known pixels are untouched.

    function(hole_psnr (B,), mask (B, 1, H, W)) -> (B,) in dB.
    """
    originals = draws(8, 3, 16, 16, seed=33)
    mask = torch.cat(
        [make_masks(family, 2, torch.Generator().manual_seed(1), 16) for family in FAMILIES]
    )
    completed = torch.where(mask > 0, originals, draws(8, 3, 16, 16, seed=34))
    hole, whole = metrics.psnr(completed, originals, mask), metrics.psnr(completed, originals)
    given = function(hole, mask)
    if torch.as_tensor(given).shape == whole.shape:
        expect(
            bool((torch.as_tensor(given) > hole).all()),
            "the known pixels are without error: "
            "the PSNR of the whole picture is higher than the hole's",
        )
    same(whole, given, "PSNR of the whole picture", 1e-4)
    return "so a table that does not say which one it holds can be off by 1 to 6 dB."


@exercise
def check_frechet(function: Callable[[Tensor, Tensor], float]) -> str:
    """The squared Frechet distance of two Gaussians with independent features.

    function(a (N, F), b (M, F)) -> a number.
    """
    for seed, count, other in ((35, 20, 30), (36, 50, 10)):
        a = draws(count, 5, seed=seed).double()
        b = 0.5 + 2 * draws(other, 5, seed=seed + 50).double()
        means = (a.mean(0) - b.mean(0)).square().sum()
        wanted = means + (a.std(0) - b.std(0)).square().sum()
        given = function(a, b)
        if torch.as_tensor(given).dim() == 0:
            value = float(given)
            expect(
                abs(value - float(wanted) ** 0.5) > 1e-6,
                "that is its root: the squared distance is wanted",
            )
            expect(abs(value - float(means)) > 1e-6, "the spreads count as well as the means")
        same(wanted, given, "the distance", 1e-6)
    return "means and spreads: a set of equal pictures is far from real ones, however good each is."
