"""Any folder or zip archive of pictures as a data set, with or without train/ and test/ inside."""

from __future__ import annotations

import hashlib
import os
import zipfile
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from tutorial_lib.images import crop_square, load_picture, to_float, to_uint8

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
TEST_SHARE = 0.1
SPLITS = ("train", "test")


class ArrayImages(torch.utils.data.Dataset):
    """Pictures held as one uint8 array, handed out as floats.

    Args:
        pixels: (N, 64, 64, 3) uint8, memory-mapped or not.
        name: how logs and model cards call the set.

    Items: (3, 64, 64) float32 in [-1, 1].
    """

    def __init__(self, pixels: np.ndarray, name: str):
        self.pixels, self.name = pixels, name

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> Tensor:
        return to_float(self.pixels[index])[0]

    def images(self, indices: list[int] | slice) -> Tensor:
        """(B, 3, 64, 64) float32 in [-1, 1]: the pictures at `indices`."""
        return to_float(self.pixels[indices])


class PictureFolder(ArrayImages):
    """The pictures of a folder or zip archive, largest central square, 64x64.

    Where the folder holds train/ and test/ those are the splits; otherwise a tenth of the pictures, chosen by a hash of
    their names, is held out, so that adding pictures later moves none from one split to the other.

    Args:
        root: a folder or a .zip file.
        split: "train" or "test".
        limit: at most so many pictures, the first in the order of their names.

    Raises:
        FileNotFoundError: when `root` is not there.
        ValueError: for an unknown split, a file that is no zip archive, no pictures, or a picture that cannot be read.
    """

    def __init__(self, root: str | os.PathLike, split: str = "train", limit: int | None = None):
        if split not in SPLITS:
            raise ValueError(f"split must be one of {SPLITS}, got {split!r}")
        self.root = Path(root)
        if not self.root.exists():
            raise FileNotFoundError(f"{self.root}: no such folder or zip archive")
        if self.root.is_dir():
            names = [path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if path.is_file()]
            pixels = self._decode(self._choose(names, split, limit), lambda name: (self.root / name).read_bytes())
        else:
            if not zipfile.is_zipfile(self.root):
                raise ValueError(f"{self.root} is not a zip archive (a web page saved under that name, or cut short?): "
                                 "fetch it again")
            with zipfile.ZipFile(self.root) as archive:
                pixels = self._decode(self._choose(archive.namelist(), split, limit), archive.read)
        super().__init__(pixels, name=self.root.stem)

    def _choose(self, names: list[str], split: str, limit: int | None) -> list[str]:
        names = sorted(name for name in names
                       if name.lower().endswith(SUFFIXES) and not PurePosixPath(name).name.startswith("."))
        in_folders = [name for name in names if split in PurePosixPath(name).parent.parts]
        divided = any(folder in PurePosixPath(name).parent.parts for name in names for folder in SPLITS)
        if divided:
            names = in_folders
        else:
            names = [name for name in names if (_share(name) < TEST_SHARE) == (split == "test")]
        if not names:
            raise ValueError(f"{self.root} holds no pictures for the {split} split ({', '.join(SUFFIXES)})")
        self.files = names[:limit]
        return self.files

    def _decode(self, names: list[str], read) -> np.ndarray:
        pixels = np.empty((len(names), 64, 64, 3), np.uint8)
        for row, name in enumerate(tqdm(names, desc=f"reading {self.root.name}", unit="picture", leave=False,
                                        disable=len(names) < 1000)):
            try:
                pixels[row] = to_uint8(crop_square(load_picture(read(name)), None))[0]
            except (ValueError, OSError, zipfile.BadZipFile) as error:
                raise ValueError(f"{self.root}: {name}: {error}") from error
        return pixels


def _share(name: str) -> float:
    """A number in [0, 1) that depends on the name alone."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64
