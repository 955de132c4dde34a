"""Augmentations against slow, plain restatements; junk keeps what it claims to keep."""

import pytest
import torch

from tutorial_lib.training.augment import KINDS, augment, flip, junk_like, shuffle_pixels


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def pictures():
    return torch.rand(6, 3, 64, 64, generator=rng(9)) * 2 - 1


def test_no_kinds_change_nothing(pictures):
    assert torch.equal(augment(pictures, (), rng()), pictures)


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_same_pictures_and_another_seed_others(pictures, kind):
    once = augment(pictures, (kind,), rng(1))
    assert torch.equal(once, augment(pictures, (kind,), rng(1)))
    assert not torch.equal(once, augment(pictures, (kind,), rng(2)))


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_right(kind):
    tiny = torch.rand(2, 3, 8, 8, dtype=torch.float64, generator=rng(3)).requires_grad_(True)
    assert torch.autograd.gradcheck(lambda x: augment(x, (kind,), rng(4)), tiny)


def test_translation_is_a_shift_with_zeros(pictures):
    moved = augment(pictures, ("translation",), rng(5))
    shifts = torch.randint(-8, 9, (6, 2), generator=rng(5))
    for row, (down, right) in enumerate(shifts.tolist()):
        for y, x in ((0, 0), (31, 17), (63, 63), (5, 60)):
            inside = 0 <= y + down < 64 and 0 <= x + right < 64
            expected = pictures[row, :, y + down, x + right] if inside else torch.zeros(3)
            assert torch.equal(moved[row, :, y, x], expected)


def test_cutout_zeroes_at_most_a_square_of_half_the_side(pictures):
    cut = augment(pictures, ("cutout",), rng(6))
    for before, after in zip(pictures, cut, strict=True):
        changed = (before != after).any(0)
        rows, columns = changed.any(1).sum(), changed.any(0).sum()
        assert 0 < rows <= 33 and 0 < columns <= 33
        assert (after[:, changed] == 0).all()


def test_flip_mirrors_about_half(pictures):
    many = pictures[:1].expand(400, -1, -1, -1)
    flipped = flip(many, rng(7))
    mirrored = (flipped == many.flip(3)).flatten(1).all(1)
    same = (flipped == many).flatten(1).all(1)
    assert (mirrored ^ same).all()
    assert 150 < mirrored.sum() < 250


def test_shuffled_pixels_are_the_same_colors(pictures):
    shuffled = shuffle_pixels(pictures, rng(8))
    for before, after in zip(pictures, shuffled, strict=True):
        assert not torch.equal(before, after)
        a, b = (set(map(tuple, x.flatten(1).T.tolist())) for x in (before, after))
        assert a == b


def test_junk_is_noise_shuffles_and_tiles(pictures):
    junk = junk_like(pictures, rng(9))
    assert junk.shape == pictures.shape and junk.abs().max() <= 1
    for row in (2, 5):  # every third: 16x16 tiles of the picture in another order
        tiles = {
            picture.unfold(1, 16, 16).unfold(2, 16, 16)[:, i, j].contiguous().numpy().tobytes()
            for picture in (pictures[row],)
            for i in range(4)
            for j in range(4)
        }
        found = {
            junk[row].unfold(1, 16, 16).unfold(2, 16, 16)[:, i, j].contiguous().numpy().tobytes()
            for i in range(4)
            for j in range(4)
        }
        assert found == tiles and not torch.equal(junk[row], pictures[row])


def test_unknown_kind_is_refused(pictures):
    with pytest.raises(ValueError, match="cutout"):
        augment(pictures, ("blur",), rng())
