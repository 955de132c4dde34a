"""Beyond z: tuning against closed forms, features against their ball and a numerical gradient."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from tutorial_lib.inpainting.fast import fuse_batch_norm
from tutorial_lib.inpainting.importance import importance_weights
from tutorial_lib.inpainting.inversion import (
    FIRST_LAYERS,
    inpaint_quality,
    search_features,
    to_ball,
    tune_generator,
)
from tutorial_lib.inpainting.latent_search import DEFAULT, search
from tutorial_lib.inpainting.losses import context_loss
from tutorial_lib.inpainting.pipeline import inpaint
from tutorial_lib.masks import FAMILIES, center_mask, check_batch, make_masks
from tutorial_lib.models.dcgan import Discriminator, Generator
from tutorial_lib.models.latent_model import uniform_latent_model

REFINE = {"tune": tune_generator, "features": search_features}


def dcgan():
    torch.manual_seed(0)
    generator, discriminator = Generator(4).double(), Discriminator(4, "none").double()
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.mul_(4)  # away from the almost constant pictures of fresh weights
    return uniform_latent_model(generator, discriminator)


def pictures(count=3):
    rng = torch.Generator().manual_seed(1)
    return torch.rand(count, 3, 64, 64, generator=rng, dtype=torch.float64) * 2 - 1


def codes(count=3):
    rng = torch.Generator().manual_seed(2)
    return (torch.rand(count, 100, generator=rng) * 2 - 1).double()


class Linear(nn.Module):
    """G(z) = A z: every pixel has weights of its own."""

    def __init__(self, z_dim=5):
        super().__init__()
        self.z_dim = z_dim
        self.pixels = nn.Linear(z_dim, 3 * 8 * 8, bias=False)
        with torch.no_grad():
            self.pixels.weight.mul_(0.3)

    def forward(self, z):
        return self.pixels(z).unflatten(1, (3, 8, 8))


def linear():
    torch.manual_seed(0)
    return uniform_latent_model(Linear().double(), None, 5)


@pytest.mark.parametrize("refine", REFINE.values(), ids=REFINE)
@pytest.mark.parametrize("family", FAMILIES)
def test_without_steps_it_is_the_search(refine, family):
    model, y, mask = dcgan(), pictures(), make_masks(family, 3).double()
    settings = replace(DEFAULT, steps=2, approximate=0.0)
    found = search(y, mask, model, codes(), settings, progress=False)
    refined = refine(y, mask, model, found.z, steps=0)
    wanted = found.generated
    torch.testing.assert_close(refined.generated, wanted)
    torch.testing.assert_close(refined.losses["context"], found.final["context"][None])


@pytest.mark.parametrize("refine", REFINE.values(), ids=REFINE)
@pytest.mark.parametrize("family", FAMILIES)
def test_known_pixels_stay_bit_for_bit_and_the_hole_is_never_read(refine, family):
    model, y, mask = dcgan(), pictures(), make_masks(family, 3).double()
    refined = refine(y, mask, model, codes(), steps=3)
    known = (mask > 0).expand_as(y)
    assert torch.equal(refined.completed[known], y[known])
    assert refined.completed.abs().max() <= 1
    for junk in (torch.nan, 0.3):
        again = refine(torch.where(known, y, junk), mask, model, codes(), steps=3)
        assert torch.equal(again.completed, refined.completed)


@pytest.mark.parametrize("refine", REFINE.values(), ids=REFINE)
def test_the_model_is_left_alone_and_the_loss_that_is_returned_is_the_pictures(refine):
    model, y, mask = dcgan(), pictures(), center_mask().double()
    before = copy.deepcopy(model.generator.state_dict())
    refined = refine(y, mask, model, codes(), steps=30, keep_path=True)
    for key, value in model.generator.state_dict().items():
        assert torch.equal(value, before[key])
    weights = importance_weights(mask, 7)
    losses = torch.stack([context_loss(some, y, weights) for some in refined.path])
    torch.testing.assert_close(refined.losses["context"], losses)
    assert bool((losses.min(0).values < 0.95 * losses[0]).all())
    chosen = refined.losses["total"].argmin(0)
    torch.testing.assert_close(refined.generated, refined.path[chosen, range(len(y))])


@pytest.mark.parametrize("refine", REFINE.values(), ids=REFINE)
def test_a_picture_does_not_depend_on_its_batch(refine):
    model, y, mask = dcgan(), pictures(), make_masks("random", 3).double()
    together = refine(y, mask, model, codes(), steps=5)
    for row in range(3):
        this = slice(row, row + 1)
        alone = refine(y[this], mask[this], model, codes()[this], steps=5)
        torch.testing.assert_close(alone.generated, together.generated[this])


def test_a_linear_generator_learns_the_known_pixels_and_nothing_of_the_hole():
    """Its pixels share no weight: the solution is y where known and A z, untouched, elsewhere."""
    model, y = linear(), pictures(2)[:, :, :8, :8]
    mask = torch.ones(1, 1, 8, 8).double()
    mask[..., 2:6, 2:6] = 0
    z = codes(2)[:, :5]
    refined = tune_generator(y, mask, model, z, steps=3000, learning_rate=1e-3, window=17)
    hole = (mask == 0).expand_as(y)
    torch.testing.assert_close(refined.generated[~hole], y[~hole], atol=5e-3, rtol=0)
    assert torch.equal(refined.generated[hole], model.generator(z)[hole])


def test_features_stay_in_their_ball():
    model, y, mask = dcgan(), pictures(), center_mask().double()
    free = search_features(y, mask, model, codes(), steps=20, radius=1e3, lam=0)
    none = search_features(y, mask, model, codes(), steps=20, radius=0, lam=0)
    torch.testing.assert_close(none.generated, model.generator(codes()))
    tight = search_features(y, mask, model, codes(), steps=20, radius=0.01, lam=0)
    ends = [some.losses["context"].min(0).values for some in (free, tight, none)]
    assert bool((ends[0] < ends[1]).all()) and bool((ends[1] < ends[2]).all())


def test_the_ball_is_closest():
    offsets = torch.randn(50, 3, 2, generator=torch.Generator().manual_seed(0)).double()
    radius = torch.linspace(0, 4, 50).double()
    found = to_ball(offsets, radius)
    length = found.flatten(1).norm(dim=1)
    assert bool((length <= radius + 1e-12).all())
    inside = offsets.flatten(1).norm(dim=1) <= radius
    assert inside.any() and not inside.all() and torch.equal(found[inside], offsets[inside])
    # the projection on a convex set: no point of the ball makes an acute angle with the rest
    for seed in range(5):
        other = torch.randn(50, 6, generator=torch.Generator().manual_seed(seed)).double()
        other = other / other.norm(dim=1, keepdim=True) * radius[:, None]
        angle = ((offsets - found).flatten(1) * (other - found.flatten(1))).sum(1)
        assert bool((angle <= 1e-9).all())


def test_the_gradient_in_the_features_is_the_numerical_one():
    model, y, mask = dcgan(), pictures(1), center_mask().double()
    y, mask = check_batch(y, mask)
    rest = fuse_batch_norm(model.generator).layers[FIRST_LAYERS:]
    first = fuse_batch_norm(model.generator).layers[:FIRST_LAYERS]
    features = first(codes(1)[:, :, None, None]).detach().requires_grad_(True)
    weights = importance_weights(mask, 7)

    def loss(some):
        return context_loss(rest(some), y, weights, "l2").sum()

    assert torch.autograd.gradcheck(loss, features, fast_mode=True)


@pytest.mark.parametrize("refine", REFINE.values(), ids=REFINE)
def test_what_is_wrong_is_said(refine):
    model, y, mask = dcgan(), pictures(), center_mask().double()
    with pytest.raises(ValueError, match="z must have shape"):
        refine(y, mask, model, codes()[:2])
    with pytest.raises(ValueError, match="steps must not be negative"):
        refine(y, mask, model, codes(), steps=-1)
    with pytest.raises(ValueError, match="learning_rate must be positive"):
        refine(y, mask, model, codes(), learning_rate=0)
    with pytest.raises(ValueError, match="the generator makes"):
        refine(y[..., :32, :32], mask[..., 8:40, 8:40], model, codes())


def test_features_need_a_dcgan_and_a_radius():
    model, y, mask = dcgan(), pictures(), center_mask().double()
    with pytest.raises(ValueError, match="radius must not be negative"):
        search_features(y, mask, model, codes(), radius=-1)
    other = linear()
    with pytest.raises(ValueError, match="knows the layers of a DCGAN"):
        search_features(y, mask, other, codes()[:, :5])


def test_quality_is_the_search_and_then_the_tuning():
    model, y, mask = dcgan(), pictures(2), center_mask().double()
    short = {"progress": False, "seed": 3, "restarts": 2, "approximate": 0.0}
    short["settings"] = replace(DEFAULT, steps=2)
    found = inpaint(y, mask, model, **short)
    tuned = tune_generator(y, mask, model, found.z, steps=4, progress=False)
    refined = inpaint_quality(y, mask, model, steps=4, **short)
    assert torch.equal(refined.completed, tuned.completed)
    assert torch.equal(refined.generated, tuned.generated) and torch.equal(refined.z, found.z)
    assert torch.equal(inpaint_quality(y, mask, model, steps=0, **short).completed, found.completed)


def test_quality_without_blending_pastes():
    model, y, mask = dcgan(), pictures(2), center_mask().double()
    short = {"progress": False, "restarts": 1, "settings": replace(DEFAULT, steps=2), "steps": 2}
    blended, pasted = (inpaint_quality(y, mask, model, blend=how, **short) for how in (True, False))
    assert torch.equal(pasted.generated, blended.generated)
    assert torch.equal(pasted.completed, torch.where(mask > 0, y, pasted.generated))
    assert not torch.equal(pasted.completed, blended.completed)
