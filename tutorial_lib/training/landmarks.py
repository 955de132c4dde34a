"""Training of the landmark network on crops that are off as the detector's boxes are."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from tutorial_lib.datasets.base import read_member
from tutorial_lib.faces import crop_matrices, fit_matrices, warp
from tutorial_lib.models.landmarks import CROP_SIZE, POINTS, LandmarkNetwork
from tutorial_lib.training.task import Task, check_settings, seeded_weights

BROKEN = (zipfile.BadZipFile, zlib.error, csv.Error)
POINTS_FILE = "points.csv"
PICTURE_SIDE = 84  # a face that fills its picture is then about as large as in the network's crop
PREVIEW_COUNT = 64
MIRRORED = [1, 0, 2, 4, 3]  # the landmarks' order in a mirrored face


class FacePoints:
    """Loosely framed faces and their points, held in memory, for `training.loop.train`.

    The zip archive holds pictures under train/ and test/ and a table points.csv: file, then x and
    y of each of `faces.LANDMARKS` in pixels of the file, the center of the first pixel being 0.

    Args:
        root: the archive.
        split: "train" or "test".
        limit: at most so many pictures, the first in the order of the table.
        side: the longer side to which pictures are brought.

    Attributes:
        pixels: (N, side, side, 3) uint8; shorter pictures are filled with their last row or column.
        points: (N, 5, 2) float32, in pixels of `pixels`.
        identity: a hash of the points, by which other faces are recognized.

    Raises:
        FileNotFoundError: when `root` is not there.
        ValueError: when it is not such an archive, is damaged, or holds no picture of the split.
    """

    def __init__(
        self,
        root: str | os.PathLike,
        split: str = "train",
        limit: int | None = None,
        side: int = PICTURE_SIDE,
    ):
        root = Path(root)
        if not root.exists():
            raise FileNotFoundError(f"{root}: no such zip archive")
        self.name = root.stem
        try:
            with zipfile.ZipFile(root) as archive:
                rows = _rows(archive, split)[:limit]
                if not rows:
                    raise ValueError(f"{POINTS_FILE} names no picture of the {split} split")
                self.pixels = np.empty((len(rows), side, side, 3), np.uint8)
                self.points = np.empty((len(rows), POINTS, 2), np.float32)
                for number, (name, points) in enumerate(rows):
                    picture = read_member(archive, name)
                    self.pixels[number], self.points[number] = _resized(picture, points, side)
        except (ValueError, OSError, KeyError, RuntimeError, *BROKEN) as error:
            raise ValueError(f"{root} cannot be read as faces with points: {error}") from error
        self.identity = hashlib.sha256(self.points.tobytes()).hexdigest()

    def __len__(self) -> int:
        return len(self.pixels)

    def images(self, indices) -> Tensor:
        """(B, 3, side, side) uint8 pictures."""
        return torch.from_numpy(self.pixels[indices]).permute(0, 3, 1, 2)

    def batch(self, indices) -> tuple[Tensor, np.ndarray]:
        """(B, 3, side, side) uint8 pictures and (B, 5, 2) points."""
        return self.images(indices), self.points[indices]


def _rows(archive: zipfile.ZipFile, split: str) -> list[tuple[str, np.ndarray]]:
    """File and (5, 2) points of each picture of a split."""
    if POINTS_FILE not in archive.namelist():
        raise ValueError(f"it holds no {POINTS_FILE}")
    with archive.open(POINTS_FILE) as file:
        rows = list(csv.reader(io.TextIOWrapper(file, encoding="utf-8")))[1:]
    found = []
    for row in rows:
        if len(row) != 1 + 2 * POINTS:
            raise ValueError(
                f"{POINTS_FILE}: {row[:1]} has {len(row)} columns, not {1 + 2 * POINTS}"
            )
        if row[0].startswith(f"{split}/"):
            found.append((row[0], np.array(row[1:], dtype=np.float32).reshape(POINTS, 2)))
    return found


def _resized(picture: Image.Image, points: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """The picture in a square of `side` pixels, and its points there."""
    scale = side / max(picture.size)
    width, height = (max(1, round(length * scale)) for length in picture.size)
    pixels = np.asarray(picture.resize((width, height), Image.Resampling.LANCZOS))
    factors = np.array([width / picture.width, height / picture.height])
    pixels = np.pad(pixels, ((0, side - height), (0, side - width), (0, 0)), mode="edge")
    return pixels, (points + 0.5) * factors - 0.5


@dataclass(frozen=True)
class LandmarksSettings:
    """How the landmark network is trained.

    Attributes:
        steps: length of the run; over it the learning rate falls to zero along half a cosine.
        base_channels: see `LandmarkNetwork`.
        learning_rate: AdamW's, at the start.
        weight_decay: AdamW's.
        precision: see `GANSettings`.
    """

    steps: int
    base_channels: int = 16
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    precision: str = "float32"

    def __post_init__(self):
        check_settings(
            self,
            positive=("steps", "base_channels", "learning_rate"),
            not_negative=("weight_decay",),
        )


class LandmarksTask(Task):
    """The landmark network and its optimizer, for `training.loop.train` on `FacePoints`.

    Args:
        settings: see `LandmarksSettings`.
        device: where to train.
        seed: of the initial weights.
    """

    kind = "landmarks"
    settings: LandmarksSettings

    def __init__(
        self, settings: LandmarksSettings, device: torch.device | str = "cpu", seed: int = 0
    ):
        super().__init__(settings, device)
        with seeded_weights(seed):
            network = LandmarkNetwork(settings.base_channels)
        self.network = self.placed(network)
        self.modules = {"network": self.network}
        self.optimizers = {
            "network": torch.optim.AdamW(
                self.network.parameters(),
                settings.learning_rate,
                weight_decay=settings.weight_decay,
            )
        }
        # what is asked for, and measured, are the eyes
        self.weights = torch.tensor([2, 2, 1, 1, 1], device=self.device) / 7
        self.shown = torch.zeros(PREVIEW_COUNT, 3, CROP_SIZE, CROP_SIZE)

    def step(
        self, batch: tuple[Tensor, np.ndarray], rng: torch.Generator, number: int
    ) -> dict[str, Tensor]:
        """One update on `FacePoints.batch`.

        Returns:
            the scalars "loss", smooth L1 in pixels of the crop with the eyes counted twice, and
            "distance", the mean distance there.
        """
        self.shown, truth = crops_for_training(*batch, rng)  # (B, 3, 64, 64), (B, 5, 2)
        truth = truth.to(self.device)
        with self.autocast():
            points = self.network(self.images_here(self.shown))  # (B, 5, 2)
        each = F.smooth_l1_loss(points.float(), truth, beta=1.0, reduction="none")  # (B, 5, 2)
        loss = (each.mean((0, 2)) * self.weights).sum()
        self.set_cosine_rate("network", number)
        self.update("network", loss)
        distance = (points.detach() - truth).norm(dim=2).mean()
        return {"loss": loss.detach(), "distance": distance}

    def preview(self) -> Tensor:
        """(up to 64, 3, 64, 64): what the network saw last, black before the first step."""
        return self.shown[:PREVIEW_COUNT].float().cpu()


def crops_for_training(
    pictures: Tensor, points: np.ndarray, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """What the network learns from: crops as it will get them, and the points in them.

    Half of the crops are as far off as the detector's box may be, half as a first look leaves them
    for the second; half are mirrored. All are changed in color, contrast and sharpness, and some
    are partly covered.

    Args:
        pictures: (B, 3, H, W) uint8.
        points: (B, 5, 2), (x, y) in pixels of the pictures.
        rng: a CPU generator.

    Returns:
        (B, 3, 64, 64) float32 in [-1, 1], and (B, 5, 2) float32 in pixels of the crop.
    """
    count = len(pictures)
    upright = crop_matrices(fit_matrices(np.asarray(points, np.float64)))
    matrices = upright @ _jitter(count, rng)  # (B, 2, 3), crop to picture
    inverse = np.linalg.inv(matrices[:, :, :2])  # (B, 2, 2)
    inside = (points - matrices[:, None, :, 2]) @ inverse.transpose(0, 2, 1)
    truth = torch.from_numpy(inside).float()  # (B, 5, 2) in the crop
    crops = warp(pictures.float() / 127.5 - 1, torch.from_numpy(matrices).float(), CROP_SIZE)
    mirror = torch.rand(count, generator=rng) < 0.5
    crops[mirror] = crops[mirror].flip(3)
    flipped = truth[mirror][:, MIRRORED]
    truth[mirror] = torch.stack([CROP_SIZE - 1 - flipped[..., 0], flipped[..., 1]], dim=2)
    return _recolored(_covered(crops, rng), rng), truth


def _jitter(count: int, rng: torch.Generator) -> np.ndarray:
    """(B, 3, 3) float64: crop pixel to crop pixel, turned, scaled and shifted about the middle."""
    far = (torch.arange(count) % 2 == 0).double()
    turn = torch.rand(count, generator=rng, dtype=torch.float64) * 2 - 1
    turn = turn * (8 + 22 * far)  # degrees
    noise = torch.randn(count, 3, generator=rng, dtype=torch.float64).clamp(-2.5, 2.5)
    scale = torch.exp(noise[:, 0] * (0.05 + 0.06 * far))
    shift = noise[:, 1:] * (0.8 + 1.4 * far)[:, None]  # crop pixels
    cos, sin = scale * torch.cos(torch.deg2rad(turn)), scale * torch.sin(torch.deg2rad(turn))
    matrix = torch.zeros(count, 3, 3, dtype=torch.float64)
    matrix[:, 0, 0], matrix[:, 0, 1] = cos, -sin
    matrix[:, 1, 0], matrix[:, 1, 1] = sin, cos
    matrix[:, 2, 2] = 1
    middle = torch.full((2,), (CROP_SIZE - 1) / 2, dtype=torch.float64)
    matrix[:, :2, 2] = middle + shift - matrix[:, :2, :2] @ middle
    return matrix.numpy()


def _covered(crops: Tensor, rng: torch.Generator) -> Tensor:
    """A rectangle of one color over a part of every eighth crop: a hand, a microphone, a bar."""
    for crop in crops[::8]:
        height, width = torch.randint(6, 22, (2,), generator=rng).tolist()
        top, left = torch.randint(0, CROP_SIZE - 6, (2,), generator=rng).tolist()
        crop[:, top : top + height, left : left + width] = (
            torch.rand(3, 1, 1, generator=rng) * 2 - 1
        )
    return crops


def _recolored(crops: Tensor, rng: torch.Generator) -> Tensor:
    """Grayness, blur, sharpness, contrast, brightness, tint, noise, each for a part of them."""
    count = len(crops)

    def draw(low: float, high: float, channels: int = 1) -> Tensor:
        return low + (high - low) * torch.rand(count, channels, 1, 1, generator=rng)

    gray = crops.mean(1, keepdim=True)
    crops = crops.lerp(gray, draw(-3.0, 1.0).clamp(min=0.0))
    blurred = F.interpolate(F.avg_pool2d(crops, 2), scale_factor=2.0, mode="bilinear")
    # below zero it sharpens
    crops = crops.lerp(blurred, draw(-1.0, 1.0).sign() * draw(-1.0, 0.8).clamp(min=0.0))
    mean = crops.mean((1, 2, 3), keepdim=True)
    crops = (crops - mean) * draw(0.7, 1.3) + mean + draw(-0.25, 0.25) + draw(-0.06, 0.06, 3)
    noise = torch.randn(crops.shape, generator=rng)
    return (crops + draw(-0.16, 0.06).clamp(min=0.0) * noise).clamp(-1, 1)
