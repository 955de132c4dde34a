"""The speaker's copies as slides in JupyterLab."""

import os
import subprocess
import sys

import nbformat
import pytest
from browser import (
    CHROMIUM_FLAGS,
    ERRORS,
    PATIENCE,
    RAN,
    READY,
    RUN,
    TOKEN,
    drag,
    needed_cells,
    press,
    serving,
)
from conftest import ROOT
from test_browser import SLIDER, wait_for_window

from tutorial_lib.teaching import slides
from tutorial_lib.teaching.widgets import WINDOWS

WIDTH, HEIGHT = 1280, 720
SLIDE = "section.present section.present"
SAVE = "() => window.jupyterapp.commands.execute('docmanager:save')"
LEFT = f"() => document.querySelector('{SLIDE}').querySelectorAll('.fragment:not(.visible)').length"
# The lowest point of what is seen on this slide.
BOTTOM = f"""() => Math.max(...[...document.querySelectorAll('{SLIDE} .jp-Cell:not(.reveal-skip)')]
    .filter(cell => !cell.closest('aside')).map(cell => cell.getBoundingClientRect().bottom))"""


@pytest.fixture(scope="module")
def lectures(chromium, tmp_path_factory):
    """The address of a JupyterLab in a speaker's folder, and that folder.

    The copies are signed, as `workbook.py slides` does it; 04 has not been run.
    """
    place = tmp_path_factory.mktemp("lecture")
    folder = place / "slides"
    slides.write_copies(folder, slides.LECTURE.read_text(encoding="utf-8"))
    path = folder / "04_importance_weights.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.update(outputs=[], execution_count=None)
    nbformat.write(notebook, path)
    subprocess.run(
        [sys.executable, "-m", "jupyter", "trust", *folder.glob("*.ipynb")],
        env=os.environ | {"JUPYTER_DATA_DIR": str(place / "data")},
        check=True,
    )
    rise = str(ROOT / "tutorial_lib" / "teaching" / "rise")
    found = os.pathsep.join(filter(None, [rise, os.environ.get("JUPYTER_PATH")]))
    with serving(folder, place, JUPYTER_PATH=found) as address:
        yield address, folder


@pytest.fixture
def page(chromium):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.set_default_timeout(PATIENCE)
        page.outside = []
        page.on(
            "request",
            lambda request: page.outside.extend(
                []
                if request.url.startswith(("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:"))
                else [request.url]
            ),
        )
        yield page
        browser.close()


def present(page, address, name):
    """Open a notebook as slides; returns how many there are."""
    page.goto(f"{address}/rise/{name}.ipynb?token={TOKEN}")
    page.locator(SLIDE).wait_for()
    page.wait_for_timeout(3000)  # the style of the slides and the kernel
    return page.evaluate("document.querySelectorAll('.slides > section > section').length")


def reveal(page):
    """Press the key until the whole slide is seen."""
    while page.evaluate(LEFT):
        page.keyboard.press("Space")
        page.wait_for_timeout(300)


def test_every_slide_fits_on_the_screen_and_nothing_is_fetched(lectures, page):
    name = "01_the_inpainting_problem"
    deck = slides.by_notebook(slides.read_lecture(slides.LECTURE.read_text("utf-8")))[name]
    assert present(page, lectures[0], name) == len(deck)
    for slide in deck:
        assert page.locator(f"{SLIDE} h2").first.inner_text().strip("¶") == slide.title
        assert page.evaluate(LEFT) == ("reveal" in slide.flags)
        reveal(page)
        assert 0 < page.evaluate(BOTTOM) <= HEIGHT, slide.title
        notes = page.evaluate(f"document.querySelector('{SLIDE} aside.notes').textContent")
        assert "Say." in notes and "Ask." in notes
        page.keyboard.press("Space")
        page.wait_for_timeout(700)
    assert page.outside == []


def test_a_stored_slider_moves_on_its_slide_before_any_cell_is_run(lectures, page):
    present(page, lectures[0], "05_searching_the_latent_space")
    reveal(page)
    frames, slider = f"{SLIDE} .frames", f"{SLIDE} .frames input"
    page.locator(slider).wait_for()
    assert page.evaluate(BOTTOM) <= HEIGHT
    before = page.locator(f"{frames} .picture").screenshot()
    for key, step in (("ArrowRight", "after 1 steps"), ("End", "after 100 steps")):
        page.locator(slider).press(key)  # moves the slider, not the slide
        assert page.locator(f"{frames} .caption").inner_text().startswith(step)
    assert page.locator(f"{frames} .picture").screenshot() != before


def test_a_slider_moves_on_its_slide(lectures, page):
    name = "04_importance_weights"
    address, place = lectures
    page.goto(f"{address}/lab/tree/{name}.ipynb?token={TOKEN}")
    page.wait_for_function(READY)
    numbers = needed_cells(place / f"{name}.ipynb", "WindowSlider(")
    page.evaluate(RUN, numbers)
    page.wait_for_function(RAN, arg=numbers)
    assert page.evaluate(ERRORS) == []
    page.evaluate(SAVE)
    page.wait_for_timeout(2000)
    present(page, address, name)
    for _ in range(20):
        reveal(page)
        if page.locator(f"{SLIDE} {SLIDER}").count():
            break
        page.keyboard.press("Space")
        page.wait_for_timeout(700)
    assert page.evaluate(BOTTOM) <= HEIGHT
    wait_for_window(page, 7)
    press(page, SLIDER, "ArrowRight")
    wait_for_window(page, 9)
    drag(page, SLIDER, WINDOWS.index(15) / (len(WINDOWS) - 1))
    wait_for_window(page, 15)
    assert page.locator(f"{SLIDE} h2").first.inner_text().strip("¶") == "The window"
