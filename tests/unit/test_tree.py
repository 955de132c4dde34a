"""What is in the repository.

Nothing big, no pickles, no folder of the machine that it was made on.
"""

import subprocess

import numpy as np
import pytest
from conftest import MACHINE_PATH, ROOT

LARGEST = 20 * 2**20
PICKLES = {".pt", ".pth", ".pkl", ".pickle", ".joblib", ".ckpt"}
NOT_OURS = {"runs", "__pycache__", "build", "dist"}


def tracked():
    """The files in git's index; in a copy without git all files but those of tools."""
    try:
        done = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, encoding="utf-8"
        )
        names = done.stdout.split("\0") if done.returncode == 0 else []
    except OSError:
        names = []
    found = [ROOT / name for name in names if name]
    if not found:
        folders = [
            path for path in ROOT.iterdir() if path.name not in NOT_OURS and path.name[0] != "."
        ]
        found = [
            path
            for folder in folders
            for path in ([folder] if folder.is_file() else folder.rglob("*"))
            if not NOT_OURS & set(path.parts) and "checkpoint" not in path.parent.name
        ]
    return [path for path in found if path.is_file()]


def too_large(path):
    return path.stat().st_size > LARGEST


def holds_a_pickle(path):
    if path.suffix in (".npy", ".npz"):
        try:
            stored = np.load(path, allow_pickle=False)
            for name in getattr(stored, "files", []):
                stored[name]
        except ValueError:
            return True
    return path.suffix in PICKLES


def names_a_machine(path):
    data = path.read_bytes()
    return b"\0" not in data and MACHINE_PATH.search(data.decode("utf-8", "replace")) is not None


def test_the_tree_is_clean():
    files = tracked()
    assert ROOT / "workbook.py" in files
    assert not [path for path in files if too_large(path)]
    assert not [path for path in files if holds_a_pickle(path)]
    # their text is looked at in test_notebooks.py, which knows what is an encoded picture
    notebooks = ".ipynb"
    assert not [path for path in files if path.suffix != notebooks and names_a_machine(path)]


def test_a_large_file_is_found(tmp_path):
    with open(tmp_path / "x", "wb") as file:
        file.truncate(LARGEST + 1)
    assert too_large(tmp_path / "x")


@pytest.mark.parametrize("value, bad", [([1, 2], False), ([{}, None], True)])
def test_an_array_of_objects_is_found(tmp_path, value, bad):
    np.save(tmp_path / "x.npy", np.array(value))
    np.savez(tmp_path / "x.npz", a=np.zeros(2), b=np.array(value))
    assert holds_a_pickle(tmp_path / "x.npy") == holds_a_pickle(tmp_path / "x.npz") == bad
    assert holds_a_pickle(tmp_path / "x.pt")


@pytest.mark.parametrize(
    "text, bad",
    [
        ("open('/" + "home/ada/x')", True),
        ("saved to /" + "tmp/x", True),
        ("C:" + "\\Users\\ada", True),
        ("file:" + "///C:/x", True),
        ("PATH=/bin:/" + "root/bin", True),
        ("https://example.org/" + "home/", False),
        ("../" + "work/x", False),
        ("~/" + "tmp/x", False),
    ],
)
def test_a_path_of_one_machine_is_found(tmp_path, text, bad):
    (tmp_path / "x.txt").write_text(f"first line\n{text}\n", encoding="utf-8")
    assert names_a_machine(tmp_path / "x.txt") == bad
