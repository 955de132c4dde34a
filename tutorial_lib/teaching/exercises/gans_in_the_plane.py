"""Exercises of notebook 02, GANs in the plane."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tutorial_lib.teaching.exercises.checking import draws, exercise, expect, same


@exercise
def check_solutions(function: Callable[[Tensor, float], int]) -> str:
    """function(ends (N, 2), least) -> how many different solutions there are.

    Two neighbors in the order of y belong to different solutions when their y differ by more than
    `least`.
    """
    x = torch.full((7,), 0.2)
    cases = {
        "three groups": torch.tensor([0.6, -0.7, 0.12, 0.58, -0.71, 0.1, 0.11]),
        "one group": torch.tensor([0.31, 0.3, 0.29, 0.3, 0.32, 0.3, 0.3]),
        "a chain of small steps": torch.tensor([0.0, 0.3, 0.1, 0.2, 0.5, 0.6, 0.4]),
        "seven single points": torch.tensor([0.9, -0.9, 0.6, -0.6, 0.3, -0.3, 0.0]),
    }
    wanted = {0.15: (3, 1, 1, 7), 0.5: (2, 1, 1, 1)}
    for least, counts in wanted.items():
        for (name, y), count in zip(cases.items(), counts, strict=True):
            given = function(torch.stack([x, y], 1), least)
            shape = tuple(torch.as_tensor(given).shape)
            expect(shape == (), f"one number is wanted, got shape {shape}")
            listed = ", ".join(f"{value:.2f}" for value in y.tolist())
            case = f"{name}, y = {listed}, least = {least:g}"
            expect(int(given) <= count, f"{case}: {int(given)} are too many")
            expect(int(given) >= count, f"{case}: {int(given)} are too few")
    return "the known coordinate alone does not decide; the starts do."


@exercise
def check_total_loss(function: Callable[[Tensor, float, Tensor, float], Tensor]) -> str:
    """function(points (B, 2), x, logits (B,), lam) -> (B,) total loss of Eq. 2 in the plane."""
    points, logits = draws(40, 2, seed=3), 6 * draws(40, seed=4)
    points[:, 1] += 3  # far from x: reading the hole shows
    for x, lam in ((0.2, 0.0), (0.2, 0.5), (-0.6, 2.0)):
        given = function(points.clone(), x, logits.clone(), lam)
        given = torch.as_tensor(given).detach()
        expect(given.shape == (40,), f"expected one loss a point, (40,), got {tuple(given.shape)}")
        if lam == 0.0:
            wanted = (points[:, 0] - x).abs()
            hole = (points[:, 1] - x).abs()
            expect(
                not torch.allclose(given, hole, atol=1e-4),
                "with lambda 0 your loss depends on the missing coordinate",
            )
            same(wanted, given, "with lambda 0, the loss", 1e-5)
            continue
        prior = given - (points[:, 0] - x).abs()
        expect(
            bool((prior.abs() > 1e-6).any()), f"with lambda {lam:g} the loss is the same as with 0"
        )
        order = logits.argsort()
        expect(
            bool((prior[order].diff() <= 1e-5).all()),
            "a higher logit of D must lower the loss: G(z) looks more real then",
        )
        wanted = lam * torch.log(1 - logits.double().sigmoid())
        same(wanted, prior, f"with lambda {lam:g}, the prior's part", 1e-3)
    at_limit = function(torch.zeros(1, 2), 0.0, torch.tensor([200.0]), 1.0)
    expect(
        bool(torch.as_tensor(at_limit).isfinite().all()),
        "for a logit of 200 the loss is not finite: avoid the logarithm of 1 - sigmoid",
    )
    return "x is compared, y is free, and D's view counts with weight lambda."
