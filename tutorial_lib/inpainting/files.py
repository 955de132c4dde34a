"""Fill holes in picture files: read, frame, fill, and write PNG files and a contact sheet. `python -m tutorial_lib inpaint` is this."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from tutorial_lib.datasets.framing import find_face
from tutorial_lib.images import IMAGE_SIZE, crop_square, image_grid, load_picture, to_uint8
from tutorial_lib.inpainting.pipeline import Inpainting
from tutorial_lib.masks import HOLE_GRAY, corrupt, mask_from_file

FRAMES = ("face", "square")
SHEET = "sheet.png"


@dataclass(frozen=True)
class Framed:
    """A picture at the size that the networks know.

    Attributes:
        pixels: (1, 3, 64, 64) in [-1, 1].
        size: (width, height) of what it was taken from.
        box: (left, top, side) in pixels, what was taken of it.
        said: a sentence on what was done.
    """

    pixels: Tensor
    size: tuple[int, int]
    box: tuple[float, float, float]
    said: str


def frame_picture(source: str | os.PathLike | bytes | Image.Image, frame: str = "square") -> Framed:
    """A picture at the size that the networks know.

    Args:
        source: as for `load_picture`.
        frame: "face" (the largest frontal face, framed as the shipped face models know faces) or "square" (the largest square in the
            middle). A picture of 64x64 is taken as it is.

    Raises: as `load_picture`, and ValueError for an unknown frame, or when no face is found.
    """
    if frame not in FRAMES:
        raise ValueError(f"frame must be one of {FRAMES}, got {frame!r}")
    picture = load_picture(source)
    if picture.size == (IMAGE_SIZE, IMAGE_SIZE):
        return Framed(crop_square(picture), picture.size, (0, 0, IMAGE_SIZE), "taken as it is")
    width, height = picture.size
    if frame == "face":
        box = find_face(picture)
        said = f"a face was found at left {box[0]:.0f}, top {box[1]:.0f}, and its square of {box[2]:.0f} pixels"
    else:
        side = min(width, height)
        box, said = ((width - side) / 2, (height - side) / 2, side), f"the square of {side} pixels in the middle"
    return Framed(crop_square(picture, box), picture.size, box, f"{width}x{height}: {said} resized to {IMAGE_SIZE}x{IMAGE_SIZE}")


def mask_for(mask: Image.Image, framed: Framed) -> Tensor:
    """(1, 1, 64, 64), 1 = known, for a framed picture, from a drawing: brighter than middle gray is known, black is the hole.

    A mask as large as the picture was is framed as the picture was. Any other has to be square, and is for what is in the frame.

    Raises: ValueError for a mask that is neither, or that has no hole in the frame, or no known pixel.
    """
    if mask.size != framed.size and mask.width != mask.height:
        raise ValueError(f"the mask is {mask.width}x{mask.height}, the picture {framed.size[0]}x{framed.size[1]}: give a mask "
                         f"as large as the picture, or a square one for the {IMAGE_SIZE}x{IMAGE_SIZE} pixels that are taken of it")
    return mask_from_file(mask, box=framed.box if mask.size == framed.size else None)


def fill_files(paths: Sequence[str | os.PathLike], mask_of: Callable[[int, Framed], Tensor], fill: Callable[[Tensor, Tensor], Inpainting],
               out: str | os.PathLike, frame: str = "square", say: Callable[[str], None] = print) -> dict[Path, str]:
    """Fill the holes of picture files; those that cannot be read, or that the mask does not fit, are left out and told.

    Writes for each file NAME-corrupted.png and NAME-filled.png, 64x64, and one sheet.png: a row a picture with what was read, what was
    given, G(z_hat) and the completed picture. Each appears whole or not at all; files of an earlier call are replaced.

    Args:
        paths: the files.
        mask_of: (number of the picture among those that can be filled, from 0; the picture) -> (1, 1, 64, 64), 1 = known; a ValueError
            leaves the picture out.
        fill: (images, masks) -> an `Inpainting`.
        out: folder, made when it is not there.
        frame: see `frame_picture`.
        say: takes a line about each file.

    Returns: path -> what was wrong, of each file that was left out; empty when all were filled.
    """
    out, problems, read, holes = Path(out), {}, {}, []
    for path in map(Path, paths):
        if path in read or path in problems:
            continue
        try:
            framed = frame_picture(path, frame)
            holes.append(mask_of(len(read), framed))
        except (ValueError, OSError) as error:
            problems[path] = f"no such file: {path}" if isinstance(error, FileNotFoundError) else f"{path}: {error}"
        else:
            read[path] = framed.pixels
            say(f"{path}: {framed.said}")
    if not read:
        return problems
    images, holes = torch.cat(list(read.values())), torch.cat(holes)
    found = fill(images, holes)
    shown = corrupt(images, holes, HOLE_GRAY)
    out.mkdir(parents=True, exist_ok=True)
    for name, *pictures in zip(_names(list(read)), shown, found.completed.cpu(), strict=True):
        for kind, picture in zip(("corrupted", "filled"), pictures, strict=True):
            _write(out / f"{name}-{kind}.png", to_uint8(picture)[0])
    sheet = torch.stack([images, shown, found.generated.cpu().clamp(-1, 1), found.completed.cpu()], 1).flatten(0, 1)
    _write(out / SHEET, image_grid(sheet, columns=4))
    return problems


def _names(paths: list[Path]) -> list[str]:
    """A name of its own for each file's results: its stem, numbered where two files share one."""
    names: list[str] = []
    for path in paths:
        name, number = path.stem, 1
        while name in names:
            number += 1
            name = f"{path.stem}-{number}"
        names.append(name)
    return names


def _write(path: Path, pixels) -> None:
    temporary = path.with_suffix(".partial")
    Image.fromarray(pixels).save(temporary, format="PNG")
    os.replace(temporary, path)
