"""Looks in numbers: the two-sample test finds what differs and nothing else; the sliced Wasserstein
distance is one.
"""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import correlate1d
from scipy.stats import wasserstein_distance

from tutorial_lib import load_dataset
from tutorial_lib.evaluation import sliced_wasserstein, two_sample_auc
from tutorial_lib.evaluation.sliced_wasserstein import _enlarge, _sliced, laplacian_pyramid
from tutorial_lib.evaluation.two_sample import MARGIN, visible
from tutorial_lib.masks import center_mask, make_masks


@pytest.fixture(scope="module")
def faces():
    return load_dataset("synthetic-faces", split="test", limit=80).images(slice(None))


def mean_filled(images, mask):
    known = (mask == 1).float()
    mean = (images * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True)
    return torch.where(mask > 0, images, mean)


def test_originals_against_themselves_cannot_be_told(faces):
    found = two_sample_auc(faces[:40], faces[:40], center_mask())
    assert found.auc == 0.5 and found.standard_error == 0
    assert found.folds == (0.5,) * 5
    assert torch.equal(found.scores[0], found.scores[1])


def test_other_originals_are_told_hardly_better_than_by_chance(faces):
    found = two_sample_auc(faces[:40], faces[40:], center_mask())
    assert 0.3 < found.auc < 0.7


def test_a_mean_fill_is_always_told(faces):
    mask = center_mask()
    found = two_sample_auc(faces[:60], mean_filled(faces[:60], mask), mask)
    assert found.auc > 0.99
    assert found.scores[0].mean() > found.scores[1].mean()


def test_the_judge_sees_the_hole_and_four_pixels_around_it_alone(faces):
    mask = center_mask()
    changed = faces[:24].clone()
    changed[:, :, : 16 - MARGIN] = 1
    changed[:, :, :, 48 + MARGIN :] = -1
    same = two_sample_auc(faces[:24], changed, mask)
    assert same.auc == 0.5
    shown = visible(faces[:24], 1 - mask.expand(24, -1, -1, -1))
    assert shown.shape == (24, 4, 32 + 2 * MARGIN, 32 + 2 * MARGIN)
    assert torch.equal(shown[:, :3], faces[:24, :, 12:52, 12:52])


@pytest.mark.parametrize("family", ["pattern", "random", "half"])
def test_every_pixel_shown_is_near_a_hole(faces, family):
    masks = make_masks(family, 6)
    shown = visible(torch.ones(6, 3, 64, 64), 1 - masks)
    near = np.zeros((6, 64, 64), bool)
    for row, y, x in np.argwhere(masks[:, 0].numpy() == 0):
        near[row, max(0, y - MARGIN) : y + MARGIN + 1, max(0, x - MARGIN) : x + MARGIN + 1] = True
    assert shown[:, 0].sum() == near.sum() and shown[:, 3].sum() == (masks == 0).sum()


def test_the_same_seed_gives_the_same_figure(faces):
    few, mask = faces[:20], center_mask()
    first, second, third = (
        two_sample_auc(few, mean_filled(few, mask) * 0.5 + few * 0.5, mask, seed=seed)
        for seed in (1, 1, 2)
    )
    assert first.folds == second.folds and torch.equal(first.scores, second.scores)
    assert not torch.equal(first.scores, third.scores)
    assert str(first) == f"{first.auc:.3f} ± {first.standard_error:.3f}"


def test_too_few_or_unequal_pictures_are_refused(faces):
    with pytest.raises(ValueError, match="too few"):
        two_sample_auc(faces[:19], faces[:19])
    with pytest.raises(ValueError, match="one shape"):
        two_sample_auc(faces[:20], faces[:21])
    with pytest.raises(ValueError, match="completed"):
        two_sample_auc(faces[:20], faces[:20] * 300)


def test_the_distance_is_zero_for_one_set_and_grows_with_a_disturbance(faces):
    assert set(sliced_wasserstein(faces[:16], faces[:16], seed=3)) == {
        "64x64",
        "32x32",
        "16x16",
        "mean",
    }
    noise = torch.randn(faces[:16].shape, generator=torch.Generator().manual_seed(0))
    near, far = (
        sliced_wasserstein(faces[:16], (faces[:16] + size * noise).clamp(-1, 1))
        for size in (0.02, 0.2)
    )
    other = sliced_wasserstein(faces[:16], faces[16:32])
    assert near["mean"] < far["mean"]
    assert far["64x64"] > other["64x64"]  # noise is seen where it is: at the finest level
    blurred = F.avg_pool2d(faces[:16], 3, 1, 1, count_include_pad=False)
    soft = sliced_wasserstein(faces[:16], blurred)
    assert soft["64x64"] > soft["16x16"]


def test_in_one_dimension_it_is_scipys_distance():
    rng = torch.Generator().manual_seed(4)
    a, b = torch.randn(50, 1, generator=rng), 1 + torch.randn(50, 1, generator=rng)
    expected = wasserstein_distance(
        a[:, 0].numpy(), b[:, 0].numpy()
    )  # the only directions are +1 and -1
    assert _sliced(a, b, rng) == pytest.approx(expected, rel=1e-5)


def test_the_pyramid_is_complete_and_blurs_as_scipy_does(faces):
    fine, middle, rest = laplacian_pyramid(faces[:2])
    assert [level.shape[-1] for level in (fine, middle, rest)] == [64, 32, 16]
    again = _enlarge(_enlarge(rest) + middle) + fine
    torch.testing.assert_close(again, faces[:2], atol=1e-5, rtol=0)
    blurred = faces[0].numpy()
    for axis in (1, 2):
        blurred = correlate1d(blurred, np.array([1, 4, 6, 4, 1]) / 16, axis, mode="mirror")
    np.testing.assert_allclose((_enlarge(rest) + middle)[0], blurred[:, ::2, ::2], atol=1e-5)


def test_sets_of_unequal_size_have_no_distance(faces):
    with pytest.raises(ValueError, match="as many"):
        sliced_wasserstein(faces[:4], faces[:5])
    with pytest.raises(ValueError, match="64x64"):
        sliced_wasserstein(faces[:4, :, :32], faces[:4, :, :32])
