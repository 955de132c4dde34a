"""Exercises of notebook 11, limits and beyond."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tutorial_lib.teaching.exercises.checking import draws, exercise, expect, same


@exercise
def check_worst(function: Callable[[Tensor, int], Tensor]) -> str:
    """The places of the largest losses.

    function(losses (N,), count) -> (count,) places, that of the largest loss first.
    """
    for seed, length, count in ((37, 9, 3), (38, 40, 40), (39, 5, 1)):
        losses = draws(length, seed=seed)
        given = torch.as_tensor(function(losses, count))
        expect(given.shape == (count,), f"expected shape ({count},), got {tuple(given.shape)}")
        wanted = losses.argsort(descending=True)[:count]
        smallest = losses.argsort()[:count]
        expect(
            torch.equal(given.long(), wanted) or not torch.equal(given.long(), smallest),
            "those are the smallest: the failures have the largest loss",
        )
        same(wanted, given, "places", 0.0)
    return "a rule, fixed before looking, instead of a hand that picks."


@exercise
def check_diagnosis(function: Callable[[Tensor, Tensor, Tensor, float], list[str]]) -> str:
    """Why a completion failed, in one word.

    function(found (N,), inverted (N,), psnr (N,), least) -> "search", "generator" or "rim" for each
    picture.

    found, inverted: context loss of the search's code and of the code that makes the whole original
    best; psnr: of that code's picture in the hole, dB. "search": a lower loss exists than was
    found; else "generator": even the best code's picture is below `least` dB; else "rim": the
    original could be made, but other codes fit the known pixels as well.
    """
    rng = torch.Generator().manual_seed(40)
    found = 20 + 10 * torch.rand(24, generator=rng)
    inverted = 20 + 10 * torch.rand(24, generator=rng)
    decibels = 12 + 12 * torch.rand(24, generator=rng)
    for least in (16.0, 20.0):
        given = function(found, inverted, decibels, least)
        expect(
            not isinstance(given, str | Tensor) and hasattr(given, "__len__") and len(given) == 24,
            "a list of one word a picture is wanted",
        )
        for number, word in enumerate(given):
            wanted = "rim"
            if decibels[number] < least:
                wanted = "generator"
            if inverted[number] < found[number]:
                wanted = "search"
            expect(
                word == wanted,
                f"losses {found[number]:.1f} (found) and {inverted[number]:.1f} (inverted), "
                f"{decibels[number]:.1f} dB with at least {least:g} wanted: "
                f"expected {wanted!r}, got {word!r}",
            )
    return "three different diseases; only the second is cured by a stronger generator."
