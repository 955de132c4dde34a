"""An exploration in one batch: every row equals a search of its own, and all lam begin at the same
codes.
"""

import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tutorial_lib.device import seeded_generator
from tutorial_lib.evaluation.exploration import LAMS, SETTINGS, explore
from tutorial_lib.inpainting.blending import poisson_blend
from tutorial_lib.inpainting.importance import importance_weights
from tutorial_lib.inpainting.latent_search import search
from tutorial_lib.masks import FAMILIES, center_mask, make_masks
from tutorial_lib.models.dcgan import Discriminator, Generator
from tutorial_lib.models.latent_model import uniform_latent_model

SHORT = dataclasses.replace(SETTINGS, steps=5)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    generator, discriminator = Generator(4).double(), Discriminator(4).double()
    with torch.no_grad():
        for parameter in (*generator.parameters(), *discriminator.parameters()):
            parameter.mul_(4)  # away from the almost constant pictures of fresh weights
    return uniform_latent_model(generator, discriminator)


def pictures(count, seed=1):
    return (
        torch.rand(
            count, 3, 64, 64, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
        )
        * 2
        - 1
    )


MASKS = torch.cat([make_masks(family) for family in FAMILIES]).double()


@hypothesis_settings(max_examples=6)
@given(
    count=st.integers(1, 3),
    restarts=st.integers(1, 2),
    seed=st.integers(0, 99),
    points=st.integers(3, 5),
    lams=st.lists(
        st.sampled_from([0.0, 0.003, 0.5, 3.0, 37.0]), min_size=1, max_size=3, unique=True
    ).map(sorted),
)
def test_every_row_equals_a_search_of_its_own(model, count, restarts, seed, points, lams):
    images, masks = pictures(count), MASKS[:count]
    run = explore(
        images, masks, model, lams, restarts, SHORT, seed, path_points=points, progress=False
    )
    kept = len(run.steps)
    assert (
        run.steps[0] == 0 and run.steps[-1] == SHORT.steps and kept <= points and run.lams == lams
    )
    assert (
        run.generated.shape == run.completed.shape == (count, restarts, len(lams), kept, 3, 64, 64)
    )
    for picture in range(count):
        image, mask = images[picture : picture + 1], masks[picture : picture + 1]
        weights = importance_weights(mask)
        for restart in range(restarts):
            start = model.sample_z(1, seeded_generator(seed, picture, restart)).double()
            for place, lam in enumerate(lams):
                alone = search(
                    image, mask, model, start, SHORT, lam=lam, path_points=points, progress=False
                )
                assert alone.path_steps == run.steps
                generated = model.generator(alone.path[:, 0])
                here = (picture, restart, place)
                torch.testing.assert_close(run.generated[here], generated, atol=1e-5, rtol=0)
                for step in range(kept):
                    blended = poisson_blend(generated[step : step + 1], image, mask).clamp(-1, 1)
                    torch.testing.assert_close(
                        run.completed[here][step], blended[0], atol=1e-5, rtol=0
                    )
                context = (weights * (generated - image)).abs().sum((1, 2, 3))
                torch.testing.assert_close(run.context[here], context, rtol=1e-4, atol=0)
                logits = model.discriminator(generated)
                torch.testing.assert_close(run.logits[here], logits, atol=1e-4, rtol=0)
                torch.testing.assert_close(
                    run.prior[here],
                    lam * torch.log(1 - torch.sigmoid(logits)),
                    atol=1e-3,
                    rtol=1e-4,
                )


def test_all_lam_begin_at_the_same_picture_and_restarts_at_different_ones(model):
    run = explore(pictures(2), center_mask(), model, (0, 1, 10), 2, SHORT, progress=False)
    first = run.generated[:, :, :, 0]
    torch.testing.assert_close(first, first[:, :, :1].expand_as(first), atol=1e-12, rtol=0)
    assert (first[:, 0] - first[:, 1]).abs().mean() > 0.01
    assert (first[0] - first[1]).abs().mean() > 0.01
    assert (run.generated[:, :, 0, -1] - run.generated[:, :, -1, -1]).abs().mean() > 1e-4, (
        "a lam of 10 leads elsewhere than 0"
    )


def test_a_lam_more_changes_no_other_row(model):
    few = explore(pictures(1), center_mask(), model, (0, 5), 1, SHORT, progress=False)
    more = explore(pictures(1), center_mask(), model, (0, 1, 5, 50), 2, SHORT, progress=False)
    torch.testing.assert_close(more.generated[:, :1, [0, 2]], few.generated, atol=1e-8, rtol=0)


def test_known_pixels_stay_and_the_hole_is_never_read(model):
    images, mask = pictures(2), MASKS[2:3]
    seen = explore(images, mask, model, (0, 2), 1, SHORT, progress=False)
    hidden = explore(
        torch.where(mask > 0, images, float("nan")), mask, model, (0, 2), 1, SHORT, progress=False
    )
    for name in ("corrupted", "generated", "completed", "context", "prior", "logits"):
        assert torch.equal(getattr(seen, name), getattr(hidden, name)), name
    known = (mask[0, 0] > 0).expand(3, -1, -1)
    for picture in range(2):
        assert (seen.completed[picture][..., known] == images[picture][known]).all()


def test_lam_0_has_no_prior_loss_and_names_are_given(model):
    run = explore(
        pictures(2), center_mask(), model, (0, 1), 1, SHORT, names=["Ada", "Bob"], progress=False
    )
    assert not run.prior[:, :, 0].any() and run.prior[:, :, 1].all()
    assert run.names == ["Ada", "Bob"] and run.restarts == 1
    unnamed = explore(pictures(2), center_mask(), model, (0,), 1, SHORT, progress=False)
    assert unnamed.names == ["picture 1", "picture 2"]


def test_the_lams_of_the_notebook():
    assert LAMS[0] == 0 and 0.003 in LAMS and min(LAMS[1:]) == 0.001 and max(LAMS) > 10
    assert round(0.003 * 3 * 64 * 64) in LAMS, "what 0.003 becomes with a mean"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"lams": ()}, "lams must be ascending"),
        ({"lams": (1, 0)}, "lams must be ascending"),
        ({"lams": (0, 1, 1)}, "each once"),
        ({"lams": (-1, 0)}, "not negative"),
        ({"lams": (0, float("nan"))}, "ascending"),
        ({"restarts": 0}, "restarts must be"),
        ({"names": ["one"]}, "each picture needs a name"),
        ({"images": pictures(2) * 3}, r"lie in \[-1, 1\]"),
        ({"mask": torch.ones(1, 1, 64, 64)}, "no hole"),
        ({"mask": center_mask(size=32)}, "does not fit"),
        ({"path_points": 1}, "path_points"),
        ({"images": pictures(2)[..., :32, :32], "mask": center_mask(size=32)}, "makes 64x64"),
    ],
)
def test_what_cannot_be_explored_is_refused(model, change, problem):
    arguments = {
        "images": pictures(2),
        "mask": center_mask(),
        "gan": model,
        "lams": (0, 1),
        "settings": SHORT,
        "progress": False,
    }
    with pytest.raises(ValueError, match=problem):
        explore(**(arguments | change))


def test_a_model_without_a_discriminator_is_refused(model):
    with pytest.raises(ValueError, match="no discriminator"):
        explore(
            pictures(1),
            center_mask(),
            dataclasses.replace(model, discriminator=None),
            progress=False,
        )
