"""What every figure has: a description in words, whole pixels, colors for all eyes."""

from __future__ import annotations

import io

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

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


def exact_figure(alt: str, width: int, height: int) -> DescribedFigure:
    """An empty figure of so many pixels, nothing of which is cut off or stretched."""
    figure = plt.figure(figsize=(width / DPI, height / DPI), dpi=DPI, FigureClass=DescribedFigure)
    assert isinstance(figure, DescribedFigure)
    plt.close(figure)
    figure.alt, figure.exact = alt, True
    return figure


def pixel_axes(figure: Figure, left: float, bottom: float, width: int, height: int) -> Axes:
    """Axes that cover this rectangle of an exact figure, in pixels from the lower left corner."""
    total_x, total_y = figure.get_size_inches() * DPI
    return figure.add_axes((left / total_x, bottom / total_y, width / total_x, height / total_y))


def draw_pixels(
    figure: Figure, image: np.ndarray, left: float, bottom: float, width: int, height: int
) -> None:
    """Draw an image (H, W, 3) uint8, each of its pixels a square, over such a rectangle."""
    ax = pixel_axes(figure, left, bottom, width, height)
    ax.imshow(image, interpolation="nearest", aspect="auto")
    ax.axis("off")
