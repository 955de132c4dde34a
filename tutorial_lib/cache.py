"""Where files are, the one way to write them, and locks for what two may want."""

from __future__ import annotations

import errno
import os
import re
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import platformdirs
from filelock import FileLock, Timeout

_PACKAGE = Path(__file__).resolve().parent
# What ships with the library: data/ of a checkout, tutorial_lib/data of an installed wheel.
DATA_DIR = _PACKAGE / "data" if (_PACKAGE / "data").is_dir() else _PACKAGE.parent / "data"
STALE_SECONDS = 3600  # a temporary file that nobody has written to for so long is removed
_TEMPORARY = re.compile(r"\.[^/\\]+\.[0-9a-f]{32}\.partial")


class InUse(OSError):
    """Another process is at work on the same thing."""


def default_cache_dir() -> Path:
    """Where prepared and rendered pictures are: $TUTORIAL_CACHE, or the user's cache folder."""
    if chosen := os.environ.get("TUTORIAL_CACHE"):
        return Path(chosen)
    try:
        return platformdirs.user_cache_path("tutorial_lib", appauthor=False)
    except RuntimeError:  # a user without a home, as in some containers
        return Path(tempfile.gettempdir()) / f"tutorial_lib-{os.getuid()}"


def check_writable(folder: str | os.PathLike, *files: str) -> None:
    """Found out before work that takes long: can files be written there? Nothing is left behind.

    Args:
        folder: it need not exist yet; then a folder above it is tried.
        *files: names of files that will be written in it.

    Raises:
        OSError: when not, or when one of the files is a folder.
    """
    for target in (Path(folder, name) for name in files):
        if target.is_dir():
            raise IsADirectoryError(f"{target} is a folder, not a file: choose another --out")
    above = (Path(folder).absolute(), *Path(folder).absolute().parents)
    there = next(path for path in above if os.path.lexists(path))
    probe = there / f".probe.{uuid.uuid4().hex}.partial"
    try:
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise type(error)(
            f"cannot write into {folder} ({error.strerror}): choose another --out"
        ) from error


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """A new name beside `path` to write to; moved to `path` at the end of the block.

    Another process sees the old file or the new one, never a half. After an error the new file is
    removed and the old one stays as it was. Files that killed processes left in the folder are
    removed when they are an hour old.

    Args:
        path: where the file is wanted; its folder is made if need be.

    Yields:
        a path in the same folder, of a file that does not exist yet.

    Raises:
        OSError: when the folder cannot be written or the disk is full.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_stale(path.parent)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise OSError(
                errno.ENOSPC,
                f"the disk is full: {path} was not written. Make room and run the same again",
            ) from error
        raise


@contextmanager
def atomic_write(path: str | os.PathLike, mode: str = "wb", **options) -> Iterator[IO]:
    """An open file that becomes `path` at the end of the block, whole or not at all.

    The permissions are those of any new file (`open`, so by the umask; `tempfile` would make it
    unreadable for others).

    Args:
        path: where the file is wanted; its folder is made if need be.
        mode: "wb" or "w".
        options: of `open`, such as the encoding.

    Yields:
        the open file.

    Raises:
        OSError: when the folder cannot be written or the disk is full.
    """
    with atomic_path(path) as temporary, open(temporary, mode, **options) as file:
        yield file


def lock_of(path: str | os.PathLike) -> Path:
    """The name of the lock that belongs to a file or folder: hidden, beside it."""
    path = Path(path)
    return path.with_name(f".{path.name}.lock")


@contextmanager
def locked(path: str | os.PathLike, doing: str, *, wait: bool = False) -> Iterator[None]:
    """A block that one process at a time goes through; the system releases a killed one's lock.

    Args:
        path: of the lock, a file that stays; its folder is made if need be.
        doing: for the message: "training into runs/mine".
        wait: wait for the other process instead of raising.

    Raises:
        InUse: when another process is in such a block and `wait` is False.
        OSError: when the lock cannot be made.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, timeout=0, mode=0o666)
    try:
        lock.acquire()
    except Timeout:
        if not wait:
            raise InUse(
                f"another process is {doing} at this moment: wait for its end, or choose another "
                "folder"
            ) from None
        print(f"another process is {doing} at this moment: waiting for it", file=sys.stderr)
        lock.acquire(timeout=-1)
    try:
        yield
    finally:
        lock.release()


def _remove_stale(folder: Path) -> None:
    for left in folder.glob(".*.partial"):
        try:
            if (
                _TEMPORARY.fullmatch(left.name)
                and time.time() - left.stat().st_mtime > STALE_SECONDS
            ):
                left.unlink()
        except OSError:  # it has just been moved, or belongs to somebody else
            continue
