"""Training of the Context Encoder: reconstruct the hole, and let a D judge the whole.

Pathak et al. 2016.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib.device import seeded_generator, upcast
from tutorial_lib.masks import FAMILIES, mixed_masks
from tutorial_lib.models.context_encoder import ContextEncoder
from tutorial_lib.models.dcgan import Discriminator
from tutorial_lib.training.gan import adversarial_losses
from tutorial_lib.training.task import Task, check_settings, frozen, seeded_weights

PREVIEW_COUNT = 32


@dataclass(frozen=True)
class ContextEncoderSettings:
    """How a Context Encoder is trained.

    Attributes:
        base_channels: see `ContextEncoder`.
        discriminator_channels: size of D, None for the same as the network.
        learning_rate, beta1: Adam's, for both networks.
        adversarial: share of the adversarial loss; the rest is the hole's mean squared error
            (Pathak et al.: 0.001).
        families: masks are drawn from these, the same number of each (all four, as the paper does
            for fairness).
        flips: mirror training pictures at random.
        precision: see `GANSettings`.
    """

    base_channels: int = 64
    discriminator_channels: int | None = None
    learning_rate: float = 2e-4
    beta1: float = 0.5
    adversarial: float = 0.001
    families: tuple[str, ...] = FAMILIES
    flips: bool = True
    precision: str = "float32"

    def __post_init__(self):
        sizes = ("base_channels", "discriminator_channels")
        check_settings(
            self,
            positive=(*sizes, "learning_rate"),
            fraction=("adversarial",),
            decay=("beta1",),
            some={"families": FAMILIES},
        )


class ContextEncoderTask(Task):
    """The network, its D and their optimizers, for `training.loop.train`.

    Args:
        settings: see `ContextEncoderSettings`.
        images: (B, 3, 64, 64) training pictures, for the mean color that stands for a hole and for
            the preview.
        device: where to train.
        seed: of the initial weights and the preview's masks.
    """

    kind = "context-encoder"
    settings: ContextEncoderSettings

    def __init__(
        self,
        settings: ContextEncoderSettings,
        images: Tensor,
        device: torch.device | str = "cpu",
        seed: int = 0,
    ):
        super().__init__(settings, device)
        red, green, blue = (round(value, 4) for value in images.mean((0, 2, 3)).tolist())
        with seeded_weights(seed):
            network = ContextEncoder(settings.base_channels, (red, green, blue))
            discriminator = Discriminator(
                settings.discriminator_channels or settings.base_channels, "spectral"
            )
        self.network = self.placed(network)
        self.discriminator = self.placed(discriminator)
        self.modules = {"network": self.network, "discriminator": self.discriminator}
        self.optimizers = {
            name: torch.optim.Adam(
                module.parameters(), settings.learning_rate, (settings.beta1, 0.999)
            )
            for name, module in self.modules.items()
        }
        self.preview_images = images[:PREVIEW_COUNT].to(self.device)
        masks = mixed_masks(settings.families, len(self.preview_images), seeded_generator(seed, 1))
        self.preview_mask = masks.to(self.device)

    def start_from(self, network: ContextEncoder) -> None:
        """Begin with a trained network, its hole's color too; D and the optimizers begin anew.

        Raises:
            ValueError: for a network of another size.
        """
        self.check_size(network.base_channels, "Context Encoder")
        self.network.load_state_dict(network.state_dict())

    def step(self, images: Tensor, rng: torch.Generator, number: int) -> dict[str, Tensor]:
        """One update of D and one of the network on (B, 3, 64, 64) pictures in [-1, 1].

        Returns:
            scalars "mse" (of the hole), "loss_d", "loss_adversarial".
        """
        settings, d = self.settings, self.discriminator
        images = self.mirrored_here(images, rng)  # (B, 3, 64, 64)
        mask = mixed_masks(settings.families, len(images), rng).to(images)  # (B, 1, 64, 64)
        hole = 1 - mask
        with self.autocast():
            painted = upcast(self.network(self.network.filled(images, mask)))  # (B, 3, 64, 64)
            completed = torch.where(mask > 0, images, painted)
            real, fake = d(images), d(completed.detach())  # (B,) each
            loss_d = upcast(adversarial_losses("non-saturating", real, fake)[0])  # Eq. 1
        self.update("discriminator", loss_d)
        squared = (painted - images).square().mean(1, keepdim=True) * hole  # (B, 1, 64, 64)
        # a mean over each image's own hole: a small hole counts as much as a large one
        mse = (squared.flatten(1).sum(1) / hole.flatten(1).sum(1)).mean()
        with frozen(d), self.autocast():
            believed = upcast(F.softplus(-d(completed))).mean()
        self.update("network", (1 - settings.adversarial) * mse + settings.adversarial * believed)
        return {
            "mse": mse.detach(),
            "loss_d": loss_d.detach(),
            "loss_adversarial": believed.detach(),
        }

    def preview(self) -> Tensor:
        """Pairs of what the network is shown and its completion; images and masks stay the same."""
        self.network.eval()
        shown = self.network.filled(self.preview_images, self.preview_mask)
        completed = self.network.paint(self.preview_images, self.preview_mask)[1]
        self.network.train()
        return torch.stack([shown, completed], dim=1).flatten(0, 1).float().cpu()
