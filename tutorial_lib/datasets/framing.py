"""How the face in any photo is framed: found by scikit-image's cascade, and cut as the faces are that the shipped weights know."""

from __future__ import annotations

import numpy as np
from PIL import Image
from torch import Tensor

from tutorial_lib.images import crop_square, load_picture
from tutorial_lib.metrics import find_faces

MARGIN = 0.06  # of the detected face's width, on each side: the framing of the faces the shipped weights know
_SEARCH_SIDE = 320
_SECOND_LOOK = 0.6


def find_face(picture: Image.Image) -> tuple[float, float, float]:
    """The box (left, top, side) around the largest frontal face, framed as the training faces are.

    Raises: ValueError when scikit-image's cascade finds no face.
    """
    scale = min(1.0, _SEARCH_SIDE / min(picture.size))
    small = picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS)
    pixels, side = np.asarray(small), min(small.size)
    found = find_faces(pixels, min_side=side // 8, max_side=side)
    if not found:
        raise ValueError("no face was found: give a photo that shows a face from the front, not too small, "
                         "or crop it yourself (a square from mid-forehead to chin)")
    face = max(found, key=lambda box: box["width"])
    # Small windows within the face are merged into its box and pull it aside, so look once more without them.
    found = find_faces(pixels, min_side=round(_SECOND_LOOK * face["width"]), max_side=side)
    face = max(found or [face], key=lambda box: box["width"])
    margin = MARGIN * face["width"]
    return tuple(float(value / scale) for value in
                 (face["c"] - margin, face["r"] - margin, face["width"] + 2 * margin))


def frame_face(source) -> Tensor:
    """(1, 3, 64, 64) in [-1, 1]: the face in a photo (path, bytes or Pillow picture), found and framed.

    Raises: as `images.load_picture` and `find_face`.
    """
    picture = load_picture(source)
    return crop_square(picture, find_face(picture))
