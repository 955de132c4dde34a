"""Pictures between files and tensors.

Exact round trips, every kind of file, crops and grids against numpy indexing.
"""

import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from tutorial_lib.images import (
    check_images,
    crop_square,
    image_grid,
    load_picture,
    to_float,
    to_uint8,
)


def photo(height=40, width=48):
    """Smooth and without any symmetry, so that JPEG keeps it and a wrong turn shows."""
    down, across = np.mgrid[0:height, 0:width]
    return np.stack([4 * across, 5 * down, 255 - 2 * across - 2 * down], 2).astype(np.uint8)


def encode(picture, format="PNG", **options):
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


# -- floats and bytes --


@given(
    arrays.arrays(
        np.uint8, st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9), st.just(3))
    )
)
def test_bytes_to_floats_and_back_is_exact(pixels):
    images = to_float(pixels)
    assert images.dtype == torch.float32 and images.shape == (len(pixels), 3, *pixels.shape[1:3])
    assert np.array_equal(to_uint8(images), pixels)
    assert np.array_equal(to_uint8(to_float(pixels[0])), pixels[:1]) and np.array_equal(
        to_uint8(images[0]), pixels[:1]
    )


def test_the_range_is_minus_one_to_one():
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    images = to_float(np.stack([ramp] * 3, 2))
    assert images.min() == -1 and images.max() == 1
    np.testing.assert_allclose(images[0, 0].numpy(), ramp / 255.0 * 2 - 1, atol=1e-6)
    check_images(images)


def test_floats_outside_the_range_are_clamped_to_it():
    assert to_uint8(torch.tensor([-7.0, 0.9999, 3.0]).view(3, 1, 1)).tolist() == [[[[0, 255, 255]]]]


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 4, 3)),
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((1, 1, 4, 4, 3), np.uint8),
    ],
)
def test_only_uint8_rgb_becomes_floats(pixels):
    with pytest.raises(ValueError, match="uint8"):
        to_float(pixels)


# -- files --

# The EXIF standard's table: at which side of the scene the file's first row and its first column
# lie.
ORIENTATIONS = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("source", ["path", "bytes", "picture"])
def test_a_turned_photo_stands_upright(tmp_path, orientation, source):
    scene = photo()
    first_row, first_column = ORIENTATIONS[orientation]
    stored = scene if first_row in ("top", "bottom") else scene.transpose(1, 0, 2)
    stored = stored[::-1] if first_row in ("bottom", "right") else stored
    stored = stored[:, ::-1] if first_column in ("bottom", "right") else stored
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "photo.jpg"
    path.write_bytes(
        encode(
            Image.fromarray(np.ascontiguousarray(stored)),
            "JPEG",
            quality=100,
            subsampling=0,
            exif=exif,
        )
    )
    read = load_picture(
        {"path": path, "bytes": path.read_bytes(), "picture": Image.open(path)}[source]
    )
    assert read.mode == "RGB" and read.size == (48, 40)
    assert np.abs(np.asarray(read).astype(int) - scene).max() <= 4


def over_white(colors, alpha):
    share = np.asarray(alpha)[..., None] / 255
    return colors * share + 255 * (1 - share)


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_transparency_is_laid_over_white(format):
    alpha = np.tile(np.linspace(0, 255, 48).astype(np.uint8), (40, 1))
    rgba = Image.fromarray(np.dstack([photo(), alpha]))
    read = load_picture(
        encode(rgba, format, **({"lossless": True, "exact": True} if format == "WEBP" else {}))
    )
    np.testing.assert_allclose(np.asarray(read), over_white(photo(), alpha), atol=1)


@pytest.mark.parametrize("format", ["PNG", "GIF"])
def test_a_transparent_palette_color_turns_white(format):
    index = np.zeros((40, 48), np.uint8)
    index[:, 20:], index[30:] = 1, 2
    picture = Image.fromarray(index, "L").convert("P")
    picture.putdata(index.flatten())
    picture.putpalette([10, 20, 30, 200, 0, 0, 0, 0, 200])
    read = load_picture(encode(picture, format, transparency=1))
    palette = np.array([[10, 20, 30], [255, 255, 255], [0, 0, 200]])
    assert np.array_equal(np.asarray(read), palette[index])


@pytest.mark.parametrize("mode", ["L", "1", "LA"])
def test_gray_becomes_three_equal_channels(mode):
    gray = photo()[..., 0]
    expected = np.where(gray > 127, 255, 0) if mode == "1" else gray
    picture = Image.fromarray(expected.astype(np.uint8)).convert(mode, dither=Image.Dither.NONE)
    read = load_picture(encode(picture))
    assert read.mode == "RGB" and np.array_equal(np.asarray(read), np.stack([expected] * 3, 2))


def test_sixteen_bits_become_eight():
    deep = np.linspace(0, 65535, 40 * 48).round().astype(np.uint16).reshape(40, 48)
    read = np.asarray(load_picture(encode(Image.fromarray(deep))))
    np.testing.assert_allclose(read, np.stack([deep / 65535 * 255] * 3, 2), atol=0.51)
    assert read.min() == 0 and read.max() == 255


def test_cmyk_is_read_as_rgb():
    flat = Image.new("RGB", (48, 40), (200, 40, 90))
    read = load_picture(encode(flat.convert("CMYK"), "JPEG", quality=100))
    assert np.abs(np.asarray(read).astype(int) - (200, 40, 90)).max() <= 4


@given(st.sampled_from(["PNG", "JPEG", "WEBP"]), st.floats(0, 0.9))
@settings(max_examples=60, deadline=None)
def test_a_file_cut_short_is_refused(format, share):
    noise = np.random.default_rng(0).integers(0, 256, (40, 48, 3), dtype=np.uint8)
    whole = encode(Image.fromarray(noise), format)
    with pytest.raises(ValueError, match="is the file complete"):
        load_picture(whole[: int(share * len(whole))])


def test_a_web_page_named_jpg_is_refused(tmp_path):
    page = tmp_path / "face.jpg"
    page.write_text("<!DOCTYPE html><html><body>404</body></html>")
    with pytest.raises(ValueError, match="cannot be read as a picture"):
        load_picture(page)


def test_a_picture_too_large_to_unpack_is_refused(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match="exceeds limit"):
        load_picture(encode(Image.fromarray(photo())))


@pytest.mark.parametrize("size", [(31, 64), (64, 31)])
def test_a_small_picture_is_refused_with_its_size(size):
    with pytest.raises(ValueError, match=f"{size[0]}x{size[1]}.* 32 "):
        load_picture(encode(Image.new("RGB", size)))
    assert load_picture(encode(Image.new("RGB", (32, 32)))).size == (32, 32)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nobody.jpg"):
        load_picture(tmp_path / "nobody.jpg")
    with pytest.raises(ValueError, match="cannot be read as a picture"):
        load_picture(tmp_path)


# -- crops --


@given(st.integers(-70, 70), st.integers(-70, 70), st.integers(1, 90))
@settings(max_examples=60, deadline=None)
def test_a_box_beyond_the_edge_repeats_the_edge(left, top, side):
    scene = photo()
    rows = np.clip(np.arange(top, top + side), 0, 39)
    columns = np.clip(np.arange(left, left + side), 0, 47)
    square = crop_square(Image.fromarray(scene), (left, top, side), size=side)
    assert square.shape == (1, 3, side, side)
    assert np.array_equal(to_uint8(square)[0], scene[rows][:, columns])


@given(st.floats(0, 60), st.floats(0, 60), st.floats(80, 140))
@settings(max_examples=40, deadline=None)
def test_fractions_of_a_pixel_count(left, top, side):
    """A ramp resized is a ramp: each new pixel has the value at its own center."""
    down, across = np.mgrid[0:200, 0:200]
    ramp = Image.fromarray(np.stack([across, down, across], 2).astype(np.uint8))
    square = to_uint8(crop_square(ramp, (left, top, side)))[0].astype(float)
    centers = (np.arange(64) + 0.5) * side / 64 - 0.5
    inner = slice(4, -4)  # at the rim the filter sees one side only
    np.testing.assert_allclose(square[32, inner, 0], (left + centers)[inner], atol=1)
    np.testing.assert_allclose(square[inner, 32, 1], (top + centers)[inner], atol=1)


@pytest.mark.parametrize("height, width", [(40, 48), (48, 40), (40, 41)])
def test_without_a_box_the_central_square_is_taken(height, width):
    scene = photo(height, width)
    side, top, left = min(height, width), (height - 40) // 2, (width - 40) // 2
    square = to_uint8(crop_square(Image.fromarray(scene), size=side))[0].astype(int)
    assert np.abs(square - scene[top : top + side, left : left + side]).max() <= (
        3 if width == 41 else 0
    )


@pytest.mark.parametrize("side", [0, -3])
def test_a_box_without_area_is_refused(side):
    with pytest.raises(ValueError, match="side must be positive"):
        crop_square(Image.fromarray(photo()), (0, 0, side))


# -- grids --


@given(st.integers(1, 10), st.integers(1, 12), st.integers(1, 7), st.integers(1, 7))
@settings(max_examples=60, deadline=None)
def test_a_grid_holds_every_picture_and_white_between(count, columns, height, width):
    pictures = (
        torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(count)) - 1
    )  # none is white
    grid = image_grid(pictures, columns)
    across, down = min(columns, count), -(-count // columns)
    assert grid.shape == (down * (height + 2) - 2, across * (width + 2) - 2, 3)
    for number, picture in enumerate(to_uint8(pictures)):
        row, column = divmod(number, columns)
        cell = grid[row * (height + 2) :, column * (width + 2) :][:height, :width]
        assert np.array_equal(cell, picture)
        cell[:] = 255
    assert (grid == 255).all()


def test_a_grid_of_nothing_is_refused():
    with pytest.raises(ValueError, match="0 pictures"):
        image_grid(torch.zeros(0, 3, 4, 4))
    with pytest.raises(ValueError, match="0 columns"):
        image_grid(torch.zeros(1, 3, 4, 4), columns=0)


# -- the door --


def with_value(value):
    images = torch.zeros(2, 3, 8, 8)
    images[1, 2, 7, 7] = value
    return images


@pytest.mark.parametrize(
    "images, message",
    [
        (np.zeros((1, 3, 8, 8), np.float32), "ndarray"),
        (torch.zeros(3, 8, 8), r"\(B, 3, H, W\), got torch.float32 \(3, 8, 8\)"),
        (torch.zeros(1, 1, 8, 8), r"\(1, 1, 8, 8\)"),
        (torch.zeros(1, 8, 8, 3), r"\(1, 8, 8, 3\)"),
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), "torch.uint8"),
        (torch.zeros(0, 3, 8, 8), "no pictures"),
        (with_value(1.01), r"\[-1, 1\].*x / 127.5 - 1.*to 1.01"),
        (with_value(-255), "from -255"),
        (with_value(float("nan")), "NaN"),
        (with_value(float("inf")), "to inf"),
    ],
)
def test_wrong_pictures_are_turned_away_with_what_is_wrong(images, message):
    with pytest.raises(ValueError, match=f"^portraits .*{message}"):
        check_images(images, "portraits")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_right_pictures_may_enter(dtype):
    check_images(with_value(1).to(dtype))
    check_images(with_value(-1).to(dtype))
