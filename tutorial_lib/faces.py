"""A face in a photo, brought to the template that the networks know."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from tutorial_lib.images import IMAGE_SIZE, load_picture, to_float
from tutorial_lib.models.landmarks import CROP_SIZE, LandmarkNetwork
from tutorial_lib.models.weights import load_landmarks

# (x, y) in the 64x64 picture, centers of pixels counted from 0: eye, eye, nose, mouth corner,
# mouth corner. Left and right are the picture's.
LANDMARKS = ("left eye", "right eye", "nose", "left mouth corner", "right mouth corner")
TEMPLATE = {
    "left eye": (19.0, 20.5),
    "right eye": (45.0, 20.5),
    "left mouth corner": (21.8, 46.5),
    "right mouth corner": (42.2, 46.5),
}
_FITTED = [LANDMARKS.index(name) for name in TEMPLATE]

# What the landmark network sees: a square in the template's plane, so much wider than the picture
# that a face fits in which the detector's box has put a little off.
CROP_CENTER = (32.0, 33.0)
CROP_SPAN = 70.0

# The cascade's box on faces brought to the template, in template pixels: medians over the training
# faces of the landmark network.
_BOX_CENTER = (32.4, 28.2)
_BOX_WIDTH = 66.5
_SEARCH_SIDE = 320  # of the copy in which faces are looked for, the shorter one
_SMALLEST = 40  # face there
_LOOKS = 3  # of the network at one face
_TURNS = (10, -10, 20, -20)  # degrees
_LONG = 3  # longer than so many shorter sides: a turned copy would be mostly its empty corners
_LONGEST = 10  # shorter sides that the longer side of a copy may have

# How far a face's points may be from the template (root mean square, template pixels), and how far
# the face from the detector's box: template pixels, a factor, degrees.
_MISFIT = 5.0
_APART = 12.0
_RESCALED = 1.6
_TURNED = 40.0
_MIDDLE = np.array([CROP_CENTER])
# Sureness below which there is no face: all but a few held-out faces lie above, and 95 % of what
# is none well below.
_SURE = 0.13


class NoFaceFound(ValueError):
    """A photo shows no face that can be used; the message says what to do."""

    def __init__(self):
        super().__init__(
            "no face was found: give a photo that shows a face from the front, not too small, "
            "or crop it yourself (a square from mid-forehead to chin)"
        )


@dataclass(frozen=True)
class Transform:
    """Where the 64x64 picture lies in the photo.

    A similarity (turn, scale, shift) from the photo's pixels to the picture's.

    Attributes:
        matrix: (2, 3) float64. Picture point = matrix[:, :2] @ photo point + matrix[:, 2]; points
            are (x, y), and the center of the first pixel is (0, 0) in both.
        size: (width, height) of the photo.
    """

    matrix: np.ndarray
    size: tuple[int, int]

    @classmethod
    def of_box(cls, box: tuple[float, float, float], size: tuple[int, int]) -> Transform:
        """The transform of an upright square of the photo.

        Args:
            box: (left, top, side) in photo pixels; (0, 0, width) is all of a square photo.
            size: (width, height) of the photo.
        """
        left, top, side = box
        scale = IMAGE_SIZE / side
        shift = [scale * (0.5 - left) - 0.5, scale * (0.5 - top) - 0.5]
        return cls(np.array([[scale, 0.0, shift[0]], [0.0, scale, shift[1]]]), size)

    @property
    def scale(self) -> float:
        """Picture pixels to a photo pixel: below 1 where the photo is larger than the picture."""
        return float(np.hypot(*self.matrix[:, 0]))

    def to_picture(self, points: np.ndarray) -> np.ndarray:
        """(N, 2) photo points -> (N, 2) picture points."""
        return np.asarray(points, float) @ self.matrix[:, :2].T + self.matrix[:, 2]

    def to_photo(self, points: np.ndarray) -> np.ndarray:
        """(N, 2) picture points -> (N, 2) photo points."""
        return (np.asarray(points, float) - self.matrix[:, 2]) @ np.linalg.inv(self.matrix[:, :2]).T


def fit_template(points: np.ndarray, size: tuple[int, int]) -> Transform:
    """The similarity that brings eyes and mouth corners nearest to the template (least squares).

    It never mirrors.

    Args:
        points: (5, 2), (x, y) of `LANDMARKS` in the photo; the nose does not count.
        size: (width, height) of the photo.

    Raises:
        ValueError: for points of another shape, or eyes and mouth corners that are all one point or
            not finite.
    """
    points = np.asarray(points, float)
    if points.shape != (len(LANDMARKS), 2):
        raise ValueError(
            f"need {len(LANDMARKS)} points (x, y), got an array of shape {points.shape}"
        )
    matrix = fit_matrices(points[None])[0]
    if not np.isfinite(matrix).all():
        raise ValueError("eyes and mouth corners must be finite, and not all in one place")
    return Transform(matrix, size)


def fit_matrices(points: np.ndarray) -> np.ndarray:
    """`Transform.matrix` of many faces at once: (N, 5, 2) photo points -> (N, 2, 3).

    With points as complex numbers a similarity is z -> a z + b, and the best a is a quotient of
    two sums. A face whose points are all in one place gets NaN.
    """
    x, y = np.moveaxis(points[:, _FITTED], 2, 0)  # (N, 4) each
    here = x + 1j * y
    there = np.array([px + 1j * py for px, py in TEMPLATE.values()])  # (4,)
    center = here.mean(1, keepdims=True)
    arms = here - center
    with np.errstate(invalid="ignore", divide="ignore"):
        a = (arms.conj() * (there - there.mean())).sum(1) / (abs(arms) ** 2).sum(1)  # (N,)
        b = there.mean() - a * center[:, 0]
    rows = [[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]]
    return np.moveaxis(np.array(rows), 2, 0)


def crop_matrices(matrices: np.ndarray) -> np.ndarray:
    """Where the network's crops lie: (N, 2, 3) `Transform.matrix` -> (N, 2, 3), crop to photo.

    The crop is the square of the template's plane around `CROP_CENTER`, `CROP_SPAN` template
    pixels wide.
    """
    step = CROP_SPAN / CROP_SIZE
    corner = np.array(CROP_CENTER) - step * (CROP_SIZE - 1) / 2  # template point of pixel (0, 0)
    inverse = np.linalg.inv(matrices[:, :, :2])  # (N, 2, 2), template to photo
    shift = inverse @ (corner - matrices[:, :, 2])[:, :, None]  # (N, 2, 1)
    return np.concatenate([inverse * step, shift], axis=2)


def warp(
    pictures: Tensor,
    matrices: Tensor,
    size: int,
    *,
    mode: str = "bilinear",
    padding: str = "border",
) -> Tensor:
    """Squares cut out of pictures, turned and scaled.

    Args:
        pictures: (B, C, H, W).
        matrices: (B, 2, 3); picture point = matrix[:, :2] @ square point + matrix[:, 2], both in
            pixels with the center of the first one at (0, 0).
        size: side of the squares.
        mode: `torch.nn.functional.grid_sample`'s interpolation.
        padding: what lies outside: "border" repeats the edge, "reflection" mirrors there.

    Returns:
        (B, C, size, size).
    """
    height, width = pictures.shape[2:]
    place = torch.arange(size, dtype=matrices.dtype, device=matrices.device)
    x, y = torch.meshgrid(place, place, indexing="xy")
    plane = torch.stack([x, y, torch.ones_like(x)], dim=2)  # (size, size, 3)
    points = torch.einsum("hwk,bck->bhwc", plane, matrices)  # (B, size, size, 2) in picture pixels
    extent = torch.tensor([width, height], dtype=points.dtype, device=points.device)
    grid = (2 * points + 1) / extent - 1  # -1 and 1 are the outer edges of the picture
    return F.grid_sample(pictures, grid.to(pictures), mode, padding, align_corners=False)


@dataclass(frozen=True)
class AlignedFace:
    """A face brought to the template.

    Attributes:
        pixels: (1, 3, 64, 64) float32 in [-1, 1].
        transform: where these pixels lie in the photo.
        points: (5, 2) float64, (x, y) of `LANDMARKS` in photo pixels.
    """

    pixels: Tensor
    transform: Transform
    points: np.ndarray


def align(photo: str | os.PathLike | bytes | Image.Image) -> AlignedFace:
    """The largest face in a photo that is seen from the front, brought to the template.

    Args:
        photo: a path, the bytes of a file, or a Pillow picture, of any size.

    Raises:
        as `images.load_picture` and `locate`.
    """
    picture = load_picture(photo)
    points = locate(picture)
    transform = fit_template(points, picture.size)
    return AlignedFace(cut(picture, transform), transform, points)


def cut(picture: Image.Image, transform: Transform) -> Tensor:
    """The 64x64 picture that a transform describes: (1, 3, 64, 64) float32 in [-1, 1].

    Sampled as the training faces were: bicubic at four times the size and averaged down, mirrored
    at the photo's edge.

    Args:
        picture: the photo, RGB.
        transform: its size is not looked at.
    """
    linear = np.linalg.inv(transform.matrix[:, :2])
    shift = -linear @ transform.matrix[:, 2]
    inverse = np.column_stack([linear, shift])  # picture pixel to photo pixel
    return _cut(picture, inverse, IMAGE_SIZE, 4, "bicubic", "reflection").clamp(-1, 1)


def locate(picture: Image.Image) -> np.ndarray:
    """Eyes, nose and mouth corners of the largest face that is seen from the front.

    The detector's boxes are tried from the largest on. In each the network looks three times, from
    the second time on at a crop that its last answer has centered, scaled and turned upright; the
    first box whose points look like a face's is taken. There is no falling back on the box alone:
    a face brought to the wrong place would be filled wrongly, and nobody would be told.

    Args:
        picture: an RGB photo; heads may be tilted by up to 20 degrees, or 10 in a long photo (see
            `detections`).

    Returns:
        (5, 2) float64, (x, y) of `LANDMARKS` in photo pixels, the center of the first pixel being
        (0, 0).

    Raises:
        NoFaceFound, a ValueError, when no face is found, or none whose points are where a face has
            them.
    """
    network = _network()
    for guesses in detections(picture):
        for guess in guesses:
            points, sureness = read_points(picture, guess, network)
            if trusted(points, sureness, guess):
                return points
    raise NoFaceFound


@functools.cache
def _network() -> LandmarkNetwork:
    return load_landmarks("landmarks", "cpu")


def read_points(
    picture: Image.Image, guess: Transform, network: LandmarkNetwork
) -> tuple[np.ndarray, float]:
    """What the network reads around a first guess.

    It looks three times, from the second time on at a crop placed by its last answer.

    Args:
        picture: an RGB photo.
        guess: where the face may be, see `detections`.
        network: in eval mode, on the CPU.

    Returns:
        (5, 2) float64 in photo pixels, and how sure the network was at its last look
        (`LandmarkNetwork.read`).
    """
    matrix = guess.matrix
    for _ in range(_LOOKS):
        place = crop_matrices(matrix[None])[0]  # (2, 3), crop pixel to photo pixel
        crop = _cut(picture, place, CROP_SIZE, 2, "bilinear", "border")
        with torch.no_grad():
            inside, sureness = network.read(crop)  # (1, 5, 2) in the crop, (1,)
        points = inside[0].double().numpy() @ place[:, :2].T + place[:, 2]
        matrix = fit_matrices(points[None])[0]
    return points, float(sureness)


def trusted(points: np.ndarray, sureness: float, guess: Transform) -> bool:
    """Whether points look like a face seen from the front, read with some certainty.

    And where the detector saw it.

    Args:
        points: (5, 2), from `read_points`.
        sureness: from there, too.
        guess: where these started, from `detections`.
    """
    if sureness < _SURE:
        return False
    matrix = fit_matrices(points[None])[0]
    if not np.isfinite(matrix).all():
        return False
    here = Transform(matrix, guess.size)
    target = np.array(list(TEMPLATE.values()))
    misfit = here.to_picture(points[_FITTED]) - target  # (4, 2) in template pixels
    apart = guess.to_picture(here.to_photo(_MIDDLE)) - _MIDDLE
    turn = np.degrees(np.angle(_factor(here) / _factor(guess)))
    return bool(
        np.sqrt(np.square(misfit).sum(1).mean()) < _MISFIT
        and np.hypot(*apart[0]) < _APART
        and abs(np.log(guess.scale / here.scale)) < np.log(_RESCALED)
        and abs(turn) < _TURNED
    )


def _factor(transform: Transform) -> complex:
    """Turn and scale as one complex number."""
    return complex(transform.matrix[0, 0], transform.matrix[1, 0])


def detections(picture: Image.Image) -> Iterator[list[Transform]]:
    """Where faces may be, as scikit-image's cascade sees it: a list a look, largest face first.

    It looks at a reduced copy, so a large photo takes little longer than a small one: first
    upright; then turned by 10 and 20 degrees to both sides, as the cascade knows heads that are
    upright within about 10; at last at a larger copy, for faces that are small in the photo (the
    cascade's box a sixteenth of the shorter side or more). Who is content with an early list saves
    the later looks.

    A photo more than three times as long as it is wide is looked at upright only, and one more than
    ten times as long at smaller copies: then the faces found are larger, in proportion.

    Args:
        picture: an RGB photo.

    Yields:
        lists, often empty, of first guesses: transforms that put the detector's box where it lies,
        on average, on faces that match the template.
    """
    small = _reduced(picture, _SEARCH_SIDE)
    yield _guesses(small, 0, picture, _SMALLEST, _SEARCH_SIDE)
    for turn in _TURNS if max(picture.size) <= _LONG * min(picture.size) else ():
        yield _guesses(small, turn, picture, _SMALLEST, _SEARCH_SIDE)
    if small.size != picture.size:
        yield _guesses(_reduced(picture, 2 * _SEARCH_SIDE), 0, picture, _SMALLEST, 3 * _SMALLEST)


def _guesses(
    small: Image.Image, turn: float, picture: Image.Image, min_side: int, max_side: int
) -> list[Transform]:
    """First guesses from one look at a reduced copy, turned by so many degrees counterclockwise."""
    seen = small.rotate(turn, Image.Resampling.BILINEAR, expand=True) if turn else small
    guesses = []
    for box in sorted_boxes(seen, min_side, max_side):
        middle = complex(
            box["c"] + (box["width"] - seen.width) / 2, box["r"] + (box["height"] - seen.height) / 2
        )
        # turned back about the middle, which rotate() keeps; y points down
        middle *= np.exp(1j * np.radians(turn))
        scale = picture.width / small.width
        center = (
            middle.real * scale + (picture.width - 1) / 2,
            middle.imag * scale + (picture.height - 1) / 2,
        )
        guesses.append(guess_from_box(center, box["width"] * scale, picture.size, turn))
    return guesses


def guess_from_box(
    center: tuple[float, float], width: float, size: tuple[int, int], turn: float = 0.0
) -> Transform:
    """Where the face is in a box of the detector, on average.

    Args:
        center: (x, y) of the box, in photo pixels.
        width: of the box.
        size: (width, height) of the photo.
        turn: degrees by which the photo was turned, counterclockwise, to see the face upright.
    """
    factor = _BOX_WIDTH / width * np.exp(-1j * np.radians(turn))
    shift = complex(*_BOX_CENTER) - factor * complex(*center)
    return Transform(
        np.array([[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]]),
        size,
    )


def detector_box(transform: Transform) -> tuple[np.ndarray, float]:
    """Center (2,) and width of an upright face's box, in photo pixels: undoes `guess_from_box`."""
    return transform.to_photo(np.array([_BOX_CENTER]))[0], _BOX_WIDTH / transform.scale


@functools.cache
def _cascade():
    from skimage import data
    from skimage.feature import Cascade

    return Cascade(data.lbp_frontal_face_cascade_filename())


def find_faces(pixels: np.ndarray, min_side: int, max_side: int) -> list[dict]:
    """Frontal faces that scikit-image's LBP cascade finds in uint8 (H, W, 3).

    Dictionaries with r, c, width, height.
    """
    return _cascade().detect_multi_scale(
        pixels,
        scale_factor=1.1,
        step_ratio=1,
        min_size=(min_side, min_side),
        max_size=(max_side, max_side),
    )


def sorted_boxes(picture: Image.Image, min_side: int, max_side: int) -> list[dict]:
    """What `find_faces` finds, the largest first."""
    found = find_faces(np.asarray(picture), min_side=min_side, max_side=max_side)
    return sorted(found, key=lambda box: box["width"], reverse=True)


def _reduced(picture: Image.Image, side: int) -> Image.Image:
    """The picture with a shorter side of so many pixels, or itself where that is shorter.

    The longer side gets ten times as many at most.
    """
    scale = min(1.0, side / min(picture.size), _LONGEST * side / max(picture.size))
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def _cut(
    picture: Image.Image, matrix: np.ndarray, size: int, finer: int, mode: str, padding: str
) -> Tensor:
    """A square of a photo, turned and scaled: `warp` at a finer grid, averaged down.

    The photo is averaged down first, by a whole factor, where two or more of its pixels fall on
    one of the finer grid; only the part of it that is needed is looked at.

    Args:
        picture: an RGB photo.
        matrix: (2, 3), square pixel to photo pixel.
        size: side of the square.
        finer: samples to a pixel of the square, on each axis.
        mode: see `warp`.
        padding: see `warp`.

    Returns:
        (1, 3, size, size) float32, in [-1, 1] but for the overshoot of "bicubic".
    """
    linear, shift = matrix[:, :2], matrix[:, 2]
    fine = np.column_stack([linear / finer, shift - linear @ np.full(2, (finer - 1) / (2 * finer))])
    factor = max(1, int(np.hypot(*fine[:, 0])))
    ends = np.array([[x, y] for x in (0, size * finer - 1) for y in (0, size * finer - 1)])
    corners = ends @ fine[:, :2].T + fine[:, 2]  # (4, 2) in photo pixels
    margin = 4 * factor  # the taps of a bicubic sample
    limits = np.array(picture.size)
    low = np.clip(np.floor(corners.min(0)) - margin, 0, limits - 1).astype(int) // factor * factor
    high = np.clip(np.ceil(corners.max(0)) + margin, low + 1, limits).astype(int)
    part = picture.reduce(factor, box=(*low.tolist(), *high.tolist()))
    fine[:, 2] = (fine[:, 2] + 0.5 - low) / factor - 0.5
    fine[:, :2] /= factor
    square = warp(
        to_float(np.asarray(part)),
        torch.from_numpy(fine[None]),
        size * finer,
        mode=mode,
        padding=padding,
    )
    return F.avg_pool2d(square, finer)
