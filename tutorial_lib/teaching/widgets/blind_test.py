"""A blind two-choice test: two pictures side by side, and one question."""

from __future__ import annotations

import base64
import random
from dataclasses import replace

import ipywidgets
from torch import Tensor

from tutorial_lib.evaluation.blind_test import Choice, tallies, to_csv
from tutorial_lib.images import to_uint8
from tutorial_lib.teaching.widgets.frames import Shown, encode_png, says_errors

ENLARGE = 4


class BlindTest(Shown):
    """Which of two pictures looks more real? Sides and order are drawn at random (notebook 10).

    Choose with the mouse, or with Tab and Enter. The tally counts what was chosen so far, and names
    the methods only at the end; the link below saves the choices for
    `python -m tutorial_lib blind-test`.

    Args:
        pictures: two methods, name -> (B, 3, H, W) in [-1, 1], of the same B pictures.
        reader: who chooses, for the file; may be empty.
        seed: of sides and order; None draws others each time.

    Attributes:
        left, right: the two buttons; left_image, right_image: what they stand for.
        caption: the tally; link: saves the choices; `box` holds all: show that.
        choices: a `Choice` for each click.
        shown: (number, left name, right name) of the pair on display, None at the end.

    Raises:
        ValueError: unless there are two methods with the same number of pictures.
    """

    def __init__(self, pictures: dict[str, Tensor], reader: str = "", seed: int | None = None):
        sizes = {tuple(each.shape) for each in pictures.values()}
        if len(pictures) != 2 or len(sizes) != 1 or not next(iter(sizes))[0]:
            raise ValueError(
                "a blind test takes two methods with the same pictures, got "
                + ", ".join(f"{name} {tuple(each.shape)}" for name, each in pictures.items())
            )
        self.reader = reader
        self.choices: list[Choice] = []
        self._encoded = {
            name: [encode_png(pixels, ENLARGE) for pixels in to_uint8(each)]
            for name, each in pictures.items()
        }
        draw = random.Random(seed)
        count = next(iter(sizes))[0]
        order = draw.sample(range(count), count)
        self._pairs: list[tuple[int, str, str]] = []
        for number in order:
            left, right = draw.sample(list(pictures), 2)
            self._pairs.append((number, left, right))

        side = next(iter(sizes))[-1] * ENLARGE
        self.left_image, self.right_image = (
            ipywidgets.Image(format="png", width=side) for _ in range(2)
        )
        self.left, self.right = (
            ipywidgets.Button(description=f"{name} looks more real", layout={"width": f"{side}px"})
            for name in ("left", "right")
        )
        self.caption, self.link = ipywidgets.Label(), ipywidgets.HTML()
        for part, name in (
            (self.left_image, "left-image"),
            (self.right_image, "right-image"),
            (self.left, "left"),
            (self.right, "right"),
            (self.caption, "caption"),
            (self.link, "link"),
        ):
            part.add_class(f"blind-{name}")
        self.box = ipywidgets.VBox(
            [
                ipywidgets.HBox(
                    [
                        ipywidgets.VBox([self.left_image, self.left]),
                        ipywidgets.VBox([self.right_image, self.right]),
                    ]
                ),
                self.caption,
                self.link,
            ]
        )
        for button in (self.left, self.right):
            button.on_click(self.choose)
        self._show()

    @property
    def shown(self) -> tuple[int, str, str] | None:
        """The pair on display: (number, left method, right method); None at the end."""
        return self._pairs[len(self.choices)] if len(self.choices) < len(self._pairs) else None

    @says_errors("caption")
    def choose(self, button) -> None:
        """Note what was chosen, and show the next pair."""
        if self.shown is None:
            return
        number, left, right = self.shown
        chosen = left if button is self.left else right
        self.choices.append(Choice(self.reader, number, left, right, chosen))
        self._show()

    def _show(self) -> None:
        if self.shown is not None:
            number, left, right = self.shown
            self.left_image.value = self._encoded[left][number]
            self.right_image.value = self._encoded[right][number]
        else:
            self.left.disabled = self.right.disabled = True
        said = f"{len(self.choices)} of {len(self._pairs)} pairs"
        for tally in tallies(self.choices):
            if self.shown is not None:  # a name would tell what comes next
                tally = replace(tally, method="one method", other="the other")
            said += f"; {tally}"
        self.caption.value = said
        if self.choices:
            data = base64.b64encode(to_csv(self.choices).encode()).decode()
            self.link.value = (
                f'<a download="blind-test.csv" href="data:text/csv;base64,{data}">'
                "save my choices</a>"
            )
