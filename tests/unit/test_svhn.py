"""A tiny file in SVHN's format is read as the format says, and what is broken is named."""

from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from PIL import Image

from tutorial_lib.datasets import load_dataset, svhn
from tutorial_lib.datasets.svhn import SVHN


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TUTORIAL_CACHE", str(tmp_path / "cache"))


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
        svhn._Source, "pictures", None
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


def test_the_terms_are_printed_once(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("tutorial_lib.datasets._told", set())
    write_svhn(tmp_path)
    for _ in range(2):
        dataset = load_dataset("svhn", root=tmp_path, limit=4)
    assert capsys.readouterr().out.count("non-commercial") == 1
    assert torch.equal(dataset.images([0, 1]), dataset[:2])
    with pytest.raises(ValueError, match="needs root"):
        load_dataset("celeba")
