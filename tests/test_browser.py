"""The notebooks in a real JupyterLab under headless Chromium: each runs whole, and a slider obeys a key and a drag."""

import numpy as np
from browser import drag, press, shown_array, wait_until


from tutorial_lib.inpainting.importance import importance_weights
from tutorial_lib.masks import center_mask
from tutorial_lib.plotting import colored
from tutorial_lib.widgets import WINDOWS

SLIDER = ".window-slider"
PICTURE = "img.window-image, .window-image img"


def wait_for_window(page, window):
    """Until the page shows the map of this window, computed here, and its label says so."""
    expected = colored(importance_weights(center_mask(), window)[0, 0])

    def holds():
        shown = shown_array(page, PICTURE)
        label = page.locator(f"{SLIDER} .widget-readout").inner_text()
        return shown is not None and np.array_equal(shown, expected) and label == str(window)

    wait_until(page, holds, lambda: f"window {window} is wanted; the page shows another picture or label")


def test_window_slider_by_key_and_by_mouse(run_notebook):
    with run_notebook("03_importance_weights.ipynb") as page:
        page.locator(f"{SLIDER} .noUi-handle").scroll_into_view_if_needed()
        wait_for_window(page, 7)
        press(page, SLIDER, "ArrowRight")
        wait_for_window(page, 9)
        press(page, SLIDER, "ArrowLeft", "ArrowLeft")
        wait_for_window(page, 5)
        drag(page, SLIDER, WINDOWS.index(15) / (len(WINDOWS) - 1))
        wait_for_window(page, 15)
