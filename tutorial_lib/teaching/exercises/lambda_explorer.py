"""Exercises of notebook 07, the lambda explorer."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tutorial_lib.teaching.exercises.checking import exercise, expect, same


@exercise
def check_lam_with_share(function: Callable[[Tensor, Tensor, Tensor, float], float]) -> str:
    """The smallest lam whose prior counts.

    function(lams (L,), context (L,), prior (L,), share) -> the smallest lam whose |prior| is
    share * context or more.
    """
    lams = torch.tensor([0.0, 0.003, 0.1, 1.0, 10.0, 37.0])
    context = torch.tensor([20.0, 20.0, 19.0, 21.0, 24.0, 40.0])
    expected = {0.0: 0.0, 0.003: 0.1, 0.01: 1.0, 0.2: 10.0, 0.25: 10.0, 0.5: 37.0}
    for sign, word in ((-1, "negative"), (1, "positive")):  # Eq. 5 is negative, -log D positive
        prior = sign * torch.tensor([0.0, 0.002, 0.076, 0.7, 6.0, 24.0])
        for share, lam in expected.items():
            given = function(lams, context, prior, share)
            same(lam, given, f"share {share}, prior losses that are {word}", 1e-6)
    return "the smallest lam with that share, whatever the prior's sign."


@exercise
def check_lam_for_sum(function: Callable[[float, int, int], float]) -> str:
    """From a lam for a mean to the lam for a sum.

    function(lam, height, width) -> the lam that does with a summed context loss what `lam` does
    with its mean.
    """
    for height, width in ((64, 64), (32, 48), (7, 5)):
        given = function(0.003, height, width)
        if isinstance(given, float):
            expect(
                abs(given - 0.003 * height * width) > 1e-6,
                "a picture has three channels: the mean is over 3 * height * width",
            )
            expect(
                abs(given - 0.003 / (3 * height * width)) > 1e-9,
                "that is the way from the sum to the mean",
            )
        same(0.003 * 3 * height * width, given, f"a picture of {height}x{width}")
    return "times the number of values in the picture: 0.003 becomes 37 at 64x64."


@exercise
def check_search_rows(function: Callable[[int, int, Tensor], tuple[Tensor, Tensor, Tensor]]) -> str:
    """The rows of a batch in which every start meets every lam.

    function(pictures, restarts, lams (L,)) -> (picture (N,), start (N,), lam (N,)), N = pictures *
    restarts * L, in any order. `start` is the place among all initial z, where a picture's restarts
    stand side by side.
    """
    for pictures, restarts, lams in ((2, 3, (0.0, 0.5, 4.0)), (3, 1, (0.25, 2.0)), (1, 2, (1.0,))):
        given = function(pictures, restarts, torch.tensor(lams))
        expect(
            isinstance(given, tuple | list) and len(given) == 3,
            "three tensors are wanted: picture, start, lam",
        )
        columns = [torch.as_tensor(column).double() for column in given]
        count = pictures * restarts * len(lams)
        expect(
            all(column.shape == (count,) for column in columns),
            f"{pictures} pictures, {restarts} restarts and {len(lams)} lams need three tensors "
            f"of shape ({count},), got {', '.join(str(tuple(column.shape)) for column in columns)}",
        )
        rows = sorted(zip(*(column.tolist() for column in columns), strict=True))
        wanted = sorted(
            (float(p), float(p * restarts + r), lam)
            for p in range(pictures)
            for r in range(restarts)
            for lam in lams
        )
        expect(
            {row[:2] for row in rows} == {row[:2] for row in wanted},
            "picture p has the starts p * restarts to p * restarts + restarts - 1, and no others",
        )
        expect(
            rows == wanted, "each start needs each lam exactly once: the same starts for every lam"
        )
    return "every start meets every lam once, so a slider over lam shows lam and not luck."
