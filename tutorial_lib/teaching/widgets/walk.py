"""A walk over the map of generated pictures.

At each step of a search, where z is on the map and what G makes of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import ipywidgets
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image, ImageDraw
from torch import Tensor

from tutorial_lib.images import to_uint8
from tutorial_lib.teaching.plotting import COLORS, draw_path, draw_samples, map_axes
from tutorial_lib.teaching.static_slider import slider_html
from tutorial_lib.teaching.widgets.frames import ShownPicture, decode_png, encode_png, says_errors

RING = 11  # radius, in pixels, of the mark at the current step
ENLARGE = 4
SIDE = 640  # width of the map, in pixels


class ManifoldWalk(ShownPicture):
    """The map with one search's path, beside it G(z) at a step of that search (notebook 08).

    Every picture is made when the widget is; moving it looks one up and draws a ring on the map.

    Args:
        embedding: what `manifold.embed` returned; its paths are what can be walked.
        samples: (N, 3, H, W) in [-1, 1], the samples' pictures, for the thumbnails.
        walks: name -> (K, 3, H, W) in [-1, 1], G(z) along each of the embedding's paths, in their
            order.
        steps: the K steps of the search.
        completed: the same as `walks`, of completed pictures, to show below G(z); None shows none.

    Attributes:
        start, slider, play, image, completed_image, map_image, caption: which path, which step,
            G(z) and its completion, the map, a line of text; `box` holds them: show that.
        maps: the maps without a ring, uint8 (H, W, 3).
        pixels: (K, 2), columns and rows of each path's points on the maps.

    Raises:
        ValueError: when there is not one walk a path, one picture a point, or one step a picture.
    """

    def __init__(
        self,
        embedding,
        samples: Tensor,
        walks: dict[str, Tensor],
        steps: Sequence[int],
        completed: dict[str, Tensor] | None = None,
    ):
        lengths = [len(path) for path in embedding.paths]
        for what, pictures in (
            ("walks", walks),
            ("completed", walks if completed is None else completed),
        ):
            if not lengths or [len(each) for each in pictures.values()] != lengths:
                raise ValueError(
                    f"{what} must hold a picture for each point of the map's {len(lengths)} paths, "
                    f"{lengths} points; got {[len(each) for each in pictures.values()]}"
                )
        if set(lengths) != {len(steps)}:
            raise ValueError(
                f"each of the {lengths[0]} points of a path needs its step; got {len(steps)} steps"
            )
        self.names, self.steps = list(walks), list(steps)
        self.maps, self.pixels = _render(embedding, samples)
        self._pictures = [
            [encode_png(pixels, ENLARGE) for pixels in to_uint8(each)] for each in walks.values()
        ]
        self._completed = [
            [encode_png(pixels, ENLARGE) for pixels in to_uint8(each)]
            for each in (completed or {}).values()
        ]

        self.start = ipywidgets.Dropdown(
            options=[(name, number) for number, name in enumerate(self.names)], description="walk"
        )
        self.slider = ipywidgets.SelectionSlider(
            options=[(str(step), point) for point, step in enumerate(self.steps)],
            description="step",
            style={"description_width": "initial"},
            layout={"width": "360px"},
        )
        self.play = ipywidgets.Play(min=0, max=len(self.steps) - 1, interval=400)
        ipywidgets.jslink((self.play, "value"), (self.slider, "index"))
        side = samples.shape[-1] * ENLARGE
        self.image, self.completed_image = (
            ipywidgets.Image(format="png", width=side) for _ in range(2)
        )
        self.map_image = ipywidgets.Image(format="png", width=self.maps[0].shape[1])
        self.caption = ipywidgets.Label()
        for part, name in (
            (self.start, "start"),
            (self.slider, "slider"),
            (self.play, "play"),
            (self.image, "picture"),
            (self.completed_image, "completed"),
            (self.map_image, "map"),
            (self.caption, "caption"),
        ):
            part.add_class(f"walk-{name}")
        beside = [ipywidgets.Label("G(z)"), self.image]
        beside += [ipywidgets.Label("completed"), self.completed_image] if completed else []
        self.box = ipywidgets.VBox(
            [
                ipywidgets.HBox([self.start, self.slider, self.play]),
                self.caption,
                ipywidgets.HBox([self.map_image, ipywidgets.VBox(beside)]),
            ]
        )
        self.start.observe(self.observe, names="value")
        self.slider.observe(self.observe, names="value")
        self.observe()

    @says_errors("caption")
    def observe(self, change=None) -> None:
        """Show the walk and the step that are chosen."""
        path, point = self.start.value, self.slider.value
        self.image.value = self._pictures[path][point]
        if self._completed:
            self.completed_image.value = self._completed[path][point]
        self.map_image.value = encode_png(_with_ring(self.maps[path], *self.pixels[path][point]))
        self.caption.value = self._text(path, point)

    def html(self, alt: str, path: int = 0) -> str:
        """One walk as HTML that needs no kernel: the map with a ring, beside it the pictures.

        Args:
            alt: what the pictures beside the map show.
            path: the number of the walk.
        """
        shown = [self._pictures[path], *([self._completed[path]] if self._completed else [])]
        columns = [[decode_png(png, ENLARGE) for png in pngs] for pngs in shown]
        ground = self.maps[path]
        captions = [self._text(path, point) for point in range(len(self.steps))]
        return slider_html(
            [np.concatenate(pictures) for pictures in zip(*columns, strict=True)],
            {"step": [str(step) for step in self.steps]},
            captions,
            alt,
            scale=3,
            ground=ground,
            marks=(self.pixels[path] / (ground.shape[1], ground.shape[0])).tolist(),
        )

    def _text(self, path: int, point: int) -> str:
        return f"{self.names[path]}, after {self.steps[point]} steps"


def _render(embedding, samples: Tensor) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The map with each path alone, and where the path's points are on it."""
    figure, ax = map_axes("", embedding, SIDE)
    canvas = FigureCanvasAgg(figure)
    draw_samples(ax, embedding, samples)
    canvas.draw()
    ground = canvas.copy_from_bbox(figure.bbox)
    maps, places = [], []
    for path in embedding.paths:
        canvas.restore_region(ground)
        drawn = draw_path(ax, path, COLORS[1], {"z(0)": 0, "z_hat": -1})
        for artist in drawn:
            ax.draw_artist(artist)
            artist.remove()
        maps.append(np.asarray(canvas.buffer_rgba())[..., :3].copy())
        columns, from_below = ax.transData.transform(path).T
        places.append(
            np.stack([columns, maps[-1].shape[0] - from_below], axis=1)
        )  # pixel rows are counted from above
    return maps, places


def _with_ring(pixels: np.ndarray, column: float, row: float) -> np.ndarray:
    picture = Image.fromarray(pixels)
    draw = ImageDraw.Draw(picture)
    for radius, color, width in ((RING + 2, "white", 6), (RING, COLORS[0], 3)):
        draw.ellipse(
            (column - radius, row - radius, column + radius, row + radius),
            outline=color,
            width=width,
        )
    return np.asarray(picture)
