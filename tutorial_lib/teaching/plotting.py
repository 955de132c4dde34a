"""Figures of pictures, masks, weights, losses and maps, each with a description in words.

Every `show_...` function returns a matplotlib figure with the attribute `alt`, for those who cannot
see it.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib import patheffects
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from torch import Tensor

from tutorial_lib.evaluation.results import mean_interval
from tutorial_lib.images import to_uint8
from tutorial_lib.masks import HOLE_GRAY, check_mask, corrupt
from tutorial_lib.teaching.manifold import spaced_out

# Okabe & Ito's palette: told apart with any color vision.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DPI = 100


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


def show_enlarged(rows: dict[str, Tensor], alt: str, scale: int = 3) -> Figure:
    """Images in labelled rows, each pixel a square of `scale` by `scale` pixels, never smoothed.

    Args:
        rows: label -> (B, 3, H, W) in [-1, 1]; all of the same B, H and W.
        alt: what is to be seen, in words.
        scale: a whole number.

    Raises:
        ValueError: when the rows differ in shape.
    """
    shapes = {tuple(images.shape) for images in rows.values()}
    if len(shapes) != 1:
        raise ValueError(f"each row needs images of the same number and size, got {sorted(shapes)}")
    count, _, height, width = shapes.pop()
    gap, label_width = 6, 10 * max(map(len, rows)) + 10  # in pixels of the figure
    step_x, step_y = width * scale + gap, height * scale + gap
    total_x, total_y = label_width + count * step_x, len(rows) * step_y
    figure = plt.figure(
        figsize=(total_x / DPI, total_y / DPI), dpi=DPI, FigureClass=DescribedFigure
    )
    assert isinstance(figure, DescribedFigure)
    plt.close(figure)
    figure.alt = alt
    figure.exact = True
    for line, (label, images) in enumerate(rows.items()):
        bottom = total_y - line * step_y - height * scale
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


def show_curves(
    curves: dict[str, Sequence[float]],
    alt: str,
    x: Sequence[float] | None = None,
    xlabel: str = "step",
    ylabel: str = "loss",
    **axis,
) -> Figure:
    """Lines by name over a common x (None: 0, 1, 2, ...).

    Further arguments go to `Axes.set`: xscale, ylim, title.
    """
    figure, axes = new_figure(alt, size=(6.5, 3.4))
    _draw_curves(axes[0, 0], curves, x)
    axes[0, 0].set(xlabel=xlabel, ylabel=ylabel, **axis)
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
        _label_ends(ax, places[-1], ends)
    return figure


def _means_and_intervals(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, L) values -> (L,) means and (L,) half widths of their intervals."""
    if len(values) == 1:
        return values[0], np.zeros(values.shape[1])
    means, halves = np.array([mean_interval(column) for column in values.T]).T
    return means, halves


def _label_ends(ax, x: float, ends: list[tuple[float, str, str]]) -> None:
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
    ax.legend(fontsize=9)
    return figure


def draw_framework() -> Figure:
    """The paper's framework (Fig. 3a) as a diagram: what is computed from what, and back to z."""
    figure, axes = new_figure(
        "Diagram: z goes through G to a picture; it is compared with the known pixels (context "
        "loss) and judged by D (prior loss); the gradient of their sum flows back to z; at the end "
        "G(z_hat) is blended with the corrupted picture.",
        size=(9, 3.4),
    )
    ax = axes[0, 0]
    ax.set(xlim=(0, 10), ylim=(0, 4))
    ax.axis("off")
    boxes = {
        "z": (0.5, 2.0, 0.7, COLORS[0]),
        "G": (2.1, 2.0, 0.9, "0.35"),
        "G(z)": (3.9, 2.0, 1.1, COLORS[0]),
        "D": (5.9, 3.3, 0.9, "0.35"),
        "y, M": (3.9, 0.5, 1.1, COLORS[2]),
        "prior loss\n(Eq. 5)": (8.0, 3.3, 1.7, COLORS[1]),
        "context loss\n(Eqs. 3, 4)": (6.4, 2.0, 1.9, COLORS[1]),
        "blending\n(Eq. 6)": (6.4, 0.5, 1.7, "0.35"),
        "completed": (8.9, 0.5, 1.6, COLORS[0]),
    }
    for label, (x, y, width, color) in boxes.items():
        ax.add_patch(
            FancyBboxPatch(
                (x - width / 2, y - 0.33),
                width,
                0.66,
                boxstyle="round,pad=0.05",
                facecolor=color,
                edgecolor="none",
            )
        )
        ax.text(x, y, label, color="white", ha="center", va="center", fontsize=11)

    def arrow(start, end, **options):
        ax.add_patch(
            FancyArrowPatch(
                start,
                end,
                arrowstyle="-|>",
                mutation_scale=13,
                color=options.pop("color", "0.2"),
                **options,
            )
        )

    for start, end in (
        ((0.95, 2), (1.55, 2)),
        ((2.65, 2), (3.25, 2)),
        ((4.55, 2), (5.35, 2)),
        ((4.3, 2.4), (5.35, 3.2)),
        ((6.45, 3.3), (7.05, 3.3)),
        ((4.4, 0.9), (5.6, 1.6)),
        ((4.55, 0.5), (5.45, 0.5)),
        ((7.35, 0.5), (8.0, 0.5)),
        ((4.35, 1.6), (5.6, 0.85)),
    ):
        arrow(start, end)
    arrow((8.0, 2.9), (0.5, 2.4), connectionstyle="arc3,rad=0.32", linestyle="--", color=COLORS[1])
    arrow(
        (6.4, 1.62), (0.5, 1.6), connectionstyle="arc3,rad=-0.32", linestyle="--", color=COLORS[1]
    )
    ax.text(0.1, 0.35, "dashed: the gradient,\ndown to z alone", color=COLORS[1], fontsize=9)
    return figure


def show_map(
    embedding,
    alt: str,
    pictures: Tensor | None = None,
    paths: dict[str, int] | None = None,
    marked: Sequence[int] = (),
    thumbnail: float = 0.055,
    title: str = "",
) -> Figure:
    """Samples on a t-SNE map and the paths of searches over it (paper's Fig. 3b).

    Args:
        embedding: what `manifold.embed` returned.
        alt: what is to be seen, in words.
        pictures: (N, 3, H, W) in [-1, 1], the samples'; as many are shown as fit without an
            overlap. None: dots only.
        paths: name -> which of the embedding's paths; each in a color of its own, its z(0) a circle
            and its z_hat a star.
        marked: points of each drawn path to mark with a diamond, z(k).
        thumbnail: side of a thumbnail, as a fraction of the map's longer side.
        title: above the map.

    Raises:
        ValueError: when there is not one picture a sample.
    """
    figure, axes = new_figure(alt, size=(6.0, 6.2))
    ax = axes[0, 0]
    draw_samples(ax, embedding, pictures, thumbnail)
    for color, (name, number) in zip(COLORS[1:] + COLORS[:1], (paths or {}).items(), strict=False):
        draw_path(ax, embedding.paths[number], color, name)
        for point in marked:
            ax.plot(
                *embedding.paths[number][point],
                "D",
                color=color,
                markersize=8,
                markeredgecolor="white",
                zorder=5,
            )
    if paths:
        for marker, meaning in (
            ("o", "z(0)"),
            *([("D", "z(k)")] if len(marked) else []),
            ("*", "z_hat"),
        ):
            ax.plot(
                [], [], marker, color="0.3", markersize=12 if marker == "*" else 7, label=meaning
            )
        figure.legend(fontsize=8, loc="outside lower center", ncols=4)
    ax.set_title(title)
    return figure


def draw_samples(ax, embedding, pictures: Tensor | None = None, thumbnail: float = 0.055) -> None:
    """The ground of a map: a dot for each sample, thumbnails where they fit; see `show_map`."""
    places = embedding.samples
    if pictures is not None and len(pictures) != len(places):
        raise ValueError(
            f"each sample needs its picture, got {len(pictures)} pictures for {len(places)} samples"
        )
    everything = np.concatenate([places, *embedding.paths])
    low, high = everything.min(0), everything.max(0)
    side = thumbnail * (high - low).max()
    ax.scatter(*places.T, s=3, color="0.75", zorder=1)
    if pictures is not None:
        shown = spaced_out(places, side)
        for (x, y), pixels in zip(places[shown], to_uint8(pictures[shown]), strict=True):
            box = (x - side / 2, x + side / 2, y - side / 2, y + side / 2)
            ax.imshow(pixels, extent=box, zorder=2)
    ax.set(
        xlim=(low[0] - side, high[0] + side),
        ylim=(low[1] - side, high[1] + side),
        xticks=[],
        yticks=[],
        aspect="equal",
        xlabel="t-SNE, first axis (no unit)",
        ylabel="t-SNE, second axis (no unit)",
    )


def draw_path(ax, path: np.ndarray, color: str, name: str | None = None) -> list:
    """A path (K, 2) over a map: a line from a circle, z(0), to a star, z_hat.

    Returns what was drawn, bottom first.
    """
    outline = [patheffects.Stroke(linewidth=5, foreground="white"), patheffects.Normal()]
    (line,) = ax.plot(
        *path.T,
        ".-",
        color=color,
        linewidth=2,
        markersize=6,
        label=name,
        zorder=4,
        path_effects=outline,
    )
    (start,) = ax.plot(*path[0], "o", color=color, markersize=10, markeredgecolor="white", zorder=5)
    (end,) = ax.plot(*path[-1], "*", color=color, markersize=19, markeredgecolor="white", zorder=5)
    return [line, start, end]


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
