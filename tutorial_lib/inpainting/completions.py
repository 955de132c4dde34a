"""Several plausible completions of one hole: many searches, grouped by what they put there.

A hole has no single truth. Notebook 07 shows completions side by side; Fig. 13 of the paper and
notebook 11 show what happens when none of them is good.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tutorial_lib.inpainting.latent_search import DEFAULT, SearchSettings
from tutorial_lib.inpainting.pipeline import complete, initial_z
from tutorial_lib.masks import check_batch
from tutorial_lib.models.latent_model import LatentModel


@dataclass(frozen=True)
class Completions:
    """Different completions of one hole, the lowest loss first.

    Attributes:
        completed: (C, 3, H, W) in [-1, 1]: known pixels as they were, the hole filled and blended.
        generated: (C, 3, H, W) in [-1, 1], G(z_hat).
        z: (C, z_dim), z_hat.
        losses: (C,), their total losses, ascending.
        counts: (C,), how many of the starts that were kept ended in a picture of this group.
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


def several_completions(
    image: Tensor,
    mask: Tensor,
    gan: LatentModel,
    count: int = 4,
    starts: int = 16,
    *,
    settings: SearchSettings = DEFAULT,
    seed: int = 0,
    fraction: float = 0.5,
    progress: bool = True,
) -> Completions:
    """Search from many starts, group what they put into the hole, keep the best of each group.

    Only the `fraction` of the starts with the lowest loss is grouped: a picture that does not fit
    its surroundings is no completion, however different it is. The rest is grouped by the filled
    and blended hole pixels with Ward's method (scikit-learn), which joins the two groups whose
    union varies least; a group is then pictures that look alike. Single linkage, the other common
    choice, chains pictures of which the first and the last have little in common.

    Args:
        image: (1, 3, H, W) in [-1, 1]; its hole pixels are never read.
        mask: (1, 1, H, W), 1 = known.
        gan: the model to search.
        count: how many to return.
        starts: how many searches; their initial z are those of
            `inpaint(..., restarts=starts, seed=seed)`.
        settings: see `SearchSettings`.
        seed: of the initial z.
        fraction: of the starts, those with the lowest total loss; 0 < fraction <= 1.
        progress: whether to show a progress bar.

    Returns:
        a `Completions` on the model's device. Its first row is what `inpaint` with as many restarts
        returns.

    Raises:
        ValueError: for more than one picture, wrong shapes or ranges, an invalid mask, or fewer
            kept starts than completions.
    """
    if len(image) != 1:
        raise ValueError(f"several_completions takes one picture at a time, got {len(image)}")
    dtype = gan.weight.dtype
    image, mask = (part.to(dtype) for part in check_batch(image, mask))
    gan.check_size(image)
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction must be above 0 and at most 1, got {fraction}")
    kept = round(fraction * starts)
    if not 1 <= count <= kept:
        raise ValueError(
            f"{count} completions need at least as many starts to choose from: {starts} starts "
            f"and a fraction of {fraction} leave {kept}; give more starts"
        )

    # every start is a picture of its own
    z0 = initial_z(gan, 1, starts, seed, settings.start)  # (starts, z_dim)
    images, masks = (part.expand(starts, -1, -1, -1) for part in (image, mask))
    found = complete(images, masks, gan, z0, settings, progress=progress)
    losses = found.final["total"]  # (starts,)

    # group the best: lowest loss first, so the first of a group is its best
    order = losses.argsort(stable=True)[:kept]  # (kept,)
    holes = found.completed[order][:, :, mask[0, 0] == 0].flatten(1)  # (kept, 3 * hole pixels)
    groups = _group(holes.cpu().numpy(), count)  # (kept,)

    # number the groups by their best loss
    _, first = np.unique(groups, return_index=True)  # (count,)
    rank = torch.from_numpy(first.argsort().argsort()[groups])  # (kept,)
    labels = torch.full((starts,), -1)
    labels[order.cpu()] = rank
    best = order[torch.from_numpy(np.sort(first)).to(order.device)]  # (count,)
    return Completions(
        completed=found.completed[best],
        generated=found.generated[best],
        z=found.z[best],
        losses=losses[best],
        counts=torch.bincount(rank, minlength=count),
        labels=labels,
        start_losses=losses,
    )


def _group(holes: np.ndarray, count: int) -> np.ndarray:
    """(n,) group numbers 0 to count - 1 of the rows (n, values), by Ward's method."""
    if count == 1 or len(holes) == 1:
        return np.zeros(len(holes), dtype=np.int64)
    from sklearn.cluster import AgglomerativeClustering

    return AgglomerativeClustering(count, linkage="ward").fit_predict(holes)
