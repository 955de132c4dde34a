"""Fill holes in picture files: read, frame, fill, and write PNG files and a contact sheet. `python -m tutorial_lib inpaint` is this."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from tutorial_lib.datasets.framing import find_face
from tutorial_lib.images import IMAGE_SIZE, crop_square, image_grid, load_picture, to_uint8
from tutorial_lib.inpainting.pipeline import Inpainting
from tutorial_lib.masks import HOLE_GRAY, corrupt

FRAMES = ("face", "square")
SHEET = "sheet.png"


def frame_picture(source: str | os.PathLike | bytes | Image.Image, frame: str = "square") -> tuple[Tensor, str]:
    """A picture at the size that the networks know, and in words what was done to it.

    Args:
        source: as for `load_picture`.
        frame: "face" (the largest frontal face, framed as the shipped face models know faces) or "square" (the largest square in the
            middle). A picture of 64x64 is taken as it is.

    Returns: (1, 3, 64, 64) in [-1, 1], and a sentence.
    Raises: as `load_picture`, and ValueError for an unknown frame, or when no face is found.
    """
    if frame not in FRAMES:
        raise ValueError(f"frame must be one of {FRAMES}, got {frame!r}")
    picture = load_picture(source)
    if picture.size == (IMAGE_SIZE, IMAGE_SIZE):
        return crop_square(picture), "taken as it is"
    width, height = picture.size
    if frame == "face":
        box = find_face(picture)
        said = f"a face was found at left {box[0]:.0f}, top {box[1]:.0f}, and its square of {box[2]:.0f} pixels"
    else:
        box, said = None, f"the square of {min(width, height)} pixels in the middle"
    return crop_square(picture, box), f"{width}x{height}: {said} resized to {IMAGE_SIZE}x{IMAGE_SIZE}"


def fill_files(paths: Sequence[str | os.PathLike], masks: Callable[[int], Tensor], fill: Callable[[Tensor, Tensor], Inpainting],
               out: str | os.PathLike, frame: str = "square", say: Callable[[str], None] = print) -> dict[Path, str]:
    """Fill the holes of picture files; those that cannot be read are left out and told.

    Writes for each file NAME-corrupted.png and NAME-filled.png, 64x64, and one sheet.png: a row a picture with what was read, what was
    given, G(z_hat) and the completed picture. Each appears whole or not at all; files of an earlier call are replaced.

    Args:
        paths: the files.
        masks: number of pictures -> (B, 1, 64, 64), 1 = known.
        fill: (images, masks) -> an `Inpainting`.
        out: folder, made when it is not there.
        frame: see `frame_picture`.
        say: takes a line about each file.

    Returns: path -> what was wrong, of each file that could not be read; empty when all were filled.
    """
    out, problems, read = Path(out), {}, {}
    for path in map(Path, paths):
        if path in read or path in problems:
            continue
        try:
            read[path], said = frame_picture(path, frame)
        except (ValueError, OSError) as error:
            problems[path] = f"no such file: {path}" if isinstance(error, FileNotFoundError) else f"{path}: {error}"
        else:
            say(f"{path}: {said}")
    if not read:
        return problems
    images, holes = torch.cat(list(read.values())), masks(len(read)).expand(len(read), -1, -1, -1)
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
