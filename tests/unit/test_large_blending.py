"""Eq. 6 by multigrid against the exact solution, on holes of all shapes: a gray level at most."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from scipy.sparse.linalg import LaplacianNd, spsolve

from tutorial_lib.images import to_uint8
from tutorial_lib.inpainting import large_blending
from tutorial_lib.inpainting.blending import poisson_blend
from tutorial_lib.inpainting.large_blending import blend_large


def pictures(height, width, seed, rough=1.0):
    """A completion and a picture, (3, H, W): noise of several scales."""
    noise = np.random.default_rng(seed).normal(size=(2, 3, height, width))
    noise = rough * noise + 8 * gaussian_filter(noise, (0, 0, 4, 4), mode="nearest")
    return torch.from_numpy(noise.clip(-1, 1).astype(np.float32))


def levels_apart(generated, image, hole, known=None):
    """The largest difference from `poisson_blend` in 8 bit; known pixels are compared too."""
    ours = blend_large(generated, image, hole, ~hole if known is None else known)
    mask = (~hole).float()[None, None]
    exact = poisson_blend(generated[None].double(), image[None].double(), mask)
    assert torch.equal(ours[:, ~hole], image[:, ~hole])
    return np.abs(to_uint8(ours).astype(int) - to_uint8(exact)).max()


def shape(name, height, width, rng):
    hole = np.zeros((height, width), bool)
    if name == "rectangle":
        hole[height // 5 : -height // 6, width // 7 : -width // 3] = True
    elif name == "touches two edges":
        hole[height // 3 :, : width // 2] = True
    elif name == "all but one pixel":
        hole[:] = True
        hole[rng.integers(height), rng.integers(width)] = False
    elif name == "blobs":
        smooth = gaussian_filter(rng.normal(size=(height, width)), 6)
        hole = smooth > np.quantile(smooth, 0.6)
    elif name == "random pixels":
        hole = rng.random((height, width)) < 0.8
    elif name == "few known pixels":
        hole = rng.random((height, width)) < 0.995
    elif name == "random cells":
        hole = np.kron(rng.random((height // 8 + 1, width // 8 + 1)) < 0.7, np.ones((8, 8)))
        hole = hole[:height, :width] > 0
    elif name == "lines":
        hole[:] = True
        hole[::11] = hole[:, ::17] = False
    elif name == "one pixel":
        hole[rng.integers(height), rng.integers(width)] = True
    if not hole.any() or hole.all():
        hole[0, 0] = not hole[0, 0]
    return torch.from_numpy(hole)


SHAPES = (
    "rectangle",
    "touches two edges",
    "all but one pixel",
    "blobs",
    "random pixels",
    "few known pixels",
    "random cells",
    "lines",
    "one pixel",
)


@pytest.mark.parametrize("name", SHAPES)
def test_it_is_exact_to_a_gray_level(name):
    hole = shape(name, 200, 170, np.random.default_rng(0))
    assert levels_apart(*pictures(200, 170, seed=1), hole) <= 1


@settings(max_examples=40)
@given(
    st.sampled_from(SHAPES),
    st.integers(2, 90),
    st.integers(2, 90),
    st.integers(0, 10**6),
    st.sampled_from([0.0, 0.1, 1.0]),
)
def test_it_is_exact_to_a_gray_level_for_any_size(name, height, width, seed, rough):
    hole = shape(name, height, width, np.random.default_rng(seed))
    assert levels_apart(*pictures(height, width, seed, rough), hole) <= 1


@pytest.mark.parametrize(("height", "width"), [(1, 300), (300, 1), (2, 301), (3, 3)])
def test_narrow_pictures(height, width):
    hole = torch.ones(height, width, dtype=torch.bool)
    hole[0, 0] = False
    assert levels_apart(*pictures(height, width, seed=2), hole) <= 1


def test_what_is_neither_hole_nor_known_is_a_natural_boundary_and_never_read():
    """The right part of a picture that is neither: as if the picture ended there."""
    generated, image = pictures(60, 80, seed=3)
    hole = torch.zeros(60, 80, dtype=torch.bool)
    hole[20:40, 30:50] = True
    known = ~hole
    known[:, 50:] = False
    image[:, :, 50:] = torch.nan
    ours = blend_large(generated, image, hole, known)[..., :50]
    mask = known[None, None, :, :50].float()
    exact = poisson_blend(generated[None, ..., :50], image[None, ..., :50], mask)
    assert (ours - exact).abs().max() < 1 / 127.5


def test_a_hole_without_a_known_neighbor_keeps_the_completion():
    generated, image = pictures(40, 40, seed=4)
    hole = torch.zeros(40, 40, dtype=torch.bool)
    hole[10, 10] = hole[25, 30] = True
    known = ~hole
    known[:20] = False
    ours = blend_large(generated, image, hole, known)
    assert torch.equal(ours[:, 10, 10], generated[:, 10, 10])
    assert not torch.equal(ours[:, 25, 30], generated[:, 25, 30])


def test_hole_pixels_are_never_read():
    generated, image = pictures(50, 50, seed=5)
    hole = shape("blobs", 50, 50, np.random.default_rng(5))
    clean = blend_large(generated, image, hole, ~hole)
    assert torch.equal(
        clean, blend_large(generated, torch.where(hole, torch.nan, image), hole, ~hole)
    )


def test_the_v_cycle_is_symmetric_and_positive():
    """What conjugate gradients need; on a hole that touches the edge, with blocks of odd size."""
    hole = shape("blobs", 23, 19, np.random.default_rng(6))
    hole[:5] = True
    to_known = large_blending._neighbor_sum((~hole).double()) * hole
    grids = large_blending._make_grids(hole, to_known)
    assert len(grids) > 2
    places = np.argwhere(hole.numpy())
    matrix = torch.empty(len(places), len(places), dtype=torch.float64)
    for column, (row, place) in enumerate(places):
        unit = torch.zeros(23, 19, dtype=torch.float64)
        unit[row, place] = 1
        matrix[:, column] = large_blending._v_cycle(grids, unit)[hole]
    torch.testing.assert_close(matrix, matrix.T, atol=1e-12, rtol=0)
    assert torch.linalg.eigvalsh(matrix).min() > 0.05


def test_a_large_hole_needs_few_cycles(monkeypatch):
    """Plain conjugate gradients would take about as many steps as the hole has rows."""
    counts, cycle = [], large_blending._v_cycle
    sizes = (60, 480)
    for size in sizes:
        counts.append(0)

        def counted(grids, right, size=size):
            counts[-1] += right.shape == (size + 2, size + 2)
            return cycle(grids, right)

        monkeypatch.setattr(large_blending, "_v_cycle", counted)
        generated, image = pictures(size + 2, size + 2, seed=7)
        hole = torch.zeros(size + 2, size + 2, dtype=torch.bool)
        hole[1:-1, 1:-1] = True
        ours = blend_large(generated[:1], image[:1], hole, ~hole)
    assert max(counts) <= 12
    laplacian = LaplacianNd(tuple(hole.shape), boundary_conditions="neumann", dtype=float)
    rows = laplacian.tosparse().tocsr()[hole.numpy().ravel()]
    offset = np.where(hole, 0, image[0].double() - generated[0])
    exact = spsolve(rows[:, hole.numpy().ravel()].tocsc(), -rows @ offset.ravel())
    assert np.abs((ours - generated[:1])[0][hole].numpy() - exact).max() < 0.5 / 127.5


def test_it_says_when_it_does_not_converge(monkeypatch):
    monkeypatch.setattr(large_blending, "_MAX_CYCLES", 1)
    hole = shape("rectangle", 60, 60, np.random.default_rng(8))
    with pytest.raises(RuntimeError, match="not converged"):
        blend_large(*pictures(60, 60, seed=8), hole, ~hole)
