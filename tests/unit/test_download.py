"""Transfers against a local server that breaks off, lies and refuses."""

import hashlib
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from tutorial_lib.cli import main
from tutorial_lib.datasets import download, svhn
from tutorial_lib.datasets.base import OfficialFile
from tutorial_lib.datasets.download import fetch

CONTENT = bytes(range(256)) * 700


class Server(BaseHTTPRequestHandler):
    """Serves `files`; `ways` holds, for the next requests, how to misbehave.

    `asked` keeps path and Range of each request.
    """

    files: dict[str, bytes] = {}
    ways: list = []
    asked: list = []
    asked_for, go_on = threading.Event(), threading.Event()

    def do_GET(self):
        Server.asked.append((self.path, self.headers.get("Range")))
        way = Server.ways.pop(0) if Server.ways else "well"
        content = Server.files.get(self.path)
        if way == "waits":
            Server.asked_for.set()
            Server.go_on.wait(120)
        if content is None or isinstance(way, int):
            self.send_error(404 if content is None else way)
            return
        start = (
            int(self.headers["Range"][6:-1])
            if "Range" in self.headers and way != "ignores ranges"
            else 0
        )
        if str(way).startswith("page"):
            content, start = b"<!DOCTYPE html><title>Sign in</title>", 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if not str(way).endswith("length"):
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(
            content[start : start + way[1]] if isinstance(way, tuple) else content[start:]
        )
        if isinstance(way, tuple) and way[0] == "stalls":
            self.wfile.flush()
            time.sleep(1.5)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}/"
        running.shutdown()


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(download, "PAUSES", (0, 0, 0, 0))
    Server.files, Server.ways, Server.asked = {"/a.bin": CONTENT}, [], []


def there(folder):
    """The files of a folder but locks, which stay (filelock says why)."""
    return sorted(path for path in folder.iterdir() if path.suffix != ".lock")


def get(server, path, content=CONTENT, **changes):
    options = {
        "size": len(content),
        "digest": hashlib.sha256(content).hexdigest(),
        "progress": False,
    } | changes
    return fetch(server + "a.bin", path, **options)


@given(st.lists(st.integers(0, len(CONTENT)), max_size=len(download.PAUSES) - 1))
@settings(max_examples=15, deadline=None)
def test_whatever_breaks_off_is_resumed(server, tmp_path_factory, cuts):
    Server.ways, Server.asked = [("cut", cut) for cut in cuts], []
    path = get(server, tmp_path_factory.mktemp("fetched") / "deep" / "a.bin")
    assert path.read_bytes() == CONTENT and there(path.parent) == [path]
    have = 0
    for (_, asked_for), cut in zip(Server.asked, [*cuts, 0], strict=False):
        assert asked_for == (f"bytes={have}-" if have else None)
        have += cut


@pytest.mark.parametrize("way", ["ignores ranges", "no length", 416, 429, 500])
def test_a_server_that_knows_no_ranges_or_stumbles_gives_the_file_all_the_same(
    server, tmp_path, way
):
    (tmp_path / "a.bin.partial").write_bytes(CONTENT[:1000])
    Server.ways = [way]
    assert get(server, tmp_path / "a.bin").read_bytes() == CONTENT
    assert there(tmp_path) == [tmp_path / "a.bin"]


def test_what_is_there_is_not_fetched_again_and_what_is_wrong_is(server, tmp_path):
    path = get(server, tmp_path / "a.bin", digest=hashlib.md5(CONTENT).hexdigest())
    assert len(Server.asked) == 1
    get(server, path)
    assert len(Server.asked) == 1
    path.write_bytes(CONTENT[::-1])
    assert get(server, path).read_bytes() == CONTENT and len(Server.asked) == 2


@pytest.mark.parametrize(
    ("ways", "said"),
    [(["page"], "a web page came instead"), ([("cut", 0), "page"], "a web page came instead")],
)
def test_a_page_in_place_of_the_file_is_recognized(server, tmp_path, ways, said):
    Server.ways = ways
    with pytest.raises(ValueError, match=said):
        get(server, tmp_path / "a.bin")
    assert not (tmp_path / "a.bin").exists()


def test_a_page_without_a_length_does_not_cost_what_has_come(server, tmp_path):
    (tmp_path / "a.bin.partial").write_bytes(CONTENT[:1000])
    Server.ways = ["page without length"]
    with pytest.raises(ValueError, match="a web page came instead"):
        get(server, tmp_path / "a.bin")
    assert (tmp_path / "a.bin.partial").read_bytes() == CONTENT[:1000]


def test_an_answer_that_is_too_long_is_cut_and_one_that_was_whole_is_not_fetched_again(
    server, tmp_path
):
    Server.files = {"/a.bin": CONTENT * 20}
    Server.ways = ["no length"]
    with pytest.raises(ValueError, match="size or hash differs"):
        get(server, tmp_path / "a.bin")
    assert not there(tmp_path)
    (tmp_path / "a.bin.partial").write_bytes(CONTENT)
    Server.asked = []
    assert get(server, tmp_path / "a.bin").read_bytes() == CONTENT and not Server.asked


def test_a_disk_that_is_full_is_not_the_server_s_fault(server, tmp_path, monkeypatch):
    (tmp_path / "a.bin.partial").mkdir()  # cannot be written
    with pytest.raises(OSError) as error:
        get(server, tmp_path / "a.bin")
    assert not isinstance(error.value, ConnectionError) and len(Server.asked) <= 1


def test_another_file_of_the_same_size_is_refused_and_not_kept(server, tmp_path):
    with pytest.raises(ValueError, match="its size or hash differs"):
        get(server, tmp_path / "a.bin", digest="0" * 64)
    assert not there(tmp_path)


def test_a_partial_file_of_something_else_does_no_lasting_harm(server, tmp_path):
    (tmp_path / "a.bin.partial").write_bytes(b"x" * 500)
    with pytest.raises(ValueError, match="hash differs"):
        get(server, tmp_path / "a.bin")
    assert get(server, tmp_path / "a.bin").read_bytes() == CONTENT


def test_after_too_many_breaks_what_has_come_is_kept(server, tmp_path):
    Server.ways = [("cut", 10)] * len(download.PAUSES)
    with pytest.raises(ConnectionError, match="what has come is kept"):
        get(server, tmp_path / "a.bin")
    assert (tmp_path / "a.bin.partial").read_bytes() == CONTENT[: 10 * len(download.PAUSES)]
    assert get(server, tmp_path / "a.bin").read_bytes() == CONTENT


def test_a_transfer_without_a_byte_for_too_long_is_begun_again_where_it_was(
    server, tmp_path, monkeypatch
):
    monkeypatch.setattr(download, "TIMEOUT", 0.3)
    Server.ways = [("stalls", 1000)]
    assert get(server, tmp_path / "a.bin").read_bytes() == CONTENT
    assert Server.asked[0] == ("/a.bin", None) and Server.asked[1] == ("/a.bin", "bytes=1000-")


def test_a_file_that_has_moved_and_a_server_that_is_not_there(server, tmp_path, monkeypatch):
    Server.files = {}
    with pytest.raises(ConnectionError, match="404.*see whether it has moved"):
        get(server, tmp_path / "a.bin")
    assert len(Server.asked) == 1
    monkeypatch.setattr(download, "TIMEOUT", 1)
    with pytest.raises(ConnectionError, match="could not be fetched"):
        fetch("http://127.0.0.1:9/a.bin", tmp_path / "a.bin", 5, "0" * 32, progress=False)


DOWNLOAD = """
import sys
from tutorial_lib.cli import main
from tutorial_lib.datasets import svhn
from tutorial_lib.datasets.base import OfficialFile
address, md5, size = sys.argv[1:4]
svhn.FILES = {name: OfficialFile("a.bin", int(size), md5) for name in ("train", "test")}
svhn.fetch_svhn.__defaults__ = (False, address, False)
sys.exit(main(["data", "svhn", "--root", sys.argv[4]]))
"""


@pytest.mark.slow
def test_of_two_downloads_at_once_the_second_says_that_the_first_is_at_work(server, tmp_path):
    """The server holds the first answer back until the second process has ended."""
    Server.ways = ["waits"]
    md5 = hashlib.md5(CONTENT).hexdigest()
    words = [sys.executable, "-c", DOWNLOAD, server, md5, str(len(CONTENT)), str(tmp_path)]
    begin = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": ROOT}
    with subprocess.Popen(words, **begin) as first:
        assert Server.asked_for.wait(120)
        second = subprocess.run(words, capture_output=True, text=True, cwd=ROOT)
        Server.go_on.set()
        said = first.communicate(timeout=120)
    assert second.returncode == 1 and "another process is fetching" in second.stderr
    assert "Traceback" not in second.stderr + said[1]
    assert first.returncode == 0 and there(tmp_path) == [tmp_path / "a.bin"]
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


# -- the sets --


def test_svhn_is_fetched_by_the_command(server, tmp_path, monkeypatch, capsys):
    files = {
        "train_32x32.mat": b"train" * 99,
        "test_32x32.mat": b"test" * 99,
        "extra_32x32.mat": b"extra" * 99,
    }
    Server.files = {f"/{name}": content for name, content in files.items()}
    official = {
        name.partition("_")[0]: OfficialFile(name, len(content), hashlib.md5(content).hexdigest())
        for name, content in files.items()
    }
    monkeypatch.setattr(svhn, "FILES", official)
    monkeypatch.setattr(svhn.fetch_svhn, "__defaults__", (False, server, False))
    assert main(["data", "svhn"]) == 1 and "needs --root" in capsys.readouterr().err
    assert main(["data", "svhn", "--root", str(tmp_path)]) == 0
    assert "non-commercial" in capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in there(tmp_path)} == {
        name: files[name] for name in ("train_32x32.mat", "test_32x32.mat")
    }
    assert (
        main(["data", "svhn", "--extra", "--root", str(tmp_path)]) == 0
        and len(there(tmp_path)) == 3
    )


@pytest.mark.parametrize("name", ["celeba", "stanford-cars"])
def test_what_may_not_be_fetched_is_not(name, capsys):
    assert main(["data", name]) == 1
    assert f"{name} is not fetched for you: bring" in capsys.readouterr().err and not Server.asked
