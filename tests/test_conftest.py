"""Errors in the callbacks of widgets are not lost."""

import ipywidgets
import pytest
from conftest import callback_errors_raise


@pytest.fixture(autouse=True)
def no_silent_widget_errors():
    """Not here, where errors are made on purpose."""


def fails(*_):
    raise ValueError("lost otherwise")


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
