"""The way back into the photo: where pixels land, what stays bit for bit, that no seam shows."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tutorial_lib.datasets.portraits import photographs
from tutorial_lib.faces import Transform
from tutorial_lib.images import to_float, to_uint8
from tutorial_lib.inpainting import put_back as module
from tutorial_lib.inpainting.blending import poisson_blend
from tutorial_lib.inpainting.put_back import (
    frame_in_photo,
    hole_in_photo,
    hole_in_picture,
    put_back,
)
from tutorial_lib.masks import center_mask, half_mask, make_masks, rectangle_mask


def similarity(center, side, degrees, size):
    """The transform of a square of `side` photo pixels around a point of the photo, turned."""
    scale, angle = 64 / side, np.deg2rad(degrees)
    turn = scale * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    shift = 31.5 - turn @ np.array(center)
    return Transform(np.column_stack([turn, shift]), size)


def noise(width, height, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def waves(x, y):
    """A smooth picture as a function of the place in the photo, (..., 3) in [-1, 1]."""
    return np.stack(
        [np.sin(x / 60 + y / 90), np.cos(x / 75 - y / 50) * 0.8, 0.5 * np.sin(y / 45)], -1
    )


def smooth_photo(width, height):
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(((waves(x, y) + 1) * 127.5).round().astype(np.uint8))


def resampled(transform, function=waves):
    """(1, 3, 64, 64): a perfect completion, the photo at the picture's pixel centers."""
    row, column = np.indices((64, 64)).reshape(2, -1)
    x, y = transform.to_photo(np.stack([column, row], 1)).T
    return torch.from_numpy(function(x, y).reshape(64, 64, 3)).permute(2, 0, 1)[None].float()


def changed(before, after):
    return (np.asarray(before) != np.asarray(after)).any(-1)


WIDTH, HEIGHT = 300, 240
PLACES = st.builds(
    similarity,
    st.tuples(st.floats(60, 240), st.floats(60, 180)),
    st.floats(40, 400),
    st.floats(-180, 180),
    st.just((WIDTH, HEIGHT)),
)
HOLES = st.sampled_from(["center", "pattern", "half", "random"])


# ---- where pixels land ---------------------------------------------------------------------------


@settings(max_examples=30)
@given(PLACES, HOLES)
def test_a_photo_pixel_is_hole_where_its_picture_pixel_is(transform, family):
    mask = make_masks(family)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    places = transform.to_picture(np.stack([x.ravel(), y.ravel()], 1))
    column, row = np.rint(places).astype(int).T
    inside = (np.abs(places - 31.5) < 32).all(1)
    expected = np.zeros(HEIGHT * WIDTH, bool)
    expected[inside] = mask[0, 0].numpy()[row[inside], column[inside]] == 0
    found = hole_in_photo(mask, transform).ravel()
    on_a_line = (np.abs(places + 0.5 - np.rint(places + 0.5)) < 1e-9).any(1)
    assert (found == expected)[~on_a_line].all()


@settings(max_examples=30, deadline=None)
@given(PLACES)
def test_a_completion_of_the_photo_s_own_content_reproduces_the_photo(transform):
    """Also turned, partly outside the photo, from fewer or more than 64 pixels."""
    photo = smooth_photo(WIDTH, HEIGHT)
    mask = rectangle_mask(20, 12, 26, 38)
    if not hole_in_photo(mask, transform).any():
        return
    # the hole's own pixels are inverted: what is found there comes from the completion
    hole = hole_in_photo(mask, transform)
    wrong = np.array(photo)
    wrong[hole] = 255 - wrong[hole]
    back = np.asarray(put_back(Image.fromarray(wrong), resampled(transform), mask, transform))
    difference = np.abs(back.astype(int) - np.asarray(photo).astype(int))
    assert difference.max() <= 1  # a shift by a quarter of a picture pixel makes it 3


def test_the_enlarged_completion_is_in_place_to_a_fraction_of_a_photo_pixel():
    """Before the blend, which would hide a shift of a smooth picture; a ramp stays one."""
    transform = similarity((151.3, 117.8), 190, 17, (WIDTH, HEIGHT))

    def ramp(x, y):
        return np.stack([x / 300 - 0.5, y / 300 - 0.5, (x + y) / 600 - 0.5], -1)

    rows, columns = slice(100, 140), slice(120, 180)
    enlarged = module._enlarge(resampled(transform, ramp)[0], transform, rows, columns)
    y, x = np.mgrid[rows, columns]
    off = (enlarged.permute(1, 2, 0).numpy() - ramp(x, y)) * 300
    assert np.abs(off).max() < 0.01, "photo pixels"


def test_a_hole_pixel_takes_the_boundary_and_the_gradient_where_it_lies():
    """In a photo of the picture's own size nothing is resampled: it is `poisson_blend`."""
    photo, completed = noise(64, 64), to_float(np.asarray(noise(64, 64, seed=1)))
    mask = make_masks("pattern")
    back = put_back(photo, completed, mask, Transform.of_box((0, 0, 64), (64, 64)))
    exact = to_uint8(poisson_blend(completed, to_float(np.asarray(photo)), mask))[0]
    assert np.abs(np.asarray(back).astype(int) - exact).max() <= 1


def test_without_the_blend_the_enlarged_completion_is_pasted():
    photo, mask = noise(WIDTH, HEIGHT), center_mask()
    transform = similarity((151.3, 117.8), 190, 17, photo.size)
    completed = resampled(transform)
    back = put_back(photo, completed, mask, transform, blend=False)
    hole = hole_in_photo(mask, transform)
    assert not changed(photo, back)[~hole].any()
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    expected = (waves(x, y) + 1) * 127.5
    assert np.abs(np.asarray(back) - expected)[hole].max() < 2
    assert changed(back, put_back(photo, completed, mask, transform))[hole].any()


# ---- what stays ----------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(PLACES, HOLES)
def test_every_other_pixel_stays_bit_for_bit_and_the_photo_itself_too(transform, family):
    photo, mask = noise(WIDTH, HEIGHT), make_masks(family)
    copy = photo.copy()
    hole = hole_in_photo(mask, transform)
    if not hole.any():
        return
    back = put_back(photo, torch.zeros(3, 64, 64), mask, transform)
    assert back.size == photo.size and back.mode == "RGB" and photo == copy
    assert not changed(photo, back)[~hole].any()
    assert changed(photo, back)[hole].mean() > 0.9


@settings(max_examples=25, deadline=None)
@given(PLACES, HOLES, st.integers(0, 255))
def test_what_lay_in_the_hole_is_never_read(transform, family, level):
    mask, photo = make_masks(family), np.array(noise(WIDTH, HEIGHT))
    hole = hole_in_photo(mask, transform)
    if not hole.any():
        return
    other = photo.copy()
    other[hole] = level
    one, two = (
        put_back(Image.fromarray(pixels), torch.zeros(3, 64, 64), mask, transform)
        for pixels in (photo, other)
    )
    assert one == two


def test_a_mask_of_the_photo_s_size_is_kept_to_the_pixel():
    photo = noise(WIDTH, HEIGHT)
    transform = similarity((150, 120), 180, 12, photo.size)
    mask = np.ones((HEIGHT, WIDTH), np.uint8)
    mask[100:117, 131:160] = mask[90, 140] = 0
    for given_mask in (mask, mask.astype(bool), torch.from_numpy(mask).float()):
        back = put_back(photo, torch.zeros(1, 3, 64, 64), given_mask, transform)
        assert np.array_equal(changed(photo, back), mask == 0)


def test_a_hole_outside_the_frame_is_left_alone_and_never_read():
    photo = np.array(noise(WIDTH, HEIGHT))
    transform = Transform.of_box((100, 60, 128), (WIDTH, HEIGHT))
    mask = np.ones((HEIGHT, WIDTH), bool)
    mask[100:140, 210:250] = mask[0:20, 0:20] = False  # over the frame's edge at 228, and outside
    results = []
    for level in (0, 255):
        photo[~mask] = level
        results.append(
            np.asarray(put_back(Image.fromarray(photo), torch.zeros(3, 64, 64), mask, transform))
        )
        assert (results[-1][100:140, 228:250] == level).all() and (
            results[-1][:20, :20] == level
        ).all()
    assert np.array_equal(
        results[0][:, :228][mask[:, :228] | (np.mgrid[:HEIGHT, :228][0] > 50)],
        results[1][:, :228][mask[:, :228] | (np.mgrid[:HEIGHT, :228][0] > 50)],
    )
    assert frame_in_photo(transform).sum() == 128 * 128


def test_a_hole_at_the_photo_s_edge_has_a_natural_boundary_there():
    """Half of a photo that is a ramp: the completion is darker, and takes the ramp's level."""
    rows = np.repeat(np.arange(64, 192, dtype=np.uint8)[:, None, None], 128, 1).repeat(3, 2)
    transform = Transform.of_box((0, 0, 128), (128, 128))
    ramp = resampled(transform, lambda x, y: np.stack([(y + 64) / 127.5 - 1] * 3, -1))
    back = np.asarray(put_back(Image.fromarray(rows), ramp - 0.4, half_mask("left"), transform))
    assert np.abs(back.astype(int) - rows)[2:-2].max() <= 1


# ---- the seam ------------------------------------------------------------------------------------


def test_no_seam_is_left_in_a_photograph():
    """Across the hole's edge the photo is as smooth as it was, though the completion is far off."""
    photo = photographs()["Grace Hopper"]
    transform = similarity((255, 160), 200, -8, photo.size)
    small = photo.transform(
        (64, 64), Image.Transform.AFFINE, pillow_affine(transform), Image.Resampling.BICUBIC
    )
    completed = (to_float(np.asarray(small)) * 0.6 + 0.3).clamp(-1, 1)
    hole = hole_in_photo(center_mask(), transform)
    before, back = (
        np.asarray(picture).astype(float).mean(-1)
        for picture in (photo, put_back(photo, completed, center_mask(), transform))
    )
    edge = hole[:, 1:] != hole[:, :-1]
    assert np.abs(np.diff(back))[edge].mean() < 1.1 * np.abs(np.diff(before))[edge].mean()
    pasted = before.copy()
    rows, columns = slice(0, photo.height), slice(0, photo.width)
    enlarged = (module._enlarge(completed[0], transform, rows, columns).mean(0).numpy() + 1) * 127.5
    pasted[hole] = enlarged[hole]
    assert np.abs(np.diff(pasted))[edge].mean() > 3 * np.abs(np.diff(back))[edge].mean()


def pillow_affine(transform):
    corner, right, down = (
        transform.to_photo(np.array([[-0.5, -0.5], [0.5, -0.5], [-0.5, 0.5]])) + 0.5
    )
    return (
        *np.stack([right - corner, down - corner, corner], 1)[0],
        *np.stack([right - corner, down - corner, corner], 1)[1],
    )


# ---- the hole in the picture ---------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(PLACES, st.integers(0, HEIGHT - 9), st.integers(0, WIDTH - 9), st.integers(1, 8))
def test_the_picture_s_hole_is_what_the_photo_s_hole_touches(transform, top, left, side):
    """Against a fine grid of points in every hole pixel; what touches by a hair may be either."""
    hole = np.zeros((HEIGHT, WIDTH), bool)
    hole[top : top + side, left : left + side] = True
    fine = np.linspace(-0.4999, 0.4999, 41)
    x, y = np.meshgrid(
        (left + np.arange(side)[:, None] + fine).ravel(),
        (top + np.arange(side)[:, None] + fine).ravel(),
    )
    column, row = np.rint(transform.to_picture(np.stack([x.ravel(), y.ravel()], 1))).astype(int).T
    inside = (row >= 0) & (row < 64) & (column >= 0) & (column < 64)
    touched = np.zeros((64, 64), bool)
    touched[row[inside], column[inside]] = True
    try:
        found = hole_in_picture(hole, transform)[0, 0].numpy() == 0
    except ValueError as error:
        assert "no hole in the square" in str(error) and touched.sum() <= 1
        return
    assert (found != touched).sum() <= 1


def test_a_tiny_hole_of_a_large_photo_survives():
    """60x60 in 24 megapixels, and a single pixel."""
    transform = Transform.of_box((1500, 500, 3000), (6000, 4000))
    hole = np.zeros((4000, 6000), bool)
    hole[2000:2060, 3000:3060] = True
    found = hole_in_picture(hole, transform)[0, 0] == 0
    assert 1 <= found.sum() <= 9 and found[32, 32]
    hole[:] = False
    hole[2001, 3001] = True
    assert (hole_in_picture(hole, transform) == 0).sum() == 1


def test_pixel_borders_that_meet_are_not_touched():
    """Twice as large as the picture: a photo pixel is a quarter of a picture pixel, and no more."""
    transform = Transform.of_box((0, 0, 128), (128, 128))
    hole = np.zeros((128, 128), bool)
    hole[32:96, 32:96] = True
    assert torch.equal(hole_in_picture(hole, transform), center_mask())


def test_a_photo_smaller_than_the_picture_has_whole_blocks():
    transform = Transform.of_box((0, 0, 32), (32, 32))
    hole = np.zeros((32, 32), bool)
    hole[8:24, 8:24] = True
    assert torch.equal(hole_in_picture(hole, transform), center_mask())


def test_a_hole_beside_the_frame_or_all_over_it_is_refused():
    transform = Transform.of_box((100, 60, 128), (WIDTH, HEIGHT))
    hole = np.zeros((HEIGHT, WIDTH), bool)
    for name in ("no hole at all", "beside the frame"):
        with pytest.raises(ValueError, match="no hole in the square"):
            hole_in_picture(hole, transform)
        hole[:40] = name == "no hole at all"
    with pytest.raises(ValueError, match="touches every pixel"):
        hole_in_picture(frame_in_photo(transform), transform)


# ---- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"photo": noise(WIDTH, HEIGHT).convert("L")}, "must be RGB, got L"),
        ({"photo": noise(HEIGHT, WIDTH)}, "for a photo of 300x240 pixels, this one has 240x300"),
        ({"completed": torch.zeros(1, 3, 32, 32)}, "one completed picture of 64x64 is wanted"),
        ({"completed": torch.zeros(2, 3, 64, 64)}, "one completed picture"),
        ({"completed": torch.full((1, 3, 64, 64), 2.0)}, "must lie in"),
        ({"completed": torch.full((1, 3, 64, 64), torch.nan)}, "NaN"),
        ({"mask": torch.ones(1, 1, 64, 64)}, "no hole"),
        ({"mask": center_mask(size=32)}, r"one mask of \(1, 1, 64, 64\) is wanted"),
        ({"mask": np.ones((64, 64))}, r"\(H, W\) = \(240, 300\) as the photo, got \(64, 64\)"),
        ({"mask": np.full((HEIGHT, WIDTH), 0.5)}, "only 0"),
        ({"mask": np.ones((HEIGHT, WIDTH))}, "no pixel of the hole lies in the frame"),
        ({"mask": np.zeros((HEIGHT, WIDTH))}, "no known pixel"),
    ],
)
def test_bad_input_is_refused(change, problem):
    arguments = {
        "photo": noise(WIDTH, HEIGHT),
        "completed": torch.zeros(1, 3, 64, 64),
        "mask": center_mask(),
        "transform": Transform.of_box((80, 50, 140), (WIDTH, HEIGHT)),
    }
    with pytest.raises(ValueError, match=problem):
        put_back(**arguments | change)
