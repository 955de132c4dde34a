"""Exercises of notebook 00, start here."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from tutorial_lib.images import IMAGE_SIZE
from tutorial_lib.teaching.exercises.checking import exercise, expect, masks_of_all_families, same


@exercise
def check_two_holes(function: Callable[[], Tensor]) -> str:
    """A mask with a hole over each eye.

    function() -> (1, 1, 64, 64) mask with two holes side by side in the upper half, a tenth of the
    picture or less.
    """
    from scipy.ndimage import label

    mask = function()
    expect(
        isinstance(mask, Tensor) and mask.shape == (1, 1, IMAGE_SIZE, IMAGE_SIZE),
        "a mask has shape (1, 1, 64, 64)",
    )
    expect(bool(((mask == 0) | (mask == 1)).all()), "a mask holds 0 (hole) and 1 (known) only")
    hole = (mask[0, 0] == 0).numpy()
    regions, count = label(hole)
    expect(count == 2, f"two separate holes are wanted, found {count}")
    expect(
        not hole[IMAGE_SIZE // 2 :].any(),
        "both holes belong into the upper half, where the eyes are",
    )
    expect(
        hole.mean() <= 0.1, f"{hole.mean():.0%} of the picture is missing: make the holes smaller"
    )
    left, right = ((regions == n).nonzero()[1].mean() for n in (1, 2))
    expect(abs(left - right) > 8, "put them side by side, one over each eye")
    return "two holes, one over each eye."


@exercise
def check_missing_share(function: Callable[[Tensor], Tensor]) -> str:
    """How much of each picture is missing.

    function(mask (B, 1, H, W)) -> (B,) fraction of missing pixels.
    """
    masks = masks_of_all_families()
    same((masks == 0).double().mean((1, 2, 3)), function(masks), "one share a mask")
    return "one share a mask, a quarter for the center block."
