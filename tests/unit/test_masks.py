"""Masks: 1 is known, 0 is the hole.

Counts to the pixel, seeds, sides, and what may not pass the door.
"""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tutorial_lib.masks import (
    FAMILIES,
    SIDES,
    center_mask,
    check_batch,
    check_mask,
    corrupt,
    half_mask,
    make_masks,
    mask_from_array,
    mixed_masks,
    pattern_mask,
    random_mask,
    read_mask,
    rectangle_mask,
)

DRAWN = ("pattern", "random", "half")


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def missing(masks):
    return (masks == 0).flatten(1).sum(1).tolist()


# -- the four families --


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("size", [32, 64, 96])
def test_missing_pixels_are_as_many_as_promised(family, size):
    masks = make_masks(family, 5, rng(), size)
    assert masks.shape == (5, 1, size, size) and masks.dtype == torch.float32
    assert set(masks.unique().tolist()) == {0, 1}
    share = {"center": 0.25, "pattern": 0.25, "random": 0.8, "half": 0.5}[family]
    assert missing(masks) == [round(share * size * size)] * 5


@given(st.floats(0.001, 0.999), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_any_fraction_is_met_to_the_pixel(share, seed):
    for draw in (pattern_mask, random_mask):
        assert missing(draw(rng(seed), share)) == [round(share * 4096)]


@pytest.mark.parametrize("share", [0, 1, -0.5, 1.5, 0.0001])
def test_a_fraction_that_leaves_no_hole_or_nothing_known_is_refused(share):
    for draw in (pattern_mask, random_mask):
        with pytest.raises(ValueError, match=str(share)):
            draw(rng(), share)


def test_center_is_the_middle():
    mask = center_mask()
    assert not mask[0, 0, 16:48, 16:48].any() and mask.sum() == 64 * 64 - 32 * 32
    for turned in (mask.flip(2), mask.flip(3), mask.transpose(2, 3)):
        assert torch.equal(turned, mask)
    assert missing(center_mask(10)) == [100]


@pytest.mark.parametrize("family", FAMILIES)
def test_same_seed_same_masks(family):
    assert torch.equal(make_masks(family, 6, rng(3)), make_masks(family, 6, rng(3)))
    assert torch.equal(make_masks(family, 6), make_masks(family, 6, rng(0)))


@pytest.mark.parametrize("family", DRAWN)
def test_another_seed_or_row_is_another_mask(family):
    rows = [row.numpy().tobytes() for row in make_masks(family, 40, rng(3))]
    assert len(set(rows)) == (4 if family == "half" else 40)
    assert not torch.equal(make_masks(family, 40, rng(3)), make_masks(family, 40, rng(4)))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("given_rng", [True, False])
def test_the_global_generator_is_neither_read_nor_moved(family, given_rng):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    masks = make_masks(family, 3, rng() if given_rng else None)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(make_masks(family, 3, rng() if given_rng else None), masks)


def test_pattern_is_blobs_and_random_is_not():
    """How often a hole pixel's right neighbor is a hole too.

    Nearly always in blobs, 80 % where pixels are independent.
    """

    def together(masks):
        hole = masks == 0
        return (hole[..., :-1] & hole[..., 1:]).sum() / hole[..., :-1].sum()

    assert together(make_masks("pattern", 30, rng())) > 0.9
    assert together(make_masks("random", 30, rng())) == pytest.approx(0.8, abs=0.01)


def test_random_pixels_are_missing_equally_often_everywhere():
    known = make_masks("random", 400, rng()).mean(0)[0]
    assert known.mean() == pytest.approx(0.2, abs=1e-3)
    assert known.std() == pytest.approx((0.2 * 0.8 / 400) ** 0.5, rel=0.1)


@pytest.mark.parametrize("side", SIDES)
def test_half_takes_the_side_it_says(side):
    rows, columns = np.mgrid[0:64, 0:64]
    hole = {"left": columns < 32, "right": columns >= 32, "top": rows < 32, "bottom": rows >= 32}[
        side
    ]
    assert np.array_equal(half_mask(side)[0, 0].numpy(), 1 - hole)


def test_all_four_halves_come_up_about_equally_often():
    masks = make_masks("half", 400, rng())
    counts = {side: int((masks == half_mask(side)).flatten(1).all(1).sum()) for side in SIDES}
    assert sum(counts.values()) == 400 and min(counts.values()) > 70


def test_mixed_masks_are_as_many_of_each_family():
    missing = 1 - mixed_masks(FAMILIES, 8, rng()).mean((1, 2, 3))
    assert [round(share, 2) for share in missing.tolist()] == [0.25, 0.25, 0.8, 0.5] * 2


def test_what_is_unknown_is_refused_with_the_choices():
    with pytest.raises(ValueError, match="checkers.*pattern"):
        make_masks("checkers")
    with pytest.raises(ValueError, match="at least 1"):
        make_masks("center", 0)
    with pytest.raises(ValueError, match="middle|left"):
        half_mask("middle")
    with pytest.raises(ValueError, match="generator"):
        half_mask()


# -- rectangles, arrays, files --


@given(st.integers(-3, 20), st.integers(-3, 20), st.integers(-1, 20), st.integers(-1, 20))
@settings(max_examples=200, deadline=None)
def test_a_rectangle_is_where_it_was_put_or_refused(top, left, height, width):
    rows, columns = (
        np.mgrid[top : top + height, left : left + width]
        if height > 0 and width > 0
        else np.empty((2, 0, 0), int)
    )
    fits = (
        rows.size
        and min(top, left) >= 0
        and rows.max() < 16
        and columns.max() < 16
        and rows.size < 256
    )
    if not fits:
        with pytest.raises(ValueError, match="does not fit|no known pixel"):
            rectangle_mask(top, left, height, width, size=16)
        return
    expected = np.ones((1, 1, 16, 16), np.float32)
    expected[0, 0, rows, columns] = 0
    assert np.array_equal(rectangle_mask(top, left, height, width, size=16).numpy(), expected)


@pytest.mark.parametrize("known", [True, 1, 255, 1.0, 255.0])
def test_an_array_means_the_same_in_every_type(known):
    array = np.zeros(
        (20, 30), type(known) if not isinstance(known, int) or known is True else np.uint8
    )
    array[4:9, 3:30] = known
    mask = mask_from_array(array)
    assert mask.shape == (1, 1, 20, 30) and mask.dtype == torch.float32
    assert np.array_equal(mask[0, 0].numpy(), array > 0)


@pytest.mark.parametrize(
    "array, message",
    [
        (np.ones((8, 8, 3)), r"\(8, 8, 3\)"),
        (np.eye(8) * 2, r"\[0.0, 2.0\]"),
        (np.eye(8) * 0.5, "0.5"),
        (-np.eye(8), "-1"),
        (np.arange(64).reshape(8, 8), r"\[0, 1, 2, 3, 4\]"),
        (np.where(np.eye(8), np.nan, 1), "nan"),
        (np.eye(8) * 254, "254"),
        (np.ones((8, 8)), "no hole"),
        (np.zeros((8, 8)), "no known pixel"),
        (np.full((8, 8), 255), "no hole"),
    ],
)
def test_arrays_that_are_no_mask_are_refused(array, message):
    with pytest.raises(ValueError, match=message):
        mask_from_array(array)


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA"])
def test_a_black_and_white_file_is_read_as_drawn(tmp_path, mode):
    drawing = np.full((64, 64), 255, np.uint8)
    drawing[10:30, 5:50] = 0
    Image.fromarray(drawing).convert(mode).save(tmp_path / "mask.png")
    assert np.array_equal(read_mask(tmp_path / "mask.png")[0], drawing > 0)


def test_pictures_in_0_to_1_are_warned_of_and_channels_last_is_the_picture_s_fault():
    with pytest.warns(UserWarning, match=r"not in \[0, 1\]"):
        check_batch(torch.rand(1, 3, 64, 64), center_mask())
    with pytest.raises(ValueError, match=r"^images must be .* got torch.float32 \(1, 64, 64, 3\)"):
        check_batch(torch.zeros(1, 64, 64, 3), center_mask())


def test_soft_edges_are_cut_at_middle_gray_and_a_file_without_a_hole_is_refused(tmp_path):
    drawing = np.full((256, 128), 255, np.uint8)
    drawing[:, :64] = 0
    drawing[:, 60:64], drawing[:, 64:68] = 125, 130
    Image.fromarray(drawing).save(tmp_path / "mask.png")
    known, said = read_mask(tmp_path / "mask.png")
    assert np.array_equal(known, np.arange(128)[None] >= np.full((256, 1), 64))
    assert said == "black is the hole"
    Image.fromarray(np.full((64, 64), 255, np.uint8)).save(tmp_path / "white.png")
    with pytest.raises(ValueError, match="no hole"):
        read_mask(tmp_path / "white.png")


def drawn(hole=0, known=255, mode="L"):
    """A mask of 60x80 with a hole in rows 10 to 29, columns 5 to 49, and which pixels are known."""
    pixels = np.full((60, 80), known, np.uint8)
    pixels[10:30, 5:50] = hole
    return Image.fromarray(pixels).convert(mode), pixels == known


def photo_with_alpha(alpha):
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    return Image.fromarray(np.dstack([noise, alpha.astype(np.uint8)]))


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA", "P", "LA"])
def test_black_is_the_hole(mode):
    picture, expected = drawn(mode=mode)
    known, rule = read_mask(picture)
    assert known.dtype == bool and np.array_equal(known, expected) and rule == "black is the hole"


def test_a_mask_of_0_and_1_is_read_as_the_same_array_is():
    picture, expected = drawn(known=1)
    known, rule = read_mask(picture)
    assert np.array_equal(known, expected) and rule == "0 is the hole, 1 is known"


def test_where_a_photo_was_erased_is_the_hole():
    _, expected = drawn()
    known, rule = read_mask(photo_with_alpha(expected * 255))
    assert np.array_equal(known, expected) and rule == "what is transparent is the hole"
    soft = np.where(expected, 255, 0)
    soft[30, 5:50] = 200  # a soft brush
    assert np.array_equal(read_mask(photo_with_alpha(soft))[0], expected)


def test_white_drawn_on_transparent_is_known():
    _, expected = drawn()
    assert np.array_equal(read_mask(white_on_transparent(expected))[0], expected)


def white_on_transparent(seen):
    white = np.full((60, 80, 3), 255)
    return Image.fromarray(np.dstack([white, seen * 255]).astype(np.uint8))


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (
            lambda: photo_with_alpha(np.full((60, 80), 255)).convert("RGB"),
            "mostly gray: is it a photo",
        ),
        (lambda: photo_with_alpha(np.full((60, 80), 255)), "mostly gray"),
        (lambda: drawn(hole=100, known=150)[0], "mostly gray"),
        (
            lambda: Image.fromarray(
                np.dstack([np.zeros((60, 80, 3)), ~drawn()[1] * 255]).astype(np.uint8)
            ),
            "black is drawn on transparent, and either could be the hole",
        ),
        (
            lambda: white_on_transparent(~drawn()[1]),
            "white is drawn on transparent, and either could be the hole",
        ),
        (lambda: white_on_transparent(np.zeros((60, 80))), "no known pixel"),
        (lambda: drawn(hole=255)[0], "no hole"),
        (lambda: drawn(known=0)[0], "no known pixel"),
        (lambda: photo_with_alpha(np.zeros((60, 80))), "no known pixel"),
        (lambda: b"no picture", "cannot be read"),
    ],
)
def test_files_that_are_no_mask_are_refused(make, problem):
    with pytest.raises(ValueError, match=problem):
        read_mask(make())


# -- the door --


def two(change=lambda mask: mask):
    return change(torch.cat([center_mask(4, 8), center_mask(2, 8)]))


def second_row(value):
    def change(mask):
        mask[1] = value
        return mask

    return change


@pytest.mark.parametrize(
    "mask, message",
    [
        (np.ones((1, 1, 8, 8)), "ndarray"),
        (two()[0], r"\(B, 1, H, W\).*\(1, 8, 8\)"),
        (two().expand(-1, 3, -1, -1), r"\(2, 3, 8, 8\)"),
        (two(lambda m: m * 255), "only 0"),
        (two(lambda m: m * 2 - 1), "only 0"),
        (two(lambda m: m * 0.5), "only 0"),
        (two(lambda m: torch.where(m > 0, torch.nan, m)), "only 0"),
        (two(second_row(1)), "no hole"),
        (two(second_row(0)), "no known pixel"),
    ],
)
def test_wrong_masks_are_turned_away_with_what_is_wrong(mask, message):
    with pytest.raises(ValueError, match=message):
        check_mask(mask)
    with pytest.raises(ValueError, match=message):
        corrupt(torch.zeros(2, 3, 8, 8), mask)


@pytest.mark.parametrize(
    "mask", [center_mask(4, 10), two().repeat(2, 1, 1, 1), torch.cat([two(), two()[:1]])]
)
def test_a_mask_must_fit_the_pictures(mask):
    with pytest.raises(ValueError, match=r"does not fit the pictures \(2, 3, 8, 8\)"):
        check_mask(mask, torch.zeros(2, 3, 8, 8))


@pytest.mark.parametrize(
    "dtype", [torch.bool, torch.uint8, torch.int64, torch.float32, torch.float64]
)
def test_every_type_of_mask_comes_out_as_float_and_one_for_each_picture(dtype):
    images = torch.zeros(5, 3, 8, 8)
    mask = check_mask(two()[:1].to(dtype), images)
    assert mask.is_floating_point() and mask.shape == (5, 1, 8, 8)
    assert torch.equal(mask.float(), two()[:1].expand(5, -1, -1, -1))
    assert torch.equal(check_mask(two().to(dtype)).float(), two())


# -- the corrupted picture --


@given(
    st.sampled_from(FAMILIES),
    st.sampled_from([float("nan"), float("inf"), -float("inf"), 1e9]),
    st.integers(0, 999),
    st.booleans(),
    st.sampled_from([0.0, -1.0, 1.0, 0.25]),
)
@settings(max_examples=60, deadline=None)
def test_nothing_under_the_hole_comes_through_and_known_pixels_keep_every_bit(
    family, poison, seed, single, fill
):
    pictures = torch.rand(3, 3, 64, 64, generator=rng(seed)) * 2 - 1
    mask = make_masks(family, 1 if single else 3, rng(seed))
    hole = (mask == 0).expand(3, 3, 64, 64)
    poisoned = pictures.masked_fill(hole, poison)
    y = corrupt(poisoned, mask, fill)
    assert y.dtype == pictures.dtype and torch.equal(y, corrupt(pictures, mask, fill))
    assert (y[hole] == fill).all()
    assert torch.equal(y[~hole].view(torch.int32), pictures[~hole].view(torch.int32))
    assert (
        torch.equal(poisoned[~hole], pictures[~hole]) and not (poisoned[hole] == fill).any()
    )  # the input is left alone
