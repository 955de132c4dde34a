"""The VAE's parts against torch.distributions, its training on a set it can learn, and its decoder
in the latent search.
"""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Normal
from torch.distributions import kl_divergence as torch_kl

from tutorial_lib import inpaint, load_dataset
from tutorial_lib.datasets.base import ArrayImages
from tutorial_lib.evaluation.metrics import psnr
from tutorial_lib.images import to_uint8
from tutorial_lib.masks import center_mask
from tutorial_lib.models.vae import VAE, Encoder, kl_divergence, reparametrize, vae_latent_model
from tutorial_lib.models.weights import (
    load_card,
    load_context_encoder,
    load_gan,
    load_vae,
    save_network,
    shipped,
)
from tutorial_lib.training.loop import train
from tutorial_lib.training.vae import VAESettings, VAETask


def stripes(count):
    """Pictures of one number each: how bright they are and where their edge is."""
    rng = torch.Generator().manual_seed(0)
    pictures = torch.full((count, 3, 64, 64), -0.5)
    for picture, place in zip(
        pictures, torch.randint(8, 56, (count,), generator=rng).tolist(), strict=True
    ):
        picture[:, :, :place] = 0.5
    return pictures


@given(st.integers(0, 10_000))
def test_the_divergence_is_torch_s(seed):
    rng = torch.Generator().manual_seed(seed)
    mean, log_variance = (
        torch.randn(3, 7, generator=rng).double(),
        torch.randn(3, 7, generator=rng).double(),
    )
    wanted = torch_kl(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(kl_divergence(mean, log_variance), wanted)


def test_draws_have_the_mean_and_variance_they_should():
    mean, log_variance = (
        torch.tensor([[1.0, -2.0]]).expand(100_000, 2),
        torch.tensor([[0.0, 2.0]]).expand(100_000, 2),
    )
    draws = reparametrize(mean, log_variance, torch.Generator().manual_seed(0))
    torch.testing.assert_close(draws.mean(0), mean[0], atol=0.04, rtol=0)
    torch.testing.assert_close(draws.var(0), log_variance[0].exp(), atol=0, rtol=0.02)


def test_gradients_pass_through_a_draw():
    mean, log_variance = (
        torch.randn(2, 3, dtype=torch.double, requires_grad=True) for _ in range(2)
    )
    assert torch.autograd.gradcheck(
        lambda m, v: reparametrize(m, v, torch.Generator().manual_seed(1)), (mean, log_variance)
    )


def test_the_encoder_takes_pictures_of_one_size():
    mean, log_variance = Encoder(4, 5)(torch.zeros(2, 3, 64, 64))
    assert mean.shape == log_variance.shape == (2, 5)
    with pytest.raises(ValueError, match="64, 64"):
        Encoder(4)(torch.zeros(2, 3, 32, 32))


@pytest.mark.parametrize("adversarial", [0.0, 5.0])
def test_training_learns_and_its_decoder_can_be_searched(tmp_path, adversarial):
    pictures = stripes(64)
    task = VAETask(VAESettings(base_channels=8, flips=False, adversarial=adversarial))
    log = train(
        task,
        ArrayImages(to_uint8(pictures), "stripes"),
        steps=80,
        batch_size=16,
        run_dir=tmp_path / "run",
        progress=False,
    )
    assert sum(log.values["mse"][-10:]) < 0.35 * sum(log.values["mse"][:10])
    assert ("loss_d" in log.values) == bool(adversarial)
    network = task.finish()
    path = save_network(tmp_path / "stripes.safetensors", network, {"data": {}})
    again, model = load_vae(path, "cpu"), load_gan(path, "cpu")
    torch.testing.assert_close(again(pictures[:4]), network(pictures[:4]), atol=0.02, rtol=0)
    result = inpaint(pictures[:4], center_mask(), model, steps=60, lam=0.01, progress=False)
    error = (result.generated - pictures[:4]).square().mean((1, 2, 3))
    assert (
        error < (pictures[:4] - pictures.mean(0)).square().mean((1, 2, 3))
    ).float().mean() >= 0.75
    with pytest.raises(ValueError, match="holds weights of kind vae, not of context-encoder"):
        load_context_encoder(path, "cpu")


def test_a_run_resumes_with_the_same_numbers(tmp_path):
    data = ArrayImages(to_uint8(stripes(16)), "stripes")
    settings = VAESettings(base_channels=4)
    whole = train(VAETask(settings), data, steps=4, batch_size=8, progress=False)
    train(VAETask(settings), data, steps=2, batch_size=8, run_dir=tmp_path, progress=False)
    parts = train(VAETask(settings), data, steps=4, batch_size=8, run_dir=tmp_path, progress=False)
    assert parts.values == whole.values


def test_the_prior_of_the_code_is_minus_its_log_density():
    model = vae_latent_model(VAE(4, 6))
    z = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    wanted = -Normal(0.0, 1.0).log_prob(z).sum(1)
    gap = model.prior_loss(z) - wanted
    torch.testing.assert_close(gap, gap[:1].expand(5))
    assert torch.equal(model.project(3 * z), 3 * z) and model.discriminator is None
    draws = model.sample_z(20_000, torch.Generator().manual_seed(0))
    assert abs(draws.mean()) < 0.01 and abs(draws.std() - 1) < 0.01


def test_noise_that_is_not_positive_is_refused_and_more_of_it_means_less_detail():
    with pytest.raises(ValueError, match="must be positive"):
        VAESettings(base_channels=4, noise=0.0)
    losses = {}
    for noise in (0.5, 1.0):
        task = VAETask(VAESettings(base_channels=4, noise=noise, flips=False), seed=1)
        task.update = lambda name, loss, noise=noise: losses.__setitem__(noise, loss.item())
        values = task.step(stripes(4), torch.Generator().manual_seed(0), 0)
        log_likelihood = Normal(0.0, noise).log_prob(values["mse"].sqrt()) * 3 * 64 * 64
        constant = Normal(0.0, noise).log_prob(torch.zeros(())) * 3 * 64 * 64
        assert losses[noise] == pytest.approx(
            (values["kl"] - log_likelihood + constant).item(), rel=1e-4
        )
    assert losses[0.5] > losses[1.0]


# -- the shipped ones --

SHIPPED = [name for name in shipped() if load_card(name)["kind"] == "vae"]


def test_one_ships():
    assert "synthetic-faces-vae" in SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_one_is_of_the_dcgan_s_size_and_saw_as_many_pictures(name):
    card, gan = load_card(name), load_card("synthetic-faces")
    assert card["architecture"]["base_channels"] == gan["architecture"]["base_channels"]
    assert (
        card["training"]["steps"] * card["training"]["batch_size"]
        >= gan["training"]["steps"] * gan["training"]["batch_size"]
    )
    assert card["held_out"]["pictures"] == 500


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_one_brings_held_out_faces_back_and_draws_different_ones(name):
    vae, model = load_vae(name, "cpu"), load_gan(name, "cpu")
    held_out = load_dataset("synthetic-faces", split="test", limit=64).images(slice(None))
    with torch.no_grad():
        back, samples = (
            vae(held_out),
            model.generator(model.sample_z(64, torch.Generator().manual_seed(1))),
        )
        codes = vae.encoder(held_out)[0]
    assert abs(psnr(back, held_out).mean() - load_card(name)["held_out"]["psnr"]) < 1
    assert (
        psnr(back, held_out).mean()
        > psnr(held_out.mean(0).expand_as(held_out), held_out).mean() + 5
    )
    assert samples.std(0).mean() > 0.5 * held_out.std(0).mean(), "the samples are all alike"
    assert codes.square().mean() < 1.5, "the encoder's codes lie outside the prior"
