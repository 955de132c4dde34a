"""The map as a figure and as a widget.

Pictures, places and the ring are where the embedding's numbers say.
"""

import io
from itertools import combinations

import numpy as np
import pytest
import torch
from conftest import callback_errors_raise
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from PIL import Image
from static_sliders import parts

from tutorial_lib.teaching import plotting
from tutorial_lib.teaching.manifold import Embedding
from tutorial_lib.teaching.widgets import ManifoldWalk
from tutorial_lib.teaching.widgets.frames import decode_png

STEPS = [0, 1, 3, 9, 27]
NAMES = ["one", "two", "three"]
GREEN = (0, 255, 0)


def pictures(*shape, seed=0):
    return torch.rand(*shape, 3, 16, 16, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def pixels(picture):
    """(3, H, W) in [-1, 1] -> uint8 (H, W, 3), written once more than in the library."""
    return np.rint((picture.double().numpy().transpose(1, 2, 0) + 1) / 2 * 255).astype(np.uint8)


def enlarged(array, times):
    return np.kron(array, np.ones((times, times, 1), array.dtype))


@pytest.fixture(scope="module")
def atlas():
    random = np.random.default_rng(0)
    samples, paths = (
        random.uniform(-40, 40, (60, 2)),
        [random.uniform(-40, 40, (len(STEPS), 2)) for _ in NAMES],
    )
    samples[0] = paths[1][
        3
    ]  # a sample under a point of a path, with a picture that is told by its color
    return Embedding(
        samples,
        tuple(paths),
        np.zeros((60, 1)),
        tuple(np.zeros((len(STEPS), 1)) for _ in NAMES),
        1.0,
        0.9,
    )


@pytest.fixture(scope="module")
def samples():
    made = pictures(60, seed=1) * 0.5
    made[0] = torch.tensor([-1.0, 1, -1]).view(3, 1, 1)  # pure green
    return made


@pytest.fixture(scope="module")
def walks():
    return {name: pictures(len(STEPS), seed=5 + number) for number, name in enumerate(NAMES)}


@pytest.fixture
def walker(atlas, samples, walks):
    completed = {name: -each for name, each in walks.items()}
    return ManifoldWalk(atlas, samples, walks, STEPS, completed)


def ring_center(walker):
    """The middle, (column, row), of what has the ring's color on the map."""
    color = np.round(np.array(to_rgb(plotting.COLORS[0])) * 255)
    ring = (decode_png(walker.map_image.value) == color).all(axis=2)
    rows, columns = np.flatnonzero(ring.any(axis=1)), np.flatnonzero(ring.any(axis=0))
    return np.array([columns[0] + columns[-1], rows[0] + rows[-1]]) / 2


# ---- the figure ----------------------------------------------------------------------------------


def drawn_pixels(figure):
    """The figure as a reader sees it, uint8 (H, W, 3)."""
    return np.asarray(Image.open(io.BytesIO(plotting.figure_png(figure))).convert("RGB"))


def test_a_map_shows_pictures_pixel_for_pixel_at_their_places_without_an_overlap(atlas, samples):
    figure, ax = plotting.map_axes("a map", atlas, 300)
    plotting.draw_samples(ax, atlas, samples)
    seen = drawn_pixels(figure)
    to_map, boxes = ax.transData.inverted(), []
    for picture in ax.images:
        left, right, bottom, top = picture.get_extent()
        corners = ax.transData.transform([(left, bottom), (right, top)])
        column, row = round(corners[0, 0]), seen.shape[0] - round(corners[1, 1])
        number = np.abs(atlas.samples - to_map.transform(corners.mean(0))).sum(1).argmin()
        assert np.abs(ax.transData.transform(atlas.samples[number]) - corners.mean(0)).max() <= 0.51
        shown = seen[row : row + 16, column : column + 16]
        np.testing.assert_array_equal(shown, pixels(samples[number]))
        boxes.append((column, row))
    assert len(boxes) > 10
    for one, two in combinations(boxes, 2):
        assert max(abs(one[0] - two[0]), abs(one[1] - two[1])) >= 16
    np.testing.assert_allclose(ax.collections[0].get_offsets(), atlas.samples)
    assert "no unit" in ax.get_xlabel() and "no unit" in ax.get_ylabel()


def test_a_map_draws_a_path_from_a_circle_to_a_star_with_its_labels(atlas, samples):
    beside = pictures(3, seed=9)
    marked = {"z(0)": 0, "z(k)": 1, "z_hat": -1}
    figure = plotting.show_map(atlas, "one path", samples, 2, marked, beside, side=300)
    ax, path = figure.axes[0], atlas.paths[2]
    single = {
        line.get_marker(): line.get_xydata()[0] for line in ax.lines if len(line.get_xydata()) == 1
    }
    np.testing.assert_allclose([single["o"], single["D"], single["*"]], path[[0, 1, -1]])
    (whole,) = [line for line in ax.lines if len(line.get_xydata()) > 1]
    np.testing.assert_allclose(whole.get_xydata(), path)
    for text in ax.texts:
        np.testing.assert_allclose(text.xy, path[marked[text.get_text()]])
    assert [text.get_text() for text in figure.texts] == list(marked)
    seen = drawn_pixels(figure)
    for number, picture in enumerate(beside):
        top = 26 + number * (48 + 26)
        shown = seen[top : top + 48, -48:]
        np.testing.assert_array_equal(shown, enlarged(pixels(picture), 3))


def test_a_map_needs_a_picture_a_sample_and_an_image_a_label(atlas, samples):
    with pytest.raises(ValueError, match="each sample needs its picture"):
        plotting.show_map(atlas, "", samples[:5], 0, {"z(0)": 0}, samples[:1])
    with pytest.raises(ValueError, match="each label needs its image"):
        plotting.show_map(atlas, "", samples, 0, {"z(0)": 0}, samples[:2])


def test_dots_are_colored_on_one_scale_under_their_paths(atlas):
    values = torch.linspace(-1, 1, 60)
    maps = {"left": (atlas.samples, atlas.paths[:2]), "right": (-atlas.samples, [])}
    figure = plotting.show_dot_maps(maps, values, "two maps", "brightness")
    for ax, (title, (places, paths)) in zip(figure.axes, maps.items(), strict=False):
        np.testing.assert_allclose(ax.collections[0].get_offsets(), places)
        np.testing.assert_allclose(ax.collections[0].get_array(), values)
        walked = [line.get_xydata() for line in ax.lines if len(line.get_xydata()) > 1]
        assert ax.get_title() == title and len(walked) == len(paths)
        for line, path in zip(walked, paths, strict=True):
            np.testing.assert_allclose(line, path)
    assert len(figure.axes) == 3 and figure.axes[2].get_ylabel() == "brightness"


# ---- the widget ----------------------------------------------------------------------------------


def test_each_step_of_each_walk_shows_its_pictures(walker, walks):
    for number, name in enumerate(NAMES):
        walker.start.value = number
        for point in (4, 0, 2, 1, 3):
            walker.slider.index = point
            assert np.array_equal(walker.array, enlarged(pixels(walks[name][point]), 4))
            assert np.array_equal(
                decode_png(walker.completed_image.value), enlarged(pixels(-walks[name][point]), 4)
            )
            assert walker.caption.value == f"{name}, after {STEPS[point]} steps"
            assert walker.slider.label == str(STEPS[point])


def test_another_walk_is_shown_at_the_same_step(walker, walks):
    walker.slider.label = "9"
    walker.start.label = "three"
    assert np.array_equal(walker.array, enlarged(pixels(walks["three"][3]), 4))


def test_the_ring_is_around_the_sample_that_lies_there(walker):
    """The pure green thumbnail was drawn by matplotlib at the fourth point of the second walk, the
    ring by Pillow.
    """
    walker.start.value, walker.slider.index = 1, 3
    green = (np.abs(walker.maps[1].astype(int) - GREEN) < 30).all(axis=2)
    rows, columns = np.nonzero(green)
    assert len(rows) > 20
    thumbnail = np.array([columns.min() + columns.max(), rows.min() + rows.max()]) / 2
    assert np.abs(ring_center(walker) - thumbnail).max() <= 1.5


def test_the_ring_moves_as_the_embedding_does(walker, atlas):
    """One scale for both axes, columns to the right and rows downwards.

    Fitted on one walk, it holds for the others.
    """

    def centers(number):
        walker.start.value = number
        found = []
        for point in range(len(STEPS)):
            walker.slider.index = point
            found.append(ring_center(walker))
        return np.array(found)

    (scale_x, shift_x), (scale_y, shift_y) = (
        np.polyfit(atlas.paths[0][:, axis], centers(0)[:, axis], 1) for axis in range(2)
    )
    assert scale_x == pytest.approx(-scale_y, rel=0.01) and scale_x > 0
    for number in (1, 2):
        expected = atlas.paths[number] * [scale_x, scale_y] + [shift_x, shift_y]
        assert np.abs(centers(number) - expected).max() <= 1.5


def test_each_map_shows_its_own_path_from_z_0_to_z_hat(walker):
    color = np.round(np.array(to_rgb(plotting.COLORS[1])) * 255)
    for number, places in enumerate(walker.pixels):
        on_path = (np.abs(walker.maps[number] - color) < 3).all(axis=2)
        for other, points in enumerate(walker.pixels):
            seen = [on_path[int(row), int(column)] for column, row in points]
            assert all(seen) if other == number else not all(seen)
        assert len(places) == len(STEPS)


def test_moving_draws_no_figure(walker, monkeypatch):
    def drawn(*_):
        raise AssertionError("a figure was drawn while the slider moved")

    monkeypatch.setattr(FigureCanvasAgg, "draw", drawn)
    monkeypatch.setattr(FigureCanvasAgg, "buffer_rgba", drawn)
    before = decode_png(walker.map_image.value)
    walker.slider.index = 4
    walker.start.value = 2
    assert not np.array_equal(decode_png(walker.map_image.value), before)


def test_what_the_browser_gets_are_pngs_with_names_for_css(walker):
    parts = {
        "walk-picture": walker.image,
        "walk-completed": walker.completed_image,
        "walk-map": walker.map_image,
    }
    for name, part in parts.items():
        assert name in part._dom_classes and Image.open(io.BytesIO(part.value)).format == "PNG"
    assert "walk-slider" in walker.slider._dom_classes and "walk-start" in walker.start._dom_classes
    assert (walker.play.min, walker.play.max) == (0, 4) and "walk-play" in walker.play._dom_classes


def test_completed_pictures_and_losses_may_be_left_out(atlas, samples, walks):
    plain = ManifoldWalk(atlas, samples, walks, STEPS)
    plain.slider.index = 1
    assert plain.caption.value == "one, after 1 steps" and plain.completed_image.value == b""
    assert plain.completed_image not in plain.box.children[2].children[1].children


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda given: given["walks"].pop("one"), "walks must hold a picture for each point"),
        (
            lambda given: given["walks"].update(one=pictures(4)),
            "walks must hold a picture for each point",
        ),
        (lambda given: given.update(completed={"one": pictures(5)}), "completed must hold"),
        (lambda given: given["steps"].pop(), "needs its step"),
        (lambda given: given.update(samples=pictures(3)), "each sample needs its picture"),
    ],
)
def test_what_does_not_fit_together_is_refused(atlas, samples, walks, change, problem):
    given = {"samples": samples, "walks": dict(walks), "steps": list(STEPS)}
    change(given)
    with pytest.raises(ValueError, match=problem):
        ManifoldWalk(atlas, **given)


class TestErrorsMadeOnPurpose:
    @pytest.fixture(autouse=True)
    def no_silent_widget_errors(self):
        """Not here: the tests look at the errors themselves."""

    def test_the_reader_sees_an_error_and_python_gets_it(self, walker):
        walker.pixels[0] = walker.pixels[0][:2]  # observe will not find the later ones
        with pytest.raises(IndexError):
            walker.slider.index = 3
        assert walker.caption.value.startswith("IndexError: ")
        walker.slider.index = 1
        assert walker.caption.value.startswith("one, after 1 steps")

    def test_an_error_on_a_message_from_the_browser_is_made_a_failure(self, walker):
        walker.pixels[0] = walker.pixels[0][:2]
        with pytest.raises(AssertionError, match="logged, not raised"), callback_errors_raise():
            send_index(walker.slider, 4)


def send_index(slider, index):
    """What a browser sends when its user moves the handle."""
    slider._handle_msg(
        {
            "content": {
                "data": {"method": "update", "state": {"index": index}, "buffer_paths": []}
            },
            "buffers": [],
        }
    )


def test_a_message_from_the_browser_moves_the_walk(walker, walks):
    send_index(walker.slider, 2)
    assert np.array_equal(walker.array, enlarged(pixels(walks["one"][2]), 4))
    send_index(walker.start, 1)
    assert np.array_equal(walker.array, enlarged(pixels(walks["two"][2]), 4))


def test_the_html_form_has_each_step_and_a_ring_on_the_path(walker):
    page = parts(walker.html("a map and two pictures", path=1))
    assert page.labels == [[str(step) for step in STEPS]]
    height, width = walker.maps[1].shape[:2]
    walker.start.value = 1
    for point, (shown, mark) in enumerate(zip(page.frames, page.marks, strict=True)):
        walker.slider.value = point
        assert page.captions[point] == walker.caption.value
        both = np.concatenate([walker.array, decode_png(walker.completed_image.value)])
        assert np.array_equal(enlarged(shown, 4), both)
        assert np.abs(np.array(mark) * (width, height) - walker.pixels[1][point]).max() < 0.1
