"""Exercises of notebook 05, searching the latent space."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tutorial_lib.teaching.exercises.checking import draws, exercise, expect, same

MOMENTUM = 0.9


@exercise
def check_stochastic_clip(function: Callable[[Tensor, torch.Generator], Tensor]) -> str:
    """Stochastic clipping.

    function(z, generator) -> z with each value outside [-1, 1] replaced by a new uniform draw from
    [-1, 1].
    """
    z = 2 * draws(400, 100, seed=11)
    z = torch.where(z.abs() > 1, 1.1 * z.sign(), z)  # no rule makes new uniform values of these
    clipped, again, others = (
        function(z.clone(), torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
    )
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
    expect(
        torch.equal(clipped, again) and not torch.equal(clipped, others),
        "the new values do not come from the generator: the same seed must give the same ones, "
        "another seed others",
    )
    return "values that leave the box land anywhere in it."


@exercise
def check_momentum_search(
    function: Callable[[Callable[[Tensor], Tensor], Tensor, int, float], Tensor],
) -> str:
    """Gradient descent on z with momentum, in the box.

    function(loss, z, steps, rate) -> (B, n), where `loss` maps (B, n) to (B,) and z is the initial
    z. Each step: velocity = 0.9 * velocity + gradient, z = z - rate * velocity, clipped to [-1, 1].
    """
    start, target = 0.5 * draws(3, 4, seed=5), 0.5 * draws(3, 4, seed=6)

    def distance(z: Tensor) -> Tensor:
        return (z - target[: len(z)]).square().sum(1)

    for steps, what in (
        (1, "z after one step"),
        (2, "z after two steps, each by its own gradient"),
    ):
        given = start.clone()
        ends = function(distance, given, steps, 0.05)
        expect(
            isinstance(ends, Tensor) and ends.shape == start.shape,
            f"the codes found must have the shape of z, {tuple(start.shape)}",
        )
        expect(torch.equal(given, start), "the initial z was overwritten: search on a copy")
        expect(
            torch.allclose(ends[:1], function(distance, start[:1].clone(), steps, 0.05), atol=1e-6),
            "a face ends elsewhere in a batch of three than alone: no step may depend on others",
        )
        expect(
            not torch.allclose(ends, _momentum_search(distance, start, steps, -0.05)),
            "the loss goes up: step against the gradient",
        )
        same(_momentum_search(distance, start, steps, 0.05), ends, what, 1e-5)
    target = 1.05 * target.sign()  # just outside: the momentum carries z past it, and back
    for steps in (10, 16, 24):
        ends = function(distance, start.clone(), steps, 0.05)
        expect(bool((ends.abs() <= 1).all()), f"after {steps} steps z is outside the box [-1, 1]")
        wanted = _momentum_search(distance, start, steps, 0.05)
        same(wanted, ends, f"z after {steps} steps, clipped after each", 1e-4)
    return "each step uses its own gradient, each face its own loss, and z stays in the box."


def _momentum_search(
    loss: Callable[[Tensor], Tensor], z: Tensor, steps: int, rate: float
) -> Tensor:
    z, velocity = z.clone(), torch.zeros_like(z)
    for _ in range(steps):
        z = z.detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(loss(z).sum(), z)
        velocity = MOMENTUM * velocity + gradient
        z = (z - rate * velocity).clamp(-1, 1)
    return z.detach()
