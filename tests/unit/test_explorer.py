"""The lambda explorer as an object: each position of its controls against the arrays it was given,
without a browser.
"""

import html
import re
import time
from itertools import product
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from conftest import callback_errors_raise
from matplotlib.text import Text
from scipy import stats
from static_sliders import parts

from tutorial_lib.evaluation.exploration import Exploration
from tutorial_lib.masks import center_mask, half_mask
from tutorial_lib.teaching.plotting import lam_labels, lam_positions, show_over_lam
from tutorial_lib.teaching.widgets import LambdaExplorer

LAMS, STEPS, SIZE = [0.0, 0.001, 0.003, 1.0, 37.0], [0, 1, 4], 16


def made_up(count=2, restarts=2, seed=0, lams=LAMS, steps=STEPS):
    """An exploration of noise: each place of it is different, so a wrong place is found."""
    rng = torch.Generator().manual_seed(seed)
    shape = (count, restarts, len(lams), len(steps))

    def noise(*size):
        return torch.rand(*size, generator=rng) * 2 - 1

    mask = torch.cat([center_mask(size=SIZE), half_mask("left", size=SIZE)])[:count]
    return Exploration(
        [f"noise {seed} {number}" for number in range(count)],
        list(lams),
        list(steps),
        noise(count, 3, SIZE, SIZE) * mask,
        mask,
        noise(*shape, 3, SIZE, SIZE),
        noise(*shape, 3, SIZE, SIZE),
        30 + 20 * noise(*shape),
        noise(*shape),
        2 * noise(*shape),
    )


def pixels(picture):
    """(3, H, W) in [-1, 1] -> uint8 (H, W, 3)."""
    return np.rint((picture.numpy().transpose(1, 2, 0) + 1) / 2 * 255).astype(np.uint8)


def strip(run, row, *rest):
    """What must be on display: corrupted with a gray hole, G(z), completed.

    Gaps of two white pixels; three times as large.
    """
    corrupted = run.corrupted[row].numpy().copy()
    corrupted[:, run.mask[row, 0].numpy() == 0] = 0.2
    parts = [
        pixels(picture)
        for picture in (
            torch.from_numpy(corrupted),
            run.generated[row, *rest],
            run.completed[row, *rest],
        )
    ]
    gap = np.full((SIZE, 2, 3), 255, np.uint8)
    return np.kron(
        np.concatenate([parts[0], gap, parts[1], gap, parts[2]], 1), np.ones((3, 3, 1), np.uint8)
    )


def cells(explorer):
    """The readout as a dictionary."""
    rows = [
        map(html.unescape, re.findall(rf"<{tag}[^>]*>([^<]*)</{tag}>", explorer.readout.value))
        for tag in ("th", "td")
    ]
    return dict(zip(*rows, strict=True))


def panels(explorer):
    """(circle's centers, polyline's points, y ticks as (value, y)) of each panel of the curve, read
    from the SVG.
    """
    svg = ElementTree.fromstring(explorer.curve.value)
    markers = [
        (float(c.get("cx")), float(c.get("cy")))
        for c in svg.iter("circle")
        if c.get("class") == "marker"
    ]
    lines = [
        [tuple(map(float, point.split(","))) for point in line.get("points").split()]
        for line in svg.iter("polyline")
    ]
    ticks = [
        (float(text.text), float(text.get("y")) - 4)
        for text in svg.iter("text")
        if text.get("class") == "y-tick"
    ]
    return list(zip(markers, lines, [ticks[:3], ticks[3:]], strict=True))


@pytest.fixture
def runs():
    return made_up(), made_up(seed=1)


@pytest.fixture
def explorer(runs):
    return LambdaExplorer(*runs)


def test_the_last_iterate_without_a_prior_is_shown_first(explorer, runs):
    assert (
        explorer.lam_slider.label == "0"
        and explorer.step_slider.label == "4"
        and explorer.restart.value == 0
    )
    assert np.array_equal(explorer.array, strip(runs[0], 0, 0, 0, 2))


def test_every_position_of_the_controls_shows_its_pictures_and_numbers(explorer, runs):
    for (number, run), row, restart, lam, step in product(
        enumerate(runs), range(2), range(2), range(5), range(3)
    ):
        explorer.picture.label = f"noise {number} {row}"
        explorer.restart.value, explorer.lam_slider.index, explorer.step_slider.index = (
            restart,
            lam,
            step,
        )
        here = (row, restart, lam, step)
        assert np.array_equal(explorer.array, strip(run, *here))
        said = cells(explorer)
        assert float(said["λ"]) == LAMS[lam] and int(said["iteration"]) == STEPS[step]
        context, prior, logit = (
            values[here].item() for values in (run.context, run.prior, run.logits)
        )
        for name, value, digits in (
            ("context loss", context, 2),
            ("prior loss", prior, 3),
            ("total", context + prior, 2),
            ("D's logit", logit, 2),
            ("D", 1 / (1 + np.exp(-logit)), 2),
        ):
            assert float(said[name]) == pytest.approx(value, abs=0.51 * 10**-digits), name


def test_the_circle_is_at_the_value_on_the_curve(explorer, runs):
    explorer.restart.value, explorer.step_slider.index = 1, 1
    for lam in range(5):
        explorer.lam_slider.index = lam
        for (marker, line, ticks), values in zip(
            panels(explorer), (runs[0].context, runs[0].logits), strict=True
        ):
            values = values[0, 1, :, 1].numpy()
            assert marker == line[lam] and len(line) == 5
            # the ticks say what a height means: read the heights of the line with them
            slope, offset = np.polyfit([y for _, y in ticks], [value for value, _ in ticks], 1)
            heights = np.array([y for _, y in line])
            np.testing.assert_allclose(
                slope * heights + offset, values, atol=0.02 * np.ptp(values) + 0.01
            )
            assert slope < 0, "up is more"


def test_the_axis_is_logarithmic_with_a_place_for_0(explorer):
    (_, line, _), _ = panels(explorer)
    x = np.array([x for x, _ in line])
    decades = np.diff(np.log10(LAMS[1:]))
    np.testing.assert_allclose(np.diff(x[1:]) / decades, np.diff(x[1:])[0] / decades[0], rtol=1e-2)
    assert x[1] - x[0] == pytest.approx(np.diff(x[1:])[0] / decades[0], rel=1e-2), (
        "0 is one decade to the left"
    )
    svg = ElementTree.fromstring(explorer.curve.value)
    labels = {
        text.text: float(text.get("x"))
        for text in svg.iter("text")
        if text.get("class") == "x-tick"
    }
    assert labels["0"] == x[0] and labels["37"] == x[4]
    assert "at λ 0" in svg.get("aria-label")


def test_equal_values_make_a_flat_line(runs):
    run = made_up()
    run.context.fill_(7.0)
    run.logits.zero_()
    for marker, line, _ in panels(LambdaExplorer(run)):
        assert len({y for _, y in line}) == 1 and 0 < marker[1] < 300


def test_lam_alone_may_be_one_value():
    explorer = LambdaExplorer(made_up(lams=[0.5]))
    assert explorer.lam_slider.label == "0.5" and len(panels(explorer)[0][1]) == 1


def test_the_parts_have_the_names_that_the_browser_test_looks_for(explorer):
    assert (
        "lam-slider" in explorer.lam_slider._dom_classes
        and "step-slider" in explorer.step_slider._dom_classes
    )
    assert "explorer-image" in explorer.image._dom_classes
    assert (explorer.play.min, explorer.play.max) == (0, 2)
    assert [label for label, _ in explorer.lam_slider.options] == ["0", "0.001", "0.003", "1", "37"]


def test_a_move_takes_less_than_50_milliseconds():
    """At the size of the notebook; the fastest of several moves, for other programs run beside the
    test.
    """
    run = made_up(lams=[0, 0.001, 0.003, 0.01, 0.1, 1, 3, 10, 37, 100], steps=list(range(11)))
    pictures = (
        x.repeat_interleave(4, -1).repeat_interleave(4, -2)
        for x in (run.corrupted, run.mask, run.generated, run.completed)
    )
    big = Exploration(run.names, run.lams, run.steps, *pictures, run.context, run.prior, run.logits)
    explorer = LambdaExplorer(big)
    for part in (explorer.lam_slider, explorer.step_slider):
        times = []
        for index in (0, 1, 2, 3, 4):
            start = time.perf_counter()
            part.index = index
            times.append(time.perf_counter() - start)
        assert min(times[1:]) < 0.05


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (made_up(lams=LAMS[1:]), "lams"),
        (made_up(steps=[0, 1, 5]), "steps"),
        (made_up(restarts=1), "restarts"),
    ],
)
def test_explorations_that_do_not_fit_together_are_refused(other, what):
    with pytest.raises(ValueError, match=f"differ in {what}"):
        LambdaExplorer(made_up(), other)


def test_nothing_to_explore_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        LambdaExplorer()


class TestErrorsMadeOnPurpose:
    @pytest.fixture(autouse=True)
    def no_silent_widget_errors(self):
        """Not here: the tests look at the errors themselves."""

    @pytest.fixture
    def broken(self, runs):
        explorer = LambdaExplorer(*runs)
        explorer._places.pop()  # the last picture will not be found
        return explorer

    def test_an_error_is_raised_and_shown_until_the_next_move(self, broken):
        with pytest.raises(IndexError):
            broken.picture.index = 3
        assert broken.readout.value.startswith("IndexError: ")
        broken.picture.index = 0
        assert "context loss" in broken.readout.value

    def test_an_error_on_a_message_from_the_browser_is_made_a_failure(self, broken):
        state = {"method": "update", "state": {"index": 3}, "buffer_paths": []}
        with pytest.raises(AssertionError, match="logged, not raised"), callback_errors_raise():
            broken.picture._handle_msg({"content": {"data": state}, "buffers": []})


# ---- the figure beside it ------------------------------------------------------------------------


def test_curves_over_lam_are_means_with_students_intervals():
    values = {"a": torch.arange(15.0).view(3, 5) ** 1.5, "b": torch.ones(1, 5)}
    panels = {"loss": values, "logit": {"a": -values["a"]}}
    figure = show_over_lam(LAMS, panels, "two panels", levels={"logit": {"real": -7.0}})
    left, right = figure.axes
    assert [left.get_ylabel(), right.get_ylabel(), left.get_xlabel(), figure.alt] == [
        "loss",
        "logit",
        r"$\lambda$",
        "two panels",
    ]
    interval = stats.ttest_1samp(values["a"].double(), 0).confidence_interval(0.95)
    wanted = np.stack([interval.low, interval.high], 1)
    a, b = left.containers
    np.testing.assert_allclose(a.lines[0].get_ydata(), values["a"].mean(0), rtol=1e-6)
    np.testing.assert_allclose([bar[:, 1] for bar in a.lines[2][0].get_segments()], wanted)
    assert all(np.ptp(bar[:, 1]) == 0 for bar in b.lines[2][0].get_segments()), "one row, no bar"
    between = (a.lines[0].get_xdata() + b.lines[0].get_xdata()) / 2
    np.testing.assert_allclose(between, lam_positions(LAMS))
    assert [label.get_text() for label in left.get_xticklabels()] == lam_labels(LAMS)
    assert [text.get_text() for text in left.texts] == ["b", "a"], "from below"
    assert right.lines[-1].get_ydata()[0] == -7 and right.texts[0].get_text() == "real"
    with pytest.raises(ValueError, match="one column per lam"):
        show_over_lam(LAMS, {"loss": {"a": torch.ones(5)}}, "wrong shape")


def test_labels_of_curves_that_end_together_stand_apart():
    ends = {name: torch.full((1, 5), 3.0) for name in "abcde"}
    figure = show_over_lam(LAMS, {"loss": ends}, "five equal curves")
    figure.draw_without_rendering()
    boxes = [Text.get_window_extent(text) for text in figure.axes[0].texts]
    boxes.sort(key=lambda box: box.y0)
    assert all(low.y1 <= high.y0 for low, high in zip(boxes, boxes[1:], strict=False))


def test_places_of_lam():
    assert lam_positions([0, 0.01, 1, 100]) == pytest.approx([-3, -2, 0, 2])
    assert lam_positions([0.0]) == [0] and lam_positions([10, 100]) == [1, 2]


def test_the_html_form_shows_what_the_widget_shows():
    one, two = made_up(), made_up(seed=1)
    explorer = LambdaExplorer(one, two)
    page = parts(explorer.html(0, 3, alt="three pictures"))
    assert page.labels == [
        [one.names[0], two.names[1]],
        lam_labels(LAMS),
        [str(step) for step in STEPS],
    ]
    assert page.start == [0, 0, len(STEPS) - 1]
    places = product((0, 3), range(len(LAMS)), range(len(STEPS)))
    for shown, caption, (picture, lam, step) in zip(
        page.frames, page.captions, places, strict=False
    ):
        explorer.picture.index, explorer.lam_slider.index = picture, lam
        explorer.step_slider.index = step
        assert np.array_equal(shown, explorer.array[::3, ::3])
        assert f"iteration {STEPS[step]}: context loss " in caption
        run = (one, two)[picture // 2]
        assert f"context loss {run.context[picture % 2, 0, lam, step]:.2f}," in caption
