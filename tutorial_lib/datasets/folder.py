"""Any folder or zip archive of pictures as a data set, with or without train/ and test/ inside."""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from torch import Tensor

from tutorial_lib.datasets.prepared import identity, prepare
from tutorial_lib.faces import NoFaceFound, align
from tutorial_lib.images import IMAGE_SIZE, load_picture, square_pixels, to_float, to_uint8

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
TEST_SHARE = 0.1
SPLITS = ("train", "test")
MANY = 500  # pictures from which on their pixels are kept
# what reading from a damaged archive may raise; of a password or an unknown compression it is a
# RuntimeError
BROKEN_ZIP = (ValueError, OSError, zipfile.BadZipFile, zlib.error, RuntimeError)
CROPS = ("center", "face")


class ArrayImages(torch.utils.data.Dataset):
    """Pictures held as one uint8 array, handed out as floats.

    Args:
        pixels: (N, 64, 64, 3) uint8, memory-mapped or not.
        name: how logs and model cards call the set.
        rows: which of them are the set, (n,) integers; all when left out.

    Items: (3, 64, 64) float32 in [-1, 1].
    """

    def __init__(self, pixels: np.ndarray, name: str, rows: np.ndarray | None = None):
        self._held, self._rows, self.name = pixels, rows, name

    @property
    def pixels(self) -> np.ndarray:
        """(n, 64, 64, 3) uint8; a copy where not all rows are taken."""
        return self._held if self._rows is None else self._held[self._rows]

    def __len__(self) -> int:
        return len(self._held if self._rows is None else self._rows)

    def __getitem__(self, index: int) -> Tensor:
        return to_float(self._held[index if self._rows is None else self._rows[index]])[0]

    def images(self, indices: list[int] | slice) -> Tensor:
        """(B, 3, 64, 64) float32 in [-1, 1]: the pictures at `indices`."""
        return to_float(self._held[indices if self._rows is None else self._rows[indices]])


class _FolderSource:
    """Pictures of a folder or zip archive by name, for `prepare`."""

    workers = 4

    def __init__(self, root: Path, names: list[str], crop: str):
        self.root, self.names, self.crop, self.name = root, names, crop, root.stem
        if root.is_dir():
            files = [(name, (root / name).stat()) for name in names]
            held = {
                "files": hashlib.sha256(
                    repr([(name, stat.st_size, stat.st_mtime_ns) for name, stat in files]).encode()
                ).hexdigest()
            }
        else:
            held = {**identity(root), "names": hashlib.sha256(repr(names).encode()).hexdigest()}
        self.settings = {"set": "folder", "version": 2, "crop": crop, **held}

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def _archive(self) -> zipfile.ZipFile | None:
        return None if self.root.is_dir() else zipfile.ZipFile(self.root)

    def read(self, start: int, stop: int) -> np.ndarray:
        """(stop - start, 64, 64, 3) uint8; a picture in which a face was to be framed and none was
        found is black.
        """
        pixels = np.zeros((stop - start, IMAGE_SIZE, IMAGE_SIZE, 3), np.uint8)
        for row, name in enumerate(self.names[start:stop]):
            try:
                picture = load_picture(
                    self._archive.read(name) if self._archive else (self.root / name).read_bytes()
                )
            except BROKEN_ZIP as error:
                raise ValueError(f"{self.root}: {name}: {error}") from error
            if self.crop == "center":
                pixels[row] = square_pixels(picture)
                continue
            try:
                pixels[row] = to_uint8(align(picture).pixels)[0]
            except NoFaceFound:  # the row stays black
                continue
        return pixels


class PictureFolder(ArrayImages):
    """The pictures of a folder or zip archive as 64x64 squares.

    Where the folder holds train/ and test/ those are the splits; otherwise a tenth of the pictures,
    chosen by a hash of their names, is held out, so that adding pictures later moves none from one
    split to the other. What took long is kept (`prepare`): the pixels of 500 pictures or more, and
    framed faces; after a change in the folder everything is read again.

    Args:
        root: a folder or a .zip file.
        split: "train" or "test".
        limit: at most so many pictures, the first in the order of their names.
        crop: "center", the largest central square; or "face", the largest face seen from the front,
            with eyes and mouth corners on the template of `tutorial_lib.faces` (a fifth of a second
            a picture): pictures that show none are left out, and how many is said.
        cache_dir: see `prepare`.

    Raises:
        FileNotFoundError: when `root` is not there.
        ValueError: for an unknown split or crop, a file that is no zip archive, no pictures, or a
            picture that cannot be read.
    """

    def __init__(
        self,
        root: str | os.PathLike,
        split: str = "train",
        limit: int | None = None,
        crop: str = "center",
        cache_dir: str | os.PathLike | None = None,
    ):
        for what, value, known in (("split", split, SPLITS), ("crop", crop, CROPS)):
            if value not in known:
                raise ValueError(f"{what} must be one of {known}, got {value!r}")
        self.root, self.crop = Path(root), crop
        if not self.root.exists():
            raise FileNotFoundError(f"{self.root}: no such folder or zip archive")
        if self.root.is_dir():
            names = [
                path.relative_to(self.root).as_posix()
                for path in self.root.rglob("*")
                if path.is_file()
            ]
        elif zipfile.is_zipfile(self.root):
            try:
                with zipfile.ZipFile(self.root) as archive:
                    names = archive.namelist()
            except BROKEN_ZIP as error:
                raise ValueError(
                    f"{self.root} is a damaged zip archive ({error}): fetch it or pack it again"
                ) from error
        else:
            raise ValueError(
                f"{self.root} is not a zip archive (a web page saved under that name, or cut short?): fetch it again"
            )
        source = _FolderSource(self.root, self._choose(names, split, limit), crop)
        slow = crop == "face" or len(source) >= MANY
        pixels, rows = prepare(source, cache_dir) if slow else source.read(0, len(source)), None
        if crop == "face":
            shown = np.flatnonzero([picture.any() for picture in pixels])
            if not len(shown):
                raise ValueError(
                    f"{self.root}: no picture shows a face from the front: use the center crop"
                )
            if len(shown) < len(source):
                print(
                    f"{self.root}: no face was found in {len(source) - len(shown)} of {len(source)} pictures; they are left out"
                )
                rows, self.files = shown, [source.names[row] for row in shown]
        super().__init__(pixels, self.root.stem, rows)

    def _choose(self, names: list[str], split: str, limit: int | None) -> list[str]:
        names = sorted(
            name
            for name in names
            if name.lower().endswith(SUFFIXES) and not PurePosixPath(name).name.startswith(".")
        )
        in_folders = [name for name in names if split in PurePosixPath(name).parent.parts]
        divided = any(
            folder in PurePosixPath(name).parent.parts for name in names for folder in SPLITS
        )
        if divided:
            names = in_folders
        else:
            names = [name for name in names if (_share(name) < TEST_SHARE) == (split == "test")]
        if not names:
            raise ValueError(
                f"{self.root} holds no pictures for the {split} split ({', '.join(SUFFIXES)})"
            )
        self.files = names[:limit]
        return self.files


def _share(name: str) -> float:
    """A number in [0, 1) that depends on the name alone."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64
