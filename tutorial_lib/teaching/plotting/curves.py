"""Curves that are named where they end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from tutorial_lib.evaluation.results import mean_interval
from tutorial_lib.teaching.plotting.figures import COLORS, new_figure

LABEL_HEIGHT = 14  # points from one name to the next


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
    axes[0, 0].legend(fontsize=9)
    return label_lines(figure) if direct else figure


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


def show_lines(
    lines: dict[str, tuple[Sequence[float], Sequence[float]]],
    alt: str,
    xlabel: str,
    ylabel: str,
    band: tuple[Sequence[float], Sequence[float], Sequence[float], str] | None = None,
) -> Figure:
    """Lines, each over an x of its own and labelled at its end, in its color.

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
        middle = (x[len(x) // 2], high[len(x) // 2])
        ax.annotate(label, middle, (0, 5), textcoords="offset points", fontsize=10, color="0.4")
    for color, (label, line) in zip(COLORS, lines.items(), strict=False):
        ax.plot(*map(np.asarray, line), ".-", color=color, label=label)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.set_ylim(0, 1.08 * ax.get_ylim()[1])
    ax.grid(alpha=0.3)
    return label_lines(figure)


def label_lines(figure: Figure) -> Figure:
    """Put each line's name at the right of the axes, in its color, instead of a legend.

    A thin dotted line leads from the line's last point to its name. Names that would overlap move
    apart; a line without a name gets none. Returns the same figure.
    """
    for ax in figure.axes:
        ends = []
        for line in ax.lines:
            name = str(line.get_label())
            if name.startswith("_"):  # matplotlib's own name for it
                continue
            points = np.asarray(line.get_xydata())
            x, y = points[np.isfinite(points).all(1)][-1]
            ends.append((x, y, name, line.get_color()))
        _label_ends(ax, ends)
        legend = ax.get_legend()
        if legend is not None:
            legend.remove()
    return figure


def _label_ends(ax, ends: list[tuple[float, float, str, Any]]) -> None:
    """Names beside the axes for points (x, y, name, color), none over another, the lowest first."""
    ax.autoscale_view()  # the limits are needed now, not when the figure is drawn
    to_axes = ax.transData + ax.transAxes.inverted()
    ends = sorted(ends, key=lambda end: to_axes.transform(end[:2])[1])
    heights = [float(to_axes.transform(end[:2])[1]) for end in ends]  # 0 to 1 in the axes
    least = LABEL_HEIGHT * ax.figure.dpi / 72 / ax.get_window_extent().height
    for _ in range(100):  # neighbors that are too close push each other away
        for low in range(len(heights) - 1):
            push = (least - (heights[low + 1] - heights[low])) / 2
            if push > 0:
                heights[low], heights[low + 1] = heights[low] - push, heights[low + 1] + push
    for (x, y, name, color), height in zip(ends, heights, strict=True):
        ax.annotate(
            name,
            (x, y),
            (1.02, height),
            textcoords="axes fraction",
            fontsize=10,
            va="center",
            color=color,
            arrowprops={"arrowstyle": "-", "linestyle": ":", "color": color, "relpos": (0, 0.5)},
            annotation_clip=False,
        )


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
        ends = []
        for number, (color, (name, values)) in enumerate(zip(COLORS, curves.items(), strict=False)):
            if values.dim() != 2 or values.shape[1] != len(lams):
                raise ValueError(
                    f"{name}: need one row per picture and one column per lam, (N, {len(lams)}), "
                    f"got {tuple(values.shape)}"
                )
            means, halves = _means_and_intervals(values.detach().cpu().numpy())
            beside = 0.08 * (number - (len(curves) - 1) / 2)  # bars do not hide each other
            ax.errorbar(places + beside, means, halves, color=color, marker="o", capsize=3)
            ends.append((places[-1] + beside, means[-1], name, color))
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
        ax.grid(alpha=0.3)
        _label_ends(ax, ends)
    return figure


def _means_and_intervals(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, L) values -> (L,) means and (L,) half widths of their intervals."""
    if len(values) == 1:
        return values[0], np.zeros(values.shape[1])
    means, halves = np.array([mean_interval(column) for column in values.T]).T
    return means, halves


def lam_positions(lams: Sequence[float]) -> list[float]:
    """Places on a logarithmic axis: log10(lam), and for 0 a decade below the smallest other."""
    lowest = min((math.log10(lam) for lam in lams if lam > 0), default=1.0)
    return [math.log10(lam) if lam > 0 else lowest - 1 for lam in lams]


def lam_labels(lams: Sequence[float]) -> list[str]:
    """How values of lam are written: 0, 0.001, 37."""
    return [f"{lam:g}" for lam in lams]
