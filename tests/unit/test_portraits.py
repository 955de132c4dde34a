"""The two photographs and the framing of faces, against scikit-image's cascade and against how the
faces pack was cut.
"""

import csv
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT
from PIL import Image, ImageOps
from skimage import data
from skimage.feature import Cascade

from tutorial_lib import faces, load_dataset
from tutorial_lib.datasets.framing import MARGIN, find_face, frame_face
from tutorial_lib.datasets.portraits import photographs
from tutorial_lib.images import crop_square, load_picture, to_uint8

NAMES = ["Grace Hopper", "Eileen Collins"]


@pytest.fixture(scope="module")
def photos():
    return photographs()


def framed(row, column, width):
    """(left, top, side) as the docstring states it: the margin is added on each side of a detected
    face.
    """
    return column - MARGIN * width, row - MARGIN * width, width * (1 + 2 * MARGIN)


def test_both_portraits_are_there_and_the_same_each_time(photos):
    first, again = (
        load_dataset("two-portraits"),
        load_dataset("two-portraits", split="test", limit=2),
    )
    assert first.names == list(photos) == NAMES and len(first) == 2
    pictures = first.images(slice(None))
    assert (
        pictures.shape == (2, 3, 64, 64)
        and pictures.dtype == torch.float32
        and pictures.abs().max() <= 1
    )
    assert torch.equal(pictures, again.images([0, 1])) and torch.equal(first[1], pictures[1])
    assert (pictures.flatten(1).std(1) > 0.3).all() and first.name == "two-portraits"
    assert load_dataset("two-portraits", limit=1).names == NAMES[:1]


def test_the_photographs_are_those_that_ship_inside_the_packages(photos):
    from matplotlib import cbook

    with cbook.get_sample_data("grace_hopper.jpg") as file:
        assert np.array_equal(np.asarray(photos["Grace Hopper"]), np.asarray(Image.open(file)))
    assert np.array_equal(np.asarray(photos["Eileen Collins"]), data.astronaut())


@pytest.mark.parametrize("name", NAMES)
def test_the_box_is_the_cascade_s_with_the_margin_around_it(photos, name):
    photo = photos[name]
    small = ImageOps.scale(photo, 320 / min(photo.size), Image.Resampling.LANCZOS)
    assert min(small.size) == 320  # as small as find_face itself works on
    cascade = Cascade(data.lbp_frontal_face_cascade_filename())
    width = 320 / 8 / 0.6
    for _ in range(2):  # a look for any face, then one for faces of about that size
        found = cascade.detect_multi_scale(
            np.asarray(small),
            scale_factor=1.1,
            step_ratio=1,
            min_size=(round(0.6 * width),) * 2,
            max_size=(320, 320),
        )
        largest = max(found, key=lambda face: face["width"])
        width = largest["width"]
    assert find_face(small) == pytest.approx(framed(largest["r"], largest["c"], largest["width"]))


@pytest.mark.parametrize("name", NAMES)
def test_the_box_moves_and_grows_with_the_face(photos, name):
    photo = photos[name]
    left, top, side = find_face(photo)
    for scale, right, down in ((1, 30, 15), (1, 90, 45), (2, 0, 0), (2, 60, 120)):
        canvas = Image.new(
            "RGB", (scale * photo.width + right, scale * photo.height + down), "gray"
        )
        canvas.paste(ImageOps.scale(photo, scale), (right, down))
        x, y, length = find_face(canvas)
        expected = np.array([left + side / 2, top + side / 2]) * scale + [right, down]
        assert np.abs(np.array([x, y]) + length / 2 - expected).max() < 0.1 * scale * side
        assert 0.8 < length / (scale * side) < 1.25


def test_of_several_faces_the_largest_is_taken_and_measured_in_the_photo_s_own_pixels(monkeypatch):
    found = [
        {"r": 10, "c": 20, "width": 40, "height": 40},
        {"r": 50, "c": 100, "width": 80, "height": 80},
        {"r": 200, "c": 7, "width": 60, "height": 60},
    ]
    shapes = set()
    monkeypatch.setattr(
        faces, "find_faces", lambda pixels, **sides: shapes.add(pixels.shape) or found
    )
    assert find_face(Image.new("RGB", (300, 200))) == pytest.approx(framed(50, 100, 80))
    assert find_face(Image.new("RGB", (1280, 960))) == pytest.approx(framed(150, 300, 240))
    assert shapes == {(200, 300, 3), (320, 427, 3)}


@pytest.mark.parametrize("kind", ["gray", "noise", "cat"])
def test_a_photo_without_a_face_is_refused_with_advice(kind):
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    pixels = {"gray": np.full_like(noise, 128), "noise": noise, "cat": data.chelsea()}[kind]
    with pytest.raises(ValueError, match="no face was found.*crop it yourself"):
        find_face(Image.fromarray(pixels))
    with pytest.raises(ValueError, match="no face was found"):
        frame_face(Image.fromarray(pixels))


def test_a_photo_may_be_a_path_bytes_or_a_picture(tmp_path, photos):
    photo = photos["Eileen Collins"]
    photo.save(tmp_path / "photo.png")
    expected = crop_square(photo, find_face(photo))
    assert expected.shape == (1, 3, 64, 64)
    for source in (photo, tmp_path / "photo.png", (tmp_path / "photo.png").read_bytes()):
        assert torch.equal(frame_face(source), expected)
    with pytest.raises(FileNotFoundError):
        frame_face(tmp_path / "no.png")
    with pytest.raises(ValueError, match="cannot be read"):
        frame_face(b"<html>")


def test_a_sideways_photo_is_turned_before_the_face_is_sought(photos):
    photo, exif, buffer = photos["Grace Hopper"], Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    photo.rotate(90, expand=True).save(buffer, "PNG", exif=exif)
    assert torch.equal(frame_face(buffer.getvalue()), frame_face(photo))


# -- the faces pack --

PACKS = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="module")
def congress():
    """Triples of (face box row, column and width.

    The original photo; the pack's 64x64 picture of it).
    """
    if not (PACKS / "sources").is_dir():
        pytest.skip("no ../shared")
    with (
        open(PACKS / "sources" / "congress_portraits.csv", newline="") as table,
        zipfile.ZipFile(PACKS / "sources" / "congress_originals.zip") as originals,
        zipfile.ZipFile(PACKS / "faces.zip") as pack,
    ):
        return [
            (
                [float(line[key]) for key in ("face_row", "face_col", "face_width")],
                load_picture(originals.read(line["path"])),
                np.asarray(
                    load_picture(pack.read("test/congress_" + Path(line["path"]).name))
                ).astype(float),
            )
            for line in csv.DictReader(table)
        ]


def difference(congress, box):
    return np.mean(
        [
            np.abs(to_uint8(crop_square(photo, box(*face)))[0] - picture).mean()
            for face, photo, picture in congress
        ]
    )


def test_the_framing_is_the_pack_s(congress):
    assert len(congress) == 49
    assert difference(congress, framed) < 4
    for wrong in (0.5, 0.9, 1.1, 1.5):  # another margin, the same center

        def misframed(row, column, width, wrong=wrong):
            return framed(
                row + width * MARGIN * (1 - wrong),
                column + width * MARGIN * (1 - wrong),
                width * (1 + 2 * MARGIN * wrong) / (1 + 2 * MARGIN),
            )

        assert difference(congress, misframed) > difference(congress, framed)


def test_found_faces_are_framed_like_the_pack_s(congress):
    """In a whole photo the box is found nearly where the pack's makers had it, in shares of its own
    width.
    """
    found = np.array([find_face(photo) for _, photo, _ in congress[::2]])
    expected = np.array([framed(*face) for face, _, _ in congress[::2]])
    misses = np.abs(found - expected).max(1) / expected[:, 2]
    assert np.median(misses) < 0.03 and np.quantile(misses, 0.9) < 0.1
