"""One search for every lambda, kept whole, so that a slider can move through it.

Notebook 07 explores it (the paper's Fig. 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from tutorial_lib.inpainting.latent_search import DEFAULT, LatentSearch, SearchSettings
from tutorial_lib.inpainting.pipeline import fill_hole, initial_z
from tutorial_lib.masks import check_batch
from tutorial_lib.models.latent_model import LatentModel

# 37 is what the paper's 0.003 becomes when the context loss is a mean over 3 x 64 x 64 values
# instead of a sum.
LAMS = (0.0, 0.001, 0.003, 0.1, 1.0, 10.0, 37.0, 100.0)
# No approximate steps: they keep D's gradient for ten steps, which is right only while lam is tiny,
# and here it goes up to 100.
SETTINGS = replace(DEFAULT, steps=60, approximate=0.0)
_CHUNK = 128  # pictures given to the networks at once


@dataclass(frozen=True)
class Exploration:
    """Every kept iterate of the search for each picture (P), restart (R) and lam (L).

    K iterates are kept.

    Attributes:
        names: P names.
        lams: L values of lam, ascending.
        steps: K numbers of updates made, from 0.
        corrupted: (P, 3, H, W) in [-1, 1], 0 in the hole.
        mask: (P, 1, H, W), 1 = known.
        generated: (P, R, L, K, 3, H, W) in [-1, 1], G(z).
        completed: (P, R, L, K, 3, H, W) in [-1, 1], G(z) blended into the hole (Eq. 6).
        context: (P, R, L, K), the context loss (Eq. 4).
        prior: (P, R, L, K), the prior loss (Eq. 5), lam included.
        logits: (P, R, L, K), what D says of G(z).
    """

    names: list[str]
    lams: list[float]
    steps: list[int]
    corrupted: Tensor
    mask: Tensor
    generated: Tensor
    completed: Tensor
    context: Tensor
    prior: Tensor
    logits: Tensor

    @property
    def restarts(self) -> int:
        """R."""
        return self.context.shape[1]


def explore(
    images: Tensor,
    mask: Tensor,
    gan: LatentModel,
    lams: Sequence[float] = LAMS,
    restarts: int = 1,
    settings: SearchSettings = SETTINGS,
    seed: int = 0,
    names: Sequence[str] | None = None,
    path_points: int = 12,
    progress: bool = True,
) -> Exploration:
    """Search the same pictures from the same initial z with each lam, all in one batch.

    Args:
        images: (P, 3, H, W) in [-1, 1]; hole pixels are never read, NaN included.
        mask: (P, 1, H, W) or (1, 1, H, W), 1 = known.
        gan: a model with a discriminator.
        lams: ascending values, the first may be 0.
        restarts: searches per picture; their initial z depends on (seed, picture, restart), never
            on lam.
        settings: of the search; its own lam is not used.
        seed: of the initial z.
        names: one a picture; None numbers them.
        path_points: at most so many iterates are kept.
        progress: whether to show a progress bar.

    Returns:
        an `Exploration` on the CPU.

    Raises:
        ValueError: for wrong shapes or ranges, lams that are negative or not ascending, fewer than
            one restart, a number of names other than that of the pictures, a model without a
            discriminator.
    """
    weight = gan.weight
    corrupted, mask = (part.to(weight.dtype) for part in check_batch(images, mask))
    gan.check_size(images)
    if names is None:
        names = [f"picture {number}" for number in range(1, len(images) + 1)]
    lams = [float(lam) for lam in lams]
    if (
        not lams
        or lams[0] < 0
        or any(not low < high for low, high in zip(lams, lams[1:], strict=False))
    ):
        raise ValueError(f"lams must be ascending and not negative, each once, got {lams}")
    if restarts < 1:
        raise ValueError(f"restarts must be at least 1, got {restarts}")
    if len(names) != len(images):
        raise ValueError(
            f"each picture needs a name: got {len(images)} pictures and {len(names)} names"
        )
    if gan.discriminator is None:
        raise ValueError(
            "this model has no discriminator: lam weighs what D says, "
            "so there is nothing to explore"
        )

    # a row for each picture, restart and lam: P * R * L of them
    shape = (len(images), restarts, len(lams))
    picture, restart, which = (
        index.flatten() for index in torch.meshgrid(*map(torch.arange, shape), indexing="ij")
    )
    z0 = initial_z(gan, len(images), restarts, seed, settings.start)  # (P * R, z_dim)
    found = LatentSearch(
        corrupted[picture],
        mask[picture],
        gan,
        z0[picture * restarts + restart],
        settings,
        lam=torch.tensor(lams, dtype=weight.dtype)[which],
        path_points=path_points,
    ).run(progress)

    # what the K kept iterates look like, and what D says of them
    kept = len(found.path_steps)
    generated, logits = _judge(  # (K * rows, 3, H, W), (K * rows,)
        found.path.flatten(0, 1), gan.generator, gan.discriminator
    )
    y, known = (
        values[picture].repeat(kept, 1, 1, 1).to(generated.device) for values in (corrupted, mask)
    )
    completed = fill_hole(generated, y, known)

    def by_row(values: Tensor) -> Tensor:
        """(K * rows, ...) -> (P, R, L, K, ...)."""
        return values.cpu().unflatten(0, (kept, *shape)).movedim(0, 3)

    return Exploration(
        list(names),
        lams,
        found.path_steps,
        corrupted.cpu(),
        mask.cpu(),
        by_row(generated),
        by_row(completed),
        by_row(found.losses["context"][found.path_steps].flatten()),
        by_row(found.losses["prior"][found.path_steps].flatten()),
        by_row(logits),
    )


def _judge(codes: Tensor, generator: nn.Module, discriminator: nn.Module) -> tuple[Tensor, Tensor]:
    """G(z) and D's logit for (N, z_dim) codes."""
    generated, logits = [], []
    with torch.no_grad():
        for part in codes.split(_CHUNK):
            generated.append(generator(part))
            logits.append(discriminator(generated[-1]))
    return torch.cat(generated), torch.cat(logits)
