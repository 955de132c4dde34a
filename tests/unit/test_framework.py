"""The framework figure shows the gradients that the search really takes."""

import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

from tutorial_lib.images import to_uint8
from tutorial_lib.inpainting.importance import importance_weights
from tutorial_lib.masks import center_mask
from tutorial_lib.models.dcgan import Discriminator, Generator
from tutorial_lib.models.latent_model import uniform_latent_model
from tutorial_lib.teaching import framework, plotting


@pytest.fixture(scope="module")
def parts():
    """(gan, image (1, 3, 64, 64), mask, z)."""
    torch.manual_seed(0)
    gan = uniform_latent_model(Generator(4).eval(), Discriminator(4).eval(), 100)
    rng = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, 64, 64, generator=rng) * 2 - 1
    return gan, image, center_mask(), gan.sample_z(1, rng)


def test_the_gradient_of_z_is_that_of_the_written_out_total_loss(parts):
    gan, image, mask, z = parts
    step = framework.loss_gradients(gan, image, mask, z, lam=2.0)
    z = z.clone().requires_grad_(True)
    generated = gan.generator(z)
    context = (importance_weights(mask) * (generated - image)).abs().sum()
    prior = 2.0 * torch.log(1 - gan.discriminator(generated).sigmoid()).sum()
    (expected,) = torch.autograd.grad(context + prior, z)
    torch.testing.assert_close(step.at_z, expected, rtol=1e-3, atol=1e-4)
    assert step.context == pytest.approx(context.item(), rel=1e-4)
    assert step.prior == pytest.approx(prior.item(), rel=1e-4)
    assert all(p.grad is None for p in gan.generator.parameters())


def test_the_context_loss_speaks_of_known_pixels_and_the_prior_loss_of_all(parts):
    gan, image, mask, z = parts
    image = torch.where(mask > 0, image, torch.nan)
    step = framework.loss_gradients(gan, image, mask, z)
    hole = (mask == 0).expand_as(image)
    assert (step.from_context[hole] == 0).all() and step.from_context.isfinite().all()
    assert (step.from_prior[hole] != 0).float().mean() > 0.9
    with pytest.raises(ValueError, match="discriminator"):
        framework.loss_gradients(uniform_latent_model(gan.generator, None, 100), *parts[1:])


def test_the_figure_shows_pictures_at_three_times_their_size(parts):
    gan, image, mask, z = parts
    figure = framework.draw_framework(*parts)
    words = {text.get_text() for text in figure.axes[0].texts}
    assert {"G(z)", "W (Eq. 3)", "G\nfrozen", "D\nfrozen"} <= words
    png = np.asarray(Image.open(io.BytesIO(plotting.figure_png(figure))).convert("RGB"))
    assert png.shape == (framework.HEIGHT, framework.WIDTH, 3)
    with torch.no_grad():
        generated = to_uint8(gan.generator(z))[0]
    enlarged = np.kron(generated, np.ones((3, 3, 1), np.uint8))
    top = framework.HEIGHT - 366 - framework.SIDE // 2
    left = 456 - framework.SIDE // 2
    np.testing.assert_array_equal(
        png[top : top + framework.SIDE, left : left + framework.SIDE], enlarged
    )
    assert "gradient" in figure.alt and not plt.get_fignums()


def test_a_gradient_of_zero_is_gray():
    assert (framework.signed_picture(torch.zeros(1, 3, 4, 4)) == 0).all()
    shown = framework.signed_picture(torch.tensor([[[[1.0, -4.0]]]]))
    assert shown.flatten().tolist() == [0.25, -1.0]
