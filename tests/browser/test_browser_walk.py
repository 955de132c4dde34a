"""Notebook 08 in a real JupyterLab: the walk by key, by drag, by play, and another walk.

What the page must show is worked out from the notebook's arrays without the widget; the ring must
follow the embedding's numbers.
"""

import hashlib

import numpy as np
from browser import drag, in_kernel, play, press, shown_array, wait_until
from matplotlib.colors import to_rgb

from tutorial_lib.teaching.plotting import COLORS

PREPARE = """
import hashlib
import numpy as np

def _expected(number, point):
    for each in (walks[point, number], list(completed.values())[number][point]):
        picture = each.numpy().transpose(1, 2, 0)
        pixels = np.rint((picture + np.float32(1)) * np.float32(127.5)).astype(np.uint8)
        digest = hashlib.sha256(np.kron(pixels, np.ones((4, 4, 1), np.uint8)).tobytes())
        print(digest.hexdigest(), *atlas.paths[number][point])

print(*found.path_steps)
"""
SLIDER = ".walk-slider"
PICTURE, COMPLETED, MAP = (
    f"img.{name}, .{name} img" for name in ("walk-picture", "walk-completed", "walk-map")
)


def digest(array):
    return None if array is None else hashlib.sha256(array.tobytes()).hexdigest()


def ring_center(page):
    """The middle, (column, row), of what has the ring's color on the map."""
    color = np.round(np.array(to_rgb(COLORS[0])) * 255)
    rows, columns = np.nonzero((shown_array(page, MAP) == color).all(axis=2))
    return (columns.min() + columns.max()) / 2, (rows.min() + rows.max()) / 2


def test_the_walk_by_key_by_drag_by_play_and_another_walk(run_notebook):
    with run_notebook("08_walking_the_manifold.ipynb", until="walker.") as page:
        steps = in_kernel(page, PREPARE).split()
        last = len(steps) - 1
        page.locator(f"{SLIDER} .noUi-handle").scroll_into_view_if_needed()
        seen, places, rings = set(), [], []

        def wait_for(number, point):
            """Until the page shows this walk at this point of it.

            The place on the map and the ring's are noted.
            """
            lines = [
                line.split()
                for line in in_kernel(page, f"_expected({number}, {point})").splitlines()
            ]
            # set last, after the map
            name = f"face {number // 4 + 1}, start {number % 4 + 1}, after {steps[point]} steps"

            def holds():
                return (
                    [digest(shown_array(page, selector)) for selector in (PICTURE, COMPLETED)]
                    == [line[0] for line in lines]
                    and page.locator(f"{SLIDER} .widget-readout").inner_text() == steps[point]
                    and page.locator(".walk-caption").inner_text().startswith(name)
                )

            wait_until(
                page,
                holds,
                lambda: (
                    f"walk {number}, point {point}: the page shows another picture, label or text"
                ),
            )
            seen.add(lines[0][0])
            places.append([float(value) for value in lines[0][1:]])
            rings.append(ring_center(page))

        wait_for(0, steps.index("12"))  # a cell below the widget left it there
        press(page, SLIDER, "ArrowRight", "ArrowRight")
        wait_for(0, steps.index("12") + 2)
        drag(page, SLIDER, 0)
        wait_for(0, 0)
        press(page, SLIDER, "ArrowRight")
        wait_for(0, 1)
        drag(page, SLIDER, 20 / last)
        wait_for(0, 20)

        play(page, ".walk-play")  # from where the slider is to the end
        wait_for(0, last)
        page.locator(".walk-start select").select_option(label="face 2, start 3")
        wait_for(6, last)
        drag(page, SLIDER, 0)
        wait_for(6, 0)

        assert len(seen) == len(places) == 8, "each of these pictures is another one"
        for axis in range(2):  # pixels are the embedding's numbers, scaled and shifted
            scale, shift = np.polyfit(np.array(places)[:, axis], np.array(rings)[:, axis], 1)
            assert (scale > 0) == (axis == 0), "rows count downwards"
            assert (
                np.abs(np.array(places)[:, axis] * scale + shift - np.array(rings)[:, axis]).max()
                < 1.5
            )
