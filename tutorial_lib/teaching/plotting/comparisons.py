"""Groups compared: logits, intervals, paired differences, before and after, a time axis."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from tutorial_lib.evaluation.results import mean_interval
from tutorial_lib.teaching.plotting.figures import COLORS, new_figure


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
