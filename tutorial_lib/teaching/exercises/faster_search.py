"""Exercises of notebook 12, faster search."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib.teaching.exercises.checking import draws, exercise, expect, same


@exercise
def check_time_to(function: Callable[[Tensor, Tensor, float], float]) -> str:
    """The time that a search takes to reach a loss.

    function(losses (N,), seconds (N,), target) -> the seconds of the first loss that is at most the
    target, else infinity.
    """
    losses = torch.tensor([9.0, 7.0, 4.0, 5.0, 3.0, 6.0])
    seconds = torch.tensor([0.1, 0.3, 0.4, 0.7, 1.1, 1.2])
    for target, wanted in ((9.5, 0.1), (7.0, 0.3), (4.5, 0.4), (3.0, 1.1)):
        given = function(losses, seconds, target)
        same(torch.tensor(wanted), torch.as_tensor(given).float(), f"time to {target:g}", 1e-6)
    never = float(function(losses, seconds, 2.0))
    expect(never == float("inf"), "a loss that was never reached takes infinitely long")
    return "with it any two searches can be compared, however different their steps are."


@exercise
def check_fold(function: Callable[..., tuple[Tensor, Tensor]]) -> str:
    """A transposed convolution and the batch normalization behind it as one convolution.

    function(weight (I, O, k, k), mean, variance, scale, shift, all (O,), eps) -> its weight and
    bias.
    """
    inputs, weight = draws(2, 3, 4, 4, seed=41), draws(3, 5, 4, 4, seed=42)
    mean, scale, shift = (draws(5, seed=seed) for seed in (43, 44, 45))
    variance = draws(5, seed=46).abs() + 0.1
    convolved = F.conv_transpose2d(inputs, weight, stride=2, padding=1)
    wanted = F.batch_norm(convolved, mean, variance, scale, shift, eps=1e-3)
    given = function(*(part.clone() for part in (weight, mean, variance, scale, shift)), 1e-3)
    expect(
        isinstance(given, tuple | list) and len(given) == 2,
        "two tensors are wanted, weight and bias",
    )
    new_weight, bias = (torch.as_tensor(part) for part in given)
    expect(
        new_weight.shape == weight.shape,
        f"expected a weight of shape {tuple(weight.shape)}, got {tuple(new_weight.shape)}",
    )
    expect(bias.shape == (5,), f"expected a bias of shape (5,), got {tuple(bias.shape)}")
    output = F.conv_transpose2d(inputs, new_weight, bias, stride=2, padding=1)
    same(wanted, output, "the layer's output")
    return "two layers in one, the same pictures: what `fuse_batch_norm` does before each search."
