"""`inpaint`: restarts, seeds, blending, and what the reader gets back."""

import dataclasses

import numpy as np
import pytest
import torch

from tutorial_lib import inpaint, load_dataset, load_gan
from tutorial_lib.evaluation.metrics import psnr
from tutorial_lib.inpainting import pipeline
from tutorial_lib.inpainting.blending import poisson_blend
from tutorial_lib.inpainting.completions import several_completions
from tutorial_lib.inpainting.latent_search import search
from tutorial_lib.inpainting.pipeline import initial_z
from tutorial_lib.masks import FAMILIES, make_masks
from tutorial_lib.models.dcgan import Discriminator, Generator
from tutorial_lib.models.latent_model import uniform_latent_model


@pytest.fixture
def model():
    torch.manual_seed(0)
    generator = Generator(4)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.mul_(4)
    return uniform_latent_model(generator, Discriminator(4))


@pytest.fixture
def images():
    return torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1


MASKS = torch.cat([make_masks(family) for family in FAMILIES])
QUICK = {"steps": 8, "progress": False}


def fields(result):
    return {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}


def test_same_seed_same_bits_and_another_seed_another_picture(model, images):
    one, two = (inpaint(images, MASKS, model, restarts=2, seed=3, **QUICK) for _ in range(2))
    other = inpaint(images, MASKS, model, restarts=2, seed=4, **QUICK)
    assert torch.equal(one.completed, two.completed) and torch.equal(one.z, two.z)
    assert not torch.equal(one.completed, other.completed)


@pytest.mark.parametrize("junk", [float("nan"), 1e9])
def test_nothing_under_the_hole_is_read(model, images, junk):
    clean = inpaint(images, MASKS, model, **QUICK)
    other = inpaint(torch.where(MASKS > 0, images, junk), MASKS, model, **QUICK)
    for name, value in fields(clean).items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, getattr(other, name)), name
    assert all(torch.equal(value, other.losses[name]) for name, value in clean.losses.items())


def test_the_best_restart_is_returned(model, images):
    result = inpaint(images, MASKS, model, restarts=3, **QUICK)
    z0 = initial_z(model, 4, 3).view(4, 3, -1)
    singles = [
        search(
            images,
            MASKS,
            model,
            z0[:, restart],
            dataclasses.replace(pipeline.DEFAULT, steps=8),
            progress=False,
        )
        for restart in range(3)
    ]
    totals = torch.stack([single.final["total"] for single in singles], 1)
    torch.testing.assert_close(result.restart_losses, totals, rtol=1e-3, atol=1e-2)
    for row, best in enumerate(totals.argmin(1)):
        torch.testing.assert_close(result.z[row], singles[best].z[row], rtol=0, atol=0.02)
    assert result.losses["total"].shape == (9, 4)
    torch.testing.assert_close(
        result.losses["total"].min(0).values, result.restart_losses.min(1).values
    )


def test_the_initial_z_depends_on_seed_picture_and_restart_alone(model):
    many = initial_z(model, 5, 4, seed=9).view(5, 4, -1)
    few = initial_z(model, 2, 3, seed=9).view(2, 3, -1)
    assert torch.equal(many[:2, :3], few)
    assert len(torch.unique(many.flatten(0, 1), dim=0)) == 20
    assert not torch.equal(initial_z(model, 1, seed=8), initial_z(model, 1, seed=9))


def test_starts_come_from_the_prior_or_a_normal(model, images):
    assert initial_z(model, 50).abs().max() <= 1
    normal = initial_z(model, 50, start="normal")
    assert normal.mean().abs() < 0.05 and abs(normal.std() - 1) < 0.05
    first = inpaint(images, MASKS, model, start="normal", **QUICK).path[0]
    assert torch.equal(first, initial_z(model, 4, start="normal"))


def test_batches_split_by_memory_give_the_same_pictures(model, images, monkeypatch):
    whole = inpaint(images, MASKS, model, restarts=2, **QUICK)
    monkeypatch.setattr(pipeline, "MAX_ROWS", 4)
    parts = inpaint(images, MASKS, model, restarts=2, **QUICK)
    torch.testing.assert_close(parts.completed, whole.completed, atol=0.02, rtol=0)
    assert (
        parts.path.shape == whole.path.shape
        and parts.losses["total"].shape == whole.losses["total"].shape
    )


def test_a_picture_s_result_depends_on_its_batch_by_rounding_alone():
    """What `inpaint` says of it, measured: a whole search amplifies rounding, but not much."""
    gan, mask = load_gan("synthetic-faces", "cpu"), make_masks("center")
    faces = load_dataset("synthetic-faces", split="test", limit=8).images(slice(None))
    together = inpaint(faces, mask, gan, progress=False).completed[:1]
    alone = inpaint(faces[:1], mask, gan, progress=False).completed
    apart = 127.5 * (alone - together).abs()[(mask == 0).expand_as(alone)]  # gray levels
    assert apart.max() < 32 and apart.mean() < 4
    ours, other = (psnr(completed, faces[:1], mask) for completed in (alone, together))
    assert (ours - other).abs() < 1


def test_blend_or_paste(model, images):
    blended, pasted = (
        inpaint(images, MASKS, model, blend=blend, **QUICK) for blend in (True, False)
    )
    torch.testing.assert_close(
        blended.completed, poisson_blend(blended.generated, images, MASKS).clamp(-1, 1)
    )
    assert torch.equal(pasted.completed, torch.where(MASKS > 0, images, pasted.generated))
    for result in (blended, pasted):
        known = (MASKS > 0).expand_as(images)
        assert torch.equal(result.completed[known], images[known])
        assert result.completed.abs().max() <= 1


def test_settings_can_be_given_by_name_and_lam_by_picture(model, images):
    lam = torch.tensor([0.0, 0.1, 1.0, 10.0])
    result = inpaint(images, MASKS, model, lam=lam, window=15, **QUICK)
    row = inpaint(images[:1], MASKS[:1], model, lam=0.0, window=15, **QUICK)
    torch.testing.assert_close(result.z[0], row.z[0], atol=0.02, rtol=0)
    assert result.losses["prior"][0, 0] == 0 and (result.losses["prior"][0, 1:] < 0).all()
    with pytest.raises(ValueError, match="unknown setting stepz"):
        inpaint(images, MASKS, model, stepz=3)
    with pytest.raises(ValueError, match="lam"):
        inpaint(images, MASKS, model, lam=lam[:2])
    with pytest.raises(ValueError, match="restarts"):
        inpaint(images, MASKS, model, restarts=0)
    with pytest.raises(ValueError, match=r"\[-1, 1\]"):
        inpaint(images * 2, MASKS, model)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        (torch.ones(4, 3, 64, 64), "shape"),
        (torch.ones(3, 1, 64, 64), "shape"),
        (torch.ones(1, 1, 64, 64).numpy(), "shape .*ndarray"),
        (-torch.ones(1, 1, 64, 64), "negative"),
        (torch.full((1, 1, 64, 64), torch.nan), "finite"),
        (torch.zeros(1, 1, 64, 64), "above 0"),
    ],
)
def test_weights_that_are_none_are_refused(model, images, weights, said):
    with pytest.raises(ValueError, match=said):
        inpaint(images, MASKS, model, weights=weights, **QUICK)
    with pytest.raises(ValueError, match=said):
        search(images, MASKS, model, initial_z(model, len(images)), weights=weights)


@pytest.mark.parametrize("what", ["portraits", Generator(4)])
def test_what_is_no_model_is_refused_with_the_way_to_one(images, what):
    with pytest.raises(ValueError, match="load_gan"):
        inpaint(images, MASKS, what, **QUICK)


def test_numbers_that_are_to_be_whole_are(model, images):
    for changes in ({"steps": 1.5}, {"window": 7.0}, {"learning_rate": float("inf")}):
        with pytest.raises(ValueError, match=next(iter(changes))):
            inpaint(images, MASKS, model, **changes)
    with pytest.raises(ValueError, match="restarts"):
        inpaint(images, MASKS, model, restarts=1.5)
    counted = inpaint(images, MASKS, model, steps=np.int64(2), progress=False)
    assert len(counted.losses["total"]) == 3


def test_a_generator_without_weights_is_searched_and_one_that_detaches_refused(images):
    class Flat(torch.nn.Module):  # a picture of one color, the code's three numbers
        def forward(self, z):
            return z.view(-1, 3, 1, 1).expand(-1, 3, 64, 64)

    class Detached(Flat):
        def forward(self, z):
            return super().forward(z).detach()

    result = inpaint(
        images, MASKS, uniform_latent_model(Flat(), None, 3), lam=0, steps=30, progress=False
    )
    assert (result.final["context"] < 0.8 * result.losses["context"][0]).any()
    with pytest.raises(ValueError, match="gradient"):
        inpaint(images, MASKS, uniform_latent_model(Detached(), None, 3), lam=0)


def test_one_mask_serves_a_batch(model, images):
    one = inpaint(images, MASKS[:1], model, **QUICK)
    same = inpaint(images, MASKS[:1].expand(4, -1, -1, -1), model, **QUICK)
    assert torch.equal(one.completed, same.completed)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("blend", [True, False])
def test_pictures_of_any_floating_type_may_come(images, model, dtype, blend):
    given = images.to(dtype)
    found = inpaint(given, MASKS.to(dtype), model, blend=blend, **QUICK)
    wanted = inpaint(given.float(), MASKS, model, blend=blend, **QUICK)
    assert found.completed.dtype == torch.float32
    assert torch.equal(found.completed, wanted.completed) and torch.equal(found.z, wanted.z)


def test_a_search_says_that_inference_mode_has_no_gradients(images, model):
    with torch.inference_mode(), pytest.raises(ValueError, match="inference_mode"):
        inpaint(images, MASKS, model, **QUICK)
    with torch.no_grad():
        assert inpaint(images, MASKS, model, **QUICK).completed.isfinite().all()


def test_what_is_no_tensor_is_refused_by_name(model, images):
    with pytest.raises(ValueError, match="^images must be a float tensor.*ndarray"):
        inpaint(images.numpy(), MASKS, model, **QUICK)


@pytest.mark.parametrize("fill", [inpaint, several_completions])
def test_pictures_of_another_size_than_the_generator_s_are_refused(model, fill):
    images, mask = torch.zeros(1, 3, 96, 128), torch.ones(1, 1, 96, 128)
    mask[..., :40, :40] = 0
    with pytest.raises(ValueError, match="^images are 128x96, the generator makes 64x64"):
        fill(images, mask, model, progress=False)
    with pytest.raises(ValueError, match="^images are 128x96, the generator makes 64x64"):
        search(images, mask, model, initial_z(model, 1), progress=False)


def test_networks_that_do_not_fit_are_refused(images, model):
    class Gray(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.generator = model.generator

        def forward(self, z):
            return self.generator(z)[:, :1]

    class Column(torch.nn.Module):
        def forward(self, pictures):
            return pictures.mean((1, 2, 3))[:, None]

    class Broken(Gray):
        def forward(self, z):
            return self.generator(z) * torch.nan

    for change, said in (
        ({"generator": Gray()}, r"makes \(1, 1, 64, 64\)"),
        ({"discriminator": Column()}, r"one logit a picture, \(B,\), got \(4, 1\)"),
        ({"generator": Broken()}, "no finite loss"),
    ):
        with pytest.raises(ValueError, match=said):
            inpaint(images, MASKS, dataclasses.replace(model, **change), **QUICK)


@pytest.mark.parametrize("shape", [(3, 64, 64), (64, 64, 3), (1, 1, 64, 64), (0, 3, 64, 64)])
def test_the_picture_is_blamed_for_its_shape_not_the_mask(model, shape):
    with pytest.raises(ValueError, match="^images"):
        inpaint(torch.zeros(shape), MASKS[:1], model, **QUICK)


def test_pictures_from_0_to_1_are_asked_about(images, model):
    with pytest.warns(UserWarning, match=r"not in \[0, 1\]"):
        inpaint(images / 2 + 0.5, MASKS, model, **QUICK)
