"""Notebook 07 in a real JupyterLab.

Lam by key and by drag, the iteration by key and by play, another picture.

What the page must show is put together in the notebook's kernel from the exploration's arrays,
without the widget.
"""

import hashlib

from browser import drag, in_kernel, play, press, shown_array, wait_until

PREPARE = """
import hashlib
import numpy as np

def _expected(place, start, lam, step):
    run, row = list(runs.values())[place // 16], place % 16
    y = run.corrupted[row].numpy().copy()
    y[:, run.mask[row, 0].numpy() == 0] = 0.2
    found = [run.generated[row, start, lam, step], run.completed[row, start, lam, step]]
    parts = [part.transpose(1, 2, 0) for part in (y, *(each.numpy() for each in found))]
    parts = [np.rint((part + np.float32(1)) * np.float32(127.5)).astype(np.uint8) for part in parts]
    gap = np.full((64, 2, 3), 255, np.uint8)
    strip = np.concatenate([parts[0], gap, parts[1], gap, parts[2]], 1)
    print(hashlib.sha256(np.kron(strip, np.ones((3, 3, 1), np.uint8)).tobytes()).hexdigest())

explorer.box.add_class("under-test")
print(len(explorer.step_slider.options))
"""
LAM, STEP = ".under-test .lam-slider", ".under-test .step-slider"
PICTURE = ".under-test img.explorer-image, .under-test .explorer-image img"
LABELS = ["0", "0.003", "1", "3", "37", "100"]
MARKERS = """() =>
  [...document.querySelectorAll('.under-test .explorer-curve svg')].flatMap(svg => {
    const lines = [...svg.querySelectorAll('polyline')]
        .map(line => line.getAttribute('points').split(' '));
    return [...svg.querySelectorAll('circle.marker')].map((circle, panel) =>
        lines[panel].indexOf(`${circle.getAttribute('cx')},${circle.getAttribute('cy')}`));
})"""


def digest(array):
    return hashlib.sha256(array.tobytes()).hexdigest()


def test_the_explorer_by_key_by_drag_and_by_play(run_notebook):
    with run_notebook("07_lambda_explorer.ipynb", until="explorer = LambdaExplorer(") as page:
        last = int(in_kernel(page, PREPARE)) - 1
        seen = []

        def wait_for(place, lam, step):
            expected = in_kernel(page, f"_expected({place}, 0, {lam}, {step})")
            assert len(expected) == 64, expected

            def holds():
                shown = shown_array(page, PICTURE)
                return (
                    shown is not None
                    and digest(shown) == expected
                    and page.evaluate(MARKERS) == [lam, lam]
                    and page.locator(f"{LAM} .widget-readout").inner_text() == LABELS[lam]
                )

            wait_until(
                page,
                holds,
                lambda: (
                    f"picture {place}, lam {LABELS[lam]}, iterate {step} is wanted; the page shows "
                    f"another picture, label or mark: {page.evaluate(MARKERS)}"
                ),
            )
            seen.append(expected)

        page.locator(f"{LAM} .noUi-handle").scroll_into_view_if_needed()
        wait_for(0, 0, last)
        press(page, LAM, "ArrowRight", "ArrowRight")
        wait_for(0, 2, last)
        drag(page, LAM, 4 / 5)
        wait_for(0, 4, last)
        press(page, STEP, "ArrowLeft")
        wait_for(0, 4, last - 1)
        press(page, STEP, "Home")
        wait_for(0, 4, 0)
        play(page, ".under-test .explorer-play")
        wait_for(0, 4, last)
        page.locator(".under-test .explorer-picture select").select_option(
            label="portrait 3, left half"
        )
        wait_for(18, 4, last)
        drag(page, LAM, 0)
        wait_for(18, 0, last)
        assert len(set(seen)) == 7, (
            "of eight positions only the last iterate at lam 37 was seen twice"
        )
