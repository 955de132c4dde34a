"""Photographs that ship with the workbook, in data/: portraits, meter digits and cars."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from tutorial_lib.cache import DATA_DIR
from tutorial_lib.datasets.base import ArrayImages, read_member, zip_names


@dataclass(frozen=True)
class Archive:
    """A zip archive in data/ with 64x64 JPEG files in train/ and test/, or in test/ alone.

    Attributes:
        file: name of the archive.
        splits: those that it holds.
        licence: of the photographs, with their source.
    """

    file: str
    splits: tuple[str, ...]
    licence: str


ARCHIVES = {
    "portraits": Archive(
        "portraits.zip",
        ("train", "test"),
        "Official portraits of members of the US Congress, public domain",
    ),
    "photo-digits": Archive(
        "digits.zip",
        ("test",),
        '"Tenth of step of a meter digit" (haverland), Apache-2.0',
    ),
    "photo-cars": Archive(
        "cars.zip",
        ("test",),
        "Tas et al., Sensors 2022, 22(13):4740, Zenodo 6634554, CC BY 4.0",
    ),
}


def birth_years(names: Sequence[str]) -> np.ndarray:
    """In which years the people of these portraits were born, from data/portraits.csv.

    Args:
        names: Bioguide ids, such as the `names` of the data set "portraits".

    Returns:
        (N,) whole numbers.

    Raises:
        KeyError: for a name that is no portrait's.
    """
    with open(DATA_DIR / "portraits.csv", newline="", encoding="ascii") as file:
        born = {row["id"]: int(row["born"]) for row in csv.DictReader(file)}
    return np.array([born[name] for name in names])


def archive_path(name: str) -> Path:
    """Where the archive of a shipped data set lies; `name` is a key of `ARCHIVES`."""
    return DATA_DIR / ARCHIVES[name].file


class ShippedPhotos(ArrayImages):
    """One split of a data set that ships with the workbook, in the order of its file names.

    Sources, licences and how the pictures were made are described in data/README.md.

    Args:
        name: "portraits" (720 train, 46 test), "photo-digits" or "photo-cars" (64 test each).
        split: "train" or "test".
        limit: at most so many pictures.

    Attributes:
        names: file names without their ending. Of a portrait it is the Bioguide id of the person;
            of most digits it ends in the value: "_6-8" is 6.8, eight tenths of the way from 6 to 7.

    Items: (3, 64, 64) float32 in [-1, 1].

    Raises:
        ValueError: for a split that does not ship, or a damaged archive.
        FileNotFoundError: when the archive is not there.
    """

    def __init__(self, name: str, split: str, limit: int | None = None):
        splits = ARCHIVES[name].splits
        if split not in splits:
            message = f"{name} has no split {split!r}, only {' and '.join(splits)}"
            if "train" not in splits:
                message += ": 64 test pictures ship, data/README.md names the source of all"
            raise ValueError(message)
        pictures = _read(archive_path(name), f"{split}/", limit)
        self.names = [PurePosixPath(member).stem for member in pictures]
        super().__init__(np.stack(list(pictures.values())), name)


def _read(path: Path, folder: str, limit: int | None) -> dict[str, np.ndarray]:
    """The pictures in a folder of a zip archive, (64, 64, 3) uint8 each, by member name."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: it ships with the workbook, restore it by git")
    try:
        members = sorted(name for name in zip_names(path) if name.startswith(folder))
        with zipfile.ZipFile(path) as archive:
            return {name: np.asarray(read_member(archive, name)) for name in members[:limit]}
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}): restore it by git") from error
