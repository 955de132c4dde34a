"""Layers that several networks share, and the check of what goes into them."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from tutorial_lib.images import IMAGE_SIZE


def init_weights(module: nn.Module) -> None:
    """Radford et al. 2016: every weight from N(0, 0.02), batch-norm scales from N(1, 0.02).

    Args:
        module: one layer; `network.apply(init_weights)` does all.
    """
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def doubling_layers(base_channels: int) -> OrderedDict[str, nn.Module]:
    """A decoder: 4x4 to 64x64, doubling the side and halving the channels (Radford et al. 2016).

    Args:
        base_channels: C, the channels before the last layer.

    Shapes: (B, 8C, 4, 4) -> (B, 3, 64, 64) in [-1, 1].
    """
    c = base_channels
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for side, channels in ((8, 4 * c), (16, 2 * c), (32, c)):
        # (B, 2 channels, side / 2, side / 2) -> (B, channels, side, side)
        layers[f"to_{side}x{side}"] = nn.ConvTranspose2d(
            2 * channels, channels, 4, 2, 1, bias=False
        )
        layers[f"norm_{side}x{side}"] = nn.BatchNorm2d(channels)
        layers[f"relu_{side}x{side}"] = nn.ReLU(inplace=True)
    layers["to_64x64"] = nn.ConvTranspose2d(c, 3, 4, 2, 1)  # (B, C, 32, 32) -> (B, 3, 64, 64)
    layers["tanh"] = nn.Tanh()
    return layers


def halving_layers(base_channels: int, batch_norm: bool = True) -> OrderedDict[str, nn.Module]:
    """An encoder: 64x64 to 4x4, halving the side and doubling the channels (Radford et al. 2016).

    Args:
        base_channels: C, the channels after the first layer.
        batch_norm: after each convolution but the first; without it these have a bias.

    Shapes: (B, 3, 64, 64) -> (B, 8C, 4, 4).
    """
    c = base_channels
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["to_32x32"] = nn.Conv2d(3, c, 4, 2, 1)  # (B, 3, 64, 64) -> (B, C, 32, 32)
    layers["relu_32x32"] = nn.LeakyReLU(0.2, inplace=True)
    for side, channels in ((16, 2 * c), (8, 4 * c), (4, 8 * c)):
        # (B, channels / 2, 2 side, 2 side) -> (B, channels, side, side)
        layers[f"to_{side}x{side}"] = nn.Conv2d(
            channels // 2, channels, 4, 2, 1, bias=not batch_norm
        )
        if batch_norm:
            layers[f"norm_{side}x{side}"] = nn.BatchNorm2d(channels)
        layers[f"relu_{side}x{side}"] = nn.LeakyReLU(0.2, inplace=True)
    return layers


def check_input(images: Tensor, network: str) -> None:
    """Refuse what is not a batch of 64x64 color images.

    Args:
        images: what a network was given.
        network: its name for the message: "the encoder".

    Raises:
        ValueError: for another shape than (B, 3, 64, 64).
    """
    if images.dim() != 4 or images.shape[1:] != (3, IMAGE_SIZE, IMAGE_SIZE):
        raise ValueError(
            f"{network} takes images of shape (B, 3, {IMAGE_SIZE}, {IMAGE_SIZE}), "
            f"got {tuple(images.shape)}"
        )
