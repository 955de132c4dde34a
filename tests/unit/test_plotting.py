"""Figures show the arrays they were given, and say in words what is to be seen."""

import io
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from IPython.core.formatters import DisplayFormatter
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image
from scipy import stats

from tutorial_lib.images import to_uint8
from tutorial_lib.inpainting.importance import importance_weights
from tutorial_lib.masks import FAMILIES, HOLE_GRAY, center_mask, corrupt, make_masks
from tutorial_lib.teaching import plotting


@pytest.fixture
def images():
    return torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1


def shown(figure):
    """The arrays of all pictures in a figure, in the order of its axes."""
    return [np.asarray(picture.get_array()) for ax in figure.axes for picture in ax.images]


@pytest.mark.parametrize("scale", [1, 3, 4])
def test_enlarged_images_are_squares_of_their_pixels(images, scale):
    rows = {"a": images, "a longer label": -images}
    figure = plotting.show_enlarged(rows, "two rows", scale)
    assert "two rows" in repr(figure)
    png = np.asarray(Image.open(io.BytesIO(plotting.figure_png(figure))).convert("RGB"))
    left, step = 10 * len("a longer label") + 10, 64 * scale + 6
    assert png.shape == (2 * step, left + 3 * step, 3)
    for line, row in enumerate(rows.values()):
        for column, pixels in enumerate(to_uint8(row)):
            place = png[
                line * step : line * step + 64 * scale,
                left + column * step : left + column * step + 64 * scale,
            ]
            np.testing.assert_array_equal(
                place, np.kron(pixels, np.ones((scale, scale, 1), np.uint8))
            )
    with pytest.raises(ValueError, match="same number"):
        plotting.show_enlarged({"a": images, "b": images[:1]}, "unequal")


def test_titles_stand_above_the_columns_and_move_the_images_down(images):
    figure = plotting.show_enlarged({"row": images}, "titles", titles=["a", "b", "c"])
    assert [text.get_text() for text in figure.texts] == ["row", "a", "b", "c"]
    png = np.asarray(Image.open(io.BytesIO(plotting.figure_png(figure))).convert("RGB"))
    left = 10 * len("row") + 10
    np.testing.assert_array_equal(
        png[24 : 24 + 192, left : left + 192],
        np.kron(to_uint8(images)[0], np.ones((3, 3, 1), np.uint8)),
    )
    with pytest.raises(ValueError, match="argument 2"):
        plotting.show_enlarged({"row": images}, "titles", titles=["a"])


def test_labels_can_be_read_where_a_page_shrinks_the_figure_and_none_lies_on_another(images):
    titles = [f"thirteen of {number:1}" for number in range(8)]
    rows = {"Context Encoder": images[[0] * 8], "ours": images[[1] * 8]}
    figure = plotting.show_enlarged(rows, "eight columns", titles=titles)
    drawn = FigureCanvasAgg(figure).get_renderer()
    boxes = [text.get_window_extent(drawn) for text in figure.texts]
    width = figure.bbox.width
    page = 736  # pixels, the widest column of text on the site
    for text, box in zip(figure.texts, boxes, strict=True):
        assert text.get_fontsize() * figure.dpi / 72 * page / width >= 9
        assert box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= figure.bbox.height
        assert not any(box.overlaps(ax.get_window_extent(drawn)) for ax in figure.axes)
    assert not any(one.overlaps(other) for k, one in enumerate(boxes) for other in boxes[k + 1 :])


def test_lines_are_labelled_in_their_color_over_an_x_of_their_own():
    lines = {"one": ([0, 0.5, 1], [3, 2, 1]), "two": (torch.tensor([0.2, 0.9]), [1, 0.5])}
    band = ([0, 1], [0.5, 0.5], [1, 2], "a band")
    ax = plotting.show_lines(lines, "two lines", "x", "y", band).axes[0]
    for line, (x, y) in zip(ax.lines, lines.values(), strict=True):
        np.testing.assert_allclose(line.get_xydata(), np.stack([x, y], 1), rtol=1e-6)
    texts = {text.get_text(): text.get_color() for text in ax.texts}
    assert list(texts) == ["a band", "two", "one"] and ax.get_ylim()[0] == 0
    assert [texts["one"], texts["two"]] == [line.get_color() for line in ax.lines]
    assert not ax.get_legend() and (ax.get_xlabel(), ax.get_ylabel()) == ("x", "y")


def test_dumbbells_run_from_the_mean_before_to_the_mean_after():
    before, after = torch.tensor([1.0, 2.0]), torch.tensor([0.0, 1.0])
    rows = {"z": (before, after), "hole": (before, after / 2)}
    ax = plotting.show_dumbbells(rows, "dumbbells", ("start", "end"), "difference").axes[0]
    marks = {
        (line.get_marker(), round(line.get_ydata()[0])): line.get_xdata()[0]
        for line in ax.lines
        if len(line.get_xdata()) == 1
    }
    assert marks == {("o", 0): 1.5, ("*", 0): 0.5, ("o", 1): 1.5, ("*", 1): 0.25}
    assert [text.get_text() for text in ax.texts] == ["start", "end"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["z", "hole"]


def test_inpainting_shows_its_stages_and_nothing_under_the_hole(images):
    mask = center_mask()
    result = SimpleNamespace(generated=-images, completed=images / 2)
    hidden = torch.where(mask > 0, images, float("nan"))
    figure = plotting.show_inpainting(hidden, mask, result, originals=images)
    expected = [images, corrupt(images, mask, HOLE_GRAY), -images, images / 2]
    for pixels, stage in zip(
        shown(figure), np.concatenate([to_uint8(stage) for stage in expected]), strict=True
    ):
        np.testing.assert_array_equal(pixels, stage)
    assert len(shown(plotting.show_inpainting(images, mask, result))) == 9


def test_weights_are_shown_on_a_fixed_scale():
    weights = {family: importance_weights(make_masks(family)) for family in FAMILIES}
    figure = plotting.show_weights(weights)
    pictures = [picture for ax in figure.axes for picture in ax.images]
    for picture, values in zip(pictures, weights.values(), strict=False):
        np.testing.assert_allclose(np.asarray(picture.get_array()), values[0, 0].numpy())
        assert picture.get_clim() == (0, 1)


def test_a_spotlight_makes_pixels_as_bright_as_their_weight(images):
    weights = torch.zeros(1, 1, 64, 64)
    weights[..., :32, :], weights[..., 0, 0] = 0.2, 0.4
    brightness = (plotting.spotlight(images, weights, dim=0.1) + 1) / (images + 1)
    expected = torch.full((64, 64), 0.1)
    expected[:32], expected[0, 0] = 0.1 + 0.9 / 2, 1.0
    torch.testing.assert_close(brightness, expected.expand(3, 3, -1, -1), atol=1e-3, rtol=0)


def test_curves_are_named_labelled_and_distinct():
    curves = {f"curve {number}": np.arange(5.0) * number for number in range(1, 8)}
    ax = plotting.show_curves(
        curves, "seven lines", xlabel="step", ylabel="loss", yscale="log"
    ).axes[0]
    for line, (name, values) in zip(ax.lines, curves.items(), strict=True):
        assert line.get_label() == name
        np.testing.assert_array_equal(line.get_ydata(), values)
    assert len({(line.get_color(), line.get_linestyle()) for line in ax.lines}) == 7
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale()) == ("step", "loss", "log")


@pytest.mark.parametrize("scale", ["linear", "symlog"])
def test_curves_can_carry_their_names_beside_the_axes_without_an_overlap(scale):
    curves = {
        "falls": [3.0, 1.0],
        "rises": [0.0, 1.01],
        "ends early": [5.0, np.nan],
        "flat": [9, 9],
    }
    figure = plotting.show_curves(curves, "", x=[1, 4], yscale=scale)
    ax = figure.axes[0]
    ax.plot([1, 4], [2.0, 2.0])  # without a name
    assert plotting.label_lines(figure) is figure and ax.get_legend() is None
    names = [text.get_text() for text in ax.texts]
    assert names == ["falls", "rises", "ends early", "flat"], "from below"
    ends = {"falls": (4, 1.0), "rises": (4, 1.01), "ends early": (1, 5.0), "flat": (4, 9)}
    for text, line in zip(ax.texts, ax.lines, strict=False):
        assert text.xy == ends[text.get_text()], "where the line to the name begins"
        assert text.get_color() == line.get_color()
    figure.draw_without_rendering()
    boxes = [Text.get_window_extent(text) for text in ax.texts]  # without the lines to them
    assert all(low.y1 <= high.y0 for low, high in zip(boxes, boxes[1:], strict=False))
    right = ax.get_window_extent().x1
    assert all(right < box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)
    flat = ax.transAxes.inverted().transform(ax.transData.transform((4, 9)))[1]
    assert ax.texts[-1].get_position() == (1.02, pytest.approx(flat)), "the others are far away"


def test_names_may_take_the_place_of_a_legend_from_the_start():
    direct = plotting.show_curves({"a": [1, 2], "b": [2, 0]}, "", direct=True).axes[0]
    assert [text.get_text() for text in direct.texts] == ["b", "a"]
    assert direct.get_legend() is None
    assert plotting.show_curves({"a": [1, 2]}, "").axes[0].get_legend() is not None


def test_panels_of_curves_share_x_and_tell_the_curves_apart_alike():
    panels = {
        "dB": {"small": [1.0, 2.0], "large": [3.0, 4.0]},
        "distance": {"small": [9.0, 8.0], "large": [7.0, 1.0]},
    }
    left, right = plotting.show_curve_panels(panels, "two panels", x=[500, 7500], xscale="log").axes
    for ax, (label, curves) in zip((left, right), panels.items(), strict=True):
        assert (ax.get_ylabel(), ax.get_xlabel(), ax.get_xscale()) == (label, "step", "log")
        assert {
            line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in ax.lines
        } == {name: ([500, 7500], values) for name, values in curves.items()}
    assert [line.get_color() for line in left.lines] == [line.get_color() for line in right.lines]
    assert left.get_legend() is not None


def test_logits_are_boxes_around_their_medians():
    logits = {"real": torch.tensor([1.0, 2, 3]), "noise": torch.tensor([-9.0, -7, -5])}
    ax = plotting.show_logits(logits, "two boxes").axes[0]
    medians = {
        float(x) for line in ax.lines for x in line.get_xdata() if len(set(line.get_xdata())) == 1
    }
    assert {2.0, -7.0} <= medians
    assert [label.get_text() for label in ax.get_yticklabels()] == ["real", "noise"]


def test_a_figure_carries_its_description_into_the_notebook():
    figure = plotting.show_curves({"loss": [3.0, 2.0, 1.0]}, "a line that falls")
    data, metadata = DisplayFormatter().format(figure)
    assert metadata["image/png"]["alt"] == figure.alt == "a line that falls"
    assert figure.alt in data["text/plain"]
    assert Image.open(io.BytesIO(plotting.figure_png(figure))).size[0] > 500
    assert not plt.get_fignums(), "an open figure would be shown twice"


def test_colored_maps_are_matplotlibs_colors_enlarged():
    values = torch.tensor([[0.0, 0.25], [0.5, 1.0]])
    pixels = plotting.colored(values, scale=3)
    assert pixels.shape == (6, 6, 3)
    expected = (np.array(plt.get_cmap("viridis")(0.25)[:3]) * 255).round()
    np.testing.assert_array_equal(pixels[0:3, 3:6].reshape(-1, 3), np.tile(expected, (9, 1)))


def test_intervals_are_drawn_where_they_are():
    groups = {
        "rendered": {"a": (1.0, 0.5), "b": (-2.0, 0.25)},
        "photographs": {"a": (0.5, 0.1), "b": (0.0, 3.0)},
    }
    figure = plotting.show_intervals(groups, "two by two", "dB")
    ax = figure.axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == [
        "a",
        "b",
    ] and ax.get_xlabel() == "dB"
    for container, rows in zip(ax.containers, groups.values(), strict=True):
        assert container.lines[0].get_xdata().tolist() == [mean for mean, _ in rows.values()]
        ends = [segment[:, 0].tolist() for segment in container.lines[2][0].get_segments()]
        assert ends == [[mean - half, mean + half] for mean, half in rows.values()]
    with pytest.raises(ValueError, match="same names"):
        plotting.show_intervals({"x": {"a": (0, 1)}, "y": {"b": (0, 1)}}, "", "")


def test_differences_are_dots_with_the_mean_and_students_interval():
    a, b = torch.tensor([1.0, 2.0, 6.0, -1.0]), torch.tensor([0.0, 0.5, 0.25, 0.25])
    figure = plotting.show_differences({"dB": {"a": a, "b": b}, "levels": {"a": -a, "b": -b}}, "")
    assert [ax.get_xlabel() for ax in figure.axes] == ["dB", "levels"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["a", "b"]
    for ax, sign in zip(figure.axes, (1, -1), strict=True):
        dots = [line for line in ax.lines if len(line.get_xdata()) == 4]
        for container, line, values in zip(ax.containers, dots, (a, b), strict=True):
            values = sign * values.double().numpy()
            np.testing.assert_array_equal(line.get_xdata(), values)
            ends = container.lines[2][0].get_segments()[0][:, 0]
            interval = stats.ttest_1samp(values, 0).confidence_interval(0.95)
            np.testing.assert_allclose(ends, [interval.low, interval.high])
    with pytest.raises(ValueError, match="same names"):
        plotting.show_differences({"x": {"a": a}, "y": {"b": b}}, "")


def test_a_time_axis_keeps_dates_in_order_and_labels_apart():
    works = [(f"2020-{month:02d}", f"work {month}", "new") for month in (1, 2, 7)]
    figure = plotting.show_timeline({"left": works, "right": works[:1]}, "a time axis")
    (ax,) = figure.axes
    dots = [line.get_xydata()[0] for line in ax.get_lines() if line.get_marker() == "o"]
    assert [side < 0 for side, _ in dots] == [True, True, True, False]
    torch.testing.assert_close(
        [when for _, when in dots], [2020 + (month - 0.5) / 12 for month in (1, 2, 7, 1)]
    )
    titles = {text.get_text(): text.get_position() for text in ax.texts}
    left = [titles[f"work {month}, 2020-{month:02d}"] for month in (2, 7)]
    assert left[1][1] - left[0][1] >= 0.6 - 1e-9 and left[0][0] < 0
    assert {"left", "right", "2020", "2021"} <= titles.keys()
    with pytest.raises(ValueError, match="two sides, got 1"):
        plotting.show_timeline({"left": works}, "half a time axis")


def test_error_pictures_are_black_without_error_and_white_at_the_range_over_the_factor():
    originals = torch.full((1, 3, 2, 2), -1.0)
    completed = originals.clone()
    completed[0, 0, 0] = torch.tensor([0.0, 1.0])
    assert plotting.error_pictures(completed, originals)[0, 0].tolist() == [
        [0.0, 1.0],
        [-1.0, -1.0],
    ]
    assert plotting.error_pictures(originals, completed, 2)[0, 0].tolist() == [
        [1.0, 1.0],
        [-1.0, -1.0],
    ]
