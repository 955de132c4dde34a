"""Training of the attribute classifier: cross entropy on pictures that are disturbed a little, as
completions are.
"""

from __future__ import annotations

import copy
import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib import distributed
from tutorial_lib.device import autocast, memory_format
from tutorial_lib.masks import FAMILIES, make_masks
from tutorial_lib.models.attributes import UNCLEAR, AttributeClassifier, true_classes

PREVIEW_COUNT = 64


class LabeledPictures:
    """A rendered set whose batches bring their labels along, for `training.loop.train`.

    Args:
        dataset: a rendered set; its labels are drawn once, here.

    Raises:
        ValueError: for a set that is not rendered.
    """

    def __init__(self, dataset):
        self.dataset, self.name = dataset, dataset.name
        self.labels = true_classes(dataset, range(len(dataset)))

    def __len__(self) -> int:
        return len(self.dataset)

    def images(self, indices) -> Tensor:
        """(B, 3, 64, 64) pictures, as the set itself gives them."""
        return self.dataset.images(indices)

    def batch(self, indices) -> tuple[Tensor, dict[str, Tensor]]:
        """Pictures, and attribute -> (B,) classes, -1 where unclear."""
        return self.dataset.images(indices), {
            attribute: labels[indices] for attribute, labels in self.labels.items()
        }


@dataclass(frozen=True)
class AttributesSettings:
    """How a classifier is trained.

    Attributes:
        steps: length of the run; over it the learning rate falls to zero along half a cosine.
        base_channels: see `AttributeClassifier`.
        learning_rate: Adam's, at the start.
        precision: "float32", or "bfloat16" / "float16" where the device is faster in it.

    Nothing is mirrored: a mirrored gaze looks the other way, and a mirrored digit is none.
    """

    steps: int
    base_channels: int = 24
    learning_rate: float = 2e-3
    precision: str = "float32"


class AttributesTask:
    """The classifier and its optimizer, for `training.loop.train` on `LabeledPictures`.

    Args:
        settings: see `AttributesSettings`.
        heads: attribute -> class names, see `models.attributes.heads_of`.
        device: where to train.
        seed: of the initial weights.
    """

    kind = "attributes"

    def __init__(
        self,
        settings: AttributesSettings,
        heads: dict[str, list[str]],
        device: torch.device | str = "cpu",
        seed: int = 0,
    ):
        if settings.steps < 1:
            raise ValueError(f"steps must be at least 1, got {settings.steps}")
        if distributed.world_size() > 1:
            raise ValueError(
                "the classifier is small and trains in one process: start it without torchrun"
            )
        self.settings, self.device = settings, torch.device(device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = AttributeClassifier(heads, settings.base_channels)
        self.network = network.to(self.device, memory_format=memory_format(self.device))
        self.modules = {"network": self.network}
        self.optimizers = {
            "network": torch.optim.Adam(self.network.parameters(), settings.learning_rate)
        }
        self.shown = torch.zeros(PREVIEW_COUNT, 3, 64, 64)

    def describe(self) -> dict:
        """The settings as plain values, for checkpoints and model cards."""
        return asdict(self.settings)

    def step(
        self, batch: tuple[Tensor, dict[str, Tensor]], rng: torch.Generator, number: int
    ) -> dict[str, Tensor]:
        """One update on `LabeledPictures.batch`; returns the scalars "loss", a sum over attributes,
        and "accuracy", a mean.
        """
        settings, optimizer = self.settings, self.optimizers["network"]
        images, labels = batch
        self.shown = disturbed(images, rng)
        with autocast(self.device, settings.precision):
            logits = self.network(
                self.shown.to(self.device, memory_format=memory_format(self.device))
            )
        loss, accuracy = torch.zeros((), device=self.device), torch.zeros((), device=self.device)
        for attribute, rows in logits.items():
            truth = labels[attribute].to(self.device)
            clear = (
                (truth != UNCLEAR).sum().clamp(min=1)
            )  # a batch in which all are unclear teaches nothing
            loss = (
                loss
                + F.cross_entropy(rows.float(), truth, ignore_index=UNCLEAR, reduction="sum")
                / clear
            )
            accuracy += (rows.argmax(1) == truth).sum() / clear / len(logits)
        for group in optimizer.param_groups:
            group["lr"] = (
                settings.learning_rate
                * 0.5
                * (1 + math.cos(math.pi * min(1.0, number / settings.steps)))
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return {"loss": loss.detach(), "accuracy": accuracy}

    def preview(self) -> Tensor:
        """(up to 64, 3, 64, 64): the last step's pictures as the classifier saw them.

        Black before the first.
        """
        return self.shown[:PREVIEW_COUNT].float().cpu()

    def finished_network(self) -> AttributeClassifier:
        """A copy of the classifier in eval mode, for `save_attributes`."""
        return copy.deepcopy(self.network).eval()


def disturbed(images: Tensor, rng: torch.Generator) -> Tensor:
    """Pictures changed in ways that leave their attributes, so that a completed hole is not out of
    all experience.

    A completion differs from a rendered picture in its hole: softer, and of a slightly wrong color
    where it was not blended perfectly. So every second picture gets a hole of one of the four
    families, whose pixels are blurred (by up to about 1.2 pixels) and shifted in color (by up to
    0.1). The whole batch moves by up to 2 pixels; each picture's brightness and contrast change by
    up to 0.15, and noise of deviation up to 0.04 is added. No hole is ever emptied: the classifier
    shall read the hole, not guess it from what lies around. Hue and saturation stay, as a car's
    color is asked for.

    Args:
        images: (B, 3, 64, 64) in [-1, 1]; rng: a CPU generator.

    Returns:
        as many, in [-1, 1].
    """
    count, _, height, width = images.shape

    def draw(low: float, high: float, channels: int = 1) -> Tensor:
        return (low + (high - low) * torch.rand(count, channels, 1, 1, generator=rng)).to(images)

    row, column = torch.randint(0, 5, (2,), generator=rng).tolist()
    images = F.pad(images, (2, 2, 2, 2), mode="replicate")[
        :, :, row : row + height, column : column + width
    ]
    images = images.clone()
    second = images[::2]
    mask = torch.cat(
        [make_masks(FAMILIES[number % len(FAMILIES)], 1, rng) for number in range(len(second))]
    ).to(images)
    blurred = F.avg_pool2d(
        F.avg_pool2d(second, 3, 1, 1, count_include_pad=False), 3, 1, 1, count_include_pad=False
    )
    soft = second.lerp(blurred, draw(0, 1)[::2]) + draw(-0.1, 0.1, 3)[::2]
    images[::2] = torch.where(mask > 0, second, soft)
    mean = images.mean((1, 2, 3), keepdim=True)
    images = (images - mean) * draw(0.85, 1.15) + mean + draw(-0.15, 0.15)
    noise = torch.randn(images.shape, generator=rng).to(images)
    return (images + draw(0, 0.04) * noise).clamp(-1, 1)
