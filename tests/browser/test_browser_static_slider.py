"""The slider without a kernel, in a page opened from the file system."""

import io

import numpy as np
import pytest
from browser import CHROMIUM_FLAGS, wait_until
from PIL import Image

from tutorial_lib.teaching.static_slider import slider_html

SIDE, SCALE = 16, 4
AXES = {"lambda": ["0", "0.003", "1"], "step": [str(step) for step in range(0, 70, 10)]}


@pytest.fixture(scope="module")
def frames():
    random = np.random.default_rng(0)
    return random.integers(0, 256, (21, SIDE, SIDE, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def page(chromium, frames, tmp_path_factory):
    from playwright.sync_api import sync_playwright

    captions = [f"picture {number}" for number in range(len(frames))]
    path = tmp_path_factory.mktemp("page") / "page.html"
    html = slider_html(list(frames), AXES, captions, "random pixels", SCALE)
    path.write_text(f"<!doctype html><html lang=en><body>{html}</body></html>", encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        page = browser.new_page(viewport={"width": 400, "height": 800})
        page.problems = []
        page.on("console", lambda message: page.problems.append(message.text))
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on(
            "request",
            lambda request: page.problems.extend(
                [] if request.url.startswith(("file:", "data:")) else [request.url]
            ),
        )
        page.goto(path.as_uri())
        yield page
        browser.close()


def shown(page):
    png = page.locator(".picture").screenshot()
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def wait_for(page, frames, number, scale=SCALE):
    expected = np.kron(frames[number], np.ones((scale, scale, 1), np.uint8))

    def holds():
        picture = shown(page)
        caption = page.locator(".caption").inner_text()
        return (
            picture.shape == expected.shape
            and np.array_equal(picture, expected)
            and caption == f"picture {number}"
        )

    wait_until(page, holds, lambda: f"frame {number} is wanted, the page shows another")


def test_each_slider_by_key_and_by_drag_and_nothing_is_fetched(page, frames):
    first, second = page.locator("input").all()
    wait_for(page, frames, 0)
    second.focus()
    page.keyboard.press("ArrowRight")
    wait_for(page, frames, 1)
    assert second.get_attribute("aria-valuetext") == "10"
    page.keyboard.press("End")
    wait_for(page, frames, 6)
    first.focus()
    page.keyboard.press("ArrowRight")
    wait_for(page, frames, 13)
    box = second.bounding_box()
    page.mouse.move(box["x"] + box["width"] - 4, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=8)
    page.mouse.up()
    wait_for(page, frames, 10)
    assert page.locator("output").all_inner_texts() == ["0.003", "30"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    page.add_style_tag(content=f".frames .picture {{ width: {2 * SIDE}px !important }}")
    wait_for(page, frames, 10, scale=2)  # as on a slide, which shows a picture in another size
    assert page.problems == []


def test_every_input_and_the_picture_have_a_name_for_a_screen_reader(page):
    assert [each.get_attribute("aria-label") for each in page.locator("input").all()] == list(AXES)
    assert page.get_by_role("img", name="random pixels").count() == 1
    assert page.locator("[aria-live]").count() == 1


def test_jupyterlab_leaves_the_keys_to_each_input(page):
    # Or an arrow goes to the next cell (JupyterLab looks for the attribute on the element itself).
    attribute = "data-lm-suppress-shortcuts"
    assert all(each.get_attribute(attribute) for each in page.locator("input").all())
