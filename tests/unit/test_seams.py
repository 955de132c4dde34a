"""The figures of notebook 06: every pixel of a stage, and what is drawn of a row."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from tutorial_lib.images import to_uint8
from tutorial_lib.teaching.plotting import figure_png
from tutorial_lib.teaching.seams import show_row, show_stages


@pytest.mark.parametrize("scale", [2, 4])
def test_stages_stand_side_by_side_pixel_by_pixel(scale):
    stages = {name: torch.rand(3, 20, 30) * 2 - 1 for name in ("hole", "a longer title")}
    figure = show_stages(stages, "two stages", scale)
    assert "two stages" in repr(figure)
    assert [text.get_text() for text in figure.texts if text.get_text()] == list(stages)
    png = np.asarray(Image.open(io.BytesIO(figure_png(figure))).convert("RGB"))
    width, height = 30 * scale, 20 * scale
    assert png.shape == (24 + height + 6, 10 + 2 * (width + 6), 3)
    for number, image in enumerate(stages.values()):
        left = 10 + number * (width + 6)
        expected = np.kron(to_uint8(image)[0], np.ones((scale, scale, 1), np.uint8))
        np.testing.assert_array_equal(png[24 : 24 + height, left : left + width], expected)
    with pytest.raises(ValueError, match="same size"):
        show_stages({"a": torch.zeros(3, 8, 8), "b": torch.zeros(3, 8, 9)}, "unequal")


def test_a_row_shows_pasted_blended_and_their_distance_to_g():
    known = np.ones(20, bool)
    known[6:14] = False
    generated, blended = np.sin(np.arange(20)), np.sin(np.arange(20)) + 0.3
    figure = show_row(generated, blended, known, "a row")
    above, below = figure.axes
    pasted, drawn = (line.get_ydata() for line in above.lines)
    np.testing.assert_array_equal(pasted, np.where(known, blended, generated))
    np.testing.assert_array_equal(drawn, blended)
    np.testing.assert_allclose(below.lines[1].get_ydata(), np.full(10, 0.3))
    assert list(below.lines[1].get_xdata()) == list(range(5, 15))
    assert {text.get_text() for text in above.texts} == {"pasted", "blended"}


def test_a_row_may_have_its_hole_at_the_edge():
    known = np.arange(12) > 4
    figure = show_row(np.zeros(12), np.full(12, 0.5), known, "a hole at the left edge")
    assert list(figure.axes[1].lines[1].get_xdata()) == list(range(6))
    assert figure_png(figure)
