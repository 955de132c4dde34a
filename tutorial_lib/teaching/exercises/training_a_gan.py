"""Exercises of notebook 03, training a GAN."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Normal, kl_divergence

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


@exercise
def check_divergence(function: Callable[[Tensor, Tensor], Tensor]) -> str:
    """The divergence of a code from the prior, KL(q || N(0, 1)).

    function(mean (B, L), log_variance (B, L)) -> (B,) in nats.
    """
    for seed in (41, 42):
        mean, log_variance = draws(3, 6, seed=seed), draws(3, 6, seed=seed + 50)
        wanted = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0)).sum(1)
        given = function(mean, log_variance)
        if isinstance(given, Tensor) and given.shape == wanted.shape:
            expect(
                not torch.allclose(given, -wanted, atol=1e-4),
                "the sign is turned: a divergence is never negative",
            )
            expect(
                not torch.allclose(given, wanted / 6, atol=1e-4),
                "add the numbers of a code up, do not average them",
            )
        same(wanted, given, "the divergence", 1e-4)
    return "zero for mean 0 and variance 1, and never below."
