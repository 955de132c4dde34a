"""Semantic image inpainting with deep generative models (Yeh et al., CVPR 2017), whole and in small
pieces.

The notebooks explain what stands here; each module names its equation and its notebook.
"""

from tutorial_lib.datasets import load_dataset
from tutorial_lib.inpainting.pipeline import inpaint
from tutorial_lib.models.weights import load_gan

__all__ = ["inpaint", "load_dataset", "load_gan"]
__version__ = "0.1.0"
