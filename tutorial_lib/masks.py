"""Masks: (B, 1, H, W) float, 1 = known, 0 = hole.

The paper's four mask families (`FAMILIES`; `make_masks` draws one by name), rectangles, and any
array or picture file. To add a family: a function that returns (1, 1, size, size), its name in
`FAMILIES`, its line in `make_masks`; CONTRIBUTING says what follows from that.

Random masks draw from the torch.Generator given, never from the global one.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from tutorial_lib.images import (
    IMAGE_SIZE,
    check_images,
    check_shape,
    load_picture,
    open_picture,
)

FAMILIES = ("center", "pattern", "random", "half")
HOLES = ("black", "white")  # what a drawn hole may look like
SIDES = ("left", "right", "top", "bottom")
_GRAY = (32, 223)  # brightness between these is neither black nor white
_MOSTLY_GRAY = 0.25  # of a mask's pixels: soft edges have less, photos have more
TRANSPARENT = "what is transparent is the hole"  # the rule, in `read_mask`'s words
_FEW = 100  # values of what is no picture yet
# of the hole in drawn pictures, in [-1, 1]: lighter than most faces' shadows, darker than paper
HOLE_GRAY = 0.2


def rectangle_mask(top: int, left: int, height: int, width: int, size: int = IMAGE_SIZE) -> Tensor:
    """(1, 1, size, size) with a rectangular hole.

    Raises:
        ValueError: when the rectangle is empty, reaches over the edge or covers everything.
    """
    if height < 1 or width < 1 or top < 0 or left < 0 or top + height > size or left + width > size:
        raise ValueError(
            f"a {height}x{width} hole at row {top}, column {left} does not fit "
            f"a {size}x{size} picture"
        )
    mask = torch.ones(1, 1, size, size)
    mask[:, :, top : top + height, left : left + width] = 0
    return check_mask(mask)


def center_mask(hole: int | None = None, size: int = IMAGE_SIZE) -> Tensor:
    """(1, 1, size, size), the paper's first family: a central square.

    Args:
        hole: the square's side in pixels; None takes half the picture's.
        size: the picture's side.
    """
    hole = size // 2 if hole is None else hole
    return rectangle_mask((size - hole) // 2, (size - hole) // 2, hole, hole, size)


def pattern_mask(rng: torch.Generator, missing: float = 0.25, size: int = IMAGE_SIZE) -> Tensor:
    """(1, 1, size, size), the second family: blobs that cover `missing` of the pixels, rounded.

    Smooth noise, of which the highest values become the hole (in the spirit of Pathak et al. 2016).
    """
    coarse = torch.randn(1, 1, size // 8, size // 8, generator=rng)
    smooth = F.interpolate(coarse, size=(size, size), mode="bicubic", align_corners=False)
    return _lowest_known(smooth, missing)


def random_mask(rng: torch.Generator, missing: float = 0.8, size: int = IMAGE_SIZE) -> Tensor:
    """(1, 1, size, size), the third family.

    `missing` of the pixels, rounded to one, independently of each other.
    """
    return _lowest_known(torch.rand(1, 1, size, size, generator=rng), missing)


def _lowest_known(score: Tensor, missing: float) -> Tensor:
    count = round(missing * score.numel())
    if not 0 < count < score.numel():
        raise ValueError(
            f"missing must leave at least one hole pixel and one known pixel, got {missing}"
        )
    mask = torch.ones(score.numel())
    mask[score.flatten().argsort(descending=True, stable=True)[:count]] = 0
    return mask.view_as(score)


def half_mask(
    side: str | None = None, rng: torch.Generator | None = None, size: int = IMAGE_SIZE
) -> Tensor:
    """(1, 1, size, size), the fourth family: one half missing.

    Args:
        side: "left", "right", "top" or "bottom"; None draws one from `rng`.
        rng: what to draw from.
        size: the picture's side.

    Raises:
        ValueError: for another side, or when neither side nor rng is given.
    """
    if side is None:
        if rng is None:
            raise ValueError("half_mask needs a side or a generator to draw one from")
        side = SIDES[int(torch.randint(4, (1,), generator=rng))]
    if side not in SIDES:
        raise ValueError(f"side must be one of {SIDES}, got {side!r}")
    mask = torch.ones(1, 1, size, size)
    half = size // 2
    lines = slice(half) if side in ("left", "top") else slice(-half, None)
    if side in ("left", "right"):
        mask[..., lines] = 0
    else:
        mask[..., lines, :] = 0
    return mask


def make_masks(
    family: str, count: int = 1, rng: torch.Generator | None = None, size: int = IMAGE_SIZE
) -> Tensor:
    """(count, 1, size, size): masks of one of the paper's four families.

    Args:
        family: "center", "pattern" (25 % missing), "random" (80 % missing) or "half".
        count: how many.
        rng: what the random families draw from; None is a generator seeded with 0.
        size: the picture's side.

    Raises:
        ValueError: for an unknown family or a count below 1.
    """
    if family not in FAMILIES:
        raise ValueError(f"unknown mask family {family!r}: choose from {FAMILIES}")
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    rng = torch.Generator().manual_seed(0) if rng is None else rng
    draw = {
        "center": lambda: center_mask(size=size),
        "pattern": lambda: pattern_mask(rng, size=size),
        "random": lambda: random_mask(rng, size=size),
        "half": lambda: half_mask(rng=rng, size=size),
    }[family]
    return torch.cat([draw() for _ in range(count)])


def mixed_masks(families: Sequence[str], count: int, rng: torch.Generator) -> Tensor:
    """(count, 1, 64, 64): the families in turn, so that a batch holds as many masks of each."""
    return torch.cat(
        [make_masks(families[number % len(families)], 1, rng) for number in range(count)]
    )


def mask_from_array(array: np.ndarray) -> Tensor:
    """(1, 1, H, W) from a (H, W) array of 0 and 1, of truth values, or of 0 and 255.

    Everything above 0 is known.

    Raises:
        ValueError: for other shapes or values, or a mask without a hole or without a known pixel.
    """
    array = np.asarray(array)
    if array.ndim != 2:
        raise ValueError(f"a mask array has shape (H, W), got {array.shape}")
    values = set(np.unique(array).tolist())
    if not (values <= {0, 1} or values <= {0, 255}):
        raise ValueError(
            f"a mask array holds 0 (hole) and 1 or 255 (known), got {sorted(values)[:5]}"
        )
    return check_mask(torch.from_numpy((array > 0).astype(np.float32))[None, None])


def read_mask(
    source: str | os.PathLike | bytes | Image.Image, hole: str = "black"
) -> tuple[np.ndarray, str]:
    """A drawn mask at its own size, and by which rule it was read.

    Transparent pixels, where there are any, are the hole: so editors save a photo that a part was
    erased from. Else white is known and black is the hole, or the reverse; a mask of 0 and 1 looks
    black, and its 1 counts as white.

    Args:
        source: as for `load_picture`.
        hole: "black" or "white", the color of the hole where nothing is transparent.

    Returns:
        (H, W) bool, True = known, and a clause that says the rule.

    Raises:
        ValueError: as `load_picture`; for what is mostly gray, as a photo is; for black drawn on
            transparent, or white on less than half of it, where either could be the hole; without a
            hole or a known pixel; for another color.
    """
    if hole not in HOLES:
        raise ValueError(f"hole must be one of {HOLES}, got {hole!r}")
    picture = open_picture(source)
    known, rule = _known_pixels(picture, hole)
    if known.all():
        raise ValueError("the mask has no hole: there is nothing to fill in")
    if not known.any():
        raise ValueError("the mask has no known pixel: nothing says what to fill in")
    return known, rule


def _known_pixels(picture: Image.Image, hole: str) -> tuple[np.ndarray, str]:
    if picture.has_transparency_data:
        pixels = picture.convert("RGBA")
        seen = np.asarray(pixels.getchannel("A")) > 127
        if not seen.all():
            brightness = np.asarray(pixels.convert("RGB").convert("L"))[seen]
            black = (brightness <= 127).any()
            if (black or 0 < seen.mean() < 0.5) and not _is_mostly_gray(brightness):
                raise ValueError(
                    f"{'black' if black else 'white'} is drawn on transparent, and either could "
                    "be the hole: save the mask without transparency, black the hole on white"
                )
            return seen, TRANSPARENT
    brightness = np.asarray(load_picture(picture).convert("L"))
    if brightness.max() == 1:
        zero, one = ("the hole", "known") if hole == "black" else ("known", "the hole")
        return (brightness == 1) == (hole == "black"), f"0 is {zero}, 1 is {one}"
    if _is_mostly_gray(brightness):
        raise ValueError(
            "the mask is mostly gray: is it a photo? A mask is white where the picture "
            "is known and black in the hole, or a photo with the hole erased to "
            "transparent"
        )
    return (brightness > 127) == (hole == "black"), f"{hole} is the hole"


def _is_mostly_gray(brightness: np.ndarray) -> bool:
    low, high = _GRAY
    return bool(((brightness >= low) & (brightness <= high)).mean() > _MOSTLY_GRAY)


def check_mask(mask: Tensor, images: Tensor | None = None, *, may_be_whole: bool = False) -> Tensor:
    """The validation of every function that takes a mask: the mask as float, one row a picture.

    Args:
        mask: (B, 1, H, W) or (1, 1, H, W), any type, of 0 and 1.
        images: the pictures it is for; a single mask is expanded to their number.
        may_be_whole: whether a mask without a hole is welcome.

    Raises:
        ValueError: for another shape or other values, a mask without a hole or without a known
            pixel.
    """
    if not isinstance(mask, Tensor) or mask.dim() != 4 or mask.shape[1] != 1:
        got = tuple(mask.shape) if isinstance(mask, Tensor) else type(mask).__name__
        raise ValueError(f"a mask is a tensor of shape (B, 1, H, W), 1 = known, got {got}")
    if not bool(((mask == 0) | (mask == 1)).all()):
        raise ValueError("a mask holds only 0 (hole) and 1 (known)")
    known = mask.bool().flatten(1)
    if not may_be_whole and bool(known.all(1).any()):
        raise ValueError("a mask has no hole (all 1): there is nothing to fill in")
    if not bool(known.any(1).all()):
        raise ValueError("a mask has no known pixel (all 0): nothing says what to fill in")
    mask = mask if mask.is_floating_point() else mask.float()
    if images is None:
        return mask
    if mask.shape[-2:] != images.shape[-2:] or mask.shape[0] not in (1, len(images)):
        raise ValueError(
            f"the mask {tuple(mask.shape)} does not fit the pictures {tuple(images.shape)}"
        )
    return mask.to(images.device).expand(len(images), -1, -1, -1)


def check_batch(
    images: Tensor, mask: Tensor, *, may_be_whole: bool = False
) -> tuple[Tensor, Tensor]:
    """The validation of every function that fills holes: the corrupted pictures y, and their masks.

    What stands in the holes, NaN included, is gone afterwards: it is never read.

    Args:
        images: (B, 3, H, W) in [-1, 1] where the mask is 1.
        mask: (B, 1, H, W) or (1, 1, H, W), 1 = known.
        may_be_whole: whether a mask without a hole is welcome.

    Returns:
        (B, 3, H, W), 0 in the holes, and (B, 1, H, W) float.

    Raises:
        ValueError: for wrong shapes or ranges, or an invalid mask.
    """
    if not isinstance(images, Tensor) or images.dim() != 4 or images.shape[1] != 3:
        check_shape(images)  # the picture is to blame, not the mask that does not fit it
    mask = check_mask(mask, images, may_be_whole=may_be_whole)
    corrupted = torch.where(mask > 0, images, images.new_zeros(()))
    check_images(corrupted)
    # a few numbers may all be positive, a picture's are not
    if corrupted[0].numel() > _FEW and 0 <= corrupted.min() < corrupted.max():
        warnings.warn(
            "no value of the pictures is below 0: they should lie in [-1, 1], not in [0, 1] "
            "(scale with x * 2 - 1)",
            stacklevel=3,
        )
    return corrupted, mask


def corrupt(images: Tensor, mask: Tensor, fill: float = 0.0) -> Tensor:
    """The corrupted picture y: `images` where the mask is 1, `fill` in the hole.

    Whatever stood in the hole, NaN included, is gone.
    """
    mask = check_mask(mask, images)
    return torch.where(mask > 0, images, torch.full_like(images[:1, :1, :1, :1], fill))
