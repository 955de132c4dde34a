"""Exercises of notebook 03, training a GAN."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tutorial_lib.teaching.exercises.checking import draws, exercise, expect, same
from tutorial_lib.training.task import seeded_weights


@exercise
def check_discriminator_step(function: Callable[..., Tensor]) -> str:
    """One step of D, and the one after it.

    function(G, D, optimizer, images, z) -> D's loss before the step; the optimizer holds D's
    weights. `images` is (B, 6) here and z (B, 4): what the step is has nothing to do with pictures.
    """
    mine, theirs = _pair(), _pair()
    for number in range(2):
        images, z = draws(16, 6, seed=number), draws(16, 4, seed=9 - number)
        expected = _step(*theirs, images, z)
        given = function(*mine, images, z)
        generator, discriminator, _ = mine
        same(expected, given, "D's loss before the step", 1e-5)
        wrong = (
            "after one step D's weights are not where they should be: what moves them?"
            if number == 0
            else "the first step is right and the second is not: what has the first left behind?"
        )
        for weight, right in zip(discriminator.parameters(), theirs[1].parameters(), strict=True):
            expect(torch.allclose(weight, right, atol=1e-6), wrong)
        for weight, right in zip(generator.parameters(), theirs[0].parameters(), strict=True):
            expect(torch.equal(weight, right), "G's weights have moved: this step is D's")
            expect(weight.requires_grad, "G takes no gradients any more and cannot learn")
            expect(
                weight.grad is None or not weight.grad.any(),
                "D is right, but G has got a gradient, which its own step would add to",
            )
    return "D learns, and G is left alone."


def _pair() -> tuple[nn.Module, nn.Module, torch.optim.Optimizer]:
    """A tiny G and D, the same each time, and D's optimizer."""
    with seeded_weights(0):
        generator, discriminator = nn.Linear(4, 6), nn.Sequential(nn.Linear(6, 1), nn.Flatten(0))
    return generator, discriminator, torch.optim.SGD(discriminator.parameters(), 0.1)


def _step(
    generator: nn.Module,
    discriminator: nn.Module,
    optimizer: torch.optim.Optimizer,
    images: Tensor,
    z: Tensor,
) -> Tensor:
    fake = generator(z).detach()
    loss = F.softplus(-discriminator(images)).mean() + F.softplus(discriminator(fake)).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


@exercise
def check_average(function: Callable[[Tensor, Tensor, float], Tensor]) -> str:
    """The exponential moving average of weights.

    function(slow, fast, decay) -> the next average.
    """
    slow, fast = draws(5, seed=6), draws(5, seed=7)
    for decay in (0.0, 0.9, 0.999):
        same(decay * slow + (1 - decay) * fast, function(slow, fast, decay), f"decay {decay}", 1e-6)
    return "slow weights follow the fast ones."
