"""A two-sample test of looks: can a small network tell completions from originals?

The paper claims that its completions look more realistic, not that they are closer to the original;
PSNR and SSIM cannot speak to that. A classifier two-sample test can (Lopez-Paz and Oquab 2017): if
nothing distinguishes the two sets, no classifier does better than chance on pictures it has not
seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tutorial_lib.device import seeded_generator
from tutorial_lib.evaluation.metrics import auc
from tutorial_lib.evaluation.results import check_count
from tutorial_lib.images import check_images
from tutorial_lib.masks import check_mask

FOLDS = 5
LEAST = 4 * FOLDS  # pictures
MARGIN = 4  # pixels around the hole that the judge sees: seams lie there
EPOCHS = 10
BATCH = 32  # pairs
LEARNING_RATE = 3e-3  # at its highest: it rises and falls once
WEIGHT_DECAY = 1e-2


@dataclass(frozen=True)
class TwoSampleResult:
    """How well a network tells completions from originals.

    Attributes:
        auc: mean over the folds of the area under the ROC curve on held-out pictures: 0.5 = cannot
            tell, 1 = always can.
        standard_error: of that mean, from the spread of the folds.
        folds: the AUC of each fold.
        scores: (2, B) logits of originals (row 0) and completions (row 1), each from the network
            that had not seen the picture; higher = taken for an original.
    """

    auc: float
    standard_error: float
    folds: tuple[float, ...]
    scores: Tensor

    def __str__(self) -> str:
        return f"{self.auc:.3f} ± {self.standard_error:.3f}"


class TwoSampleClassifier(nn.Module):
    """Original or completion? Three convolutions and a mean over the picture.

    Shapes: (B, 4, h, w), the visible pixels and the hole -> (B,) logits, above 0 = original.
    """

    def __init__(self):
        super().__init__()
        layers = []
        for inputs, outputs, side in ((4, 24, 4), (24, 48, 3), (48, 64, 3)):
            layers.append(nn.Conv2d(inputs, outputs, side, 2, 1, bias=False))
            layers.append(nn.BatchNorm2d(outputs))
            layers.append(nn.ReLU(inplace=True))
        self.layers = nn.Sequential(*layers)
        self.to_logit = nn.Linear(64, 1)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 4, h, w) -> (B,) logits."""
        features = self.layers(images).mean(dim=(2, 3))  # (B, 4, h, w) -> (B, 64)
        return self.to_logit(features)[:, 0]


def two_sample_auc(
    originals: Tensor,
    completed: Tensor,
    mask: Tensor | None = None,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> TwoSampleResult:
    """Can a network tell completions from originals by the hole and the four pixels around it?

    Lopez-Paz and Oquab 2017, "Revisiting Classifier Two-Sample Tests". The pictures are divided
    into five folds; an original and its completion are in the same one. Five networks are trained,
    each without one fold, and asked about the fold they have not seen. They see images at half
    their size: so it is shapes that are judged, not the noise of single pixels, by which every
    generator gives itself away and which nobody notices. More pictures make the judge stronger:
    compare only figures for equal numbers of pictures.

    Args:
        originals: (B, 3, H, W) in [-1, 1], B at least 20.
        completed: as many, row by row the completions of the originals, or any other pictures.
        mask: (B, 1, H, W) or (1, 1, H, W), 1 = known; None shows the judge whole pictures.
        seed: of folds, weights and order.
        device: where to train.

    Returns:
        A `TwoSampleResult`.

    Raises:
        ValueError: for pictures or masks that do not fit, or fewer than 20 pictures.
    """
    check_images(originals, "originals")
    check_images(completed, "completed")
    if originals.shape != completed.shape:
        raise ValueError(
            "need two batches of one shape, "
            f"got {tuple(originals.shape)} and {tuple(completed.shape)}"
        )
    count = len(originals)
    check_count(count, LEAST)
    hole = torch.ones_like(originals[:, :1])
    if mask is not None:
        hole = 1 - check_mask(mask, originals).to(hole)
    shown = [F.avg_pool2d(visible(some, hole), 2) for some in (originals, completed)]
    pairs = torch.stack(shown)  # (2, B, 4, h / 2, w / 2)

    order = torch.randperm(count, generator=seeded_generator(seed))
    fold_of = torch.empty(count, dtype=torch.long)
    fold_of[order] = torch.arange(count) % FOLDS
    scores = torch.empty(2, count)
    aucs = []
    for fold in range(FOLDS):
        held_out = fold_of == fold
        judge = _train(pairs[:, ~held_out], seeded_generator(seed, fold), torch.device(device))
        with torch.no_grad():
            for kind in range(2):
                batches = pairs[kind, held_out].split(128)
                logits = [judge(batch.to(device)).cpu() for batch in batches]
                scores[kind, held_out] = torch.cat(logits)
        aucs.append(auc(scores[0, held_out], scores[1, held_out]))
    error = float(np.std(aucs, ddof=1) / np.sqrt(FOLDS))
    return TwoSampleResult(float(np.mean(aucs)), error, tuple(aucs), scores)


def visible(images: Tensor, hole: Tensor) -> Tensor:
    """What the judge sees: the hole and `MARGIN` pixels around it, zero elsewhere, and the mask.

    Args:
        images: (B, 3, H, W) in [-1, 1].
        hole: (B, 1, H, W), 1 = hole.

    Returns:
        (B, 4, h, w), the smallest rectangle that holds all of that for all pictures.
    """
    near = F.max_pool2d(hole, 2 * MARGIN + 1, stride=1, padding=MARGIN)
    shown = torch.cat([images * near, hole], dim=1)
    anywhere = near[:, 0].amax(dim=0) > 0  # (H, W)
    rows = torch.nonzero(anywhere.any(dim=1)).flatten()
    columns = torch.nonzero(anywhere.any(dim=0)).flatten()
    return shown[:, :, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _train(pairs: Tensor, rng: torch.Generator, device: torch.device) -> TwoSampleClassifier:
    """A judge trained on (2, N, 4, H, W) pairs of originals and completions, in eval mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**31, (1,), generator=rng)))
        judge = TwoSampleClassifier().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(judge.parameters(), weight_decay=WEIGHT_DECAY)
    count = pairs.shape[1]
    steps = EPOCHS * -(-count // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    for _ in range(EPOCHS):
        for rows in torch.randperm(count, generator=rng).split(BATCH):
            batch = pairs[:, rows].flatten(0, 1)  # originals, then their completions
            mirrored = torch.rand(len(rows), generator=rng) < 0.5  # both of a pair, or neither
            batch = torch.where(mirrored.repeat(2)[:, None, None, None], batch.flip(3), batch)
            batch = batch.to(device, memory_format=torch.channels_last)
            labels = torch.ones(len(batch), device=device)
            labels[len(rows) :] = 0
            loss = F.binary_cross_entropy_with_logits(judge(batch), labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
    return judge.eval()
