"""Pictures between files and tensors.

Uint8 (H, W, 3) outside, float (B, 3, H, W) in [-1, 1] inside.
"""

from __future__ import annotations

import io
import math
import os

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

IMAGE_SIZE = 64
MIN_SIDE = 32
_GRID_GAP = 2


def to_float(pixels: np.ndarray) -> Tensor:
    """uint8 (H, W, 3) or (B, H, W, 3) -> float32 (B, 3, H, W) in [-1, 1].

    Raises:
        ValueError: for another type or shape.
    """
    pixels = np.asarray(pixels)
    if pixels.dtype != np.uint8 or pixels.ndim not in (3, 4) or pixels.shape[-1] != 3:
        raise ValueError(
            f"expected uint8 pixels of shape (H, W, 3) or (B, H, W, 3), got {pixels.dtype} {pixels.shape}"
        )
    if pixels.ndim == 3:
        pixels = pixels[None]
    return (
        torch.from_numpy(pixels.transpose(0, 3, 1, 2).astype(np.float32)).contiguous() / 127.5 - 1
    )


def to_uint8(images: Tensor) -> np.ndarray:
    """Float (3, H, W) or (B, 3, H, W) in [-1, 1] -> uint8 (B, H, W, 3).

    What lies outside the range is clamped.
    """
    images = images.detach().cpu().float()
    if images.dim() == 3:
        images = images[None]
    pixels = ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return pixels.permute(0, 2, 3, 1).contiguous().numpy()


def open_picture(source: str | os.PathLike | bytes | Image.Image) -> Image.Image:
    """Read a picture in the mode that it has, turned as its EXIF tag says.

    Args:
        source: a path, the bytes of a file, or a Pillow picture.

    Raises:
        FileNotFoundError: when the path is not there.
        ValueError: when it cannot be read as a picture, or a side is shorter than 32 pixels.
    """
    try:
        picture = (
            source
            if isinstance(source, Image.Image)
            else Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)
        )
        picture = ImageOps.exif_transpose(picture)
        picture.load()
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(
            f"cannot be read as a picture ({error}): is the file complete, and a JPEG, PNG or WebP?"
        ) from error
    if min(picture.size) < MIN_SIDE:
        raise ValueError(
            f"the picture is {picture.size[0]}x{picture.size[1]}: each side needs {MIN_SIDE} pixels or more"
        )
    return picture


def has_alpha(picture: Image.Image) -> bool:
    """Whether a picture has transparency: a band of its own, or a color of its palette."""
    return "A" in picture.getbands() or "transparency" in picture.info


def load_picture(source: str | os.PathLike | bytes | Image.Image) -> Image.Image:
    """Read a picture as people see it: 8-bit RGB, turned as its EXIF tag says, transparency over
    white.

    Args:
        source: a path, the bytes of a file, or a Pillow picture (greyscale, palette, RGBA and 16
            bit included).

    Raises:
        as `open_picture`.
    """
    picture = open_picture(source)
    if picture.mode.startswith("I") or picture.mode == "F":
        values = np.asarray(picture, dtype=np.float64)
        full = 65535 if values.max() > 255 else 255
        picture = Image.fromarray((values.clip(0, full) * (255 / full)).round().astype(np.uint8))
    if has_alpha(picture):
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
    return picture.convert("RGB")


def crop_square(
    picture: Image.Image, box: tuple[float, float, float] | None = None, size: int = IMAGE_SIZE
) -> Tensor:
    """A square of a picture, resized.

    (1, 3, size, size) float32 in [-1, 1]; arguments and errors as for `square_pixels`.
    """
    return to_float(square_pixels(picture, box, size))


def square_pixels(
    picture: Image.Image, box: tuple[float, float, float] | None = None, size: int = IMAGE_SIZE
) -> np.ndarray:
    """A square of a picture, resized: (size, size, 3) uint8.

    Args:
        picture: an RGB picture.
        box: (left, top, side) in pixels; where it reaches over the edge the edge's colors are
            repeated. None takes the largest central square.
        size: side of the result.

    Raises:
        ValueError: for a box with no area.
    """
    width, height = picture.size
    if box is None:
        side = min(width, height)
        box = ((width - side) / 2, (height - side) / 2, side)
    left, top, side = box
    if side <= 0:
        raise ValueError(f"the box's side must be positive, got {side}")
    margin = math.ceil(max(0, -left, -top, left + side - width, top + side - height))
    if margin:
        pixels = np.pad(
            np.asarray(picture), ((margin, margin), (margin, margin), (0, 0)), mode="edge"
        )
        picture, left, top = Image.fromarray(pixels), left + margin, top + margin
    square = picture.resize(
        (size, size),
        Image.Resampling.LANCZOS,
        box=(left, top, left + side, top + side),
        reducing_gap=3.0,
    )
    return np.asarray(square)


def image_grid(images: Tensor, columns: int = 8) -> np.ndarray:
    """Pictures (B, 3, H, W) in [-1, 1] side by side, row by row, with white gaps.

    One uint8 (H', W', 3) picture.

    Raises:
        ValueError: for no pictures or no columns.
    """
    if len(images) == 0 or columns < 1:
        raise ValueError(
            f"a grid needs pictures and columns, got {len(images)} pictures and {columns} columns"
        )
    pixels = to_uint8(images)
    count, height, width, _ = pixels.shape
    columns = min(columns, count)
    rows = -(-count // columns)
    grid = np.full(
        (rows * (height + _GRID_GAP) - _GRID_GAP, columns * (width + _GRID_GAP) - _GRID_GAP, 3),
        255,
        np.uint8,
    )
    for index, picture in enumerate(pixels):
        top, left = index // columns * (height + _GRID_GAP), index % columns * (width + _GRID_GAP)
        grid[top : top + height, left : left + width] = picture
    return grid


def check_images(images: Tensor, what: str = "images") -> None:
    """The door of every function that takes pictures.

    Raises:
        ValueError: unless `images` is a floating (B, 3, H, W) batch with all values in [-1, 1] (NaN
            is not).
    """
    if (
        not isinstance(images, Tensor)
        or images.dim() != 4
        or images.shape[1] != 3
        or not images.is_floating_point()
    ):
        got = (
            f"{images.dtype} {tuple(images.shape)}"
            if isinstance(images, Tensor)
            else type(images).__name__
        )
        raise ValueError(f"{what} must be a float tensor of shape (B, 3, H, W), got {got}")
    if len(images) == 0:
        raise ValueError(f"{what} holds no pictures")
    # a negated comparison is true for NaN as well
    if not bool((images.abs() <= 1 + 1e-4).all()):
        raise ValueError(
            f"{what} must lie in [-1, 1] and hold no NaN: scale with x / 127.5 - 1 "
            f"(values reach from {images.min().item():.3g} to {images.max().item():.3g})"
        )
