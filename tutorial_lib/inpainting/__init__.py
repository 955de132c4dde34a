"""The method, one equation a module, and what is built on it.

Eq. 3 `importance`, Eqs. 4 and 5 `losses`, Eq. 2 `latent_search`, Eq. 6 `blending`, all of it
`pipeline`, several completions of one hole `completions`. What came after the paper: `operators`,
`inversion`, `diffusion`, `langevin`. Pictures on disk are filled by `files`, photos at their own
size by `put_back`. Everything done for speed is in `fast` and `full_matrix`.
"""

from tutorial_lib.inpainting.blending import poisson_blend
from tutorial_lib.inpainting.completions import several_completions
from tutorial_lib.inpainting.diffusion import dps, repaint, replacement
from tutorial_lib.inpainting.importance import importance_weights
from tutorial_lib.inpainting.inversion import inpaint_quality, search_features, tune_generator
from tutorial_lib.inpainting.langevin import posterior_samples
from tutorial_lib.inpainting.latent_search import (
    ADAM,
    AUTHORS_CODE,
    DEFAULT,
    DIFFUSION,
    PAPER,
    LatentSearch,
    SearchSettings,
    search,
)
from tutorial_lib.inpainting.losses import context_loss, prior_loss
from tutorial_lib.inpainting.pipeline import complete, fill_hole, initial_z, inpaint

__all__ = [
    "ADAM",
    "AUTHORS_CODE",
    "DEFAULT",
    "DIFFUSION",
    "PAPER",
    "LatentSearch",
    "SearchSettings",
    "complete",
    "context_loss",
    "dps",
    "fill_hole",
    "importance_weights",
    "initial_z",
    "inpaint",
    "inpaint_quality",
    "poisson_blend",
    "posterior_samples",
    "prior_loss",
    "repaint",
    "replacement",
    "search",
    "search_features",
    "several_completions",
    "tune_generator",
]
