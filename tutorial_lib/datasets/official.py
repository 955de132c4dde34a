"""The paper's three data sets, read from the archives as their makers publish them.

CelebA, SVHN and Stanford Cars.

Nothing is unpacked. SVHN can be fetched (`fetch_svhn`); the files of the other two are for you to
bring. Each set is decoded once (`prepared.prepare`). Held out are 2,000 pictures of CelebA's test
split, as in the paper, and the official test splits of the other two.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import tarfile
import zipfile
import zlib
from functools import cached_property
from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image

from tutorial_lib.datasets.download import fetch
from tutorial_lib.datasets.folder import BROKEN_ZIP, SPLITS, ArrayImages
from tutorial_lib.datasets.prepared import identity, prepare
from tutorial_lib.images import IMAGE_SIZE, load_picture, square_pixels

TERMS = {
    "celeba": "CelebA (Liu et al. 2015): for non-commercial research only; the pictures may not be passed on.",
    "svhn": "SVHN (Netzer et al. 2011): for non-commercial use only.",
    "stanford-cars": "Stanford Cars (Krause et al. 2013): for research; the pictures belong to their photographers.",
}
BRING = {
    "celeba": "img_align_celeba.zip (1.4 GB) from mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
    "stanford-cars": "cars_train.tgz and cars_test.tgz (2 GB) and car_devkit.tgz from a copy: the official address is gone",
}
SVHN_ADDRESS = "http://ufldl.stanford.edu/housenumbers/"
FILES = {  # size in bytes (where known) and MD5
    "img_align_celeba.zip": (1_443_490_838, "00d2c5bc6d35e252742224ab0c1e8fcb"),
    "list_eval_partition.txt": (None, "d32c9cbf5e040fd4025c592c306e6668"),
    "train_32x32.mat": (182_040_794, "e26dedcc434d2e4c54c9b2d4a06d8373"),
    "test_32x32.mat": (64_275_384, "eb5a983be6a315427106f1b164d9cef3"),
    "extra_32x32.mat": (1_329_278_602, "a93ce644f1a588dc4d68dda5feec44a7"),
    "cars_train.tgz": (979_269_282, "065e5b463ae28d29e77c1b4b166cfe61"),
    "cars_test.tgz": (977_350_468, "4ce7ebf6a94d07f1952d94dd34c4d501"),
    "car_devkit.tgz": (330_960, "c3b158d763b6e2245038c8ad08e45376"),
    "cars_test_annos_withlabels.mat": (185_758, "b0a2b23655a3edd16d84508592a98d10"),
}
CELEBA_TEST_STARTS = 182_638  # number of the first picture of the official test split
HELD_OUT = 2_000
_BROKEN_TAR = (tarfile.TarError, zlib.error, EOFError, OSError)


def _find(root: str | os.PathLike, names: tuple[str, ...], what: str) -> Path:
    """The file of that name in the folder or below it, or the path itself if it is the file.

    Raises:
        FileNotFoundError: saying what to bring.
    """
    root = Path(root)
    if root.is_file() and root.name in names:
        return root
    folder = root.parent if root.is_file() else root
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{root}: no such folder: give the one that holds {' or '.join(names)}"
        )
    for name in names:
        for found in sorted(folder.rglob(name)):
            if found.is_file():
                return found
    raise FileNotFoundError(f"{folder} holds no {' or '.join(names)}: {what}")


def _first_bytes(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(512)


def _no_archive(path: Path, kind: str, error: object = "") -> ValueError:
    page = re.match(rb"\s*(<!doctype html|<html)", _first_bytes(path), re.IGNORECASE)
    why = (
        "a web page was saved under its name"
        if page
        else f"it is damaged or cut short{f' ({error})' if str(error) else ''}"
    )
    return ValueError(f"{path} is no {kind}: {why}; {_again(path)}")


def _again(path: Path) -> str:
    """What to do about a broken file, and how to know a whole one."""
    size, md5 = FILES[path.name]
    whole = f"{size:,} bytes and the md5 {md5}" if size else f"the md5 {md5}"
    return (
        f"fetch it again (this one has {path.stat().st_size:,} bytes; the official one has {whole})"
    )


class _Source:
    """A slice of an archive for `prepare`: keys in order, and how one of them is read."""

    workers = 1

    def __init__(self, name: str, settings: dict, keys: list):
        self.name, self.keys = name, keys
        self.settings = {"set": name, "size": IMAGE_SIZE, "version": 1, **settings}

    def __len__(self) -> int:
        return len(self.keys)


# -- CelebA --


class _CelebASource(_Source):
    workers = 4

    def __init__(self, path: Path, keys: list[str], crop: int, split: str):
        names = hashlib.sha256(repr(keys).encode()).hexdigest()  # they depend on the partition file
        super().__init__(
            "celeba", {**identity(path), "crop": crop, "split": split, "names": names}, keys
        )
        self.path, self.crop = path, crop

    @cached_property
    def _archive(
        self,
    ) -> zipfile.ZipFile:  # its list of 200,000 names is read once; threads may share it
        return zipfile.ZipFile(self.path)

    def read(self, start: int, stop: int) -> np.ndarray:
        pixels = []
        for key in self.keys[start:stop]:
            try:
                picture = load_picture(self._archive.read(key))
                width, height = picture.size
                box = (round((width - self.crop) / 2), round((height - self.crop) / 2), self.crop)
                pixels.append(square_pixels(picture, box))
            except BROKEN_ZIP as error:
                raise ValueError(
                    f"{self.path}: {key} cannot be read ({error}): {_again(self.path)}"
                ) from error
        return np.stack(pixels)


class CelebA(ArrayImages):
    """CelebA's aligned faces: the square of `crop` pixels in the middle, resized to 64x64.

    Args:
        root: img_align_celeba.zip, or a folder that holds it. list_eval_partition.txt beside it is
            used when it is there.
        split: "test" is the first 2,000 of the official test split, "train" everything else (the
            paper's 200,599).
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
        _check_split(split)
        if not isinstance(crop, int) or not 1 <= crop <= 178:
            raise ValueError(
                f"crop must be the side of a square in pixels, from 1 to 178, got {crop!r}"
            )
        self.crop = crop
        path = _find(root, ("img_align_celeba.zip",), "bring it from the data set's page (1.4 GB)")
        if not zipfile.is_zipfile(path):
            raise _no_archive(path, "zip archive")
        try:
            with zipfile.ZipFile(path) as archive:
                keys = {
                    int(match[1]): name
                    for name in archive.namelist()
                    if (match := re.search(r"(?:^|/)(\d{6})\.jpg$", name))
                }
        except BROKEN_ZIP as error:
            raise _no_archive(path, "zip archive", error) from error
        if not keys:
            raise ValueError(
                f"{path} holds no pictures named like 000001.jpg: is it img_align_celeba.zip?"
            )
        numbers = _celeba_split(path, sorted(keys), split)[:limit]
        if not numbers:
            raise ValueError(
                f"{path} holds no pictures of the {split} split: its numbers end at {max(keys):06d}.jpg, the archive is not whole"
            )
        super().__init__(
            prepare(
                _CelebASource(path, [keys[number] for number in numbers], crop, split), cache_dir
            ),
            "celeba",
        )


def _celeba_split(path: Path, numbers: list[int], split: str) -> list[int]:
    partition = path.with_name("list_eval_partition.txt")
    if partition.exists():
        parts = _partition(partition)
        if unnamed := [number for number in numbers if number not in parts]:
            raise ValueError(
                f"{partition} does not name {len(unnamed)} pictures of the archive, the first {unnamed[0]:06d}.jpg: {_again(partition)}, or remove it"
            )
        official = [number for number in numbers if parts[number] == "2"]
    else:
        official = [number for number in numbers if number >= CELEBA_TEST_STARTS]
    held_out = set(official[:HELD_OUT])
    return [number for number in numbers if (number in held_out) == (split == "test")]


def _partition(path: Path) -> dict[int, str]:
    """Number of the picture -> "0" (train), "1" (valid) or "2" (test)."""
    parts = {}
    for line, text in enumerate(path.read_bytes().decode("ascii", errors="replace").split("\n"), 1):
        match = re.fullmatch(r"(\d{6})\.jpg\s+([012])\s*", text)
        if match:
            parts[int(match[1])] = match[2]
        elif text.strip():
            raise ValueError(
                f"{path}, line {line}: expected a picture and 0, 1 or 2, got {text.strip()[:60]!r}: {_again(path)}, or remove it"
            )
    return parts


# -- SVHN --


class _SVHNSource(_Source):
    """Read whole at the first `read`: a .mat file cannot be read in ranges."""

    def __init__(self, paths: list[Path], counts: list[int], split: str, limit: int | None):
        keys = [(part, number) for part, count in enumerate(counts) for number in range(count)][
            :limit
        ]
        super().__init__(
            "svhn",
            {"files": [identity(path) for path in paths], "split": split, "pictures": len(keys)},
            keys,
        )
        self.paths = paths

    @cached_property
    def pictures(self) -> list[np.ndarray]:
        return [_load_mat(path, "X")["X"] for path in self.paths]

    def read(self, start: int, stop: int) -> np.ndarray:
        size = (IMAGE_SIZE, IMAGE_SIZE)
        return np.stack(
            [
                np.asarray(
                    Image.fromarray(self.pictures[part][..., number]).resize(
                        size, Image.Resampling.BICUBIC
                    )
                )
                for part, number in self.keys[start:stop]
            ]
        )


def fetch_svhn(
    root: str | os.PathLike, extra: bool = False, address: str = SVHN_ADDRESS, progress: bool = True
) -> list[Path]:
    """Fetch SVHN's cropped digits into the folder `root` (246 MB; with `extra` 1.6 GB), those files
    that are not there yet.

    Raises:
        as `download.fetch`.
    """
    names = ["train_32x32.mat", "test_32x32.mat"] + ["extra_32x32.mat"] * extra
    return [
        fetch(address + name, Path(root) / name, *FILES[name], progress=progress) for name in names
    ]


class SVHN(ArrayImages):
    """Street View House Numbers, the cropped digits (32x32), enlarged to 64x64 as in the paper;
    `labels` holds the digits.

    Args:
        root: folder with train_32x32.mat and test_32x32.mat.
        split: "train" or "test", the official ones.
        limit: at most so many pictures, the first.
        extra: whether "train" takes in extra_32x32.mat as well (531,131 pictures, which need 1.6 GB
            of memory while they are prepared).
        cache_dir: see `prepare`.

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
        _check_split(split)
        names = [f"{split}_32x32.mat"] + (["extra_32x32.mat"] if extra and split == "train" else [])
        paths = [
            _find(
                root,
                (name,),
                f"`python -m tutorial_lib data svhn{' --extra' if name.startswith('extra') else ''} --root FOLDER` fetches it",
            )
            for name in names
        ]
        labels = [_labels(path) for path in paths]
        self.labels = np.concatenate(labels)[:limit]
        super().__init__(
            prepare(_SVHNSource(paths, [len(each) for each in labels], split, limit), cache_dir),
            "svhn",
        )


def _load_mat(path: Path, *names: str) -> dict:
    try:
        return scipy.io.loadmat(path, variable_names=names)
    except Exception as error:  # scipy raises almost anything for a damaged file
        raise _no_archive(path, "MATLAB file", error) from error


def _labels(path: Path) -> np.ndarray:
    """Digits (N,), read without the pictures; the label 10 stands for the digit 0."""
    try:
        held = {name: (shape, kind) for name, shape, kind in scipy.io.whosmat(path)}
    except Exception as error:
        raise _no_archive(path, "MATLAB file", error) from error
    shape, kind = held.get("X", ((), ""))
    y = _load_mat(path, "y").get("y")
    if (
        y is None
        or kind != "uint8"
        or len(shape) != 4
        or shape[:3] != (32, 32, 3)
        or y.size != shape[3]
    ):
        raise ValueError(
            f"{path} holds {held}, not X of shape (32, 32, 3, N) in uint8 and N labels y: take the cropped digits (Format 2), or if it is "
            f"cut short, {_again(path)}"
        )
    labels = y.reshape(-1).astype(np.int64)
    if labels.min() < 1 or labels.max() > 10:
        raise ValueError(
            f"{path} holds labels from {labels.min()} to {labels.max()}, not from 1 to 10: take the cropped digits (Format 2)"
        )
    return labels % 10


# -- Stanford Cars --


class _CarsSource(_Source):
    """Read from the start of the .tgz only, so `read` goes on where the call before it ended."""

    def __init__(
        self, path: Path, annotations: Path, boxes: dict[str, tuple[int, int, int, int]], split: str
    ):
        super().__init__(
            "stanford-cars",
            {
                **identity(path),
                "boxes": identity(annotations),
                "split": split,
                "pictures": len(boxes),
            },
            sorted(boxes),
        )
        self.path, self.boxes, self.stream = path, boxes, None

    def read(self, start: int, stop: int) -> np.ndarray:
        if start == 0:
            self.stream = self._pictures()
        return np.stack([next(self.stream) for _ in range(start, stop)])

    def _pictures(self):
        """Pixels in the order of the archive, which need not be that of the names."""
        seen = set()
        try:
            with tarfile.open(self.path, "r|gz") as archive:
                for member in archive:
                    name = Path(member.name).name
                    if not member.isfile() or name not in self.boxes or name in seen:
                        continue
                    seen.add(name)
                    yield self._cut(name, archive.extractfile(member).read())
        except _BROKEN_TAR as error:
            raise _no_archive(self.path, ".tgz archive", error) from error
        missing = sorted(self.boxes.keys() - seen)
        if missing:
            raise ValueError(
                f"{self.path} lacks {len(missing)} of {len(self.boxes)} pictures that the annotations name, the first {missing[0]}: "
                f"{_again(self.path)}"
            )

    def _cut(self, name: str, content: bytes) -> np.ndarray:
        try:
            picture = load_picture(content)
        except ValueError as error:
            raise ValueError(
                f"{self.path}: {name} cannot be read ({error}): {_again(self.path)}"
            ) from error
        left, top, right, bottom = self.boxes[name]
        if not (0 <= left < right <= picture.width and 0 <= top < bottom <= picture.height):
            raise ValueError(
                f"{self.path}: the box of {name}, ({left}, {top}, {right}, {bottom}), does not lie in its {picture.width}x{picture.height} "
                "pixels: archive and annotations do not belong together"
            )
        cut = picture.resize(
            (IMAGE_SIZE, IMAGE_SIZE),
            Image.Resampling.LANCZOS,
            box=(left, top, right, bottom),
            reducing_gap=3.0,
        )
        return np.asarray(cut)


class StanfordCars(ArrayImages):
    """Stanford Cars: each car's bounding box, resized to 64x64 (the box's sides are not kept in
    proportion, as in the paper's figures).

    Args:
        root: folder with cars_train.tgz or cars_test.tgz, car_devkit.tgz, and for the test split
            cars_test_annos_withlabels.mat or the devkit's cars_test_annos.mat.
        split: "train" or "test", the official ones.
        limit: at most so many pictures, the first in the order of the archive.
        cache_dir: see `prepare`.

    Raises:
        FileNotFoundError: for a file that is not there.
        ValueError: for a broken one, or boxes that do not fit the pictures.
    """

    def __init__(
        self,
        root: str | os.PathLike,
        split: str = "train",
        limit: int | None = None,
        cache_dir: str | os.PathLike | None = None,
    ):
        _check_split(split)
        path = _find(
            root, (f"cars_{split}.tgz",), "the official address is gone: bring the file from a copy"
        )
        annotations, content = _annotations(root, split)
        boxes = _boxes(annotations, content)
        pixels = prepare(_CarsSource(path, annotations, boxes, split), cache_dir)
        super().__init__(pixels[:limit], "stanford-cars")


def _annotations(root: str | os.PathLike, split: str) -> tuple[Path, bytes]:
    if split == "test":
        try:
            path = _find(root, ("cars_test_annos_withlabels.mat",), "")
            return path, path.read_bytes()
        except FileNotFoundError:
            pass  # the devkit has boxes too
    path = _find(
        root,
        ("car_devkit.tgz",),
        "it holds the bounding boxes; bring it from a copy of the data set",
    )
    name = f"cars_{split}_annos.mat"
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                if Path(member.name).name == name:
                    return path, archive.extractfile(member).read()
    except _BROKEN_TAR as error:
        raise _no_archive(path, ".tgz archive", error) from error
    raise ValueError(f"{path} holds no {name}: {_again(path)}")


def _boxes(path: Path, content: bytes) -> dict[str, tuple[int, int, int, int]]:
    """File name -> (left, top, right, bottom), right and bottom just outside.

    The file counts pixels from 1.
    """
    try:
        rows = scipy.io.loadmat(io.BytesIO(content))["annotations"].reshape(-1)
        # small unsigned fields: as they are, x1 - 1 would wrap around
        boxes = {
            str(row["fname"].item()): tuple(
                int(row[f"bbox_{side}"].item()) for side in ("x1", "y1", "x2", "y2")
            )
            for row in rows
        }
    except Exception as error:  # scipy raises almost anything for a damaged file
        raise ValueError(
            f"{path} holds no annotations with fname and bbox_x1 to bbox_y2 ({error}): {_again(path)}"
        ) from error
    return {name: (x1 - 1, y1 - 1, x2, y2) for name, (x1, y1, x2, y2) in boxes.items()}


def _check_split(split: str) -> None:
    if split not in SPLITS:
        raise ValueError(f"split must be one of {SPLITS}, got {split!r}")
