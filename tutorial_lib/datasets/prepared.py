"""Large data sets are decoded once.

64x64 pixels lie in one file, mapped into memory, so that 200,000 pictures cost no more than a few.
A source is an archive that can be read in ranges. `prepare` keeps what it holds under a hash of
everything that decides on the pixels.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import warnings
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import numpy as np
from tqdm.auto import tqdm

from tutorial_lib.cache import atomic_path, default_cache_dir, locked
from tutorial_lib.device import available_threads

SHAPE = (64, 64, 3)
CHUNK = 50  # pictures between two moves of the progress bar: five seconds where faces are found
_BYTES = int(np.prod(SHAPE))


class Source(Protocol):
    """What `prepare` reads.

    Attributes:
        name: of the set.
        settings: everything that decides on the pixels, archive and its size included; it becomes a
            part of the file's name.
        place: what stays when the archive changes, such as its path and the split: a new prepared
            file takes the place of the old one.
        workers: threads that may read at once; 1 for an archive that can only be read from its
            start.
    """

    name: str
    settings: dict
    place: str
    workers: int

    def __len__(self) -> int: ...

    def read(self, start: int, stop: int) -> np.ndarray:
        """(stop - start, 64, 64, 3) uint8.

        Called for ranges in order where `workers` is 1. Raises ValueError, naming file and remedy.
        """


def identity(path: Path) -> dict:
    """What tells one version of a file from another without reading it, for a source's settings."""
    stat = path.stat()
    return {"file": path.name, "bytes": stat.st_size, "modified": stat.st_mtime_ns}


def prepare(source: Source, cache_dir: str | os.PathLike | None = None) -> np.ndarray:
    """The pixels of a source, (N, 64, 64, 3) uint8, memory-mapped and read-only.

    Decoded if no earlier call has done it. The file appears whole or not at all: an interrupted
    call leaves nothing. Of two processes that want the same one decodes, the other waits for it.
    Where the folder cannot be written, or the disk is full, the pixels are held in memory and a
    warning says so.

    Args:
        source: see `Source`.
        cache_dir: default `default_cache_dir()`.

    Raises:
        ValueError: from the source.
    """
    folder = (default_cache_dir() if cache_dir is None else Path(cache_dir)) / "prepared"
    start = f"{source.name}-{_short_hash(source.place)}"
    key = _short_hash(json.dumps(source.settings, sort_keys=True))
    path = folder / f"{start}-{key}.npy"
    # what has been moved is the same at another place
    names = f"{glob.escape(source.name)}-*-{key}.npy"
    for other in [path, *folder.glob(names)]:
        if (stored := _open(other, len(source))) is not None:
            return stored
    try:
        with locked(folder / f".{start}.lock", f"preparing {source.name}", wait=True):
            if (stored := _open(path, len(source))) is not None:
                return stored  # the other process has done it
            with atomic_path(path) as temporary:
                _decode(source, _FileRows(temporary, len(source)))
            for old in folder.glob(f"{glob.escape(start)}-*.npy"):
                if old != path:
                    with suppress(OSError):  # Windows, while another process has it open
                        old.unlink()
        stored = _open(path, len(source))
    except OSError as error:
        warnings.warn(f"prepared pictures are not kept: {error}", stacklevel=2)
    if stored is None:
        stored = np.empty((len(source), *SHAPE), np.uint8)
        _decode(source, stored)
    return stored


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]


def _open(path: Path, count: int) -> np.ndarray | None:
    """The stored pixels, None where there is no such file or it is not what it should be."""
    try:
        pixels = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return pixels if pixels.shape == (count, *SHAPE) and pixels.dtype == np.uint8 else None


class _FileRows:
    """Rows of a .npy file to assign to.

    Not a map: all that is written to one would count as this process's memory.
    """

    def __init__(self, path: Path, count: int):
        self.path = path
        with open(path, "wb") as file:
            np.lib.format.write_array_header_1_0(
                file, {"descr": "|u1", "fortran_order": False, "shape": (count, *SHAPE)}
            )
            self.header = file.tell()
            file.truncate(self.header + count * _BYTES)

    def __setitem__(self, rows: slice, pixels: np.ndarray) -> None:
        with open(self.path, "r+b") as file:
            file.seek(self.header + rows.start * _BYTES)
            file.write(np.ascontiguousarray(pixels).data)


def _decode(source: Source, rows: _FileRows | np.ndarray) -> None:
    """Read all of a source into `rows`, in several threads where it allows that."""

    def read(start: int) -> int:
        stop = min(start + CHUNK, len(source))
        pixels = np.asarray(source.read(start, stop), dtype=np.uint8)
        assert pixels.shape == (stop - start, *SHAPE)
        rows[start:stop] = pixels
        return stop - start

    starts = range(0, len(source), CHUNK)
    with tqdm(
        total=len(source),
        desc=f"preparing {source.name}",
        unit="picture",
        disable=len(source) < CHUNK,
    ) as bar:
        if source.workers == 1:
            for start in starts:
                bar.update(read(start))
            return
        # decoding and resizing let other threads run
        with ThreadPoolExecutor(min(source.workers, available_threads())) as pool:
            waiting = [pool.submit(read, start) for start in starts]
            try:
                for done in as_completed(waiting):
                    bar.update(done.result())
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
