"""The widgets as objects, without a browser.

Move them, and compare what a browser would be given.
"""

import io

import numpy as np
import pytest
import torch
from conftest import callback_errors_raise
from matplotlib import colormaps
from PIL import Image
from static_sliders import parts

from tutorial_lib.masks import FAMILIES, HOLE_GRAY, center_mask, corrupt, make_masks
from tutorial_lib.teaching.plotting import spotlight
from tutorial_lib.teaching.widgets import (
    WINDOWS,
    FrameSlider,
    LivePreview,
    PathSlider,
    WindowSlider,
    encode_png,
)


def pictures(count, seed=0, size=16):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def pixels(picture):
    """(3, H, W) in [-1, 1] -> uint8 (H, W, 3), written once more than in the library."""
    return np.rint((picture.double().numpy().transpose(1, 2, 0) + 1) / 2 * 255).astype(np.uint8)


def enlarged(array, times):
    return np.kron(array, np.ones((times, times, 1), array.dtype))


def weights_by_loops(mask, window):
    """Eq. 3 for a (H, W) mask, pixel by pixel."""
    height, width = mask.shape
    weights, reach = np.zeros((height, width)), window // 2
    for i in range(height):
        for j in range(width):
            inside = [
                (k, m)
                for k in range(i - reach, i + reach + 1)
                for m in range(j - reach, j + reach + 1)
                if 0 <= k < height and 0 <= m < width
            ]
            weights[i, j] = mask[i, j] * sum(1 - mask[k, m] for k, m in inside) / len(inside)
    return weights


@pytest.fixture
def frames():
    return list(np.random.default_rng(0).integers(0, 256, (4, 6, 5, 3), dtype=np.uint8))


# ---- FrameSlider ---------------------------------------------------------------------------------


def test_the_first_frame_is_on_display_and_moving_shows_the_others(frames):
    slider = FrameSlider(
        frames, ["a", "b", "c", "d"], "letter", captions=["one", "two", "three", "four"]
    )
    assert slider.slider.label == "a" and slider.caption.value == "one"
    assert np.array_equal(slider.array, frames[0])
    for index in (2, 3, 1, 0):
        slider.slider.index = index
        assert np.array_equal(slider.array, frames[index])
        assert slider.caption.value == ["one", "two", "three", "four"][index]


def test_a_frame_slider_can_be_moved_by_label_and_has_no_caption_unless_given(frames):
    slider = FrameSlider(frames, [10, 20, 30, 40], "step")
    slider.slider.label = "30"
    assert np.array_equal(slider.array, frames[2]) and slider.caption.value == ""


def test_what_the_browser_gets_is_a_png_of_the_frame(frames):
    slider = FrameSlider(frames, list("abcd"), "letter")
    assert slider.image.format == "png" and slider.image.value == encode_png(frames[0])
    with Image.open(io.BytesIO(slider.image.value)) as image:
        assert image.format == "PNG" and image.mode == "RGB" and image.size == (5, 6)


def test_the_play_button_is_there_when_asked_for(frames):
    slider = FrameSlider(frames, list("abcd"), "letter", play=True)
    assert (slider.play.min, slider.play.max) == (0, 3)
    assert slider.play in slider.box.children[0].children
    assert not hasattr(FrameSlider(frames, list("abcd"), "letter"), "play")


def test_the_width_is_the_picture_s_own_unless_given(frames):
    assert FrameSlider(frames, list("abcd"), "letter").image.width == "5"
    assert FrameSlider(frames, list("abcd"), "letter", width=80).image.width == "80"


@pytest.mark.parametrize(
    ("count", "labels", "captions"),
    [(4, "abc", None), (3, "abcd", None), (4, "abcd", ["one"]), (0, "", None)],
)
def test_frames_labels_and_captions_must_be_equally_many(frames, count, labels, captions):
    with pytest.raises(ValueError, match="each frame needs a label"):
        FrameSlider(frames[:count], list(labels), "letter", captions=captions)


class TestErrorsMadeOnPurpose:
    @pytest.fixture(autouse=True)
    def no_silent_widget_errors(self):
        """Not here: the tests look at the errors themselves."""

    @pytest.fixture
    def broken(self, frames):
        slider = FrameSlider(frames, list("abcd"), "letter")
        slider.captions.pop()  # observe will not find the last one
        return slider

    def test_python_sees_an_error_while_moving(self, broken):
        with pytest.raises(IndexError):
            broken.slider.index = 3

    def test_the_reader_sees_it_in_the_widget(self, broken):
        with pytest.raises(IndexError):
            broken.slider.index = 3
        assert broken.caption.value.startswith("IndexError: ")
        broken.slider.index = 1
        assert broken.caption.value == ""

    def test_an_error_on_a_message_from_the_browser_is_logged_and_made_a_failure(self, broken):
        with pytest.raises(AssertionError, match="logged, not raised"), callback_errors_raise():
            send_index(broken.slider, 3)


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


def test_a_message_from_the_browser_moves_the_slider(frames):
    slider = FrameSlider(frames, list("abcd"), "letter")
    send_index(slider.slider, 2)
    assert np.array_equal(slider.array, frames[2])


# ---- WindowSlider --------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_the_weights_equal_brute_force(family):
    mask = make_masks(family, size=16)
    slider = WindowSlider(mask, windows=(3, 7, 15))
    for window, weights in zip((3, 7, 15), slider.weights, strict=True):
        assert np.allclose(weights.numpy(), weights_by_loops(mask[0, 0].numpy(), window), atol=1e-6)


def test_moving_the_window_shows_the_map_of_that_window():
    mask = center_mask(size=16)
    slider = WindowSlider(mask, windows=(3, 7, 15))
    assert slider.slider.label == "7"
    for index, window in ((0, 3), (2, 15), (1, 7)):
        slider.slider.index = index
        weights = weights_by_loops(mask[0, 0].numpy(), window)
        expected = np.rint(colormaps["viridis"](weights.astype(np.float32))[..., :3] * 255).astype(
            np.uint8
        )
        assert np.array_equal(slider.array, enlarged(expected, 4))
        assert slider.caption.value == (
            f"window {window}: {(weights > 0).sum()} pixels count, sum of W {weights.sum():.0f}"
        )


def test_the_window_slider_of_notebook_04():
    slider = WindowSlider(center_mask())
    assert [label for label, _ in slider.slider.options] == [str(window) for window in WINDOWS]
    assert (
        slider.slider.label == "7"
        and slider.caption.value == "window 7: 420 pixels count, sum of W 107"
    )
    slider.slider.label = "15"
    assert slider.caption.value == "window 15: 1092 pixels count, sum of W 225"
    assert slider.array.shape == (256, 256, 3)
    # the classes by which the browser test finds the parts
    assert (
        "window-slider" in slider.slider._dom_classes
        and "window-image" in slider.image._dom_classes
    )


def test_a_photograph_is_lit_by_the_weights_of_the_window():
    image, mask = pictures(1, size=16), center_mask(size=16)
    slider = WindowSlider(mask, (3, 7), image)
    weights = torch.from_numpy(weights_by_loops(mask[0, 0].numpy(), 7)).float()
    lit = spotlight(corrupt(image, mask, HOLE_GRAY), weights[None, None])
    assert np.array_equal(slider.array, enlarged(pixels(lit[0]), 4))
    assert slider.caption.value.startswith("window 7: ")


def test_without_7_the_first_window_is_shown():
    assert WindowSlider(center_mask(size=16), windows=(3, 5)).slider.label == "3"


@pytest.mark.parametrize(
    ("mask", "windows", "problem"),
    [
        (center_mask(size=16), (3, 4), "window must be odd"),
        (torch.ones(1, 1, 16, 16), (3, 7), "no hole"),
        (torch.zeros(16, 16), (3, 7), "shape"),
        (center_mask(size=16), (), "each frame needs a label"),
    ],
)
def test_what_is_no_mask_or_window_is_refused(mask, windows, problem):
    with pytest.raises(ValueError, match=problem):
        WindowSlider(mask, windows)


# ---- PathSlider ----------------------------------------------------------------------------------


def test_a_path_shows_the_picture_of_each_step():
    path = pictures(3)
    slider = PathSlider(path, [0, 10, 100], torch.tensor([30.0, 21.25, 9.96]))
    assert slider.slider.label == "0"
    for index, (step, loss) in enumerate(((0, "30.0"), (10, "21.2"), (100, "10.0"))):
        slider.slider.index = index
        assert np.array_equal(slider.array, enlarged(pixels(path[index]), 4))
        assert (
            slider.slider.label == str(step)
            and slider.caption.value == f"after {step} steps: total loss {loss}"
        )
    assert slider.play.max == 2


@pytest.mark.parametrize(
    ("steps", "losses"), [([0, 1], [3.0, 2.0, 1.0]), ([0, 1, 2], [3.0, 2.0]), ([0, 1], [3.0, 2.0])]
)
def test_a_path_needs_a_step_and_a_loss_for_each_picture(steps, losses):
    with pytest.raises(ValueError):
        PathSlider(pictures(3), steps, losses)


# ---- LivePreview ---------------------------------------------------------------------------------


def test_a_preview_shows_the_latest_samples_and_keeps_the_earlier_ones():
    preview = LivePreview(columns=2, count=4)
    assert preview.history == [] and "waiting" in preview.caption.value
    for step in (0, 50):
        samples = pictures(6, seed=step)
        preview(step, samples)
        shown = np.asarray(Image.open(io.BytesIO(preview.image.value)))
        assert shown.shape == (34, 34, 3)  # two rows and columns of 16 pixels and a gap of 2
        for place, (top, left) in enumerate(((0, 0), (0, 18), (18, 0), (18, 18))):
            assert np.array_equal(shown[top : top + 16, left : left + 16], pixels(samples[place]))
        assert str(step) in preview.caption.value
    assert [step for step, _ in preview.history] == [0, 50] and preview.history[0][1].shape == (
        4,
        3,
        16,
        16,
    )


@pytest.mark.parametrize(
    "slider",
    [
        lambda: WindowSlider(center_mask(size=16), (3, 7, 9), pictures(1)),
        lambda: PathSlider(pictures(3), [0, 5, 20], [3.0, 2.0, 1.0]),
    ],
)
def test_the_html_form_has_the_same_frames_names_and_start(slider):
    slider = slider()
    page = parts(slider.html("what it shows"))
    assert page.labels == [[label for label, _ in slider.slider.options]]
    assert page.start == [slider.slider.index] and page.captions == slider.captions
    for shown, frame in zip(page.frames, slider.frames, strict=True):
        assert np.array_equal(enlarged(shown, 4), frame)
