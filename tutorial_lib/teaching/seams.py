"""Figures of notebook 06, Poisson blending: stages of a blend side by side, and one row of it."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from tutorial_lib.teaching.plotting import COLORS, new_figure, show_enlarged


def show_stages(stages: dict[str, Tensor], alt: str, scale: int = 4) -> Figure:
    """Images side by side with their titles, each pixel a square of `scale` by `scale` pixels.

    Args:
        stages: title -> (3, H, W) in [-1, 1]; all of the same H and W.
        alt: what is to be seen, in words.
        scale: a whole number.

    Raises:
        ValueError: when the images differ in shape.
    """
    shapes = {tuple(image.shape) for image in stages.values()}
    if len(shapes) != 1:
        raise ValueError(f"each stage needs an image of the same size, got {sorted(shapes)}")
    return show_enlarged({"": torch.stack(list(stages.values()))}, alt, scale, list(stages))


def show_row(generated: np.ndarray, blended: np.ndarray, known: np.ndarray, alt: str) -> Figure:
    """One row of pixels with one hole: above, pasted and blended; below, u = blended - G.

    Args:
        generated: (W,), G(z_hat).
        blended: (W,), equal to y where known.
        known: (W,) bool; the hole is in one piece.
        alt: what is to be seen, in words.
    """
    hole = np.flatnonzero(~known)
    inside = slice(hole[0], hole[-1] + 1)
    ends = slice(max(0, hole[0] - 1), hole[-1] + 2)  # with the known pixels beside the hole
    column, u = np.arange(len(known)), blended - generated
    figure, ((above,), (below,)) = new_figure(alt, 2, 1, (7.5, 5), sharex=True)
    pasted = np.where(known, blended, generated)
    above.plot(column, pasted, color=COLORS[1])
    above.plot(column, blended, color=COLORS[0])
    widest = hole[abs(u[inside]).argmax()]
    for name, line, color in (("pasted", pasted, COLORS[1]), ("blended", blended, COLORS[0])):
        upper = line[widest] >= (pasted + blended)[widest] / 2
        edge = line[inside].max() if upper else line[inside].min()
        above.annotate(
            name,
            (hole.mean(), edge),
            (0, 4 if upper else -4),
            textcoords="offset points",
            ha="center",
            va="bottom" if upper else "top",
            color=color,
            fontsize=11,
        )
    above.set(ylabel="brightness, -1 to 1")
    above.margins(y=0.2)
    below.plot(column, u, color="0.7")
    below.plot(column[ends], u[ends], color=COLORS[2], linewidth=2.5)
    below.axhline(0, color="0.8", linewidth=1, zorder=0)
    below.set(xlabel="column", ylabel="u = blended - G")
    for axes in (above, below):
        axes.axvspan(hole[0] - 0.5, hole[-1] + 0.5, color="0.95", zorder=-1)
    below.annotate(
        "hole", (hole.mean(), 0.03), xycoords=("data", "axes fraction"), ha="center", color="0.4"
    )
    return figure
