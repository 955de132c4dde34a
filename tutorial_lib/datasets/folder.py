"""Any folder or zip archive of pictures as a data set, with or without train/ and test/ inside."""

from __future__ import annotations

import hashlib
import os
import sys
import zipfile
from collections import Counter
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np

from tutorial_lib.datasets.base import SPLITS, ArrayImages, check_split, read_member, say, zip_names
from tutorial_lib.datasets.prepared import SHAPE, identity, prepare
from tutorial_lib.faces import NoFaceFound, align
from tutorial_lib.images import SUFFIXES, load_picture, square_pixels, to_uint8

TEST_SHARE = 0.1
MANY = 500  # pictures from which on their pixels are kept
CROPS = ("center", "face")
# Rows that are no picture: patterns that no photo has.
_UNREADABLE = (np.arange(np.prod(SHAPE)) % 251).astype(np.uint8).reshape(SHAPE)
_NO_FACE = _UNREADABLE[::-1]
_SHOWN = 20  # names of unreadable pictures in one message
_told: set[str] = set()


class _FolderSource:
    """Pictures of a folder or zip archive by name, for `prepare`.

    Args:
        root: the folder or archive.
        names: name -> as the folder or archive has it.
        crop: "center" or "face".
        place: see `prepared.Source`.

    Attributes:
        problems: name -> why it cannot be read, of the pictures read so far.
    """

    workers = 4

    def __init__(self, root: Path, names: dict[str, str], crop: str, place: str):
        self.root, self.stored, self.crop = root, names, crop
        self.names, self.name, self.place = list(names), root.stem, place
        self.problems: dict[str, str] = {}
        if root.is_dir():
            files = [(name, (root / name).stat()) for name in names]
            held = {
                "files": _hash([(name, stat.st_size, stat.st_mtime_ns) for name, stat in files])
            }
        else:
            held = {**identity(root), "names": _hash(self.names)}
        self.settings = {"set": "folder", "version": 3, "crop": crop, **held}

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def _archive(self) -> zipfile.ZipFile | None:
        return None if self.root.is_dir() else zipfile.ZipFile(self.root)

    def read(self, start: int, stop: int) -> np.ndarray:
        """(stop - start, 64, 64, 3) uint8.

        A picture that cannot be read, or in which a face was to be framed and none was found, has
        the pattern that says so.
        """
        rows = [self._picture(name) for name in self.names[start:stop]]
        return np.stack(rows)

    def _picture(self, name: str) -> np.ndarray:
        try:
            if self._archive:
                picture = read_member(self._archive, self.stored[name])
            else:
                picture = load_picture(self.root / name)
            return to_uint8(align(picture).pixels)[0] if self._face else square_pixels(picture)
        except NoFaceFound:
            return _NO_FACE
        except (ValueError, OSError) as error:
            self.problems[name] = str(error)
            return _UNREADABLE

    @property
    def _face(self) -> bool:
        return self.crop == "face"


class PictureFolder(ArrayImages):
    """The pictures of a folder or zip archive as 64x64 squares.

    Where train/ and test/ stand side by side at the top (in upper or lower case, or inside a single
    folder around everything) those are the splits; otherwise a tenth of the pictures, chosen by a
    hash of their names, is held out, so that adding pictures later moves none from one split to the
    other. Hidden files and folders are no data. What was found is printed once. What took long is
    kept (`prepare`): the pixels of 500 pictures or more, and framed faces; after a change in the
    folder everything is read again. Pictures that cannot be read are left out and named.

    Args:
        root: a folder or a .zip file.
        split: "train" or "test".
        limit: at most so many pictures, the first in the order of their names.
        crop: "center", the largest central square; or "face", the largest face seen from the front,
            with eyes and mouth corners on the template of `tutorial_lib.faces` (a fifth of a second
            a picture): pictures that show none are left out, and how many is said.
        cache_dir: see `prepare`.

    Attributes:
        files: names of the pictures, in order.
        problems: name -> why it could not be read, of those left out for that.
        identity: a hash of the files' names and sizes.

    Raises:
        FileNotFoundError: when `root` is not there.
        ValueError: for an unknown split or crop, a file that is no zip archive, train/ and test/
            side by side but not at the top, no pictures, or none that can be read.
    """

    def __init__(
        self,
        root: str | os.PathLike,
        split: str = "train",
        limit: int | None = None,
        crop: str = "center",
        cache_dir: str | os.PathLike | None = None,
    ):
        check_split(split)
        if crop not in CROPS:
            raise ValueError(f"crop must be one of {CROPS}, got {crop!r}")
        self.root, self.crop = Path(root), crop
        if not self.root.exists():
            raise FileNotFoundError(f"{self.root}: no such folder or zip archive")
        stored = _files(self.root) if self.root.is_dir() else zip_names(self.root)
        names = _choose(self.root, [name for name in stored if not name.endswith("/")], split)[
            :limit
        ]
        place = f"{self.root.resolve()} {split} {limit} {crop}"
        source = _FolderSource(self.root, {name: stored[name] for name in names}, crop, place)
        slow = crop == "face" or len(source) >= MANY
        pixels = prepare(source, cache_dir) if slow else source.read(0, len(source))
        unreadable = _rows_like(pixels, _UNREADABLE)
        no_face = _rows_like(pixels, _NO_FACE)
        self.problems = {
            names[row]: source.problems.get(names[row], f"{names[row]} cannot be read")
            for row in unreadable
        }
        if self.problems:
            _tell_of(self.root, self.problems, len(names))
        if len(no_face):
            say(
                f"{self.root}: no face was found in {len(no_face)} of {len(source)} pictures; "
                "they are left out"
            )
        rows = np.setdiff1d(np.arange(len(names)), np.concatenate([unreadable, no_face]))
        if not len(rows):
            raise ValueError(
                f"{self.root}: no picture shows a face from the front: use the center crop"
                if len(no_face)
                else f"{self.root}: no picture can be read: {'; '.join(self.problems.values())}"
            )
        self.files = [names[row] for row in rows]
        self.identity = _identity(self.root, {name: stored[name] for name in self.files})
        super().__init__(pixels, self.root.stem, rows if len(rows) < len(names) else None)

    def repeated(self, pattern: str, times: int) -> ArrayImages:
        """The same pictures, some of them several times: for a rare kind that matters.

        Args:
            pattern: of file names without their folder, such as "congress_*".
            times: how often each that matches is in the set.

        Raises:
            ValueError: when no picture matches, or for fewer than one time.
        """
        counts = [times if fnmatchcase(Path(file).name, pattern) else 1 for file in self.files]
        matching = sum(fnmatchcase(Path(file).name, pattern) for file in self.files)
        if not matching or times < 1:
            raise ValueError(
                f"{matching} of {len(self.files)} pictures are named {pattern}, to be repeated "
                f"{times} times: give a pattern that matches, and 1 or more"
            )
        rows = np.arange(len(self.files)) if self._rows is None else self._rows
        several = ArrayImages(self._held, self.name, np.repeat(rows, counts))
        several.identity = self.identity
        return several


def _identity(root: Path, stored: dict[str, str]) -> str:
    """A hash of names and sizes; the same for a copy of the files."""
    if root.is_dir():
        sizes = [(root / name).stat().st_size for name in stored]
    else:
        with zipfile.ZipFile(root) as archive:
            sizes = [archive.getinfo(name).file_size for name in stored.values()]
    lines = "\n".join(f"{name} {size}" for name, size in zip(stored, sizes, strict=True))
    return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()


def _files(root: Path) -> dict[str, str]:
    """All files below a folder, through links to folders as well; each folder once."""
    names, seen = [], set()
    for folder, inside, files in os.walk(root, followlinks=True):
        inside.sort()
        real = os.path.realpath(folder)
        if real in seen:
            inside.clear()
            continue
        seen.add(real)
        names += [(Path(folder) / file).relative_to(root).as_posix() for file in files]
    return {name: name for name in names if (root / name).is_file()}


def _choose(root: Path, names: list[str], split: str) -> list[str]:
    """The names of a split, sorted; says once what there is."""
    seen = [name for name in names if not _hidden(name)]
    pictures = sorted(name for name in seen if name.lower().endswith(SUFFIXES))
    skipped = []
    if hidden := len(names) - len(seen):
        skipped.append(f"{hidden} hidden")
    if others := Counter(PurePosixPath(name).suffix or name for name in set(seen) - set(pictures)):
        endings = ", ".join(ending for ending, _ in others.most_common(4))
        skipped.append(f"{others.total()} that are no pictures ({endings})")
    top = _top(pictures)
    splits = {
        each: [name for name in pictures if _folder(name, top).lower() == each] for each in SPLITS
    }
    if all(splits.values()):
        how = "train/ and test/"
        if beside := len(pictures) - sum(map(len, splits.values())):
            skipped.append(f"{beside} beside train/ and test/")
    else:
        _refuse_inner_splits(root, pictures)
        how = f"no train/ and test/ at the top: {TEST_SHARE:.0%} are held out, chosen by name"
        splits = {"train": [], "test": []}
        for name in pictures:
            splits["test" if _share(name) < TEST_SHARE else "train"].append(name)
    found = f"{len(splits['train'])} pictures to train, {len(splits['test'])} to test ({how})"
    found += f"; skipped {', '.join(skipped)}" if skipped else ""
    if not splits[split]:
        remedy = f"pictures end in {', '.join(SUFFIXES)}"
        if pictures:
            remedy = "add more pictures, or put some into train/ and some into test/"
        raise ValueError(f"{root} holds no pictures for the {split} split: {found}; {remedy}")
    if (said := f"{root}: {found}") not in _told:
        say(said)
        _told.add(said)
    return splits[split]


def _hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)


def _top(names: list[str]) -> int:
    """How many folders are around everything."""
    folders = [PurePosixPath(name).parent.parts for name in names]
    return len(os.path.commonprefix(folders)) if folders else 0


def _folder(name: str, top: int) -> str:
    """The folder below the `top` outermost ones that a file lies in, empty for none."""
    parts = PurePosixPath(name).parent.parts
    return parts[top] if len(parts) > top else ""


def _refuse_inner_splits(root: Path, names: list[str]) -> None:
    """To take train/ and test/ inside other folders for classes would train on test pictures."""
    inside: dict[tuple[str, ...], set[str]] = {}
    for folder in {PurePosixPath(name).parent.parts for name in names}:
        for depth, part in enumerate(folder):
            inside.setdefault(folder[:depth], set()).add(part.lower())
    for above in sorted(inside):
        if set(SPLITS) <= inside[above]:
            raise ValueError(
                f"{root}: train/ and test/ stand side by side in {'/'.join(above)}/, not at the "
                "top: give that folder, or move them to the top"
            )


def _share(name: str) -> float:
    """A number in [0, 1) that depends on the name alone."""
    digest = hashlib.sha256(name.encode(errors="surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _hash(value) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()


def _rows_like(pixels: np.ndarray, pattern: np.ndarray) -> np.ndarray:
    """Numbers of the rows that are the pattern; of the others only the corner is looked at."""
    rows = np.flatnonzero((pixels[:, 0, :3] == pattern[0, :3]).all((1, 2)))
    return np.array([row for row in rows if (pixels[row] == pattern).all()], dtype=np.int64)


def _tell_of(root: Path, problems: dict[str, str], count: int) -> None:
    """Name what is left out, all of it at once."""
    say(f"{root}: {len(problems)} of {count} pictures cannot be read, left out:", sys.stderr)
    for problem in list(problems.values())[:_SHOWN]:
        say(f"  {problem}", sys.stderr)
    if len(problems) > _SHOWN:
        say(f"  and {len(problems) - _SHOWN} more", sys.stderr)
