"""Tiny archives in the official formats are read as the formats say, and each way to break one gets
a message that names it.
"""

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from PIL import Image

from tutorial_lib.datasets import load_dataset, official
from tutorial_lib.datasets.official import SVHN, CelebA, StanfordCars


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TUTORIAL_CACHE", str(tmp_path / "cache"))


def jpeg(pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def flat(color, height=218, width=178):
    return np.broadcast_to(np.array(color, np.uint8), (height, width, 3))


def colors(dataset):
    """(N, 3) mean colors, 0 to 255."""
    return ((dataset.images(slice(None)).mean((2, 3)) + 1) * 127.5).round().numpy()


# -- CelebA --

NUMBERS = [1, 2, 162770, 162771, 182637, 182638, 182639, 202599]


def write_celeba(folder: Path, numbers=NUMBERS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "img_align_celeba.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "img_align_celeba/", ""
        )  # the directory entry that the official archive has
        for number in numbers:
            archive.writestr(
                f"img_align_celeba/{number:06d}.jpg", jpeg(flat((number % 251, 100, 50)))
            )
    return path


def test_celeba_holds_out_the_first_of_the_official_test_split(tmp_path, monkeypatch):
    path = write_celeba(tmp_path / "a")
    monkeypatch.setattr(official, "HELD_OUT", 2)
    train, test = (CelebA(path, split=split) for split in ("train", "test"))
    assert np.abs(colors(test)[:, 0] - [182638 % 251, 182639 % 251]).max() <= 1
    assert (
        np.abs(
            colors(train)[:, 0]
            - [number % 251 for number in (1, 2, 162770, 162771, 182637, 202599)]
        ).max()
        <= 1
    )
    assert len(CelebA(tmp_path, limit=3)) == 3  # a folder above it will do
    assert train[0].shape == (3, 64, 64) and train.name == "celeba"


def test_celeba_s_partition_file_decides_where_it_is_there(tmp_path):
    path = write_celeba(tmp_path)
    partition = tmp_path / "list_eval_partition.txt"
    partition.write_bytes(
        b"".join(f"{number:06d}.jpg {2 if number < 10 else 0}\r\n".encode() for number in NUMBERS)
    )  # CRLF, no header
    assert np.abs(colors(CelebA(path, split="test"))[:, 0] - [1, 2]).max() <= 1
    for broken in ("image_id,partition\n", "<html>schöne Grüße</html>"):
        partition.write_text(broken, encoding="utf-8")
        with pytest.raises(
            ValueError, match="list_eval_partition.txt, line 1.*md5 d32c9cbf.*or remove it"
        ):
            CelebA(path)
    for short in ("", "000001.jpg 0\n000002.jpg 0\n"):
        partition.write_text(short)
        with pytest.raises(
            ValueError,
            match=f"does not name {6 if short else 8} pictures of the archive, the first {'162770' if short else '000001'}",
        ):
            CelebA(path)


def test_celeba_is_cropped_in_the_middle(tmp_path):
    picture = np.zeros((218, 178, 3), np.uint8)
    picture[55:163, 35:143] = 255
    with zipfile.ZipFile(tmp_path / "img_align_celeba.zip", "w") as archive:
        archive.writestr("000001.jpg", jpeg(picture))
    assert CelebA(tmp_path).images([0]).min() > 0.8
    wider = CelebA(tmp_path, crop=178).images([0])
    assert wider.min() == -1 and wider.max() > 0.9


def test_broken_celeba_archives(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"img_align_celeba\.zip"):
        CelebA(tmp_path)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        CelebA(tmp_path / "nowhere")
    path = tmp_path / "img_align_celeba.zip"
    path.write_text("<!DOCTYPE html><html>quota exceeded</html>")
    with pytest.raises(ValueError, match=r"img_align_celeba\.zip is no zip archive: a web page"):
        CelebA(tmp_path)
    whole = write_celeba(tmp_path).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="damaged or cut short.*md5"):
        CelebA(tmp_path)
    place = whole.index(b"\xff\xd8") + 300
    path.write_bytes(whole[:place] + bytes(40) + whole[place + 40 :])
    with pytest.raises(ValueError, match=r"img_align_celeba/000001\.jpg cannot be read.*fetch"):
        CelebA(tmp_path)
    write_celeba(tmp_path, [1, 2])
    with pytest.raises(
        ValueError, match="no pictures of the test split: its numbers end at 000002"
    ):
        CelebA(tmp_path, split="test")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no pictures")
    with pytest.raises(ValueError, match="000001.jpg"):
        CelebA(tmp_path)
    with pytest.raises(ValueError, match="split must be"):
        CelebA(tmp_path, split="valid")
    assert not list((tmp_path / "cache").rglob("*.partial")) and not list(
        (tmp_path / "cache").rglob("*.npy")
    )


# -- SVHN --


def write_svhn(folder: Path, name="train", count=12, seed=0):
    folder.mkdir(parents=True, exist_ok=True)
    x = np.random.default_rng(seed).integers(0, 256, (32, 32, 3, count), dtype=np.uint8)
    y = (np.arange(count) % 10 + 1).astype(np.uint8)[:, None]  # N x 1, with 10 for 0
    scipy.io.savemat(folder / f"{name}_32x32.mat", {"X": x, "y": y}, do_compression=True)
    return x, y


def test_svhn_is_enlarged_and_ten_is_zero(tmp_path, monkeypatch):
    x, _ = write_svhn(tmp_path)
    write_svhn(tmp_path, "test", 5, seed=1)
    train = SVHN(tmp_path)
    assert (
        train.labels.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2]
        and len(train) == 12
        and len(SVHN(tmp_path, split="test")) == 5
    )
    for index in (0, 11):
        assert (
            train.pixels[index]
            == np.asarray(Image.fromarray(x[..., index]).resize((64, 64), Image.Resampling.BICUBIC))
        ).all()
    write_svhn(tmp_path, "extra", 4, seed=2)
    more = SVHN(tmp_path, extra=True)
    assert len(more) == len(more.labels) == 16 and (more.pixels[:12] == train.pixels).all()
    few = SVHN(tmp_path, limit=3)
    assert len(few) == len(few.labels) == 3 and (few.pixels == train.pixels[:3]).all()
    monkeypatch.setattr(
        official._SVHNSource, "pictures", None
    )  # what was prepared is not read again, 1.6 GB of it
    again = SVHN(tmp_path, extra=True)
    assert (again.pixels == more.pixels).all() and (again.labels == more.labels).all()


def test_broken_svhn_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="train_32x32.mat.*data svhn --root"):
        SVHN(tmp_path)
    path = tmp_path / "train_32x32.mat"
    path.write_text("<html>moved</html>")
    with pytest.raises(ValueError, match=r"train_32x32\.mat is no MATLAB file: a web page"):
        SVHN(tmp_path)
    write_svhn(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"train_32x32\.mat.*cut short, fetch it again.*md5"):
        SVHN(tmp_path)
    path.write_bytes(
        whole[:200] + bytes(500) + whole[700:]
    )  # inside the pictures, which are read last
    with pytest.raises(ValueError, match=r"train_32x32\.mat is no MATLAB file: it is damaged.*md5"):
        SVHN(tmp_path)
    for content in (
        {"X": np.zeros((32, 32, 3, 4), np.uint8)},
        {"X": np.zeros((32, 32, 3, 4)), "y": np.ones((4, 1))},
        {"X": np.zeros((32, 32, 3, 4), np.uint8), "y": np.ones((3, 1))},
        {"X": np.zeros((32, 32, 3, 2), np.uint8), "y": np.array([[0], [11]])},
    ):
        scipy.io.savemat(path, content)
        with pytest.raises(ValueError, match=r"train_32x32\.mat holds.*Format 2"):
            SVHN(tmp_path)


# -- Stanford Cars --

# name -> box, counted from 1: (x1, y1, x2, y2); 300 does not fit into 8 bits
BOXES = {
    "00001.jpg": (1, 1, 40, 30),
    "00002.jpg": (201, 51, 300, 150),
    "00003.jpg": (11, 21, 30, 40),
}


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


# -- by name --


def test_the_terms_are_printed_once(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("tutorial_lib.datasets._told", set())
    write_svhn(tmp_path)
    for _ in range(2):
        dataset = load_dataset("svhn", root=tmp_path, limit=4)
    assert capsys.readouterr().out.count("non-commercial") == 1
    assert torch.equal(dataset.images([0, 1]), dataset.images(slice(0, 2)))
    with pytest.raises(ValueError, match="needs root"):
        load_dataset("celeba")
