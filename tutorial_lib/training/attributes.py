"""Training of the attribute classifier: cross entropy on images disturbed as completions are."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib.masks import FAMILIES, mixed_masks
from tutorial_lib.models.attributes import UNCLEAR, AttributeClassifier, true_classes
from tutorial_lib.training.task import Task, check_settings, seeded_weights

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
        precision: see `GANSettings`.

    Nothing is mirrored: a mirrored gaze looks the other way, and a mirrored digit is none.
    """

    steps: int
    base_channels: int = 24
    learning_rate: float = 2e-3
    precision: str = "float32"

    def __post_init__(self):
        check_settings(self, positive=("steps", "base_channels", "learning_rate"))


class AttributesTask(Task):
    """The classifier and its optimizer, for `training.loop.train` on `LabeledPictures`.

    Args:
        settings: see `AttributesSettings`.
        heads: attribute -> class names, see `models.attributes.heads_of`.
        device: where to train.
        seed: of the initial weights.
    """

    kind = "attributes"
    settings: AttributesSettings

    def __init__(
        self,
        settings: AttributesSettings,
        heads: dict[str, list[str]],
        device: torch.device | str = "cpu",
        seed: int = 0,
    ):
        super().__init__(settings, device)
        with seeded_weights(seed):
            network = AttributeClassifier(heads, settings.base_channels)
        self.network = self.placed(network)
        self.modules = {"network": self.network}
        self.optimizers = {
            "network": torch.optim.Adam(self.network.parameters(), settings.learning_rate)
        }
        self.shown = torch.zeros(PREVIEW_COUNT, 3, 64, 64)

    def step(
        self, batch: tuple[Tensor, dict[str, Tensor]], rng: torch.Generator, number: int
    ) -> dict[str, Tensor]:
        """One update on `LabeledPictures.batch`.

        Returns:
            scalars "loss", a sum over attributes, and "accuracy", a mean.
        """
        images, labels = batch
        self.shown = disturbed(images, rng)  # (B, 3, 64, 64)
        with self.autocast():
            logits = self.network(self.images_here(self.shown))  # attribute -> (B, classes)
        loss, accuracy = torch.zeros((), device=self.device), torch.zeros((), device=self.device)
        for attribute, rows in logits.items():
            truth = labels[attribute].to(self.device)  # (B,)
            # clamp: a batch in which all are unclear teaches nothing
            clear = (truth != UNCLEAR).sum().clamp(min=1)
            wrong = F.cross_entropy(rows.float(), truth, ignore_index=UNCLEAR, reduction="sum")
            loss = loss + wrong / clear
            accuracy += (rows.argmax(1) == truth).sum() / clear / len(logits)
        self.set_cosine_rate("network", number)
        self.update("network", loss)
        return {"loss": loss.detach(), "accuracy": accuracy}

    def preview(self) -> Tensor:
        """(up to 64, 3, 64, 64): what the classifier saw last, black before the first step."""
        return self.shown[:PREVIEW_COUNT].float().cpu()


def disturbed(images: Tensor, rng: torch.Generator) -> Tensor:
    """Images changed in ways that leave their attributes, so that completions are no surprise.

    A completion differs from a rendered picture in its hole: softer, and of a slightly wrong color
    where it was not blended perfectly. So every second picture gets a hole of one of the four
    families, whose pixels are blurred (by up to about 1.2 pixels) and shifted in color (by up to
    0.1). The whole batch moves by up to 2 pixels; each picture's brightness and contrast change by
    up to 0.15, and noise of deviation up to 0.04 is added. No hole is ever emptied: the classifier
    shall read the hole, not guess it from what lies around. Hue and saturation stay, as a car's
    color is asked for.

    Args:
        images: (B, 3, 64, 64) in [-1, 1].
        rng: a CPU generator.

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
    mask = mixed_masks(FAMILIES, len(second), rng).to(images)
    blurred = F.avg_pool2d(
        F.avg_pool2d(second, 3, 1, 1, count_include_pad=False), 3, 1, 1, count_include_pad=False
    )
    soft = second.lerp(blurred, draw(0, 1)[::2]) + draw(-0.1, 0.1, 3)[::2]
    images[::2] = torch.where(mask > 0, second, soft)
    mean = images.mean((1, 2, 3), keepdim=True)
    images = (images - mean) * draw(0.85, 1.15) + mean + draw(-0.15, 0.15)
    noise = torch.randn(images.shape, generator=rng).to(images)
    return (images + draw(0, 0.04) * noise).clamp(-1, 1)
