"""Whatever fills a hole takes pictures of any floating type, and works in that of its network."""

import pytest
import torch

from tutorial_lib.evaluation.exploration import explore
from tutorial_lib.inpainting import (
    dps,
    inpaint,
    posterior_samples,
    repaint,
    replacement,
    several_completions,
)
from tutorial_lib.inpainting.pipeline import initial_z
from tutorial_lib.masks import center_mask
from tutorial_lib.models.context_encoder import ContextEncoder
from tutorial_lib.models.dcgan import Discriminator, Generator
from tutorial_lib.models.diffusion import Denoiser
from tutorial_lib.models.latent_model import uniform_latent_model

QUICK = {"progress": False}


def fills():
    """Name -> images, mask -> something with floats in it."""
    torch.manual_seed(0)
    gan = uniform_latent_model(Generator(2), Discriminator(2, "none"))
    denoiser, painter = Denoiser(8).eval(), ContextEncoder(4).eval()
    z0 = initial_z(gan, 1)
    return {
        "inpaint": lambda y, m: inpaint(y, m, gan, steps=3, **QUICK).completed,
        "several": lambda y, m: (
            several_completions(y, m, gan, count=1, starts=2, **QUICK).completed
        ),
        "explore": lambda y, m: explore(y, m, gan, lams=(0.0, 1.0), restarts=1, **QUICK).completed,
        "posterior": lambda y, m: (
            posterior_samples(y, m, gan, z0, samples=1, burn_in=1, every=1, **QUICK).z
        ),
        "painter": lambda y, m: painter.paint(y, m)[1],
        "replacement": lambda y, m: replacement(y, m, denoiser, steps=2, **QUICK),
        "repaint": lambda y, m: repaint(y, m, denoiser, steps=2, jump=1, resamples=1, **QUICK),
        "dps": lambda y, m: dps(y, m, denoiser, steps=2, **QUICK),
    }


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("name", fills())
def test_any_floating_type_may_come(name, dtype):
    y = (torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1).to(dtype)
    found = fills()[name](y, center_mask().to(dtype))
    assert found.dtype == torch.float32 and found.isfinite().all()
