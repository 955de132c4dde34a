"""The evidence lower bound as one training step (Kingma & Welling 2014), with an adversarial term
if wanted.
"""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib import distributed
from tutorial_lib.device import autocast, memory_format, widened
from tutorial_lib.models.dcgan import Discriminator
from tutorial_lib.models.latent_model import LatentModel
from tutorial_lib.models.vae import VAE, kl_divergence, reparametrize, vae_latent_model
from tutorial_lib.training.augment import flip

PREVIEW_COUNT = 64


@dataclass(frozen=True)
class VAESettings:
    """How a VAE is trained.

    Attributes:
        base_channels: of encoder and decoder, see `VAE`.
        learning_rate: Adam's.
        noise: standard deviation that p(x | z) is given around the decoded picture, for pixels in
            [-1, 1]. The smaller, the more a detail counts: pictures come back sharper, and codes
            drawn from the prior decode to worse ones (the encoder's codes then fill less and less
            of the prior).
        adversarial: weight of -log D(picture), in nats a picture, for a VAE whose pictures a D
            judges as well (the paper's section 2 names such hybrids; Larsen et al. 2016): half of
            them decoded from the encoder's codes, half from codes drawn at random; 0 for the plain
            VAE.
        discriminator_channels: size of that D, None for the same as the decoder.
        flips: mirror training pictures at random.
        precision: "float32", or "bfloat16" / "float16" where the device is faster in it.
    """

    base_channels: int = 64
    learning_rate: float = 1e-3
    noise: float = 1.0
    adversarial: float = 0.0
    discriminator_channels: int | None = None
    flips: bool = True
    precision: str = "float32"


class VAETask:
    """A VAE and its optimizer, for `training.loop.train`.

    Args:
        settings: see `VAESettings`.
        device: where to train.
        seed: of the initial weights and of the preview codes.

    Raises:
        ValueError: for noise that is not positive.
    """

    kind = "vae"

    def __init__(
        self,
        settings: VAESettings = VAESettings(),
        device: torch.device | str = "cpu",
        seed: int = 0,
    ):
        if not settings.noise > 0:
            raise ValueError(f"the noise of the pixels must be positive, got {settings.noise}")
        self.settings, self.device = settings, torch.device(device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            vae = VAE(settings.base_channels)
            discriminator = (
                Discriminator(settings.discriminator_channels or settings.base_channels, "spectral")
                if settings.adversarial
                else None
            )
        layout = memory_format(self.device)
        self.vae = distributed.with_synchronized_batch_norm(
            vae.to(self.device, memory_format=layout)
        )
        self.modules = {"vae": self.vae}
        self.optimizers = {"vae": torch.optim.Adam(self.vae.parameters(), settings.learning_rate)}
        self.discriminator = discriminator
        if discriminator is not None:
            self.modules["discriminator"] = discriminator.to(self.device, memory_format=layout)
            self.optimizers["discriminator"] = torch.optim.Adam(
                discriminator.parameters(), 2e-4, (0.5, 0.999)
            )
        self.preview_z = torch.randn(
            PREVIEW_COUNT, self.vae.encoder.z_dim, generator=torch.Generator().manual_seed(seed)
        ).to(self.device)

    def describe(self) -> dict:
        """The settings as plain values, for checkpoints and model cards."""
        return asdict(self.settings)

    def step(self, images: Tensor, rng: torch.Generator, number: int) -> dict[str, Tensor]:
        """One update on (B, 3, 64, 64) pictures in [-1, 1].

        Returns the scalars "mse", "kl" and, with a D, "loss_d".
        """
        settings = self.settings
        images = images.to(self.device, memory_format=memory_format(self.device))
        if settings.flips:
            images = flip(images, rng)
        with autocast(self.device, settings.precision):
            mean, log_variance = (widened(part) for part in self.vae.encoder(images))
            z = reparametrize(mean, log_variance, rng)
            if self.discriminator is not None:
                if distributed.world_size() > 1 and len(images) % 2:
                    raise ValueError(
                        f"{len(images)} pictures a process cannot be halved between the encoder's codes and random ones: "
                        "choose another batch size"
                    )
                drawn = distributed.drawn(
                    lambda whole: torch.randn(whole, z.shape[1], generator=rng), len(images) // 2
                )
                z = torch.cat([z, drawn.to(z)])
            decoded = widened(self.vae.decoder(z))
        mse = (decoded[: len(images)] - images).square().mean()
        kl = kl_divergence(mean, log_variance).mean()
        loss = (
            images[0].numel() / 2 * mse / settings.noise**2 + kl
        )  # minus the evidence lower bound, up to a constant
        values = {"mse": mse.detach(), "kl": kl.detach()}
        if self.discriminator is not None:
            judged = decoded[
                len(images) // 2 :
            ]  # as many as there are real ones, half of them from random codes
            values["loss_d"] = self._train_discriminator(images, judged.detach())
            self.discriminator.requires_grad_(False)
            with autocast(self.device, settings.precision):
                loss = (
                    loss
                    + settings.adversarial * widened(F.softplus(-self.discriminator(judged))).mean()
                )
            self.discriminator.requires_grad_(True)
        self._update("vae", loss)
        return values

    def _train_discriminator(self, images: Tensor, judged: Tensor) -> Tensor:
        with autocast(self.device, self.settings.precision):
            loss = (
                F.softplus(-self.discriminator(images)).mean()
                + F.softplus(self.discriminator(judged)).mean()
            )
        self._update("discriminator", widened(loss))
        return loss.detach()

    def _update(self, name: str, loss: Tensor) -> None:
        self.optimizers[name].zero_grad(set_to_none=True)
        loss.backward()
        distributed.average_gradients(self.modules[name].parameters())
        self.optimizers[name].step()

    @torch.no_grad()
    def preview(self) -> Tensor:
        """(64, 3, 64, 64) decoded pictures for codes that stay the same through the training."""
        self.vae.eval()
        pictures = self.vae.decoder(self.preview_z).float().cpu()
        self.vae.train()
        return pictures

    def finish(self, card: dict | None = None) -> LatentModel:
        """The decoder as the latent search uses it."""
        return vae_latent_model(self.finished_network(), card)

    def finished_network(self) -> VAE:
        """A copy of the whole VAE in eval mode, for `save_network`."""
        return copy.deepcopy(self.vae).eval()
