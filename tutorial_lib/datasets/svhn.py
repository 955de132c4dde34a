"""Street View House Numbers, the cropped digits, read from the official files."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image

from tutorial_lib.datasets.base import ArchiveSource, ArrayImages, OfficialFile, check_split
from tutorial_lib.datasets.download import fetch
from tutorial_lib.datasets.prepared import identity, prepare
from tutorial_lib.images import IMAGE_SIZE

ADDRESS = "http://ufldl.stanford.edu/housenumbers/"
FILES = {
    "train": OfficialFile("train_32x32.mat", 182_040_794, "e26dedcc434d2e4c54c9b2d4a06d8373"),
    "test": OfficialFile("test_32x32.mat", 64_275_384, "eb5a983be6a315427106f1b164d9cef3"),
    "extra": OfficialFile("extra_32x32.mat", 1_329_278_602, "a93ce644f1a588dc4d68dda5feec44a7"),
}


def fetch_svhn(
    root: str | os.PathLike, extra: bool = False, address: str = ADDRESS, progress: bool = True
) -> list[Path]:
    """Fetch the files that are not there yet into a folder (246 MB; with `extra` 1.6 GB).

    Args:
        root: the folder.
        extra: whether extra_32x32.mat is wanted as well.
        address: of the folder on the web.
        progress: whether to show a progress bar.

    Raises:
        as `download.fetch`.
    """
    paths = []
    for part in ["train", "test"] + ["extra"] * extra:
        file = FILES[part]
        assert file.size is not None
        path = Path(root) / file.name
        paths.append(fetch(address + file.name, path, file.size, file.md5, progress=progress))
    return paths


class _Source(ArchiveSource):
    """Read whole at the first `read`: a .mat file cannot be read in ranges."""

    def __init__(self, paths: dict[str, Path], counts: list[int], split: str, limit: int | None):
        keys = [(part, number) for part, count in enumerate(counts) for number in range(count)]
        keys = keys[:limit]
        files = [identity(path) for path in paths.values()]
        super().__init__(
            "svhn",
            next(iter(paths.values())),
            {"files": files, "pictures": len(keys)},
            keys,
            split,
        )
        self.paths = paths

    @cached_property
    def pictures(self) -> list[np.ndarray]:
        return [_load(FILES[part], path, "X")["X"] for part, path in self.paths.items()]

    def read(self, start: int, stop: int) -> np.ndarray:
        pixels = []
        for part, number in self.keys[start:stop]:
            digit = Image.fromarray(self.pictures[part][..., number])
            pixels.append(digit.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BICUBIC))
        return np.stack([np.asarray(picture) for picture in pixels])


class SVHN(ArrayImages):
    """The cropped digits (32x32), enlarged to 64x64 as in the paper.

    Args:
        root: folder with train_32x32.mat and test_32x32.mat.
        split: "train" or "test", the official ones.
        limit: at most so many pictures, the first.
        extra: whether "train" takes in extra_32x32.mat as well (531,131 pictures, which need 1.6 GB
            of memory while they are prepared).
        cache_dir: see `prepare`.

    Attributes:
        labels: (N,) the digits.

    Raises:
        FileNotFoundError: for a file that is not there.
        ValueError: for a broken one.
    """

    def __init__(
        self,
        root: str | os.PathLike,
        split: str = "train",
        limit: int | None = None,
        extra: bool = False,
        cache_dir: str | os.PathLike | None = None,
    ):
        check_split(split)
        paths = {}
        for part in [split] + ["extra"] * (extra and split == "train"):
            option = " --extra" if part == "extra" else ""
            remedy = f"`python -m tutorial_lib data svhn{option} --root FOLDER` fetches it"
            paths[part] = FILES[part].find(root, remedy)
        labels = [_labels(FILES[part], path) for part, path in paths.items()]
        self.labels = np.concatenate(labels)[:limit]
        source = _Source(paths, [len(each) for each in labels], split, limit)
        super().__init__(prepare(source, cache_dir), "svhn")


def _load(file: OfficialFile, path: Path, name: str) -> dict:
    try:
        return scipy.io.loadmat(path, variable_names=(name,))
    except Exception as error:  # scipy raises almost anything for a damaged file
        raise file.broken(path, "MATLAB file", error) from error


def _labels(file: OfficialFile, path: Path) -> np.ndarray:
    """Digits (N,), read without the pictures; the label 10 stands for the digit 0."""
    try:
        held = {name: (shape, kind) for name, shape, kind in scipy.io.whosmat(path)}
    except Exception as error:
        raise file.broken(path, "MATLAB file", error) from error
    shape, kind = held.get("X", ((), ""))
    y = _load(file, path, "y").get("y")
    if (
        not isinstance(y, np.ndarray)
        or y.dtype.kind not in "uif"
        or kind != "uint8"
        or len(shape) != 4
        or shape[:3] != (32, 32, 3)
        or not y.size == shape[3] > 0
    ):
        raise ValueError(
            f"{path} holds {held}, not X of shape (32, 32, 3, N) in uint8 and N labels y: take the "
            f"cropped digits (Format 2), or if it is cut short, {file.again(path)}"
        )
    labels = y.reshape(-1).astype(np.int64)
    if labels.min() < 1 or labels.max() > 10:
        raise ValueError(
            f"{path} holds labels from {labels.min()} to {labels.max()}, not from 1 to 10: take "
            "the cropped digits (Format 2)"
        )
    return labels % 10
