"""Notebooks 03 to 05 in a real JupyterLab under headless Chromium: a live preview, and sliders that
obey a key, a drag and play.
"""

import hashlib

import numpy as np
from browser import drag, in_kernel, play, press, shown_array, wait_until

from tutorial_lib import load_dataset
from tutorial_lib.images import to_uint8
from tutorial_lib.inpainting.importance import importance_weights
from tutorial_lib.masks import HOLE_GRAY, center_mask, corrupt
from tutorial_lib.teaching.plotting import spotlight
from tutorial_lib.teaching.widgets import WINDOWS

SLIDER = ".window-slider"
PICTURE = "img.window-image, .window-image img"


def wait_for_window(page, window):
    """Until the page shows the first portrait as this window lights it, computed here, and its
    label says so.
    """
    portrait, mask = load_dataset("portraits", split="test", limit=1)[:], center_mask()
    lit = spotlight(corrupt(portrait, mask, HOLE_GRAY), importance_weights(mask, window))
    expected = to_uint8(lit)[0].repeat(4, 0).repeat(4, 1)

    def holds():
        shown = shown_array(page, PICTURE)
        label = page.locator(f"{SLIDER} .widget-readout").inner_text()
        return shown is not None and np.array_equal(shown, expected) and label == str(window)

    wait_until(
        page, holds, lambda: f"window {window} is wanted; the page shows another picture or label"
    )


def test_window_slider_by_key_and_by_mouse(run_notebook):
    with run_notebook("04_importance_weights.ipynb", until="WindowSlider(") as page:
        page.locator(f"{SLIDER} .noUi-handle").scroll_into_view_if_needed()
        wait_for_window(page, 7)
        press(page, SLIDER, "ArrowRight")
        wait_for_window(page, 9)
        press(page, SLIDER, "ArrowLeft", "ArrowLeft")
        wait_for_window(page, 5)
        drag(page, SLIDER, WINDOWS.index(15) / (len(WINDOWS) - 1))
        wait_for_window(page, 15)


LATEST = """
import hashlib
from tutorial_lib.images import image_grid

step, pictures = preview.history[-1]
print(step, hashlib.sha256(image_grid(pictures, 8).tobytes()).hexdigest())
"""


def test_the_live_preview_of_a_training_ends_at_its_last_samples(run_notebook):
    with run_notebook("03_training_a_gan.ipynb", until="log = train(") as page:
        step, expected = in_kernel(page, LATEST).split()

        def holds():
            shown = shown_array(page, "img.preview-image, .preview-image img")
            return (
                shown is not None
                and hashlib.sha256(shown.tobytes()).hexdigest() == expected
                and page.locator(".preview-caption").inner_text() == f"samples after {step} steps"
            )

        wait_until(
            page,
            holds,
            lambda: (
                f"the samples after {step} steps are wanted; the page shows another picture or text"
            ),
        )


PREPARE = """
import hashlib
import numpy as np

def _expected(point):
    picture = walk[point].numpy().transpose(1, 2, 0)
    pixels = np.rint((picture + np.float32(1)) * np.float32(127.5)).astype(np.uint8)
    print(hashlib.sha256(np.kron(pixels, np.ones((4, 4, 1), np.uint8)).tobytes()).hexdigest())

print(*result.path_steps)
"""


def test_the_path_of_z_by_key_by_mouse_and_by_play(run_notebook):
    with run_notebook("05_searching_the_latent_space.ipynb", until="PathSlider(") as page:
        steps = in_kernel(page, PREPARE).split()

        def wait_for(point):
            expected = in_kernel(page, f"_expected({point})")
            assert len(expected) == 64, expected

            def holds():
                shown = shown_array(page, "img.path-image, .path-image img")
                label = page.locator(".path-slider .widget-readout").inner_text()
                return (
                    shown is not None
                    and hashlib.sha256(shown.tobytes()).hexdigest() == expected
                    and label == steps[point]
                )

            wait_until(
                page,
                holds,
                lambda: f"step {steps[point]} is wanted; the page shows another picture or label",
            )

        page.locator(".path-slider .noUi-handle").scroll_into_view_if_needed()
        wait_for(0)
        press(page, ".path-slider", "ArrowRight", "ArrowRight")
        wait_for(2)
        drag(page, ".path-slider", 12 / (len(steps) - 1))
        wait_for(12)
        play(page, ".path-play")
        wait_for(len(steps) - 1)
