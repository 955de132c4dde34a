"""The whole method in one call: section 3 of the paper.

Search z (Eq. 2) from several initial ones, keep the best, blend (Eq. 6).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from tutorial_lib.device import seeded_generator
from tutorial_lib.inpainting.blending import blend as solve_eq6
from tutorial_lib.inpainting.importance import check_weights
from tutorial_lib.inpainting.latent_search import (
    DEFAULT,
    LatentSearch,
    SearchResult,
    SearchSettings,
    lam_of_rows,
)
from tutorial_lib.masks import check_batch
from tutorial_lib.models.latent_model import LatentModel, check_model

MAX_ROWS = 128  # searched at once: enough to fill the cores, small enough for a laptop's memory


@dataclass(frozen=True)
class Inpainting(SearchResult):
    """Filled pictures and how they came about, one row per picture.

    What a `SearchResult` holds is that of the picture's best restart.

    Attributes:
        completed: (B, 3, H, W) in [-1, 1]: known pixels as they were, the hole filled.
        restart_losses: (B, restarts), the total loss of each restart's z_hat.
    """

    completed: Tensor
    restart_losses: Tensor


def inpaint(
    images: Tensor,
    mask: Tensor,
    gan: LatentModel,
    *,
    settings: SearchSettings = DEFAULT,
    lam: float | Tensor | None = None,
    weights: Tensor | None = None,
    restarts: int = 1,
    seed: int = 0,
    blend: bool = True,
    progress: bool = True,
    **overrides: Any,
) -> Inpainting:
    """Fill the holes of pictures with G(z_hat), z_hat being the best code found (section 3).

    The same call on the same machine gives the same bits. In another batch, or at another place in
    it, a picture's result differs by rounding, which the search amplifies: with the default
    settings faces alone and in a batch of eight came out up to 15 gray levels apart in single
    pixels, and up to 0.3 dB in the hole.

    Args:
        images: (B, 3, H, W) in [-1, 1], of any floating type (the search uses the generator's);
            hole pixels are never read, NaN included.
        mask: (B, 1, H, W) or (1, 1, H, W), 1 = known.
        gan: the model to search, on the device to work on.
        settings: see `SearchSettings`.
        lam: weight of the prior: a number, or (B,) with one a picture; None takes the settings'.
        weights: (B, 1, H, W) or (1, 1, H, W) instead of Eq. 3's, for experiments; 0 where the mask
            is 0.
        restarts: searches per picture; the one with the lowest total loss is returned.
        seed: of the initial z.
        blend: Poisson blending (Eq. 6); otherwise G(z_hat)'s pixels are pasted into the hole.
        progress: whether to show a progress bar.
        **overrides: any field of the settings by name: `inpaint(..., steps=100)`.

    Returns:
        an `Inpainting` on the model's device.

    Raises:
        ValueError: for wrong shapes or ranges, an invalid mask, an unknown setting, fewer than one
            restart, a lam that is negative or not there for each picture, weights as
            `importance.check_weights` says, a `gan` that is no `LatentModel` or makes pictures of
            another size.
    """
    # what follows trusts its arguments: they are checked here, once
    check_model(gan)
    corrupted, mask = check_batch(images, mask)
    gan.check_size(corrupted)
    dtype = gan.weight.dtype
    corrupted, mask = corrupted.to(dtype), mask.to(dtype)
    if weights is not None:
        check_weights(weights, mask)
    if not isinstance(restarts, int) or restarts < 1:
        raise ValueError(f"restarts must be a whole number from 1 on, got {restarts}")
    settings = _with_overrides(settings, overrides)
    lam = lam_of_rows(settings.lam if lam is None else lam, len(images))
    # where the searches begin, drawn from the model's prior (section 3.4: uniform on [-1, 1])
    z0 = initial_z(gan, len(images), restarts, seed, settings.start)  # (B * restarts, z_dim)
    return complete(
        corrupted,
        mask,
        gan,
        z0,
        settings,
        lam=lam,
        weights=weights,
        restarts=restarts,
        blend=blend,
        progress=progress,
    )


def complete(
    images: Tensor,
    mask: Tensor,
    gan: LatentModel,
    z0: Tensor,
    settings: SearchSettings = DEFAULT,
    *,
    lam: Tensor | None = None,
    weights: Tensor | None = None,
    restarts: int = 1,
    blend: bool = True,
    progress: bool = True,
) -> Inpainting:
    """`inpaint` from given initial z: search, keep the best restart, fill the hole.

    Its arguments are those of `inpaint` and are trusted.

    Args:
        images: (B, 3, H, W), y, as `masks.check_batch` returns it.
        mask: (B, 1, H, W), from there, too.
        gan: the model to search.
        z0: (B * restarts, z_dim), the restarts of a picture side by side.
        settings: see `SearchSettings`.
        lam: (B,), or None for the settings'.
        weights: instead of Eq. 3's.
        restarts: searches per picture.
        blend: Eq. 6, or pasting.
        progress: whether to show a progress bar.
    """
    images, mask = images.to(gan.device), mask.to(gan.device)
    if weights is not None:
        weights = weights.to(gan.device).expand_as(mask)
    at_once = max(1, MAX_ROWS // restarts)  # pictures
    parts = torch.arange(len(images)).split(at_once)
    bar = tqdm(
        parts, desc="batches", unit="batch", leave=False, disable=not progress or len(parts) == 1
    )
    found, restart_losses = [], []
    for pictures in bar:
        # Eq. 2, from each initial z of these pictures, with the weights of Eq. 3
        rows = pictures.repeat_interleave(restarts)
        first = int(pictures[0]) * restarts
        ends = LatentSearch(
            images[rows],
            mask[rows],
            gan,
            z0[first : first + len(rows)],
            settings,
            lam=None if lam is None else lam[rows],
            weights=None if weights is None else weights[rows],
        ).run(progress)
        # of each picture, the restart with the lowest total loss
        totals = ends.final["total"].view(-1, restarts)  # (pictures, restarts)
        if not totals.amin(1).isfinite().all():
            raise ValueError(
                "no finite loss was found: do the generator's pictures or the weights hold NaN?"
            )
        best = totals.argmin(1) + restarts * torch.arange(len(totals), device=totals.device)
        found.append(_rows(ends, best))
        restart_losses.append(totals)
    best_found = _joined(found)
    # Eq. 6
    return Inpainting(
        **vars(best_found),
        completed=fill_hole(best_found.generated, images, mask, blend),
        restart_losses=torch.cat(restart_losses),
    )


def fill_hole(generated: Tensor, images: Tensor, mask: Tensor, blend: bool = True) -> Tensor:
    """The completion: known pixels as they were, the hole from G(z_hat), within [-1, 1].

    Args:
        generated: (B, 3, H, W), G(z_hat).
        images: (B, 3, H, W), y.
        mask: (B, 1, H, W), 1 = known, checked and on the same device.
        blend: whether the hole has G's gradients (Eq. 6) or G's pixels.
    """
    if blend:
        filled = solve_eq6(generated, images, mask)
    else:
        filled = torch.where(mask > 0, images, generated)
    return filled.clamp(-1, 1)


def initial_z(
    model: LatentModel, count: int, restarts: int = 1, seed: int = 0, start: str = "prior"
) -> Tensor:
    """(count * restarts, z_dim): where searches begin, the restarts of a picture side by side.

    Each depends on (seed, picture, restart) alone: not on lam, and not on how many others there
    are.

    Args:
        model: whose codes they are.
        count: pictures.
        restarts: searches per picture.
        seed: of the draws, on the CPU.
        start: "prior" or "normal", see `SearchSettings`.
    """

    def draw(rng: torch.Generator) -> Tensor:
        if start == "prior":
            return model.sample_z(1, rng)
        return torch.randn(1, model.z_dim, generator=rng)

    return torch.cat(
        [
            draw(seeded_generator(seed, picture, restart))
            for picture in range(count)
            for restart in range(restarts)
        ]
    )


def _with_overrides(settings: SearchSettings, overrides: dict[str, Any]) -> SearchSettings:
    unknown = overrides.keys() - SearchSettings.__dataclass_fields__.keys()
    if unknown:
        raise ValueError(
            f"unknown setting {', '.join(sorted(unknown))}: choose from "
            f"{', '.join(SearchSettings.__dataclass_fields__)}"
        )
    return replace(settings, **overrides)


def _rows(found: SearchResult, rows: Tensor) -> SearchResult:
    """Some rows of what a search found."""
    return SearchResult(
        z=found.z[rows],
        generated=found.generated[rows],
        losses={name: values[:, rows] for name, values in found.losses.items()},
        path=found.path[:, rows],
        path_steps=found.path_steps,
        final={name: values[rows] for name, values in found.final.items()},
    )


def _joined(parts: list[SearchResult]) -> SearchResult:
    """What searches of one setting found, as one."""
    names = parts[0].final
    return SearchResult(
        z=torch.cat([part.z for part in parts]),
        generated=torch.cat([part.generated for part in parts]),
        losses={name: torch.cat([part.losses[name] for part in parts], 1) for name in names},
        path=torch.cat([part.path for part in parts], 1),
        path_steps=parts[0].path_steps,
        final={name: torch.cat([part.final[name] for part in parts]) for name in names},
    )
