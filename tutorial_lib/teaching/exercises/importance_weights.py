"""Exercises of notebook 04, importance weights."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib.inpainting.importance import importance_weights
from tutorial_lib.masks import center_mask, half_mask, make_masks, rectangle_mask
from tutorial_lib.teaching.exercises.checking import exercise, expect, same


@exercise
def check_speakers(function: Callable[[int, int, int], int]) -> str:
    """How many pixels Eq. 3 listens to.

    function(height, width, window) -> how many known pixels have a weight above 0, for one hole of
    height x width pixels that is far from the picture's border.
    """
    for height, width, window in ((2, 3, 7), (32, 32, 7), (1, 20, 5), (10, 4, 3), (12, 30, 15)):
        mask = rectangle_mask(16, 16, height, width)
        wanted = int((importance_weights(mask, window) > 0).sum())
        given = float(torch.as_tensor(function(height, width, window)).squeeze())
        case = f"a hole of {height}x{width} and window {window}"
        reach = window // 2
        expect(
            given != wanted + height * width,
            f"{case}: you counted the hole itself, which has W = 0",
        )
        expect(
            given != wanted - 4 * reach**2,
            f"{case}: you left out the corners, where the window touches the hole's corner",
        )
        expect(given <= wanted, f"{case}: {given:g} are too many")
        expect(given >= wanted, f"{case}: {given:g} are too few")
    return "a larger rectangle less the hole; the window adds half of itself on each side."


@exercise
def check_round_weights(function: Callable[[Tensor, int], Tensor]) -> str:
    """Eq. 3 with a round neighborhood.

    function(mask (B, 1, H, W), radius) -> (B, 1, H, W): the fraction of missing pixels among those
    of the picture at a distance of at most `radius`, and 0 in the hole.
    """
    cases = {
        "the center hole": center_mask(size=24),
        "a hole at the border": half_mask("left", size=24),
        "two masks of blobs": make_masks("pattern", 2, size=24),
    }
    for name, mask in cases.items():
        for radius in (3, 2):
            given = torch.as_tensor(function(mask.clone(), radius)).detach()
            where = f"{name}, radius {radius}"
            expect(
                given.shape == mask.shape,
                f"{where}: expected shape {tuple(mask.shape)}, got {tuple(given.shape)}",
            )
            expect(bool((given[mask == 0] == 0).all()), f"{where}: the hole itself has weight")
            wanted, far = _round_weights(mask, radius)
            expect(
                bool((given[far] == 0).all()),
                f"{where}: pixels with no missing pixel within the radius have weight",
            )
            same(wanted, given, where, 1e-5)
    return "only missing pixels give weight, and what lies outside the picture does not count."


def _round_weights(mask: Tensor, radius: int) -> tuple[Tensor, Tensor]:
    """The weights, and where a pixel is known and has no missing one around it."""
    offset = torch.arange(-radius, radius + 1)
    disc = (offset[:, None].square() + offset.square() <= radius**2).to(mask)[None, None]
    missing = F.conv2d(1 - mask, disc, padding=radius)
    inside = F.conv2d(torch.ones_like(mask), disc, padding=radius)
    return mask * missing / inside, (mask == 1) & (missing == 0)
