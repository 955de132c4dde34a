"""The experiment on better inversion: every method on the same holes, stored one by one."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from tutorial_lib import cli
from tutorial_lib.datasets.base import ArrayImages
from tutorial_lib.evaluation import inversions, two_sample
from tutorial_lib.evaluation.inversions import METHODS, inversions_table, run_inversions
from tutorial_lib.evaluation.metrics import psnr
from tutorial_lib.evaluation.results import load_results
from tutorial_lib.images import to_uint8
from tutorial_lib.inpainting.importance import importance_weights
from tutorial_lib.inpainting.inversion import inpaint_quality
from tutorial_lib.inpainting.latent_search import DEFAULT, PAPER
from tutorial_lib.inpainting.losses import context_loss
from tutorial_lib.inpainting.pipeline import inpaint
from tutorial_lib.masks import center_mask
from tutorial_lib.models.dcgan import Discriminator, Generator
from tutorial_lib.models.encoder import CodeEncoder
from tutorial_lib.models.latent_model import uniform_latent_model


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(two_sample, "EPOCHS", 1)
    monkeypatch.setattr(inversions, "PATH_STEPS", 2)
    for name in ("DEFAULT", "PAPER", "STRONGER_PRIOR"):
        short = replace(getattr(inversions, name), steps=2, approximate=0.0)
        monkeypatch.setattr(inversions, name, short)
    monkeypatch.setattr(
        inversions,
        "inpaint_quality",
        lambda *given, **more: inpaint_quality(
            *given, steps=2, settings=inversions.DEFAULT, **more
        ),
    )
    for name in ("replacement", "repaint", "dps"):
        function = getattr(inversions, name)

        def quick(*given, function=function, **more):
            return function(*given, steps=1, **more)

        quick.__name__ = name
        monkeypatch.setattr(inversions, name, quick)


def gan():
    torch.manual_seed(0)
    card = {"name": "g", "sha256": "5" * 64}
    return uniform_latent_model(Generator(2), Discriminator(2, "none"), card=card)


def pictures():
    return torch.rand(20, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_every_method_is_measured_by_what_it_filled(tmp_path, small):
    images, mask = pictures(), center_mask()
    torch.manual_seed(0)
    results = run_inversions(
        images,
        mask,
        gan(),
        tmp_path / "i.json",
        data={"name": "noise"},
        methods=METHODS,
        encoder=CodeEncoder(2).eval(),
        denoiser=lambda x, t: 0.1 * x,
        progress=False,
    )
    cells = results["variants"]
    assert tuple(cells) == METHODS and results["complete"]
    found = inpaint(images, mask, gan(), progress=False, steps=2, approximate=0.0)
    assert cells["search"]["hole_psnr"] == psnr(found.completed, images, mask).tolist()
    weights = importance_weights(mask, 7)
    wanted = context_loss(found.generated, images, weights)
    torch.testing.assert_close(torch.tensor(cells["search"]["context"]), wanted)
    # what goes on from the search begins where it ended, and pays for it
    path = cells["tuning, 40"]["path"]
    assert len(path["context"]) == 3
    assert path["context"][0] == pytest.approx(wanted.mean().item())
    bare = psnr(found.generated, images, mask).mean().item()
    assert path["hole_psnr"][0] == pytest.approx(bare)
    for name in METHODS:
        assert cells[name]["seconds"] > 0
        assert ("context" in cells[name]) == (name not in ("replacement", "repaint", "dps"))
    assert cells["encoder"]["hole_psnr"] != cells["search"]["hole_psnr"]
    # tuned as often from the same z: quality is a search and then tuning
    assert cells["quality"]["hole_psnr"] == cells["tuning, 40"]["hole_psnr"]
    assert cells["quality, 4"]["made_by"]["restarts"] == 4
    assert inversions_table(results).count("\n") == len(METHODS)


def test_it_goes_on_where_it_was_and_says_what_is_missing(tmp_path, small):
    options = {"data": {"name": "noise"}, "progress": False}
    given = (pictures(), center_mask(), gan(), tmp_path / "i.json")
    first = run_inversions(*given, methods=("search",), **options)
    both = run_inversions(*given, methods=("search", "features"), **options)
    stored = load_results(tmp_path / "i.json")
    assert stored["variants"]["search"]["seconds"] == pytest.approx(
        first["variants"]["search"]["seconds"], rel=1e-4
    )
    assert both["complete"] and list(stored["variants"]) == ["search", "features"]
    with pytest.raises(ValueError, match="seed"):
        run_inversions(*given, methods=("search",), seed=1, **options)
    with pytest.raises(ValueError, match="the method dps needs a denoiser"):
        run_inversions(*given, methods=("dps",), **options)
    with pytest.raises(ValueError, match="the method encoder needs an encoder"):
        run_inversions(*given, methods=("encoder",), **options)
    with pytest.raises(ValueError, match="unknown method guess"):
        run_inversions(*given, methods=("guess",), **options)


def test_methods_that_have_changed_are_made_again(tmp_path, small, monkeypatch):
    options = {"data": {"name": "noise"}, "progress": False, "denoiser": lambda x, t: 0.1 * x}
    given = (pictures(), center_mask(), gan(), tmp_path / "i.json")
    methods = ("search", "lambda 3", "tuning, 40", "features", "repaint")
    looks = SimpleNamespace(auc=0.5, standard_error=0.1)
    monkeypatch.setattr(inversions, "two_sample_auc", lambda *_, **__: looks)

    def repaint(images, mask, denoiser, seed, progress, jump=7):
        return images

    def run(*names):
        before = load_results(given[-1])["variants"] if given[-1].exists() else {}
        run_inversions(*given, methods=names, **options)
        stored = load_results(given[-1])
        assert stored["complete"]
        return [name for name in methods if stored["variants"].get(name) != before.get(name)]

    assert run(*methods) == [*methods]
    assert run(*methods) == []
    monkeypatch.setattr(inversions, "PATH_STEPS", 3)
    assert run("search", "tuning, 40", "features") == ["tuning, 40"]
    monkeypatch.setattr(inversions, "DEFAULT", replace(inversions.DEFAULT, window=9))
    assert run("search", "lambda 3", "features") == ["search", "features"]
    monkeypatch.setattr(inversions, "repaint", repaint)
    assert run(*methods) == ["tuning, 40", "repaint"]
    stored = load_results(given[-1])
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(inversions, "psnr", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        run(*methods, "ball")
    assert load_results(given[-1]) == stored | {"complete": False}
    assert run(*methods) == [] and load_results(given[-1]) == stored


def test_the_command_stores_the_table_with_its_provenance(tmp_path, small, monkeypatch, capsys):
    noise = ArrayImages(to_uint8(pictures()), "noise")
    monkeypatch.setattr("tutorial_lib.cli.options.load_dataset", lambda name, split, **_: noise)
    monkeypatch.setattr("tutorial_lib.cli.inversions.load_gan", lambda name, device: gan())
    card = {"name": "g", "sha256": "5", "command": "train"}
    monkeypatch.setattr("tutorial_lib.cli.inversions.load_card", lambda name: card)
    arguments = ["inversions", "--data", "portraits", "--weights", "g", "--limit", "20"]
    arguments += ["--device", "cpu", "--out", str(tmp_path / "i.json")]
    assert cli.main(arguments) == 0
    assert "quality" in capsys.readouterr().out
    stored = load_results(tmp_path / "i.json")
    assert stored["made_from"]["weights"] == {"weights": card}
    assert stored["made_from"]["data"]["mask"] == "center"
    assert tuple(stored["variants"]) == inversions.USUAL


def test_an_encoder_of_another_generator_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("tutorial_lib.cli.inversions.load_gan", lambda name, device: gan())
    monkeypatch.setattr("tutorial_lib.cli.inversions.load_encoder", lambda name, device: object())
    card = {"data": {"sha256": "6" * 64}}
    monkeypatch.setattr("tutorial_lib.cli.inversions.load_card", lambda name: card)
    command = ["inversions", "--data", "portraits", "--weights", "g", "--encoder", "e"]
    assert cli.main([*command, "--device", "cpu", "--out", str(tmp_path / "i.json")]) == 1
    assert "the encoder e guesses codes of another generator" in capsys.readouterr().err


def test_too_few_pictures_are_refused_before_any_is_filled(tmp_path, monkeypatch):
    monkeypatch.setattr(inversions, "Inversions", pytest.fail)
    with pytest.raises(ValueError, match="too few pictures.*19: take at least 20"):
        inversions.run_inversions(
            pictures()[:19], center_mask(), gan(), tmp_path / "i.json", data={}
        )


def test_the_stronger_prior_is_a_search_of_the_same_length():
    stronger = inversions.STRONGER_PRIOR
    assert stronger.steps == DEFAULT.steps and stronger.approximate == 0  # D is asked always
    assert PAPER.lam == DEFAULT.lam < stronger.lam
