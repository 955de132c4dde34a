"""Large data sets are decoded once: 64x64 pixels in one file, mapped into memory, so that 200,000
pictures cost no more than a few.

A source is an archive that can be read in ranges. `prepare` keeps what it holds under a hash of
everything that decides on the pixels.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import uuid
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Protocol

import numpy as np
from tqdm.auto import tqdm

from tutorial_lib.cache import default_cache_dir

SHAPE = (64, 64, 3)
CHUNK = (
    50  # pictures between two moves of the progress bar: five seconds where faces are looked for
)
_BYTES = int(np.prod(SHAPE))
_ABANDONED = 24 * 3600  # seconds after which a half-written file belongs to nobody


class Source(Protocol):
    """What `prepare` reads.

    Attributes:
        name: of the set.
        settings: everything that decides on the pixels, archive and its size included; it becomes a
            part of the file's name.
        workers: threads that may read at once; 1 for an archive that can only be read from its
            start.
    """

    name: str
    settings: dict
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

    Decoded if no earlier call has done it.

    The file appears whole or not at all: an interrupted call leaves nothing, and two processes at
    once do no harm.

    Args:
        source: see `Source`; cache_dir: default `default_cache_dir()`.

    Raises:
        ValueError: from the source, OSError when the folder cannot be written.
    """
    folder = (default_cache_dir() if cache_dir is None else Path(cache_dir)) / "prepared"
    key = hashlib.sha256(json.dumps(source.settings, sort_keys=True).encode()).hexdigest()[:16]
    path = folder / f"{source.name}-{key}.npy"
    stored = _open(path, len(source))
    if stored is not None:
        return stored
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob("*.partial"):
        if time.time() - left.stat().st_mtime > _ABANDONED:
            left.unlink(missing_ok=True)
    temporary = (
        folder / f"{path.stem}-{uuid.uuid4().hex}.partial"
    )  # not by tempfile: others who share the folder may read it
    try:
        _decode(source, temporary)
        try:
            os.replace(temporary, path)
        except (
            PermissionError
        ):  # Windows, when another process has finished first and has its file open
            if _open(path, len(source)) is None:
                raise
            temporary.unlink(missing_ok=True)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return _open(path, len(source))


def _open(path: Path, count: int) -> np.ndarray | None:
    """The stored pixels, None where there is no such file or it is not what it should be."""
    try:
        pixels = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return pixels if pixels.shape == (count, *SHAPE) and pixels.dtype == np.uint8 else None


def _decode(source: Source, path: Path) -> None:
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "|u1", "fortran_order": False, "shape": (len(source), *SHAPE)}
        )
        header = file.tell()
        file.truncate(header + len(source) * _BYTES)
    jobs = [(start, min(start + CHUNK, len(source))) for start in range(0, len(source), CHUNK)]
    with tqdm(
        total=len(source),
        desc=f"preparing {source.name}",
        unit="picture",
        disable=len(source) < CHUNK,
    ) as bar:
        if source.workers == 1:
            for job in jobs:
                bar.update(_write(source, path, header, *job))
            return
        with ThreadPoolExecutor(
            min(source.workers, os.cpu_count() or 1)
        ) as pool:  # decoding and resizing let other threads run
            waiting = [pool.submit(_write, source, path, header, *job) for job in jobs]
            try:
                for done in as_completed(waiting):
                    bar.update(done.result())
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise


def _write(source: Source, path: Path, header: int, start: int, stop: int) -> int:
    # through a file, not a map: what is written counts as this process's memory only for the moment
    pixels = np.ascontiguousarray(source.read(start, stop), dtype=np.uint8)
    assert pixels.shape == (stop - start, *SHAPE)
    with open(path, "r+b") as file:
        file.seek(header + start * _BYTES)
        file.write(pixels.data)
    return stop - start
