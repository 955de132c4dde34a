"""How the two faces of `two-portraits` are framed; any other photo: `faces.align`.

Found by scikit-image's cascade, and cut as the faces are that the shipped weights know.
"""

from __future__ import annotations

from PIL import Image
from torch import Tensor

from tutorial_lib.faces import find_box
from tutorial_lib.images import crop_square, load_picture

# of the detected face's width, on each side: the framing of the faces the shipped weights know
MARGIN = 0.06


def find_face(picture: Image.Image) -> tuple[float, float, float]:
    """The box (left, top, side) around the largest frontal face, framed as the training faces are.

    Raises:
        ValueError: when scikit-image's cascade finds no face.
    """
    left, top, width = find_box(picture)
    margin = MARGIN * width
    return left - margin, top - margin, width + 2 * margin


def frame_face(source) -> Tensor:
    """(1, 3, 64, 64) in [-1, 1]: the face in a photo, found and framed.

    Args:
        source: as for `images.load_picture`.

    Raises:
        as `images.load_picture` and `find_face`.
    """
    picture = load_picture(source)
    return crop_square(picture, find_face(picture))
