"""Ways to fill a hole without a trained network: what the paper compares with, and simpler ones.

Figs. 1, 6 and 7 of the paper, notebook 01; the Context Encoder is in `models.context_encoder`.

One shape of call for all: `fill(images, mask, ...)`, images (B, 3, H, W) in [-1, 1], mask (B, 1, H,
W) or (1, 1, H, W) with 1 = known, gives the completed pictures, (B, 3, H, W) float32 in [-1, 1] on
the same device. Known pixels come back bit by bit, hole pixels are never read. A method that
iterates states its tolerance, and warns (RuntimeWarning) when it was not reached.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from torch import Tensor

from tutorial_lib.baselines.low_rank import nonconvex_low_rank_fill, truncated_nuclear_norm_fill
from tutorial_lib.baselines.nearest_neighbor import NearestNeighbor, nearest_neighbor_fill
from tutorial_lib.baselines.patchmatch import patchmatch_fill
from tutorial_lib.baselines.simple import biharmonic_fill, mean_fill
from tutorial_lib.baselines.total_variation import total_variation_fill

BASELINES: dict[str, Callable[..., Tensor]] = {
    "mean": mean_fill,
    "biharmonic": biharmonic_fill,
    "total-variation": total_variation_fill,
    "truncated-nuclear-norm": truncated_nuclear_norm_fill,
    "nonconvex-low-rank": nonconvex_low_rank_fill,
    "patchmatch": patchmatch_fill,
    "nearest-neighbor": nearest_neighbor_fill,
    "nearest-neighbor-blended": functools.partial(nearest_neighbor_fill, blend=True),
}
# These fill from a training set, given as pictures=...
NEED_PICTURES = ("nearest-neighbor", "nearest-neighbor-blended")

__all__ = [
    "BASELINES",
    "NEED_PICTURES",
    "NearestNeighbor",
    "biharmonic_fill",
    "fill_with",
    "mean_fill",
    "nearest_neighbor_fill",
    "nonconvex_low_rank_fill",
    "patchmatch_fill",
    "total_variation_fill",
    "truncated_nuclear_norm_fill",
]


def fill_with(name: str, images: Tensor, mask: Tensor, **options) -> Tensor:
    """Fill holes with the baseline of that name.

    Args:
        name: a key of `BASELINES`.
        images: (B, 3, H, W) in [-1, 1]; hole pixels are never read.
        mask: (B, 1, H, W) or (1, 1, H, W), 1 = known.
        options: the method's own; the two nearest-neighbor fills need `pictures`, the training set.

    Returns:
        (B, 3, H, W) float32 in [-1, 1].

    Raises:
        ValueError: for an unknown name, a missing training set, or what the method refuses:
            PatchMatch does not apply to masks without a wholly known patch.
    """
    if name not in BASELINES:
        raise ValueError(f"unknown baseline {name!r}: choose from {', '.join(BASELINES)}")
    if name in NEED_PICTURES and options.get("pictures") is None:
        raise ValueError(f"{name} fills from a training set: give pictures=load_dataset(...)")
    return BASELINES[name](images, mask, **options)
