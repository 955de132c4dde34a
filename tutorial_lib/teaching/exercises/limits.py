"""Exercises of notebook 11, limits."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tutorial_lib.teaching.exercises.checking import draws, exercise, expect, same


@exercise
def check_kept_quality(function: Callable[[Tensor, Tensor, float], Tensor]) -> str:
    """What a warning score is worth.

    function(score (N,), psnr (N,), fraction) -> the mean PSNR of the pictures with the lowest
    scores, a fraction of all, rounded, and at least one.
    """
    for seed, count in ((51, 46), (52, 7)):
        score, quality = 10 + draws(count, seed=seed), 20 + 3 * draws(count, seed=seed + 10)
        for fraction in (1.0, 0.5, 0.1, 0.01):
            kept = max(1, round(fraction * count))
            given = torch.as_tensor(function(score.clone(), quality.clone(), fraction))
            expect(
                given.shape == (),
                f"one number is wanted, got shape {tuple(given.shape)}",
            )
            expect(
                not given.isnan(),
                f"the result for {fraction:g} of {count} pictures is NaN: is one of them kept?",
            )
            wanted = quality[score.argsort()[:kept]].mean()
            mistakes = {
                "those have the highest scores: a high score is a warning": score.argsort()[-kept:],
                "you sorted by PSNR, which nobody knows without the original": (
                    quality.argsort(descending=True)[:kept]
                ),
            }
            for problem, rows in mistakes.items():
                wrong = quality[rows].mean()
                expect(
                    not torch.isclose(given.to(wrong), wrong) or bool(torch.isclose(wrong, wanted)),
                    problem,
                )
            same(wanted, given, f"the mean PSNR of {fraction:g} of {count} pictures")
    return "the score decides what is kept, the PSNR only says what it was worth."


@exercise
def check_lightening(function: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> str:
    """How much the dark half of the portraits is lightened.

    function(original (N,), completed (N,)) -> the mean of completed - original over the portraits
    whose original is darker than the median, and twice the standard error of that mean.
    """
    for seed in (53, 54):
        original = 130 + 30 * draws(40, seed=seed)
        completed = original + 0.6 * (130 - original) + 25 * draws(40, seed=seed + 10)
        given = function(original.clone(), completed.clone())
        expect(
            isinstance(given, tuple | list) and len(given) == 2,
            "two numbers are wanted: the mean and twice its standard error",
        )
        mean, half = (torch.as_tensor(value) for value in given)
        change = completed - original
        dark = original < original.median()
        by_outcome = change[completed < completed.median()].mean()
        expect(
            mean.shape != () or not torch.isclose(mean.to(by_outcome), by_outcome),
            "who counts as dark depends on your outcome: a portrait that became light is no longer "
            "in the group",
        )
        expect(
            mean.shape != () or not torch.isclose(mean.to(change), change.mean()),
            "that is the mean over all portraits, light ones as well",
        )
        same(change[dark].mean(), mean, "the mean change of the dark portraits", 1e-3)
        wanted = 2 * change[dark].std() / int(dark.sum()) ** 0.5
        expect(
            half.shape != () or not 0 < half < 0.9 * wanted,
            "your error is too small: how many portraits is the mean taken over?",
        )
        same(wanted, half, "twice the standard error", 1e-3)
    return "the group is fixed before the outcome is seen, and counts its own portraits."
