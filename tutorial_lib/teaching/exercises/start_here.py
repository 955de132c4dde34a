"""Exercises of notebook 00, start here."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tutorial_lib.faces import TEMPLATE
from tutorial_lib.images import IMAGE_SIZE
from tutorial_lib.teaching.exercises.checking import (
    draws,
    exercise,
    expect,
    masks_of_all_families,
)


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
    found = []
    for eye in ("left eye", "right eye"):
        column, row = map(int, TEMPLATE[eye])
        expect(hole[row, column], f"the {eye}, near row {row} and column {column}, is still there")
        found.append(regions[row, column])
    expect(found[0] != found[1], "put them side by side, one over each eye")
    return "two holes, one over each eye."


@exercise
def check_paste(function: Callable[[Tensor, Tensor, Tensor], Tensor]) -> str:
    """Generated pixels go into the hole, and nowhere else.

    function(image (B, 3, H, W), generated (B, 3, H, W), mask (B, 1, H, W)) -> (B, 3, H, W). What
    the image holds in its hole is not used, NaN included.
    """
    masks = masks_of_all_families()
    image, generated = (draws(len(masks), 3, IMAGE_SIZE, IMAGE_SIZE, seed=seed) for seed in (1, 2))
    known = (masks == 1).expand_as(image)
    wanted = torch.where(known, image, generated)
    pasted = function(image.clone(), generated.clone(), masks.clone())
    expect(
        isinstance(pasted, Tensor) and pasted.shape == image.shape,
        f"the result should have the shape of the image, {tuple(image.shape)}",
    )
    wrong = (pasted - wanted).abs() > 1e-6
    expect(
        not wrong[known].any(),
        f"{wrong[known].float().mean():.0%} of the known pixels are not those of the image",
    )
    expect(
        not wrong.any(),
        f"{wrong[~known].float().mean():.0%} of the hole does not show the generated pixels",
    )
    lost = image.masked_fill(~known, torch.nan)
    again = function(lost, generated.clone(), masks.clone())
    expect(
        not again.isnan().any(),
        "where the image holds NaN in its hole, your result holds NaN as well",
    )
    expect(
        torch.allclose(again, wanted, atol=1e-6),
        "the result depends on what the image holds in its hole",
    )
    return "known pixels stay, the hole is filled, and nothing under it is used."
