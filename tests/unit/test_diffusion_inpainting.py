"""Replacement, RePaint and DPS, on a Gaussian whose posterior has a formula."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_diffusion import Gaussian

from tutorial_lib.inpainting.diffusion import (
    _moves,
    dps,
    forward_step,
    repaint,
    replacement,
    reverse_step,
)
from tutorial_lib.models.diffusion import draw_noise, sampling_times

COUNT = 2000
MASK = torch.tensor([[[[1.0, 0.0]]]])
KNOWN = MASK.expand(1, 3, 1, 2).flatten().bool()


@pytest.fixture(scope="module")
def gaussian():
    """Six values that hang together closely."""
    rng = torch.Generator().manual_seed(0)
    factor = 0.05 * torch.randn(6, 6, generator=rng, dtype=torch.float64)
    mean = 0.2 * torch.randn(6, generator=rng, dtype=torch.float64)
    eye = torch.eye(6, dtype=torch.float64)
    return Gaussian(mean, factor @ factor.T + 0.0004 * eye)


@pytest.fixture(scope="module")
def photo(gaussian):
    noise = torch.randn(6, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    return gaussian.mean + torch.linalg.cholesky(gaussian.covariance) @ noise


@pytest.fixture(scope="module")
def posterior(gaussian, photo):
    """Mean and standard deviation of the hole, given the known values."""
    among, across = gaussian.covariance[KNOWN][:, KNOWN], gaussian.covariance[~KNOWN][:, KNOWN]
    gain = across @ torch.linalg.inv(among)
    mean = gaussian.mean[~KNOWN] + gain @ (photo[KNOWN] - gaussian.mean[KNOWN])
    covariance = gaussian.covariance[~KNOWN][:, ~KNOWN] - gain @ across.T
    return mean, covariance.diag().sqrt()


def error_of(fill, gaussian, photo, posterior, **words):
    """The largest error of the mean, in standard deviations of the posterior."""
    mean, deviation = posterior
    images = photo.view(1, 3, 1, 2).expand(COUNT, -1, -1, -1)
    made = fill(images, MASK, gaussian, progress=False, **words).flatten(1)
    assert torch.equal(made[:, KNOWN], images.flatten(1)[:, KNOWN])
    return ((made[:, ~KNOWN].mean(0) - mean) / deviation).abs().max().item()


def test_reverse_steps_have_the_mean_and_covariance_of_the_prior(gaussian):
    times = sampling_times(200)
    noises = torch.randn(
        201, COUNT, 3, 1, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    x = noises[-1]
    for t, s, noise in zip(times[:-1], times[1:], noises, strict=False):
        x = reverse_step(x, gaussian(x, torch.full((COUNT,), t)), t, s, noise)
    made = x.flatten(1)
    torch.testing.assert_close(made.mean(0), gaussian.mean, atol=0.01, rtol=0)
    torch.testing.assert_close(made.T.cov(), gaussian.covariance, atol=0.002, rtol=0.1)


def test_noise_added_in_two_steps_is_noise_added_in_one():
    image, noises = 0.5, torch.randn(4, 100_000, generator=torch.Generator().manual_seed(1))
    x = 0.8 * image + 0.2 * noises[0]  # at time 0.2
    twice = forward_step(forward_step(x, 0.2, 0.5, noises[1]), 0.5, 0.9, noises[2])
    direct = 0.1 * image + 0.9 * noises[3]
    for made in (twice, forward_step(x, 0.2, 0.9, noises[1])):
        assert (made.mean() - direct.mean()).abs() < 0.01
        assert (made.std() - direct.std()).abs() < 0.01


def test_replacement_misses_the_posterior_and_going_back_helps(gaussian, photo, posterior):
    def error(fill, **words):
        return error_of(fill, gaussian, photo, posterior, **words)

    replaced = error(replacement, steps=100)
    assert replaced > 0.5  # known to be biased
    assert error(repaint, steps=100, jump=1, resamples=8) < 0.75 * replaced


def test_dps_comes_near_the_posterior_with_a_fitting_step_size(gaussian, photo, posterior):
    errors = {
        zeta: error_of(dps, gaussian, photo, posterior, steps=200, zeta=zeta)
        for zeta in (0.0, 0.005, 0.06)
    }
    assert errors[0.0] > errors[0.005] > 2 * errors[0.06]


@given(st.integers(1, 40), st.integers(1, 50), st.integers(1, 5))
def test_moves_lead_from_noise_to_image_and_repeat_all_blocks_but_the_first(steps, jump, again):
    moves = _moves(steps, jump, again)
    assert moves[0][0] == 0 and moves[-1][1] == steps
    for (_, arrived), (left, _) in zip(moves[:-1], moves[1:], strict=True):
        assert arrived == left
    down = [move for move in moves if move[1] == move[0] + 1]
    assert len(down) == min(jump, steps) + again * max(0, steps - jump)
    assert all(move[1] < move[0] for move in moves if move not in down)


class Toward(torch.nn.Module):
    """A model that always predicts the same gray image; differentiable."""

    def forward(self, x, t):
        return (x - 0.25) / t[:, None, None, None]


@pytest.mark.parametrize("fill", [replacement, repaint, dps])
def test_known_pixels_stay_the_hole_is_never_read_and_a_seed_decides(fill):
    images = draw_noise(2, 0, 8).clamp(-1, 1)
    mask = torch.ones(1, 1, 8, 8)
    mask[..., 2:6, 2:6] = 0
    hidden = torch.where(mask > 0, images, torch.nan)

    def made(seed=0):
        return fill(hidden, mask, Toward(), steps=4, seed=seed, progress=False)

    completed = made()
    known = mask.expand(images.shape) > 0
    assert torch.equal(completed[known], images[known])
    torch.testing.assert_close(completed[~known], torch.full_like(completed[~known], 0.25))
    assert torch.equal(made(), completed) and completed.abs().max() <= 1


@pytest.mark.parametrize(
    ("fill", "words", "message"),
    [
        (replacement, {"steps": 0}, "steps must be at least 1"),
        (repaint, {"jump": 0}, "jump must be at least 1"),
        (repaint, {"resamples": 0}, "resamples must be at least 1"),
        (dps, {"zeta": -1.0}, "zeta must be"),
        (dps, {"zeta": float("nan")}, "zeta must be"),
        (dps, {"images": torch.full((1, 3, 8, 8), 2.0)}, r"\[-1, 1\]"),
        (repaint, {"mask": torch.ones(1, 1, 8, 8)}, "no hole"),
    ],
)
def test_bad_input_is_refused(fill, words, message):
    mask = torch.ones(1, 1, 8, 8)
    mask[..., 2:6, 2:6] = 0
    given = {"images": torch.zeros(1, 3, 8, 8), "mask": mask} | words
    with pytest.raises(ValueError, match=message):
        fill(model=Toward(), progress=False, **given)
