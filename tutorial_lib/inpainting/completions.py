"""Several plausible answers to one hole: many starts, grouped by what they put there.

A hole has no single truth.

Notebook 06 shows them side by side; Fig. 13 of the paper and notebook 10 show what happens when
none of them is good.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tutorial_lib.images import check_images
from tutorial_lib.inpainting.blending import poisson_blend
from tutorial_lib.inpainting.latent_search import DEFAULT, SearchSettings, search
from tutorial_lib.inpainting.pipeline import MAX_ROWS, start_codes
from tutorial_lib.masks import check_mask
from tutorial_lib.models.latent_model import LatentModel


@dataclass(frozen=True)
class Answers:
    """Different fills of one hole, the lowest loss first.

    Attributes:
        completed: (A, 3, H, W) in [-1, 1]: known pixels as they were, the hole filled and blended.
        generated: (A, 3, H, W) in [-1, 1], G(z_hat).
        z: (A, z_dim), z_hat.
        losses: (A,), their total losses, ascending.
        counts: (A,), how many of the starts that were kept ended in a picture of this group.
        labels: (starts,), the group of each start, or -1 for one whose loss was too high to be
            kept.
        start_losses: (starts,), the total loss that each start ended with.
    """

    completed: Tensor
    generated: Tensor
    z: Tensor
    losses: Tensor
    counts: Tensor
    labels: Tensor
    start_losses: Tensor


def several_answers(
    image: Tensor,
    mask: Tensor,
    gan: LatentModel,
    answers: int = 4,
    starts: int = 16,
    *,
    settings: SearchSettings = DEFAULT,
    seed: int = 0,
    share: float = 0.5,
    progress: bool = True,
) -> Answers:
    """Search from many starts, group what they put into the hole, keep the best of each group.

    Only the `share` of the starts with the lowest loss is grouped: a picture that does not fit its
    surroundings is no answer, however different it is. The rest is grouped by the filled and
    blended hole pixels with Ward's method (scikit-learn), which joins the two groups whose union
    varies least; a group is then pictures that look alike. Single linkage, the other common choice,
    chains pictures of which the first and the last have little in common.

    Args:
        image: (1, 3, H, W) in [-1, 1]; its hole pixels are never read.
        mask: (1, 1, H, W), 1 = known.
        gan: the model to search.
        answers: how many to return.
        starts: how many start codes; they are those of `inpaint(..., restarts=starts, seed=seed)`.
        settings: see `SearchSettings`.
        seed: of the start codes.
        share: of the starts, those with the lowest total loss; 0 < share <= 1.
        progress: whether to show a progress bar.

    Returns:
        an `Answers` on the model's device. Its first row is what `inpaint` with as many restarts
        returns.

    Raises:
        ValueError: for more than one picture, wrong shapes or ranges, an invalid mask, or fewer
            kept starts than answers.
    """
    if len(image) != 1:
        raise ValueError(f"several_answers takes one picture at a time, got {len(image)}")
    mask = check_mask(mask, image)
    if not 0 < share <= 1:
        raise ValueError(f"share must be above 0 and at most 1, got {share}")
    kept = round(share * starts)
    if not 1 <= answers <= kept:
        raise ValueError(
            f"{answers} answers need at least as many starts to choose from: {starts} starts and a share of {share} "
            f"leave {kept}; give more starts"
        )

    image = torch.where(
        mask > 0, image, 0.0
    )  # before it is checked: what lies in the hole is never read
    check_images(image, "image")
    image, mask = image.to(gan.device), mask.to(gan.device)
    parts = [
        search(image.expand(len(z0), -1, -1, -1), mask, gan, z0, settings, progress=progress)
        for z0 in start_codes(gan, 1, starts, seed, settings.start).split(MAX_ROWS)
    ]
    z, generated = (
        torch.cat([part.z for part in parts]),
        torch.cat([part.generated for part in parts]),
    )
    losses = torch.cat([part.final["total"] for part in parts])
    completed = poisson_blend(generated, image.expand_as(generated), mask).clamp(-1, 1)

    order = losses.argsort(stable=True)[:kept]  # lowest first, so the first of a group is its best
    groups = _group(completed[order][:, :, mask[0, 0] == 0].flatten(1).cpu().numpy(), answers)
    _, first = np.unique(groups, return_index=True)
    rank = torch.from_numpy(first.argsort().argsort())[
        torch.from_numpy(groups)
    ]  # groups numbered by their best loss
    labels = torch.full((starts,), -1)
    labels[order.cpu()] = rank
    best = order[torch.from_numpy(np.sort(first)).to(order.device)]
    return Answers(
        completed=completed[best],
        generated=generated[best],
        z=z[best],
        losses=losses[best],
        counts=torch.bincount(rank, minlength=answers),
        labels=labels,
        start_losses=losses,
    )


def _group(holes: np.ndarray, count: int) -> np.ndarray:
    """(n,) group numbers 0 to count - 1 of the rows (n, values), by Ward's method."""
    if count == 1 or len(holes) == 1:
        return np.zeros(len(holes), dtype=np.int64)
    from sklearn.cluster import AgglomerativeClustering

    return AgglomerativeClustering(count, linkage="ward").fit_predict(holes)
