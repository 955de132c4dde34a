"""The hole filler without a browser, on a generator small enough to search in a moment."""

import _thread
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from matplotlib import cbook
from torch import nn

from tutorial_lib.faces import align
from tutorial_lib.images import load_picture, to_uint8
from tutorial_lib.inpainting.latent_search import SearchSettings
from tutorial_lib.inpainting.pipeline import initial_z, inpaint
from tutorial_lib.inpainting.put_back import hole_in_photo, put_back
from tutorial_lib.masks import center_mask, corrupt, rectangle_mask
from tutorial_lib.models.latent_model import uniform_latent_model
from tutorial_lib.teaching.widgets import HoleFiller, filler

SIDE = 16
SHORT = SearchSettings(steps=12, lam=0.0)
LONG = replace(SHORT, steps=10**7)


class Plain(nn.Module):
    """A code's picture by one matrix; what was asked of it is counted, and it fails when it is told
    to.
    """

    def __init__(self, size=SIDE):
        super().__init__()
        self.matrix = nn.Parameter(
            torch.randn(5, 3 * size * size, generator=torch.Generator().manual_seed(0))
        )
        self.size, self.failure = size, None

    def forward(self, z):
        if self.failure is not None:
            raise self.failure
        return torch.tanh(z @ self.matrix).view(-1, 3, self.size, self.size)


def model(size=SIDE):
    return uniform_latent_model(Plain(size), None, z_dim=5)


def picture(seed=0, size=SIDE):
    return torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


CENTER = center_mask(size=SIDE)


def make(mask=CENTER, how=SHORT, **options):
    return HoleFiller(model(), picture(), mask, how, **options)


@pytest.fixture
def starts(monkeypatch):
    """The initial z of each search."""
    seen, real = [], filler.LatentSearch

    def search(images, mask, gan, z0, *arguments, **options):
        seen.append(z0.clone())
        return real(images, mask, gan, z0, *arguments, **options)

    monkeypatch.setattr(filler, "LatentSearch", search)
    return seen


def wait_for(holds):
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.005)


# ---- what comes out ------------------------------------------------------------------------------


@pytest.mark.parametrize(("restarts", "seed"), [(1, 0), (4, 3)])
def test_the_result_is_that_of_inpaint(restarts, seed):
    made, mask = make(restarts=restarts, seed=seed), center_mask(size=SIDE)
    made.fill(wait=True)
    expected = inpaint(
        picture(), mask, model(), settings=SHORT, restarts=restarts, seed=seed, progress=False
    )
    torch.testing.assert_close(made.result, expected.completed)
    assert made.loss == pytest.approx(expected.restart_losses.min().item(), rel=1e-5)
    assert torch.equal(made.mask, mask) and made.z.shape == (restarts, 5)
    assert np.array_equal(made.array, to_uint8(made.result)[0])
    assert (
        made.message.value.startswith("filled after 12 steps")
        and made.progress.value == made.progress.max == 12
    )


@settings(max_examples=20)
@given(arrays(np.bool_, (SIDE, SIDE)).filter(lambda mask: 0 < mask.sum() < mask.size))
def test_known_pixels_stay_bit_for_bit_and_the_hole_s_are_never_read(known):
    mask = torch.from_numpy(known)[None, None].float()
    results = []
    for hidden in (picture(), torch.where(mask > 0, picture(), 0.5)):
        made = HoleFiller(model(), hidden, mask, SHORT, restarts=2)
        made.fill(wait=True)
        results.append(made.result)
    assert torch.equal(results[0][:, :, known], picture()[:, :, known])
    assert torch.equal(results[0], results[1])


def test_every_picture_shown_on_the_way_keeps_what_is_known():
    made, frames = make(how=replace(SHORT, steps=40)), []
    made.picture.observe(lambda change: frames.append(made.array), names="value")
    made.fill(wait=True)
    assert len(frames) >= 5
    known = center_mask(size=SIDE)[0, 0].bool().numpy()
    for frame in frames:
        assert np.array_equal(frame[known], to_uint8(picture())[0][known])
    assert len({frame.tobytes() for frame in frames}) > 3


# ---- where a search begins -----------------------------------------------------------------------


def test_after_a_changed_hole_the_search_goes_on_from_the_last_codes(starts):
    made = make(seed=2)
    made.fill(wait=True)
    assert torch.equal(starts[0], initial_z(model(), 1, 4, seed=2))
    ended = made.z
    assert not torch.equal(ended, starts[0])
    made.painter.mask = rectangle_mask(0, 0, 5, 9, size=SIDE)
    made.fill(wait=True)
    assert torch.equal(starts[1], ended) and torch.equal(made.mask, made.painter.mask)


def test_filling_the_same_hole_again_never_makes_it_worse():
    made, losses = make(), []
    for _ in range(4):
        made.fill(wait=True)
        losses.append(made.loss)
    assert losses == sorted(losses, reverse=True) and losses[-1] < losses[0]


def test_a_new_start_and_a_new_picture_begin_with_a_new_initial_z(starts):
    made = make()
    made.fill(wait=True)
    made.new_start()
    made.fill(wait=True)
    made.painter.set_image(picture(5))
    assert made.result is None and made.mask is None and made.z is None
    made.fill(wait=True)
    for codes, seed in zip(starts, (0, 1, 1), strict=True):
        assert torch.equal(codes, initial_z(model(), 1, 4, seed=seed))
    assert not torch.equal(starts[0], starts[1])
    assert torch.equal(made.result * made.mask, picture(5) * made.mask)


@pytest.fixture(scope="module")
def hopper():
    with cbook.get_sample_data("grace_hopper.jpg") as file:
        return file.read()


def test_a_photo_takes_the_place_of_the_picture(hopper):
    photo = hopper
    made = HoleFiller(model(64), picture(size=64), center_mask(), SHORT)
    made.fill(wait=True)
    assert made.painter.load(photo)
    assert made.result is None
    assert np.array_equal(
        made.array, to_uint8(corrupt(align(load_picture(photo)).pixels, center_mask(), 0.2))[0]
    )


# ---- the photo at its own size -------------------------------------------------------------------


def test_the_filled_photo_is_saved_at_its_own_size(hopper, monkeypatch):
    made, saved = HoleFiller(model(64), picture(size=64), center_mask(), SHORT), []
    monkeypatch.setattr(made.painter, "download", lambda *file: saved.append(file))
    assert made.painter.load(hopper) and made.save_button.disabled
    made.fill(wait=True)
    assert not made.save_button.disabled
    made.save_button.click()
    ((content, name, kind),) = saved
    assert (
        name == "filled.png"
        and kind == "image/png"
        and made.message.value == "saved as filled.png, 512x600"
    )
    photo, transform = load_picture(hopper), made.painter.transform
    expected = put_back(photo, made.result, center_mask(), transform)
    assert load_picture(content) == expected == made.filled_photo()
    changed = (np.asarray(expected) != np.asarray(photo)).any(-1)
    hole = hole_in_photo(center_mask(), transform)
    assert not changed[~hole].any() and changed[hole].mean() > 0.9


def test_the_hole_that_was_filled_is_put_back_whatever_is_painted_since(hopper):
    made = HoleFiller(model(64), picture(size=64), center_mask(), SHORT)
    made.painter.load(hopper)
    made.fill(wait=True)
    before = made.filled_photo()
    made.painter.mask = rectangle_mask(0, 0, 9, 9)
    assert made.filled_photo() == before


def test_without_a_photo_or_a_result_there_is_nothing_to_save(hopper):
    made = HoleFiller(model(64), picture(size=64), center_mask(), SHORT)
    made.fill(wait=True)
    assert made.save_button.disabled
    with pytest.raises(ValueError, match="not taken from a photo"):
        made.filled_photo()
    made.painter.load(hopper)
    with pytest.raises(ValueError, match="nothing is filled yet"):
        made.filled_photo()
    made.fill(wait=True)
    made.painter.set_image(picture(size=64))
    made.fill(wait=True)
    assert made.save_button.disabled


def test_nothing_is_saved_while_a_search_runs(hopper):
    made = HoleFiller(model(64), picture(size=64), center_mask(), LONG)
    made.painter.load(hopper)
    made.fill()
    wait_for(lambda: made.message.value.startswith("step "))
    made.stop()
    made.wait()
    assert not made.save_button.disabled
    made.fill()
    assert made.save_button.disabled
    made.stop()
    made.wait()


# ---- buttons, stop, two at once ------------------------------------------------------------------


def test_the_painted_hole_is_shown_until_it_is_filled_and_then_the_result_stays():
    made = make()
    assert np.array_equal(made.array, to_uint8(corrupt(picture(), center_mask(size=SIDE), 0.2))[0])
    other = rectangle_mask(1, 2, 3, 4, size=SIDE)
    made.painter.mask = other
    assert np.array_equal(made.array, to_uint8(corrupt(picture(), other, 0.2))[0])
    made.fill(wait=True)
    made.painter.mask = center_mask(size=SIDE)
    assert np.array_equal(made.array, to_uint8(made.result)[0])


def test_without_a_hole_filling_says_so():
    made = make(mask=None)
    with pytest.raises(ValueError, match="paint a hole first"):
        made.fill()
    made.fill_button.click()
    assert (
        made.message.value.startswith("paint a hole first")
        and not made.running
        and made.result is None
    )
    made.new_button.click()
    assert made.message.value.startswith("paint a hole first")


def test_stop_keeps_what_was_found():
    made = make(how=LONG)
    made.fill_button.click()
    wait_for(lambda: made.message.value.startswith("step "))
    assert (
        made.running
        and made.fill_button.disabled
        and made.new_button.disabled
        and not made.stop_button.disabled
    )
    made.stop_button.click()
    made.wait()
    assert made.message.value.startswith("stopped after") and not made.running
    assert (
        not made.fill_button.disabled and not made.new_button.disabled and made.stop_button.disabled
    )
    assert np.array_equal(made.array, to_uint8(made.result)[0])
    assert torch.equal(made.result * made.mask, picture() * made.mask)


def test_two_searches_never_run_at_once(starts):
    made = make(how=LONG)
    made.fill()
    for again in (made.fill, made.new_start):
        with pytest.raises(RuntimeError, match="a search is running"):
            again()
    made.stop()
    made.wait()
    assert len(starts) == 1


def test_a_new_picture_ends_the_search_on_the_old_one():
    made = make(how=LONG)
    made.fill()
    wait_for(lambda: made.message.value.startswith("step "))
    made.painter.set_image(picture(7))
    assert not made.running and made.result is None and made.z is None
    assert np.array_equal(made.array, to_uint8(corrupt(picture(7), center_mask(size=SIDE), 0.2))[0])


def test_the_page_may_change_the_hole_while_it_searches():
    made = make(how=LONG)
    made.fill()
    wait_for(lambda: made.message.value.startswith("step "))
    made.painter.mask = rectangle_mask(0, 0, 2, 2, size=SIDE)
    made.stop()
    made.wait()
    assert torch.equal(made.mask, center_mask(size=SIDE)), "the hole that the search was for"


def test_interrupting_the_kernel_while_it_waits_stops_the_search():
    made = make(how=LONG)
    made.fill()
    wait_for(lambda: made.message.value.startswith("step "))
    threading.Timer(0.1, _thread.interrupt_main).start()  # as Ctrl-C
    made.wait()
    assert (
        not made.running
        and made.message.value.startswith("stopped after")
        and made.result is not None
    )


def test_when_an_interrupted_wait_returns_the_search_has_ended():
    """`Thread.join`, once interrupted, takes the thread for finished in Python 3.11 and 3.12."""
    made, steps = make(how=LONG), []
    made.gan.generator.register_forward_hook(lambda *_: steps.append(time.sleep(0.02)))
    for _ in range(2):
        made.fill()
        wait_for(lambda: made.message.value.startswith("step "))
        threading.Timer(0.1, _thread.interrupt_main).start()
        made.wait()
        done = len(steps)
        time.sleep(0.1)
        assert len(steps) == done and not made.running


# ---- errors --------------------------------------------------------------------------------------


def test_a_thread_that_cannot_start_leaves_the_filler_as_it_was(monkeypatch):
    made = make()

    def start(self):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as broken:
        broken.setattr(threading.Thread, "start", start)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            made.fill()
    assert not made.running and not made.fill_button.disabled and made.stop_button.disabled
    made.wait()  # there is nothing to wait for
    made.fill(wait=True)
    assert made.message.value.startswith("filled")


def test_an_error_in_the_search_is_shown_and_raised_to_who_waits():
    made = make()
    made.gan.generator.failure = OSError("the disk is gone")
    with pytest.raises(OSError, match="the disk is gone"):
        made.fill(wait=True)
    assert made.message.value == "OSError: the disk is gone" and made.result is None
    assert not made.running and not made.fill_button.disabled
    made.wait()  # raised once
    made.gan.generator.failure = None
    made.fill(wait=True)
    assert made.message.value.startswith("filled")


def test_a_picture_of_another_size_than_the_model_s_is_said():
    with pytest.raises(ValueError, match="makes pictures of 16x16 pixels, the one given has 32x32"):
        HoleFiller(model(), picture(size=32), center_mask(size=32), SHORT)
    made = make()
    made.painter.set_image(picture(size=32))
    made.painter.mask = center_mask(size=32)
    made.fill_button.click()
    assert "makes pictures of 16x16" in made.message.value and not made.running


@pytest.mark.parametrize(
    ("options", "problem"),
    [({"restarts": 0}, "at least 1"), ({"mask": torch.ones(1, 1, SIDE, SIDE)}, "no hole")],
)
def test_bad_input_is_refused(options, problem):
    with pytest.raises(ValueError, match=problem):
        make(**options)


class TestErrorsMadeOnPurpose:
    @pytest.fixture(autouse=True)
    def no_silent_widget_errors(self):
        """Not here: the error itself is looked at."""

    def test_an_error_behind_a_button_is_shown(self):
        made = make()
        made.restarts = "four"
        with pytest.raises(TypeError):
            made._on_fill(None)
        assert made.message.value.startswith("TypeError: ")
