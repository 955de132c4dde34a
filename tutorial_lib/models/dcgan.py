"""DCGAN (Radford et al. 2016) as the paper uses it: 64x64 images, a 100-dimensional latent code.

D is a mirror of G. Notebook 03 builds and trains it; the latent search of notebook 05 only looks at
it.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from tutorial_lib.models.blocks import check_input, doubling_layers, halving_layers, init_weights

Z_DIM = 100
NORMS = ("batch", "spectral", "none")


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
        layers |= doubling_layers(c)  # (B, 8C, 4, 4) -> (B, 3, 64, 64)
        self.layers = nn.Sequential(layers)
        self.apply(init_weights)

    def forward(self, z: Tensor) -> Tensor:
        """(B, z_dim) codes -> (B, 3, 64, 64) images in [-1, 1]."""
        if z.dim() != 2 or z.shape[1] != self.z_dim:
            raise ValueError(
                f"the generator takes codes of shape (B, {self.z_dim}), got {tuple(z.shape)}"
            )
        return self.layers(z[:, :, None, None])  # (B, z_dim, 1, 1) -> (B, 3, 64, 64)


class Discriminator(nn.Module):
    """D: a picture to one logit, halving the side and doubling the channels four times.

    One logit is the paper's two-class softmax: softmax([a, b])[0] = sigmoid(a - b) (shown in
    notebook 03).

    Args:
        base_channels: channels after the first layer.
        norm: "batch" is the paper's DCGAN; "spectral" (Miyato et al. 2018) and "none" have no batch
            statistics, so that D means the same for one picture as for a batch: what a prior loss
            needs.
        gain: factor of the logit. Spectral norm lets each layer at most keep what it gets, so that
            logits stay near 0 and D can hardly be sure of anything; a gain above 1 gives that back.

    Shapes: (B, 3, 64, 64) in [-1, 1] -> (B,) logits, D = sigmoid(logit).

    Raises:
        ValueError: for an unknown norm or a picture of another size.
    """

    def __init__(self, base_channels: int = 64, norm: str = "batch", gain: float = 1.0):
        super().__init__()
        if norm not in NORMS:
            raise ValueError(f"norm must be one of {NORMS}, got {norm!r}")
        self.base_channels, self.norm, self.gain = base_channels, norm, gain
        layers = halving_layers(base_channels, batch_norm=norm == "batch")
        # (B, 8C, 4, 4) -> (B, 1, 1, 1)
        layers["to_logit"] = nn.Conv2d(8 * base_channels, 1, 4, 1, 0)
        self.layers = nn.Sequential(layers)
        self.apply(init_weights)
        if norm == "spectral":
            for layer in convolutions(self):
                spectral_norm(layer)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, 64, 64) images in [-1, 1] -> (B,) logits."""
        check_input(images, "the discriminator")
        return self.gain * self.layers(images).flatten()  # (B, 1, 1, 1) -> (B,)


def convolutions(discriminator: nn.Module) -> list[nn.Conv2d]:
    """The convolutions of a discriminator, from the image to the logit."""
    return [layer for layer in discriminator.modules() if isinstance(layer, nn.Conv2d)]


@torch.no_grad()
def plain_discriminator(discriminator: Discriminator) -> Discriminator:
    """A copy of a spectral-norm D in which the normalized weights and the gain are written out.

    The same function, plain layers.
    """
    if discriminator.norm != "spectral":
        return discriminator
    was_training = discriminator.training
    discriminator.eval()  # in eval mode reading a weight does not move the power iteration
    plain = Discriminator(discriminator.base_channels, norm="none")
    for source, target in zip(convolutions(discriminator), convolutions(plain), strict=True):
        target.weight.copy_(source.weight)
        target.get_parameter("bias").copy_(source.get_parameter("bias"))
    for parameter in convolutions(plain)[-1].parameters():
        parameter.mul_(discriminator.gain)
    discriminator.train(was_training)
    return plain.to(next(discriminator.parameters()).device).eval()
