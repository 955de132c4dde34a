"""Notebook 00 in a real JupyterLab: a hole is painted with mouse, keys and finger, a photo dropped,
the hole filled, and the photo saved.

Python's mask is asked of the kernel and compared with pixels worked out here from where the pointer
went.
"""

import base64
import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from browser import (
    ERRORS,
    RAN,
    ROOT,
    RUN,
    in_kernel,
    needed_cells,
    shown_array,
    wait_until,
)
from matplotlib import cbook

from tutorial_lib import load_dataset
from tutorial_lib.faces import align
from tutorial_lib.images import load_picture, to_uint8
from tutorial_lib.inpainting.latent_search import DEFAULT
from tutorial_lib.inpainting.put_back import hole_in_photo
from tutorial_lib.teaching.widgets import encode_png

NOTEBOOK = "00_start_here.ipynb"
CANVAS, MESSAGE, BAR = ".mask-painter-canvas", ".mask-painter-message", ".mask-painter-bar"
PICTURE = "img.filler-picture, .filler-picture img"
SCALE = 7  # of the picture on display
SIDE = 64
BRUSH = 5  # the size to begin with
CELLS = "() => window.jupyterapp.shell.currentWidget.content.widgets.length"
DROP = """([selector, name, encoded, more]) => {
    const bytes = Uint8Array.from(atob(encoded), letter => letter.charCodeAt(0));
    const carried = new DataTransfer();
    carried.items.add(new File([bytes, new Uint8Array(more)], name));
    const target = document.querySelector(selector);
    const options = {dataTransfer: carried, bubbles: true, cancelable: true};
    for (const type of ['dragover', 'drop'])
        target.dispatchEvent(new DragEvent(type, options));
}"""


@pytest.fixture(scope="module")
def page(run_notebook):
    """The notebook, opened once: both tests begin by clearing the mask."""
    with run_notebook(NOTEBOOK, until="HoleFiller(") as page:
        yield page


def center_of(page, row, column):
    """Where the center of a pixel of the picture is on the page, scrolled to where it can be
    reached.
    """
    page.locator(CANVAS).evaluate(
        "canvas => canvas.scrollIntoView({block: 'center', behavior: 'instant'})"
    )
    box = page.locator(CANVAS).bounding_box()
    return box["x"] + (column + 0.5) * box["width"] / SIDE, box["y"] + (row + 0.5) * box[
        "height"
    ] / SIDE


def drag(page, start, end):
    page.mouse.move(*center_of(page, *start))
    page.mouse.down()
    page.mouse.move(*center_of(page, *end), steps=7)
    page.mouse.up()


def swipe(page, start, end):
    """A finger's stroke, as a touch screen reports it."""
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
    points = [[{"x": x, "y": y}] for x, y in (center_of(page, *start), center_of(page, *end))]
    for kind, touching in (("touchStart", points[0]), ("touchMove", points[1]), ("touchEnd", [])):
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touching})
    session.detach()


def tool(page, name):
    page.locator(f"{BAR} .mask-painter-{name}").click()


def stroke(mask, row, columns, value=0, size=BRUSH):
    """The mask after a brush went along a row.

    Pixels at most half its size away from a pixel on the way.
    """
    y, x = np.mgrid[:SIDE, :SIDE]
    for column in columns:
        mask[(y - row) ** 2 + (x - column) ** 2 <= size**2 / 4] = value
    return mask


def wait_for_mask(page, expected):
    def difference():
        text = in_kernel(page, "print(filler.painter.array.tobytes().hex())")
        return np.argwhere(
            np.frombuffer(bytes.fromhex(text), np.uint8).reshape(SIDE, SIDE) != expected
        )

    wait_until(
        page,
        lambda: not len(difference()),
        lambda: f"these pixels differ: {difference()[:20].tolist()}",
    )


def wait_for_text(page, selector, start):
    text = page.locator(selector)
    wait_until(
        page,
        lambda: text.inner_text().startswith(start),
        lambda: f"{start!r} is wanted, got {text.inner_text()!r}",
    )


def drop(page, name, content, more=0):
    page.evaluate(DROP, [CANVAS, name, base64.b64encode(content).decode(), more])


def test_a_hole_is_painted_with_mouse_keys_and_finger(page):
    page.locator(CANVAS).scroll_into_view_if_needed()
    cells = page.evaluate(CELLS)
    eyes = np.ones((SIDE, SIDE), np.uint8)
    eyes[12:30, 8:56] = 0
    wait_for_mask(page, eyes)

    tool(page, "clear")
    mask = np.ones((SIDE, SIDE), np.uint8)
    wait_for_mask(page, mask)
    drag(page, (20, 10), (20, 30))
    brushed = stroke(mask.copy(), 20, range(10, 31))
    wait_for_mask(page, brushed)
    tool(page, "rectangle")
    drag(page, (52, 60), (40, 40))  # up and to the left as well
    boxed = brushed.copy()
    boxed[40:53, 40:61] = 0
    wait_for_mask(page, boxed)
    tool(page, "eraser")
    drag(page, (46, 30), (46, 50))
    erased = stroke(boxed.copy(), 46, range(30, 51), value=1)
    wait_for_mask(page, erased)

    # The keys' cursor begins where the mouse was last. Keys that are commands of JupyterLab do
    # nothing but paint.
    page.locator(CANVAS).focus()
    for key in (
        "b",
        "+",
        "ArrowDown",
        "ArrowDown",
        "Shift+ArrowLeft",
        "ArrowUp",
        "ArrowRight",
        "Space",
    ):
        page.keyboard.press(key)
    keyed = stroke(erased.copy(), 47, [43], size=BRUSH + 2)
    wait_for_mask(page, keyed)
    for key in ("r", "Enter", "Shift+ArrowUp", "Shift+ArrowUp", "ArrowLeft", "Enter"):
        page.keyboard.press(key)
    cornered = keyed.copy()
    cornered[31:48, 42:44] = 0
    wait_for_mask(page, cornered)
    assert page.evaluate(CELLS) == cells

    for key, earlier in (("Control+z", keyed), ("Meta+z", erased), ("Control+z", boxed)):
        page.keyboard.press(key)
        wait_for_mask(page, earlier)
    tool(page, "undo")
    wait_for_mask(page, brushed)

    tool(page, "brush")
    page.locator(CANVAS).focus()
    page.keyboard.press("-")
    swipe(page, (55, 8), (55, 20))
    wait_for_mask(page, stroke(brushed.copy(), 55, range(8, 21)))


def test_a_photo_is_dropped_and_a_painted_hole_filled(page):
    page.locator(CANVAS).scroll_into_view_if_needed()
    drop(page, "note.jpg", b"no picture at all")
    wait_for_text(page, MESSAGE, "not taken: the file cannot be read as a picture")
    drop(page, "film.jpg", b"", more=51_000_000)
    wait_for_text(page, MESSAGE, "not taken: film.jpg has 51 MB")

    before = to_uint8(load_dataset("portraits", split="test", limit=1)[:])[0]
    tool(page, "clear")
    tool(page, "rectangle")
    drag(page, (40, 20), (50, 44))
    assert page.locator(".filler-save").is_disabled(), "this picture was not taken from a photo"
    mask = np.ones((SIDE, SIDE), bool)
    mask[40:51, 20:45] = False
    wait_for_mask(page, mask)
    page.locator(".filler-new").click()
    # the message of the fill before says the same: wait for a picture with the new hole first
    wait_until(
        page,
        lambda: (
            shown_array(page, PICTURE) is not None
            and np.array_equal(result_array(page)[mask], before[mask])
        ),
        lambda: "no result with the new hole",
    )
    wait_for_text(page, ".filler-message", f"filled after {DEFAULT.steps} steps")
    assert_filled(page, before, mask)

    with cbook.get_sample_data("grace_hopper.jpg") as file:
        photo = file.read()
    face = to_uint8(align(load_picture(photo)).pixels)[0]
    drop(
        page, "hopper.jpg", photo, more=12_000_000
    )  # readers of JPEG files do not mind what follows; it comes in parts
    wait_for_text(page, MESSAGE, "a face was found")
    given = hashlib.sha256(encode_png(face)).hexdigest()
    assert (
        in_kernel(page, "import hashlib; print(hashlib.sha256(filler.painter.picture).hexdigest())")
        == given
    )
    wait_for_mask(page, mask)  # the hole stays

    # Long enough to be stopped on any machine.
    in_kernel(
        page,
        "from dataclasses import replace; "
        "filler.settings = replace(filler.settings, steps=100_000)",
    )
    page.locator(".filler-fill").click()
    wait_for_text(page, ".filler-message", "step ")
    page.locator(".filler-stop").click()
    wait_for_text(page, ".filler-message", "stopped after")
    assert_filled(page, face, mask)

    # the photo at its own size, by mouse and by key; first as one message, then in parts
    whole = save(page, lambda: page.locator(".filler-save").click())
    wait_for_text(page, ".filler-message", "saved as filled.png, 512x600")
    in_kernel(page, "from tutorial_lib.teaching.widgets import painter; painter._PART = 50_000")
    page.locator(".filler-save").focus()
    assert save(page, lambda: page.keyboard.press("Enter")) == whole and len(whole) > 150_000
    said = in_kernel(page, "print(hashlib.sha256(filler.filled_photo().tobytes()).hexdigest())")
    assert hashlib.sha256(load_picture(whole).tobytes()).hexdigest() == said
    before, after = (np.asarray(load_picture(picture)) for picture in (photo, whole))
    changed = (before != after).any(-1)
    hole = hole_in_photo(
        torch.from_numpy(mask)[None, None].float(), align(load_picture(photo)).transform
    )
    assert not changed[~hole].any() and changed[hole].mean() > 0.5

    tool(page, "clear")
    page.locator(".filler-fill").click()
    wait_for_text(page, ".filler-message", "paint a hole first")


def test_pairs_are_judged_by_mouse_and_by_key(page):
    cell = needed_cells(ROOT / "notebooks" / NOTEBOOK, "blind_test = BlindTest(")[-1]
    page.evaluate(RUN, [cell])
    page.wait_for_function(RAN, arg=[cell])
    assert page.evaluate(ERRORS) == []
    for number, key in enumerate((None, "Enter", "Space", None, "Enter", "Enter"), start=1):
        button = page.locator(f".blind-{'left' if number % 2 else 'right'}")
        if key is None:
            button.click()
        else:
            button.focus()
            page.keyboard.press(key)
        wait_for_text(page, ".blind-caption", f"{number} of 6 pairs")
        named = "completion over original" in page.locator(".blind-caption").inner_text()
        assert named == (number == 6), "the methods are named at the end alone"
    assert page.locator(".blind-left").is_disabled() and page.locator(".blind-right").is_disabled()
    saved = save(page, lambda: page.locator(".blind-link a").click(), "blind-test.csv")
    rows = [line.split(",") for line in saved.decode().split()[1:]]  # reader, picture, left, right
    assert [row[4] for row in rows] == [row[2 + n % 2] for n, row in enumerate(rows)]
    assert len(rows) == 6


def save(page, press, name="filled.png"):
    """The bytes of the file that the browser saves when something is pressed."""
    with page.expect_download() as download:
        press()
    assert download.value.suggested_filename == name
    return Path(download.value.path()).read_bytes()


def result_array(page):
    """The filler's picture on the page, uint8 (SIDE, SIDE, 3)."""
    shown = shown_array(page, PICTURE)
    assert shown.shape == (SIDE * SCALE, SIDE * SCALE, 3)
    return shown[::SCALE, ::SCALE]


def assert_filled(page, picture, mask):
    """The page shows the picture where the mask is true and something else in most of the hole."""
    shown = result_array(page)
    assert np.array_equal(shown[mask], picture[mask])
    assert (shown[~mask] != picture[~mask]).any(-1).mean() > 0.5
