"""Pictures between files and tensors.

Exact round trips, every kind of file, crops and grids against numpy indexing.
"""

import contextlib
import gc
import io
import struct
import subprocess
import warnings
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, PngImagePlugin

from tutorial_lib.images import (
    FORMATS,
    PictureError,
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
    with pytest.raises(ValueError, match="is too large: it has more than"):
        load_picture(encode(Image.fromarray(photo())))


@pytest.mark.parametrize("size", [(31, 64), (64, 31)])
def test_a_small_picture_is_refused_with_its_size(size):
    with pytest.raises(ValueError, match=f"{size[0]}x{size[1]}.* 32 "):
        load_picture(encode(Image.new("RGB", size)))
    assert load_picture(encode(Image.new("RGB", (32, 32)))).size == (32, 32)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nobody.jpg"):
        load_picture(tmp_path / "nobody.jpg")
    with pytest.raises(PictureError, match="cannot be read as a picture: it is a folder"):
        load_picture(tmp_path)


# -- the gate: what is no picture, or too much of one --

FLAT = Image.new("RGB", (48, 40), (200, 40, 90))


def saved():
    """A picture in every format that Pillow can write it in, by the format's name."""
    files = {}
    for format in sorted(set(Image.registered_extensions().values()) & set(Image.SAVE)):
        with contextlib.suppress(KeyError, OSError, ValueError):  # not from such pixels
            files[format] = encode(FLAT.convert("1" if format in ("XBM", "MSP") else "RGB"), format)
    return files


SAVED = saved()


def test_pillow_writes_the_formats_that_are_read_and_many_more():
    assert {"JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "EPS", "PDF"} <= SAVED.keys()


@pytest.mark.parametrize("format", SAVED)
def test_no_format_but_the_listed_ones_reaches_a_decoder(format, tmp_path, monkeypatch):
    """An EPS file, for one, is a program that Ghostscript runs, whatever its name ends in."""
    monkeypatch.setattr(subprocess, "Popen", pytest.fail)
    path = tmp_path / "photo.jpg"
    path.write_bytes(SAVED[format])
    kinds = {**dict.fromkeys(FORMATS), "MPO": None}  # MPO: a JPEG file with a second picture
    if format in kinds:
        assert load_picture(path).size == (48, 40)
        return
    with pytest.raises(PictureError, match="photo.jpg cannot be read as a picture.*one of JPEG"):
        load_picture(path)


DECODER_FAILURES = [
    RuntimeError("x"),
    struct.error("x"),
    NotImplementedError("x"),
    MemoryError(),
    SyntaxError("x"),
    zlib.error("x"),
    OSError("x"),
    IndexError("x"),
    EOFError(),
    OverflowError("x"),
    ValueError("x"),
    Image.DecompressionBombError("x"),
    Image.DecompressionBombWarning("x"),
]


@pytest.mark.parametrize("failure", DECODER_FAILURES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("method", ["_open", "load"])
@pytest.mark.parametrize("source", ["path", "bytes"])
def test_whatever_a_decoder_raises_is_one_error_with_the_name(
    failure, method, source, tmp_path, monkeypatch
):
    def fail(*_):
        raise failure

    path = tmp_path / "face.png"
    path.write_bytes(encode(FLAT))
    monkeypatch.setattr(PngImagePlugin.PngImageFile, method, fail)
    with pytest.raises(PictureError, match=r"face\.png (cannot be read as a picture|is too large)"):
        load_picture(path if source == "path" else path.read_bytes(), "face.png")


def test_a_file_is_closed_whatever_happens(tmp_path, recwarn):
    path = tmp_path / "cut.png"
    whole = encode(Image.fromarray(photo()))
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(PictureError, match="cut.png"):
        load_picture(path)
    gc.collect()
    assert not [warning for warning in recwarn if warning.category is ResourceWarning]


@pytest.mark.parametrize(
    "block",
    [
        b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x04abc\0\0\0\0\0",  # it is text: "abc"
        b"no TIFF header at all",
        b"MM\0*\0",  # cut off in the header
        b"MM\0*\0\0\0\x08\0\x05\x01\x12\0\x03\0\0",  # and in the first tag
        # a resolution that is no number comes after it
        b"MM\0*\0\0\0\x08\0\x02\x01\x12\0\x03\0\0\0\x01\0\x06\0\0"
        b"\x01\x1a\0\x07\0\0\0\x01\0\0\0\0\0\0\0\0",
    ],
)
@pytest.mark.parametrize("opened", [False, True])
def test_an_orientation_that_cannot_be_read_is_ignored(tmp_path, block, opened):
    path = tmp_path / "turned.jpg"
    path.write_bytes(encode(FLAT, "JPEG", exif=b"Exif\0\0" + block))
    found = load_picture(Image.open(path) if opened else path)
    assert np.array_equal(np.asarray(found), np.asarray(Image.open(path)))


def test_heic_is_told_by_its_name():
    content = b"\0\0\0\x18ftypheic" + bytes(200)
    with pytest.raises(PictureError, match="it is a HEIC file.*export it as JPEG"):
        load_picture(content)


@pytest.mark.parametrize("over", [1.5, 3])
def test_a_picture_too_large_is_refused_before_it_is_decoded(over, monkeypatch):
    """Between one and two times the limit Pillow would only warn."""
    content = encode(Image.fromarray(photo()))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", int(48 * 40 / over))
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", pytest.fail)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # one message, and no warning beside it
        with pytest.raises(PictureError, match="too large.*make it smaller"):
            load_picture(content)


def test_sixteen_bits_are_divided_by_257_whatever_the_largest_is():
    for top in (200, 4095, 65535):  # a dark picture, a camera of 12 bit, a full range
        deep = np.linspace(0, top, 40 * 48).round().astype(np.uint16).reshape(40, 48)
        for format in ("PNG", "TIFF"):
            read = np.asarray(load_picture(encode(Image.fromarray(deep), format)))
            np.testing.assert_array_equal(read[..., 0], np.rint(deep / 257))


@pytest.mark.parametrize(("top", "factor"), [(1.0, 255), (0.4, 255), (255.0, 1), (20.0, 1)])
def test_floats_are_told_apart_by_their_range(top, factor):
    ramp = np.linspace(0, top, 40 * 48).reshape(40, 48).astype(np.float32)
    read = np.asarray(load_picture(encode(Image.fromarray(ramp), "TIFF")))
    np.testing.assert_allclose(read[..., 1], ramp * factor, atol=0.51)


@pytest.mark.parametrize(
    "values",
    [
        np.linspace(-1, 1, 40 * 48, dtype=np.float32),
        np.linspace(0, 256, 40 * 48, dtype=np.float32),
        np.full(40 * 48, np.nan, np.float32),
        np.full(40 * 48, np.inf, np.float32),
        np.arange(40 * 48, dtype=np.int32),
    ],
)
def test_other_numbers_are_refused_with_their_range(values):
    picture = Image.fromarray(values.reshape(40, 48))
    for source in (picture, encode(picture, "TIFF")):
        with pytest.raises(PictureError, match="holds (floats|whole numbers of 32 bit) from"):
            load_picture(source)


def test_of_an_animation_the_first_frame_is_read():
    frames = [Image.new("RGB", (48, 40), color) for color in ("red", "blue")]
    for format in ("GIF", "WEBP", "PNG", "TIFF"):
        content = encode(frames[0], format, save_all=True, append_images=frames[1:])
        assert np.abs(np.asarray(load_picture(content)).astype(int) - (255, 0, 0)).max() < 8


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
