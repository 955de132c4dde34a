"""Files from the web: checked, resumed where a transfer broke off, and never there in part.

The usual library for this, pooch, starts again after every break, which for archives of gigabytes
is too often; around it this module would be as long.
"""

from __future__ import annotations

import hashlib
import os
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path

from tqdm.auto import tqdm

from tutorial_lib.cache import lock_of, locked
from tutorial_lib.datasets.base import is_web_page

TIMEOUT = 30  # seconds without a byte
PAUSES = (0, 1, 2, 4)  # seconds before each attempt
_BLOCK = 1 << 16


def fetch(url: str, path: str | os.PathLike, size: int, digest: str, progress: bool = True) -> Path:
    """The file at `path`, fetched from `url` unless it is there already.

    What arrives is kept beside it as PATH.partial until it is whole and its hash is right; then it
    is moved into place. A transfer that breaks off is resumed, in this call or a later one. One
    process at a time fetches a file.

    Args:
        url: http or https, of a file that never changes.
        path: where it goes; folders are made.
        size: in bytes.
        digest: hexadecimal, its length says whether MD5 or SHA-256.
        progress: whether to show a progress bar.

    Returns:
        the path.

    Raises:
        ConnectionError: when the server cannot be reached, refuses, or breaks off again and again.
        ValueError: when what came is not the file (a web page, another version).
        InUse: while another process fetches it.
    """
    path = Path(path)
    with locked(lock_of(path), f"fetching {path}"):
        if not (path.exists() and path.stat().st_size == size and _digest(path, digest) == digest):
            _fetch(url, path, size, digest, progress)
    return path


def _fetch(url: str, path: Path, size: int, digest: str, progress: bool) -> None:
    partial = path.with_name(path.name + ".partial")
    have = partial.stat().st_size if partial.exists() else 0
    if have > size or have == size and _digest(partial, digest) != digest:
        partial.unlink()
    with tqdm(total=size, desc=path.name, unit="B", unit_scale=True, disable=not progress) as bar:
        problem: Exception | str = ""
        for pause in PAUSES:
            time.sleep(pause)
            try:
                have = _receive(url, partial, size, bar)
            except urllib.error.HTTPError as error:
                if error.code == 416:  # the server has fewer bytes than came before: begin anew
                    partial.unlink(missing_ok=True)
                elif error.code < 500 and error.code not in (408, 429):
                    raise ConnectionError(
                        f"{url} could not be fetched ({error}): the server refuses it, see "
                        "whether it has moved"
                    ) from error
                problem = error
            except (urllib.error.URLError, ConnectionError, TimeoutError, HTTPException) as error:
                problem = error
            else:
                if have >= size:
                    break
                problem = f"it ended after {have:,} of {size:,} bytes"
        else:
            raise ConnectionError(
                f"{url} could not be fetched ({problem}): what has come is kept, try again later"
            )
    if have != size or _digest(partial, digest) != digest:
        with open(partial, "rb") as file:
            first = file.read(_BLOCK)
        partial.unlink()
        raise _wrong(url, first)
    os.replace(partial, path)


def _receive(url: str, partial: Path, size: int, bar: tqdm) -> int:
    """Append what is missing to the partial file; returns the bytes there are.

    It is begun anew where the server sends the whole.
    """
    have = partial.stat().st_size if partial.exists() else 0
    if have == size:
        return have
    request = urllib.request.Request(
        url, headers={"User-Agent": "tutorial_lib", **({"Range": f"bytes={have}-"} if have else {})}
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
        goes_on = answer.status == 206 and (answer.headers.get("Content-Range") or "").startswith(
            f"bytes {have}-"
        )
        block = answer.read1(_BLOCK)
        if not goes_on:
            have = 0
            if int(answer.headers.get("Content-Length") or size) != size or is_web_page(block):
                raise _wrong(url, block)  # before anything that came earlier is overwritten
        bar.reset()
        bar.update(have)
        with open(partial, "ab" if goes_on else "wb") as file:
            while block and have <= size:
                file.write(block)
                have += len(block)
                bar.update(len(block))
                block = answer.read1(_BLOCK)
    return have


def _wrong(url: str, first: bytes) -> ValueError:
    what = (
        "a web page came instead of the file"
        if is_web_page(first)
        else "what came is not the file, its size or hash differs"
    )
    return ValueError(
        f"{url}: {what}; nothing of it was kept: fetch it with a browser, or see whether it has "
        "moved"
    )


def _digest(path: Path, like: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5" if len(like) == 32 else "sha256").hexdigest()
