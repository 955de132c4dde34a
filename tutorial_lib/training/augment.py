"""Differentiable augmentation (Zhao et al. 2020): what D sees is changed in the same random ways.

Without it a discriminator learns a few thousand pictures by heart. The draws come from the step's
generator.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

KINDS = ("color", "translation", "cutout")


def _uniform(count: int, rng: torch.Generator, like: Tensor) -> Tensor:
    return torch.rand(count, 1, 1, 1, generator=rng).to(like)  # (B, 1, 1, 1)


def _color(images: Tensor, rng: torch.Generator) -> Tensor:
    """Brightness by up to +-0.5, saturation by 0 to 2, contrast by 0.5 to 1.5, drawn per image."""
    count = len(images)
    images = images + (_uniform(count, rng, images) - 0.5)
    gray = images.mean(dim=1, keepdim=True)
    images = (images - gray) * (_uniform(count, rng, images) * 2) + gray
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return (images - mean) * (_uniform(count, rng, images) + 0.5) + mean


def _translation(images: Tensor, rng: torch.Generator) -> Tensor:
    """Shift by up to an eighth of the side in each direction; zeros come in at the edge."""
    count, _, height, width = images.shape
    reach = height // 8
    shift = torch.randint(-reach, reach + 1, (count, 2), generator=rng).to(images.device)  # (B, 2)
    padded = F.pad(images, (reach, reach, reach, reach))  # (B, C, H + 2 reach, W + 2 reach)
    rows = torch.arange(height, device=images.device)[None, :] + reach + shift[:, :1]  # (B, H)
    columns = torch.arange(width, device=images.device)[None, :] + reach + shift[:, 1:]  # (B, W)
    picture = torch.arange(count, device=images.device)[:, None, None]
    # channels last while indexing: one gather over (B, H, W) for all channels
    moved = padded.permute(0, 2, 3, 1)[picture, rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2)  # (B, H, W, C) -> (B, C, H, W)


def _cutout(images: Tensor, rng: torch.Generator) -> Tensor:
    """Zero a square of half the side around a random point."""
    count, _, height, width = images.shape
    sides = torch.tensor([height, width], device=images.device)
    center = torch.rand(count, 2, generator=rng).to(images.device) * sides  # (B, 2)
    rows = (torch.arange(height, device=images.device)[None, :] - center[:, :1]).abs() < height / 4
    columns = (torch.arange(width, device=images.device)[None, :] - center[:, 1:]).abs() < width / 4
    return images.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0.0)


_FUNCTIONS = {"color": _color, "translation": _translation, "cutout": _cutout}


def augment(images: Tensor, kinds: tuple[str, ...], rng: torch.Generator) -> Tensor:
    """Apply the named augmentations with draws from `rng`, differentiable in `images`.

    Args:
        images: (B, 3, H, W) pictures.
        kinds: any of "color", "translation", "cutout", applied in the order given; () changes
            nothing.
        rng: a CPU torch.Generator.

    Raises:
        ValueError: for an unknown kind.
    """
    for kind in kinds:
        if kind not in _FUNCTIONS:
            raise ValueError(f"unknown augmentation {kind!r}: choose from {KINDS}")
        images = _FUNCTIONS[kind](images, rng)
    return images


def flip(images: Tensor, rng: torch.Generator) -> Tensor:
    """Mirror each picture left to right with probability one half (paper section 3.4)."""
    return torch.where(_uniform(len(images), rng, images) < 0.5, images.flip(3), images)


def junk_like(images: Tensor, rng: torch.Generator) -> Tensor:
    """Pictures that are certainly not real, as many as `images`.

    Noise, shuffled pixels and shuffled 16x16 tiles in turn.

    A D that has only ever seen real and generated pictures may rank anything else above both; as a
    prior it must not.
    """
    junk = []
    for row, image in enumerate(images):
        if row % 3 == 0:
            made = (torch.rand(image.shape, generator=rng) * 2 - 1).to(image)
        elif row % 3 == 1:
            made = shuffle_pixels(image[None], rng)[0]
        else:
            tiles = image.unfold(1, 16, 16).unfold(2, 16, 16).flatten(1, 2)  # (3, tiles, 16, 16)
            side = image.shape[1] // 16
            order = torch.randperm(tiles.shape[1], generator=rng).to(image.device)
            mixed = tiles[:, order].unflatten(1, (side, side))
            made = mixed.permute(0, 1, 3, 2, 4).reshape(image.shape)
        junk.append(made)
    return torch.stack(junk)


def shuffle_pixels(images: Tensor, rng: torch.Generator) -> Tensor:
    """The pixels of each picture in random order, colors kept together."""
    flat = images.flatten(2)
    order = torch.stack([torch.randperm(flat.shape[2], generator=rng) for _ in images]).to(
        images.device
    )
    return flat.gather(2, order[:, None].expand(-1, images.shape[1], -1)).view_as(images)
