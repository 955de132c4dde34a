"""What the tests of the paper's data sets share."""

import io
import tarfile
from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image


def jpeg(pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def flat(color, height=218, width=178):
    return np.broadcast_to(np.array(color, np.uint8), (height, width, 3))


def colors(dataset):
    """(N, 3) mean colors, 0 to 255."""
    pictures = dataset.images(list(range(len(dataset))))
    return ((pictures.mean((2, 3)) + 1) * 127.5).round().numpy()


# ---- Stanford Cars


def struct(boxes, labels=True):
    """A (1, N) struct array whose boxes are uint8 where they fit and uint16 where not, as in the
    official files.
    """
    fields = ["bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", *(["class"] if labels else []), "fname"]
    rows = np.empty((1, len(boxes)), dtype=[(name, object) for name in fields])
    for place, (name, box) in enumerate(boxes.items()):
        numbers = [np.array([[value]], np.uint8 if value < 256 else np.uint16) for value in box]
        rows[0, place] = tuple(
            [*numbers, *([np.array([[place + 1]], np.uint8)] if labels else []), name]
        )
    return rows


def mat(boxes, labels=True) -> bytes:
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, {"annotations": struct(boxes, labels)}, do_compression=True)
    return buffer.getvalue()


def tgz(path: Path, files: dict[str, bytes], folder: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(_entry(folder, None))
        for name, content in files.items():
            archive.addfile(_entry(f"{folder}/{name}", content), io.BytesIO(content))


def _entry(name, content):
    entry = tarfile.TarInfo(name)
    if content is None:
        entry.type = tarfile.DIRTYPE
    else:
        entry.size = len(content)
    return entry
