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
        self.name, self.count, self.workers, self.fails_at = "numbers", count, workers, fails_at
        self.settings, self.place, self.calls = settings, repr(settings), 0

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
    """All but locks, which stay."""
    every = [file for file in folder.rglob("*") if file.is_file()]
    return sorted(file.name for file in every if file.suffix != ".lock")


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


def test_of_two_at_once_one_decodes_and_the_other_waits(tmp_path, capsys):
    found, begun, sources = [], threading.Event(), [Numbers(), Numbers()]
    read = sources[0].read

    def slowly(*rows):
        begun.set()
        time.sleep(0.2)
        return read(*rows)

    sources[0].read = slowly
    first = threading.Thread(target=lambda: found.append(prepare(sources[0], tmp_path)))
    first.start()
    assert begun.wait(30)
    found.append(prepare(sources[1], tmp_path))
    first.join()
    assert len(found) == 2 and sources[1].calls == 0
    assert all((pixels == np.arange(11)[:, None, None, None]).all() for pixels in found)
    assert len(files(tmp_path)) == 1
    assert "another process is preparing numbers at this moment" in capsys.readouterr().err


def test_a_change_takes_the_place_of_what_was_prepared_before(tmp_path):
    """And leaves alone what another place holds."""
    for place, change in (("a", 1), ("b", 1), ("b", 2), ("b", 3)):
        source = Numbers(change=change, of=place)
        source.place = place
        prepare(source, tmp_path)
    assert len(files(tmp_path)) == 2


def test_the_same_at_another_place_is_not_decoded_again(tmp_path):
    prepare(Numbers(), tmp_path)
    moved = Numbers()
    moved.place = "elsewhere"
    assert len(prepare(moved, tmp_path)) == 11 and moved.calls == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_where_nothing_can_be_kept_the_pictures_are_held_in_memory(tmp_path, monkeypatch, workers):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(prepared._FileRows, "__setitem__", full)
    with pytest.warns(UserWarning, match="are not kept.*the disk is full"):
        pixels = prepare(Numbers(workers=workers), tmp_path)
    assert (pixels == np.arange(11)[:, None, None, None]).all() and files(tmp_path) == []
    (tmp_path / "file").write_text("a file in the folder's place")
    with pytest.warns(UserWarning, match="are not kept"):
        assert len(prepare(Numbers(), tmp_path / "file")) == 11
