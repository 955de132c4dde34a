"""The site, built and opened from the file system: links, weight, sliders, search, and whether it
can be read and used by everyone.

Contrast is computed by WCAG 2's formula from the colors that the browser has worked out.
"""

import io
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from browser import CHROMIUM_FLAGS, wait_until
from conftest import ROOT
from PIL import Image
from static_sliders import parts

LARGEST = 5_000_000  # bytes of a page with all it loads
LARGEST_SLIDER = 1_500_000
# one slider a widget: name of the page -> names of its sliders
SLIDERS = {
    "02_gans_in_the_plane": [["step"], ["lambda"]],
    "04_importance_weights": [["window"]],
    "05_searching_the_latent_space": [["step"]],
    "07_lambda_explorer": [["picture", "λ", "iteration"]],
    "08_walking_the_manifold": [["step"], [f"direction {number}" for number in (1, 2, 3)]],
}
# What a form control is called, or "" where it has no name.
UNNAMED = """() => [...document.querySelectorAll('input, select, textarea, button, summary')]
    .filter(part => part.type !== 'hidden' && part.checkVisibility())
    .filter(part => !(part.ariaLabel || part.labels?.[0]?.textContent || part.textContent
        || part.placeholder || part.title || part.value).trim())
    .map(part => part.outerHTML.slice(0, 200))"""
UNDESCRIBED = """() =>
    [...document.querySelectorAll('img:not([alt]), [role=img]:not([aria-label])')]
    .map(part => part.outerHTML.slice(0, 200))"""
FAINT = """() => {
    const parse = color => color.match(/[\\d.]+/g).map(Number);
    const light = color => {
        const [r, g, b] = color.slice(0, 3).map(v => v / 255)
            .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const over = (top, ground) => {
        const alpha = top[3] ?? 1;
        return [0, 1, 2].map(k => alpha * top[k] + (1 - alpha) * ground[k]);
    };
    const ground = part => {
        const layers = [];
        for (let at = part; at; at = at.parentElement)
            layers.unshift(parse(getComputedStyle(at).backgroundColor));
        return layers.reduce((below, layer) => over(layer, below), [255, 255, 255]);
    };
    const faint = new Set();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const text = walker.currentNode.textContent.trim(), part = walker.currentNode.parentElement;
        if (!text || !part.checkVisibility({visibilityProperty: true})) continue;
        if (part.closest('script, style, math, .visually-hidden')) continue;
        const style = getComputedStyle(part), size = parseFloat(style.fontSize);
        const large = size >= 24 || size >= 18.66 && style.fontWeight >= 700;
        const below = ground(part), values = [over(parse(style.color), below), below].map(light);
        const ratio = (Math.max(...values) + 0.05) / (Math.min(...values) + 0.05);
        if (ratio < (large ? 3 : 4.5))
            faint.add(`${ratio.toFixed(2)} ${part.tagName}.${part.className} ${text.slice(0, 30)}`);
    }
    return [...faint];
}"""


@pytest.fixture(scope="module")
def site(chromium, tmp_path_factory):  # without a Chromium nothing is built
    out = tmp_path_factory.mktemp("site") / "site"
    command = [sys.executable, str(ROOT / "docs" / "build.py"), "--out", str(out)]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": path, "PYTHONUTF8": "1"}
    done = subprocess.run(command, capture_output=True, encoding="utf-8", env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [path.name for path in out.parent.iterdir()] == ["site"]
    return out


def fetched(name, url):
    return [] if url.startswith(("file:", "data:")) else [f"{name}: {url}"]


@pytest.fixture(scope="module")
def open_page(site, chromium):
    """A function (name, width, dark) -> a page of the site in the browser; nothing may go wrong."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        problems = []

        def opened(name, width=1280, dark=False):
            scheme = "dark" if dark else "light"
            page = browser.new_page(
                viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True
            )
            page.on("console", lambda message: problems.append(f"{name}: {message.text}"))
            page.on("pageerror", lambda error: problems.append(f"{name}: {error}"))
            page.on("requestfailed", lambda request: problems.append(f"{name}: {request.url}"))
            page.on("request", lambda request: problems.extend(fetched(name, request.url)))
            path, _, query = name.partition("?")
            page.goto((site / path).as_uri() + f"?{query}" * bool(query))
            return page

        yield opened
        browser.close()
        assert problems == []


class Links(HTMLParser):
    """What a page points to, and the places in it that can be pointed to."""

    def __init__(self, text):
        super().__init__()
        self.targets, self.places = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("href", "src") and tag != "base":
                self.targets.append(value)
            if name in ("id", "name"):
                self.places.add(value)


def names(site):
    return sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))


def pages_to_look_at(site):
    """All of them but those that look alike: of the API pages two."""
    api = ["api/tutorial_lib.html", "api/tutorial_lib.inpainting.html"]
    return [name for name in names(site) if not name.startswith("api/") or name in api]


def broken_links(site):
    pages = {name: Links((site / name).read_text(encoding="utf-8")) for name in names(site)}
    for name, page in pages.items():
        for target in page.targets:
            url = urlsplit(target)
            if url.scheme in ("http", "https", "mailto", "data"):
                continue
            path = (site / name).parent / unquote(url.path) if url.path else site / name
            other = path.resolve()
            if not other.is_file():
                yield f"{name}: {target[:100]}"
                continue
            inside = other.relative_to(site).as_posix()
            if url.fragment and inside in pages and url.fragment not in pages[inside].places:
                yield f"{name}: {target}"


def test_every_link_leads_somewhere(site):
    assert len(names(site)) > 30
    assert list(broken_links(site)) == []


def weight(site, name):
    """Bytes of a page and of all pictures, styles and scripts that it names."""
    page = Links((site / name).read_text(encoding="utf-8"))
    files = [(site / name).parent / urlsplit(url).path for url in page.targets if ":" not in url]
    parts_of_it = {path.resolve() for path in files if path.suffix in (".png", ".css", ".js")}
    return sum(path.stat().st_size for path in [site / name, *parts_of_it])


def test_no_page_is_heavy(site):
    weights = {name: weight(site, name) for name in names(site)}
    assert max(weights.values()) > 1_000_000  # the pictures are counted
    assert {name: size for name, size in weights.items() if size > LARGEST} == {}


def test_pages_fit_a_phone_and_all_can_be_read(site, open_page):
    found = []
    in_the_dark = {"index.html", "README.html", "notebooks/02_gans_in_the_plane.html"}
    in_the_dark |= {"api/tutorial_lib.inpainting.html"}
    for name in pages_to_look_at(site):
        for dark in [False, True] if name in in_the_dark else [False]:
            page = open_page(name, 400, dark)
            width = page.evaluate("document.documentElement.scrollWidth")
            found += [f"{name}: {width} pixels wide"] if width > 400 else []
            page.evaluate("document.querySelectorAll('details').forEach(box => box.open = true)")
            for what in (UNNAMED, UNDESCRIBED, FAINT):
                found += [f"{name}{' dark' * dark}: {each}" for each in page.evaluate(what)]
            page.close()
    assert found == []


def test_search_works_without_a_server(open_page):
    page = open_page("search.html?q=importance")
    page.wait_for_function("document.querySelectorAll('#search-results li').length > 3")
    assert page.locator("#search-results a", has_text="Importance weights").count()
    page.close()


def test_formulas_are_drawn_by_the_browser(open_page):
    page = open_page("notebooks/05_searching_the_latent_space.html")
    assert page.locator("math").count() > 5
    assert "\\" not in "".join(page.locator("math").all_text_contents())
    wide = page.locator(".formula math").first.bounding_box()
    assert wide["height"] > 30  # two lines: braces below the terms
    page.close()


def frame_shown(slider, frames):
    """The number of the frame that the picture on the page is most like."""
    png = slider.locator(".picture").screenshot()
    height, width = frames[0].shape[:2]
    picture = Image.open(io.BytesIO(png)).convert("RGB").resize((width, height))
    return int(
        np.argmin([np.abs(np.subtract(picture, frame, dtype=float)).mean() for frame in frames])
    )


def expect(page, slider, page_parts, places):
    """The frame at these places of the sliders is on the page, with its caption and names."""
    number = 0
    for labels, place in zip(page_parts.labels, places, strict=True):
        number = number * len(labels) + place
    words = [labels[place] for labels, place in zip(page_parts.labels, places, strict=True)]

    def holds():
        return (
            slider.locator(".caption").inner_text() == page_parts.captions[number]
            and slider.locator("output").all_inner_texts() == words
            and frame_shown(slider, page_parts.frames) == number
        )

    wait_until(page, holds, lambda: f"frame {number} is wanted, another is shown")
    if page_parts.marks:
        ring, ground = slider.locator(".ring").bounding_box(), slider.locator(".ground img")
        box = ground.bounding_box()
        middle = [
            ring["x"] + ring["width"] / 2 - box["x"],
            ring["y"] + ring["height"] / 2 - box["y"],
        ]
        place = np.array(middle) / [box["width"], box["height"]]
        assert np.abs(place - page_parts.marks[number]).max() < 0.01


@pytest.mark.parametrize("name", SLIDERS)
def test_each_slider_moves_by_key_and_by_drag(site, open_page, name):
    text = (site / "notebooks" / f"{name}.html").read_text(encoding="utf-8")
    pieces = re.findall(r'<div class="frames".*?</script></div>', text, re.S)
    assert len(pieces) == len(SLIDERS[name])
    page = open_page(f"notebooks/{name}.html")
    sliders = page.locator(".frames").all()
    for slider, piece, axes in zip(sliders, pieces, SLIDERS[name], strict=True):
        assert len(piece.encode()) < LARGEST_SLIDER
        known = parts(piece)
        slider.scroll_into_view_if_needed()
        inputs = slider.locator("input").all()
        assert [each.get_attribute("aria-label") for each in inputs] == axes
        places = known.start
        expect(page, slider, known, places)
        for number, (each, labels) in enumerate(zip(inputs, known.labels, strict=True)):
            each.focus()
            for key, place in (("Home", 0), ("ArrowRight", 1), ("End", len(labels) - 1)):
                page.keyboard.press(key)
                places = [*places[:number], place, *places[number + 1 :]]
                expect(page, slider, known, places)
            assert each.get_attribute("aria-valuetext") == labels[-1]
            each.scroll_into_view_if_needed()
            box = each.bounding_box()
            middle = box["y"] + box["height"] / 2
            page.mouse.move(box["x"] + box["width"] - 8, middle)
            page.mouse.down()
            page.mouse.move(box["x"] + 2, middle, steps=6)
            page.mouse.up()
            places = [*places[:number], 0, *places[number + 1 :]]
            expect(page, slider, known, places)
    page.close()


def test_the_checks_find_what_is_wrong(open_page, tmp_path, site):
    page = open_page("index.html")
    page.set_content(
        "<body style='background:#fff'><p style='color:#999'>too faint</p>"
        "<p style='color:#000'>clear</p><img src='data:,'><input type=range>"
        "<label>named <input type=text></label></body>"
    )
    assert ["too faint" in each for each in page.evaluate(FAINT)] == [True]
    assert len(page.evaluate(UNDESCRIBED)) == 1
    page.close()
    bad = site / "bad.html"
    bad.write_text('<a href="nowhere.html">a</a><a href="index.html#nowhere">b</a>')
    try:
        assert len(list(broken_links(site))) == 2
    finally:
        bad.unlink()
