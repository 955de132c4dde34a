"""Stanford Cars, read from the official archives; nothing is unpacked."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image

from tutorial_lib.datasets.base import (
    ArchiveSource,
    ArrayImages,
    OfficialFile,
    check_split,
    read_tar_member,
)
from tutorial_lib.datasets.prepared import identity, prepare
from tutorial_lib.images import IMAGE_SIZE, load_picture

ARCHIVES = {
    "train": OfficialFile("cars_train.tgz", 979_269_282, "065e5b463ae28d29e77c1b4b166cfe61"),
    "test": OfficialFile("cars_test.tgz", 977_350_468, "4ce7ebf6a94d07f1952d94dd34c4d501"),
}
DEVKIT = OfficialFile("car_devkit.tgz", 330_960, "c3b158d763b6e2245038c8ad08e45376")
LABELLED = OfficialFile(
    "cars_test_annos_withlabels.mat", 185_758, "b0a2b23655a3edd16d84508592a98d10"
)
_REMEDY = (
    "the official address is gone: bring the file from a copy. Unpacked pictures "
    "(cars_train/, cars_train/cars_train/) are read whole, without boxes, by --data folder"
)
Box = tuple[int, int, int, int]


class _Source(ArchiveSource):
    """Read from the start of the .tgz only, so `read` goes on where the call before it ended."""

    def __init__(self, path: Path, annotations: Path, boxes: dict[str, Box], split: str):
        settings = {**identity(path), "boxes": identity(annotations), "pictures": len(boxes)}
        super().__init__("stanford-cars", path, settings, sorted(boxes), split)
        self.path, self.boxes, self.official = path, boxes, ARCHIVES[split]
        self.stream: Iterator[np.ndarray] = iter(())

    def read(self, start: int, stop: int) -> np.ndarray:
        if start == 0:
            self.stream = self._pictures()
        return np.stack([next(self.stream) for _ in range(start, stop)])

    def _pictures(self) -> Iterator[np.ndarray]:
        """Pixels in the order of the archive, which need not be that of the names."""
        seen = set()
        for name, content in self._members():
            if name not in seen:
                seen.add(name)
                yield self._cut(name, content)
        missing = sorted(self.boxes.keys() - seen)
        if missing:
            raise ValueError(
                f"{self.path} lacks {len(missing)} of {len(self.boxes)} pictures that the "
                f"annotations name, the first {missing[0]}: {self.official.again(self.path)}"
            )

    def _members(self) -> Iterator[tuple[str, bytes]]:
        try:
            with tarfile.open(self.path, "r|gz") as archive:
                for member in archive:
                    name = Path(member.name).name
                    if member.isfile() and name in self.boxes:
                        yield name, read_tar_member(archive, member)
        except Exception as error:  # tarfile raises almost anything for a damaged one
            raise self.official.broken(self.path, ".tgz archive", error) from error

    def _cut(self, name: str, content: bytes) -> np.ndarray:
        try:
            picture = load_picture(content, f"{self.path}: {name}")
        except ValueError as error:
            raise ValueError(f"{error}; {self.official.again(self.path)}") from error
        left, top, right, bottom = self.boxes[name]
        if not (0 <= left < right <= picture.width and 0 <= top < bottom <= picture.height):
            raise ValueError(
                f"{self.path}: the box of {name}, ({left}, {top}, {right}, {bottom}), does not lie "
                f"in its {picture.width}x{picture.height} pixels: archive and annotations do not "
                "belong together"
            )
        cut = picture.resize(
            (IMAGE_SIZE, IMAGE_SIZE),
            Image.Resampling.LANCZOS,
            box=(left, top, right, bottom),
            reducing_gap=3.0,
        )
        return np.asarray(cut)


class StanfordCars(ArrayImages):
    """Each car's bounding box, resized to 64x64.

    The box's sides are not kept in proportion, as in the paper's figures.

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
        check_split(split)
        path = ARCHIVES[split].find(root, _REMEDY)
        file, annotations, content = _annotations(root, split)
        boxes = _boxes(file, annotations, content)
        pixels = prepare(_Source(path, annotations, boxes, split), cache_dir)
        super().__init__(pixels[:limit], "stanford-cars")


def _annotations(root: str | os.PathLike, split: str) -> tuple[OfficialFile, Path, bytes]:
    if split == "test":
        try:
            path = LABELLED.find(root, "")
            return LABELLED, path, path.read_bytes()
        except FileNotFoundError:
            pass  # the devkit has boxes too
    path = DEVKIT.find(root, "it holds the bounding boxes; bring it from a copy of the data set")
    name = f"cars_{split}_annos.mat"
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                if member.isfile() and Path(member.name).name == name:
                    return DEVKIT, path, read_tar_member(archive, member)
    except Exception as error:
        raise DEVKIT.broken(path, ".tgz archive", error) from error
    raise ValueError(f"{path} holds no {name}: {DEVKIT.again(path)}")


def _boxes(official: OfficialFile, path: Path, content: bytes) -> dict[str, Box]:
    """File name -> (left, top, right, bottom), right and bottom just outside.

    The file counts pixels from 1.
    """
    boxes = {}
    try:
        for row in scipy.io.loadmat(io.BytesIO(content))["annotations"].reshape(-1):
            # small unsigned fields: as they are, x1 - 1 would wrap around
            x1, y1, x2, y2 = (int(row[f"bbox_{side}"].item()) for side in ("x1", "y1", "x2", "y2"))
            boxes[str(row["fname"].item())] = (x1 - 1, y1 - 1, x2, y2)
    except Exception as error:  # scipy raises almost anything for a damaged file
        raise ValueError(
            f"{path} holds no annotations with fname and bbox_x1 to bbox_y2 ({error}): "
            f"{official.again(path)}"
        ) from error
    if not boxes:
        raise ValueError(f"{path} holds no annotations: {official.again(path)}")
    return boxes
