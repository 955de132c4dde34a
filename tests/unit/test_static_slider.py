"""Sliders in HTML: what is refused, that all frames are in them, and that text stays in place."""

import numpy as np
import pytest
from static_sliders import parts

from tutorial_lib.teaching.static_slider import slider_html

FRAMES = [np.full((4, 4, 3), value, np.uint8) for value in range(6)]


@pytest.mark.parametrize(
    ("frames", "axes", "captions"),
    [
        (FRAMES[:5], {"a": "12", "b": "123"}, ["x"] * 6),
        (FRAMES, {"a": "12", "b": "123"}, ["x"] * 5),
        (FRAMES, {"a": "12345"}, ["x"] * 6),
        ([], {"a": ""}, []),
    ],
)
def test_numbers_that_do_not_agree_are_refused(frames, axes, captions):
    with pytest.raises(ValueError, match="positions need as many frames and captions"):
        slider_html(frames, axes, captions, "gray")


def test_a_page_that_is_too_large_is_refused():
    noise = np.random.default_rng(0).integers(0, 256, (6, 400, 400, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match="use fewer frames"):
        slider_html(list(noise), {"a": "123456"}, [""] * 6, "noise")


def test_text_cannot_end_the_script_or_an_attribute():
    evil = '</script><script>alert("x")//'
    page = slider_html(FRAMES, {evil: "123456"}, [evil] * 6, evil)
    assert page.count("<script>") == page.count("</script>") == 1


def test_two_sliders_of_a_page_have_different_names_and_the_same_one_the_same():
    one, two = ({"a": "123456"}, {"b": "123456"})
    pages = [slider_html(FRAMES, axes, [""] * 6, "gray") for axes in (one, two, one)]
    names = [page.split('id="')[1].split('"')[0] for page in pages]
    assert names[0] != names[1] and names[0] == names[2]


def test_each_frame_is_in_the_sprite_and_where_a_slider_starts_is_said():
    random = np.random.default_rng(0)
    frames = list(random.integers(0, 256, (20, 5, 7, 3), dtype=np.uint8))
    page = parts(
        slider_html(frames, {"a": "12", "b": "0123456789"}, ["x"] * 20, "noise", start=[1, 3])
    )
    assert len(page.frames) >= 20
    assert all(np.array_equal(*pair) for pair in zip(page.frames, frames, strict=False))
    assert page.start == [1, 3]


def test_a_ground_needs_a_mark_for_each_frame():
    ground = np.zeros((4, 8, 3), np.uint8)
    marks = [(number / 10, 0.5) for number in range(6)]
    page = parts(slider_html(FRAMES, {"a": "123456"}, [""] * 6, "gray", ground=ground, marks=marks))
    assert page.marks == [[x, y] for x, y in marks]
    for wrong in ({"ground": ground}, {"marks": marks}, {"ground": ground, "marks": marks[:5]}):
        with pytest.raises(ValueError, match="a mark for each frame"):
            slider_html(FRAMES, {"a": "123456"}, [""] * 6, "gray", **wrong)
