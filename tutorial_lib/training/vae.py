"""The evidence lower bound as one training step (Kingma & Welling 2014).

With an adversarial term if wanted.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib.device import upcast
from tutorial_lib.models.dcgan import Discriminator
from tutorial_lib.models.vae import VAE, kl_divergence, reparametrize
from tutorial_lib.training.gan import adversarial_losses
from tutorial_lib.training.task import Task, check_settings, frozen, seeded_weights

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
        precision: see `GANSettings`.
    """

    base_channels: int = 64
    learning_rate: float = 1e-3
    noise: float = 1.0
    adversarial: float = 0.0
    discriminator_channels: int | None = None
    flips: bool = True
    precision: str = "float32"

    def __post_init__(self):
        sizes = ("base_channels", "discriminator_channels")
        check_settings(
            self, positive=(*sizes, "learning_rate", "noise"), not_negative=("adversarial",)
        )


class VAETask(Task):
    """A VAE and its optimizer, for `training.loop.train`.

    Args:
        settings: see `VAESettings`.
        device: where to train.
        seed: of the initial weights and of the preview codes.
    """

    kind = "vae"
    shipped = "vae"
    settings: VAESettings

    def __init__(
        self,
        settings: VAESettings = VAESettings(),
        device: torch.device | str = "cpu",
        seed: int = 0,
    ):
        super().__init__(settings, device)
        with seeded_weights(seed):
            vae = VAE(settings.base_channels)
            discriminator = (
                Discriminator(settings.discriminator_channels or settings.base_channels, "spectral")
                if settings.adversarial
                else None
            )
        self.vae = self.placed(vae)
        self.modules = {"vae": self.vae}
        self.optimizers = {"vae": torch.optim.Adam(self.vae.parameters(), settings.learning_rate)}
        self.discriminator = discriminator
        if discriminator is not None:
            self.modules["discriminator"] = self.placed(discriminator)
            self.optimizers["discriminator"] = torch.optim.Adam(
                discriminator.parameters(), 2e-4, (0.5, 0.999)
            )
        self.preview_z = torch.randn(
            PREVIEW_COUNT, self.vae.encoder.z_dim, generator=torch.Generator().manual_seed(seed)
        ).to(self.device)

    def step(self, images: Tensor, rng: torch.Generator, number: int) -> dict[str, Tensor]:
        """One update on (B, 3, 64, 64) pictures in [-1, 1].

        Returns the scalars "mse", "kl" and, with a D, "loss_d".
        """
        settings = self.settings
        images = self.mirrored_here(images, rng)  # (B, 3, 64, 64)
        with self.autocast():
            mean, log_variance = (upcast(part) for part in self.vae.encoder(images))  # (B, 100)
            z = reparametrize(mean, log_variance, rng)  # (B, 100)
            if self.discriminator is not None:
                drawn = torch.randn(len(images) // 2, z.shape[1], generator=rng)  # (B / 2, 100)
                z = torch.cat([z, drawn.to(z)])  # (3 B / 2, 100)
            decoded = upcast(self.vae.decoder(z))  # (B or 3 B / 2, 3, 64, 64)
        mse = (decoded[: len(images)] - images).square().mean()
        kl = kl_divergence(mean, log_variance).mean()
        # minus the evidence lower bound, up to a constant
        loss = images[0].numel() / 2 * mse / settings.noise**2 + kl
        values = {"mse": mse.detach(), "kl": kl.detach()}
        if self.discriminator is not None:
            # as many as there are real ones, half of them from random codes
            judged = decoded[len(images) // 2 :]  # (B, 3, 64, 64)
            values["loss_d"] = self._train_discriminator(images, judged.detach())
            with frozen(self.discriminator), self.autocast():
                believed = upcast(F.softplus(-self.discriminator(judged))).mean()
                loss = loss + settings.adversarial * believed
        self.update("vae", loss)
        return values

    def _train_discriminator(self, images: Tensor, judged: Tensor) -> Tensor:
        assert self.discriminator is not None
        with self.autocast():
            real, fake = self.discriminator(images), self.discriminator(judged)  # (B,) each
            loss, _ = adversarial_losses("non-saturating", real, fake)  # Eq. 1
        self.update("discriminator", upcast(loss))
        return loss.detach()

    @torch.no_grad()
    def preview(self) -> Tensor:
        """(64, 3, 64, 64) decoded pictures for codes that stay the same through the training."""
        self.vae.eval()
        pictures = self.vae.decoder(self.preview_z).float().cpu()
        self.vae.train()
        return pictures
