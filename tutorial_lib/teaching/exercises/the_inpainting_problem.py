"""Exercises of notebook 01, the inpainting problem."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib.images import IMAGE_SIZE
from tutorial_lib.teaching.exercises.checking import (
    draws,
    exercise,
    expect,
    masks_of_all_families,
    same,
)


@exercise
def check_easy_hole(function: Callable[[], Tensor]) -> str:
    """A hole of half the image that hides nothing far from what is known.

    function() -> mask (1, 1, 64, 64), 1 = known, with half of the pixels or more missing, and a
    known pixel beside, above or below each missing one.
    """
    mask = function()
    shape = (1, 1, IMAGE_SIZE, IMAGE_SIZE)
    expect(isinstance(mask, Tensor), f"expected a tensor of shape {shape}")
    expect(tuple(mask.shape) == shape, f"expected shape {shape}, got {tuple(mask.shape)}")
    expect(bool(((mask == 0) | (mask == 1)).all()), "a mask holds only 0 (hole) and 1 (known)")
    missing = (mask == 0).double().mean().item()
    expect(missing >= 0.5, f"only {missing:.0%} is missing; 1 means known, 0 means hole")
    known = F.pad(mask.double(), (1, 1, 1, 1))[0, 0]  # outside of the image nothing is known
    beside = known[1:-1, :-2] + known[1:-1, 2:] + known[:-2, 1:-1] + known[2:, 1:-1]
    lonely = ((beside == 0) & (mask[0, 0] == 0)).nonzero()
    if len(lonely):
        row, column = lonely[0].tolist()
        expect(
            False,
            f"{len(lonely)} missing pixels have no known one beside, above or below them, "
            f"the first in row {row}, column {column}",
        )
    return f"{missing:.0%} is missing, and each missing pixel touches a known one."


@exercise
def check_hole_psnr(function: Callable[[Tensor, Tensor, Tensor], Tensor]) -> str:
    """PSNR in the hole.

    function(filled, originals, mask) -> (B,) in dB over the hole pixels of images in [-1, 1].
    """
    filled, originals = draws(4, 3, 16, 16, seed=2), draws(4, 3, 16, 16, seed=3)
    mask = masks_of_all_families(16)
    hole = mask[:, 0] == 0
    errors = [
        (filled[row][:, hole[row]] - originals[row][:, hole[row]]).square().mean()
        for row in range(4)
    ]
    wanted = 10 * torch.log10(4 / torch.stack(errors))

    given = torch.as_tensor(function(filled, originals, mask))
    expect(given.shape == (4,), f"expected one value an image, (4,), got {tuple(given.shape)}")
    other = torch.where(mask > 0, filled, draws(4, 3, 16, 16, seed=4))
    expect(
        not torch.allclose(given, torch.as_tensor(function(other, originals, mask))),
        "another filling gets the same value: whose errors do you average?",
    )
    other = torch.where(mask > 0, draws(4, 3, 16, 16, seed=5), filled)
    expect(
        torch.allclose(given, torch.as_tensor(function(other, originals, mask)), atol=1e-4),
        "the value changes when only known pixels change",
    )
    gap = (given - wanted).double()
    expect(
        bool(gap.max() - gap.min() < 1e-3),
        "the error depends on how large the hole is: off by "
        + ", ".join(f"{value:+.2f}" for value in gap.tolist())
        + f" dB where {', '.join(f'{value:.0%}' for value in hole.double().mean((1, 2)).tolist())} "
        "is missing. Over how many values do you average?",
    )
    for off, reason in (
        (-6.0206, "how far apart are the darkest and the brightest value?"),
        (-4.7712, "how many values has a pixel?"),
    ):
        expect(abs(gap[0].item() - off) > 1e-3, f"{-off:.2f} dB too low for every hole: {reason}")
    same(wanted, given, "hole PSNR", 1e-3)
    return "only the hole counts, all of its values do, and the range is 2."
