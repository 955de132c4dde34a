"""A variational autoencoder (Kingma & Welling 2014) of the DCGAN's size, its decoder the DCGAN's G.

The paper's section 2 and Fig. 2 set it beside the GAN (notebook 03); with `LatentModel` its codes
can be searched as well.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tutorial_lib.models.blocks import check_input, halving_layers, init_weights
from tutorial_lib.models.dcgan import Z_DIM, Generator
from tutorial_lib.models.latent_model import LatentModel, normal_latent_model


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
        layers = halving_layers(base_channels)
        # (B, 8C, 4, 4) -> (B, 2 z_dim, 1, 1)
        layers["to_code"] = nn.Conv2d(8 * base_channels, 2 * z_dim, 4, 1, 0)
        self.layers = nn.Sequential(layers)
        self.apply(init_weights)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, 64, 64) images in [-1, 1] -> mean and log variance, each (B, z_dim)."""
        check_input(images, "the encoder")
        mean, log_variance = self.layers(images).flatten(1).chunk(2, dim=1)  # two (B, z_dim)
        return mean, log_variance.clamp(-12, 6)  # exp stays finite in half precision


class VAE(nn.Module):
    """Encoder and decoder together.

    Args:
        base_channels: of both.
        z_dim: length of the code.

    Shapes: (B, 3, 64, 64) in [-1, 1] -> the same, through the mean of the code.
    """

    def __init__(self, base_channels: int = 64, z_dim: int = Z_DIM):
        super().__init__()
        self.base_channels, self.z_dim = base_channels, z_dim
        self.encoder = Encoder(base_channels, z_dim)
        self.decoder = Generator(base_channels, z_dim)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, 64, 64) images in [-1, 1] -> the same, decoded from the mean of their codes."""
        return self.decoder(self.encoder(images)[0])


def reparametrize(mean: Tensor, log_variance: Tensor, rng: torch.Generator) -> Tensor:
    """A draw from q(z | x) through which gradients pass: mean + deviation * noise.

    Args:
        mean: (B, z_dim), as the encoder gives it.
        log_variance: the same.
        rng: a CPU generator, of the noise.

    Returns:
        (B, z_dim) codes.
    """
    noise = torch.randn(mean.shape, generator=rng).to(mean)
    return mean + (log_variance / 2).exp() * noise


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """(B,): KL(q(z | x) || N(0, 1)) in nats (Kingma & Welling 2014, appendix B)."""
    return (mean.square() + log_variance.exp() - 1 - log_variance).sum(1) / 2


def vae_latent_model(vae: VAE, card: dict | None = None) -> LatentModel:
    """The decoder as the latent search sees it: z standard normal, no D, the code's own prior."""
    return normal_latent_model(vae.decoder, vae.encoder.z_dim, card)
