"""Exercises of notebook 05, searching the latent space."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tutorial_lib.inpainting.importance import importance_weights
from tutorial_lib.inpainting.losses import context_loss
from tutorial_lib.teaching.exercises.checking import (
    draws,
    exercise,
    expect,
    masks_of_all_families,
    same,
)


@exercise
def check_context_loss(function: Callable[[Tensor, Tensor, Tensor], Tensor]) -> str:
    """Eq. 4 for each picture of a batch.

    function(generated, images, weights) -> (B,).
    """
    generated, images = draws(4, 3, 16, 16, seed=8), draws(4, 3, 16, 16, seed=9)
    weights = importance_weights(masks_of_all_families(16))
    expected = context_loss(generated, images, weights)
    given = function(generated, images, weights)
    if isinstance(given, Tensor) and given.shape == expected.shape:
        expect(
            (given * 3 * 16 * 16 - expected).abs().max().item() > 1e-3,
            "that is a mean; Eq. 4 is a sum over pixels and channels",
        )
    same(expected, given, "the loss", 1e-3)
    return "a weighted sum for each picture."


@exercise
def check_prior_slope(function: Callable[[Tensor, float], Tensor]) -> str:
    """The gradient of Eq. 5 with respect to the logit.

    function(logits, lam) -> (B,) derivative of lam * log(1 - D).
    """
    logits = (6 * draws(8, seed=10)).requires_grad_(True)
    (expected,) = torch.autograd.grad((3.0 * torch.log(1 - torch.sigmoid(logits))).sum(), logits)
    given = function(logits.detach(), 3.0)
    if isinstance(given, Tensor) and given.shape == expected.shape:
        expect((given + expected).abs().max().item() > 1e-4, "the sign is the other way round")
    same(expected, given, "the gradient", 1e-4)
    return "-lam * D: small exactly where D is sure that the picture is not real."


@exercise
def check_stochastic_clip(function: Callable[[Tensor, torch.Generator], Tensor]) -> str:
    """Stochastic clipping.

    function(z, generator) -> z with each value outside [-1, 1] replaced by a new uniform draw from
    [-1, 1].
    """
    z = 2 * draws(400, 100, seed=11)
    clipped = function(z.clone(), torch.Generator().manual_seed(0))
    expect(isinstance(clipped, Tensor) and clipped.shape == z.shape, "the shape of z must be kept")
    inside = z.abs() <= 1
    same(z[inside], clipped[inside], "values inside [-1, 1] must stay", 0.0)
    drawn = clipped[~inside]
    expect(bool((drawn.abs() <= 1).all()), "some values are still outside [-1, 1]")
    expect(
        bool((drawn.abs() < 1).float().mean() > 0.99),
        "that is ordinary clipping: values outside end at -1 or 1",
    )
    expect(
        abs(drawn.mean().item()) < 0.05 and abs(drawn.std().item() - 3**-0.5) < 0.03,
        "the new values are not uniform on [-1, 1]",
    )
    return "values that leave the box land anywhere in it."
