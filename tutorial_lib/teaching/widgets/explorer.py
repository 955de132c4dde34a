"""Sliders over lambda and the iteration of searches made beforehand (notebook 07; Fig. 4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

import ipywidgets
import numpy as np
import torch
from torch import Tensor

from tutorial_lib.evaluation.exploration import Exploration
from tutorial_lib.images import image_grid
from tutorial_lib.masks import HOLE_GRAY, corrupt
from tutorial_lib.teaching.plotting import COLORS, lam_labels, lam_positions
from tutorial_lib.teaching.static_slider import slider_html
from tutorial_lib.teaching.widgets.frames import ShownPicture, encode_png, says_errors

ENLARGE = 3
_PANEL = {
    "width": 350,
    "height": 150,
    "left": 62,
    "right": 14,
    "top": 24,
    "bottom": 38,
}  # of a curve, in pixels; fits beside the pictures


class LambdaExplorer(ShownPicture):
    """Beside each other: the corrupted picture, G(z) and the completed one.

    The losses; the same over all lam.

    Everything is looked up in explorations; moving a slider solves nothing and calls no network.

    Args:
        explorations: from `evaluation.exploration.explore`, for instance one a model; same lams,
            steps and restarts in all.

    Attributes:
        lam_slider, step_slider, play, restart, picture: the controls.
        image: the three pictures; `curve`: context loss and D's logit over lam, the current lam
            marked; `readout`: numbers.
        box: holds all parts: show that.

    Raises:
        ValueError: for no exploration, or for explorations that differ in lams, steps, restarts or
            size.
    """

    def __init__(self, *explorations: Exploration):
        if not explorations:
            raise ValueError(
                "give at least one exploration: LambdaExplorer(explore(images, mask, gan))"
            )
        first = explorations[0]
        for other in explorations[1:]:
            for what in ("lams", "steps", "restarts"):
                if getattr(first, what) != getattr(other, what):
                    raise ValueError(
                        f"the explorations differ in {what}: {getattr(first, what)} "
                        f"and {getattr(other, what)}"
                    )
        self._places = [
            (exploration, row)
            for exploration in explorations
            for row in range(len(exploration.names))
        ]
        self._curves = _Curves(first.lams)
        style = {"style": {"description_width": "70px"}, "layout": {"width": "460px"}}
        self.picture = ipywidgets.Dropdown(
            options=[
                (exploration.names[row], place)
                for place, (exploration, row) in enumerate(self._places)
            ],
            description="picture",
            **style,
        )
        self.restart = ipywidgets.Dropdown(
            options=[(str(number + 1), number) for number in range(first.restarts)],
            description="start",
            style={"description_width": "40px"},
            layout={"width": "100px"},
        )
        labels, last = lam_labels(first.lams), len(first.steps) - 1
        self.lam_slider = ipywidgets.SelectionSlider(
            options=[(label, place) for place, label in enumerate(labels)],
            description="λ",
            **style,
        )
        self.step_slider = ipywidgets.SelectionSlider(
            options=[(str(step), place) for place, step in enumerate(first.steps)],
            value=last,
            description="iteration",
            **style,
        )
        self.play = ipywidgets.Play(value=last, min=0, max=last, interval=300)
        ipywidgets.jslink((self.play, "value"), (self.step_slider, "index"))
        self.image = ipywidgets.Image(format="png")
        width = ENLARGE * (first.corrupted.shape[-1] + 2)  # of a picture and the gap beside it
        titles = ipywidgets.HTML(
            "".join(
                f"<span style='display:inline-block;width:{width}px;text-align:center'>"
                f"{title}</span>"
                for title in ("corrupted", "G(z)", "completed")
            )
        )
        self.curve, self.readout = ipywidgets.HTML(), ipywidgets.HTML()
        for part, name in (
            (self.lam_slider, "lam-slider"),
            (self.step_slider, "step-slider"),
            (self.play, "explorer-play"),
            (self.restart, "explorer-restart"),
            (self.picture, "explorer-picture"),
            (self.image, "explorer-image"),
            (self.curve, "explorer-curve"),
            (self.readout, "explorer-readout"),
        ):
            part.add_class(name)
        controls = [
            ipywidgets.HBox([self.picture, self.restart]),
            self.lam_slider,
            ipywidgets.HBox([self.step_slider, self.play]),
        ]
        self.box = ipywidgets.VBox(
            [
                *controls,
                ipywidgets.HBox(
                    [ipywidgets.VBox([titles, self.image, self.readout]), self.curve],
                    layout={"flex_flow": "row wrap"},
                ),
            ]
        )
        self._moving = [self.picture, self.restart, self.lam_slider, self.step_slider]
        for part in self._moving:
            part.observe(self.observe, names="value")
        self.observe()

    @says_errors("readout")
    def observe(self, change=None) -> None:
        """Show what the controls are set to."""
        place, restart, lam, step = (part.value for part in self._moving)
        exploration, row = self._places[place]
        strip = _strip(exploration, row, restart, lam, step)
        self.image.value = encode_png(strip, ENLARGE)
        context, prior, logit = (
            values[row, restart, :, step]
            for values in (exploration.context, exploration.prior, exploration.logits)
        )
        self.curve.value = self._curves.draw(
            {"context loss (Eq. 4)": context, "D's logit for G(z)": logit}, lam
        )
        self.readout.value = _table(
            {
                "λ": lam_labels(exploration.lams)[lam],
                "iteration": str(exploration.steps[step]),
                "context loss": f"{context[lam]:.2f}",
                "prior loss": f"{prior[lam] + 0.0:+.3f}",
                "total": f"{context[lam] + prior[lam]:.2f}",
                "D's logit": f"{logit[lam]:+.2f}",
                "D": f"{logit[lam].sigmoid():.2f}",
            }
        )

    def html(self, *pictures: int, alt: str) -> str:
        """The explorer of the named pictures' first starts as HTML that needs no kernel.

        Args:
            pictures: their numbers in the list `picture`.
            alt: what the three pictures show.

        Returns:
            HTML with sliders for the picture, lam and the iteration; the numbers below it.
        """
        first = self._places[0][0]
        lams, last = lam_labels(first.lams), len(first.steps) - 1
        frames, captions = [], []
        for place in pictures:
            exploration, row = self._places[place]
            for lam, label in enumerate(lams):
                for step, count in enumerate(first.steps):
                    frames.append(_strip(exploration, row, 0, lam, step))
                    context, prior, logit = (
                        values[row, 0, lam, step].item()
                        for values in (exploration.context, exploration.prior, exploration.logits)
                    )
                    captions.append(
                        f"Corrupted, G(z) and completed at λ {label}, iteration {count}: "
                        f"context loss {context:.2f}, prior loss {prior + 0.0:+.3f}, "
                        f"D's logit {logit:+.2f}"
                    )
        names = [self._places[place][0].names[self._places[place][1]] for place in pictures]
        axes = {
            "picture": names,
            "λ": lams,
            "iteration": [str(count) for count in first.steps],
        }
        start = [0, 0, last]
        return slider_html(frames, axes, captions, alt, ENLARGE, start)


def _strip(exploration: Exploration, row: int, restart: int, lam: int, step: int) -> np.ndarray:
    """Corrupted picture, G(z) and completed one beside each other, uint8 (H, W, 3)."""
    corrupted = corrupt(
        exploration.corrupted[row : row + 1], exploration.mask[row : row + 1], HOLE_GRAY
    )
    here = (row, restart, lam, step)
    return image_grid(
        torch.cat(
            [corrupted, exploration.generated[here][None], exploration.completed[here][None]]
        ),
        3,
    )


def _table(cells: dict[str, str]) -> str:
    def row(tag: str, weight: str, values: Iterable[str]) -> str:
        style = f"padding:0 10px 0 0;text-align:left;font-weight:{weight}"
        return (
            "<tr>"
            + "".join(f"<{tag} style='{style}'>{escape(value)}</{tag}>" for value in values)
            + "</tr>"
        )

    rows = row("th", "normal", cells) + row("td", "bold", cells.values())
    return f"<table style='line-height:1.5'>{rows}</table>"


class _Curves:
    """Values over lam as SVG, a panel a quantity.

    Text for a browser, made in far less time than a matplotlib figure.
    """

    def __init__(self, lams: Sequence[float]):
        self.labels = lam_labels(lams)
        positions = lam_positions(lams)
        span = max(positions[-1] - positions[0], 1e-9)
        inner = _PANEL["width"] - _PANEL["left"] - _PANEL["right"]
        self.x = [
            _PANEL["left"] + inner * (position - positions[0]) / span for position in positions
        ]

    def draw(self, panels: dict[str, Tensor], current: int) -> str:
        """One <svg>; in each panel a line through the values and a circle at number `current`."""
        parts = [
            self._panel(
                name,
                values.tolist(),
                current,
                _PANEL["height"] * number,
                (COLORS[0], COLORS[2])[number % 2],
            )
            for number, (name, values) in enumerate(panels.items())
        ]
        height = _PANEL["height"] * len(panels)
        values_here = "; ".join(f"{name} {values[current]:.3g}" for name, values in panels.items())
        label = escape(f"at λ {self.labels[current]}: {values_here}", quote=True)
        return (
            f"<svg width='{_PANEL['width']}' height='{height}' role='img' font-size='11' "
            f"fill='currentColor' font-family='sans-serif' aria-label='{label}'>"
            f"{''.join(parts)}</svg>"
        )

    def _panel(self, name: str, values: list[float], current: int, top: float, color: str) -> str:
        low, high = min(values), max(values)
        middle, half = (
            (low + high) / 2,
            max((high - low) / 2, 0.05 * abs(low + high) / 2, 0.05) * 1.1,
        )
        start, end = top + _PANEL["top"], top + _PANEL["height"] - _PANEL["bottom"]

        def y(value: float) -> float:
            return end - (end - start) * (value - middle + half) / (2 * half)

        left, right = _PANEL["left"], _PANEL["width"] - _PANEL["right"]
        ticks = "".join(
            f"<line x1='{left}' x2='{right}' y1='{y(value):.2f}' y2='{y(value):.2f}' "
            "stroke='currentColor' opacity='0.2'/>"
            f"<text class='y-tick' x='{left - 6}' y='{y(value) + 4:.2f}' text-anchor='end'>"
            f"{value:.2f}</text>"
            for value in (middle - 0.9 * half, middle, middle + 0.9 * half)
        )
        names = "".join(
            f"<text class='x-tick' x='{x:.2f}' y='{end + 14}' text-anchor='middle'>{label}</text>"
            for x, label in self._apart()
        )
        line = " ".join(f"{x:.2f},{y(value):.2f}" for x, value in zip(self.x, values, strict=True))
        dots = "".join(
            f"<circle cx='{x:.2f}' cy='{y(value):.2f}' r='2' fill='{color}'/>"
            for x, value in zip(self.x, values, strict=True)
        )
        x, at = self.x[current], y(values[current])
        return (
            f"<text x='{left}' y='{top + 14}' font-weight='bold'>{escape(name)}</text>"
            f"{ticks}{names}"
            f"<text x='{(left + right) / 2}' y='{end + 29}' text-anchor='middle'>"
            "λ (log scale; 0 at the left end)</text>"
            f"<polyline points='{line}' fill='none' stroke='{color}' stroke-width='1.5'/>{dots}"
            f"<line x1='{x:.2f}' x2='{x:.2f}' y1='{start}' y2='{end}' stroke='{COLORS[1]}' "
            "stroke-dasharray='3 3'/>"
            f"<circle class='marker' cx='{x:.2f}' cy='{at:.2f}' r='6' fill='none' "
            f"stroke='{COLORS[1]}' stroke-width='2.5'/>"
            f"<text x='{right}' y='{top + 14}' text-anchor='end' fill='{COLORS[1]}'>"
            f"λ {self.labels[current]}: {values[current]:.2f}</text>"
        )

    def _apart(self) -> list[tuple[float, str]]:
        """Places and labels on the lam axis, without those that would touch the one before."""
        kept: list[tuple[float, str]] = []
        for x, label in zip(self.x, self.labels, strict=True):
            if not kept or x - kept[-1][0] > 3.2 * (len(label) + len(kept[-1][1])) + 2:
                kept.append((x, label))
        return kept
