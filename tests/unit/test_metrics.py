"""Metrics against scikit-image, plain loops and counting."""

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from tutorial_lib import load_dataset
from tutorial_lib.evaluation.metrics import auc, face_found, psnr, seam_strength, ssim
from tutorial_lib.images import to_float, to_uint8
from tutorial_lib.masks import center_mask, make_masks

WANG = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}


def pair(seed=0, count=3, error=0.3, size=(64, 64)):
    """Blurred noise and the same with some error, so that SSIM is anywhere between 0 and 1."""
    rng = torch.Generator().manual_seed(seed)
    noise = torch.randn(count, 3, *size, generator=rng)
    originals = (3 * torch.nn.functional.avg_pool2d(noise, 5, 1, 2)).clamp(-1, 1)
    return (originals + error * torch.randn(originals.shape, generator=rng)).clamp(-1, 1), originals


@given(st.integers(0, 10**6), st.floats(0.01, 1), st.sampled_from([(64, 64), (17, 40)]))
@settings(max_examples=20, deadline=None)
def test_whole_pictures_equal_scikit_image(seed, error, size):
    images, originals = pair(seed, 2, error, size)
    images, originals = (to_float(to_uint8(pictures)) for pictures in (images, originals))
    for metric, theirs in (
        (psnr, lambda a, b: peak_signal_noise_ratio(b, a)),
        (ssim, partial(structural_similarity, channel_axis=2, **WANG)),
    ):
        values = metric(images, originals)
        assert values.shape == (2,) and values.dtype == torch.float64
        # of 8 bit pixels, as everybody takes them
        pairs = zip(to_uint8(images), to_uint8(originals), strict=True)
        expected = [theirs(a, b) for a, b in pairs]
        np.testing.assert_allclose(values.numpy(), expected, atol=1e-4)


@pytest.mark.parametrize("family", ["center", "pattern", "random", "half"])
def test_hole_only_equals_a_plain_loop(family):
    images, originals = pair(size=(24, 24))
    masks = make_masks(family, 3, torch.Generator().manual_seed(5), size=24)
    for row, (decibels, similarity) in enumerate(
        zip(psnr(images, originals, masks), ssim(images, originals, masks), strict=True)
    ):
        _, local = structural_similarity(
            images[row].double().numpy() + 1,
            originals[row].double().numpy() + 1,
            channel_axis=0,
            data_range=2,
            full=True,
            **WANG,
        )
        squares, similarities = [], []
        for y in range(24):
            for x in range(24):
                if masks[row, 0, y, x] == 0:
                    for channel in range(3):
                        squares.append(
                            (
                                float(images[row, channel, y, x])
                                - float(originals[row, channel, y, x])
                            )
                            ** 2
                        )
                        similarities.append(local[channel, y, x])
        assert decibels == pytest.approx(10 * np.log10(4 / np.mean(squares)), abs=1e-6)
        assert similarity == pytest.approx(np.mean(similarities), abs=1e-6)


def test_ssim_is_that_of_wang_written_out():
    images, originals = (pictures[:, :1] for pictures in pair(7, 2, size=(20, 26)))
    x = np.arange(-5, 6)
    window = np.exp(-(x[:, None] ** 2 + x**2) / (2 * 1.5**2))
    window = torch.from_numpy(window / window.sum())[None, None]

    def mean(values):
        return torch.nn.functional.conv2d(values, window)

    a, b = images.double() + 1, originals.double() + 1
    c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2
    variance_a, variance_b, covariance = (
        mean(a * a) - mean(a) ** 2,
        mean(b * b) - mean(b) ** 2,
        mean(a * b) - mean(a) * mean(b),
    )
    expected = (
        (2 * mean(a) * mean(b) + c1)
        * (2 * covariance + c2)
        / ((mean(a) ** 2 + mean(b) ** 2 + c1) * (variance_a + variance_b + c2))
    )
    three = ssim(images.expand(-1, 3, -1, -1), originals.expand(-1, 3, -1, -1))
    torch.testing.assert_close(three, expected.mean((1, 2, 3)), atol=1e-6, rtol=0)


def test_one_mask_serves_all_pictures_and_any_type_of_it():
    images, originals = pair()
    for metric in (psnr, ssim):
        expected = metric(images, originals, center_mask().expand(3, -1, -1, -1))
        assert torch.equal(metric(images, originals, center_mask()), expected)
        assert torch.equal(metric(images, originals, center_mask().bool()), expected)


@given(st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_whole_and_hole_differ_by_six_decibels_for_the_center_hole(seed):
    images, originals = pair(seed)
    completed = torch.where(center_mask() == 0, images, originals)
    whole, hole = psnr(completed, originals), psnr(completed, originals, center_mask())
    torch.testing.assert_close(
        whole - hole, torch.full_like(whole, 20 * np.log10(2)), atol=1e-9, rtol=0
    )  # 6.02
    torch.testing.assert_close(
        psnr(images, originals, center_mask()), hole
    )  # known pixels do not count


def test_equal_pictures_are_infinitely_good():
    images, originals = pair()
    for mask in (None, center_mask()):
        assert (psnr(originals, originals, mask) == torch.inf).all()
        assert ssim(originals, originals, mask).tolist() == pytest.approx([1, 1, 1])
    images[1:] = originals[1:]
    assert psnr(images, originals).isinf().tolist() == [False, True, True]


def test_black_against_white_is_zero_decibels():
    black = -torch.ones(1, 3, 16, 16)
    assert psnr(black, -black).tolist() == [0] and psnr(0 * black, black).item() == pytest.approx(
        6.0206, abs=1e-4
    )


@pytest.mark.parametrize("metric", [psnr, ssim])
@pytest.mark.parametrize(
    "images, mask, message",
    [
        (torch.zeros(2, 3, 64, 64), None, "of one shape"),
        (torch.zeros(3, 3, 64, 32), None, "of one shape"),
        (torch.zeros(3, 3, 64, 64), center_mask()[0], r"\(1, 64, 64\)"),
        (torch.zeros(3, 3, 64, 64), center_mask(size=32), r"\(1, 1, 32, 32\)"),
        (torch.zeros(3, 3, 64, 64), center_mask().expand(2, -1, -1, -1), r"\(2, 1, 64, 64\)"),
        (torch.zeros(3, 3, 64, 64), center_mask().expand(3, 3, -1, -1), r"\(3, 3, 64, 64\)"),
        (torch.zeros(3, 3, 64, 64), torch.ones(1, 1, 64, 64), "no hole"),
        (
            torch.zeros(3, 3, 64, 64),
            torch.cat([center_mask(), torch.ones(1, 1, 64, 64), center_mask()]),
            "no hole",
        ),
    ],
)
def test_what_does_not_fit_is_refused(metric, images, mask, message):
    with pytest.raises(ValueError, match=message):
        metric(images, torch.zeros(3, 3, 64, 64), mask)


def test_a_single_picture_without_its_batch_is_refused():
    with pytest.raises(ValueError, match=r"\(3, 64, 64\)"):
        psnr(torch.zeros(3, 64, 64), torch.zeros(3, 64, 64))


@pytest.mark.parametrize("family", ["center", "pattern", "random", "half"])
def test_seam_strength_equals_a_plain_loop(family):
    images, _ = pair(size=(16, 16))
    masks = make_masks(family, 3, torch.Generator().manual_seed(5), size=16)
    strengths = seam_strength(images, masks)
    assert strengths.shape == (3,)
    for row in range(3):
        steps = []
        for y in range(16):
            for x in range(16):
                for v, u in ((y + 1, x), (y, x + 1)):
                    if v < 16 and u < 16 and masks[row, 0, y, x] != masks[row, 0, v, u]:
                        steps += (images[row, :, y, x] - images[row, :, v, u]).abs().tolist()
        assert strengths[row] == pytest.approx(np.mean(steps), abs=1e-6)


def test_seam_strength_is_the_step_at_the_edge_of_the_hole():
    mask = center_mask(size=16)
    pasted = torch.where(mask > 0, torch.full((1, 3, 16, 16), -0.25), 0.5)
    assert seam_strength(pasted, mask).tolist() == pytest.approx([0.75])
    assert seam_strength(0 * pasted, mask).tolist() == [0]
    with pytest.raises(ValueError, match="no hole"):
        seam_strength(pasted, torch.ones(1, 1, 16, 16))


few_levels = st.lists(st.integers(-3, 3), min_size=1, max_size=12)  # so that ties are common


@given(few_levels, few_levels)
@settings(deadline=None)
def test_auc_counts_pairs(positives, negatives):
    wins = sum((p > n) + 0.5 * (p == n) for p in positives for n in negatives)
    value = auc(torch.tensor(positives).float(), torch.tensor(negatives).float())
    assert value == pytest.approx(wins / (len(positives) * len(negatives)))


def test_a_face_is_found_in_portraits_and_not_in_noise():
    portraits = load_dataset("two-portraits", limit=2).images(slice(None))
    noise = torch.rand(6, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    found = face_found(torch.cat([portraits, noise, torch.zeros(1, 3, 64, 64)]))
    assert found.dtype == bool and found.tolist() == [True] * len(portraits) + [False] * 7
