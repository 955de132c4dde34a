"""What the data sets share: pictures held as one array, and archives read with care."""

from __future__ import annotations

import os
import re
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tutorial_lib.images import IMAGE_SIZE, MAX_BYTES, PictureError, load_picture, to_float

SPLITS = ("train", "test")


class ArrayImages(torch.utils.data.Dataset):
    """Pictures held as one uint8 array, handed out as floats.

    Args:
        pixels: (N, 64, 64, 3) uint8, memory-mapped or not.
        name: how logs and model cards call the set.
        rows: which of them are the set, (n,) integers; all when left out.

    Attributes:
        identity: where the files are a reader's own, a hash by which other files are recognized.

    Items: (3, 64, 64) float32 in [-1, 1]; of a slice or several indices (B, 3, 64, 64).
    """

    identity: str | None = None

    def __init__(self, pixels: np.ndarray, name: str, rows: np.ndarray | None = None):
        self._held, self._rows, self.name = pixels, rows, name

    @property
    def pixels(self) -> np.ndarray:
        """(n, 64, 64, 3) uint8; a copy where not all rows are taken."""
        return self._held if self._rows is None else self._held[self._rows]

    def __len__(self) -> int:
        return len(self._held if self._rows is None else self._rows)

    def __getitem__(self, index: int | slice | Sequence[int] | Tensor) -> Tensor:
        if isinstance(index, slice) or np.ndim(index):
            return self.images(index)
        return to_float(self._held[index if self._rows is None else self._rows[index]])[0]

    def images(self, indices) -> Tensor:
        """(B, 3, 64, 64) float32 in [-1, 1]: the pictures at `indices`.

        Args:
            indices: a slice, or a sequence or tensor of integers.
        """
        if not isinstance(indices, slice):
            indices = np.asarray(indices)
            if indices.dtype != bool:  # an empty list would be of floats
                indices = indices.astype(np.int64)
        return to_float(self._held[indices if self._rows is None else self._rows[indices]])


def say(text: str, stream: TextIO | None = None) -> None:
    """Print; what the stream cannot encode, as names of files may hold, becomes an escape."""
    stream = stream or sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream)


def check_split(split: str) -> None:
    """Raises ValueError for what is neither "train" nor "test"."""
    if split not in SPLITS:
        raise ValueError(f"split must be one of {SPLITS}, got {split!r}")


# -- archives --


def zip_names(path: Path) -> dict[str, str]:
    """The members of a zip archive, with / between folders -> as the archive has them.

    Some programs on Windows write a backslash instead.

    Raises:
        ValueError: for a file that is no zip archive, or a damaged one.
    """
    if not zipfile.is_zipfile(path):
        raise ValueError(
            f"{path} is not a zip archive (a web page saved under that name, or cut short?): "
            "fetch it again, or give a folder"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            return {name.replace("\\", "/"): name for name in archive.namelist()}
    except Exception as error:  # zipfile raises almost anything for a damaged list
        raise ValueError(
            f"{path} is a damaged zip archive ({error}): fetch it or pack it again"
        ) from error


def read_member(archive: zipfile.ZipFile, member: str) -> Image.Image:
    """A picture inside a zip archive, as `load_picture` reads it.

    Raises:
        PictureError: for a member that is too large (nothing of it is unpacked), damaged, behind a
            password or no picture.
    """
    name = f"{archive.filename}: {member}"
    try:
        size = archive.getinfo(member).file_size
        _check_size(size, name)
        with archive.open(member) as file:
            content = file.read(size + 1)  # no more, though the archive may lie about the size
    except PictureError:
        raise
    except Exception as error:  # of a password it is a RuntimeError, of a flipped bit anything
        raise PictureError(
            f"{name} cannot be read ({error}): fetch the archive or pack it again"
        ) from error
    return load_picture(content, name)


def read_tar_member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """The content of a file in a .tar archive.

    Raises:
        PictureError: when it is too large (nothing of it is unpacked).
        Exception: almost any, for damage.
    """
    _check_size(member.size, member.name)
    file = archive.extractfile(member)
    return b"" if file is None else file.read()


def _check_size(size: int, name: str) -> None:
    if size > MAX_BYTES:
        raise PictureError(
            f"{name} is too large: {size:,} bytes unpacked, where a picture has at most "
            f"{MAX_BYTES:,}"
        )


# -- the official archives of the paper's sets --


def is_web_page(first: bytes) -> bool:
    """Whether a file that begins so is one."""
    return re.match(rb"\s*(<!doctype html|<html)", first, re.IGNORECASE) is not None


class OfficialFile:
    """A file as the makers of a data set publish it.

    Attributes:
        name: as published; it may be called otherwise here.
        size: in bytes, None where it is not known.
        md5: hexadecimal.
    """

    def __init__(self, name: str, size: int | None, md5: str):
        self.name, self.size, self.md5 = name, size, md5

    def find(self, root: str | os.PathLike, remedy: str) -> Path:
        """The file in the folder `root` or below it, or `root` itself where that is the file.

        Args:
            root: folder, or the file under any name with the same ending.
            remedy: what to do when it is not there.

        Raises:
            FileNotFoundError: saying what to do.
        """
        root = Path(root)
        if root.is_file() and (root.name == self.name or root.suffix == ".zip" == self.ending):
            return root
        folder = root.parent if root.is_file() else root
        if not folder.is_dir():
            raise FileNotFoundError(f"{root}: no such folder: give the one that holds {self.name}")
        for found in sorted(folder.rglob(self.name)):
            if found.is_file():
                return found
        raise FileNotFoundError(f"{folder} holds no {self.name}: {remedy}")

    @property
    def ending(self) -> str:
        """Of its name, with the dot."""
        return Path(self.name).suffix

    def again(self, path: Path) -> str:
        """What to do about a broken one at `path`, and how to know a whole one."""
        whole = (
            f"{self.size:,} bytes and the md5 {self.md5}" if self.size else f"the md5 {self.md5}"
        )
        return (
            f"fetch it again (this one has {path.stat().st_size:,} bytes; "
            f"the official one has {whole})"
        )

    def broken(self, path: Path, kind: str, error: object = "") -> ValueError:
        """The error for a file that is not of its kind, such as "zip archive"."""
        why = f"it is damaged or cut short{f' ({error})' if str(error) else ''}"
        with open(path, "rb") as file:
            if is_web_page(file.read(512)):
                why = "a web page was saved under its name"
        return ValueError(f"{path} is no {kind}: {why}; {self.again(path)}")


class ArchiveSource:
    """A slice of an archive for `prepare`: keys in order; a subclass says how they are read.

    Args:
        name: of the set.
        path: the archive, which with `split` and the number of pictures says which prepared file
            takes the place of which.
        settings: what decides on the pixels, see `prepared.Source`.
        keys: of the pictures, in order.
        split: "train" or "test".
    """

    workers = 1

    def __init__(self, name: str, path: Path, settings: dict, keys: list, split: str):
        self.name, self.keys = name, keys
        self.place = f"{path.resolve()} {split} {len(keys)}"
        self.settings = {"set": name, "size": IMAGE_SIZE, "version": 1, "split": split, **settings}

    def __len__(self) -> int:
        return len(self.keys)
