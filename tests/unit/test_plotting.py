"""Figures show the arrays they were given, and say in words what is to be seen."""

import io
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from IPython.core.formatters import DisplayFormatter
from PIL import Image
from scipy import stats

from tutorial_lib.images import to_uint8
from tutorial_lib.inpainting.importance import importance_weights
from tutorial_lib.masks import FAMILIES, center_mask, corrupt, make_masks
from tutorial_lib.teaching import plotting


@pytest.fixture
def images():
    return torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1


def shown(figure):
    """The arrays of all pictures in a figure, in the order of its axes."""
    return [np.asarray(picture.get_array()) for ax in figure.axes for picture in ax.images]


def test_rows_hold_the_pictures_with_their_labels(images):
    figure = plotting.show_rows({"a": images, "b": -images}, "two rows", titles=["x", "y", "z"])
    for pixels, expected in zip(
        shown(figure), [*to_uint8(images), *to_uint8(-images)], strict=True
    ):
        np.testing.assert_array_equal(pixels, expected)
    assert [ax.get_ylabel() for ax in figure.axes] == ["a", "", "", "b", "", ""]
    assert [ax.get_title() for ax in figure.axes[:3]] == ["x", "y", "z"]
    with pytest.raises(ValueError, match="same number"):
        plotting.show_rows({"a": images, "b": images[:1]}, "unequal")


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


def test_lines_are_labelled_in_their_color_over_an_x_of_their_own():
    lines = {"one": ([0, 0.5, 1], [3, 2, 1]), "two": (torch.tensor([0.2, 0.9]), [1, 0.5])}
    band = ([0, 1], [0.5, 0.5], [1, 2], "a band")
    ax = plotting.show_lines(lines, "two lines", "x", "y", band).axes[0]
    for line, (x, y) in zip(ax.lines, lines.values(), strict=True):
        np.testing.assert_allclose(line.get_xydata(), np.stack([x, y], 1), rtol=1e-6)
    texts = {text.get_text(): text.get_color() for text in ax.texts}
    assert list(texts) == ["a band", "one", "two"] and ax.get_ylim()[0] == 0
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


def test_a_grid_leaves_its_last_places_empty(images):
    figure = plotting.show_images(
        images, "three in a row of two", columns=2, titles=["1", "2", "3"]
    )
    assert len(figure.axes) == 4 and len(shown(figure)) == 3
    np.testing.assert_array_equal(shown(figure)[2], to_uint8(images)[2])


def test_inpainting_shows_its_stages_and_nothing_under_the_hole(images):
    mask = center_mask()
    result = SimpleNamespace(generated=-images, completed=images / 2)
    hidden = torch.where(mask > 0, images, float("nan"))
    figure = plotting.show_inpainting(hidden, mask, result, originals=images)
    expected = [images, corrupt(images, mask, plotting.HOLE_GRAY), -images, images / 2]
    for pixels, stage in zip(
        shown(figure), np.concatenate([to_uint8(stage) for stage in expected]), strict=True
    ):
        np.testing.assert_array_equal(pixels, stage)
    assert len(shown(plotting.show_inpainting(images, mask, result))) == 9


def test_masks_and_weights_on_fixed_scales():
    masks = {family: make_masks(family) for family in FAMILIES}
    weights = {family: importance_weights(mask) for family, mask in masks.items()}
    for figure, maps in (
        (plotting.show_masks(masks), masks),
        (plotting.show_weights(weights), weights),
    ):
        pictures = [picture for ax in figure.axes for picture in ax.images]
        for picture, values in zip(pictures, maps.values(), strict=False):
            np.testing.assert_allclose(np.asarray(picture.get_array()), values[0, 0].numpy())
            assert picture.get_clim() == (0, 1)
    assert "80% missing" in " ".join(ax.get_title() for ax in plotting.show_masks(masks).axes)


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


def test_curves_can_carry_their_names_at_their_ends_without_an_overlap():
    curves = {
        "falls": [3.0, 1.0],
        "rises": [0.0, 1.01],
        "ends early": [5.0, np.nan],
        "flat": [9, 9],
    }
    figure = plotting.show_curves(curves, "", x=[1, 4], direct=True)
    ax = figure.axes[0]
    assert ax.get_legend() is None
    names = {text.get_text(): text for text in ax.texts}
    assert names.keys() == curves.keys()
    for line in ax.lines:
        assert names[line.get_label()].get_color() == line.get_color()
    across = {name: text.xy[0] for name, text in names.items()}
    assert across["falls"] == across["rises"] == across["flat"] > across["ends early"]
    heights = {name: text.xy[1] for name, text in names.items()}
    assert heights["flat"] > heights["rises"] >= heights["falls"] + 0.0749
    places = ax.transAxes.inverted().transform(ax.transData.transform([(4, 9), (1, 5)]))
    assert (across["flat"], heights["flat"]) == pytest.approx((1, places[0, 1]))  # at the edge
    assert (across["ends early"], heights["ends early"]) == pytest.approx(tuple(places[1]))


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


def test_lines_are_labelled_at_their_ends_and_the_labels_do_not_overlap():
    curves = {"low": [9.0, 1.0], "next": [8.0, 1.01], "high": [7.0, 6.0]}
    figure = plotting.show_curves(curves, "three lines", yscale="log")
    figure.axes[0].plot([0, 1], [2.0, 2.0])  # without a name
    ax = plotting.label_lines(figure).axes[0]
    heights = {text.get_text(): text.get_position()[1] for text in ax.texts}
    assert list(heights) == ["low", "next", "high"] and ax.get_legend() is None
    assert heights["next"] - heights["low"] >= 0.079 and heights["high"] > heights["next"]
    colors = {line.get_label(): line.get_color() for line in ax.lines}
    assert all(text.get_color() == colors[text.get_text()] for text in ax.texts)
    assert ax.transAxes.transform((0, heights["high"]))[1] == pytest.approx(
        ax.transData.transform((0, 6.0))[1]
    )


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
