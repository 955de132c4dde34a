"""Exercises of notebook 04, importance weights."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from tutorial_lib.inpainting.importance import importance_weights
from tutorial_lib.masks import FAMILIES, center_mask, make_masks
from tutorial_lib.teaching.exercises.checking import exercise, same


@exercise
def check_weight_at(function: Callable[[Tensor, int, int, int], float]) -> str:
    """Eq. 3 at one pixel.

    function(mask (H, W), row, column, window) -> W there.
    """
    places = [(0, 0), (0, 8), (3, 8), (8, 8), (15, 4), (4, 15), (11, 3), (8, 0), (14, 15)]
    for family in FAMILIES:
        mask = make_masks(family, size=16)
        for window in (3, 7):
            expected = importance_weights(mask, window)[0, 0]
            for row, column in places:
                given = function(mask[0, 0], row, column, window)
                where = f"{family} mask, row {row}, column {column}, window {window}"
                same(expected[row, column], given, where, 1e-5)
    return (
        "missing neighbors are counted, the window ends at the picture's edge, "
        "and the hole weighs 0."
    )


@exercise
def check_reach(function: Callable[[int], int]) -> str:
    """How far Eq. 3 reaches.

    function(window) -> how many pixels of a 64x64 picture with the center hole have a weight above
    0.
    """
    for window in (3, 7, 15, 31):
        expected = (importance_weights(center_mask(), window) > 0).sum()
        same(expected, function(window), f"window {window}", 0.0)
    return "a frame of (window - 1) / 2 pixels around the hole."
