"""Tiny archives in the format of Stanford Cars are read as the format says.

What is broken is named.
"""

from pathlib import Path

import numpy as np
import pytest
from archives import colors, jpeg, mat, tgz

from tutorial_lib.datasets.stanford_cars import StanfordCars


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TUTORIAL_CACHE", str(tmp_path / "cache"))


# name -> box, counted from 1: (x1, y1, x2, y2); 300 does not fit into 8 bits
BOXES = {
    "00001.jpg": (1, 1, 40, 30),
    "00002.jpg": (201, 51, 300, 150),
    "00003.jpg": (11, 21, 30, 40),
}


def cars(colored=(200, 40, 60)):
    """Pictures that are black but for the box of the car; the third is greyscale."""
    files = {}
    for name, (x1, y1, x2, y2) in BOXES.items():
        picture = np.zeros((200, 320, 3), np.uint8)
        picture[y1 - 1 : y2, x1 - 1 : x2] = colored
        files[name] = jpeg(picture if name != "00003.jpg" else picture[..., 0])
    return files


def write_cars(folder: Path, nested=False, order=("00002.jpg", "00001.jpg", "00003.jpg")):
    for split in ("train", "test"):
        files = cars()
        tgz(
            folder / f"cars_{split}.tgz",
            {name: files[name] for name in order},
            f"cars_{split}/cars_{split}" if nested else f"cars_{split}",
        )
    tgz(
        folder / "car_devkit.tgz",
        {"cars_train_annos.mat": mat(BOXES), "cars_test_annos.mat": mat(BOXES, labels=False)},
        "devkit",
    )


@pytest.mark.parametrize("nested", [False, True])
def test_cars_are_cut_to_their_boxes(tmp_path, nested):
    write_cars(tmp_path, nested)
    for split in ("train", "test"):
        found = colors(StanfordCars(tmp_path, split=split))  # in the order of the archive
        assert (
            len(found) == 3
            and np.abs(found[:2] - [200, 40, 60]).max() < 12
            and np.abs(found[2] - 200).max() < 8
        )
    (tmp_path / "cars_test_annos_withlabels.mat").write_bytes(
        mat({"00003.jpg": BOXES["00003.jpg"]})
    )
    assert (
        len(StanfordCars(tmp_path, split="test")) == 1 and len(StanfordCars(tmp_path, limit=2)) == 2
    )


def test_broken_cars(tmp_path):
    with pytest.raises(FileNotFoundError, match="cars_train.tgz.*copy"):
        StanfordCars(tmp_path)
    write_cars(tmp_path)
    path, devkit = tmp_path / "cars_train.tgz", tmp_path / "car_devkit.tgz"
    whole = path.read_bytes()
    for content, said in (
        (whole[: len(whole) // 2], "damaged or cut short"),
        (b"<html>gone</html>", "a web page"),
        (b"", "damaged"),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=rf"cars_train\.tgz is no \.tgz archive: .*{said}"):
            StanfordCars(tmp_path)
    files = cars()
    tgz(path, {"00001.jpg": files["00001.jpg"]}, "cars_train")
    with pytest.raises(ValueError, match=r"lacks 2 of 3 pictures.*00002\.jpg"):
        StanfordCars(tmp_path)
    tgz(path, files | {"00002.jpg": files["00002.jpg"][:200]}, "cars_train")
    with pytest.raises(ValueError, match=r"00002\.jpg cannot be read"):
        StanfordCars(tmp_path)
    tgz(path, files | {"00002.jpg": jpeg(np.zeros((40, 40, 3)))}, "cars_train")
    with pytest.raises(ValueError, match="box of 00002.jpg.*do not belong together"):
        StanfordCars(tmp_path)
    tgz(devkit, {"cars_test_annos.mat": mat(BOXES)}, "devkit")
    with pytest.raises(ValueError, match=r"car_devkit\.tgz holds no cars_train_annos\.mat"):
        StanfordCars(tmp_path)
    tgz(devkit, {"cars_train_annos.mat": b"nonsense"}, "devkit")
    with pytest.raises(ValueError, match=r"car_devkit\.tgz holds no annotations"):
        StanfordCars(tmp_path)
    devkit.unlink()
    with pytest.raises(FileNotFoundError, match="car_devkit.tgz.*bounding boxes"):
        StanfordCars(tmp_path)
    assert not list((tmp_path / "cache").rglob("*.partial"))
