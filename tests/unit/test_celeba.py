"""A tiny archive in CelebA's format is read as the format says, and what is broken is named."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from archives import colors, flat, jpeg

from tutorial_lib.datasets import celeba
from tutorial_lib.datasets.celeba import CelebA


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TUTORIAL_CACHE", str(tmp_path / "cache"))


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
    monkeypatch.setattr(celeba, "HELD_OUT", 2)
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
    for short, count, first in (
        ("", 8, "000001"),
        ("000001.jpg 0\n000002.jpg 0\n", 6, "162770"),
    ):
        partition.write_text(short)
        with pytest.raises(
            ValueError,
            match=f"does not name {count} pictures of the archive, the first {first}",
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


@pytest.mark.parametrize("folder", ["img_align_celeba\\\\", "img_align_celeba/img_align_celeba/"])
def test_an_archive_under_another_name_and_packed_otherwise_will_do(tmp_path, folder):
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        for number in (1, 182_638):
            entry = zipfile.ZipInfo("x")
            entry.filename = f"{folder}{number:06d}.jpg"  # its own name mends backslashes
            archive.writestr(entry, jpeg(flat((number % 251, 100, 50))))
    assert len(CelebA(tmp_path / "archive.zip")) == 1
    with pytest.raises(FileNotFoundError, match="--data folder"):
        CelebA(tmp_path)
