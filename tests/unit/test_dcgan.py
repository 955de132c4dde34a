"""The networks: shapes, the two-class softmax, batch norm and what it folds into, and plain copies
of spectral-norm discriminators.
"""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tutorial_lib.models.dcgan import Discriminator, Generator, plain_discriminator
from tutorial_lib.models.latent_model import LatentModel, uniform_latent_model


def test_generator_makes_pictures_in_range():
    generator = Generator(base_channels=4)
    pictures = generator(torch.rand(3, 100) * 2 - 1)
    assert pictures.shape == (3, 3, 64, 64)
    assert pictures.abs().max() <= 1


@pytest.mark.parametrize("base", [4, 8, 128])
def test_channels_halve_as_the_side_doubles(base):
    shapes = [
        layer.weight.shape[:2]
        for layer in Generator(base).layers
        if isinstance(layer, torch.nn.ConvTranspose2d)
    ]
    assert shapes == [
        (100, 8 * base),
        (8 * base, 4 * base),
        (4 * base, 2 * base),
        (2 * base, base),
        (base, 3),
    ]
    mirror = [
        layer.weight.shape[:2]
        for layer in Discriminator(base).layers
        if isinstance(layer, torch.nn.Conv2d)
    ]
    assert mirror == [
        (base, 3),
        (2 * base, base),
        (4 * base, 2 * base),
        (8 * base, 4 * base),
        (1, 8 * base),
    ]


@given(st.lists(st.floats(-30, 30), min_size=2, max_size=2))
@settings(max_examples=50, deadline=None)
def test_one_logit_is_a_two_class_softmax(scores):
    scores = torch.tensor(scores, dtype=torch.float64)
    assert torch.isclose(
        torch.softmax(scores, 0)[0], torch.sigmoid(scores[0] - scores[1]), atol=1e-12
    )


@pytest.mark.parametrize("norm", ["batch", "spectral", "none"])
def test_discriminator_gives_one_logit_a_picture(norm):
    discriminator = Discriminator(4, norm)
    assert discriminator(torch.zeros(5, 3, 64, 64)).shape == (5,)
    norms = sum(isinstance(m, torch.nn.BatchNorm2d) for m in discriminator.modules())
    assert norms == (3 if norm == "batch" else 0)


def test_spectral_norm_bounds_the_largest_singular_value():
    discriminator = Discriminator(4, "spectral")
    for _ in range(30):
        discriminator(torch.zeros(1, 3, 64, 64))  # train mode: each pass is one power iteration
    discriminator.eval()
    for layer in discriminator.layers:
        if isinstance(layer, torch.nn.Conv2d):
            largest = torch.linalg.matrix_norm(layer.weight.detach().flatten(1), ord=2)
            assert largest == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("gain", [1.0, 8.0])
def test_plain_copy_of_a_spectral_discriminator_is_the_same_function(gain):
    discriminator = Discriminator(4, "spectral", gain)
    discriminator(torch.rand(2, 3, 64, 64))
    plain = plain_discriminator(discriminator)
    pictures = torch.rand(6, 3, 64, 64) * 2 - 1
    torch.testing.assert_close(plain(pictures), discriminator.eval()(pictures))
    assert not any("parametrizations" in key for key in plain.state_dict())


def test_a_gain_multiplies_the_logit():
    pictures = torch.rand(2, 3, 64, 64) * 2 - 1
    torch.manual_seed(0)
    plain = Discriminator(4, "spectral").eval()
    torch.manual_seed(0)
    strong = Discriminator(4, "spectral", gain=3.0).eval()
    torch.testing.assert_close(strong(pictures), 3 * plain(pictures))


def test_wrong_shapes_are_refused_with_what_was_expected():
    with pytest.raises(ValueError, match=r"\(B, 100\)"):
        Generator(4)(torch.zeros(2, 99))
    with pytest.raises(ValueError, match=r"\(B, 3, 64, 64\)"):
        Discriminator(4)(torch.zeros(2, 3, 32, 32))
    with pytest.raises(ValueError, match="batch"):
        Discriminator(4, norm="instance")


def test_a_latent_model_is_frozen_and_in_eval_mode():
    model = uniform_latent_model(Generator(4).train(), Discriminator(4).train())
    assert isinstance(model, LatentModel)
    for network in (model.generator, model.discriminator):
        assert not network.training
        assert not any(parameter.requires_grad for parameter in network.parameters())
    z = model.sample_z(1000, torch.Generator().manual_seed(0))
    assert z.shape == (1000, 100) and z.min() < -0.99 and z.max() > 0.99 and abs(z.mean()) < 0.01
    assert torch.equal(model.project(3 * z), (3 * z).clamp(-1, 1))
