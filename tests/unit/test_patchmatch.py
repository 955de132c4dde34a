"""PatchMatch's field against the exhaustive search, and fills whose answer is known."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from tutorial_lib.baselines.patchmatch import nearest_neighbor_field, patchmatch_fill
from tutorial_lib.baselines.simple import mean_fill
from tutorial_lib.datasets import load_dataset
from tutorial_lib.evaluation import metrics
from tutorial_lib.masks import center_mask, half_mask, make_masks, pattern_mask


def windows(picture, side):
    """All patches of a (C, H, W) picture, float64: (h, w, C * side * side)."""
    cut = np.lib.stride_tricks.sliding_window_view(
        picture.double().numpy(), (side, side), axis=(1, 2)
    )
    return cut.transpose(1, 2, 0, 3, 4).reshape(*cut.shape[1:3], -1)


def compare(target, source, side, wanted=None, usable=None, **options):
    """(mean distance over the exhaustive search's, fraction of exact matches).

    The distances stated are checked on the way.
    """
    field, cost = nearest_neighbor_field(
        target, source, side, wanted=wanted, usable=usable, **options
    )
    ours, theirs = windows(target, side), windows(source, side)
    wanted = np.ones(ours.shape[:2], bool) if wanted is None else wanted.numpy()
    usable = np.ones(theirs.shape[:2], bool) if usable is None else usable.numpy()
    assert np.isinf(cost.numpy()[~wanted]).all()
    row, column = field.numpy()[wanted].T
    assert usable[row, column].all()
    found = ((ours[wanted] - theirs[row, column]) ** 2).sum(1)
    np.testing.assert_allclose(cost.numpy()[wanted], found, rtol=1e-4, atol=1e-4)
    table = cdist(ours[wanted], theirs[usable], "sqeuclidean")
    assert (found >= table.min(1) - 1e-9).all()
    return found.mean() / table.min(1).mean(), np.mean(found <= table.min(1) + 1e-9)


@pytest.fixture(scope="module")
def pictures():
    faces = load_dataset("synthetic-faces", split="test", limit=2).images(slice(None))
    return torch.cat([load_dataset("two-portraits", limit=2).images(slice(None)), faces])


@pytest.mark.slow
@pytest.mark.parametrize("target, source", [(0, 1), (1, 0), (2, 3), (3, 0)])
def test_the_field_comes_close_to_the_exhaustive_one(pictures, target, source):
    ratio, exact = compare(pictures[target], pictures[source], 7)
    assert ratio < 1.1
    if target < 2:  # in a rendered picture's even areas many patches are nearly as good as the best
        assert exact > 0.5


def test_the_field_of_a_hole_keeps_to_known_patches(pictures):
    wanted = torch.zeros(58, 58, dtype=torch.bool)
    wanted[10:48, 10:48] = True
    ratio, exact = compare(pictures[0], pictures[0], 7, wanted=wanted, usable=~wanted)
    assert ratio < 1.1 and exact > 0.5


def test_more_sweeps_come_closer_and_a_start_is_kept(pictures):
    _, once = nearest_neighbor_field(pictures[0], pictures[1], 7, sweeps=1)
    _, often = nearest_neighbor_field(pictures[0], pictures[1], 7, sweeps=8)
    assert often.mean() < once.mean()
    field, cost = nearest_neighbor_field(pictures[0], pictures[1], 7)
    again, no_higher = nearest_neighbor_field(pictures[0], pictures[1], 7, start=field, sweeps=1)
    assert bool((no_higher <= cost).all())
    kept, same = nearest_neighbor_field(pictures[0], pictures[1], 7, start=field, sweeps=0)
    assert torch.equal(kept, field) and torch.equal(same, cost)


@given(st.integers(0, 2**16), st.integers(1, 4), st.integers(0, 4), st.integers(0, 4))
@settings(max_examples=10)
def test_a_shifted_picture_is_found(seed, side, down, right):
    """Every patch of a cutting lies in the picture it was cut from, at one offset.

    Matches spread from a few lucky guesses.
    """
    source = torch.rand(3, 16, 14, generator=torch.Generator().manual_seed(seed))
    target = source[:, down : down + 12, right : right + 10]
    field, cost = nearest_neighbor_field(target, source, side, sweeps=8)
    rows, columns = torch.meshgrid(
        torch.arange(field.shape[0]), torch.arange(field.shape[1]), indexing="ij"
    )
    exact = (field == torch.stack([rows + down, columns + right], dim=2)).all(2)
    assert exact.float().mean() > 0.95
    assert bool((cost[exact] < 1e-9).all())


@pytest.mark.parametrize(
    "mask",
    [center_mask(), half_mask("left"), pattern_mask(torch.Generator().manual_seed(2))],
    ids=["center", "half", "pattern"],
)
def test_a_periodic_texture_is_continued(mask):
    """8x8 tiles: each missing patch has copies that are wholly known."""
    tile = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    tile = torch.nn.functional.avg_pool2d(tile.repeat(1, 1, 3, 3), 3, 1, 1)[..., 8:16, 8:16]
    images = (tile - tile.amin()).repeat(1, 1, 8, 8) / (tile.amax() - tile.amin()) * 2 - 1
    filled = patchmatch_fill(images, mask)
    assert metrics.psnr(filled, images, mask).item() > 30
    assert metrics.psnr(mean_fill(images, mask), images, mask).item() < 18


def test_the_seed_decides(pictures):
    part, mask = pictures[:1, :, 16:48, 16:48], center_mask(size=32)
    state = torch.random.get_rng_state()
    first = patchmatch_fill(part, mask)
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.equal(first, patchmatch_fill(part, mask))
    assert not torch.equal(first, patchmatch_fill(part, mask, seed=1))


def test_odd_sizes_work():
    images = torch.rand(1, 3, 45, 51, generator=torch.Generator().manual_seed(3)) * 2 - 1
    mask = torch.ones(1, 1, 45, 51)
    mask[..., 10:30, 20:51] = 0
    filled = patchmatch_fill(images, mask)
    assert filled.shape == images.shape and filled.abs().max() <= 1


def test_random_pixels_leave_nothing_to_copy(pictures):
    with pytest.raises(ValueError, match="picture 1 has no wholly known 7x7 patch"):
        patchmatch_fill(pictures[:2], torch.cat([center_mask(), make_masks("random")]))


def test_wrong_sides_are_refused(pictures):
    for side in (1, 4, -3):
        with pytest.raises(ValueError, match="side must be odd"):
            patchmatch_fill(pictures[:1], center_mask(), side=side)
    with pytest.raises(ValueError, match="do not fit"):
        nearest_neighbor_field(pictures[0], pictures[1][:, :5], 7)
    with pytest.raises(ValueError, match="no patch of the source is usable"):
        nearest_neighbor_field(
            pictures[0], pictures[1], 7, usable=torch.zeros(58, 58, dtype=torch.bool)
        )
