"""CelebA, read from its official archive; nothing is unpacked."""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
from functools import cached_property
from pathlib import Path

import numpy as np

from tutorial_lib.datasets.base import (
    ArchiveSource,
    ArrayImages,
    OfficialFile,
    check_split,
    read_member,
    zip_names,
)
from tutorial_lib.datasets.prepared import identity, prepare
from tutorial_lib.images import square_pixels

ARCHIVE = OfficialFile("img_align_celeba.zip", 1_443_490_838, "00d2c5bc6d35e252742224ab0c1e8fcb")
PARTITION = OfficialFile("list_eval_partition.txt", None, "d32c9cbf5e040fd4025c592c306e6668")
TEST_STARTS = 182_638  # number of the first picture of the official test split
HELD_OUT = 2_000
_PICTURE = re.compile(r"(?:^|/)(\d{6})\.jpg$")
_REMEDY = (
    "bring it from the data set's page (1.4 GB), or give the path of another zip archive of it. "
    "Unpacked pictures are read by --data folder; `python -m zipfile -c img_align_celeba.zip "
    "FOLDER` packs them"
)


class _Source(ArchiveSource):
    workers = 4

    def __init__(self, path: Path, keys: list[str], crop: int, split: str):
        names = hashlib.sha256(repr(keys).encode()).hexdigest()  # they depend on the partition file
        settings = {**identity(path), "crop": crop, "names": names}
        super().__init__("celeba", path, settings, keys, split)
        self.place += f" {crop}"
        self.path, self.crop = path, crop

    @cached_property
    def _archive(self) -> zipfile.ZipFile:
        # its list of 200,000 names is read once; threads may share it
        return zipfile.ZipFile(self.path)

    def read(self, start: int, stop: int) -> np.ndarray:
        pixels = []
        for key in self.keys[start:stop]:
            try:
                picture = read_member(self._archive, key)
            except ValueError as error:
                raise ValueError(f"{error}; {ARCHIVE.again(self.path)}") from error
            left = round((picture.width - self.crop) / 2)
            top = round((picture.height - self.crop) / 2)
            pixels.append(square_pixels(picture, (left, top, self.crop)))
        return np.stack(pixels)


class CelebA(ArrayImages):
    """CelebA's aligned faces: the square of `crop` pixels in the middle, resized to 64x64.

    Args:
        root: the zip archive, or a folder that holds it as img_align_celeba.zip.
            list_eval_partition.txt beside it is used when it is there.
        split: "test" is the first 2,000 of the official test split, as in the paper, "train"
            everything else (the paper's 200,599).
        limit: at most so many pictures, the first.
        crop: side of the square, in pixels of 178x218; 108 as common implementations of DCGAN have
            it.
        cache_dir: see `prepare`.

    Raises:
        FileNotFoundError: when the archive is not there.
        ValueError: for a broken one, or a square that does not fit.
    """

    def __init__(
        self,
        root: str | os.PathLike,
        split: str = "train",
        limit: int | None = None,
        crop: int = 108,
        cache_dir: str | os.PathLike | None = None,
    ):
        check_split(split)
        if not isinstance(crop, int) or not 1 <= crop <= 178:
            raise ValueError(
                f"crop must be the side of a square in pixels, from 1 to 178, got {crop!r}"
            )
        self.crop = crop
        path = ARCHIVE.find(root, _REMEDY)
        if not zipfile.is_zipfile(path):
            raise ARCHIVE.broken(path, "zip archive")
        keys = {
            int(match[1]): stored
            for name, stored in zip_names(path).items()
            if (match := _PICTURE.search(name))
        }
        if not keys:
            raise ValueError(
                f"{path} holds no pictures named like 000001.jpg: is it img_align_celeba.zip?"
            )
        numbers = _numbers(path, sorted(keys), split)[:limit]
        if not numbers:
            raise ValueError(
                f"{path} holds no pictures of the {split} split: its numbers end at "
                f"{max(keys):06d}.jpg, the archive is not whole"
            )
        source = _Source(path, [keys[number] for number in numbers], crop, split)
        super().__init__(prepare(source, cache_dir), "celeba")


def _numbers(path: Path, numbers: list[int], split: str) -> list[int]:
    """Those of the pictures that belong to a split."""
    partition = path.with_name(PARTITION.name)
    if partition.exists():
        parts = _partition(partition)
        if unnamed := [number for number in numbers if number not in parts]:
            raise ValueError(
                f"{partition} does not name {len(unnamed)} pictures of the archive, the first "
                f"{unnamed[0]:06d}.jpg: {PARTITION.again(partition)}, or remove it"
            )
        official = [number for number in numbers if parts[number] == "2"]
    else:
        official = [number for number in numbers if number >= TEST_STARTS]
    held_out = set(official[:HELD_OUT])
    return [number for number in numbers if (number in held_out) == (split == "test")]


def _partition(path: Path) -> dict[int, str]:
    """Number of the picture -> "0" (train), "1" (valid) or "2" (test)."""
    parts = {}
    for line, text in enumerate(path.read_bytes().decode("ascii", errors="replace").split("\n"), 1):
        match = re.fullmatch(r"(\d{6})\.jpg\s+([012])\s*", text, re.ASCII)
        if match:
            parts[int(match[1])] = match[2]
        elif text.strip():
            raise ValueError(
                f"{path}, line {line}: expected a picture and 0, 1 or 2, got "
                f"{text.strip()[:60]!r}: {PARTITION.again(path)}, or remove it"
            )
    return parts
