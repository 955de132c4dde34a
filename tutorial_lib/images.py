"""Pictures between files and tensors.

Uint8 (H, W, 3) outside, float (B, 3, H, W) in [-1, 1] inside.
"""

from __future__ import annotations

import io
import math
import os
import warnings
from typing import BinaryIO

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError, features
from torch import Tensor

IMAGE_SIZE = 64
MIN_SIDE = 32
# What is read: formats whose decoders are a part of Pillow. EPS, for one, would start Ghostscript.
FORMATS: tuple[str, ...] = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
SUFFIXES: tuple[str, ...] = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif")
SUFFIXES += (".tif", ".tiff")
if features.check("avif"):
    FORMATS += ("AVIF",)
    SUFFIXES += (".avif",)
MAX_BYTES = 100_000_000  # of a picture inside an archive, unpacked
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_GRID_GAP = 2


class PictureError(ValueError):
    """A file that cannot be read as a picture; the message names it and says what to do."""


def to_float(pixels: np.ndarray) -> Tensor:
    """uint8 (H, W, 3) or (B, H, W, 3) -> float32 (B, 3, H, W) in [-1, 1].

    Raises:
        ValueError: for another type or shape.
    """
    pixels = np.asarray(pixels)
    if pixels.dtype != np.uint8 or pixels.ndim not in (3, 4) or pixels.shape[-1] != 3:
        raise ValueError(
            "expected uint8 pixels of shape (H, W, 3) or (B, H, W, 3), "
            f"got {pixels.dtype} {pixels.shape}"
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


def open_picture(
    source: str | os.PathLike | bytes | Image.Image, name: str | None = None
) -> Image.Image:
    """Read a picture in the mode that it has, turned as its EXIF tag says, if that can be read.

    The one gate for picture files: whether a file is refused is decided here. Only the formats of
    `FORMATS` are tried, by decoders inside Pillow: no file starts another program. Of an animation
    the first frame is read.

    Args:
        source: a path, the bytes of a file, or a Pillow picture.
        name: how messages call it; the path when left out.

    Raises:
        FileNotFoundError: when the path is not there.
        PictureError: when it cannot be read as a picture, has more than `Image.MAX_IMAGE_PIXELS`
            pixels (Pillow's 89 million: photos of 108 megapixels are refused), or a side is shorter
            than 32 pixels.
    """
    name = _name_of(source) if name is None else name
    try:
        if isinstance(source, Image.Image):
            _check_size(source, name)
            source.load()
            picture = _upright(source)
        elif isinstance(source, bytes):
            picture = _decoded(io.BytesIO(source), name)
        else:
            with open(source, "rb") as file:
                picture = _decoded(file, name)
    except (FileNotFoundError, PictureError):
        raise
    except IsADirectoryError as error:
        raise PictureError(
            f"{name} cannot be read as a picture: it is a folder, give the pictures in it"
        ) from error
    except Image.DecompressionBombError as error:
        raise PictureError(_too_large(name)) from error
    except UnidentifiedImageError as error:
        raise PictureError(f"{name} cannot be read as a picture: {_no_format(source)}") from error
    except Exception as error:  # a damaged file makes decoders raise almost anything
        why = str(error) or type(error).__name__
        raise PictureError(
            f"{name} cannot be read as a picture ({why}): is the file complete? "
            "Fetch it again, or save it anew as PNG"
        ) from error
    if min(picture.size) < MIN_SIDE:
        raise PictureError(
            f"{name} is {picture.width}x{picture.height}: each side needs {MIN_SIDE} pixels or more"
        )
    return picture


def _decoded(file: BinaryIO, name: str) -> Image.Image:
    with warnings.catch_warnings():  # the message below says it
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        picture: Image.Image = Image.open(file, formats=FORMATS)  # reads the header only
    _check_size(picture, name)
    picture.load()
    return _upright(picture)


def _upright(picture: Image.Image) -> Image.Image:
    """The picture turned as its EXIF tag says; as it is where the EXIF block is damaged."""
    try:
        if picture.getexif().get(ExifTags.Base.Orientation, 1) == 1:
            return picture  # without the copy that Pillow would make
        return ImageOps.exif_transpose(picture)
    except MemoryError:
        raise
    except Exception:  # Pillow raises almost anything, but the pixels are whole
        return picture


def _check_size(picture: Image.Image, name: str) -> None:
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and picture.width * picture.height > limit:
        raise PictureError(_too_large(name))


def _too_large(name: str) -> str:
    return (
        f"{name} is too large: it has more than {Image.MAX_IMAGE_PIXELS:,} pixels; make it smaller"
    )


def _name_of(source: str | os.PathLike | bytes | Image.Image) -> str:
    return "the file" if isinstance(source, bytes | Image.Image) else os.fspath(source)


def _no_format(source: str | os.PathLike | bytes | Image.Image) -> str:
    """Why no decoder knows a file, and what to do."""
    if isinstance(source, bytes):
        first = source[:12]
    else:
        with open(source, "rb") as file:  # type: ignore[arg-type]
            first = file.read(12)
    if first[4:8] == b"ftyp" and first[8:12] in _HEIC_BRANDS:
        return "it is a HEIC file, as some telephones write them: export it as JPEG"
    known = ", ".join(FORMATS[:-1]) + f" or {FORMATS[-1]}"
    return f"is the file complete, and one of {known}?"


def load_picture(
    source: str | os.PathLike | bytes | Image.Image, name: str | None = None
) -> Image.Image:
    """Read a picture as people see it: upright 8-bit RGB, transparency laid over white.

    Gray values of 16 bit are divided by 257, whatever their largest is. Floats without any value
    above 1 are taken for [0, 1], others for [0, 255]. Other floats and whole numbers of 32 bit are
    refused.

    Args:
        source: a path, the bytes of a file, or a Pillow picture (greyscale, palette, RGBA and 16
            bit included).
        name: how messages call it; the path when left out.

    Raises:
        as `open_picture`.
    """
    name = _name_of(source) if name is None else name
    picture = open_picture(source, name)
    try:
        if picture.mode[0] in "IF":
            picture = Image.fromarray(_eight_bit(picture, name))
        if picture.has_transparency_data:
            picture = picture.convert("RGBA")
            white = Image.new("RGB", picture.size, "white")
            white.paste(picture, mask=picture)
            return white
        return picture.convert("RGB")
    except (MemoryError, OverflowError, OSError) as error:
        raise PictureError(f"{name} is too large for the memory: make it smaller") from error


def _eight_bit(picture: Image.Image, name: str) -> np.ndarray:
    values = np.asarray(picture)
    if picture.mode.startswith("I;16"):
        return (values / 257).round().astype(np.uint8)
    low, high = float(values.min()), float(values.max())
    if picture.mode == "F" and low >= 0 and high <= 255:  # false for NaN
        return (values * (255 if high <= 1 else 1)).round().astype(np.uint8)
    raise PictureError(
        f"{name} holds {'floats' if picture.mode == 'F' else 'whole numbers of 32 bit'} from "
        f"{low:g} to {high:g}: save it with 8 or 16 bit, or as floats in [0, 1]"
    )


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
        smaller = min(width, height)
        box = ((width - smaller) / 2, (height - smaller) / 2, smaller)
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
    from skimage.util import montage

    columns = min(columns, len(images))
    shape = (-(-len(images) // columns), columns)
    white = (255, 255, 255)
    grid = montage(
        to_uint8(images), white, grid_shape=shape, padding_width=_GRID_GAP, channel_axis=3
    )
    return grid[_GRID_GAP:-_GRID_GAP, _GRID_GAP:-_GRID_GAP]


def check_images(images: Tensor, what: str = "images") -> None:
    """The validation of every function that takes pictures.

    Raises:
        ValueError: unless `images` is a floating (B, 3, H, W) batch with all values in [-1, 1] (NaN
            is not).
    """
    check_shape(images, what)
    # a negated comparison is true for NaN as well
    if not bool((images.abs() <= 1 + 1e-4).all()):
        raise ValueError(
            f"{what} must lie in [-1, 1] and hold no NaN: scale with x / 127.5 - 1 "
            f"(values reach from {images.min().item():.3g} to {images.max().item():.3g})"
        )


def check_shape(images: Tensor, what: str = "images") -> None:
    """The part of `check_images` that looks at no value: holes may hold anything.

    Raises:
        ValueError: unless `images` is a floating (B, 3, H, W) batch.
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
