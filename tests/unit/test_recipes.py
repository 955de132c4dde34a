"""The study of recipes: one change at a time, equal numbers of images, resumed where it was
stopped.
"""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from tutorial_lib import cli
from tutorial_lib.datasets.base import ArrayImages
from tutorial_lib.evaluation import recipes, two_sample
from tutorial_lib.evaluation.recipes import (
    RECIPES,
    baseline_settings,
    recipes_table,
    run_recipes,
)
from tutorial_lib.evaluation.results import load_results
from tutorial_lib.inpainting.latent_search import DEFAULT
from tutorial_lib.inpainting.pipeline import inpaint
from tutorial_lib.models.weights import load_gan
from tutorial_lib.training.checkpoint import TrainingLog

HELD_OUT = torch.rand(20, 3, 64, 64, generator=torch.Generator().manual_seed(6)) * 2 - 1


@pytest.fixture
def pictures():
    pixels = np.random.default_rng(0).integers(0, 256, (80, 64, 64, 3), dtype=np.uint8)
    return ArrayImages(pixels, "noise")


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(recipes, "BASE_CHANNELS", 2)
    monkeypatch.setattr(recipes, "DISCRIMINATOR_CHANNELS", 2)
    monkeypatch.setattr(recipes, "HOLES", 20)
    monkeypatch.setattr(two_sample, "EPOCHS", 1)
    monkeypatch.setattr(recipes, "inpaint", lambda *given, **more: inpaint(*given, **more, steps=2))


def run(pictures, folder, **changes):
    options = {
        "data": {"name": "noise"},
        "names": ["baseline", "batch 32"],
        "images": 128,
        "progress": False,
    }
    return run_recipes(
        pictures, HELD_OUT, folder / "r.json", folder / "work", **(options | changes)
    )


def test_each_recipe_differs_from_the_baseline_in_what_its_name_says():
    baseline = asdict(baseline_settings())
    shipped = load_gan("photo-cars", "cpu").card["training"]
    for key, value in baseline.items():
        if key not in ("base_channels", "discriminator_channels", "precision") and key in shipped:
            assert shipped[key] == (list(value) if isinstance(value, tuple) else value), key
    for name, recipe in RECIPES.items():
        changed = asdict(baseline_settings(**recipe.changes))
        differing = {key for key in baseline if baseline[key] != changed[key]}
        assert differing == set(recipe.changes), name
        # the average reaches back over the same number of images
        assert recipe.batch_size / (1 - changed["ema"]) == pytest.approx(64_000)


def test_all_see_the_same_number_of_images_and_are_measured(pictures, tmp_path, small):
    results = run(pictures, tmp_path)
    assert results["complete"] and list(results["variants"]) == ["baseline", "batch 32"]
    for name, steps in (("baseline", 2), ("batch 32", 4)):
        found = results["variants"][name]
        assert found["made_by"]["steps"] == steps
        assert len(found["hole_psnr"]) == 20 and set(found["sliced_wasserstein"]) >= {
            "mean",
            "64x64",
        }
        assert 0 <= found["samples_auc"][0] <= 1 and 0 <= found["hole_auc"][0] <= 1
        assert found["discriminator"]["pictures"] == 20
    lines = recipes_table(results).splitlines()
    assert (
        len(lines) == 4 and lines[1].startswith("baseline") and lines[-1].startswith("photographs")
    )


def test_a_study_goes_on_where_it_stopped(pictures, tmp_path, small, monkeypatch):
    first = run(pictures, tmp_path, names=["baseline"])
    monkeypatch.setattr(
        recipes,
        "measure_recipe",
        lambda *_: first["variants"]["baseline"] | {"hole_psnr": [1.0, 2.0]},
    )
    both = run(pictures, tmp_path)
    assert both["variants"]["baseline"]["hole_psnr"] == pytest.approx(
        first["variants"]["baseline"]["hole_psnr"], rel=1e-4
    )
    assert both["variants"]["batch 32"]["hole_psnr"] == [1.0, 2.0]
    with pytest.raises(ValueError, match="images"):
        run(pictures, tmp_path, images=256)


def test_recipes_that_have_changed_are_made_again(pictures, tmp_path, small, monkeypatch):
    figures = iter(range(9))
    monkeypatch.setattr(recipes, "measure_recipe", lambda *_: {"figure": next(figures)})
    monkeypatch.setattr(recipes, "real_distance", lambda *_: {"mean": 1.0})
    run(pictures, tmp_path)
    gentle = replace(RECIPES["batch 32"], changes={"ema": 0.9995, "learning_rate": 1e-4})
    with monkeypatch.context() as patch:
        patch.setitem(RECIPES, "batch 32", gentle)
        with pytest.raises(ValueError, match="was made with learning_rate"):
            run(pictures, tmp_path)
        assert not load_results(tmp_path / "r.json")["complete"]
        (tmp_path / "work").rename(tmp_path / "away")
        cells = run(pictures, tmp_path)["variants"]
        assert cells["baseline"]["figure"] == 0 and cells["batch 32"]["figure"] == 2
        assert cells["batch 32"]["made_by"]["learning_rate"] == 1e-4
    search = replace(DEFAULT, lam=1.0)
    monkeypatch.setattr(recipes, "DEFAULT", search)
    cells = run(pictures, tmp_path, names=["baseline"])["variants"]
    assert cells["baseline"]["figure"] == 3 and cells["batch 32"]["figure"] == 2
    assert cells["baseline"]["made_by"]["search"] == asdict(search)


def test_an_unknown_recipe_is_refused_before_anything_is_trained(pictures, tmp_path):
    with pytest.raises(ValueError, match="unknown recipe magic"):
        run(pictures, tmp_path, names=["magic"])
    assert not list(tmp_path.iterdir())


def test_the_command_trains_measures_and_writes(pictures, tmp_path, small, monkeypatch, capsys):
    monkeypatch.setattr(
        "tutorial_lib.cli.options.load_dataset", lambda name, split, **more: pictures
    )
    monkeypatch.setattr(
        recipes,
        "measure_recipe",
        lambda *_: {
            "sliced_wasserstein": {"mean": 3.0},
            "samples_auc": [0.9, 0.01],
            "hole_auc": [0.8, 0.02],
            "hole_psnr": [1.0, 2.0],
            "discriminator": {"auc_real_against": {"generated": 0.6}},
        },
    )
    monkeypatch.setattr(recipes, "real_distance", lambda *_: {"mean": 1.0})
    arguments = [
        "recipes",
        "--data",
        "folder",
        "--root",
        str(tmp_path),
        "--recipes",
        "hinge",
        "--images",
        "64",
        "--work",
        str(tmp_path / "work"),
        "--out",
        str(tmp_path / "r.json"),
        "--device",
        "cpu",
    ]
    assert cli.main(arguments) == 0
    assert "hinge" in capsys.readouterr().out
    assert load_results(tmp_path / "r.json")["variants"]["hinge"]["made_by"]["loss"] == "hinge"
    assert cli.main([*arguments[:-4], "--out", str(tmp_path / "r.json"), "--seed", "1"]) == 1
    assert "made from something else" in capsys.readouterr().err
    with monkeypatch.context() as patch:  # a larger run that is interrupted
        patch.setattr(recipes, "train", lambda *_, **__: TrainingLog(interrupted=True))
        more = [*arguments, "--recipes", "hinge", "baseline"]
        assert cli.main(more) == 130
    assert "stopped; the same command goes on" in capsys.readouterr().out
    stored = load_results(tmp_path / "r.json")
    assert not stored["complete"] and list(stored["variants"]) == ["hinge"]
    assert cli.main(arguments) == 0  # nothing is missing
    assert "wrote" in capsys.readouterr().out
    assert load_results(tmp_path / "r.json") == stored | {"complete": True}
