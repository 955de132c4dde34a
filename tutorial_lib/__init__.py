"""Semantic image inpainting with deep generative models (Yeh et al., CVPR 2017).

The notebooks explain what stands here; each module names its equation and its notebook.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tutorial_lib.datasets import load_dataset
    from tutorial_lib.inpainting.pipeline import inpaint
    from tutorial_lib.models.weights import load_gan

__all__ = ["inpaint", "load_dataset", "load_gan"]
__version__ = "0.1.0"

_HOMES = {
    "inpaint": "tutorial_lib.inpainting.pipeline",
    "load_dataset": "tutorial_lib.datasets",
    "load_gan": "tutorial_lib.models.weights",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for, and torch with it, only now."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
