"""Looks of several generators on the same holes: stored one by one, and gone on with."""

import numpy as np
import pytest
import torch

from tutorial_lib import cli
from tutorial_lib.datasets.base import ArrayImages
from tutorial_lib.evaluation import looks, two_sample
from tutorial_lib.evaluation.looks import MASKS, looks_table, run_looks
from tutorial_lib.evaluation.results import load_results
from tutorial_lib.inpainting.pipeline import inpaint
from tutorial_lib.models.dcgan import Generator
from tutorial_lib.models.latent_model import uniform_latent_model


@pytest.fixture
def pictures():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 64, 64, 3), dtype=np.uint8)
    return ArrayImages(pixels, "noise")


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(two_sample, "EPOCHS", 1)
    monkeypatch.setattr(
        looks, "inpaint", lambda *given, **more: inpaint(*given, **more, steps=2, lam=0)
    )


def gan():
    torch.manual_seed(0)
    return uniform_latent_model(Generator(2), None, card={"sha256": "5" * 64})


def test_the_masks_are_those_that_are_named():
    hole = {name: make()[0, 0] == 0 for name, make in MASKS.items()}
    rows, columns = torch.nonzero(hole["eyes"], as_tuple=True)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (12, 29, 8, 55)
    assert hole["left half"][:, :32].all() and not hole["left half"][:, 32:].any()
    assert hole["center"].sum() == 32 * 32


def test_every_method_fills_every_hole_and_the_study_goes_on(pictures, tmp_path, small):
    options = {"data": {"name": "noise"}, "restarts": (1, 2), "progress": False}
    images = pictures.images(slice(None))
    one = run_looks(images, {"g": gan()}, pictures, tmp_path / "l.json", masks=["eyes"], **options)
    names = ["biharmonic", "nearest-neighbor", "g, 1 start", "g, 2 starts"]
    assert list(one["variants"]) == [f"eyes, {name}" for name in names] and one["complete"]
    assert (
        one["variants"]["eyes, nearest-neighbor"]["hole_psnr"] == [np.inf] * 20
    )  # they are in the training set
    both = run_looks(
        images, {"g": gan()}, pictures, tmp_path / "l.json", masks=["eyes", "center"], **options
    )
    assert len(both["variants"]) == 8
    assert both["variants"]["eyes, g, 1 start"]["made_by"] == {
        "restarts": 1,
        "weights_sha256": "5" * 64,
    }
    with pytest.raises(ValueError, match="unknown mask ears"):
        run_looks(images, {}, pictures, tmp_path / "l.json", masks=["ears"], **options)
    with pytest.raises(ValueError, match="seed"):
        run_looks(images, {}, pictures, tmp_path / "l.json", seed=1, **options)


def test_the_command_prints_and_stores_the_table(pictures, tmp_path, small, monkeypatch, capsys):
    monkeypatch.setattr(
        "tutorial_lib.cli.options.load_dataset", lambda name, split, **more: pictures
    )
    monkeypatch.setattr("tutorial_lib.cli.looks.load_gan", lambda name, device: gan())
    noise = [float(value) for value in range(20)]
    monkeypatch.setattr(looks, "psnr", lambda *_: torch.tensor(noise))
    arguments = [
        "looks",
        "--data",
        "portraits",
        "--weights",
        "g",
        "--masks",
        "eyes",
        "--restarts",
        "1",
        "--limit",
        "20",
        "--device",
        "cpu",
        "--out",
        str(tmp_path / "l.json"),
    ]
    assert cli.main(arguments) == 0
    assert "eyes, g, 1 start" in capsys.readouterr().out
    stored = load_results(tmp_path / "l.json")
    assert stored["complete"] and stored["variants"]["eyes, biharmonic"]["hole_psnr"] == noise
    assert looks_table(stored).count("9.50 ± ") == 3
