"""Training of the encoder of z, on G's own samples with random holes: no photograph is needed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tutorial_lib.device import seeded_generator, upcast
from tutorial_lib.masks import FAMILIES, mixed_masks
from tutorial_lib.models.encoder import CodeEncoder
from tutorial_lib.models.latent_model import LatentModel, pictures_of
from tutorial_lib.training.task import Task, check_settings, seeded_weights

PREVIEW_COUNT = 32


class Samples:
    """G's samples as a data set whose codes are known.

    Args:
        gan: whose samples they are.
        count: how many.
        seed: of the codes.
    """

    def __init__(self, gan: LatentModel, count: int, seed: int = 0):
        self.gan = gan
        self.name = f"samples of {gan.card.get('name', 'a generator')}"
        self.identity = gan.card.get("sha256")  # a resumed run is held to the same weights
        self.codes = gan.sample_z(count, seeded_generator(seed))  # (count, z_dim)

    def __len__(self) -> int:
        return len(self.codes)

    def batch(self, indices) -> Tensor:
        """(B, z_dim): what the task makes its pictures of."""
        return self.codes[indices]

    def images(self, indices) -> Tensor:
        """(B, 3, 64, 64) in [-1, 1], on the CPU."""
        return pictures_of(self.gan, self.codes[indices])


@dataclass(frozen=True)
class EncoderSettings:
    """How an encoder of z is trained.

    Attributes:
        base_channels: see `CodeEncoder`.
        learning_rate: Adam's.
        image: weight of the mean squared error of the picture G(E(y, M)); that of z has weight 1.
        families: masks are drawn from these, the same number of each.
        precision: see `GANSettings`.
    """

    base_channels: int = 40
    learning_rate: float = 5e-4
    image: float = 4.0
    families: tuple[str, ...] = FAMILIES
    precision: str = "float32"

    def __post_init__(self):
        check_settings(
            self,
            positive=("base_channels", "learning_rate"),
            not_negative=("image",),
            some={"families": FAMILIES},
        )


class EncoderTask(Task):
    """The encoder and its optimizer, for `training.loop.train` on `Samples`.

    Args:
        settings: see `EncoderSettings`.
        gan: the frozen model whose codes are to be guessed.
        device: where to train.
        seed: of the initial weights and the preview.
    """

    kind = "encoder"
    shipped = "encoder"
    settings: EncoderSettings

    def __init__(
        self,
        settings: EncoderSettings,
        gan: LatentModel,
        device: torch.device | str = "cpu",
        seed: int = 0,
    ):
        super().__init__(settings, device)
        self.gan = gan.to(self.device)
        with seeded_weights(seed):
            encoder = CodeEncoder(settings.base_channels, gan.z_dim)
        self.encoder = self.placed(encoder)
        self.modules = {"encoder": self.encoder}
        self.optimizers = {
            "encoder": torch.optim.Adam(self.encoder.parameters(), settings.learning_rate)
        }
        self.preview_z = gan.sample_z(PREVIEW_COUNT, seeded_generator(seed, 1)).to(self.device)
        masks = mixed_masks(settings.families, PREVIEW_COUNT, seeded_generator(seed, 2))
        self.preview_mask = masks.to(self.device)

    def step(self, codes: Tensor, rng: torch.Generator, number: int) -> dict[str, Tensor]:
        """One update on (B, z_dim) codes.

        Returns:
            scalars "latent" and "image", the two mean squared errors.
        """
        z = codes.to(self.device)  # (B, z_dim)
        mask = mixed_masks(self.settings.families, len(z), rng).to(z)  # (B, 1, 64, 64)
        with self.autocast():
            with torch.no_grad():
                images = upcast(self.gan.generator(z))  # (B, 3, 64, 64)
            guess = upcast(self.encoder(images, mask))  # (B, z_dim)
            again = upcast(self.gan.generator(guess))  # (B, 3, 64, 64)
        latent = (guess - z).square().mean()
        image = (again - images).square().mean()
        self.update("encoder", latent + self.settings.image * image)
        return {"latent": latent.detach(), "image": image.detach()}

    @torch.no_grad()
    def preview(self) -> Tensor:
        """Pairs of a sample of G and what G makes of its guessed code."""
        self.encoder.eval()
        images = self.gan.generator(self.preview_z)
        again = self.gan.generator(self.encoder(images, self.preview_mask))
        self.encoder.train()
        return torch.stack([images, again], dim=1).flatten(0, 1).float().cpu()
