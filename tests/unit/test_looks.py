"""Looks of several generators on the same holes: stored one by one, and gone on with."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from tutorial_lib import cli
from tutorial_lib.datasets.base import ArrayImages
from tutorial_lib.evaluation import looks, two_sample
from tutorial_lib.evaluation.looks import MASKS, looks_table, run_looks
from tutorial_lib.evaluation.results import load_results
from tutorial_lib.inpainting.latent_search import DEFAULT
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


def gan(sha256="5" * 64):
    torch.manual_seed(0)
    return uniform_latent_model(Generator(2), None, card={"sha256": sha256})


def command(folder, *weights):
    return [
        *("looks", "--data", "portraits", "--weights", *weights, "--masks", "eyes"),
        *("--restarts", "1", "--limit", "20", "--device", "cpu", "--out", str(folder / "l.json")),
    ]


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
    assert [line.split()[-4] for line in looks_table(one).splitlines()[2:3]] == ["inf"]
    text = (tmp_path / "l.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail)["variants"].keys() == one["variants"].keys()
    stored = load_results(tmp_path / "l.json")["variants"]["eyes, nearest-neighbor"]
    assert stored["hole_psnr"] == [np.inf] * 20
    both = run_looks(
        images, {"g": gan()}, pictures, tmp_path / "l.json", masks=["eyes", "center"], **options
    )
    assert len(both["variants"]) == 8
    assert both["variants"]["eyes, g, 1 start"]["made_by"] == {
        "restarts": 1,
        "settings": asdict(DEFAULT),
        "weights_sha256": "5" * 64,
    }
    with pytest.raises(ValueError, match="unknown mask ears"):
        run_looks(images, {}, pictures, tmp_path / "l.json", masks=["ears"], **options)
    with pytest.raises(ValueError, match="seed"):
        run_looks(images, {}, pictures, tmp_path / "l.json", seed=1, **options)


def test_cells_of_other_weights_or_settings_are_made_again(pictures, tmp_path, monkeypatch):
    images, filled, now = pictures.images(slice(None)), [], replace(DEFAULT, lam=1.0)

    def noted(images, mask, gan, restarts, **_):
        filled.append((gan.card["sha256"][0], restarts))
        return inpaint(images, mask, gan, steps=1, lam=0, progress=False)

    def run(**generators):
        options = {"data": {}, "masks": ["eyes"], "restarts": (1, 2), "progress": False}
        results = run_looks(images, generators, pictures, tmp_path / "l.json", **options)
        assert results["complete"]
        return results["variants"]

    monkeypatch.setattr(two_sample, "EPOCHS", 1)
    monkeypatch.setattr(looks, "inpaint", noted)
    run(g=gan(), h=gan())
    filled.clear()
    cells = run(g=gan(), h=gan("6" * 64))
    assert filled == [("6", 1), ("6", 2)] and len(cells) == 6
    assert cells["eyes, h, 1 start"]["made_by"]["weights_sha256"] == "6" * 64
    filled.clear()
    monkeypatch.setattr(looks, "DEFAULT", now)
    assert run(g=gan())["eyes, g, 2 starts"]["made_by"]["settings"] == asdict(now)
    assert filled == [("5", 1), ("5", 2)]
    filled.clear()
    monkeypatch.setitem(looks.FILLS, "biharmonic", lambda images, mask, order=2: images)
    assert run(g=gan())["eyes, biharmonic"]["made_by"] == {"method": "biharmonic", "order": 2}
    assert filled == []


def test_the_command_prints_and_stores_the_table(pictures, tmp_path, small, monkeypatch, capsys):
    monkeypatch.setattr(
        "tutorial_lib.cli.options.load_dataset", lambda name, split, **more: pictures
    )
    monkeypatch.setattr("tutorial_lib.cli.looks.load_gan", lambda name, device: gan())
    noise = [float(value) for value in range(20)]
    with monkeypatch.context() as patch:
        patch.setattr(looks, "psnr", lambda *_: torch.tensor(noise))
        assert cli.main(command(tmp_path, "g")) == 0
    assert "eyes, g, 1 start" in capsys.readouterr().out
    stored = load_results(tmp_path / "l.json")
    assert stored["complete"] and stored["variants"]["eyes, biharmonic"]["hole_psnr"] == noise
    assert looks_table(stored).count("9.50 ± ") == 3
    with monkeypatch.context() as patch:  # a larger run that is interrupted
        patch.setattr(looks, "inpaint", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        assert cli.main(command(tmp_path, "g", "h")) == 130
    assert load_results(tmp_path / "l.json") == stored | {"complete": False}
    assert cli.main(command(tmp_path, "g")) == 0  # nothing is missing
    assert load_results(tmp_path / "l.json") == stored
    assert f"wrote {tmp_path / 'l.json'}" in capsys.readouterr().out


def test_weights_of_one_name_are_not_taken_for_each_other(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("tutorial_lib.cli.looks.load_gan", pytest.fail)
    two = [str(tmp_path / recipe / "final.safetensors") for recipe in ("hinge", "baseline")]
    assert cli.main(command(tmp_path, *two)) == 1
    assert "baseline/final.safetensors: two have the same name" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
