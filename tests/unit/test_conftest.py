"""Errors in the callbacks of widgets are not lost."""

import ipywidgets
import pytest
from conftest import FOLDERS, ROOT, callback_errors_raise


@pytest.fixture(autouse=True)
def no_silent_widget_errors():
    """Not here, where errors are made on purpose."""


def fails(*_):
    raise ValueError("lost otherwise")


def test_a_test_has_the_marker_of_its_folder(request):
    assert request.node.get_closest_marker("unit")
    assert not request.node.get_closest_marker("slow")


def test_every_test_is_in_a_folder():
    paths = (ROOT / "tests").rglob("test_*.py")
    assert {path.parent.name for path in paths} == set(FOLDERS)


def test_an_error_behind_a_button_is_found():
    button = ipywidgets.Button()
    button.on_click(fails)
    with pytest.raises(AssertionError, match="lost otherwise"), callback_errors_raise():
        button.click()


def test_an_error_behind_interactive_is_found():
    with pytest.raises(AssertionError, match="lost otherwise"), callback_errors_raise():
        ipywidgets.interactive(fails, x=(0, 3)).update()


def test_a_callback_that_works_is_left_alone():
    clicks = []
    button = ipywidgets.Button()
    button.on_click(clicks.append)
    with callback_errors_raise():
        button.click()
    assert clicks == [button]
