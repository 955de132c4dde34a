"""Images in rows, stages of an inpainting, weights and errors as pictures."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from tutorial_lib.images import to_uint8
from tutorial_lib.masks import HOLE_GRAY, corrupt
from tutorial_lib.teaching.plotting.figures import draw_pixels, exact_figure, new_figure

_SHOWN = 1000  # pixels; a page shows a wider figure smaller than it is


def show_enlarged(
    rows: dict[str, Tensor], alt: str, scale: int = 3, titles: Sequence[str] | None = None
) -> Figure:
    """Images in labelled rows, each pixel a square of `scale` by `scale` pixels, never smoothed.

    The letters grow with the width of the figure, so that they can be read where a page shrinks it.

    Args:
        rows: label -> (B, 3, H, W) in [-1, 1]; all of the same B, H and W.
        alt: what is to be seen, in words.
        scale: a whole number.
        titles: one above each column.

    Raises:
        ValueError: when the rows differ in shape.
    """
    shapes = {tuple(images.shape) for images in rows.values()}
    if len(shapes) != 1:
        raise ValueError(f"each row needs images of the same number and size, got {sorted(shapes)}")
    count, _, height, width = shapes.pop()
    gap = 6  # pixels of the figure
    step_x, step_y = width * scale + gap, height * scale + gap
    larger = max(1.0, count * step_x / _SHOWN)
    fontsize, space = 11 * larger, round(10 * larger)  # points; pixels a letter needs
    label_width = space * max(map(len, rows)) + space
    above = round(24 * larger) if titles else 0
    total_x, total_y = label_width + count * step_x, len(rows) * step_y + above
    figure = exact_figure(alt, total_x, total_y)
    for line, (label, images) in enumerate(rows.items()):
        bottom = total_y - above - line * step_y - height * scale
        middle = (bottom + height * scale / 2) / total_y
        right = (label_width - space) / total_x
        figure.text(right, middle, label, ha="right", va="center", fontsize=fontsize)
        for column, pixels in enumerate(to_uint8(images)):
            left = label_width + column * step_x
            draw_pixels(figure, pixels, left, bottom, width * scale, height * scale)
    for column, title in zip(range(count), titles or [""] * count, strict=True):
        center = label_width + column * step_x + width * scale / 2
        figure.text(
            center / total_x, 1 - 5 / total_y, title, ha="center", va="top", fontsize=fontsize
        )
    return figure


def show_inpainting(
    images: Tensor, mask: Tensor, result, originals: Tensor | None = None
) -> Figure:
    """The stages of an inpainting: corrupted, generated, completed, and the original if given.

    Args:
        images: (B, 3, H, W), as given to `inpaint`.
        mask: (B, 1, H, W) or (1, 1, H, W), 1 = known.
        result: what `inpaint` returned.
        originals: (B, 3, H, W), to compare with.
    """
    rows = {} if originals is None else {"original": originals}
    rows |= {
        "corrupted": corrupt(images.cpu(), mask.cpu(), HOLE_GRAY),
        "G(z_hat)": result.generated,
        "completed": result.completed,
    }
    return show_enlarged(rows, f"{len(images)} pictures, one a column; rows: {', '.join(rows)}.")


def show_weights(
    weights: dict[str, Tensor], alt: str = "Importance weights; brighter pixels count more."
) -> Figure:
    """Weight maps (1, 1, H, W) in [0, 1] by name, on one color scale."""
    figure, axes = new_figure(alt, 1, len(weights), (2.1 * len(weights) + 0.6, 2.4))
    for ax, (name, weight) in zip(axes[0], weights.items(), strict=True):
        shown = ax.imshow(
            weight[0, 0].cpu().numpy(), cmap="viridis", vmin=0, vmax=1, interpolation="nearest"
        )
        ax.set(title=name, xticks=[], yticks=[])
    figure.colorbar(shown, ax=axes[0].tolist(), label="weight", shrink=0.8)
    return figure


def error_pictures(completed: Tensor, originals: Tensor, factor: float = 1.0) -> Tensor:
    """|completed - originals| as pictures to show.

    Black where there is no error, white where it is the range / factor or more.

    Args:
        completed: (B, 3, H, W) in [-1, 1].
        originals: (B, 3, H, W) in [-1, 1].
        factor: amplification, to be stated beside the pictures.

    Returns:
        (B, 3, H, W) in [-1, 1].
    """
    return (factor * (completed.cpu() - originals.cpu()).abs() - 1).clamp(max=1)


def spotlight(images: Tensor, weights: Tensor, dim: float = 0.2) -> Tensor:
    """Pictures lit by weights: a pixel is as bright as its weight says.

    Args:
        images: (B, 3, H, W) in [-1, 1].
        weights: (B, 1, H, W) or (1, 1, H, W), not negative; the largest is full brightness.
        dim: brightness where the weight is 0, as a fraction.

    Returns:
        (B, 3, H, W) in [-1, 1].
    """
    light = dim + (1 - dim) * weights / weights.max()
    return (images + 1) * light - 1


def colored(values: Tensor | np.ndarray, scale: int = 4, cmap: str = "viridis") -> np.ndarray:
    """A map in colors, each pixel enlarged to scale x scale.

    Args:
        values: (H, W) in [0, 1].
        scale: a whole number.
        cmap: one of matplotlib's.

    Returns:
        (H * scale, W * scale, 3) uint8.
    """
    levels = torch.as_tensor(values).cpu().numpy()
    rgb = (plt.get_cmap(cmap)(levels)[..., :3] * 255).round().astype(np.uint8)
    return rgb.repeat(scale, 0).repeat(scale, 1)
