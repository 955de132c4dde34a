"""The deterministic sampler as a generator: DDIM's own formula, a Gaussian whose map is known, and
the paper's search on it.
"""

import copy
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tutorial_lib.inpainting import DEFAULT, DIFFUSION, LatentSearch, inpaint
from tutorial_lib.inpainting.pipeline import initial_z
from tutorial_lib.masks import center_mask, check_batch
from tutorial_lib.models.diffusion import (
    CODE_SIZE,
    DDIMGenerator,
    Denoiser,
    ddim_latent_model,
    draw_noise,
    sample,
)
from tutorial_lib.models.latent_model import project_to_sphere


@pytest.fixture(scope="module")
def denoiser():
    torch.manual_seed(0)
    network = Denoiser(8).eval()
    nn.init.normal_(network.last.weight, 0, 0.1)  # no longer the zeros of all beginnings
    return network.requires_grad_(False)


class ColorGaussian(nn.Module):
    """The exact velocity for pixels that are independent draws from N(mean, covariance) of RGB."""

    def __init__(self):
        super().__init__()
        factor = torch.tensor([[0.2, 0, 0], [0.1, 0.1, 0], [-0.05, 0.05, 0.15]])
        self.mean = nn.Parameter(torch.tensor([0.3, -0.1, 0.0]).double())
        self.covariance = nn.Parameter((factor @ factor.T).double())

    def forward(self, x, t):
        t = t[0]
        colors = x.movedim(1, 3)  # (B, H, W, 3)
        noisy = (1 - t) ** 2 * self.covariance + t**2 * torch.eye(3)  # covariance of x_t
        gain = (colors - (1 - t) * self.mean) @ torch.linalg.inv(noisy)
        image = self.mean + (1 - t) * gain @ self.covariance
        return (t * gain - image).movedim(3, 1)


@pytest.mark.parametrize("steps", [1, 5, 8])
def test_it_is_the_sampler_and_so_is_ddim(denoiser, steps):
    """DDIM (Song et al. 2021, eq. 12 with sigma = 0): the predicted image and noise, mixed anew."""
    noise = draw_noise(2, 0)
    made = DDIMGenerator(denoiser, steps)(noise.flatten(1))
    assert torch.equal(made, sample(denoiser, noise, steps))
    x = noise
    for k in range(steps):
        t, s = 1 - k / steps, 1 - (k + 1) / steps
        velocity = denoiser(x, torch.full((2,), t))
        x = (1 - s) * (x - t * velocity) + s * (x + (1 - t) * velocity)
    torch.testing.assert_close(made, x.clamp(-1, 1), atol=1e-5, rtol=0)


def test_its_gradient_is_that_of_finite_differences(denoiser):
    smaller = copy.deepcopy(denoiser).double()
    smaller.last.weight.mul_(0.2)
    generator = DDIMGenerator(smaller, 3)
    z = (0.1 * draw_noise(1, 0)).flatten(1).double().requires_grad_(True)
    assert generator(z).abs().max() < 1  # the clamp has no derivative
    assert torch.autograd.gradcheck(generator, z, fast_mode=True)


def test_a_gaussian_s_map_is_the_root_of_its_covariance():
    gaussian = ColorGaussian()
    z = draw_noise(4, 1).double().flatten(1)
    made = ddim_latent_model(gaussian, steps=200).generator(z)
    colors = made.movedim(1, 3).flatten(0, 2)  # (B * H * W, 3)
    torch.testing.assert_close(colors.mean(0), gaussian.mean, atol=0.01, rtol=0)
    torch.testing.assert_close(colors.T.cov(), gaussian.covariance, atol=2e-3, rtol=0.05)
    values, vectors = torch.linalg.eigh(gaussian.covariance)
    root = vectors @ values.sqrt().diag() @ vectors.T
    exact = gaussian.mean + z.view(4, 3, 64, 64).movedim(1, 3).flatten(0, 2) @ root
    torch.testing.assert_close(colors, exact.clamp(-1, 1), atol=0.02, rtol=0)


def test_the_search_fits_the_known_pixels_and_stays_on_the_sphere(denoiser):
    images, mask = draw_noise(1, 5).clamp(-0.5, 0.5), center_mask()
    model = ddim_latent_model(denoiser, steps=2)
    found = inpaint(images, mask, model, settings=DIFFUSION, progress=False)
    assert (found.final["context"] < 0.7 * found.losses["context"][0]).all()
    known = (mask > 0).expand_as(images)
    assert torch.equal(found.completed[known], images[known])
    torch.testing.assert_close(found.z.norm(dim=1), torch.tensor([CODE_SIZE**0.5]))
    # the prior loss is a constant there; it was asked at the initial z, then at step 10
    prior = found.losses["prior"][10:]
    torch.testing.assert_close(prior, prior[:1].expand_as(prior))


def test_the_full_matrix_refuses_so_long_a_code_before_it_fills_the_memory(denoiser):
    images, model = torch.zeros(1, 3, 64, 64), ddim_latent_model(denoiser, steps=1)
    with pytest.raises(ValueError, match=r"12288: search with optimizer='adam'"):
        inpaint(images, center_mask(), model, settings=DEFAULT, progress=False)
    y, mask = check_batch(images, center_mask())
    with pytest.raises(ValueError, match="settings=DIFFUSION"):
        next(iter(LatentSearch(y, mask, model, initial_z(model, 1))))


@given(st.integers(0, 10**6), st.integers(2, 5000))
def test_codes_are_scaled_to_the_typical_norm(seed, size):
    z = torch.randn(3, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    made = project_to_sphere(z)
    torch.testing.assert_close(made.square().sum(1), torch.full((3,), float(size)).double())
    torch.testing.assert_close(torch.cosine_similarity(z, made), torch.ones(3).double())
    torch.testing.assert_close(project_to_sphere(made), made)
    assert (z.norm(dim=1) - made.norm(dim=1)).abs().max() < 5  # of standard deviation 0.7


def test_what_it_cannot_be_is_refused(denoiser):
    with pytest.raises(ValueError, match="steps must be at least 1, got 0"):
        ddim_latent_model(denoiser, steps=0)
    with pytest.raises(ValueError, match=r"\(B, 12288\), got \(2, 100\)"):
        ddim_latent_model(denoiser).generator(torch.zeros(2, 100))


def test_stochastic_clipping_is_refused_where_codes_lie_on_a_sphere(denoiser):
    settings = replace(DIFFUSION, clip="stochastic")
    images = torch.zeros(1, 3, 64, 64)
    with pytest.raises(ValueError, match='on a sphere: use "project"'):
        inpaint(images, center_mask(), ddim_latent_model(denoiser), settings=settings)
