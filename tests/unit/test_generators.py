"""Generators of several sizes: trained as one run, measured with the same starts, and resumed."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from tutorial_lib import cli, inpaint, load_dataset
from tutorial_lib.datasets.base import ArrayImages
from tutorial_lib.evaluation import generators
from tutorial_lib.evaluation.frechet import Judge, classifier_features, frechet_distance
from tutorial_lib.evaluation.generators import (
    generators_table,
    invert,
    measure_generator,
    run_generators,
    settings_of,
    train_generator,
)
from tutorial_lib.evaluation.metrics import psnr
from tutorial_lib.evaluation.results import load_results
from tutorial_lib.images import to_uint8
from tutorial_lib.inpainting.latent_search import DEFAULT
from tutorial_lib.masks import center_mask
from tutorial_lib.models.attributes import AttributeClassifier
from tutorial_lib.models.dcgan import Discriminator, Generator
from tutorial_lib.models.latent_model import uniform_latent_model
from tutorial_lib.models.vae import VAE
from tutorial_lib.models.weights import WEIGHTS_DIR, file_hash, load_gan, save_network
from tutorial_lib.training.gan import GANSettings

load_little = load_dataset
HEADS = {"bright": ["no", "yes"]}
HELD_OUT = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(6)) * 2 - 1


@pytest.fixture(scope="module")
def pictures():
    noise = torch.rand(72, 3, 8, 8, generator=torch.Generator().manual_seed(5)) * 2 - 1
    return ArrayImages(to_uint8(noise.repeat_interleave(8, 2).repeat_interleave(8, 3)), "noise")


@pytest.fixture(scope="module")
def judge(pictures):
    torch.manual_seed(0)
    classifier = AttributeClassifier(HEADS, 4).eval()
    return Judge(
        classifier,
        {"name": "judge", "sha256": "7" * 64},
        {"bright": torch.tensor([0, 1, -1])},
        classifier_features(classifier, pictures.images(slice(None))),
    )


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(generators, "DEFAULT", replace(DEFAULT, steps=5))
    monkeypatch.setattr(generators, "SAMPLES", 80)
    monkeypatch.setattr(generators, "SAMPLES_BATCH", 40)


def run(pictures, judge, folder, **changes):
    options = {
        "data": {"name": "noise"},
        "sizes": (2, 4),
        "lengths": (2, 1),
        "progress": False,
    } | changes
    return run_generators(
        pictures.images([0, 1, 2]), pictures, judge, folder / "g.json", folder / "work", **options
    )


def test_the_recipe_is_that_of_the_shipped_weights_but_for_size_and_average():
    card, ours = load_gan("synthetic-faces", "cpu").card["training"], settings_of(48)
    assert {
        key
        for key, value in vars(ours).items()
        if card.get(key, getattr(GANSettings(), key))
        != (list(value) if isinstance(value, tuple) else value)
    } == {"ema"}
    assert settings_of(16).discriminator_channels == 11


def test_a_longer_training_goes_on_from_the_shorter_in_the_same_bits(pictures, tmp_path):
    for length in (1, 2):
        stepwise = train_generator(2, length, pictures, HELD_OUT, tmp_path / "a", progress=False)
    at_once = train_generator(2, 2, pictures, HELD_OUT, tmp_path / "b", progress=False)
    first, second, other = (
        load_gan(path, "cpu").generator.state_dict()
        for path in (stepwise, at_once, tmp_path / "a" / "noise-2-channels-1-steps.safetensors")
    )
    assert all(torch.equal(value, second[key]) for key, value in first.items())
    assert not all(torch.equal(value, other[key]) for key, value in first.items())


def test_inversion_finds_a_picture_that_g_can_make():
    torch.manual_seed(0)
    generator = Generator(8).eval()
    for layer in generator.modules():
        if isinstance(layer, torch.nn.ConvTranspose2d):
            layer.weight.data *= 2.5
    gan = uniform_latent_model(generator, Discriminator(4, "none").eval(), card={})
    z = gan.sample_z(3, torch.Generator().manual_seed(1))
    with torch.no_grad():
        truth = gan.generator(z)
    near = (z + 0.2 * torch.randn(z.shape, generator=torch.Generator().manual_seed(2))).clamp(-1, 1)
    with torch.no_grad():
        before = psnr(gan.generator(near), truth)
    assert bool((psnr(invert(truth, gan, near, progress=False), truth) > before + 10).all())
    right = torch.ones(1, 1, 64, 64)
    right[..., :32] = 0  # what does not count may be anything
    garbled = torch.where(right > 0, truth, 1.0)
    found = [invert(y, gan, near, progress=False, weights=right) for y in (truth, garbled)]
    assert torch.equal(*found) and bool((psnr(found[0], truth, 1 - right) > before + 5).all())


def test_the_figures_are_those_of_the_plain_calls(pictures, judge, short):
    torch.manual_seed(3)
    gan = uniform_latent_model(Generator(4).eval(), Discriminator(4, "none").eval(), card={})
    images = pictures.images([0, 1, 2])
    found = measure_generator(gan, images, judge, progress=False)
    wanted = inpaint(
        images, center_mask(), gan, settings=replace(DEFAULT, steps=5), seed=0
    ).completed
    np.testing.assert_allclose(
        found["measures"]["hole_psnr"], psnr(wanted, images, center_mask()), atol=1e-3
    )
    guess = judge.classifier.predict(wanted)["bright"]
    assert found["measures"]["recovered bright"] == [
        float(guess[0] == 0),
        float(guess[1] == 1),
        None,
    ]
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        samples = torch.cat([gan.generator(gan.sample_z(40, rng)) for _ in range(2)])
    assert found["frechet"] == pytest.approx(
        frechet_distance(classifier_features(judge.classifier, samples), judge.reference)
    )


@pytest.mark.slow
def test_a_stopped_run_goes_on_and_ends_in_the_same_figures(
    pictures, judge, short, tmp_path, monkeypatch
):
    whole = run(pictures, judge, tmp_path / "whole")
    assert (
        list(whole["variants"])
        == [f"{size} channels, {length} steps" for size in (2, 4) for length in (1, 2)]
        and whole["complete"]
    )
    measured = []

    def stop(*arguments, **options):
        measured.append(1)
        if len(measured) == 3:
            raise KeyboardInterrupt
        return measure_generator(*arguments, **options)

    monkeypatch.setattr(generators, "measure_generator", stop)
    with pytest.raises(KeyboardInterrupt):
        run(pictures, judge, tmp_path / "stopped")
    assert len(load_results(tmp_path / "stopped" / "g.json")["variants"]) == 2
    run(pictures, judge, tmp_path / "stopped")
    assert len(measured) == 5 and load_results(tmp_path / "stopped" / "g.json") == load_results(
        tmp_path / "whole" / "g.json"
    )
    text = generators_table(whole)
    assert (
        "4 channels, 2 steps" in text
        and f"{np.mean(whole['variants']['2 channels, 1 steps']['measures']['context']):.2f}"
        in text
    )


def test_a_vae_is_measured_with_a_lam_of_its_own(pictures, judge, short, tmp_path):
    vae = VAE(2).eval()
    training = {"base_channels": 2, "discriminator_channels": None, "steps": 3}
    weights = save_network(tmp_path / "small.safetensors", vae, {"data": {}, "training": training})
    results = run(pictures, judge, tmp_path, sizes=(), shipped=(str(weights),))
    stored = results["variants"][str(weights)]
    assert stored["made_by"] == training | {
        "ema": None,
        "kind": "vae",
        "settings": asdict(replace(DEFAULT, steps=5, lam=generators.VAE_LAM)),
        "weights_sha256": file_hash(weights),
    }
    images, model = pictures.images([0, 1, 2]), load_gan(weights, "cpu")
    wanted = inpaint(
        images,
        center_mask(),
        model,
        settings=replace(DEFAULT, steps=5, lam=generators.VAE_LAM),
        seed=0,
    ).completed
    np.testing.assert_allclose(
        stored["measures"]["hole_psnr"], psnr(wanted, images, center_mask()), atol=2e-3
    )
    assert (
        generators.lam_for(uniform_latent_model(Generator(2), Discriminator(2, "none")))
        == DEFAULT.lam
        == 0.003
    )


def test_an_interrupted_training_is_not_measured(pictures, judge, short, tmp_path, monkeypatch):
    monkeypatch.setattr(generators, "train_generator", lambda *arguments: None)
    results = run(pictures, judge, tmp_path)
    assert (
        results["variants"] == {} and not results["complete"] and not (tmp_path / "g.json").exists()
    )


def test_a_larger_run_that_is_interrupted_is_not_complete(
    pictures, judge, short, tmp_path, monkeypatch
):
    one = {"sizes": (2,), "lengths": (1,)}
    run(pictures, judge, tmp_path, **one)
    whole = load_results(tmp_path / "g.json")
    assert whole["complete"] and cli.options.end_of(whole, "", tmp_path) == 0
    monkeypatch.setattr(generators, "train_generator", lambda *arguments: None)
    results = run(pictures, judge, tmp_path)
    assert cli.options.end_of(results, "", tmp_path) == 130
    assert load_results(tmp_path / "g.json") == whole | {"complete": False}
    assert run(pictures, judge, tmp_path, **one)["complete"]  # nothing is missing
    assert load_results(tmp_path / "g.json") == whole


def test_cells_of_other_weights_or_settings_are_made_again(
    pictures, judge, short, tmp_path, monkeypatch
):
    measured = []

    def noted(gan, *_, **__):
        measured.append(gan.card["name"])
        return {"frechet": len(measured), "measures": {}}

    def shipped(name, seed):
        torch.manual_seed(seed)
        card = {"data": {}, "training": {"base_channels": 2, "steps": 3}}
        return str(save_network(tmp_path / name, VAE(2).eval(), card))

    monkeypatch.setattr(generators, "measure_generator", noted)
    options = {"sizes": (2,), "lengths": (1,), "shipped": (shipped("a", 0), shipped("b", 0))}
    run(pictures, judge, tmp_path, **options)
    job = "noise-2-channels-1-steps"
    assert measured == [job, "a", "b"]
    other = shipped("b", 1)
    cells = run(pictures, judge, tmp_path, **options)["variants"]
    assert measured[3:] == ["b"] and len(cells) == 3
    assert cells[other]["made_by"]["weights_sha256"] == file_hash(other)
    monkeypatch.setattr(generators, "VAE_LAM", 1.0)
    run(pictures, judge, tmp_path, **options)
    assert measured[4:] == ["a", "b"]
    monkeypatch.setattr(generators, "DEFAULT", replace(DEFAULT, steps=6))
    cells = run(pictures, judge, tmp_path, **options)["variants"]
    assert measured[6:] == [job, "a", "b"]
    assert [cell["made_by"]["settings"]["steps"] for cell in cells.values()] == [6, 6, 6]
    assert run(pictures, judge, tmp_path, **options)["complete"] and len(measured) == 9


def test_other_judges_are_not_mixed_and_damaged_weights_are_named(pictures, judge, short, tmp_path):
    run(pictures, judge, tmp_path, sizes=(2,), lengths=(1,))
    with pytest.raises(ValueError, match="classifier_sha256"):
        run(
            pictures,
            replace(judge, card={"name": "judge", "sha256": "8" * 64}),
            tmp_path,
            sizes=(2,),
            lengths=(1,),
        )
    weights = train_generator(4, 1, pictures, HELD_OUT, tmp_path / "work", progress=False)
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(ValueError, match="is damaged"):
        run(pictures, judge, tmp_path, sizes=(4,), lengths=(1,))


def test_the_command(tmp_path, capsys, monkeypatch, short):
    monkeypatch.setenv("TUTORIAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(
        "tutorial_lib.cli.generators.load_dataset",
        lambda name, *, split, limit=None: load_little(name, split=split, limit=limit or 70),
    )
    threads = torch.get_num_threads()
    arguments = [
        "generators",
        "--data",
        "synthetic-numbers",
        "--sizes",
        "2",
        "--lengths",
        "1",
        "--limit",
        "2",
        "--device",
        "cpu",
        "--work",
        str(tmp_path / "work"),
        "--out",
        str(tmp_path / "g.json"),
    ]
    try:
        assert cli.main(arguments) == 0
    finally:
        torch.set_num_threads(threads)
    assert "2 channels, 1 steps" in capsys.readouterr().out
    made_from = load_results(tmp_path / "g.json")["made_from"]
    assert made_from["classifier_sha256"] == file_hash(
        WEIGHTS_DIR / "synthetic-numbers-attributes.safetensors"
    )
