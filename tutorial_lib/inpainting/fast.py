"""Everything done for speed, and nothing else: fused layers, prepacked weights, approximate steps.

Whatever cannot be made faster here comes back as it was, so the search is right without this
module. Three techniques, each timed in notebook 12:

- `fuse_batch_norm`: in eval mode a batch norm is a scale and a shift, which the convolution before
  it can do. The same function, to rounding.
- `prepacked`: oneDNN, which computes PyTorch's convolutions on processors, multiplies weights in a
  layout of its own. PyTorch keeps them in the usual one, so that each call reorders them, in the
  forward and in the backward pass. For one picture that takes longer than the products. In a search
  the weights never change: they are reordered once. The same function, to rounding.
- `ApproximateStep`: bfloat16 and a discriminator that is asked every ten steps. Not the same
  function, so exact steps follow.

The fourth, fewer steps, is `full_matrix`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.utils.fusion import fuse_conv_bn_eval

from tutorial_lib.device import PRECISIONS, autocast, fast_precision, lays_out_weights
from tutorial_lib.inpainting.losses import Objective
from tutorial_lib.models.dcgan import Generator

PRIOR_EVERY = 10  # approximate steps for which D's gradient is kept
OPERATIONS = torch.ops.mkldnn  # private to PyTorch: what its own compiler calls
STRIDE, PADDING, DILATION, NO_OUTPUT_PADDING = [2, 2], [1, 1], [1, 1], [0, 0]
# relative error of pictures and gradients that the self-check allows: rounding stays far below,
# anything that is not rounding far above
_ROUNDING = {torch.float32: 1e-3, torch.bfloat16: 0.1}

Pictures = Callable[[Tensor], Tensor]  # (B, z_dim) codes -> (B, 3, H, W) pictures


def fast_generator(generator: nn.Module, rows: int) -> Pictures:
    """The same function as `generator`, to rounding, as fast as this machine allows.

    Args:
        generator: (B, z_dim) -> (B, 3, H, W) in [-1, 1], in eval mode.
        rows: the batch size to prepare for; other sizes work and may be slower.

    Returns:
        A function from codes to pictures of the codes' type; it has a gradient, but no second one.
    """
    return _in_own_precision(prepacked(fuse_batch_norm(generator), rows))


def approximate_generator(generator: nn.Module, rows: int) -> Pictures:
    """Nearly the same function as `generator`: in bfloat16 where that is faster.

    It is to be called within `device.autocast`, as `ApproximateStep` does. Arguments and result as
    for `fast_generator`.
    """
    fused = fuse_batch_norm(generator)
    precision = fast_precision(_weight(generator).device)
    if precision != "float32" and fused is not generator:
        # autocast alone would convert the weights in each step
        fused = copy.deepcopy(fused).to(PRECISIONS[precision])
    return _in_own_precision(prepacked(fused, rows))


def _weight(network: nn.Module) -> Tensor:
    return next(network.parameters(), torch.zeros(()))


def _in_own_precision(network: nn.Module) -> Pictures:
    dtype = _weight(network).dtype
    return lambda z: network(z.to(dtype)).to(z.dtype)


class ApproximateStep:
    """The losses and their gradient at z, approximately and at lower cost.

    The generator runs in bfloat16 where that is faster. The discriminator, whose term is under 1 %
    of the loss at the paper's lambda, is asked in every tenth step; its gradient in z is kept in
    between. The first call is exact, and with it the losses of the initial z.

    Args:
        objective: what is minimized.
        exact: `fast_generator`'s function.
        approximate: `approximate_generator`'s.
    """

    def __init__(self, objective: Objective, exact: Pictures, approximate: Pictures):
        self.objective, self.exact, self.approximate = objective, exact, approximate
        self.calls = 0
        self.prior: Tensor  # (B,), as of the last time that D was asked
        self.prior_gradient: Tensor  # (B, z_dim)

    @torch.enable_grad()
    def __call__(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(generated, context, prior, gradient) at z, as `latent_search.exact_step`."""
        first, asked = self.calls == 0, self.calls % PRIOR_EVERY == 0
        self.calls += 1
        precision = "float32" if first else fast_precision(z.device)
        with autocast(z.device, precision):
            generated = self.exact(z) if first else self.approximate(z)  # (B, 3, H, W)
            if asked:
                self.prior = self.objective.prior(z, generated)  # (B,)
        context = self.objective.context(generated)  # (B,)
        if asked:
            self.prior_gradient = torch.zeros_like(z)
            if self.prior.requires_grad:
                (self.prior_gradient,) = torch.autograd.grad(self.prior.sum(), z, retain_graph=True)
                self.prior = self.prior.detach()
        (gradient,) = torch.autograd.grad(context.sum(), z)  # (B, z_dim)
        return generated.detach(), context.detach(), self.prior, gradient + self.prior_gradient


@torch.no_grad()
def fuse_batch_norm(generator: nn.Module) -> nn.Module:
    """A frozen copy in eval mode that computes the same, to rounding, with fewer operations.

    A batch norm multiplies each channel by one number and adds another; so can the weights of the
    transposed convolution before it. And the first layer, a transposed convolution of a single
    pixel, is a matrix product.

    Args:
        generator: of networks other than `Generator` nothing is known: they are returned as they
            are.
    """
    if type(generator) is not Generator:
        return generator
    fused = copy.deepcopy(generator).eval()
    for side in (4, 8, 16, 32):
        layer = fuse_conv_bn_eval(
            getattr(fused.layers, f"to_{side}x{side}"),
            getattr(fused.layers, f"norm_{side}x{side}"),
            transpose=True,
        )
        setattr(fused.layers, f"to_{side}x{side}", _OfOnePixel(layer) if side == 4 else layer)
        setattr(fused.layers, f"norm_{side}x{side}", nn.Identity())
    return fused.requires_grad_(False)


class _OfOnePixel(nn.Module):
    """A transposed convolution of (B, C, 1, 1) as a matrix product.

    The result lies in memory as the layer's weights do.
    """

    def __init__(self, layer: nn.ConvTranspose2d):
        super().__init__()
        self.channels_last = layer.weight.is_contiguous(memory_format=torch.channels_last)
        assert layer.bias is not None  # it has taken in the batch norm's shift
        weight = layer.weight  # (z_dim, C, 4, 4)
        bias = layer.bias[:, None, None].expand(-1, *layer.kernel_size)  # (C, 4, 4)
        if self.channels_last:
            weight, bias = weight.permute(0, 2, 3, 1), bias.permute(1, 2, 0)
        self.shape = bias.shape
        self.weight = nn.Parameter(weight.flatten(1).contiguous())  # (z_dim, 16 * C)
        self.bias = nn.Parameter(bias.flatten())

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, z_dim, 1, 1) -> (B, C, 4, 4)."""
        pixels = torch.addmm(self.bias, inputs[:, :, 0, 0], self.weight).unflatten(1, self.shape)
        return pixels.permute(0, 3, 1, 2) if self.channels_last else pixels


def prepacked(generator: nn.Module, rows: int) -> nn.Module:
    """The same network with its weights reordered once, for batches of `rows` codes.

    It rests on private operations of PyTorch, so it is first compared with the plain network on one
    code. Where it differs or fails, and where oneDNN does not do this, `generator` itself is
    returned.

    Args:
        generator: what `fuse_batch_norm` returned.
        rows: the batch size to prepare for; other sizes work and may be slower.

    Raises:
        ValueError: for a `Generator` whose batch norms were not fused.
    """
    if type(generator) is not Generator or not lays_out_weights(next(generator.parameters())):
        return generator
    if not isinstance(generator.layers.norm_4x4, nn.Identity):
        raise ValueError(
            "only a fused generator can be prepacked: prepacked(fuse_batch_norm(generator), rows)"
        )
    try:
        found = PrepackedGenerator(generator, rows)
        return found if _agree(generator, found) else generator
    except Exception:  # a private operation may be gone, or changed in any way
        return generator


@torch.enable_grad()
def _agree(plain: Generator, quick: PrepackedGenerator) -> bool:
    """Whether two generators give the same picture and gradient for one code, to rounding."""
    weight = next(plain.parameters())
    code = torch.linspace(-1, 1, plain.z_dim, dtype=weight.dtype)[None]  # (1, z_dim)
    results = []
    for network in (plain, quick):
        z = code.clone().requires_grad_(True)
        picture = network(z)
        (gradient,) = torch.autograd.grad(picture.float().sum(), z)
        results.append((picture.detach().float(), gradient.float()))
    limit = _ROUNDING[weight.dtype]
    return all(
        bool((one - other).norm() <= limit * one.norm())
        for one, other in zip(*results, strict=True)
    )


class PrepackedGenerator(nn.Module):
    """(B, z_dim) codes -> (B, 3, 64, 64) pictures in [-1, 1]; see `prepacked`."""

    def __init__(self, generator: Generator, rows: int):
        super().__init__()
        self.first: Any = generator.layers.to_4x4  # a `_OfOnePixel`
        self.doublings = [
            _Doubling(getattr(generator.layers, f"to_{2 * side}x{2 * side}"), side, rows)
            for side in (4, 8, 16, 32)
        ]

    def forward(self, z: Tensor) -> Tensor:
        """Pictures; their gradient in z has no gradient of its own."""
        return _Pictures.apply(z, self)


class _Doubling:
    """A transposed convolution of kernel 4 and stride 2 from `side` to twice that.

    Its gradient is a convolution with the same weights.
    """

    def __init__(self, layer: nn.ConvTranspose2d, side: int, rows: int):
        channels, made, *_ = layer.weight.shape
        weight, self.bias = layer.weight.detach(), layer.bias
        self.forward_weight = OPERATIONS._reorder_convolution_transpose_weight(
            weight, PADDING, NO_OUTPUT_PADDING, STRIDE, DILATION, 1, [rows, channels, side, side]
        )
        self.backward_weight = OPERATIONS._reorder_convolution_weight(
            weight, PADDING, STRIDE, DILATION, 1, [rows, made, 2 * side, 2 * side]
        )

    def forward(self, x: Tensor, then: str) -> Tensor:
        """The layer and what comes after it, "relu" or "none"."""
        return OPERATIONS._convolution_transpose_pointwise.default(
            x,
            self.forward_weight,
            self.bias,
            PADDING,
            NO_OUTPUT_PADDING,
            STRIDE,
            DILATION,
            1,
            then,
            [],
            "",
        )

    def backward(self, gradient: Tensor) -> Tensor:
        """The gradient in the layer's input, from that in its output."""
        return OPERATIONS._convolution_pointwise.default(
            gradient, self.backward_weight, None, PADDING, STRIDE, DILATION, 1, "none", [], ""
        )


class _Pictures(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z: Tensor, network: PrepackedGenerator) -> Tensor:
        kept = [network.first(z[:, :, None, None]).relu_()]  # (B, 8c, 4, 4)
        for doubling in network.doublings[:-1]:
            kept.append(doubling.forward(kept[-1], "relu"))  # (B, 4c, 8, 8) to (B, c, 32, 32)
        pictures = network.doublings[-1].forward(kept[-1], "none").tanh_()  # (B, 3, 64, 64)
        ctx.network = network
        ctx.save_for_backward(*kept, pictures)
        return pictures

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        *kept, pictures = ctx.saved_tensors
        gradient = torch.ops.aten.tanh_backward.default(gradient, pictures).contiguous(
            memory_format=torch.channels_last
        )
        for doubling, x in zip(reversed(ctx.network.doublings), reversed(kept), strict=True):
            gradient = torch.ops.aten.threshold_backward.default(doubling.backward(gradient), x, 0)
        first = ctx.network.first
        gradient = gradient.permute(0, 2, 3, 1) if first.channels_last else gradient
        return gradient.flatten(1) @ first.weight.T, None  # (B, z_dim)
