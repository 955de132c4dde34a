"""How far generated pictures are from real ones as a set, without a network.

The sliced Wasserstein distance of patches (Karras et al. 2018): a Laplacian pyramid separates
structure by scale; at each level small patches of both sets are projected onto random directions,
and in one dimension the Wasserstein distance is the mean difference of the sorted values.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib.images import check_images

SIDES = (64, 32, 16)
PATCH = 7
PATCHES = 128  # of an image and level
DIRECTIONS = 512
_KERNEL = (1.0, 4.0, 6.0, 4.0, 1.0)  # Burt and Adelson 1983


def sliced_wasserstein(images: Tensor, others: Tensor, seed: int = 0) -> dict[str, float]:
    """The distance of two sets of pictures at each level of a Laplacian pyramid, times 1000.

    Karras et al. 2018, "Progressive Growing of GANs", section 5. It falls with the number of
    pictures: compare only equal numbers, and state the distance of two sets of real pictures as its
    zero.

    Args:
        images: (B, 3, 64, 64) in [-1, 1].
        others: as many, likewise.
        seed: of patches and directions.

    Returns:
        "64x64" (finest structure), "32x32", "16x16" (all that is coarser) and "mean".

    Raises:
        ValueError: for pictures of another size, or two sets of unequal size.
    """
    check_images(images)
    check_images(others, "others")
    if images.shape != others.shape or images.shape[-1] != SIDES[0] or images.shape[-2] != SIDES[0]:
        raise ValueError(
            "need two sets of as many 64x64 pictures, "
            f"got {tuple(images.shape)} and {tuple(others.shape)}"
        )
    rng = torch.Generator().manual_seed(seed)
    pyramids = zip(laplacian_pyramid(images), laplacian_pyramid(others), strict=True)
    distances = {}
    for side, (a, b) in zip(SIDES, pyramids, strict=True):
        patches_a, patches_b = (_normalized(_patches(level, rng)) for level in (a, b))
        distances[f"{side}x{side}"] = 1000 * _sliced(patches_a, patches_b, rng)
    distances["mean"] = sum(distances.values()) / len(distances)
    return distances


def laplacian_pyramid(images: Tensor) -> list[Tensor]:
    """(B, 3, 64, 64) -> the details at 64x64 and 32x32, and the rest at 16x16."""
    levels = []
    for _ in SIDES[1:]:
        smaller = _blur(images)[:, :, ::2, ::2]
        levels.append(images - _enlarge(smaller))
        images = smaller
    return [*levels, images]


def _blur(images: Tensor) -> Tensor:
    line = images.new_tensor(_KERNEL) / sum(_KERNEL)
    kernel = (line[:, None] * line).expand(images.shape[1], 1, 5, 5)
    padded = F.pad(images, (2, 2, 2, 2), mode="reflect")
    return F.conv2d(padded, kernel, groups=images.shape[1])


def _enlarge(images: Tensor) -> Tensor:
    """Twice the side: zeros between the pixels, blurred; times four, as three of four are zero."""
    count, channels, height, width = images.shape
    spread = images.new_zeros(count, channels, 2 * height, 2 * width)
    spread[:, :, ::2, ::2] = images
    return 4 * _blur(spread)


def _patches(level: Tensor, rng: torch.Generator) -> Tensor:
    """(B, 3, S, S) -> (B * 128, 3, 7, 7), at random places."""
    count, _, side, _ = level.shape
    top, left = torch.randint(0, side - PATCH + 1, (2, count, PATCHES), generator=rng)
    rows = top[..., None, None] + torch.arange(PATCH)[:, None]  # (B, 128, 7, 1)
    columns = left[..., None, None] + torch.arange(PATCH)  # (B, 128, 1, 7)
    image = torch.arange(count)[:, None, None, None]
    found = level.cpu().permute(0, 2, 3, 1)[image, rows, columns]  # (B, 128, 7, 7, 3)
    return found.permute(0, 1, 4, 2, 3).flatten(0, 1)


def _normalized(patches: Tensor) -> Tensor:
    """Each color channel with mean 0 and deviation 1 over the whole set, then a row a patch."""
    mean = patches.mean(dim=(0, 2, 3), keepdim=True)
    deviation = patches.std(dim=(0, 2, 3), keepdim=True)
    return ((patches - mean) / deviation.clamp(min=1e-8)).flatten(1)


def _sliced(a: Tensor, b: Tensor, rng: torch.Generator) -> float:
    total = 0.0
    for _ in range(0, DIRECTIONS, 64):  # some at a time: all at once would take gigabytes
        directions = torch.randn(a.shape[1], 64, generator=rng)
        directions = directions / directions.norm(dim=0)
        gap = (a @ directions).sort(dim=0).values - (b @ directions).sort(dim=0).values
        total += float(gap.abs().mean(dim=0).sum())
    return total / DIRECTIONS
