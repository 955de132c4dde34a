"""Total variation against double loops, and its minimum against a general-purpose optimizer."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize

from tutorial_lib.baselines.total_variation import total_variation, total_variation_fill
from tutorial_lib.masks import FAMILIES, half_mask, make_masks, rectangle_mask

SMOOTH = 1e-3


def draws(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 1.8 - 0.9


def by_hand(image):
    """(C, H, W) -> sum over pixels of the norm of all forward differences."""
    total, (channels, height, width) = 0.0, image.shape
    for r in range(height):
        for c in range(width):
            squares = 0.0
            for channel in range(channels):
                if c + 1 < width:
                    squares += (image[channel, r, c + 1] - image[channel, r, c]) ** 2
                if r + 1 < height:
                    squares += (image[channel, r + 1, c] - image[channel, r, c]) ** 2
            total += squares**0.5
    return total


def reference(image, mask):
    """Least total variation by L-BFGS, each pixel's norm rounded off to sqrt(|.|^2 + SMOOTH^2), in
    stages.

    The rounded sum is smooth, above the true one by at most SMOOTH a pixel, and convex: as all
    values lie in [-1, 1], what is left of its gradient bounds how far it is from its minimum.
    Returns (lower, upper) bounds of the least total variation.
    """
    hole = mask[0] == 0
    image = image.double()

    def smoothed(values, smooth):
        x = torch.tensor(values, requires_grad=True)
        full = image.clone()
        full[:, hole] = x.view(3, -1)
        right = torch.nn.functional.pad(full.diff(dim=2), (0, 1))
        down = torch.nn.functional.pad(full.diff(dim=1), (0, 0, 0, 1))
        total = ((right**2 + down**2).sum(0) + smooth**2).sqrt().sum()
        total.backward()
        return total.item(), x.grad.numpy()

    values = np.zeros(3 * int(hole.sum()))
    for smooth in (1e-1, 1e-2, SMOOTH):
        found = minimize(
            smoothed,
            values,
            args=(smooth,),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 20000, "maxfun": 40000, "ftol": 1e-15, "gtol": 1e-7, "maxcor": 30},
        )
        values = found.x
    full = image.clone()
    full[:, hole] = torch.from_numpy(values).view(3, -1)
    return found.fun - SMOOTH * hole.numel() - 2 * np.abs(found.jac).sum(), by_hand(full.numpy())


def test_total_variation_is_the_double_loop():
    images = draws(2, 3, 6, 9).double()
    np.testing.assert_allclose(
        total_variation(images), [by_hand(image.numpy()) for image in images], rtol=1e-12
    )


@pytest.fixture(autouse=True)
def no_early_end(recwarn):
    """The solver must prove that it is done."""
    yield
    assert not [
        str(warning.message) for warning in recwarn if "not converged" in str(warning.message)
    ]


def check_minimum(image, mask, tolerance):
    filled = total_variation_fill(image[None], mask[None], tolerance=tolerance)
    ours = by_hand(filled[0].double().numpy())
    lower, upper = reference(image, mask)
    assert upper - lower < 1.5 * SMOOTH * image[0].numel()  # or the comparison says little
    assert lower - 1e-5 <= ours <= upper * (1 + tolerance) + 1e-5


@pytest.mark.parametrize("family", FAMILIES)
def test_the_minimum_is_a_general_optimizers(family):
    check_minimum(draws(3, 8, 8, seed=1), make_masks(family, size=8)[0], 1e-4)


@given(arrays(np.float32, (4, 5), elements=st.sampled_from([0.0, 1.0])), st.integers(0, 2**16))
@settings(max_examples=8)
def test_the_minimum_on_any_mask(array, seed):
    if array.all() or not array.any():
        array[2, 3] = 1 - array[2, 3]
    check_minimum(draws(3, 4, 5, seed=seed), torch.from_numpy(array)[None], 1e-4)


@pytest.mark.parametrize("turned", [False, True])
def test_a_straight_edge_crosses_a_thin_hole(turned):
    images = torch.full((1, 3, 16, 16), -0.5)
    images[:, 0, :, 6:], images[:, 1:, :, 6:] = 0.7, 0.2
    mask = rectangle_mask(7, 2, 3, 12, 16)
    if turned:
        images, mask = images.mT.contiguous(), mask.mT.contiguous()
    torch.testing.assert_close(
        total_variation_fill(images, mask, tolerance=1e-5), images, atol=5e-3, rtol=0
    )


def test_a_constant_is_restored_exactly():
    images = torch.tensor([0.25, -0.3, 0.9])[None, :, None, None].expand(1, 3, 16, 16).contiguous()
    for mask in (half_mask("left", size=16), make_masks("random", size=16)):
        assert torch.equal(total_variation_fill(images, mask), images)


def test_the_tolerance_is_kept():
    """The reference is the same solver, a hundred times stricter at least, which the tests above
    tie to another one.
    """
    images, mask = draws(4, 3, 24, 24, seed=3), make_masks("random", size=24)

    def filled_to(tolerance):
        filled = total_variation_fill(images, mask, tolerance=tolerance, max_steps=20000)
        return total_variation(filled.double())

    least = filled_to(1e-7)
    for tolerance in (1e-2, 1e-5):
        reached = filled_to(tolerance)
        assert bool((reached <= least * (1 + tolerance)).all())
        assert bool((least <= reached * (1 + 1e-6)).all())
