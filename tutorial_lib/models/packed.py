"""G for one or a few pictures at a time on a processor.

The same function, with its weights laid out once.

oneDNN, which computes PyTorch's convolutions on processors, multiplies weights in a layout of its
own. PyTorch keeps them in the usual one, so that each call lays them out anew, on the way there and
on the way back. For one picture that takes longer than the products. In a search the weights never
change. The operations that take them as they are to be are those that PyTorch's own compiler calls.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from tutorial_lib.device import lays_out_weights
from tutorial_lib.models.dcgan import Generator

OPERATIONS = torch.ops.mkldnn
STRIDE, PADDING, DILATION, NO_OUTPUT_PADDING = [2, 2], [1, 1], [1, 1], [0, 0]


def packed(generator: nn.Module, rows: int) -> nn.Module:
    """What `dcgan.folded` gave, with its weights laid out for batches of `rows` codes; others are
    taken, too, and may be slower.

    Its pictures have a gradient in z, but no second one. Other networks come back as they are, and
    so do all where oneDNN cannot do this.

    Raises:
        ValueError: for a `Generator` that was not folded.
    """
    if type(generator) is not Generator or not lays_out_weights(next(generator.parameters())):
        return generator
    if not isinstance(generator.layers.norm_4x4, nn.Identity):
        raise ValueError(
            "only a folded generator can be packed, for its batch norms are gone: packed(folded(generator), rows)"
        )
    return PackedGenerator(generator, rows)


class PackedGenerator(nn.Module):
    """(B, z_dim) codes -> (B, 3, 64, 64) pictures in [-1, 1]; see `packed`."""

    def __init__(self, generator: Generator, rows: int):
        super().__init__()
        self.first = generator.layers.to_4x4
        self.doublings = [
            _Doubling(getattr(generator.layers, f"to_{2 * side}x{2 * side}"), side, rows)
            for side in (4, 8, 16, 32)
        ]

    def forward(self, z: Tensor) -> Tensor:
        return _Pictures.apply(z, self)


class _Doubling:
    """A transposed convolution of kernel 4 and stride 2 from `side` to twice that.

    Its gradient is a convolution with the same weights.
    """

    def __init__(self, layer: nn.ConvTranspose2d, side: int, rows: int):
        channels, made, *_ = layer.weight.shape
        weight, self.bias = layer.weight.detach(), layer.bias.detach()
        self.there = OPERATIONS._reorder_convolution_transpose_weight(
            weight, PADDING, NO_OUTPUT_PADDING, STRIDE, DILATION, 1, [rows, channels, side, side]
        )
        self.back = OPERATIONS._reorder_convolution_weight(
            weight, PADDING, STRIDE, DILATION, 1, [rows, made, 2 * side, 2 * side]
        )

    def __call__(self, x: Tensor, then: str) -> Tensor:
        """The layer and what comes after it, "relu" or "none"."""
        return OPERATIONS._convolution_transpose_pointwise.default(
            x, self.there, self.bias, PADDING, NO_OUTPUT_PADDING, STRIDE, DILATION, 1, then, [], ""
        )

    def slope(self, slope: Tensor) -> Tensor:
        return OPERATIONS._convolution_pointwise.default(
            slope, self.back, None, PADDING, STRIDE, DILATION, 1, "none", [], ""
        )


class _Pictures(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z: Tensor, network: PackedGenerator) -> Tensor:
        kept = [network.first(z[:, :, None, None]).relu_()]
        for doubling in network.doublings[:-1]:
            kept.append(doubling(kept[-1], "relu"))
        pictures = network.doublings[-1](kept[-1], "none").tanh_()
        ctx.network = network
        ctx.save_for_backward(*kept, pictures)
        return pictures

    @staticmethod
    @once_differentiable
    def backward(ctx, slope: Tensor) -> tuple[Tensor, None]:
        *kept, pictures = ctx.saved_tensors
        slope = torch.ops.aten.tanh_backward.default(slope, pictures).contiguous(
            memory_format=torch.channels_last
        )
        for doubling, x in zip(reversed(ctx.network.doublings), reversed(kept), strict=True):
            slope = torch.ops.aten.threshold_backward.default(doubling.slope(slope), x, 0)
        first = ctx.network.first
        slope = slope.permute(0, 2, 3, 1) if first.channels_last else slope
        return slope.flatten(1) @ first.weight.T, None
