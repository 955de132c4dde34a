"""Exercises of notebook 09, ablations."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor

from tutorial_lib.teaching.exercises.checking import draws, exercise, expect, same


@exercise
def check_paired_interval(function: Callable[[Tensor, Tensor], tuple[float, float]]) -> str:
    """The mean difference of pairs with its 95 % interval by Student's t.

    function(a (n,), b (n,)) -> (mean of a - b, half the width of the interval).
    """
    from scipy import stats

    for seed, count in ((16, 5), (17, 32)):
        pictures = 5 * draws(count, seed=seed).double()  # what the pictures have in common
        a = pictures + 0.3 + 0.2 * draws(count, seed=seed + 50)
        b = pictures + 0.2 * draws(count, seed=seed + 60)
        given = function(a, b)
        expect(
            isinstance(given, tuple | list) and len(given) == 2,
            "two numbers are wanted: the mean and half the width",
        )
        wanted = stats.ttest_rel(a.numpy(), b.numpy()).confidence_interval(0.95)
        mean, half = (wanted.low + wanted.high) / 2, (wanted.high - wanted.low) / 2
        same(mean, given[0], "the mean difference")
        spread = (a - b).std()
        expect(
            abs(float(given[1]) - 1.96 * spread / count**0.5) > 1e-4,
            "1.96 is for many pictures: take Student's t, n - 1 degrees of freedom "
            "(scipy.stats.t.ppf)",
        )
        expect(
            float(given[1]) < 3 * half,
            "far too wide: pair the values first (a - b), then take the spread of the differences",
        )
        same(half, given[1], "half the width")
    return "the pictures' own differences cancel; what is left is what the change did."


@exercise
def check_pictures_needed(function: Callable[[Tensor, float], int]) -> str:
    """How many pictures an interval of a given width takes.

    function(differences (n,), half) -> the number of pictures that makes half the 95 % interval at
    most `half`, with 1.96 for t.
    """
    for seed, count in ((18, 8), (19, 40)):
        differences = draws(count, seed=seed)
        for half in (0.5, 0.1, 0.02):
            expected = math.ceil((1.96 * differences.double().std().item() / half) ** 2)
            same(expected, function(differences, half), f"half a width of {half}", 0.0)
    return "four times the pictures for half the width."
