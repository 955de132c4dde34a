"""The wheel that `pip install .` builds works in an empty folder, away from the checkout."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from conftest import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy of what is tracked: a build leaves files in its folder."""
    source, out = tmp_path_factory.mktemp("source") / "project", tmp_path_factory.mktemp("wheel")
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "tutorial_lib", "data"):
        os.symlink(ROOT / name, source / name)
    build = ["wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", out, "."]
    subprocess.run([*PIP, *build], cwd=source, check=True)
    (built,) = out.iterdir()
    return built


# Python runs it before anything else: packages that the wheel does not ask for are not found.
ALONE = """import sys
from importlib.machinery import PathFinder
class AskedFor(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        hidden = name.partition(".")[0] in {modules}
        return None if hidden else super().find_spec(name, path, target)
sys.meta_path[:] = [AskedFor if finder is PathFinder else finder for finder in sys.meta_path]
"""


def not_asked_for():
    """Modules of the test's own environment that no requirement of the library brings."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    brought, left = {"tutorial-lib"}, list(project["project"]["dependencies"])
    while left:
        needed = Requirement(left.pop())
        name = canonicalize_name(needed.name)
        if name in brought or (needed.marker and not needed.marker.evaluate({"extra": ""})):
            continue
        brought.add(name)
        left += metadata.requires(name) or []
    return {
        module
        for module, owners in metadata.packages_distributions().items()
        if not module.startswith("_") and not brought & set(map(canonicalize_name, owners))
    }


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A folder with nothing but the installed wheel, and what hides all that it does not need."""
    folder = tmp_path_factory.mktemp("site")
    install = ["install", "--no-deps", "--no-index", "--target", folder, wheel]
    subprocess.run([*PIP, *install], check=True)
    hidden = not_asked_for()
    assert {"ipywidgets", "pytest"} <= hidden and not {"torch", "numpy"} & hidden
    (folder / "sitecustomize.py").write_text(ALONE.format(modules=hidden))
    return folder


def run(installed, folder, *arguments):
    environment = os.environ | {"PYTHONPATH": str(installed), "MPLBACKEND": "Agg"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def packages():
    """The packages that are there, and data/, which becomes one."""
    folders = {path.parent.relative_to(ROOT) for path in (ROOT / "tutorial_lib").rglob("*.py")}
    return {".".join(folder.parts) for folder in folders} | {"tutorial_lib.data"}


def test_every_package_is_named():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(project["tool"]["setuptools"]["packages"]) == packages()


def test_the_wheel_has_what_the_library_reads(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = {
        f"tutorial_lib/{path.relative_to(ROOT).as_posix()}"
        for pattern in ("weights/*", "results/*", "*.zip", "*.csv")
        for path in (ROOT / "data").glob(pattern)
    }
    assert len(shipped) > 20 and shipped <= names
    assert {"tutorial_lib/py.typed", "tutorial_lib/teaching/widgets/painter.js"} <= names
    assert not [name for name in names if name.startswith(("tests/", "notebooks/", "benchmarks/"))]


def test_the_ten_lines_of_the_readme_run(installed, tmp_path):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = re.search(r"ten lines\n+```python\n(.*?)```", readme, re.DOTALL)[1]
    assert len([line for line in lines.splitlines() if line]) <= 10
    code = f"{lines}\nimport tutorial_lib\nprint(tutorial_lib.__file__)"
    shown = run(installed, tmp_path, "-c", code).split()
    assert 5 < float(re.search(r"[\d.]+", shown[0])[0]) < 60  # dB
    assert Path(shown[-1]).is_relative_to(installed)
    assert not list(tmp_path.iterdir())


def test_the_command_fills_a_portrait_and_writes_where_it_is_told(installed, tmp_path):
    code = (
        "from PIL import Image; from tutorial_lib import load_dataset;"
        "from tutorial_lib.images import to_uint8;"
        "pixels = to_uint8(load_dataset('portraits', split='test', limit=1).images([0]))[0];"
        "Image.fromarray(pixels).save('face.png')"
    )
    run(installed, tmp_path, "-c", code)
    script = next(iter((installed / "bin").glob("semantic-inpaint*")), None)
    assert script is not None
    run(installed, tmp_path, script, "inpaint", "face.png", "--restarts", "1", "--out", "filled")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["face.png", "filled"]
    assert (tmp_path / "filled" / "face-filled.png").is_file()
