"""Exercises of notebook 03, training a GAN."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib.teaching.exercises.checking import draws, exercise, expect, same


@exercise
def check_discriminator_loss(function: Callable[[Tensor, Tensor], Tensor]) -> str:
    """Eq. 1 as a loss of D.

    function(real_logits, fake_logits) -> minus the value of Eq. 1, a number.
    """
    for scale in (1.0, 200.0):
        real, fake = scale * draws(32, seed=4), scale * draws(32, seed=5)
        expected = F.softplus(-real.double()).mean() + F.softplus(fake.double()).mean()
        given = function(real, fake)
        expect(
            torch.as_tensor(given).numel() == 1,
            "one number for the batch is wanted: take the mean over each batch (shape ())",
        )
        expect(
            bool(torch.as_tensor(given).isfinite()),
            "infinite or NaN for large logits: log(sigmoid(l)) underflows; use "
            "F.logsigmoid or F.softplus",
        )
        value = torch.as_tensor(given).detach().double()
        expect(
            not torch.allclose(value, -expected, atol=1e-3),
            "the sign is turned: D maximizes Eq. 1, so its loss is minus that",
        )
        same(expected, given, "the loss", 1e-3 * scale)
    return "Eq. 1 for D, finite for any logit."


@exercise
def check_average(function: Callable[[Tensor, Tensor, float], Tensor]) -> str:
    """The exponential moving average of weights.

    function(slow, fast, decay) -> the next average.
    """
    slow, fast = draws(5, seed=6), draws(5, seed=7)
    for decay in (0.0, 0.9, 0.999):
        same(decay * slow + (1 - decay) * fast, function(slow, fast, decay), f"decay {decay}", 1e-6)
    return "slow weights follow the fast ones."
