"""The generator with its weights laid out once is the generator: pictures and slopes, whatever its
size and the batch's.
"""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tutorial_lib.device import lays_out_weights
from tutorial_lib.models.dcgan import Generator, folded
from tutorial_lib.models.packed import PackedGenerator, packed
from tutorial_lib.models.weights import load_gan


def pictures_and_slopes(network, z, direction):
    z = z.clone().requires_grad_(True)
    pictures = network(z)
    (slopes,) = torch.autograd.grad(pictures.float(), z, direction)
    return pictures.detach().float(), slopes.float()


def a_generator(channels: int, z_dim: int, seed: int, channels_last: bool) -> Generator:
    """One whose batch norms have seen something, so that folding moves its biases and no layer is
    the identity.
    """
    torch.manual_seed(seed)
    generator = Generator(channels, z_dim)
    for layer in generator.modules():
        if isinstance(layer, nn.ConvTranspose2d):
            layer.weight.data.mul_(8)
    generator.train()(torch.rand(16, z_dim) * 2 - 1)
    return (
        generator.eval().to(memory_format=torch.channels_last)
        if channels_last
        else generator.eval()
    )


@settings(max_examples=25, deadline=None)
@given(
    channels=st.integers(1, 9),
    z_dim=st.integers(1, 12),
    rows=st.integers(1, 5),
    laid_out_for=st.integers(1, 5),
    seed=st.integers(0, 99),
    channels_last=st.booleans(),
)
def test_same_pictures_and_slopes(channels, z_dim, rows, laid_out_for, seed, channels_last):
    generator = a_generator(channels, z_dim, seed, channels_last)
    z, direction = torch.rand(rows, z_dim) * 2 - 1, torch.randn(rows, 3, 64, 64)
    quick = folded(generator)
    expected, found = (
        pictures_and_slopes(network, z, direction)
        for network in (quick, packed(quick, laid_out_for))
    )
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-4 * one.abs().max().item())


@pytest.mark.parametrize("rows", [1, 8])
@pytest.mark.parametrize(("numbers", "near"), [(torch.float32, 1e-5), (torch.bfloat16, 0.02)])
def test_trained_weights_lead_to_the_same_pictures_and_slopes(rows, numbers, near):
    gan = load_gan("synthetic-faces", "cpu")
    generator = copy.deepcopy(folded(gan.generator)).to(numbers)
    z, direction = (
        gan.sample_z(rows, torch.Generator().manual_seed(0)).to(numbers),
        torch.randn(rows, 3, 64, 64, generator=torch.Generator().manual_seed(1)),
    )
    expected, found = (
        pictures_and_slopes(network, z, direction)
        for network in (generator, packed(generator, rows))
    )
    for one, other in zip(
        expected, found, strict=True
    ):  # the same products, each weight only somewhere else: often the same bits
        assert (other - one).norm() <= near * one.norm()


def test_what_cannot_be_packed_comes_back_as_it_is():
    generator = folded(a_generator(2, 3, 0, False))
    assert isinstance(packed(generator, 1), PackedGenerator) == lays_out_weights(
        next(generator.parameters())
    )
    for other in (
        copy.deepcopy(generator).double(),
        copy.deepcopy(generator).to("meta"),
        nn.Sequential(nn.Linear(3, 3)),
        nn.Identity(),
    ):
        assert packed(other, 1) is other
    with pytest.raises(ValueError, match="folded"):
        packed(a_generator(2, 3, 0, False), 1)


def test_slopes_of_slopes_are_refused_rather_than_wrong():
    generator = packed(folded(a_generator(2, 3, 0, False)), 1)
    z = torch.rand(1, 3, requires_grad=True)
    (slope,) = torch.autograd.grad(generator(z).sum(), z, create_graph=True)
    if isinstance(generator, PackedGenerator):
        with pytest.raises(RuntimeError, match="grad"):
            torch.autograd.grad(slope.sum(), z)
    else:
        torch.autograd.grad(slope.sum(), z)
