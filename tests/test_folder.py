"""Folders and zips of pictures."""

import io
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from tutorial_lib import load_dataset


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


DIVIDED = {"train/b.png": png(20), "train/a.PNG": png(10), "test/c.png": png(30), "train/notes.txt": b"no picture",
           "train/.hidden.png": b"junk"}


@pytest.mark.parametrize("store", [write_folder, write_zip])
def test_train_and_test_folders_are_the_splits(tmp_path, store):
    root = store(tmp_path / "pictures.zip", DIVIDED)
    train, test = (load_dataset("folder", split=split, root=root) for split in ("train", "test"))
    assert (len(train), len(test)) == (2, 1)
    assert train.files == ["train/a.PNG", "train/b.png"]
    values = torch.tensor([10., 0, 245]) / 127.5 - 1
    torch.testing.assert_close(train[0], values[:, None, None].expand(3, 64, 64))
    assert torch.equal(train.images([1, 0])[1], train[0])
    assert len(load_dataset("folder", root=root, limit=1)) == 1


def test_undivided_folder_splits_by_name_and_stays_split(tmp_path):
    first = {f"{i:03}.png": png(i) for i in range(60)}
    write_folder(tmp_path, first)
    train, test = (load_dataset("folder", split=split, root=tmp_path).files for split in ("train", "test"))
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
