"""Sliders that change the face inside a filled hole (notebook 08).

All pictures are made beforehand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ipywidgets
import numpy as np
from torch import Tensor

from tutorial_lib.images import to_uint8
from tutorial_lib.teaching.static_slider import slider_html
from tutorial_lib.teaching.widgets.frames import ShownPicture, encode_png, says_errors

ENLARGE = 4


class HoleEditor(ShownPicture):
    """A slider for each direction in z, and the completed picture that they lead to.

    Every combination is made beforehand; moving a slider looks one up.

    Args:
        pictures: (N1, N2, ..., 3, H, W) in [-1, 1], an axis for each direction: `completed` of
            `editing.edit_hole`.
        amounts: direction's name -> the N1, N2, ... amounts along it, in the axes' order.
        losses: (N1, N2, ...), the context loss of each, for the line of text; None leaves it out.

    Attributes:
        sliders: one a direction, each at the amount nearest to 0 first.
        image, caption: the picture and a line of text; `box` holds all: show that.

    Raises:
        ValueError: for no direction, a direction without amounts, or when there is not one picture
            (and loss) for each combination.
    """

    def __init__(
        self,
        pictures: Tensor,
        amounts: Mapping[str, Sequence[float]],
        losses: Tensor | None = None,
    ):
        self._amounts = {name: [float(each) for each in along] for name, along in amounts.items()}
        shape = tuple(len(along) for along in self._amounts.values())
        if not shape or 0 in shape:
            raise ValueError("at least one direction is needed, and an amount along each")
        shapes = [pictures.shape[:-3], shape if losses is None else losses.shape]
        if pictures.dim() != len(shape) + 3 or any(tuple(each) != shape for each in shapes):
            raise ValueError(
                f"each of the {' x '.join(map(str, shape))} combinations needs a picture, and a "
                f"loss when losses are given, got {', '.join(str(tuple(each)) for each in shapes)}"
            )
        self._shape, self._losses = shape, losses
        self._frames = to_uint8(pictures.reshape(-1, *pictures.shape[-3:]))  # (N, H, W, 3)
        self._encoded = [encode_png(frame, ENLARGE) for frame in self._frames]
        self._labels = {
            name: [f"{each:+g}" if each else "0" for each in along]
            for name, along in self._amounts.items()
        }
        middle = [int(np.abs(along).argmin()) for along in self._amounts.values()]
        self.sliders = [
            ipywidgets.SelectionSlider(
                options=[(label, place) for place, label in enumerate(labels)],
                value=place,
                description=name,
                style={"description_width": "110px"},
                layout={"width": "420px"},
            )
            for (name, labels), place in zip(self._labels.items(), middle, strict=True)
        ]
        self.image = ipywidgets.Image(format="png", width=ENLARGE * pictures.shape[-1])
        self.caption = ipywidgets.Label()
        for number, slider in enumerate(self.sliders):
            slider.add_class(f"editor-slider-{number + 1}")
        self.image.add_class("editor-image")
        self.caption.add_class("editor-caption")
        self.box = ipywidgets.HBox(
            [self.image, ipywidgets.VBox([*self.sliders, self.caption])],
            layout={"flex_flow": "row wrap"},
        )
        for slider in self.sliders:
            slider.observe(self.observe, names="value")
        self.observe()

    @says_errors("caption")
    def observe(self, change=None) -> None:
        """Show the combination that the sliders stand at."""
        number = int(np.ravel_multi_index([each.value for each in self.sliders], self._shape))
        self.image.value = self._encoded[number]
        self.caption.value = self._text(number)

    def html(self, alt: str) -> str:
        """The same sliders as HTML that needs no kernel; `alt` says what the pictures show."""
        return slider_html(
            list(self._frames),
            self._labels,
            [self._text(number) for number in range(len(self._frames))],
            alt,
            scale=ENLARGE,
            start=[slider.value for slider in self.sliders],
        )

    def _text(self, number: int) -> str:
        places = np.unravel_index(number, self._shape)
        parts = [
            f"{name} {labels[place]}"
            for (name, labels), place in zip(self._labels.items(), places, strict=True)
        ]
        if self._losses is not None:
            parts.append(f"context loss {self._losses.flatten()[number].item():.1f}")
        return ", ".join(parts)
