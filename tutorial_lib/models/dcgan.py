"""DCGAN (Radford et al. 2016) as the paper uses it: 64x64x3 pictures, a 100-dimensional code, D a
mirror of G.

Notebook 02 builds and trains it; the latent search of notebook 04 only looks at it.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from tutorial_lib.images import IMAGE_SIZE

Z_DIM = 100
NORMS = ("batch", "spectral", "none")


def init_weights(module: nn.Module) -> None:
    """Radford et al. 2016: every weight from N(0, 0.02), batch-norm scales from N(1, 0.02)."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def doubling_layers(base_channels: int) -> OrderedDict[str, nn.Module]:
    """8 * base_channels channels at 4x4 to a 64x64 picture in [-1, 1], doubling the side and
    halving the channels.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for side, channels in ((8, 4 * base_channels), (16, 2 * base_channels), (32, base_channels)):
        layers[f"to_{side}x{side}"] = nn.ConvTranspose2d(
            2 * channels, channels, 4, 2, 1, bias=False
        )
        layers[f"norm_{side}x{side}"] = nn.BatchNorm2d(channels)
        layers[f"relu_{side}x{side}"] = nn.ReLU(inplace=True)
    layers["to_64x64"] = nn.ConvTranspose2d(base_channels, 3, 4, 2, 1)
    layers["tanh"] = nn.Tanh()
    return layers


class Generator(nn.Module):
    """G: a code z to a picture, doubling the side and halving the channels four times.

    Args:
        base_channels: channels before the last layer; the paper's size is 128 (1024 channels at
            4x4).
        z_dim: length of the code, 100 in the paper.

    Shapes: (B, z_dim) -> (B, 3, 64, 64) in [-1, 1].
    Source: paper section 3.4; Radford et al. 2016, figure 1.
    """

    def __init__(self, base_channels: int = 64, z_dim: int = Z_DIM):
        super().__init__()
        self.base_channels, self.z_dim = base_channels, z_dim
        c = base_channels
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers["to_4x4"] = nn.ConvTranspose2d(z_dim, 8 * c, 4, 1, 0, bias=False)
        layers["norm_4x4"] = nn.BatchNorm2d(8 * c)
        layers["relu_4x4"] = nn.ReLU(inplace=True)
        layers |= doubling_layers(c)
        self.layers = nn.Sequential(layers)
        self.apply(init_weights)

    def forward(self, z: Tensor) -> Tensor:
        if z.dim() != 2 or z.shape[1] != self.z_dim:
            raise ValueError(
                f"the generator takes codes of shape (B, {self.z_dim}), got {tuple(z.shape)}"
            )
        return self.layers(z[:, :, None, None])


class Discriminator(nn.Module):
    """D: a picture to one logit, halving the side and doubling the channels four times.

    One logit is the paper's two-class softmax: softmax([a, b])[0] = sigmoid(a - b) (shown in
    notebook 02).

    Args:
        base_channels: channels after the first layer.
        norm: "batch" is the paper's DCGAN; "spectral" (Miyato et al. 2018) and "none" have no batch
            statistics, so that D means the same for one picture as for a batch: what a prior loss
            needs.

    Shapes: (B, 3, 64, 64) in [-1, 1] -> (B,) logits, D = sigmoid(logit).

    Raises:
        ValueError: for an unknown norm or a picture of another size.
    """

    def __init__(self, base_channels: int = 64, norm: str = "batch"):
        super().__init__()
        if norm not in NORMS:
            raise ValueError(f"norm must be one of {NORMS}, got {norm!r}")
        self.base_channels, self.norm = base_channels, norm
        c = base_channels
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers["to_32x32"] = nn.Conv2d(3, c, 4, 2, 1)
        layers["relu_32x32"] = nn.LeakyReLU(0.2, inplace=True)
        for side, channels in ((16, 2 * c), (8, 4 * c), (4, 8 * c)):
            layers[f"to_{side}x{side}"] = nn.Conv2d(
                channels // 2, channels, 4, 2, 1, bias=norm != "batch"
            )
            if norm == "batch":
                layers[f"norm_{side}x{side}"] = nn.BatchNorm2d(channels)
            layers[f"relu_{side}x{side}"] = nn.LeakyReLU(0.2, inplace=True)
        layers["to_logit"] = nn.Conv2d(8 * c, 1, 4, 1, 0)
        self.layers = nn.Sequential(layers)
        self.apply(init_weights)
        if norm == "spectral":
            for layer in self.layers:
                if isinstance(layer, nn.Conv2d):
                    spectral_norm(layer)

    def forward(self, images: Tensor) -> Tensor:
        if images.dim() != 4 or images.shape[1:] != (3, IMAGE_SIZE, IMAGE_SIZE):
            raise ValueError(
                f"the discriminator takes pictures of shape (B, 3, {IMAGE_SIZE}, {IMAGE_SIZE}), "
                f"got {tuple(images.shape)}"
            )
        return self.layers(images).flatten()


@torch.no_grad()
def plain_discriminator(discriminator: Discriminator) -> Discriminator:
    """A copy of a spectral-norm D in which the normalized weights are written out.

    The same function, plain layers.
    """
    if discriminator.norm != "spectral":
        return discriminator
    was_training = discriminator.training
    discriminator.eval()  # in eval mode reading a weight does not move the power iteration
    plain = Discriminator(discriminator.base_channels, norm="none")
    for source, target in zip(discriminator.layers, plain.layers, strict=True):
        if isinstance(source, nn.Conv2d):
            target.weight.copy_(source.weight)
            target.bias.copy_(source.bias)
    discriminator.train(was_training)
    return plain.to(next(discriminator.parameters()).device).eval()
