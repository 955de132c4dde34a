"""Two photographs that ship inside packages the workbook needs anyway, and 49 more that can be fetched.

Grace Hopper (matplotlib's sample data) and Eileen Collins (scikit-image's `astronaut`), and official portraits of members of the US
Congress, from a public repository at a fixed commit; all in the public domain. The shipped weights have seen none of them.
"""

from __future__ import annotations

import csv
from pathlib import Path

import torch
from PIL import Image
from tqdm.auto import tqdm

from tutorial_lib.datasets.download import fetch
from tutorial_lib.datasets.folder import ArrayImages
from tutorial_lib.datasets.framing import MARGIN, frame_face
from tutorial_lib.datasets.rendered import default_cache_dir
from tutorial_lib.images import crop_square, load_picture, to_uint8

NAMES = ("Grace Hopper", "Eileen Collins")
CONGRESS = "https://raw.githubusercontent.com/Hainish/congress-images-225x275/20531e981f99cd8fd42023d3e71000582f2e04c2/"


def photographs() -> dict[str, Image.Image]:
    """The two photographs by name, whole, read from inside matplotlib and scikit-image."""
    import matplotlib
    import skimage
    paths = (Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg",
             Path(skimage.__file__).parent / "data" / "astronaut.png")
    return {name: load_picture(path) for name, path in zip(NAMES, paths, strict=True)}


def fetched_folder() -> Path:
    """Where the portraits that were fetched lie."""
    return default_cache_dir() / "portraits"


def congress_portraits() -> list[dict[str, str]]:
    """What is known of the 49 portraits: path in the repository, sha256, bytes, and the face's box."""
    with open(Path(__file__).with_name("congress_portraits.csv"), newline="", encoding="ascii") as file:
        return list(csv.DictReader(file))


def fetch_portraits(address: str = CONGRESS, progress: bool = True) -> list[Path]:
    """Fetch the 49 portraits (2.3 MB), those that are not there yet; from then on `Portraits` holds them too.

    Raises: as `download.fetch`.
    """
    rows = tqdm(congress_portraits(), desc="portraits", unit="picture", disable=not progress)
    return [fetch(address + row["path"], fetched_folder() / Path(row["path"]).name, int(row["bytes"]), row["sha256"], progress=False)
            for row in rows]


class Portraits(ArrayImages):
    """The faces of the two photographs, 64x64, and of the portraits that were fetched; `names` says whose, or the portrait's number.

    Args: limit: at most so many, the two first.
    """

    def __init__(self, limit: int | None = None):
        faces = {name: frame_face(picture) for name, picture in photographs().items()}
        for row in congress_portraits()[:None if limit is None else max(0, limit - len(faces))]:
            path = fetched_folder() / Path(row["path"]).name
            if path.exists():
                margin = MARGIN * float(row["face_width"])
                box = (float(row["face_col"]) - margin, float(row["face_row"]) - margin, float(row["face_width"]) + 2 * margin)
                faces[path.stem] = crop_square(load_picture(path), box)
        self.names = list(faces)[:limit]
        super().__init__(to_uint8(torch.cat(list(faces.values())[:limit])), name="portraits")
