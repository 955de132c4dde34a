"""Figures of pictures, masks, weights, losses and maps, each with a description in words.

Every `show_...` function returns a matplotlib figure with the attribute `alt`, for those who cannot
see it.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib import patheffects
from matplotlib.figure import Figure
from torch import Tensor

from tutorial_lib.evaluation.results import mean_interval
from tutorial_lib.images import to_uint8
from tutorial_lib.masks import HOLE_GRAY, check_mask, corrupt
from tutorial_lib.teaching.manifold import spaced_out

# Okabe & Ito's palette: told apart with any color vision.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DPI = 100
_BESIDE: dict[str, Any] = {"textcoords": "offset points", "fontsize": 10}  # of a label


class DescribedFigure(Figure):
    """A figure with `alt`, a description that notebooks store as the picture's alternative text."""

    alt: str = ""
    # whether its axes lie on whole pixels of the PNG file, so that nothing may be cut off
    exact: bool = False

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"image/png": figure_png(self), "text/plain": repr(self)}, {
            "image/png": {"alt": self.alt}
        }

    def __repr__(self) -> str:
        return f"Figure: {self.alt}"


def figure_png(figure: Figure) -> bytes:
    """The figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(
        buffer,
        format="png",
        dpi=DPI,
        bbox_inches=None if getattr(figure, "exact", False) else "tight",
    )
    return buffer.getvalue()


def new_figure(
    alt: str, rows: int = 1, columns: int = 1, size: tuple[float, float] = (7, 4), **options
):
    """(figure, axes as a (rows, columns) array).

    The figure is shown once, as a cell's last value.
    """
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=size,
        squeeze=False,
        FigureClass=DescribedFigure,
        layout="constrained",
        **options,
    )
    plt.close(figure)  # or a notebook would show it a second time when the cell ends
    figure.alt = alt
    return figure, axes


def show_rows(
    rows: dict[str, Tensor], alt: str, titles: Sequence[str] | None = None, scale: float = 1.1
) -> Figure:
    """Pictures in labelled rows, a column a picture.

    Args:
        rows: label -> (B, 3, H, W) in [-1, 1]; all of the same B.
        alt: what is to be seen, in words.
        titles: one above each column.
        scale: inches a picture.

    Raises:
        ValueError: when the rows differ in length.
    """
    counts = {len(images) for images in rows.values()}
    if len(counts) != 1:
        raise ValueError(f"each row needs the same number of pictures, got {sorted(counts)}")
    count = counts.pop()
    figure, axes = new_figure(
        alt, len(rows), count, (scale * count + 1.1, scale * len(rows) + (0.3 if titles else 0))
    )
    for line, (label, images) in zip(axes, rows.items(), strict=True):
        for ax, pixels in zip(line, to_uint8(images), strict=True):
            ax.imshow(pixels, interpolation="nearest")
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
        line[0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=10)
    for ax, title in zip(axes[0], titles or [], strict=bool(titles)):
        ax.set_title(title, fontsize=9)
    return figure


def show_enlarged(
    rows: dict[str, Tensor], alt: str, scale: int = 3, titles: Sequence[str] | None = None
) -> Figure:
    """Images in labelled rows, each pixel a square of `scale` by `scale` pixels, never smoothed.

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
    gap, label_width = 6, 10 * max(map(len, rows)) + 10  # in pixels of the figure
    step_x, step_y = width * scale + gap, height * scale + gap
    above = 24 if titles else 0
    total_x, total_y = label_width + count * step_x, len(rows) * step_y + above
    figure = plt.figure(
        figsize=(total_x / DPI, total_y / DPI), dpi=DPI, FigureClass=DescribedFigure
    )
    assert isinstance(figure, DescribedFigure)
    plt.close(figure)
    figure.alt = alt
    figure.exact = True
    for line, (label, images) in enumerate(rows.items()):
        bottom = total_y - above - line * step_y - height * scale
        middle = (bottom + height * scale / 2) / total_y
        figure.text(
            (label_width - 10) / total_x, middle, label, ha="right", va="center", fontsize=11
        )
        for column, pixels in enumerate(to_uint8(images)):
            left = label_width + column * step_x
            box = (
                left / total_x,
                bottom / total_y,
                width * scale / total_x,
                height * scale / total_y,
            )
            axes = figure.add_axes(box)
            axes.imshow(pixels, interpolation="nearest", aspect="auto")
            axes.axis("off")
    for column, title in zip(range(count), titles or [""] * count, strict=True):
        center = label_width + column * step_x + width * scale / 2
        figure.text(center / total_x, 1 - 5 / total_y, title, ha="center", va="top", fontsize=11)
    return figure


def show_images(
    images: Tensor,
    alt: str,
    columns: int = 8,
    titles: Sequence[str] | None = None,
    scale: float = 1.0,
) -> Figure:
    """Pictures (B, 3, H, W) in [-1, 1] in a grid, row by row."""
    columns = min(columns, len(images))
    count = -(-len(images) // columns)
    figure, axes = new_figure(
        alt, count, columns, (scale * columns, (scale + (0.25 if titles else 0)) * count)
    )
    for ax in axes.flat:
        ax.axis("off")
    for ax, pixels, title in zip(
        axes.flat, to_uint8(images), titles or [""] * len(images), strict=False
    ):
        ax.imshow(pixels, interpolation="nearest")
        ax.set_title(title, fontsize=9)
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
    return show_rows(rows, f"{len(images)} pictures, one a column; rows: {', '.join(rows)}.")


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


def show_masks(
    masks: dict[str, Tensor], alt: str = "Masks; white is known, black is the hole."
) -> Figure:
    """Masks (1, 1, H, W) by name, white where known."""
    figure, axes = new_figure(alt, 1, len(masks), (1.7 * len(masks), 2.0))
    for ax, (name, mask) in zip(axes[0], masks.items(), strict=True):
        missing = 1 - check_mask(mask).mean().item()
        ax.imshow(mask[0, 0].cpu().numpy(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        ax.set(title=f"{name}\n{missing:.0%} missing", xticks=[], yticks=[])
    return figure


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


def show_curves(
    curves: dict[str, Sequence[float]],
    alt: str,
    x: Sequence[float] | None = None,
    xlabel: str = "step",
    ylabel: str = "loss",
    direct: bool = False,
    **axis,
) -> Figure:
    """Lines by name over a common x (None: 0, 1, 2, ...).

    `direct` writes each name at the end of its line, in its color, instead of a legend. Further
    arguments go to `Axes.set`: xscale, ylim, title.
    """
    figure, axes = new_figure(alt, size=(6.5, 3.4))
    _draw_curves(axes[0, 0], curves, x)
    axes[0, 0].set(xlabel=xlabel, ylabel=ylabel, **axis)
    if direct:
        _label_ends(axes[0, 0])
    else:
        axes[0, 0].legend(fontsize=9)
    return figure


def show_curve_panels(
    panels: dict[str, dict[str, Sequence[float]]],
    alt: str,
    x: Sequence[float],
    xlabel: str = "step",
    **axis,
) -> Figure:
    """`show_curves` side by side, a dot for each value.

    Args:
        panels: axis label -> curves by name, told apart in the same way in all panels.
        alt: what is to be seen, in words.
        x: of all curves.
        xlabel: of each panel.
        axis: further arguments for `Axes.set`.
    """
    figure, axes = new_figure(alt, 1, len(panels), (3.6 * len(panels), 3.2))
    for ax, (label, curves) in zip(axes[0], panels.items(), strict=True):
        _draw_curves(ax, curves, x, marker="o")
        ax.set(xlabel=xlabel, ylabel=label, **axis)
    axes[0, 0].legend(fontsize=8)
    return figure


def _draw_curves(ax, curves: dict[str, Sequence[float]], x: Sequence[float] | None, **line) -> None:
    for color, style, (name, values) in zip(
        COLORS * 2, ("-", "--", "-.", ":") * 4, curves.items(), strict=False
    ):
        y = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
        places = np.arange(len(y)) if x is None else x
        ax.plot(places, y, style, color=color, label=name, **line)
    ax.grid(alpha=0.3)


def _label_ends(ax, least: float = 0.075) -> None:
    """Each line's name beside its last point; neighbors are `least` of the axes' height apart."""
    ax.autoscale_view()  # the limits are needed now, not when the figure is drawn
    ends = []
    for line in ax.get_lines():
        points = np.asarray(line.get_xydata())
        last = points[np.isfinite(points).all(1)][-1]
        ends.append((*ax.transAxes.inverted().transform(ax.transData.transform(last)), line))
    ends.sort(key=lambda end: end[1])
    heights = [height for _, height, _ in ends]
    for _ in range(100):  # neighbors that are too close push each other away
        for low in range(len(heights) - 1):
            push = (least - (heights[low + 1] - heights[low])) / 2
            if push > 0:
                heights[low], heights[low + 1] = heights[low] - push, heights[low + 1] + push
    for (across, _, line), height in zip(ends, heights, strict=True):
        at_edge = across > 0.9
        ax.annotate(
            line.get_label(),
            (1.0 if at_edge else across, height),
            xycoords="axes fraction",
            xytext=(6, 0),
            textcoords="offset points",
            va="center" if at_edge else "bottom",
            color=line.get_color(),
            annotation_clip=False,
        )


def label_lines(figure: Figure) -> Figure:
    """Each line's name at its right end, in its color, in place of the legend; the same figure.

    Names that would overlap move apart; a line without a name gets none.
    """
    for ax in figure.axes:
        ends = []  # (height of the line's last point, 0 to 1 in the axes, line)
        for line in ax.lines:
            if str(line.get_label()).startswith("_"):  # matplotlib's own name for it
                continue
            x, y = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
            place = ax.transData.transform((x[-1], y[-1]))
            ends.append((float(ax.transAxes.inverted().transform(place)[1]), line))
        lowest = -math.inf
        for height, line in sorted(ends, key=lambda end: end[0]):
            lowest = max(height, lowest + 0.08)
            ax.text(
                1.01,
                lowest,
                str(line.get_label()),
                color=line.get_color(),
                fontsize=10,
                va="center",
                transform=ax.transAxes,
            )
        legend = ax.get_legend()
        if legend is not None:
            legend.remove()
    return figure


def lam_positions(lams: Sequence[float]) -> list[float]:
    """Places on a logarithmic axis: log10(lam), and for 0 a decade below the smallest other."""
    lowest = min((math.log10(lam) for lam in lams if lam > 0), default=1.0)
    return [math.log10(lam) if lam > 0 else lowest - 1 for lam in lams]


def lam_labels(lams: Sequence[float]) -> list[str]:
    """How values of lam are written: 0, 0.001, 37."""
    return [f"{lam:g}" for lam in lams]


def show_over_lam(
    lams: Sequence[float],
    panels: dict[str, dict[str, Tensor]],
    alt: str,
    levels: dict[str, dict[str, float]] | None = None,
    **axis,
) -> Figure:
    """Means over lambda with 95 % intervals (Student's t), one panel for each quantity.

    Args:
        lams: L values; 0 has a place at the left end.
        panels: axis label -> {curve's name: (N, L) values, one row per picture}; each curve is
            labelled at its end. One row has no interval.
        alt: what is to be seen, in words.
        levels: axis label -> {name: value}, dashed horizontal lines to compare with.
        axis: further arguments for `Axes.set`.

    Raises:
        ValueError: for values of another shape than (N, L).
    """
    figure, axes = new_figure(alt, 1, len(panels), (4.2 * len(panels), 3.4))
    places = np.array(lam_positions(lams))
    for ax, (label, curves) in zip(axes[0], panels.items(), strict=True):
        ends: list[tuple[float, str, str]] = []  # height, name and color of each curve's label
        for number, (color, (name, values)) in enumerate(zip(COLORS, curves.items(), strict=False)):
            if values.dim() != 2 or values.shape[1] != len(lams):
                raise ValueError(
                    f"{name}: need one row per picture and one column per lam, (N, {len(lams)}), "
                    f"got {tuple(values.shape)}"
                )
            means, halves = _means_and_intervals(values.detach().cpu().numpy())
            beside = 0.08 * (number - (len(curves) - 1) / 2)  # bars do not hide each other
            ax.errorbar(places + beside, means, halves, color=color, marker="o", capsize=3)
            ends.append((means[-1], name, color))
        for name, height in (levels or {}).get(label, {}).items():
            ax.axhline(height, color="0.5", linestyle="--", linewidth=1)
            place = (0.2, height)  # where points at the left end do not hide it
            ax.annotate(
                name,
                place,
                (0, 3),
                xycoords=ax.get_yaxis_transform(),
                textcoords="offset points",
                color="0.35",
            )
        ax.set(xlabel=r"$\lambda$", ylabel=label, **axis)
        ax.set_xticks(places, lam_labels(lams), fontsize=8)
        width = places[-1] - places[0] or 1
        ax.set_xlim(places[0] - 0.06 * width, places[-1] + 0.3 * width)  # room for the names
        ax.grid(alpha=0.3)
        _label_points(ax, places[-1], ends)
    return figure


def _means_and_intervals(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, L) values -> (L,) means and (L,) half widths of their intervals."""
    if len(values) == 1:
        return values[0], np.zeros(values.shape[1])
    means, halves = np.array([mean_interval(column) for column in values.T]).T
    return means, halves


def _label_points(ax, x: float, ends: list[tuple[float, str, str]]) -> None:
    """A name to the right of each curve's last point (height, name, color), none on another."""
    pixels = ax.transData.transform([(x, height) for height, _, _ in ends])[:, 1]
    lowest = -math.inf
    for number in np.argsort(pixels):
        height, name, color = ends[number]
        lowest = max(pixels[number], lowest + 16)
        up = (lowest - pixels[number]) * 72 / ax.figure.dpi
        ax.annotate(
            name, (x, height), (9, up), textcoords="offset points", color=color, va="center"
        )


def show_logits(logits: dict[str, Tensor], alt: str) -> Figure:
    """What D says of several kinds of pictures: a box of its logits for each."""
    figure, axes = new_figure(alt, size=(6.5, 0.45 * len(logits) + 1.2))
    ax = axes[0, 0]
    ax.boxplot(
        [values.cpu().numpy() for values in logits.values()],
        orientation="horizontal",
        tick_labels=list(logits),
        flierprops={"marker": ".", "markersize": 3},
        medianprops={"color": COLORS[1]},
    )
    ax.axvline(0, color="0.7", linewidth=1)
    ax.invert_yaxis()
    ax.set(xlabel="logit of D (right: taken for real)")
    return figure


def show_intervals(
    groups: dict[str, dict[str, tuple[float, float]]], alt: str, xlabel: str
) -> Figure:
    """Means with their intervals, a line a name, one color a group; a gray line marks 0.

    Args:
        groups: group -> name -> (mean, half the interval's width); the same names in the same order
            in each group.
        alt: what is to be seen, in words.
        xlabel: of the axis that the means are on.

    Raises:
        ValueError: when the groups do not hold the same names.
    """
    names = list(next(iter(groups.values())))
    if any(list(rows) != names for rows in groups.values()):
        raise ValueError(f"each group needs the same names in the same order: {', '.join(names)}")
    figure, axes = new_figure(alt, size=(7.5, 0.42 * len(names) + 1.1))
    ax = axes[0, 0]
    ax.axvline(0, color="0.6", linewidth=1)
    for number, ((group, rows), color, marker) in enumerate(
        zip(groups.items(), COLORS * len(groups), "os^Dv" * len(groups), strict=False)
    ):
        places = np.arange(len(names)) + 0.28 * (number - (len(groups) - 1) / 2)
        means, halves = np.array(list(rows.values())).T
        ax.errorbar(means, places, xerr=halves, fmt=marker, color=color, capsize=3, label=group)
    ax.set(
        yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5), xlabel=xlabel
    )
    ax.grid(axis="x", alpha=0.3)
    # beside the axes, where it hides no bar
    ax.legend(fontsize=9, loc="upper left", bbox_to_anchor=(1.01, 1.02), frameon=False)
    return figure


def show_differences(panels: dict[str, dict[str, Tensor]], alt: str) -> Figure:
    """Paired differences, a dot a picture, and below the dots their mean with its 95 % interval.

    Args:
        panels: axis label, with the unit -> name of the comparison -> (N,) differences; the same
            names in the same order in each panel.
        alt: what is to be seen, in words.

    Raises:
        ValueError: when the panels do not hold the same names.
    """
    names = list(next(iter(panels.values())))
    if any(list(rows) != names for rows in panels.values()):
        raise ValueError(f"each panel needs the same names in the same order: {', '.join(names)}")
    figure, axes = new_figure(
        alt, 1, len(panels), (3.5 * len(panels) + 1, 0.8 * len(names) + 0.9), sharey=True
    )
    for ax, (label, rows) in zip(axes[0], panels.items(), strict=True):
        ax.axvline(0, color="0.6", linewidth=1)
        for place, (color, differences) in enumerate(zip(COLORS, rows.values(), strict=False)):
            values = differences.detach().cpu().double().numpy()
            mean, half = mean_interval(values)
            ax.plot(values, np.full(len(values), place - 0.15), "o", color=color, alpha=0.4)
            ax.errorbar(mean, place + 0.2, xerr=half, fmt="D", color=color, capsize=4)
        ax.set(
            yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5), xlabel=label
        )
        ax.grid(axis="x", alpha=0.3)
    return figure


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
        box = (left / total_x, bottom / total_y, width / total_x, height / total_y)
        frame = figure.add_axes(box)
        frame.imshow(pixels, interpolation="nearest", aspect="auto")
        frame.axis("off")
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
    total_x, total_y = label + side + right + 2, label + height + 2
    figure = plt.figure(
        figsize=(total_x / DPI, total_y / DPI), dpi=DPI, FigureClass=DescribedFigure
    )
    assert isinstance(figure, DescribedFigure)
    plt.close(figure)
    figure.alt, figure.exact = alt, True
    ax = figure.add_axes((label / total_x, label / total_y, side / total_x, height / total_y))
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


def draw_samples(ax, embedding, pictures: Tensor, gap: int = 4) -> None:
    """The ground of a map: a dot for each sample, and its picture, pixel for pixel, where it fits.

    Args:
        ax: from `map_axes`.
        embedding: what `manifold.embed` returned.
        pictures: (N, 3, H, W) in [-1, 1].
        gap: at least so many pixels between two pictures.

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
    shown = spaced_out(on_screen, max(height, width) + gap)
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


def show_lines(
    lines: dict[str, tuple[Sequence[float], Sequence[float]]],
    alt: str,
    xlabel: str,
    ylabel: str,
    band: tuple[Sequence[float], Sequence[float], Sequence[float], str] | None = None,
) -> Figure:
    """Lines, each over an x of its own and labelled at its middle, in its color.

    Args:
        lines: label -> (x, y).
        alt: what is to be seen, in words.
        xlabel: of the axis.
        ylabel: of the axis, which begins at 0.
        band: (x, lowest y, highest y, label) of a gray band behind them.
    """
    figure, axes = new_figure(alt, size=(6.5, 3.6))
    ax = axes[0, 0]
    if band:
        x, low, high, label = (part if isinstance(part, str) else np.asarray(part) for part in band)
        ax.fill_between(x, low, high, color="0.85")
        ax.annotate(label, (x[len(x) // 2], high[len(x) // 2]), (0, 5), **_BESIDE, color="0.4")
    for color, (label, line) in zip(COLORS, lines.items(), strict=False):
        x, y = map(np.asarray, line)
        ax.plot(x, y, ".-", color=color)
        ax.annotate(label, (x[len(x) // 2], y[len(x) // 2]), (8, 8), **_BESIDE, color=color)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.set_ylim(0, 1.08 * ax.get_ylim()[1])
    ax.grid(alpha=0.3)
    return figure


def show_dumbbells(
    rows: dict[str, tuple[Tensor, Tensor]], alt: str, ends: tuple[str, str], xlabel: str
) -> Figure:
    """For each quantity where its values were, a circle, and where they are now, a star.

    Args:
        rows: quantity -> (N values before, N values after); thin lines for each, thick marks for
            the means.
        alt: what is to be seen, in words.
        ends: what the circle and the star are called.
        xlabel: of the axis that the values are on.
    """
    figure, axes = new_figure(alt, size=(7.5, 0.9 * len(rows) + 1.1))
    ax = axes[0, 0]
    for place, (before, after) in enumerate(rows.values()):
        pairs = np.stack([np.asarray(before), np.asarray(after)])  # (2, N)
        heights = place + np.linspace(-0.18, 0.18, pairs.shape[1])
        ax.plot(pairs, [heights, heights], color="0.8", linewidth=1.5, zorder=1)
        means = pairs.mean(1)
        ax.plot(means, [place, place], color=COLORS[1], linewidth=3, zorder=2)
        for mean, marker, size, name in zip(means, "o*", (11, 19), ends, strict=True):
            ax.plot(mean, place, marker, color=COLORS[1], markersize=size, markeredgecolor="white")
            if place == 0:
                ax.annotate(name, (mean, place), (0, 19), textcoords="offset points", ha="center")
    ax.set(
        yticks=range(len(rows)),
        yticklabels=list(rows),
        ylim=(len(rows) - 0.5, -0.75),
        xlim=(0, None),
        xlabel=xlabel,
    )
    ax.grid(axis="x", alpha=0.3)
    return figure


def show_timeline(sides: dict[str, list[tuple[str, str, str]]], alt: str) -> Figure:
    """A time axis from top to bottom with works on its left and on its right.

    Args:
        sides: heading -> ("2020-03", name, what it changed), earliest first; two headings, the
            left one first. Labels that would overlap move down and stay tied to their dates.
        alt: what is to be seen, in words.

    Raises:
        ValueError: for another number of sides than two.
    """
    if len(sides) != 2:
        raise ValueError(f"a time axis has two sides, got {len(sides)}")
    months = [month for works in sides.values() for month, _, _ in works]
    first, last = int(min(months)[:4]), int(max(months)[:4]) + 1
    figure, axes = new_figure(alt, size=(10.5, 0.95 * (last - first) + 1))
    ax = axes[0, 0]
    ax.axis("off")
    ax.set(xlim=(-5.2, 5.2), ylim=(last + 0.4, first - 0.6))
    for year in range(first, last + 1):
        ax.text(0, year, year, ha="center", va="center", color="0.35", fontsize=10)
    for (heading, works), side, color in zip(sides.items(), (-1, 1), COLORS, strict=False):
        align = "right" if side < 0 else "left"
        ax.plot([0.35 * side] * 2, [first, last], color="0.7", linewidth=2)
        ax.text(1.1 * side, first - 0.35, heading, ha=align, color=color, fontsize=13)
        place = -math.inf
        for month, name, change in works:
            year, number = map(int, month.split("-"))
            when = year + (number - 0.5) / 12
            place = max(when, place + 0.6)
            ax.plot(0.35 * side, when, "o", color=color)
            x, y = [0.35 * side, 0.6 * side, 1.02 * side], [when, when, place]
            ax.plot(x, y, color=color, linewidth=1)
            title = f"{name}, {month}"
            ax.text(1.1 * side, place, title, color=color, weight="bold", ha=align, va="bottom")
            ax.text(1.1 * side, place, change, ha=align, va="top")
    return figure


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
