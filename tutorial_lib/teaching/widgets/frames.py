"""Pictures made beforehand under a slider, and the preview of a training run."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Sequence

import ipywidgets
import numpy as np
from PIL import Image
from torch import Tensor

from tutorial_lib.images import image_grid, to_uint8
from tutorial_lib.inpainting.importance import importance_weights
from tutorial_lib.masks import HOLE_GRAY, corrupt
from tutorial_lib.teaching.plotting import colored, spotlight
from tutorial_lib.teaching.static_slider import slider_html

WINDOWS = (3, 5, 7, 9, 11, 15, 21, 31)


def says_errors(part: str) -> Callable:
    """A decorator for a widget's callbacks: an error is also shown in the label `part`.

    ipywidgets only logs it.
    """

    def decorate(callback: Callable) -> Callable:
        @functools.wraps(callback)
        def said(self, *arguments):
            try:
                return callback(self, *arguments)
            except Exception as error:
                getattr(self, part).value = f"{type(error).__name__}: {error}"
                raise

        return said

    return decorate


def encode_png(pixels: np.ndarray, scale: int = 1) -> bytes:
    """uint8 (H, W, 3), each pixel enlarged to scale x scale, as the bytes of a PNG file."""
    buffer = io.BytesIO()
    large = pixels.repeat(scale, 0).repeat(scale, 1)
    Image.fromarray(large).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def decode_png(png: bytes, scale: int = 1) -> np.ndarray:
    """What `encode_png` was given, uint8 (H, W, 3)."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))[::scale, ::scale]


class Shown:
    """What is shown as its `box`."""

    box: ipywidgets.Widget

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.box)


class ShownPicture(Shown):
    """What has one `image` in its box."""

    image: ipywidgets.Image

    @property
    def array(self) -> np.ndarray:
        """The picture on display, uint8 (H, W, 3), read back from what the browser is given."""
        return decode_png(self.image.value)


class FrameSlider(ShownPicture):
    """A slider over pictures that were made beforehand.

    Args:
        frames: uint8 (H, W, 3) pictures of one size.
        labels: what the slider shows for each.
        description: the slider's name.
        captions: a line of text below each picture; none when left out.
        play: add a button that runs through the frames.
        width: of the picture on the screen, in pixels; None: its own.
        enlarged: how many pixels of a frame, in each direction, repeat one pixel.

    Attributes:
        slider, image, caption, and `box`, which holds them: show that.

    Raises:
        ValueError: when the numbers of frames, labels and captions differ or there are none.
    """

    def __init__(
        self,
        frames: Sequence[np.ndarray],
        labels: Sequence[str],
        description: str,
        captions: Sequence[str] | None = None,
        play: bool = False,
        width: int | None = None,
        enlarged: int = 1,
    ):
        if not len(frames) == len(labels) == len(captions or labels) or not len(frames):
            raise ValueError(
                f"each frame needs a label and a caption, got {len(frames)} frames and "
                f"{len(labels)} labels"
            )
        self.frames, self.captions = list(frames), list(captions or [""] * len(frames))
        self._encoded = [encode_png(frame) for frame in self.frames]
        self._labels, self._description = [str(label) for label in labels], description
        self._enlarged = enlarged
        self.slider = ipywidgets.SelectionSlider(
            options=[(label, index) for index, label in enumerate(self._labels)],
            description=description,
            style={"description_width": "initial"},
            layout={"width": "420px"},
        )
        self.image = ipywidgets.Image(format="png", width=width or frames[0].shape[1])
        self.caption = ipywidgets.Label()
        controls = [self.slider]
        if play:
            self.play = ipywidgets.Play(min=0, max=len(frames) - 1, interval=250)
            ipywidgets.jslink((self.play, "value"), (self.slider, "index"))
            controls.append(self.play)
        self.box = ipywidgets.VBox([ipywidgets.HBox(controls), self.image, self.caption])
        self.slider.observe(self.observe, names="value")
        self.observe({"new": self.slider.value})

    @says_errors("caption")
    def observe(self, change) -> None:
        """Show frame number change["new"]."""
        self.image.value = self._encoded[change["new"]]
        self.caption.value = self.captions[change["new"]]

    def html(self, alt: str) -> str:
        """The same slider as HTML that needs no kernel; `alt` says what the pictures show."""
        k = self._enlarged
        return slider_html(
            [frame[::k, ::k] for frame in self.frames],
            {self._description: self._labels},
            self.captions,
            alt,
            scale=k,
            start=[self.slider.value],
        )


class WindowSlider(FrameSlider):
    """Eq. 3's weights of one mask under a slider for the window (notebook 04).

    Args:
        mask: (1, 1, H, W), 1 = known.
        windows: odd sides to choose from.
        image: (1, 3, H, W) in [-1, 1], to be lit by the weights; None shows the weights themselves.

    Attributes:
        `weights`, a list of (H, W) tensors, one a window.
    """

    def __init__(self, mask: Tensor, windows: Sequence[int] = WINDOWS, image: Tensor | None = None):
        self.windows = list(windows)
        self.weights = [importance_weights(mask, window)[0, 0] for window in windows]
        captions = [
            f"window {window}: {(weights > 0).sum().item()} pixels count, "
            f"sum of W {weights.sum().item():.0f}"
            for window, weights in zip(windows, self.weights, strict=True)
        ]
        if image is None:
            frames = [colored(weights) for weights in self.weights]
        else:
            corrupted = corrupt(image, mask, HOLE_GRAY)
            lit = [
                to_uint8(spotlight(corrupted, weights[None, None]))[0] for weights in self.weights
            ]
            frames = [pixels.repeat(4, 0).repeat(4, 1) for pixels in lit]
        super().__init__(
            frames,
            [str(window) for window in windows],
            "window",
            captions,
            enlarged=4,
        )
        self.slider.index = self.windows.index(7) if 7 in self.windows else 0
        self.slider.add_class("window-slider")
        self.image.add_class("window-image")


class PathSlider(FrameSlider):
    """G(z) along the search under a slider for the step (notebook 05).

    Args:
        pictures: (K, 3, H, W) in [-1, 1], one an iterate.
        steps: the K steps.
        losses: the K total losses.
    """

    def __init__(self, pictures: Tensor, steps: Sequence[int], losses: Sequence[float]):
        frames = list(to_uint8(pictures).repeat(4, 1).repeat(4, 2))
        super().__init__(
            frames,
            [str(step) for step in steps],
            "step",
            play=True,
            enlarged=4,
            captions=[
                f"after {step} steps: total loss {float(loss):.1f}"
                for step, loss in zip(steps, losses, strict=True)
            ],
        )
        for part, name in (
            (self.slider, "path-slider"),
            (self.play, "path-play"),
            (self.image, "path-image"),
        ):
            part.add_class(name)


class LivePreview(ShownPicture):
    """Samples of a network in training, before the reader's eyes.

    Give it to `train` as `on_preview` (notebook 03).

    Attributes:
        image, caption, `box` to show, and `history`, a list of (step, (B, 3, H, W) pictures).
    """

    def __init__(self, columns: int = 8, count: int = 32):
        self.columns, self.count = columns, count
        self.history: list[tuple[int, Tensor]] = []
        self.image = ipywidgets.Image(format="png", width=columns * 66)
        self.caption = ipywidgets.Label("waiting for the first samples")
        self.image.add_class("preview-image")
        self.caption.add_class("preview-caption")
        self.box = ipywidgets.VBox([self.image, self.caption])

    def __call__(self, step: int, pictures: Tensor) -> None:
        """Show (B, 3, H, W) samples in [-1, 1] that were made after so many steps."""
        pictures = pictures[: self.count]
        self.history.append((step, pictures))
        self.image.value = encode_png(image_grid(pictures, self.columns))
        self.caption.value = f"samples after {step} steps"
