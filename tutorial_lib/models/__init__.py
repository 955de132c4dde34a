"""Networks, and what the latent search sees of them."""

from tutorial_lib.models.latent_model import (
    LatentModel,
    normal_latent_model,
    uniform_latent_model,
)
from tutorial_lib.models.weights import load_gan

__all__ = ["LatentModel", "load_gan", "normal_latent_model", "uniform_latent_model"]
