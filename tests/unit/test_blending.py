"""Eq. 6 against a dense least-squares solve of all pairs of neighbors, and scipy's Laplacian."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.sparse.linalg import LaplacianNd, spsolve

from tutorial_lib.inpainting import blending
from tutorial_lib.inpainting.blending import poisson_blend
from tutorial_lib.masks import FAMILIES, SIDES, half_mask, make_masks, rectangle_mask


def draws(*shape, seed=0):
    return (
        torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2
        - 1
    )


def least_squares(generated: np.ndarray, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """One channel: a row for each pair of neighbors that touches the hole, a column for each hole
    pixel.
    """
    hole = {tuple(place): number for number, place in enumerate(np.argwhere(mask == 0))}
    rows, right = [], []
    height, width = mask.shape
    for r in range(height):
        for c in range(width):
            for other in ((r + 1, c), (r, c + 1)):
                if (
                    other[0] == height
                    or other[1] == width
                    or ((r, c) not in hole and other not in hole)
                ):
                    continue
                row, value = np.zeros(len(hole)), generated[other] - generated[r, c]
                for place, sign in ((other, 1), ((r, c), -1)):
                    if place in hole:
                        row[hole[place]] = sign
                    else:
                        value -= sign * image[place]
                rows.append(row)
                right.append(value)
    solved = np.linalg.lstsq(np.array(rows), np.array(right), rcond=None)[0]
    result = image.copy()
    for place, number in hole.items():
        result[place] = solved[number]
    return result


SIZE = 16
EDGES = {
    "left": rectangle_mask(4, 0, 6, 5, SIZE),
    "right": rectangle_mask(4, 11, 6, 5, SIZE),
    "top": rectangle_mask(0, 5, 4, 6, SIZE),
    "bottom": rectangle_mask(12, 5, 4, 6, SIZE),
    "corner": rectangle_mask(0, 0, 7, 7, SIZE),
    "all round": 1 - rectangle_mask(7, 7, 2, 2, SIZE),
}
MASKS = (
    {family: make_masks(family, size=SIZE) for family in FAMILIES}
    | EDGES
    | {f"half {side}": half_mask(side, size=SIZE) for side in SIDES}
)


@pytest.mark.parametrize("name", MASKS)
def test_equals_dense_least_squares(name):
    mask = MASKS[name]
    generated, images = draws(1, 3, SIZE, SIZE, seed=1), draws(1, 3, SIZE, SIZE, seed=2)
    ours = poisson_blend(generated, images, mask)
    for channel in range(3):
        expected = least_squares(
            generated[0, channel].numpy(), images[0, channel].numpy(), mask[0, 0].numpy()
        )
        np.testing.assert_allclose(ours[0, channel].numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
def test_equals_spsolve_with_the_laplacian_of_scipy(family):
    """At the size of the course's pictures; Neumann's condition is a natural boundary."""
    mask = make_masks(family)
    generated, images = draws(1, 3, 64, 64, seed=21), draws(1, 3, 64, 64, seed=22)
    laplacian = LaplacianNd((64, 64), boundary_conditions="neumann", dtype=float).tosparse().tocsc()
    hole = (mask == 0).flatten().numpy()
    g, y = (x[0].flatten(1).T.numpy() for x in (generated, images))  # (4096, 3)
    u = spsolve(laplacian[hole][:, hole], -laplacian[hole][:, ~hole] @ (y - g)[~hole])
    ours = poisson_blend(generated, images, mask)[0].flatten(1).T.numpy()
    np.testing.assert_allclose(ours[hole], g[hole] + u, atol=1e-12)
    np.testing.assert_array_equal(ours[~hole], y[~hole])


@given(arrays(np.float64, (6, 7), elements=st.sampled_from([0.0, 1.0])))
@settings(max_examples=40, deadline=None)
def test_equals_dense_least_squares_on_any_mask(array):
    if array.all() or not array.any():
        array[2, 3] = 1 - array[2, 3]
    generated, images = draws(1, 3, 6, 7, seed=3), draws(1, 3, 6, 7, seed=4)
    ours = poisson_blend(generated, images, torch.from_numpy(array)[None, None])
    np.testing.assert_allclose(
        ours[0, 1].numpy(),
        least_squares(generated[0, 1].numpy(), images[0, 1].numpy(), array),
        atol=1e-6,
    )


def test_the_same_pixels_in_another_shape_are_another_hole():
    flat = (torch.arange(42) % 5 > 0).double()
    for shape in ((6, 7), (7, 6)):
        generated, images, mask = (
            draws(1, 3, *shape, seed=19),
            draws(1, 3, *shape, seed=20),
            flat.view(1, 1, *shape),
        )
        expected = least_squares(generated[0, 0].numpy(), images[0, 0].numpy(), mask[0, 0].numpy())
        np.testing.assert_allclose(
            poisson_blend(generated, images, mask)[0, 0].numpy(), expected, atol=1e-6
        )


@pytest.mark.parametrize("place", [(0, 0), (3, 4), (15, 15)])
def test_a_hole_of_one_pixel_is_the_mean_of_what_g_says_of_its_neighbors(place):
    mask = torch.ones(1, 1, SIZE, SIZE)
    mask[0, 0, *place] = 0
    generated, images = draws(1, 3, SIZE, SIZE, seed=17), draws(1, 3, SIZE, SIZE, seed=18)
    near = [(place[0] + dy, place[1] + dx) for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0))]
    near = [(r, c) for r, c in near if 0 <= r < SIZE and 0 <= c < SIZE]
    u = torch.stack([images[0, :, r, c] - generated[0, :, r, c] for r, c in near]).mean(0)
    blended = poisson_blend(generated, images, mask)
    torch.testing.assert_close(
        blended[0, :, *place], generated[0, :, *place] + u, atol=1e-12, rtol=0
    )


def test_a_batch_of_different_masks_equals_one_at_a_time():
    """Bit for bit, with masks that come again after more others than factors are kept."""
    rng = torch.Generator().manual_seed(5)
    masks = torch.cat([make_masks(family, 17, rng, SIZE) for family in FAMILIES] * 2)
    assert len(masks.unique(dim=0)) > blending._factored.cache_info().maxsize
    generated, images = (draws(len(masks), 3, SIZE, SIZE, seed=seed) for seed in (5, 6))
    together = poisson_blend(generated, images, masks)
    for row in range(len(masks)):
        alone = poisson_blend(generated[row : row + 1], images[row : row + 1], masks[row : row + 1])
        assert torch.equal(together[row : row + 1], alone)


def test_one_mask_serves_a_whole_batch():
    mask = make_masks("pattern", size=SIZE)
    generated, images = draws(3, 3, SIZE, SIZE, seed=15), draws(3, 3, SIZE, SIZE, seed=16)
    together = poisson_blend(generated, images, mask.expand(3, -1, -1, -1))
    assert torch.equal(poisson_blend(generated, images, mask), together)


@pytest.mark.parametrize("junk", [float("nan"), 1e9])
def test_nothing_peeks_under_the_hole(junk):
    mask = make_masks("pattern", 2)
    generated, images = draws(2, 3, 64, 64, seed=7).float(), draws(2, 3, 64, 64, seed=8).float()
    clean = poisson_blend(generated, images, mask)
    assert torch.equal(clean, poisson_blend(generated, torch.where(mask > 0, images, junk), mask))


def test_known_pixels_stay_and_the_type_is_kept():
    mask = make_masks("center")
    generated, images = draws(1, 3, 64, 64, seed=9).float(), draws(1, 3, 64, 64, seed=10).float()
    blended = poisson_blend(generated, images, mask)
    assert blended.dtype == torch.float32
    known = (mask > 0).expand_as(images)
    assert torch.equal(blended[known], images[known])
    # that of `generated`, whatever the photographs are
    assert torch.equal(poisson_blend(generated, images.double(), mask), blended)
    assert poisson_blend(generated.bfloat16(), images, mask).dtype == torch.bfloat16


def test_what_hangs_on_a_graph_is_blended_as_well():
    generated, images, mask = (
        draws(2, 3, SIZE, SIZE),
        draws(2, 3, SIZE, SIZE, seed=1),
        MASKS["center"],
    )
    blended = poisson_blend(generated.clone().requires_grad_(True), images, mask)
    assert (
        torch.equal(blended, poisson_blend(generated, images, mask)) and not blended.requires_grad
    )


def test_a_shift_of_g_changes_nothing_and_matching_gradients_are_kept():
    """Only gradients of G enter.

    Where G's gradients are the picture's own, the picture comes back.
    """
    mask = make_masks("half")
    images = draws(1, 3, 64, 64, seed=11) / 4
    torch.testing.assert_close(poisson_blend(images + 0.3, images, mask), images, atol=1e-9, rtol=0)


def test_it_never_clamps():
    mask = make_masks("center", size=SIZE)
    generated = draws(1, 3, SIZE, SIZE, seed=14)
    assert poisson_blend(generated, torch.ones_like(generated), mask).max() > 1.5


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        poisson_blend(draws(1, 3, 8, 8), draws(2, 3, 8, 8), make_masks("center", size=8))
    with pytest.raises(ValueError, match="no hole"):
        poisson_blend(draws(1, 3, 8, 8), draws(1, 3, 8, 8), torch.ones(1, 1, 8, 8))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_the_gpu_agrees_with_the_cpu():
    masks = torch.cat([make_masks(family, 2) for family in FAMILIES])
    generated, images = draws(8, 3, 64, 64, seed=12).float(), draws(8, 3, 64, 64, seed=13).float()
    gpu = poisson_blend(generated.cuda(), images.cuda(), masks.cuda())
    assert gpu.device.type == "cuda"
    torch.testing.assert_close(
        gpu.cpu(), poisson_blend(generated, images, masks), atol=1e-4, rtol=0
    )
