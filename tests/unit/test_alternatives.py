"""L-BFGS-B and D's gradient alone.

They lower what they say they lower, inside the box, and never read the hole.
"""

import pytest
import torch

from tutorial_lib.evaluation.alternatives import search_lbfgs, update_pixels
from tutorial_lib.inpainting.importance import importance_weights
from tutorial_lib.inpainting.losses import context_loss
from tutorial_lib.inpainting.pipeline import initial_z
from tutorial_lib.masks import center_mask, make_masks
from tutorial_lib.models.dcgan import Discriminator, Generator
from tutorial_lib.models.latent_model import uniform_latent_model


@pytest.fixture(scope="module")
def gan():
    torch.manual_seed(0)
    return uniform_latent_model(Generator(8).double(), Discriminator(4, "none").double())


@pytest.fixture(scope="module")
def images(gan):
    with torch.no_grad():
        return gan.generator(gan.sample_z(2, torch.Generator().manual_seed(3)).double())


def total(gan, images, mask, z):
    return context_loss(
        gan.generator(z), images, importance_weights(mask).expand(len(images), -1, -1, -1)
    )


def test_lbfgs_lowers_the_loss_in_the_box_within_its_budget(gan, images):
    mask, z0 = center_mask().double(), initial_z(gan, 2, seed=1).double()
    z, counts = search_lbfgs(images, mask, gan, z0, lam=0.0, evaluations=60, progress=False)
    assert z.shape == z0.shape and z.abs().max() <= 1
    assert all(1 < count <= 60 + 25 for count in counts)  # SciPy ends a line search it has begun
    assert (total(gan, images, mask, z) < 0.7 * total(gan, images, mask, z0)).all()


def test_a_row_does_not_depend_on_the_others(gan, images):
    mask, z0 = center_mask().double(), initial_z(gan, 2, seed=1).double()
    both, _ = search_lbfgs(images, mask, gan, z0, evaluations=20, progress=False)
    second, _ = search_lbfgs(images[1:], mask, gan, z0[1:], evaluations=20, progress=False)
    assert torch.allclose(both[1:], second, atol=1e-9)


def test_pictures_of_another_size_are_refused(gan, images):
    with pytest.raises(ValueError, match="makes 64x64"):
        search_lbfgs(images[..., :32, :32], center_mask(size=32), gan, initial_z(gan, 2))


@pytest.mark.parametrize("family", ["center", "pattern", "random", "half"])
def test_pixels_by_d_please_d_and_keep_what_is_known(gan, images, family):
    mask = make_masks(family, 2).double()
    start = torch.zeros_like(images)
    hidden = torch.where(mask > 0, images, torch.nan)
    found = update_pixels(hidden, mask, gan, start, steps=30, progress=False)
    known = (mask > 0).expand_as(images)
    assert torch.equal(found[known], images[known]) and found.abs().max() <= 1
    before = gan.discriminator(torch.where(mask > 0, images, start))
    assert (gan.discriminator(found) > before).all()
    assert not start.any(), "the start itself is not changed"
