"""Training of the Context Encoder (Pathak et al. 2016): reconstruct the hole, and let a D judge the
whole.
"""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib import distributed
from tutorial_lib.device import autocast, memory_format, seeded_generator, widened
from tutorial_lib.masks import FAMILIES, make_masks
from tutorial_lib.models.context_encoder import ContextEncoder
from tutorial_lib.models.dcgan import Discriminator
from tutorial_lib.training.augment import flip

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
        precision: "float32", or "bfloat16" / "float16" where the device is faster in it.
    """

    base_channels: int = 64
    discriminator_channels: int | None = None
    learning_rate: float = 2e-4
    beta1: float = 0.5
    adversarial: float = 0.001
    families: tuple[str, ...] = FAMILIES
    flips: bool = True
    precision: str = "float32"


class ContextEncoderTask:
    """The network, its D and their optimizers, for `training.loop.train`.

    Args:
        settings: see `ContextEncoderSettings`.
        images: (B, 3, 64, 64) training pictures, for the mean color that stands for a hole and for
            the preview.
        device: where to train.
        seed: of the initial weights and the preview's masks.

    Raises:
        ValueError: for an unknown family of masks.
    """

    kind = "context-encoder"

    def __init__(
        self,
        settings: ContextEncoderSettings,
        images: Tensor,
        device: torch.device | str = "cpu",
        seed: int = 0,
    ):
        unknown = set(settings.families) - set(FAMILIES)
        if unknown or not settings.families:
            raise ValueError(f"families must be some of {FAMILIES}, got {settings.families}")
        self.settings, self.device = settings, torch.device(device)
        mean = tuple(round(value, 4) for value in images.mean((0, 2, 3)).tolist())
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = ContextEncoder(settings.base_channels, mean)
            discriminator = Discriminator(
                settings.discriminator_channels or settings.base_channels, "spectral"
            )
        layout = memory_format(self.device)
        self.network = distributed.with_synchronized_batch_norm(
            network.to(self.device, memory_format=layout)
        )
        self.discriminator = discriminator.to(self.device, memory_format=layout)
        self.modules = {"network": self.network, "discriminator": self.discriminator}
        self.optimizers = {
            name: torch.optim.Adam(
                module.parameters(), settings.learning_rate, (settings.beta1, 0.999)
            )
            for name, module in self.modules.items()
        }
        self.preview_images = images[:PREVIEW_COUNT].to(self.device)
        self.preview_mask = self._masks(len(self.preview_images), seeded_generator(seed, 1))

    def describe(self) -> dict:
        """The settings as plain values, for checkpoints and model cards."""
        return asdict(self.settings)

    def _masks(self, count: int, rng: torch.Generator) -> Tensor:
        """(count, 1, 64, 64): the families in turn, so that a batch holds as many of each."""
        families = self.settings.families
        masks = [make_masks(families[number % len(families)], 1, rng) for number in range(count)]
        return torch.cat(masks).to(self.device)

    def step(self, images: Tensor, rng: torch.Generator, number: int) -> dict[str, Tensor]:
        """One update of D and one of the network on (B, 3, 64, 64) pictures in [-1, 1].

        Returns:
            scalars "mse" (of the hole), "loss_d", "loss_adversarial".
        """
        settings, d = self.settings, self.discriminator
        images = images.to(self.device, memory_format=memory_format(self.device))
        if settings.flips:
            images = flip(images, rng)
        mask = distributed.drawn(lambda whole: self._masks(whole, rng), len(images))
        hole = 1 - mask
        with autocast(self.device, settings.precision):
            painted = widened(self.network(self.network.filled(images, mask)))
            completed = torch.where(mask > 0, images, painted)
            loss_d = widened(
                F.softplus(-d(images)).mean() + F.softplus(d(completed.detach())).mean()
            )
        self._update("discriminator", loss_d)
        # a mean over each picture's own hole: a small hole counts as much as a large one
        squared = ((painted - images).square().mean(1, keepdim=True) * hole).flatten(1).sum(
            1
        ) / hole.flatten(1).sum(1)
        d.requires_grad_(False)
        with autocast(self.device, settings.precision):
            believed = widened(F.softplus(-d(completed))).mean()
        mse = squared.mean()
        self._update("network", (1 - settings.adversarial) * mse + settings.adversarial * believed)
        d.requires_grad_(True)
        return {
            "mse": mse.detach(),
            "loss_d": loss_d.detach(),
            "loss_adversarial": believed.detach(),
        }

    def _update(self, name: str, loss: Tensor) -> None:
        self.optimizers[name].zero_grad(set_to_none=True)
        loss.backward()
        distributed.average_gradients(self.modules[name].parameters())
        self.optimizers[name].step()

    def preview(self) -> Tensor:
        """Pairs of what the network is shown and its completion, for pictures and masks that stay
        the same.
        """
        self.network.eval()
        shown = self.network.filled(self.preview_images, self.preview_mask)
        completed = self.network.paint(self.preview_images, self.preview_mask)[1]
        self.network.train()
        return torch.stack([shown, completed], dim=1).flatten(0, 1).float().cpu()

    def finished_network(self) -> ContextEncoder:
        """A copy of the network in eval mode, for `save_network`."""
        return copy.deepcopy(self.network).eval()
