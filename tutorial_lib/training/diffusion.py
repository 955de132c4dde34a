"""Flow matching as one training step (Lipman et al. 2023; Liu et al. 2023)."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from tutorial_lib.device import upcast
from tutorial_lib.models.diffusion import Denoiser, draw_noise, sample
from tutorial_lib.training.task import Task, average_into, check_settings, seeded_weights

PREVIEW_COUNT, PREVIEW_STEPS = 32, 20
WARM_UP = 1000  # steps in which the learning rate rises
TIME_SPREAD = 1.0  # of the logits of the times (Esser et al. 2024)


@dataclass(frozen=True)
class DiffusionSettings:
    """How a denoiser is trained.

    Attributes:
        base_channels: see `Denoiser`.
        learning_rate: AdamW's, after the warm-up.
        ema: decay of the average of the weights that is shipped; 0 ships the last weights.
        flips: mirror training images at random.
        precision: "float32", or "bfloat16" where the device is faster in it.
    """

    base_channels: int = 64
    learning_rate: float = 4e-4
    ema: float = 0.999
    flips: bool = True
    precision: str = "float32"

    def __post_init__(self):
        check_settings(self, positive=("base_channels", "learning_rate"), decay=("ema",))


class DiffusionTask(Task):
    """A denoiser and its optimizer, for `training.loop.train`.

    Args:
        settings: see `DiffusionSettings`.
        device: where to train.
        seed: of the initial weights and of the preview's noise.
    """

    kind = "diffusion"
    shipped = "average"
    settings: DiffusionSettings

    def __init__(
        self,
        settings: DiffusionSettings = DiffusionSettings(),
        device: torch.device | str = "cpu",
        seed: int = 0,
    ):
        super().__init__(settings, device)
        with seeded_weights(seed):
            self.denoiser = self.placed(Denoiser(settings.base_channels))
        self.average = copy.deepcopy(self.denoiser).requires_grad_(False)
        self.modules = {"denoiser": self.denoiser, "average": self.average}
        self.optimizers = {
            "denoiser": torch.optim.AdamW(
                self.denoiser.parameters(), settings.learning_rate, weight_decay=0.0
            )
        }
        self.preview_noise = draw_noise(PREVIEW_COUNT, seed).to(self.device)

    def start_from(self, denoiser: Denoiser) -> None:
        """Begin with trained weights instead of random ones; the optimizer begins anew.

        Raises:
            ValueError: for a denoiser of another size.
        """
        self.check_size(denoiser.base_channels, "denoiser")
        for network in (self.denoiser, self.average):
            network.load_state_dict(denoiser.state_dict())

    def step(self, images: Tensor, rng: torch.Generator, number: int) -> dict[str, Tensor]:
        """One update on (B, 3, 64, 64) images in [-1, 1]; returns the scalar "loss"."""
        images = self.mirrored_here(images, rng)  # (B, 3, 64, 64)
        t = torch.randn(len(images), generator=rng).mul(TIME_SPREAD).sigmoid().to(self.device)
        noise = torch.randn(images.shape, generator=rng).to(images)
        share = t[:, None, None, None]  # (B, 1, 1, 1)
        with self.autocast():
            velocity = upcast(self.denoiser((1 - share) * images + share * noise, t))
        loss = (velocity - (noise - images)).square().mean()
        for group in self.optimizers["denoiser"].param_groups:
            group["lr"] = self.settings.learning_rate * min(1.0, (number + 1) / WARM_UP)
        self.update("denoiser", loss)
        decay = min(self.settings.ema, (number + 1) / (number + 10))
        average_into(self.average, self.denoiser, 1 - decay)
        return {"loss": loss.detach()}

    @torch.no_grad()
    def preview(self) -> Tensor:
        """(32, 3, 64, 64) samples from noise that stays the same through the training."""
        with self.autocast():
            return sample(self.average, self.preview_noise, PREVIEW_STEPS).float().cpu()
