"""The method, an equation a module.

Eq. 3 `importance`, Eqs. 4 and 5 `losses`, Eq. 2 `latent_search`, Eq. 6 `blending`, all of it
`pipeline`.
"""

from tutorial_lib.inpainting.blending import poisson_blend
from tutorial_lib.inpainting.importance import importance_weights
from tutorial_lib.inpainting.latent_search import (
    ADAM,
    AUTHORS_CODE,
    DEFAULT,
    PAPER,
    SearchSettings,
    search,
)
from tutorial_lib.inpainting.losses import context_loss, prior_loss
from tutorial_lib.inpainting.pipeline import inpaint

__all__ = [
    "ADAM",
    "AUTHORS_CODE",
    "DEFAULT",
    "PAPER",
    "SearchSettings",
    "context_loss",
    "importance_weights",
    "inpaint",
    "poisson_blend",
    "prior_loss",
    "search",
]
