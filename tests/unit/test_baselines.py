"""The contract that all baselines share, and the two plain ones."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tutorial_lib.baselines import BASELINES, NEED_PICTURES, biharmonic_fill, fill_with, mean_fill
from tutorial_lib.datasets import load_dataset
from tutorial_lib.masks import (
    FAMILIES,
    center_mask,
    half_mask,
    make_masks,
    random_mask,
    rectangle_mask,
)

SIZE = 16
COLLECTION = np.random.default_rng(0).integers(0, 256, (20, SIZE, SIZE, 3), dtype=np.uint8)
OPTIONS = {"patchmatch": {"side": 3}} | {name: {"pictures": COLLECTION} for name in NEED_PICTURES}


def fill(name, images, mask, **more):
    """The baseline fitted to 16x16; whether it converges is another test's matter."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return fill_with(name, images, mask, **OPTIONS.get(name, {}), **more)


def pictures(count=2, seed=0, size=SIZE):
    """Smooth random pictures."""
    rng = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 5, 5, generator=rng) * 2 - 1
    return torch.nn.functional.interpolate(coarse, size=(size, size), mode="bilinear")


# at least six rows are known, three of them together: PatchMatch finds 3x3 patches in them
HOLES = st.tuples(st.integers(1, 10), st.integers(1, SIZE), st.floats(0, 1), st.floats(0, 1)).map(
    lambda draw: rectangle_mask(
        round(draw[2] * (SIZE - draw[0])), round(draw[3] * (SIZE - draw[1])), draw[0], draw[1], SIZE
    )
)


@pytest.mark.parametrize("name", BASELINES)
@given(
    mask=HOLES, seed=st.integers(0, 2**16), junk=st.sampled_from([float("nan"), float("inf"), 1e9])
)
@settings(max_examples=6)
def test_known_pixels_stay_and_the_hole_is_never_read(name, mask, seed, junk):
    images = pictures(1, seed)
    given_images = images.clone()
    filled = fill(name, images, mask)
    assert filled.shape == images.shape and filled.dtype == torch.float32
    known = (mask > 0).expand_as(images)
    assert torch.equal(filled[known], images[known])
    assert filled.abs().max() <= 1  # not NaN either
    assert torch.equal(fill(name, torch.where(known, images, junk), mask), filled)
    assert torch.equal(images, given_images)


@pytest.mark.parametrize("name", BASELINES)
def test_a_batch_with_its_own_masks_equals_one_at_a_time(name):
    images = pictures(3, 1)
    masks = torch.cat(
        [center_mask(size=SIZE), half_mask("top", size=SIZE), rectangle_mask(2, 3, 5, 4, SIZE)]
    )
    together = fill(name, images, masks)
    for row in range(3):
        torch.testing.assert_close(
            fill(name, images[row : row + 1], masks[row : row + 1]),
            together[row : row + 1],
            atol=1e-5,
            rtol=0,
        )
    one = fill(name, images, masks[:1])
    torch.testing.assert_close(
        one, fill(name, images, masks[:1].expand(3, -1, -1, -1)), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("name", BASELINES)
def test_other_types_and_gradients_do_no_harm(name):
    images, mask = pictures(1, 2), center_mask(size=SIZE)
    expected = fill(name, images, mask)
    for variant in (images.double(), images.clone().requires_grad_()):
        filled = fill(name, variant, mask.bool())
        assert filled.dtype == torch.float32 and not filled.requires_grad
        torch.testing.assert_close(filled, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", [name for name in BASELINES if name != "mean"])
def test_a_constant_picture_is_restored(name):
    color = torch.tensor([0.4, -0.3, 0.8])[None, :, None, None]
    images = color.expand(1, 3, 32, 32).contiguous()
    options = {"pictures": np.full((2, 32, 32, 3), 200, np.uint8)} if name in NEED_PICTURES else {}
    filled = fill_with(name, images, center_mask(8, size=32), **options)
    # the pasted neighbor has another color; blended, only its gradients count. Low rank stops at
    # its stated tolerance
    tolerance = {
        "nearest-neighbor": 2,
        "truncated-nuclear-norm": 5e-3,
        "nonconvex-low-rank": 5e-3,
    }.get(name, 1e-5)
    torch.testing.assert_close(filled, images, atol=tolerance, rtol=0)


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize(
    "images, mask, said",
    [
        (pictures(1), torch.ones(1, 1, SIZE, SIZE), "no hole"),
        (pictures(1), torch.zeros(1, 1, SIZE, SIZE), "no known"),
        (pictures(1), center_mask(size=8), "does not fit"),
        (pictures(1), center_mask(size=SIZE) * 0.5, "only 0"),
        (pictures(2), center_mask(size=SIZE).expand(3, -1, -1, -1), "does not fit"),
        (pictures(1) * 3, center_mask(size=SIZE), r"\[-1, 1\]"),
        (pictures(1)[:, :1], center_mask(size=SIZE), r"\(B, 3, H, W\)"),
        (pictures(1)[0], center_mask(size=SIZE), r"\(B, 3, H, W\)"),
        ((pictures(1) * 127).to(torch.uint8), center_mask(size=SIZE), "float"),
        (
            torch.where(torch.arange(SIZE) == 0, torch.nan, pictures(1)),
            center_mask(size=SIZE),
            "NaN",
        ),
        (pictures(1)[:0], center_mask(size=SIZE), "no pictures"),
        (COLLECTION[:1], center_mask(size=SIZE), "float tensor"),
    ],
)
def test_wrong_input_is_refused(name, images, mask, said):
    with pytest.raises(ValueError, match=said):
        fill(name, images, mask)


def test_unknown_names_and_a_missing_collection_are_refused():
    with pytest.raises(ValueError, match="unknown baseline 'magic': choose from mean, "):
        fill_with("magic", pictures(), center_mask(size=SIZE))
    for name in NEED_PICTURES:
        with pytest.raises(ValueError, match="give pictures="):
            fill_with(name, pictures(), center_mask(size=SIZE))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "name", ["total-variation", "truncated-nuclear-norm", "nonconvex-low-rank"]
)
def test_the_defaults_converge_on_faces(name, family):
    faces = load_dataset("synthetic-faces", split="test", limit=2).images(slice(None))
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        fill_with(name, faces, make_masks(family))


@pytest.mark.parametrize(
    "name", ["total-variation", "truncated-nuclear-norm", "nonconvex-low-rank"]
)
def test_stopping_early_is_said(name):
    with pytest.warns(RuntimeWarning, match="not converged .* after 2 steps"):
        fill_with(
            name, pictures(), random_mask(torch.Generator().manual_seed(0), size=SIZE), max_steps=2
        )


@pytest.mark.parametrize(
    "name", ["total-variation", "truncated-nuclear-norm", "nonconvex-low-rank"]
)
@pytest.mark.parametrize("tolerance", [0.0, -1.0])
def test_a_tolerance_that_cannot_be_met_is_refused(name, tolerance):
    with pytest.raises(
        ValueError, match="tolerance must be positive|penalty and tolerance|gamma and tolerance"
    ):
        fill_with(name, pictures(), center_mask(size=SIZE), tolerance=tolerance)


def test_mean_fill_is_the_mean_of_the_known_pixels():
    images, mask = pictures(2, 3), random_mask(torch.Generator().manual_seed(1), size=SIZE)
    filled = mean_fill(images, mask)
    for row in range(2):
        for channel in range(3):
            values = [
                images[row, channel, r, c].item()
                for r in range(SIZE)
                for c in range(SIZE)
                if mask[0, 0, r, c] == 1
            ]
            hole = filled[row, channel][mask[0, 0] == 0]
            np.testing.assert_allclose(hole, np.mean(values), atol=1e-6)


def test_biharmonic_fill_continues_a_slope():
    """A ramp is biharmonic: it comes back, where the mean and total variation flatten it."""
    ramp = torch.linspace(-0.8, 0.8, 32).expand(1, 3, 32, 32)
    mask = center_mask(12, size=32)
    torch.testing.assert_close(biharmonic_fill(ramp, mask), ramp, atol=1e-4, rtol=0)
    assert (mean_fill(ramp, mask) - ramp).abs().max() > 0.1
