"""Figures of pictures, weights, losses and maps, each with a description in words.

Every `show_...` function returns a matplotlib figure with the attribute `alt`, for those who cannot
see it.
"""

from tutorial_lib.teaching.plotting.comparisons import (
    show_differences,
    show_dumbbells,
    show_intervals,
    show_logits,
    show_timeline,
)
from tutorial_lib.teaching.plotting.curves import (
    label_lines,
    lam_labels,
    lam_positions,
    show_curve_panels,
    show_curves,
    show_lines,
    show_over_lam,
)
from tutorial_lib.teaching.plotting.figures import (
    COLORS,
    DescribedFigure,
    exact_figure,
    figure_png,
    new_figure,
)
from tutorial_lib.teaching.plotting.maps import (
    draw_path,
    draw_samples,
    map_axes,
    show_dot_maps,
    show_map,
)
from tutorial_lib.teaching.plotting.pictures import (
    colored,
    error_pictures,
    show_enlarged,
    show_inpainting,
    show_weights,
    spotlight,
)

__all__ = [
    "COLORS",
    "DescribedFigure",
    "colored",
    "draw_path",
    "draw_samples",
    "error_pictures",
    "exact_figure",
    "figure_png",
    "label_lines",
    "lam_labels",
    "lam_positions",
    "map_axes",
    "new_figure",
    "show_curve_panels",
    "show_curves",
    "show_differences",
    "show_dot_maps",
    "show_dumbbells",
    "show_enlarged",
    "show_inpainting",
    "show_intervals",
    "show_lines",
    "show_logits",
    "show_map",
    "show_over_lam",
    "show_timeline",
    "show_weights",
    "spotlight",
]
