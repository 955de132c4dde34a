"""A variational autoencoder (Kingma & Welling 2014) of the DCGAN's size.

Its decoder is the DCGAN's G.

The paper's section 2 and Fig. 2 set it beside the GAN (notebook 02); with `LatentModel` its codes
can be searched as well.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from tutorial_lib.distributed import drawn
from tutorial_lib.images import IMAGE_SIZE
from tutorial_lib.models.dcgan import Z_DIM, Generator, init_weights
from tutorial_lib.models.latent_model import LatentModel, normal_latent_model


def halving_layers(in_channels: int, base_channels: int) -> OrderedDict[str, nn.Module]:
    """64x64 to 4x4, halving the side and doubling the channels as the DCGAN's D does, with batch
    norm.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["to_32x32"] = nn.Conv2d(in_channels, base_channels, 4, 2, 1)
    layers["relu_32x32"] = nn.LeakyReLU(0.2, inplace=True)
    for side, channels in ((16, 2 * base_channels), (8, 4 * base_channels), (4, 8 * base_channels)):
        layers[f"to_{side}x{side}"] = nn.Conv2d(channels // 2, channels, 4, 2, 1, bias=False)
        layers[f"norm_{side}x{side}"] = nn.BatchNorm2d(channels)
        layers[f"relu_{side}x{side}"] = nn.LeakyReLU(0.2, inplace=True)
    return layers


class Encoder(nn.Module):
    """q(z | x): a picture to the mean and the log variance of its code.

    Args:
        base_channels: channels after the first layer.
        z_dim: length of the code.

    Shapes: (B, 3, 64, 64) in [-1, 1] -> two (B, z_dim).

    Raises:
        ValueError: for pictures of another size.
    """

    def __init__(self, base_channels: int = 64, z_dim: int = Z_DIM):
        super().__init__()
        self.base_channels, self.z_dim = base_channels, z_dim
        layers = halving_layers(3, base_channels)
        layers["to_code"] = nn.Conv2d(8 * base_channels, 2 * z_dim, 4, 1, 0)
        self.layers = nn.Sequential(layers)
        self.apply(init_weights)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        if images.dim() != 4 or images.shape[1:] != (3, IMAGE_SIZE, IMAGE_SIZE):
            raise ValueError(
                f"the encoder takes pictures of shape (B, 3, {IMAGE_SIZE}, {IMAGE_SIZE}), got {tuple(images.shape)}"
            )
        mean, log_variance = self.layers(images).flatten(1).chunk(2, dim=1)
        return mean, log_variance.clamp(-12, 6)  # exp stays finite in half precision


class VAE(nn.Module):
    """Encoder and decoder together.

    Args:
        base_channels: of both; z_dim: length of the code. Shapes: (B, 3, 64, 64) in [-1, 1] -> the
            same, through the mean of the code.
    """

    def __init__(self, base_channels: int = 64, z_dim: int = Z_DIM):
        super().__init__()
        self.encoder = Encoder(base_channels, z_dim)
        self.decoder = Generator(base_channels, z_dim)

    def forward(self, images: Tensor) -> Tensor:
        return self.decoder(self.encoder(images)[0])


def reparametrize(mean: Tensor, log_variance: Tensor, rng: torch.Generator) -> Tensor:
    """A draw from q(z | x) through which gradients pass.

    Mean + deviation * noise, the noise drawn on the CPU.
    """
    noise = drawn(lambda whole: torch.randn(whole, *mean.shape[1:], generator=rng), len(mean)).to(
        mean
    )
    return mean + (log_variance / 2).exp() * noise


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """(B,): KL(q(z | x) || N(0, 1)) in nats (Kingma & Welling 2014, appendix B)."""
    return (mean.square() + log_variance.exp() - 1 - log_variance).sum(1) / 2


def vae_latent_model(vae: VAE, card: dict | None = None) -> LatentModel:
    """The decoder as the latent search sees it.

    Z standard normal, no D, the prior loss is the code's own.
    """
    return normal_latent_model(vae.decoder, vae.encoder.z_dim, card)
