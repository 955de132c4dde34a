"""Maps of samples with the paths of searches over them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import patheffects
from matplotlib.figure import Figure
from torch import Tensor

from tutorial_lib.images import to_uint8
from tutorial_lib.teaching.manifold import spaced_out
from tutorial_lib.teaching.plotting.figures import (
    COLORS,
    DPI,
    draw_pixels,
    exact_figure,
    new_figure,
    pixel_axes,
)

GAP = 4  # pixels, at least, between two pictures on a map


def show_map(
    embedding,
    alt: str,
    pictures: Tensor,
    path: int,
    marked: dict[str, int],
    beside: Tensor,
    side: int = 800,
) -> Figure:
    """Samples on a t-SNE map, one search's path over it (paper's Fig. 3b), and G(z) on that path.

    Args:
        embedding: what `manifold.embed` returned.
        alt: what is to be seen, in words.
        pictures: (N, 3, H, W) in [-1, 1], the samples'; as many are shown as fit without an
            overlap.
        path: which of the embedding's paths.
        marked: label -> a point of that path, to be written on the map.
        beside: (len(marked), 3, H, W) in [-1, 1], drawn beside the map under the same labels, each
            pixel 3x3.
        side: width of the map, in pixels.

    Raises:
        ValueError: when there is not one picture a sample, or not one beside the map a label.
    """
    if len(beside) != len(marked):
        raise ValueError(f"each label needs its image, got {len(beside)} for {len(marked)} labels")
    height, width = 3 * beside.shape[-2], 3 * beside.shape[-1]
    figure, ax = map_axes(alt, embedding, side, width + 12, len(beside) * (height + 26))
    draw_samples(ax, embedding, pictures)
    draw_path(ax, embedding.paths[path], COLORS[1], marked)
    total_x, total_y = figure.get_size_inches() * DPI
    for number, (label, pixels) in enumerate(zip(marked, to_uint8(beside), strict=True)):
        bottom = total_y - (number + 1) * (height + 26)
        left = total_x - width
        draw_pixels(figure, pixels, left, bottom, width, height)
        figure.text(left / total_x, (bottom + height + 5) / total_y, label, fontsize=11)
    return figure


def map_axes(alt: str, embedding, side: int = 800, right: int = 0, lowest: int = 0):
    """(figure, axes) of a map without anything on it, on whole pixels of the PNG file.

    Args:
        alt: what is to be seen, in words.
        embedding: what `manifold.embed` returned; all of it has room.
        side: width of the map, in pixels; its height is what its points need, and no more.
        right: free room to the right of it, in pixels.
        lowest: the map is at least so many pixels high.
    """
    label, margin = 26, 40  # pixels: for the text of an axis, and around the points
    everything = np.concatenate([embedding.samples, *embedding.paths])
    low, high = everything.min(0), everything.max(0)
    unit = (high - low).max() / (side - 2 * margin)  # of the map, a pixel; the same for both axes
    height = max(lowest, round((high - low)[1] / unit) + 2 * margin)
    figure = exact_figure(alt, label + side + right + 2, label + height + 2)
    ax = pixel_axes(figure, label, label, side, height)
    (left, right_end), (bottom, top) = [
        (middle - unit * length / 2, middle + unit * length / 2)
        for middle, length in zip((low + high) / 2, (side, height), strict=True)
    ]
    ax.set(
        xlim=(left, right_end),
        ylim=(bottom, top),
        xticks=[],
        yticks=[],
        xlabel="t-SNE, first axis (no unit)",
        ylabel="t-SNE, second axis (no unit)",
    )
    return figure, ax


def draw_samples(ax, embedding, pictures: Tensor) -> None:
    """The ground of a map: a dot for each sample, and its picture, pixel for pixel, where it fits.

    Args:
        ax: from `map_axes`.
        embedding: what `manifold.embed` returned.
        pictures: (N, 3, H, W) in [-1, 1].

    Raises:
        ValueError: when there is not one picture a sample.
    """
    places = embedding.samples
    if len(pictures) != len(places):
        raise ValueError(
            f"each sample needs its picture, got {len(pictures)} pictures for {len(places)} samples"
        )
    ax.scatter(*places.T, s=3, color="0.75", zorder=1)
    height, width = pictures.shape[-2:]
    on_screen = ax.transData.transform(places)  # (N, 2), pixels from the lower left corner
    shown = spaced_out(on_screen, max(height, width) + GAP)
    corners = (on_screen[shown] - (width / 2, height / 2)).round()
    to_map = ax.transData.inverted()
    for corner, pixels in zip(corners, to_uint8(pictures[shown]), strict=True):
        (left, bottom), (right, top) = to_map.transform([corner, corner + (width, height)])
        box = (left, right, bottom, top)
        ax.imshow(pixels, extent=box, interpolation="nearest", aspect="auto", zorder=2)


def draw_path(ax, path: np.ndarray, color: str, labels: dict[str, int] | None = None) -> list:
    """A path (K, 2) over a map: a line from a circle, z(0), to a star, z_hat.

    Args:
        ax: from `map_axes`.
        path: (K, 2).
        color: of all of it.
        labels: text -> the point that it is written at; points between the ends get a diamond.

    Returns what was drawn, bottom first.
    """
    outline = [patheffects.Stroke(linewidth=5, foreground="white"), patheffects.Normal()]
    drawn = ax.plot(
        *path.T, ".-", color=color, linewidth=2, markersize=6, zorder=4, path_effects=outline
    )
    marks = {"o": (0, 10), "*": (-1, 19)}
    for marker, (point, size) in marks.items():
        drawn += ax.plot(
            *path[point], marker, color=color, markersize=size, markeredgecolor="white", zorder=5
        )
    paper = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
    for text, point in (labels or {}).items():
        if 0 < point % len(path) < len(path) - 1:
            drawn += ax.plot(
                *path[point], "D", color=color, markersize=9, markeredgecolor="white", zorder=5
            )
        left = path[point][0] > np.mean(ax.get_xlim())  # towards the middle, where there is room
        drawn.append(
            ax.annotate(
                text,
                path[point],
                (-11 if left else 11, 8),
                textcoords="offset points",
                fontsize=11,
                fontweight="bold",
                ha="right" if left else "left",
                bbox=paper,
                zorder=6,
            )
        )
    return drawn


def show_dot_maps(
    maps: dict[str, tuple[np.ndarray, Sequence[np.ndarray]]],
    values: Tensor | np.ndarray,
    alt: str,
    label: str | None = None,
) -> Figure:
    """Maps side by side, a dot for each sample, colored by a value, with paths over them.

    Args:
        maps: title -> (places (N, 2), paths of (K, 2) each).
        values: (N,), one a sample, on one color scale.
        alt: what is to be seen, in words.
        label: of the color scale; None draws none.
    """
    figure, axes = new_figure(alt, 1, len(maps), (4.6 * len(maps) + 0.8, 4.6))
    for ax, (title, (places, paths)) in zip(axes[0], maps.items(), strict=True):
        shown = ax.scatter(*places.T, c=np.asarray(values), s=9, cmap="gray", edgecolors="none")
        for path in paths:
            draw_path(ax, path, COLORS[1])
        ax.set(title=title, xticks=[], yticks=[], facecolor="#cfe3f2")
        ax.set_aspect("equal", adjustable="datalim")
    if label:
        figure.colorbar(shown, ax=axes[0].tolist(), label=label, shrink=0.8)
    return figure
