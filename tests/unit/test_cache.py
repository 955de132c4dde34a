"""The one way to write a file: whole or not at all, whoever else writes, whatever happens."""

import multiprocessing
import os
import stat
import tempfile
import time
from pathlib import Path

import pytest

from tutorial_lib import cache
from tutorial_lib.cache import (
    InUse,
    atomic_path,
    atomic_write,
    check_writable,
    default_cache_dir,
    locked,
)

SIZE = 200_000


def write_many(path, letter, rounds):
    for _ in range(rounds):
        with atomic_write(path) as file:
            for _ in range(10):
                file.write(letter * (SIZE // 10))


def hold(path, ready, let_go):
    with locked(path, "holding"):
        ready.set()
        let_go.wait(30)


def hold_and_die(path, ready):
    with locked(path, "holding"):
        ready.set()
        os._exit(9)


@pytest.fixture
def spawn():
    return multiprocessing.get_context("spawn")


def test_two_writers_at_once_leave_one_whole_file(tmp_path, spawn):
    path = tmp_path / "result.json"
    writers = [spawn.Process(target=write_many, args=(path, letter, 40)) for letter in (b"a", b"b")]
    for writer in writers:
        writer.start()
    seen = set()
    while any(writer.is_alive() for writer in writers):
        if path.exists():
            seen.add(path.read_bytes())
        else:
            time.sleep(0.01)  # the writers are still starting
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert seen | {path.read_bytes()} <= {b"a" * SIZE, b"b" * SIZE}
    assert os.listdir(tmp_path) == ["result.json"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError])
def test_after_an_error_the_old_file_stays_and_nothing_else(tmp_path, error):
    path = tmp_path / "new" / "file.txt"
    with atomic_write(path, "w", encoding="utf-8") as file:
        file.write("old é")
    with pytest.raises(error), atomic_write(path, "w", encoding="utf-8") as file:
        file.write("half")
        raise error
    assert path.read_text(encoding="utf-8") == "old é"
    assert os.listdir(path.parent) == ["file.txt"]


def test_a_failed_move_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.os, "replace", full)
    with (
        pytest.raises(OSError, match="the disk is full: .*a was not written"),
        atomic_path(tmp_path / "a") as path,
    ):
        path.write_bytes(b"x")
    assert not os.listdir(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
@pytest.mark.parametrize("umask, mode", [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_permissions_follow_the_umask(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        with atomic_write(tmp_path / "a") as file:
            file.write(b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == mode


def test_a_folder_is_tried_before_it_is_made(tmp_path):
    check_writable(tmp_path / "deep" / "deeper")
    assert not os.listdir(tmp_path)
    (tmp_path / "file").write_text("x")
    (tmp_path / "gone").symlink_to("nowhere")
    for folder in (tmp_path / "file", tmp_path / "file" / "deep", tmp_path / "gone"):
        with pytest.raises(OSError, match=r"^cannot write into .* \([^/]*\): choose another") as no:
            check_writable(folder)
        assert f"into {folder} (" in str(no.value)


def test_a_folder_in_the_place_of_a_file_is_found_before(tmp_path):
    check_writable(tmp_path, "a.csv")
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(IsADirectoryError, match="a.csv is a folder, not a file: choose another"):
        check_writable(tmp_path, "b.csv", "a.csv")


def test_what_killed_processes_left_is_removed_after_an_hour(tmp_path):
    old, young, foreign = (
        tmp_path / f".a.{'0' * 32}.partial",
        tmp_path / f".a.{'1' * 32}.partial",
        tmp_path / "mine.partial",
    )
    for path in (old, young, foreign):
        path.write_bytes(b"")
    for path in (old, foreign):
        os.utime(path, (time.time() - 2 * cache.STALE_SECONDS,) * 2)
    with atomic_write(tmp_path / "a") as file:
        file.write(b"x")
    assert sorted(os.listdir(tmp_path)) == sorted([young.name, "a", "mine.partial"])


def test_a_locked_block_is_refused_or_waited_for(tmp_path, spawn):
    path, ready, let_go = tmp_path / "deep" / ".lock", spawn.Event(), spawn.Event()
    other = spawn.Process(target=hold, args=(path, ready, let_go))
    other.start()
    assert ready.wait(30)
    with (
        pytest.raises(InUse, match="another process is training into there"),
        locked(path, "training into there"),
    ):
        raise AssertionError("two at once")
    let_go.set()
    with locked(path, "training", wait=True):
        other.join()
    assert other.exitcode == 0


def test_a_killed_process_leaves_no_lock(tmp_path, spawn):
    path, ready = tmp_path / ".lock", spawn.Event()
    other = spawn.Process(target=hold_and_die, args=(path, ready))
    other.start()
    other.join()
    assert ready.is_set() and other.exitcode == 9
    with locked(path, "training"):
        pass


def test_the_cache_folder_is_the_environments_or_the_users(monkeypatch, tmp_path):
    monkeypatch.setenv("TUTORIAL_CACHE", str(tmp_path))
    assert default_cache_dir() == tmp_path
    monkeypatch.delenv("TUTORIAL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert default_cache_dir().name == "tutorial_lib"
    assert isinstance(default_cache_dir(), Path)


def test_a_user_without_a_home_gets_a_cache_all_the_same(monkeypatch):
    def homeless(*_, **__):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("TUTORIAL_CACHE", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_path", homeless)
    assert default_cache_dir().is_relative_to(tempfile.gettempdir())
