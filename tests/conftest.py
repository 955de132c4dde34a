"""What the tests share."""

import logging
import re
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest
from browser import lab, run_notebook  # noqa: F401  (fixtures)
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]
# A folder of the machine that a file was made on; not "../home/x", "~/home/x" or a part of an
# address.
MACHINE_PATH = re.compile(
    r"(?<![\w./~])/(?:work|root|home|tmp|Users|private)/|file:/{3}|\b[A-Z]:\\+Users", re.I
)
FOLDERS = ["unit", "notebooks", "browser", "slow"]
CHROMIUMS = ["chromium", "chromium-browser", "google-chrome", "chrome"]
CHROMIUM_FILES = [
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
]

settings.register_profile("workbook", derandomize=True, deadline=None, database=None)
settings.load_profile("workbook")


@contextmanager
def callback_errors_raise():
    """Raise AssertionError at the end of the block for each error in a widget's callback.

    Ipywidgets only logs them.
    """
    records = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = records.append
    logger = logging.getLogger("traitlets")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(min(level or logging.WARNING, logging.WARNING))
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    errors = [
        record.getMessage()
        for record in records
        if record.exc_info or record.levelno >= logging.ERROR
    ]
    assert not errors, f"logged, not raised, by a widget: {'; '.join(errors)}"


def pytest_collection_modifyitems(items):
    """A test has the marker of its folder; the cells of the notebooks have that of `notebooks`."""
    for item in items:
        for folder in item.path.relative_to(ROOT).parent.parts:
            if folder in FOLDERS:
                item.add_marker(folder)


@pytest.fixture(autouse=True)
def no_silent_widget_errors():
    """An error in a widget's callback fails the test."""
    with callback_errors_raise():
        yield


@pytest.fixture(scope="session")
def chromium():
    """The path of a Chromium or Chrome."""
    found = [shutil.which(name) for name in CHROMIUMS] + [
        name for name in CHROMIUM_FILES if Path(name).is_file()
    ]
    path = next(filter(None, found), None)
    if path is None:
        pytest.skip("no Chromium")
    return path


@pytest.fixture(scope="session")
def shared_pack():
    """A function from a pack's name (faces, digits, cars) to its zip archive."""

    def find(name):
        path = ROOT.parent / "shared" / "data" / f"{name}.zip"
        if not path.is_file():
            pytest.skip(f"no ../shared: {path.name} is not there")
        return path

    return find
