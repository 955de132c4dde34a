"""The fused and prepacked generator is the generator: pictures and gradients, whatever its size and
the batch's. Where prepacking fails it is left out.
"""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tutorial_lib.device import lays_out_weights
from tutorial_lib.inpainting import fast
from tutorial_lib.inpainting.fast import (
    PrepackedGenerator,
    fast_generator,
    fuse_batch_norm,
    prepacked,
)
from tutorial_lib.models.dcgan import Generator
from tutorial_lib.models.weights import load_gan


def pictures_and_gradients(network, z, direction):
    z = z.clone().requires_grad_(True)
    pictures = network(z)
    (gradients,) = torch.autograd.grad(pictures.float(), z, direction)
    return pictures.detach().float(), gradients.float()


def a_generator(channels: int, z_dim: int, seed: int, channels_last: bool) -> Generator:
    """One whose batch norms have seen something, so that fusing moves its biases and no layer is
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
    prepared_for=st.integers(1, 5),
    seed=st.integers(0, 99),
    channels_last=st.booleans(),
)
def test_same_pictures_and_gradients(channels, z_dim, rows, prepared_for, seed, channels_last):
    generator = a_generator(channels, z_dim, seed, channels_last)
    z, direction = torch.rand(rows, z_dim) * 2 - 1, torch.randn(rows, 3, 64, 64)
    quick = fuse_batch_norm(generator)
    expected, found = (
        pictures_and_gradients(network, z, direction)
        for network in (quick, prepacked(quick, prepared_for))
    )
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-4 * one.abs().max().item())


@pytest.mark.parametrize("rows", [1, 8])
@pytest.mark.parametrize(("numbers", "near"), [(torch.float32, 1e-5), (torch.bfloat16, 0.02)])
def test_trained_weights_lead_to_the_same_pictures_and_gradients(rows, numbers, near):
    gan = load_gan("synthetic-faces", "cpu")
    generator = copy.deepcopy(fuse_batch_norm(gan.generator)).to(numbers)
    z, direction = (
        gan.sample_z(rows, torch.Generator().manual_seed(0)).to(numbers),
        torch.randn(rows, 3, 64, 64, generator=torch.Generator().manual_seed(1)),
    )
    expected, found = (
        pictures_and_gradients(network, z, direction)
        for network in (generator, prepacked(generator, rows))
    )
    for one, other in zip(
        expected, found, strict=True
    ):  # the same products, each weight only somewhere else: often the same bits
        assert (other - one).norm() <= near * one.norm()


def test_what_cannot_be_prepacked_comes_back_as_it_is():
    generator = fuse_batch_norm(a_generator(2, 3, 0, False))
    assert isinstance(prepacked(generator, 1), PrepackedGenerator) == lays_out_weights(
        next(generator.parameters())
    )
    for other in (
        copy.deepcopy(generator).double(),
        copy.deepcopy(generator).to("meta"),
        nn.Sequential(nn.Linear(3, 3)),
        nn.Identity(),
    ):
        assert prepacked(other, 1) is other
    with pytest.raises(ValueError, match="fused"):
        prepacked(a_generator(2, 3, 0, False), 1)


def test_gradients_of_gradients_are_refused_rather_than_wrong():
    generator = prepacked(fuse_batch_norm(a_generator(2, 3, 0, False)), 1)
    z = torch.rand(1, 3, requires_grad=True)
    (gradient,) = torch.autograd.grad(generator(z).sum(), z, create_graph=True)
    if isinstance(generator, PrepackedGenerator):
        with pytest.raises(RuntimeError, match="grad"):
            torch.autograd.grad(gradient.sum(), z)
    else:
        torch.autograd.grad(gradient.sum(), z)


class Operations:
    """PyTorch's, but that one of them is gone, or computes something else."""

    def __init__(self, name, instead):
        self.name, self.instead = name, instead

    def __getattr__(self, name):
        if name != self.name:
            return getattr(torch.ops.mkldnn, name)
        if self.instead is None:
            raise AttributeError(name)
        return self.instead(getattr(torch.ops.mkldnn, name))


class Off:
    """An operation whose results are too large by a tenth."""

    def __init__(self, right):
        self.right = right

    def default(self, *arguments):
        return self.right.default(*arguments) * 1.1


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("_reorder_convolution_weight", None),
        ("_convolution_pointwise", None),
        ("_convolution_transpose_pointwise", None),
        ("_convolution_transpose_pointwise", Off),
        ("_convolution_pointwise", Off),
    ],
)
def test_where_a_private_operation_fails_the_plain_network_is_used(name, instead, monkeypatch):
    generator = a_generator(2, 3, 0, False)
    fused = fuse_batch_norm(generator)
    monkeypatch.setattr(fast, "OPERATIONS", Operations(name, instead))
    assert prepacked(fused, 1) is fused
    z = torch.rand(2, 3)
    torch.testing.assert_close(fast_generator(generator, 2)(z), fused(z))


def test_the_fast_generator_takes_and_gives_the_codes_type():
    generator = a_generator(2, 3, 0, False)
    z = torch.rand(2, 3, dtype=torch.float64)
    found = fast_generator(generator, 2)(z)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found.float(), generator(z.float()), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["synthetic-faces", "portraits", "synthetic-faces-vae"])
def test_fused_batch_norms_change_nothing(name):
    generator = load_gan(name, "cpu").generator
    z = torch.rand(8, 100, generator=torch.Generator().manual_seed(3)) * 2 - 1
    quick = fuse_batch_norm(generator)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in quick.modules())
    assert any(isinstance(module, nn.BatchNorm2d) for module in generator.modules()), (
        "the original is as it was"
    )
    torch.testing.assert_close(quick(z), generator(z), atol=1e-4, rtol=0)
    plain = fuse_batch_norm(generator.to(memory_format=torch.contiguous_format))
    torch.testing.assert_close(plain(z), quick(z), atol=1e-4, rtol=0)
    assert (
        plain.layers.to_4x4(z[:, :, None, None]).is_contiguous()
        and not quick.layers.to_4x4(z[:, :, None, None]).is_contiguous()
    )
