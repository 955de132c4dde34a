"""A face in a photo, brought to the template that the networks know, and the filled face put back into the photo."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image
from torch import Tensor

from tutorial_lib.images import IMAGE_SIZE, crop_square

# (x, y) in the 64x64 picture, centers of pixels counted from 0: eye, eye, nose, mouth corner, mouth corner. Left and right are the picture's.
LANDMARKS = ("left eye", "right eye", "nose", "left mouth corner", "right mouth corner")
TEMPLATE = {
    "left eye": (19.0, 20.5),
    "right eye": (45.0, 20.5),
    "left mouth corner": (21.8, 46.5),
    "right mouth corner": (42.2, 46.5),
}


@dataclass(frozen=True)
class Transform:
    """Where the 64x64 picture lies in the photo: a similarity (turn, scale, shift) from the photo's pixels to the picture's.

    Attributes:
        matrix: (2, 3) float64. Picture point = matrix[:, :2] @ photo point + matrix[:, 2]; points are (x, y), and the center of the first
            pixel is (0, 0) in both.
        size: (width, height) of the photo.
    """

    matrix: np.ndarray
    size: tuple[int, int]

    @classmethod
    def of_box(cls, box: tuple[float, float, float], size: tuple[int, int]) -> Transform:
        """The transform of an upright square: box = (left, top, side) in photo pixels, (0, 0, width) for all of a square photo."""
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


# ---- TEMPORARY: to be replaced at the merge by the `align` that finds eyes and mouth ----


@dataclass(frozen=True)
class AlignedFace:
    pixels: Tensor
    transform: Transform
    points: np.ndarray


def align(photo: Image.Image) -> AlignedFace:
    """TEMPORARY: the square around the face that the cascade finds, upright."""
    from tutorial_lib.datasets.framing import find_face

    box = find_face(photo)
    transform = Transform.of_box(box, photo.size)
    points = transform.to_photo(np.array(list(TEMPLATE.values())))
    return AlignedFace(crop_square(photo, box), transform, points)
