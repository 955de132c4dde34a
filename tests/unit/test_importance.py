"""Eq. 3 against a brute-force double loop, for every family of masks and any window."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tutorial_lib.inpainting.importance import importance_weights
from tutorial_lib.masks import FAMILIES, center_mask, make_masks


def brute_force(mask: np.ndarray, window: int) -> np.ndarray:
    height, width = mask.shape
    reach = window // 2
    weights = np.zeros((height, width))
    for row in range(height):
        for column in range(width):
            if mask[row, column] == 0:
                continue
            missing = count = 0
            for r in range(max(0, row - reach), min(height, row + reach + 1)):
                for c in range(max(0, column - reach), min(width, column + reach + 1)):
                    missing += 1 - mask[r, c]
                    count += 1
            weights[row, column] = missing / count
    return weights


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("window", [3, 7])
def test_equals_the_double_loop(family, window):
    masks = make_masks(family, 2, torch.Generator().manual_seed(1))
    for mask, weights in zip(masks, importance_weights(masks, window), strict=True):
        np.testing.assert_allclose(
            weights[0].numpy(), brute_force(mask[0].numpy(), window), atol=1e-6
        )


@given(
    arrays(
        np.float32,
        st.tuples(st.integers(2, 9), st.integers(2, 9)),
        elements=st.sampled_from([0.0, 1.0]),
    ),
    st.sampled_from([3, 5, 7, 15]),
)
@settings(max_examples=60, deadline=None)
def test_equals_the_double_loop_on_any_mask(mask, window):
    if mask.all() or not mask.any():
        mask[0, 0] = 1 - mask[0, 0]
    weights = importance_weights(torch.from_numpy(mask)[None, None], window)
    np.testing.assert_allclose(weights[0, 0].numpy(), brute_force(mask, window), atol=1e-6)


def test_sums_for_the_center_hole():
    """Figures that tell the right reading of Eq. 3 from the inverted one, with a sum near 2965."""
    assert importance_weights(center_mask(), 7).sum().item() == pytest.approx(107, abs=0.5)
    assert importance_weights(center_mask(), 15).sum().item() == pytest.approx(225, abs=0.5)


def test_far_pixels_and_the_hole_weigh_nothing():
    weights = importance_weights(center_mask())[0, 0]
    assert (weights[16:48, 16:48] == 0).all()
    assert (weights[:13] == 0).all() and (weights[13] > 0).any()


@pytest.mark.parametrize("window", [0, 1, 4, -3])
def test_bad_windows_are_refused(window):
    with pytest.raises(ValueError, match="window"):
        importance_weights(center_mask(), window)
