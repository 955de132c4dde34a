"""Exercises of notebook 06, Poisson blending."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tutorial_lib.inpainting.blending import poisson_blend
from tutorial_lib.masks import center_mask, half_mask
from tutorial_lib.teaching.exercises.checking import draws, exercise, expect, same

_SIZE, _SWEEPS = 8, 600  # after so many sweeps images of this size have converged


@exercise
def check_blend_line(function: Callable[[Tensor, float, float | None], Tensor]) -> str:
    """Eq. 6 on a line of n pixels: function(g (n,), left, right) -> (n,).

    The first pixel is known, its value is left. The last one is known, its value is right; or,
    where right is None, it is the edge of the picture and belongs to the hole.
    """
    for seed, count in ((12, 3), (13, 7), (14, 14)):
        g = draws(count, seed=seed)
        left, right = draws(2, seed=seed + 50).tolist()
        given = torch.as_tensor(function(g.clone(), left, right)).detach().double()
        what = f"{count} pixels, both ends known"
        expect(given.shape == (count,), f"{what}: expected {count} values, got {given.numel()}")
        ends = (given[[0, -1]] - torch.tensor([left, right])).abs().max()
        expect(bool(ends < 1e-4), f"{what}: the known values at the two ends are not kept")
        # plain least squares over the hole: no closed form here
        differences = torch.eye(count, dtype=torch.float64).diff(dim=0)
        fixed = torch.zeros(count, dtype=torch.float64)
        fixed[0], fixed[-1] = left, right
        inner = torch.linalg.lstsq(
            differences[:, 1:-1], (differences @ (g.double() - fixed))[:, None]
        ).solution[:, 0]
        fixed[1:-1] = inner
        same(fixed, given, what)

        open_end = torch.as_tensor(function(g.clone(), left, None)).detach().double()
        what = f"{count} pixels, the hole reaches the edge"
        expect(open_end.shape == (count,), f"{what}: expected {count} values")
        expect(
            abs(float(open_end[0]) - left) < 1e-4,
            f"{what}: the known value at the left is not kept",
        )
        gap = (open_end.diff() - g.double().diff()).abs().max()
        expect(
            bool(gap < 1e-4),
            f"{what}: nothing is known at the right, so all of G's differences can be kept; "
            f"yours change by up to {gap:.3g}",
        )
    return "between two known ends u is a straight line, towards an open end it is constant."


@exercise
def check_blend(function: Callable[[Tensor, Tensor, Tensor, int], Tensor]) -> str:
    """Eq. 6 by sweeps: function(g (B, 3, H, W), y, mask (1, 1, H, W), sweeps) -> (B, 3, H, W)."""
    g, y = 0.3 * draws(2, 3, _SIZE, _SIZE, seed=21), 0.3 * draws(2, 3, _SIZE, _SIZE, seed=22)

    def given(y: Tensor, mask: Tensor, g: Tensor = g) -> Tensor:
        blended = torch.as_tensor(function(g.clone(), y.clone(), mask.clone(), _SWEEPS)).detach()
        expect(
            blended.shape == g.shape,
            f"expected a batch of shape {tuple(g.shape)}, got {tuple(blended.shape)}",
        )
        return blended.double()

    def wanted(y: Tensor, mask: Tensor, g: Tensor = g) -> Tensor:
        return poisson_blend(g.double(), y.double(), mask)

    center, half = center_mask(size=_SIZE), half_mask("left", size=_SIZE)
    same(wanted(y, center), given(y, center), "a hole in the middle", 1e-3)

    far = y.clone()
    far[..., -1] += 0.5  # known, and no neighbor of the hole
    moved = (given(far, half) - given(y, half))[..., : _SIZE // 2].abs().max()
    expect(
        bool(moved < 1e-4),
        "the hole is the left half: its pixels change when known ones at the right edge change",
    )
    flat = given(torch.full_like(y, 0.5), half, torch.zeros_like(g))
    expect(
        bool((flat - 0.5).abs().max() < 1e-3),
        "the hole is the left half, G is constant, all known pixels are 0.5: the hole should "
        f"become 0.5 throughout, yours goes down to {flat.min():.2f} and up to {flat.max():.2f}",
    )
    same(wanted(y, half), given(y, half), "the hole is the left half: the result", 1e-3)

    spoiled = torch.where(center > 0, y, torch.nan)
    expect(
        bool(given(spoiled, center).isfinite().all()),
        "with NaN under the hole your result has NaN: something there is read",
    )
    bright = g + 0.9 * (1 - center)
    blended = given(y + 0.7, center, bright)
    expect(
        bool((blended - wanted(y + 0.7, center, bright)).abs().max() < 1e-3),
        f"the solution of Eq. 6 has values up to {wanted(y + 0.7, center, bright).max():.2f} here, "
        f"yours up to {blended.max():.2f}",
    )
    return "natural boundary, nothing read under the hole, and nothing cut off."
