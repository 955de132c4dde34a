"""Fill holes in picture files: read, frame, fill, and write PNG files and a contact sheet.

`python -m tutorial_lib inpaint` is this.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tutorial_lib.cache import atomic_write, check_writable
from tutorial_lib.faces import Transform, align
from tutorial_lib.images import (
    IMAGE_SIZE,
    crop_square,
    image_grid,
    load_picture,
    open_picture,
    to_uint8,
)
from tutorial_lib.inpainting.pipeline import Inpainting
from tutorial_lib.inpainting.put_back import frame_in_photo, hole_in_picture, hole_of, put_back
from tutorial_lib.masks import HOLE_GRAY, corrupt

FRAMES = ("face", "square")
PHOTO_SIZES = ("photo", "64", "both")
SHEET = "sheet.png"
KINDS = ("corrupted", "filled", "photo")
LUMA = (0.299, 0.587, 0.114)  # how bright red, green and blue are, as Pillow's gray has them


@dataclass(frozen=True)
class Framed:
    """A picture at the size that the networks know.

    Attributes:
        pixels: (1, 3, 64, 64) in [-1, 1].
        transform: from the picture that it was taken from, at its own size.
        said: a sentence on what was done.
    """

    pixels: Tensor
    transform: Transform
    said: str


@dataclass(frozen=True)
class FramedMask:
    """A hole as the search sees it, and as the photo has it.

    Attributes:
        mask: (1, 1, 64, 64), 1 = known.
        known: (H, W) bool at the photo's size, True = known; None where `mask` says it all.
        said: a clause on how it was made; empty where nothing is to be said.
    """

    mask: Tensor
    known: np.ndarray | None = None
    said: str = ""


def frame_picture(source: str | os.PathLike | bytes | Image.Image, frame: str = "square") -> Framed:
    """A picture at the size that the networks know.

    Args:
        source: as for `load_picture`.
        frame: "face" (the largest frontal face, framed as the shipped face models know faces) or
            "square" (the largest square in the middle). A picture of 64x64 is taken as it is.

    Raises:
        as `load_picture`, and ValueError for an unknown frame, or when no face is found.
    """
    if frame not in FRAMES:
        raise ValueError(f"frame must be one of {FRAMES}, got {frame!r}")
    picture = load_picture(source)
    width, height = picture.size
    if picture.size == (IMAGE_SIZE, IMAGE_SIZE):
        whole = Transform.of_box((0, 0, IMAGE_SIZE), picture.size)
        return Framed(crop_square(picture), whole, "taken as it is")
    if frame == "face":
        face = align(picture)
        return Framed(face.pixels, face.transform, f"{width}x{height}: {_where(face.transform)}")
    side = min(width, height)
    box = ((width - side) / 2, (height - side) / 2, side)
    said = (
        f"{width}x{height}: the square of {side} pixels in the middle resized to "
        f"{IMAGE_SIZE}x{IMAGE_SIZE}"
    )
    return Framed(crop_square(picture, box), Transform.of_box(box, picture.size), said)


def _where(transform: Transform) -> str:
    """Where a face lies in its photo, in words."""
    left, top = transform.to_photo(np.array([[-0.5, -0.5]]))[0] + 0.5
    turn = np.degrees(np.arctan2(transform.matrix[0, 1], transform.matrix[0, 0]))
    turned = f", turned by {abs(turn):.0f} degrees," if abs(turn) >= 0.5 else ""
    return (
        f"a face was found at left {left:.0f}, top {top:.0f}, and its square of "
        f"{IMAGE_SIZE / transform.scale:.0f} pixels{turned} resized to "
        f"{IMAGE_SIZE}x{IMAGE_SIZE}"
    )


def mask_for(known: np.ndarray, framed: Framed) -> FramedMask:
    """A drawn mask for a framed picture; `said` says which of these rules was applied.

    1. A mask as large as the photo lies on the photo. The search takes every picture pixel for hole
       that the hole touches, and the photo keeps the hole as it was drawn. What lies outside the
       frame stays unfilled.
    2. A mask of 64x64 lies on the picture.
    3. Another square mask lies on the picture as well, unless the photo is square and the picture
       only a part of it: then it could be meant for either.

    Args:
        known: (H, W) bool, True = known, as from `masks.read_mask`.
        framed: the picture.

    Raises:
        ValueError: for a mask to which no rule applies, or without a hole or a known pixel in the
            frame.
    """
    height, width = known.shape
    photo_width, photo_height = photo = framed.transform.size
    if (width, height) == photo:
        hole = ~known
        mask = hole_in_picture(hole, framed.transform)
        outside = int((hole & ~frame_in_photo(framed.transform)).sum())
        if outside == hole.sum():
            raise ValueError("the mask has no hole in the square that is taken of the picture")
        left = f"; {outside} of {hole.sum()} hole pixels lie outside and stay" if outside else ""
        return FramedMask(mask, known, f"the mask, as large as the photo, lies on the photo{left}")
    if width != height:
        raise ValueError(
            f"the mask is {width}x{height}, the picture {photo_width}x{photo_height}: "
            f"give a mask as large as the picture, or a square one for the "
            f"{IMAGE_SIZE}x{IMAGE_SIZE} pixels that are taken of it"
        )
    all_of_it = framed.transform.to_photo(np.array([[-0.5, -0.5], [63.5, 63.5]])) + 0.5
    is_all = np.allclose(all_of_it, [[0, 0], [photo_width, photo_height]], atol=0.5)
    if photo_width == photo_height and not is_all and width != IMAGE_SIZE:
        raise ValueError(
            f"the mask is {width}x{height}, the picture {photo_width}x{photo_height}: "
            f"it could be for the whole picture or for the square taken of it; resize it "
            f"to the picture's size, or to {IMAGE_SIZE}x{IMAGE_SIZE} for that square"
        )
    mask = hole_in_picture(~known, Transform.of_box((0, 0, width), (width, height)))
    said = f"the mask of {width}x{height} lies on what was taken of the photo"
    return FramedMask(mask, None, said)


def fill_files(
    paths: Sequence[str | os.PathLike],
    mask_of: Callable[[int, Framed], FramedMask],
    fill: Callable[[Tensor, Tensor], Inpainting],
    out: str | os.PathLike,
    frame: str = "square",
    size: str = "both",
    kept: Sequence[str | os.PathLike] = (),
    say: Callable[[str], None] = print,
) -> dict[Path, str]:
    """Fill the holes of picture files; those that cannot be done are left out and told.

    Writes for each file NAME-corrupted.png and NAME-filled.png, 64x64, NAME-photo.png at the file's
    own size, and one sheet.png: one row per picture with what was read, what was given, G(z_hat)
    and the completed picture. Each appears whole or not at all; files of an earlier call are
    replaced. NAME is the file's without its ending, numbered where two names differ in case or
    ending only. NAME-photo.png keeps transparency, gray and color profile of the file; the hole is
    opaque, and gray where all that is known is.

    Args:
        paths: the files.
        mask_of: (number of the picture among those that can be filled, from 0; the picture) -> its
            hole; a ValueError leaves the picture out.
        fill: (images, masks) -> an `Inpainting`.
        out: folder, made when it is not there.
        frame: see `frame_picture`.
        size: "photo", "64" or "both": which filled pictures are written.
        kept: other files that must not be written over, such as the mask's.
        say: takes a line about each file.

    Returns:
        path -> what was wrong, of each file that was left out; empty when all were filled.

    Raises:
        ValueError: for an unknown size, or when one of the files would be overwritten.
        OSError: when the folder cannot be written, or a folder has the name of a result: before
            anything is filled.
    """
    if size not in PHOTO_SIZES:
        raise ValueError(f"size must be one of {PHOTO_SIZES}, got {size!r}")
    out, problems = Path(out), {}
    check_writable(out)
    read: dict[Path, tuple[Framed, FramedMask]] = {}
    for path in map(Path, paths):
        if path in read or path in problems:
            continue
        try:
            framed = frame_picture(path, frame)
            hole = mask_of(len(read), framed)
        except (ValueError, OSError) as error:
            problems[path] = _problem(path, error)
        else:
            read[path] = framed, hole
            say(f"{path}: {framed.said}{'; ' * bool(hole.said)}{hole.said}")
    if not read:
        return problems
    names = _names(list(read))
    _check_targets(out, names, [*read, *problems, *map(Path, kept)])
    images = torch.cat([framed.pixels for framed, _ in read.values()])
    masks = torch.cat([hole.mask for _, hole in read.values()])
    found = fill(images, masks)
    shown = corrupt(images, masks, HOLE_GRAY)
    completed = _gray_as_the_known(found.completed.cpu(), masks)
    for row, (path, name) in enumerate(zip(read, names, strict=True)):
        if size != "photo":
            _write(out / f"{name}-corrupted.png", to_uint8(shown[row])[0])
            _write(out / f"{name}-filled.png", to_uint8(completed[row])[0])
        if size != "64":
            framed, hole = read[path]
            known = hole.mask if hole.known is None else hole.known
            try:  # read again: many large photos at once would not fit the memory
                picture = open_picture(path)
                photo = put_back(load_picture(picture), completed[row], known, framed.transform)
                pixels = _as_given(picture, photo, hole_of(known, framed.transform))
            except (ValueError, OSError) as error:
                problems[path] = _problem(path, error)
            else:
                _write(out / f"{name}-photo.png", pixels, picture.info.get("icc_profile", b""))
    generated = found.generated.cpu().clamp(-1, 1)
    sheet = torch.stack([images, shown, generated, completed], 1).flatten(0, 1)
    _write(out / SHEET, image_grid(sheet, columns=4))
    return problems


def _problem(path: Path, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return f"no such file: {path}"
    return str(error) if str(path) in str(error) else f"{path}: {error}"


def _names(paths: list[Path]) -> list[str]:
    """A name of its own for each file's results: its stem, numbered where two files share one.

    Upper and lower case, and two ways to write an accent, are one name to some file systems.
    """
    names: dict[str, str] = {}
    for path in paths:
        name, number = path.stem, 1
        while (key := unicodedata.normalize("NFC", name).casefold()) in names:
            number += 1
            name = f"{path.stem}-{number}"
        names[key] = name
    return list(names.values())


def _gray_as_the_known(completed: Tensor, masks: Tensor) -> Tensor:
    """(B, 3, H, W): gray in the hole where all that is known of a picture is gray."""
    colorful = (completed.amax(1, keepdim=True) - completed.amin(1, keepdim=True)) > 1 / 255
    gray = ~(colorful & (masks > 0)).flatten(1).any(1)[:, None, None, None]  # (B, 1, 1, 1)
    luma = (completed * completed.new_tensor(LUMA).view(3, 1, 1)).sum(1, keepdim=True)
    return torch.where(gray & (masks == 0), luma, completed)


def _as_given(picture: Image.Image, photo: Image.Image, hole: np.ndarray) -> np.ndarray:
    """The filled photo, gray or transparent where its file is; the filled hole is opaque."""
    mode = "L" if Image.getmodebase(picture.mode) == "L" else "RGB"
    if picture.has_transparency_data and picture.mode[0] not in "IF":
        picture = picture.convert("RGBA")
        picture.paste(photo, mask=Image.fromarray(hole))
        return np.asarray(picture.convert(f"{mode}A"))
    return np.asarray(photo.convert(mode))


def _check_targets(out: Path, names: list[str], paths: list[Path]) -> None:
    """No file that is read is written to, and no result has the name of a folder."""
    targets = [out / SHEET]
    targets += [out / f"{name}-{kind}.png" for name in names for kind in KINDS]
    read = {path.resolve() for path in paths}
    for target in targets:
        if target.resolve() in read:
            raise ValueError(
                f"{target} would be overwritten: choose another folder for the results"
            )
    check_writable(out, *(target.name for target in targets))


def _write(path: Path, pixels: np.ndarray, profile: bytes = b"") -> None:
    """A PNG file; a color profile goes with it where it is for such pixels."""
    picture = Image.fromarray(pixels)
    space = b"GRAY" if picture.mode in ("L", "LA") else b"RGB "
    more = {"icc_profile": profile} if profile[16:20] == space else {}
    with atomic_write(path) as file:
        # for a large photo, Pillow's own choice takes three times as long and saves a seventh
        picture.save(file, format="PNG", compress_level=1, **more)
