"""The way from a photo to the template: the fit, the sampling, and faces turned, scaled, moved and
missing."""

import io
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps
from skimage import data
from skimage.transform import SimilarityTransform

from tutorial_lib import faces
from tutorial_lib.datasets.portraits import photographs
from tutorial_lib.faces import (
    CROP_SPAN,
    LANDMARKS,
    TEMPLATE,
    NoFaceFound,
    Transform,
    align,
    crop_matrices,
    cut,
    detections,
    detector_box,
    fit_template,
    guess_from_box,
    locate,
    trusted,
    warp,
)
from tutorial_lib.images import crop_square, load_picture, to_uint8

SIZE = (300, 200)
FITTED = [LANDMARKS.index(name) for name in TEMPLATE]
TARGET = np.array(list(TEMPLATE.values()))
NAMES = ["Grace Hopper", "Eileen Collins"]
# (x, y) of the pupils in the photographs, read off their pixels by eye, to about a pixel.
PUPILS = {
    "Grace Hopper": [(222.0, 191.0), (305.5, 187.5)],
    "Eileen Collins": [(203.2, 101.0), (246.5, 102.8)],
}

turns = st.floats(-np.pi, np.pi)
scales = st.floats(0.05, 20)
shifts = st.tuples(st.floats(-1000, 1000), st.floats(-1000, 1000))


def similarity(turn, scale, shift):
    """A `Transform`, photo to picture."""
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return Transform(np.column_stack([linear, shift]), SIZE)


def with_nose(points):
    """Five points from the four of the template; the nose is in no sensible place."""
    return np.insert(points, 2, [1e4, -1e4], axis=0)


# -- the fit ---------------------------------------------------------------------------------------


@given(turns, scales, shifts)
def test_a_transform_goes_there_and_back(turn, scale, shift):
    transform = similarity(turn, scale, shift)
    points = np.array([[0.0, 0.0], [63.0, 0.0], [12.5, 40.0]])
    assert transform.scale == pytest.approx(scale)
    assert transform.to_picture(transform.to_photo(points)) == pytest.approx(points, abs=1e-6)


@given(turns, scales, shifts)
def test_a_turned_scaled_and_moved_template_is_recovered(turn, scale, shift):
    transform = similarity(turn, scale, shift)
    fitted = fit_template(with_nose(transform.to_photo(TARGET)), SIZE)
    assert (
        fitted.matrix == pytest.approx(transform.matrix, rel=1e-6, abs=1e-6) and fitted.size == SIZE
    )


@given(turns, scales, st.integers(0, 1000))
def test_the_fit_is_scikit_image_s(turn, scale, seed):
    photo = similarity(turn, scale, (5, 7)).to_photo(
        TARGET + np.random.default_rng(seed).normal(0, 3, (4, 2))
    )
    reference = SimilarityTransform.from_estimate(photo, TARGET)
    assert fit_template(with_nose(photo), SIZE).matrix == pytest.approx(
        reference.params[:2], rel=1e-6, abs=1e-6
    )


@given(turns)
def test_a_mirrored_face_is_never_fitted_by_a_mirror(turn):
    mirrored = similarity(turn, 2, (3, 4)).to_photo(TARGET * [-1, 1])
    assert np.linalg.det(fit_template(with_nose(mirrored), SIZE).matrix[:, :2]) > 0


def test_points_that_are_no_face_are_refused():
    for points, said in (
        (np.zeros((4, 2)), "5 points"),
        (np.ones((5, 2)), "one place"),
        (np.full((5, 2), np.nan), "finite"),
    ):
        with pytest.raises(ValueError, match=said):
            fit_template(points, SIZE)


@given(turns, scales, shifts)
def test_the_network_s_crop_is_a_square_around_the_face(turn, scale, shift):
    transform = similarity(turn, scale, shift)
    place = crop_matrices(transform.matrix[None])[0]
    ends = np.array([[-0.5, -0.5], [63.5, -0.5], [63.5, 63.5]]) @ place[:, :2].T + place[:, 2]
    inside = transform.to_picture(ends)
    assert inside.mean(0)[0] == pytest.approx(faces.CROP_CENTER[0] + CROP_SPAN / 6, abs=1e-4)
    assert inside[1] - inside[0] == pytest.approx([CROP_SPAN, 0], abs=1e-4)
    assert inside[2] - inside[1] == pytest.approx([0, CROP_SPAN], abs=1e-4)


@given(st.floats(-40, 40), st.floats(20, 500), st.tuples(st.floats(0, 300), st.floats(0, 200)))
def test_a_guess_puts_the_detector_s_box_back(turn, width, center):
    guess = guess_from_box(center, width, SIZE, turn)
    place, side = detector_box(guess)
    assert place == pytest.approx(center, abs=1e-6) and side == pytest.approx(width)
    up = guess.to_photo(np.array([[0.0, 0.0], [0.0, -1.0]]))
    # a photo that must be turned counterclockwise to see the face upright shows a head that leans
    # to the right
    assert np.degrees(np.arctan2(*(up[1] - up[0]) * [1, -1])) == pytest.approx(turn, abs=1e-6)


# -- the sampling ----------------------------------------------------------------------------------


def ramp(width, height):
    x, y = np.meshgrid(np.linspace(20, 220, width), np.linspace(20, 220, height))
    return Image.fromarray(np.stack([x, y, (x + y) / 2], 2).round().astype(np.uint8))


@pytest.mark.parametrize("factor", [0.5, 1, 3, 7.3, 40])
def test_a_smooth_photo_gives_the_same_picture_at_every_size(factor):
    photo = ramp(round(100 * factor), round(80 * factor))
    transform = similarity(0.4, 0.9 / factor, (4, 5))
    x, y = np.meshgrid(np.arange(64), np.arange(64))
    there = transform.to_photo(np.stack([x, y], 2).reshape(-1, 2)) + 0.5
    inside = (
        (there > [0.1 * photo.width, 0.1 * photo.height])
        & (there < [0.9 * photo.width, 0.9 * photo.height])
    ).all(1)
    expected = 20 + 200 * (there - 0.5) / (np.array(photo.size) - 1)
    got = to_uint8(cut(photo, transform))[0].reshape(-1, 3)[:, :2].astype(float)
    assert inside.sum() > 1000 and np.abs(got - expected)[inside].max() < 2.5


def test_a_large_photo_is_averaged_not_aliased():
    fine = np.indices((1600, 1600)).sum(0) % 2 * 255
    photo = Image.fromarray(np.repeat(fine[..., None], 3, 2).astype(np.uint8))
    assert cut(photo, Transform.of_box((100, 100, 1300), photo.size)).abs().max() < 0.02


def test_an_upright_square_is_about_what_crop_square_cuts():
    photo = photographs()["Eileen Collins"]
    box = (160.0, 40.0, 128.0)
    ours, theirs = (
        to_uint8(pixels).astype(float)
        for pixels in (cut(photo, Transform.of_box(box, photo.size)), crop_square(photo, box))
    )
    assert np.abs(ours - theirs).mean() < 3


def test_what_lies_outside_is_mirrored():
    photo = photographs()["Eileen Collins"]
    wide = Image.fromarray(
        np.pad(np.asarray(photo), ((200, 200), (200, 200), (0, 0)), mode="symmetric")
    )
    one = cut(photo, Transform.of_box((-40, -30, 200), photo.size))
    other = cut(wide, Transform.of_box((160, 170, 200), wide.size))
    assert (one - other).abs().max() < 1e-3


def test_sample_takes_pixels_where_the_matrix_says():
    pixels = torch.rand(2, 3, 9, 12)
    moved = torch.tensor([[[1.0, 0.0, 3.0], [0.0, 1.0, 2.0]], [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]])
    squares = warp(pixels, moved, 5)
    torch.testing.assert_close(squares[0], pixels[0, :, 2:7, 3:8], atol=1e-5, rtol=0)
    torch.testing.assert_close(squares[1], pixels[1, :, :5, :5].transpose(1, 2), atol=1e-5, rtol=0)


# -- faces in photos -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def aligned():
    return {name: (photo, align(photo)) for name, photo in photographs().items()}


def apart(points, expected):
    """Distances in percent of the distance between the eyes."""
    return (
        100 * np.linalg.norm(points - expected, axis=1) / np.linalg.norm(expected[1] - expected[0])
    )


def turned(photo, points, degrees):
    """The photo turned counterclockwise, and its points."""
    picture = photo.rotate(degrees, Image.Resampling.BICUBIC, expand=True)
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    arms = points - (np.array(photo.size) - 1) / 2
    return picture, arms @ np.array([[cos, -sin], [sin, cos]]) + (np.array(picture.size) - 1) / 2


def resized(photo, points, side):
    picture = photo.resize(
        [round(length * side / max(photo.size)) for length in photo.size], Image.Resampling.LANCZOS
    )
    return picture, (points + 0.5) * np.array(picture.size) / np.array(photo.size) - 0.5


def check(found, expected_points, reference, gray):
    assert apart(found.points, expected_points)[:2].mean() < 4
    assert np.abs(to_uint8(found.pixels).astype(float) - to_uint8(reference.pixels)).mean() < gray


@pytest.mark.parametrize("name", NAMES)
def test_an_aligned_face_has_its_eyes_and_mouth_on_the_template(aligned, name):
    photo, face = aligned[name]
    assert (
        face.pixels.shape == (1, 3, 64, 64)
        and face.pixels.abs().max() <= 1
        and face.points.shape == (5, 2)
    )
    assert face.transform.size == photo.size and face.transform.scale < 1
    assert np.abs(face.transform.to_picture(face.points[FITTED]) - TARGET).max() < 3
    assert torch.equal(face.pixels, cut(photo, face.transform))


def moved(photo, points):
    left, top = 100, 10
    return photo.crop((left, top, *photo.size)), points - [left, top]


def on_its_side(photo, points):
    """The photo as a camera held upright stores it: turned, with a word of how to turn it back."""
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    photo.transpose(Image.Transpose.ROTATE_90).save(file, "JPEG", quality=95, exif=exif)
    return file.getvalue(), points


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "change",
    [
        lambda *photo: photo,
        lambda *photo: turned(*photo, 15),
        lambda *photo: turned(*photo, -15),
        lambda *photo: resized(*photo, 250),
        moved,
        on_its_side,
    ],
    ids=["as it is", "turned left", "turned right", "small", "off-center", "on its side"],
)
def test_pupils_marked_by_hand_come_to_the_template(name, change):
    photo, points = change(photographs()[name], np.array(PUPILS[name]))
    off = np.linalg.norm(align(photo).transform.to_picture(points) - TARGET[:2], axis=1)
    assert off.max() < 1.5


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("degrees", [15, -15, 20, -20])
def test_a_tilted_head_gives_the_same_picture(aligned, name, degrees):
    photo, face = aligned[name]
    picture, points = turned(photo, face.points, degrees)
    check(align(picture), points, face, 16)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("side", [200, 1500, 3000])
def test_a_photo_of_another_size_gives_the_same_picture(aligned, name, side):
    photo, face = aligned[name]
    picture, points = resized(photo, face.points, side)
    check(align(picture), points, face, 12)


@pytest.mark.parametrize("name", NAMES)
def test_a_mirrored_photo_gives_the_mirrored_points(aligned, name):
    photo, face = aligned[name]
    expected = face.points[[1, 0, 2, 4, 3]]
    expected[:, 0] = photo.width - 1 - expected[:, 0]
    assert apart(locate(ImageOps.mirror(photo)), expected)[:2].mean() < 4


def test_of_several_faces_the_largest_is_taken_wherever_it_is(aligned):
    hopper, face = aligned["Grace Hopper"]
    canvas = Image.new("RGB", (1400, 900), "gray")
    canvas.paste(aligned["Eileen Collins"][0], (0, 0))
    canvas.paste(hopper, (850, 290))
    check(align(canvas), face.points + [850, 290], face, 14)


@pytest.mark.parametrize("name", NAMES)
def test_a_face_at_the_photo_s_edge_is_found(aligned, name):
    photo, face = aligned[name]
    reach = np.linalg.norm(face.points[1] - face.points[0])
    left, top = (face.points.min(0) - [0.7 * reach, 1.0 * reach]).astype(int).tolist()
    found = align(photo.crop((left, top, photo.width, photo.height)))
    assert apart(found.points + [left, top], face.points)[:2].mean() < 6


def test_a_small_face_in_a_large_photo_is_found(aligned):
    hopper, face = aligned["Grace Hopper"]
    small, points = resized(hopper, face.points, 350)
    canvas = Image.new("RGB", (2400, 1800), (90, 120, 90))
    canvas.paste(small, (2000, 100))
    assert apart(align(canvas).points, points + [2000, 100])[:2].mean() < 5


@pytest.mark.parametrize("kind", ["gray", "noise", "coffee"])
def test_a_photo_without_a_face_is_refused_with_advice(kind):
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    pixels = {"gray": np.full_like(noise, 128), "noise": noise, "coffee": data.coffee()}[kind]
    with pytest.raises(NoFaceFound, match="no face was found.*crop it yourself"):
        align(Image.fromarray(pixels))
    assert issubclass(NoFaceFound, ValueError)


@pytest.mark.parametrize("size", [(6000, 300), (300, 6000), (9000, 900), (20000, 32)])
def test_a_long_photo_costs_little_more_than_another(size, monkeypatch):
    looked_at = []

    def nothing(picture, *_):
        looked_at.append(picture.size)
        return []

    monkeypatch.setattr(faces, "sorted_boxes", nothing)
    with pytest.raises(NoFaceFound):
        locate(Image.new("RGB", size))
    assert sum(width * height for width, height in looked_at) <= 5 * 10 * 320**2


def test_a_face_in_a_panorama_is_found(aligned):
    hopper, face = aligned["Grace Hopper"]
    small, points = resized(hopper, face.points, 300)
    canvas = Image.new("RGB", (5000, 300), (90, 120, 90))
    canvas.paste(small, (4000, 0))
    assert apart(align(canvas).points, points + [4000, 0])[:2].mean() < 5


def test_a_photo_may_be_a_path_bytes_or_a_picture(aligned, tmp_path):
    photo, face = aligned["Eileen Collins"]
    photo.save(tmp_path / "photo.png")
    for source in (tmp_path / "photo.png", (tmp_path / "photo.png").read_bytes()):
        assert torch.equal(align(source).pixels, face.pixels)
    with pytest.raises(FileNotFoundError):
        align(tmp_path / "no.png")
    with pytest.raises(ValueError, match="cannot be read"):
        align(b"<html>")


def test_what_the_network_reads_is_not_taken_on_trust():
    guess = guess_from_box((150, 100), 80, SIZE)
    points = guess.to_photo(np.insert(TARGET, 2, [32, 34], axis=0))
    assert trusted(points, 0.3, guess)
    assert not trusted(points, 0.05, guess), "not sure"
    assert not trusted(points[[3, 4, 2, 0, 1]], 0.3, guess), "mouth above eyes"
    assert not trusted(points + [30, 0], 0.3, guess), "beside the box"
    assert not trusted((points - points.mean(0)) * 0.3 + points.mean(0), 0.3, guess), "tiny"
    assert not trusted(points * [0.2, 1] + [120, 0], 0.3, guess), "eyes in one place"
    assert not trusted(np.full((5, 2), 7.0), 0.3, guess) and not trusted(
        np.full((5, 2), np.nan), 0.3, guess
    )


def test_a_box_whose_points_are_not_trusted_is_passed_over(aligned, monkeypatch):
    photo, face = aligned["Eileen Collins"]
    first, center, width = next(detections(photo)), *detector_box(face.transform)
    wrong = guess_from_box((400.0, 400.0), 150.0, photo.size)
    monkeypatch.setattr(faces, "detections", lambda picture: iter([[wrong], [wrong, *first]]))
    assert apart(locate(photo), face.points).max() < 1
    monkeypatch.setattr(faces, "detections", lambda picture: iter([[wrong]]))
    with pytest.raises(NoFaceFound):
        locate(photo)
    assert len(first) and np.linalg.norm(detector_box(first[0])[0] - center) < 0.2 * width


# -- the portraits pack ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def congress(shared_pack):
    """(original photo, (5, 2) landmarks, the pack's 64x64 picture) of the portraits whose
    originals are at hand."""
    pack = shared_pack("portraits")
    sources, found = pack.parent / "sources", []
    with (
        zipfile.ZipFile(pack) as pictures,
        zipfile.ZipFile(sources / "congress_originals.zip") as originals,
        open(sources / "portraits.csv") as table,
    ):
        held = set(originals.namelist())
        for line in table.readlines()[1:]:
            split, path, _, *values = line.strip().split(",")
            if path in held:
                picture = np.asarray(
                    load_picture(pictures.read(f"{split}/{path.split('/')[1]}"))
                ).astype(float)
                found.append(
                    (
                        load_picture(originals.read(path)),
                        np.array(values, float).reshape(5, 2),
                        picture,
                    )
                )
    return found


def test_faces_are_sampled_as_the_pack_s_are(congress):
    """Its pictures are JPEG files, so they differ by about two gray levels anyway."""
    differences = [
        np.abs(to_uint8(cut(photo, fit_template(points, photo.size)))[0] - picture).mean()
        for photo, points, picture in congress
    ]
    assert len(congress) >= 40 and np.mean(differences) < 2.5 and max(differences) < 4


def test_portraits_are_brought_to_the_template(congress):
    """By the points that their own file holds: those of another detector, in whole pixels."""
    off = [
        np.linalg.norm(align(photo).transform.to_picture(points)[:2] - TARGET[:2], axis=1).mean()
        for photo, points, _ in congress[::3]
    ]
    assert np.mean(off) < 1.5 and max(off) < 4
