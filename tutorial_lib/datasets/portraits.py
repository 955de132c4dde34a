"""Two portraits that ship inside packages which the workbook needs anyway.

Grace Hopper (matplotlib's sample data) and Eileen Collins (scikit-image's `astronaut`); both
photographs are in the public domain. The shipped weights have seen neither of them. The 766
portraits in data/portraits.zip are another set, see `datasets.shipped`.
"""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image

from tutorial_lib.datasets.base import ArrayImages
from tutorial_lib.faces import align
from tutorial_lib.images import load_picture, to_uint8

NAMES = ("Grace Hopper", "Eileen Collins")


def photographs() -> dict[str, Image.Image]:
    """The two photographs by name, whole, read from inside matplotlib and scikit-image."""
    import matplotlib
    import skimage

    paths = (
        Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg",
        Path(skimage.__file__).parent / "data" / "astronaut.png",
    )
    return {name: load_picture(path) for name, path in zip(NAMES, paths, strict=True)}


class TwoPortraits(ArrayImages):
    """The faces of the two photographs, brought to the template by `faces.align`.

    Args:
        limit: at most so many pictures.

    Attributes:
        names: whose faces they are.

    Items: (3, 64, 64) float32 in [-1, 1].
    """

    def __init__(self, limit: int | None = None):
        photos = dict(list(photographs().items())[:limit])
        self.names = list(photos)
        faces = torch.cat([align(photo).pixels for photo in photos.values()])
        super().__init__(to_uint8(faces), name="two-portraits")
