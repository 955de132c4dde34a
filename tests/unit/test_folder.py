"""Folders and zips of pictures."""

import io
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from tutorial_lib import load_dataset
from tutorial_lib.baselines import NearestNeighbor
from tutorial_lib.cli import main
from tutorial_lib.datasets import folder
from tutorial_lib.datasets.portraits import photographs
from tutorial_lib.faces import align
from tutorial_lib.images import to_float, to_uint8


def png(value, size=(64, 64)):
    buffer = io.BytesIO()
    Image.new("RGB", size, (value, 0, 255 - value)).save(buffer, "PNG")
    return buffer.getvalue()


def write_folder(root, files):
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def write_zip(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("train/", "")
        for name, data in files.items():
            archive.writestr(name, data)
    return path


DIVIDED = {
    "train/b.png": png(20),
    "train/a.PNG": png(10),
    "test/c.png": png(30),
    "train/notes.txt": b"no picture",
    "train/.hidden.png": b"junk",
}


@pytest.mark.parametrize("store", [write_folder, write_zip])
def test_train_and_test_folders_are_the_splits(tmp_path, store):
    root = store(tmp_path / "pictures.zip", DIVIDED)
    train, test = (load_dataset("folder", split=split, root=root) for split in ("train", "test"))
    assert (len(train), len(test)) == (2, 1)
    assert train.files == ["train/a.PNG", "train/b.png"]
    values = torch.tensor([10.0, 0, 245]) / 127.5 - 1
    torch.testing.assert_close(train[0], values[:, None, None].expand(3, 64, 64))
    assert torch.equal(train.images([1, 0])[1], train[0])
    assert len(load_dataset("folder", root=root, limit=1)) == 1


def test_undivided_folder_splits_by_name_and_stays_split(tmp_path):
    first = {f"{i:03}.png": png(i) for i in range(60)}
    write_folder(tmp_path, first)
    train, test = (
        load_dataset("folder", split=split, root=tmp_path).files for split in ("train", "test")
    )
    assert sorted(train + test) == sorted(first) and not set(train) & set(test) and test
    write_folder(tmp_path, {f"{i:03}.png": png(i) for i in range(60, 90)})
    later = load_dataset("folder", split="test", root=tmp_path).files
    assert set(test) <= set(later) and not set(train) & set(later)


def test_larger_pictures_lose_their_longer_sides(tmp_path):
    wide = np.zeros((64, 128, 3), np.uint8)
    wide[:, 32:96] = 200
    Image.fromarray(wide).save(tmp_path / "train.png")
    write_folder(tmp_path, {"train/x.png": (tmp_path / "train.png").read_bytes()})
    image = load_dataset("folder", root=tmp_path)[0]
    torch.testing.assert_close(image, torch.full((3, 64, 64), 200 / 127.5 - 1))


def test_what_is_wrong_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_dataset("folder", root=tmp_path / "nowhere")
    with pytest.raises(ValueError, match="no pictures"):
        load_dataset("folder", root=tmp_path)
    page = tmp_path / "faces.zip"
    page.write_text("<html>moved</html>")
    with pytest.raises(ValueError, match="not a zip archive"):
        load_dataset("folder", root=page)
    write_folder(tmp_path / "broken", {"train/cut.png": png(5)[:40]})
    with pytest.raises(ValueError, match="train/cut.png"):
        load_dataset("folder", root=tmp_path / "broken")
    with pytest.raises(ValueError, match="root="):
        load_dataset("folder")
    with pytest.raises(ValueError, match="split"):
        load_dataset("folder", split="valid", root=tmp_path)
    with pytest.raises(ValueError, match="limit"):
        load_dataset("folder", root=tmp_path, limit=0)
    with pytest.raises(ValueError, match="synthetic-faces"):
        load_dataset("celebb")


@pytest.mark.parametrize("store", [write_folder, write_zip])
def test_faces_are_framed_and_pictures_without_one_are_left_out_and_counted(
    tmp_path, store, capsys, monkeypatch
):
    monkeypatch.setenv("TUTORIAL_CACHE", str(tmp_path / "cache"))
    files = {"train/c.png": png(9, (300, 200)), "test/d.png": png(9)}
    for name, (_, photo) in zip("ab", photographs().items(), strict=True):
        buffer = io.BytesIO()
        photo.save(buffer, "PNG")
        files[f"train/{name}.png"] = buffer.getvalue()
    root = store(tmp_path / "class.zip", files)
    faces = load_dataset("folder", root=root, crop="face")
    assert "no face was found in 1 of 3 pictures" in capsys.readouterr().out
    assert faces.files == ["train/a.png", "train/b.png"] and len(faces) == 2
    expected = torch.cat([align(photo).pixels for photo in photographs().values()])
    expected = to_float(to_uint8(expected))
    assert torch.equal(faces.images([1, 0]), expected.flip(0)) and torch.equal(
        faces[1], expected[1]
    )
    assert torch.equal(faces.images(slice(None)), expected)
    assert NearestNeighbor(faces).pixels.reshape(2, -1).any(1).all(), (
        "the black row of a picture without a face is no picture"
    )
    assert len(load_dataset("folder", root=root, crop="center")) == 3
    with pytest.raises(ValueError, match="no picture shows a face"):
        load_dataset("folder", split="test", root=root, crop="face")


@pytest.mark.parametrize(
    ("from_list", "place", "value", "said"),
    [
        (True, 0, 0, "is a damaged zip archive"),
        (True, 6, 255, "is a damaged zip archive.*version"),
        (True, 8, 1, "a.png.*password"),
        (True, 10, 9, "a.png.*compression"),
        (False, 40, 0xFF, "a.png"),
    ],
)
def test_a_zip_archive_that_cannot_be_read_says_so_and_which(
    tmp_path, from_list, place, value, said
):
    path = tmp_path / "class.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train/a.png", png(3))
    content = bytearray(path.read_bytes())
    place += (
        content.index(b"PK\x01\x02") if from_list else len("train/a.png")
    )  # in the list at the end: flags at 8, method at 10
    content[place : place + (1 if from_list else 20)] = bytes([value]) * (1 if from_list else 20)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"class\.zip.*{said}"):
        load_dataset("folder", root=path)


@pytest.mark.parametrize("store", [write_folder, write_zip])
def test_many_pictures_are_decoded_once_and_again_when_one_changes(tmp_path, store, monkeypatch):
    monkeypatch.setattr(folder, "MANY", 3)
    files = {f"train/{number}.png": png(number) for number in range(5)}
    root = store(tmp_path / "many.zip", files)
    options = {"root": root, "cache_dir": tmp_path / "cache"}
    first = load_dataset("folder", **options).images(slice(None))
    count = len(list((tmp_path / "cache" / "prepared").iterdir()))
    with monkeypatch.context() as blind:
        blind.setattr(folder, "load_picture", None)
        assert torch.equal(load_dataset("folder", **options).images(slice(None)), first)
    assert count == len(list((tmp_path / "cache" / "prepared").iterdir())) == 1
    store(root, files | {"train/2.png": png(200, (80, 80))})
    assert not torch.equal(load_dataset("folder", **options)[2], first[2])
    assert torch.equal(load_dataset("folder", **options)[3], first[3])


def test_settings_that_a_set_does_not_have_are_refused(tmp_path, capsys):
    write_folder(tmp_path, DIVIDED)
    with pytest.raises(ValueError, match="crop must be one of"):
        load_dataset("folder", root=tmp_path, crop="left")
    with pytest.raises(ValueError, match="synthetic-faces has no setting crop"):
        load_dataset("synthetic-faces", crop="face")
    for words, said in (
        (["--data", "celeba", "--crop", "face"], "a number of pixels"),
        (["--data", "folder", "--extra"], "no setting extra"),
    ):
        assert (
            main(
                [
                    "train",
                    *words,
                    "--root",
                    str(tmp_path),
                    "--steps",
                    "1",
                    "--device",
                    "cpu",
                    "--out",
                    str(tmp_path / "run"),
                ]
            )
            == 1
        )
        assert said in capsys.readouterr().err
