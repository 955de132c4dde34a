"""Exercises of notebook 12, faster search."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib.teaching.exercises.checking import draws, exercise, expect, same

EPS = 1e-2


@exercise
def check_leaders(function: Callable[[Tensor, Tensor, int], Tensor]) -> str:
    """Of each photo, the codes of the starts that lead.

    function(losses (photos, starts), z (photos * starts, n), keep) -> (photos * keep, n), photo by
    photo, the lowest loss first. A photo's starts lie side by side in z.
    """
    losses = torch.tensor([[3.0, 1.0, 2.0, 9.0], [8.0, 7.0, 5.0, 6.0], [0.1, 0.4, 0.3, 0.2]])
    z = draws(12, 5, seed=21)
    for keep, order in (
        (1, [1, 6, 8]),
        (2, [1, 2, 6, 7, 8, 11]),
        (4, [1, 2, 0, 3, 6, 7, 5, 4, 8, 11, 10, 9]),
    ):
        given = torch.as_tensor(function(losses.clone(), z.clone(), keep))
        wanted = z[order]
        expect(
            given.shape == wanted.shape,
            f"keep = {keep} of 3 photos with 4 starts: expected codes of shape "
            f"{tuple(wanted.shape)}, got {tuple(given.shape)}",
        )
        distances = torch.cdist(given.float(), z)  # (photos * keep, photos * starts)
        nearest, rows = distances.min(1)
        expect(bool((nearest < 1e-5).all()), "what comes back must be rows of z, unchanged")
        photos = torch.arange(3).repeat_interleave(keep)
        expect(
            torch.equal(rows // 4, photos),
            f"keep = {keep}: codes of photos {(rows // 4).tolist()} where photos "
            f"{photos.tolist()} are wanted",
        )
        expect(
            set(rows.tolist()) == set(order), f"keep = {keep}: a start with a higher loss was kept"
        )
        same(wanted, given, f"keep = {keep}, the lowest loss of a photo first: z", 1e-5)
    return "each photo goes on with its own leaders."


@exercise
def check_fused(function: Callable[..., tuple[Tensor, Tensor]]) -> str:
    """A transposed convolution and the batch norm behind it as one transposed convolution.

    function(weight (I, O, k, k), mean, variance, scale, shift, all (O,), eps) -> its weight and
    bias.
    """
    one, none = torch.ones(4), torch.zeros(4)
    mean, scale, shift = (draws(4, seed=seed) for seed in (43, 44, 45))
    variance = draws(4, seed=46).abs() + 0.1
    for what, norm in (
        ("scale alone: the wrong channels are scaled", (none, one - EPS, scale, none)),
        ("shift alone: not every channel is shifted by its own", (none, one - EPS, one, shift)),
        (
            "variance alone: the channels come out too large or too small",
            (none, variance, one, none),
        ),
        ("mean and scale together: the bias is wrong", (mean, one - EPS, scale, none)),
        ("all four together: the output is not the norm's", (mean, variance, scale, shift)),
    ):
        _compare(function, draws(4, 4, 4, 4, seed=42), norm, what)
    _compare(
        function, draws(3, 4, 4, 4, seed=47), norm, "three channels in, four out: wrong output"
    )
    return "two layers in one, the same pictures."


def _compare(
    function: Callable[..., tuple[Tensor, Tensor]],
    weight: Tensor,
    norm: tuple[Tensor, Tensor, Tensor, Tensor],
    problem: str,
) -> None:
    """One layer against two: weight (I, O, k, k), norm: mean, variance, scale and shift."""
    inputs = draws(2, len(weight), 4, 4, seed=41)
    mean, variance, scale, shift = norm
    convolved = F.conv_transpose2d(inputs, weight, stride=2, padding=1)
    wanted = F.batch_norm(convolved, mean, variance, scale, shift, eps=EPS)
    given = function(weight.clone(), *(part.clone() for part in norm), EPS)
    expect(
        isinstance(given, tuple | list) and len(given) == 2,
        "two tensors are wanted, weight and bias",
    )
    fused, bias = (torch.as_tensor(part) for part in given)
    expect(
        fused.shape == weight.shape,
        f"expected a weight of shape {tuple(weight.shape)}, got {tuple(fused.shape)}",
    )
    expect(bias.shape == shift.shape, f"expected a bias of shape (4,), got {tuple(bias.shape)}")
    output = F.conv_transpose2d(inputs, fused, bias, stride=2, padding=1)
    expect(torch.allclose(output, wanted, atol=1e-4), problem)
