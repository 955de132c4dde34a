"""Exercises of notebook 01, the inpainting problem."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tutorial_lib.evaluation import metrics
from tutorial_lib.images import IMAGE_SIZE
from tutorial_lib.masks import corrupt
from tutorial_lib.teaching.exercises.checking import (
    draws,
    exercise,
    expect,
    masks_of_all_families,
    same,
)


@exercise
def check_mean_fill(function: Callable[[Tensor, Tensor], Tensor]) -> str:
    """Holes filled with one color.

    function(images, mask) -> images whose hole holds, channel by channel, the mean of the picture's
    known pixels.
    """
    images, mask = draws(4, 3, IMAGE_SIZE, IMAGE_SIZE, seed=1), masks_of_all_families()
    expected = images.clone()
    for row in range(4):
        known = mask[row, 0] == 1
        for channel in range(3):
            expected[row, channel][~known] = images[row, channel][known].mean()
    same(expected, function(corrupt(images, mask), mask), "the filled pictures")
    hidden = function(torch.where(mask > 0, images, 0.7), mask)
    same(expected, hidden, "with other values under the hole (they must not count)")
    return "known pixels kept, the hole filled with their mean, nothing under the hole was read."


@exercise
def check_hole_psnr(function: Callable[[Tensor, Tensor, Tensor], Tensor]) -> str:
    """PSNR in the hole.

    function(images, originals, mask) -> (B,) in dB over the hole pixels of pictures in [-1, 1].
    """
    images, originals = draws(4, 3, 16, 16, seed=2), draws(4, 3, 16, 16, seed=3)
    mask = masks_of_all_families(16)
    hole = mask[:, 0] == 0
    errors = [
        (images[row][:, hole[row]] - originals[row][:, hole[row]]).square().mean()
        for row in range(4)
    ]
    expected = 10 * torch.log10(4 / torch.stack(errors))
    given = function(images, originals, mask)
    if torch.as_tensor(given).shape == expected.shape:
        for gap, reason in (
            (6.0206, "the values reach from -1 to 1, so the range is 2, not 1"),
            (4.7712, "a hole pixel has three channels: divide by three times their number"),
        ):
            off = (expected - given - gap).abs().max().item()
            expect(off > 1e-3, f"{gap:.2f} dB too low: {reason}")
        whole = metrics.psnr(images, originals)
        expect(
            (whole - given).abs().max().item() > 1e-3,
            "that is the whole picture's PSNR: leave the known pixels out",
        )
    same(expected, given, "hole PSNR", 1e-3)
    return "the range is 2, only the hole counts, and one value comes back for each picture."


@exercise
def check_nearest(function: Callable[[Tensor, Tensor, Tensor], Tensor]) -> str:
    """The nearest neighbor by what is known.

    function(images, mask, collection (N, 3, H, W)) -> (B,) numbers of the pictures closest on the
    known pixels.
    """
    images, collection = draws(8, 3, 16, 16, seed=25), draws(60, 3, 16, 16, seed=26)
    mask = masks_of_all_families(16).repeat(2, 1, 1, 1)
    known = mask[:, 0] == 1
    distances = torch.empty(8, 60)
    for row in range(8):
        for number, picture in enumerate(collection):
            difference = picture[:, known[row]] - images[row][:, known[row]]
            distances[row, number] = difference.square().sum()
    closest = distances.argmin(1).tolist()
    # under the hole: what would lead to the last picture, were it read
    for hidden in (corrupt(images, mask), torch.where(mask > 0, images, collection[-1:])):
        given = torch.as_tensor(function(hidden, mask, collection))
        expect(
            given.shape == (8,),
            f"expected one number a picture, shape (8,), got {tuple(given.shape)}",
        )
        expect(
            bool(((given >= 0) & (given < 60) & (given == given.round())).all()),
            "expected whole numbers from 0 to N - 1",
        )
        for row, (ours, theirs) in enumerate(zip(closest, given.tolist(), strict=True)):
            expect(
                ours == theirs,
                f"picture {row}: you chose {theirs:g}, but {ours} is closer on the known pixels, "
                f"with a sum of squares of {distances[row, ours]:.1f} "
                f"against {distances[row, int(theirs)]:.1f}",
            )
    return "the closest on what is known, whatever stands in the hole."
