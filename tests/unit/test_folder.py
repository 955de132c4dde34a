"""Folders and zips of pictures."""

import io
import os
import subprocess
import sys
import tracemalloc
import zipfile

import numpy as np
import pytest
import torch
from conftest import ROOT
from PIL import Image

from tutorial_lib import load_dataset
from tutorial_lib.baselines import NearestNeighbor
from tutorial_lib.cli import main
from tutorial_lib.datasets import base, folder
from tutorial_lib.datasets.portraits import photographs
from tutorial_lib.faces import align
from tutorial_lib.images import MAX_BYTES, PictureError, to_float, to_uint8


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


def test_pictures_that_match_are_there_several_times(tmp_path):
    names = [f"train/{kind}_{number}.png" for kind in ("rare", "usual") for number in range(3)]
    colors = {name: png(number) for number, name in enumerate(names)}
    broken = {"train/rare_0.png": b"junk"}  # rows and names differ by what cannot be read
    root = write_folder(tmp_path / "pictures", colors | broken | {"test/x.png": png(0)})
    train = load_dataset("folder", split="train", root=root)
    found = ((train.repeated("rare_*", 3)[:][:, 0, 0, 0] + 1) * 127.5).round().int()
    assert found.tolist() == [1, 1, 1, 2, 2, 2, 3, 4, 5]
    for pattern, times in (("other*", 3), ("rare_*", 0)):
        with pytest.raises(ValueError, match="give a pattern that matches"):
            train.repeated(pattern, times)


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
    count = len(list((tmp_path / "cache" / "prepared").glob("*.npy")))
    with monkeypatch.context() as blind:
        blind.setattr(folder, "load_picture", None)
        blind.setattr(folder, "read_member", None)
        assert torch.equal(load_dataset("folder", **options).images(slice(None)), first)
    assert count == len(list((tmp_path / "cache" / "prepared").glob("*.npy"))) == 1
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


# -- what is a split, and what is data --


def test_a_folder_with_a_class_called_train_is_classes(tmp_path):
    files = {f"{kind}/{i}.png": png(i) for kind in ("bus", "car", "train") for i in range(20)}
    root = write_folder(tmp_path / "classes", files)
    found = [load_dataset("folder", split=split, root=root).files for split in ("train", "test")]
    assert sorted(found[0] + found[1]) == sorted(files) and all(found)


@pytest.mark.parametrize("above", ["", "data/", "data/all of it/", "data\\", "data\\sub\\"])
@pytest.mark.parametrize("names", [("train", "test"), ("Train", "Test"), ("TRAIN", "test")])
def test_splits_are_found_whatever_is_around_them_and_however_they_are_written(
    tmp_path, above, names
):
    """A member's name may hold backslashes: zipfile mends those that it writes itself."""
    between = "\\" if "\\" in above else "/"
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for split, count in zip(names, (7, 3), strict=True):
            for number in range(count):
                entry = zipfile.ZipInfo("x")
                entry.filename = f"{above}{split}{between}{number}.png"
                archive.writestr(entry, png(number + 10 * (split == names[1])))
    train, test = (
        load_dataset("folder", split=split, root=tmp_path / "a.zip") for split in ("train", "test")
    )
    assert (len(train), len(test)) == (7, 3)
    assert all("\\" not in name for name in train.files + test.files)
    assert not {picture.tobytes() for picture in train.pixels} & {
        picture.tobytes() for picture in test.pixels
    }


def test_splits_inside_classes_are_refused_not_trained_on(tmp_path):
    files = {
        f"{kind}/{split}/{i}.png": png(i)
        for kind in ("a", "b")
        for split in ("train", "test")
        for i in range(5)
    }
    with pytest.raises(ValueError, match="train/ and test/ stand side by side in a/, not at the"):
        load_dataset("folder", root=write_folder(tmp_path, files))


@pytest.mark.parametrize("store", [write_folder, write_zip])
def test_what_was_found_and_skipped_is_said_once(tmp_path, store, capsys):
    hidden = [".thumbnails/a.png", "train/.ipynb_checkpoints/a.png", "__MACOSX/train/._a.png"]
    files = {f"{split}/{i}.png": png(i) for split in ("train", "test") for i in range(3)}
    files |= dict.fromkeys(hidden, png(0)) | {"train/a.heic": b"x", "cover.jpg": png(9)}
    root = store(tmp_path / "pictures.zip", files)
    for _ in range(2):
        assert len(load_dataset("folder", root=root)) == 3
        assert len(load_dataset("folder", root=root, split="test")) == 3
    said = capsys.readouterr().out
    assert said.count("3 pictures to train, 3 to test (train/ and test/)") == 1
    assert "3 hidden, 1 that are no pictures (.heic), 1 beside train/ and test/" in said


@pytest.mark.parametrize("folders", [("train", "val"), ("us", "us"), ("train", "train")])
def test_why_a_split_is_empty_is_said(tmp_path, folders):
    write_folder(tmp_path, {f"{name}/{i}.png": png(i) for i, name in enumerate(folders)})
    with pytest.raises(
        ValueError,
        match="no pictures for the test split: 2 pictures to train, 0 to test .*10% are held out"
        ".*put some into train/ and some into test/",
    ):
        load_dataset("folder", split="test", root=tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="Windows needs a privilege to make links")
def test_linked_folders_are_read_once(tmp_path):
    store = write_folder(tmp_path / "store", {f"{i}.png": png(i) for i in range(60)})
    root = tmp_path / "root"
    root.mkdir()
    (root / "one").symlink_to(store, target_is_directory=True)
    (root / "two").symlink_to(store, target_is_directory=True)
    (root / "round").symlink_to(root, target_is_directory=True)
    found = [load_dataset("folder", split=split, root=root).files for split in ("train", "test")]
    assert sorted(found[0] + found[1]) == sorted(f"one/{i}.png" for i in range(60))


@pytest.mark.parametrize("suffix", [".jfif", ".gif", ".JPG", ".webp", ".bmp", ".tiff"])
def test_every_format_that_is_read_is_found(tmp_path, suffix):
    formats = {".jfif": "JPEG", ".gif": "GIF", ".JPG": "JPEG", ".webp": "WEBP", ".bmp": "BMP"}
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        picture = Image.new("RGB", (64, 64), "red")
        picture.save(tmp_path / split / f"a{suffix}", formats.get(suffix, "TIFF"))
    assert load_dataset("folder", root=tmp_path).files == [f"train/a{suffix}"]


# -- what cannot be read --


@pytest.mark.parametrize("store", [write_folder, write_zip])
@pytest.mark.parametrize("many", [False, True])
def test_all_broken_pictures_are_named_at_once_and_the_others_are_read(
    tmp_path, store, many, monkeypatch, capsys
):
    monkeypatch.setattr(folder, "MANY", 1 if many else 500)
    files = {f"train/{i}.png": png(i) for i in range(8)} | {"test/a.png": png(1)}
    broken = {"train/1.png": b"<html>", "train/3.png": png(5)[:40], "train/5.png": png(1, (9, 9))}
    root = store(tmp_path / "pictures.zip", files | broken)
    for again in range(2):  # from what was prepared, where many
        pictures = load_dataset("folder", root=root, cache_dir=tmp_path / "cache")
        assert pictures.files == [f"train/{i}.png" for i in (0, 2, 4, 6, 7)]
        assert pictures.pixels[:, 0, 0, 0].tolist() == [0, 2, 4, 6, 7]
        assert pictures.problems.keys() == broken.keys()
        said = capsys.readouterr().err
        assert "3 of 8 pictures cannot be read, left out" in said
        assert all(name in said for name in broken)
        assert "each side needs 32 pixels" in said or (many and again)
    monkeypatch.setattr(folder, "_SHOWN", 2)
    load_dataset("folder", root=root, cache_dir=tmp_path / "cache")
    assert "and 1 more" in capsys.readouterr().err


def test_a_black_picture_is_a_picture(tmp_path):
    files = {f"{split}/black.png": png(0) for split in ("train", "test")}
    Image.new("RGB", (64, 64)).save(tmp_path / "black.png")
    files["train/blacker.png"] = (tmp_path / "black.png").read_bytes()
    assert len(load_dataset("folder", root=write_folder(tmp_path / "root", files))) == 2


def test_a_command_ends_with_1_when_pictures_were_left_out(tmp_path, capsys):
    files = {f"{split}/{i}.png": png(i) for split in ("train", "test") for i in range(6)}
    root = write_folder(tmp_path / "pictures", files | {"train/cut.png": png(3)[:50]})
    command = ["train", "--data", "folder", "--root", str(root), "--steps", "1"]
    command += ["--batch-size", "4", "--base-channels", "2", "--device", "cpu", "--threads", "1"]
    threads = torch.get_num_threads()
    try:
        assert main([*command, "--out", str(tmp_path / "run")]) == 1
    finally:
        torch.set_num_threads(threads)
    assert "cut.png cannot be read" in capsys.readouterr().err
    assert (tmp_path / "run" / "run.safetensors").exists()


def test_a_member_that_is_too_large_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(base, "MAX_BYTES", 50_000)
    root = write_zip(tmp_path / "a.zip", {"train/bomb.jpg": bytes(50_001), "test/a.png": png(0)})
    monkeypatch.setattr(zipfile.ZipFile, "read", pytest.fail)
    monkeypatch.setattr(zipfile.ZipFile, "open", pytest.fail)
    with pytest.raises(ValueError, match="train/bomb.jpg is too large: 50,001 bytes unpacked"):
        load_dataset("folder", root=root)
    assert base.MAX_BYTES < MAX_BYTES <= 120_000_000


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such a name")
def test_a_name_that_is_no_unicode_is_read_and_shown(tmp_path):
    """In a process of its own, whose output knows few letters, as a file's on Windows may."""
    files = {f"{split}/{i}.png": png(i) for split in ("train", "test") for i in range(3)}
    root = write_folder(tmp_path / "emoji \U0001f600", files)
    (root / "train" / os.fsdecode(b"caf\xe9.png")).write_bytes(b"<html>")
    words = ["train", "--data", "folder", "--root", str(root), "--steps", "1", "--batch-size", "2"]
    words += ["--base-channels", "2", "--device", "cpu", "--threads", "1", "--out", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "tutorial_lib", *words],
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
        capture_output=True,
        cwd=ROOT,
    )
    assert done.returncode == 1 and b"Traceback" not in done.stderr, done.stderr
    assert b"1 of 4 pictures cannot be read" in done.stderr and b"caf" in done.stderr
    assert b"3 to test" in done.stdout


def test_other_files_have_another_identity_and_copies_the_same(tmp_path):
    for name, size in (("one", 64), ("two", 80), ("copy", 64)):
        (tmp_path / name).mkdir()
        for number in range(12):
            Image.new("RGB", (size, size), (number, 0, 0)).save(tmp_path / name / f"{number}.png")
    one, two, copy = (
        folder.PictureFolder(tmp_path / name).identity for name in ("one", "two", "copy")
    )
    assert one == copy != two
    assert folder.PictureFolder(tmp_path / "one").repeated("1*", 2).identity == one


def test_a_member_that_lies_about_its_size_is_not_unpacked(tmp_path):
    path = tmp_path / "liar.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train/a.png", bytes(60_000_000))
        archive.getinfo("train/a.png").file_size = 1000  # the list at the end is written from it
    tracemalloc.start()
    try:
        with zipfile.ZipFile(path) as archive, pytest.raises(PictureError, match=r"train/a\.png"):
            base.read_member(archive, "train/a.png")
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_a_list_of_indices_gives_all_of_them():
    dataset = load_dataset("portraits", split="test", limit=6)
    for index in ([3, 5], np.array([3, 5]), torch.tensor([3, 5]), slice(3, 6, 2)):
        assert torch.equal(dataset[index], torch.stack([dataset[3], dataset[5]]))
