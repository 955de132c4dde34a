"""A large set is decoded once, by several threads, and what is kept is whole, right, and harmed by
nobody.
"""

import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from tutorial_lib.datasets import prepared
from tutorial_lib.datasets.prepared import prepare


class Numbers:
    """Picture i is all i."""

    def __init__(self, count=11, workers=1, fails_at=None, **settings):
        self.name, self.count, self.workers, self.fails_at, self.settings, self.calls = (
            "numbers",
            count,
            workers,
            fails_at,
            settings,
            0,
        )

    def __len__(self):
        return self.count

    def read(self, start, stop):
        self.calls += 1
        if self.fails_at is not None and self.fails_at < stop:
            raise self.fails_at_error()
        return np.broadcast_to(
            np.arange(start, stop, dtype=np.uint8)[:, None, None, None], (stop - start, 64, 64, 3)
        )

    def fails_at_error(self):
        return ValueError(f"picture {self.fails_at} is broken")


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(prepared, "CHUNK", 3)


def files(folder: Path):
    return sorted(file.name for file in folder.rglob("*") if file.is_file())


@pytest.mark.parametrize("workers", [1, 2])
def test_every_picture_is_there_once_and_is_read_once(tmp_path, workers):
    pixels = prepare(Numbers(workers=workers), tmp_path)
    assert (
        pixels.shape == (11, 64, 64, 3)
        and pixels.dtype == np.uint8
        and isinstance(pixels, np.memmap)
        and not pixels.flags.writeable
    )
    assert (pixels == np.arange(11)[:, None, None, None]).all()
    again = Numbers(workers=workers)
    assert (prepare(again, tmp_path) == pixels).all() and again.calls == 0
    assert len(files(tmp_path)) == 1


def test_who_shares_the_folder_may_read_it(tmp_path):
    before = os.umask(0o022)
    try:
        prepare(Numbers(), tmp_path)
    finally:
        os.umask(before)
    assert next(tmp_path.rglob("*.npy")).stat().st_mode & 0o044 == 0o044


def test_other_settings_are_another_file(tmp_path):
    assert (
        len(prepare(Numbers(crop=108), tmp_path)) == len(prepare(Numbers(crop=128), tmp_path)) == 11
    )
    assert len(files(tmp_path)) == 2


@pytest.mark.parametrize("workers", [1, 2])
def test_a_broken_picture_stops_it_and_leaves_nothing(tmp_path, workers):
    with pytest.raises(ValueError, match="picture 7 is broken"):
        prepare(Numbers(workers=workers, fails_at=7), tmp_path)
    assert files(tmp_path) == []
    assert len(prepare(Numbers(workers=workers), tmp_path)) == 11


def test_an_interruption_leaves_nothing(tmp_path):
    source = Numbers(fails_at=5)
    source.fails_at_error = KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        prepare(source, tmp_path)
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(file.read_bytes()[:9000]),
        lambda file: np.save(file, np.zeros((4, 64, 64, 3), np.uint8)),
        lambda file: file.write_text("<html>"),
    ],
)
def test_a_damaged_file_is_made_again(tmp_path, damage):
    prepare(Numbers(), tmp_path)
    damage(next(tmp_path.rglob("*.npy")))
    assert (prepare(Numbers(), tmp_path) == np.arange(11)[:, None, None, None]).all()


def test_two_at_once_do_no_harm(tmp_path):
    found, both = [], threading.Barrier(2)

    class Slow(Numbers):
        def read(self, start, stop):
            if start == 0:
                both.wait(timeout=30)
            return super().read(start, stop)

    threads = [
        threading.Thread(target=lambda: found.append(prepare(Slow(), tmp_path))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2 and all(
        (pixels == np.arange(11)[:, None, None, None]).all() for pixels in found
    )
    assert len(files(tmp_path)) == 1


def test_what_a_killed_process_left_is_removed_a_day_later(tmp_path):
    prepare(Numbers(), tmp_path)
    old, new = (tmp_path / "prepared" / f"{name}.partial" for name in ("old", "new"))
    for file, age in ((old, 2 * 24 * 3600), (new, 60)):
        file.write_text("half")
        os.utime(file, (time.time() - age,) * 2)
    prepare(Numbers(other=1), tmp_path)
    assert not old.exists() and new.exists()
