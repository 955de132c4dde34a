"""The whole method in one call.

Search z (Eq. 2) from several starts, keep the best, blend (Eq. 6).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from tqdm.auto import tqdm

from tutorial_lib.device import seeded_generator
from tutorial_lib.images import check_images, check_shape
from tutorial_lib.inpainting.blending import poisson_blend
from tutorial_lib.inpainting.latent_search import DEFAULT, SearchSettings, search
from tutorial_lib.masks import check_mask, corrupt
from tutorial_lib.models.latent_model import LatentModel

MAX_ROWS = 128  # searched at once: enough to fill the cores, small enough for a laptop's memory


@dataclass(frozen=True)
class Inpainting:
    """Filled pictures and how they came about, a row a picture.

    Attributes:
        completed: (B, 3, H, W) in [-1, 1]: known pixels as they were, the hole filled.
        generated: (B, 3, H, W) in [-1, 1], G(z_hat).
        z: (B, z_dim), z_hat of the best restart.
        losses: "context", "prior", "total", each (steps + 1, B), of the best restart.
        path: (K, B, z_dim), iterates of z of the best restart.
        path_steps: the K steps they were taken at.
        restart_losses: (B, restarts), the total loss that each restart ended with.
    """

    completed: Tensor
    generated: Tensor
    z: Tensor
    losses: dict[str, Tensor]
    path: Tensor
    path_steps: list[int]
    restart_losses: Tensor


def start_codes(
    model: LatentModel, count: int, restarts: int = 1, seed: int = 0, start: str = "prior"
) -> Tensor:
    """(count * restarts, z_dim) start codes, restarts of a picture side by side, on the CPU.

    `start` is "prior" or "normal", see `SearchSettings`. Each depends on (seed, picture, restart)
    alone: not on lam, and not on how many others there are.
    """

    def draw(rng: torch.Generator) -> Tensor:
        return (
            model.sample_z(1, rng)
            if start == "prior"
            else torch.randn(1, model.z_dim, generator=rng)
        )

    return torch.cat(
        [
            draw(seeded_generator(seed, picture, restart))
            for picture in range(count)
            for restart in range(restarts)
        ]
    )


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
    **overrides,
) -> Inpainting:
    """Fill the holes of pictures with the closest code's picture (paper section 3).

    Args:
        images: (B, 3, H, W) in [-1, 1], of any floating type (the search uses the generator's);
            hole pixels are never read, NaN included.
        mask: (B, 1, H, W) or (1, 1, H, W), 1 = known.
        gan: the model to search, on the device to work on.
        settings: see `SearchSettings`; any of its fields can also be given by name: `inpaint(...,
            steps=100)`.
        lam: weight of the prior: a number, or (B,) with one a picture; None takes the settings'.
        weights: (B, 1, H, W) or (1, 1, H, W) instead of Eq. 3's, for experiments; 0 where the mask
            is 0.
        restarts: starts a picture; the one with the lowest total loss is returned.
        seed: of the start codes; the same seed gives the same result.
        blend: Poisson blending (Eq. 6); otherwise G(z_hat)'s pixels are pasted into the hole.
        progress: whether to show a progress bar.

    Returns:
        an `Inpainting` on the model's device.

    Raises:
        ValueError: for wrong shapes or ranges, an invalid mask, an unknown setting, fewer than one
            restart.
    """
    check_shape(images)
    mask = check_mask(mask, images)
    dtype = next(gan.generator.parameters()).dtype
    images = corrupt(images, mask).to(gan.device, dtype)
    mask = mask.to(gan.device, dtype)
    check_images(images)
    if 0 <= images.min() < images.max():
        warnings.warn(
            "no value of the pictures is below 0: they should lie in [-1, 1], not in [0, 1] "
            "(scale with x * 2 - 1)",
            stacklevel=2,
        )
    if restarts < 1:
        raise ValueError(f"restarts must be at least 1, got {restarts}")
    unknown = overrides.keys() - SearchSettings.__dataclass_fields__.keys()
    if unknown:
        raise ValueError(
            f"unknown setting {', '.join(sorted(unknown))}: choose from "
            f"{', '.join(SearchSettings.__dataclass_fields__)}"
        )
    settings = replace(settings, **overrides)
    lam = torch.as_tensor(settings.lam if lam is None else lam, dtype=torch.float32)
    if lam.dim() > 1 or (lam.dim() == 1 and len(lam) != len(images)):
        raise ValueError(
            f"lam must be a number or one value a picture ({len(images)}), got shape {tuple(lam.shape)}"
        )
    lam = lam.expand(len(images))
    weights = None if weights is None else weights.to(gan.device).expand_as(mask)

    z0 = start_codes(gan, len(images), restarts, seed, settings.start)
    step = max(1, MAX_ROWS // restarts)
    chunks = range(0, len(images), step)
    parts = []
    for start in tqdm(
        chunks, desc="batches", unit="batch", leave=False, disable=not progress or len(chunks) == 1
    ):
        rows = torch.arange(start, min(start + step, len(images))).repeat_interleave(restarts)
        found = search(
            images[rows],
            mask[rows],
            gan,
            z0[start * restarts : start * restarts + len(rows)],
            settings,
            lam=lam[rows],
            weights=None if weights is None else weights[rows],
            progress=progress,
        )
        totals = found.final["total"].view(-1, restarts)
        best = totals.argmin(1) + torch.arange(len(totals), device=totals.device) * restarts
        parts.append((found, best, totals))

    generated = torch.cat([found.generated[best] for found, best, _ in parts])
    filled = (
        poisson_blend(generated, images, mask)
        if blend
        else torch.where(mask > 0, images, generated)
    )
    return Inpainting(
        completed=filled.clamp(-1, 1),
        generated=generated,
        z=torch.cat([found.z[best] for found, best, _ in parts]),
        losses={
            name: torch.cat([found.losses[name][:, best] for found, best, _ in parts], dim=1)
            for name in parts[0][0].losses
        },
        path=torch.cat([found.path[:, best] for found, best, _ in parts], dim=1),
        path_steps=parts[0][0].path_steps,
        restart_losses=torch.cat([totals for *_, totals in parts]),
    )
