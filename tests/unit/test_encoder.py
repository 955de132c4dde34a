"""The encoder of z: it never reads the hole and learns from samples of G alone."""

import json

import pytest
import torch

from tutorial_lib import cli
from tutorial_lib.masks import FAMILIES, center_mask, make_masks
from tutorial_lib.models.dcgan import Discriminator, Generator
from tutorial_lib.models.encoder import CodeEncoder
from tutorial_lib.models.latent_model import uniform_latent_model
from tutorial_lib.models.weights import load_encoder, save_gan
from tutorial_lib.training.encoder import EncoderSettings, EncoderTask, Samples
from tutorial_lib.training.loop import train


def gan(z_dim=4):
    torch.manual_seed(0)
    generator = Generator(4, z_dim)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.mul_(4)  # away from the almost constant pictures of fresh weights
    card = {"name": "small", "data": {"licence": "ours"}}
    return uniform_latent_model(generator, Discriminator(4, "none"), z_dim, card)


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_under_the_hole_is_read_and_the_mask_is(family):
    torch.manual_seed(0)
    network = CodeEncoder(4).eval()
    images, mask = torch.rand(3, 3, 64, 64) * 2 - 1, make_masks(family, 3)
    guess = network.guess(images, mask)
    assert guess.shape == (3, 100) and guess.abs().max() <= 1
    for junk in (torch.nan, 1e9):
        assert torch.equal(network.guess(torch.where(mask > 0, images, junk), mask), guess)
    gray = torch.zeros(1, 3, 64, 64)  # a gray hole in a gray picture can be known by its mask only
    assert not torch.equal(network.guess(gray, mask[:1]), network.guess(gray, center_mask(8)))


def test_what_is_wrong_is_said():
    with pytest.raises(ValueError, match="no hole"):
        CodeEncoder(4).eval().guess(torch.zeros(1, 3, 64, 64), torch.ones(1, 1, 64, 64))
    for wrong in ({"base_channels": 0}, {"image": -1}, {"families": ("ring",)}, {"families": ()}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            EncoderSettings(**wrong)


def test_samples_are_those_of_their_codes():
    data = Samples(gan(), 6, seed=3)
    assert len(data) == 6 and data.name == "samples of small"
    torch.testing.assert_close(data.images([4, 1]), data.gan.generator(data.batch([4, 1])))
    assert torch.equal(Samples(gan(), 8, seed=3).codes[:6], data.codes)
    assert not torch.equal(Samples(gan(), 6, seed=4).codes, data.codes)


def test_a_run_goes_on_with_the_same_weights_only(tmp_path):
    def run(steps, sha256):
        model = gan()
        model.card["sha256"] = sha256
        task = EncoderTask(EncoderSettings(4), model)
        data = Samples(model, 16)
        return train(
            task, data, steps=steps, batch_size=4, run_dir=tmp_path / "run", progress=False
        )

    run(1, "one")
    with pytest.raises(ValueError, match="files"):
        run(2, "another")
    assert run(2, "one").steps == 2


def test_it_learns_to_guess_codes_it_has_not_seen():
    model = gan(2)
    task = EncoderTask(EncoderSettings(8, learning_rate=2e-3), model)
    before = {name: some.clone() for name, some in model.generator.state_dict().items()}
    train(task, Samples(model, 512), steps=60, batch_size=32, progress=False)
    assert all(torch.equal(before[k], some) for k, some in model.generator.state_dict().items())
    new, network, mask = Samples(model, 64, seed=9), task.finish(), center_mask()
    error = (network.guess(new.images(slice(None)), mask) - new.codes).square().mean()
    assert error < 0.5 * new.codes.square().mean()  # of the mean code, 0, for every picture


def test_the_command_trains_from_weights_alone_and_its_card_names_them(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("tutorial_lib.cli.train.SAMPLES", 40)
    monkeypatch.setattr("tutorial_lib.cli.train.REPORT_PICTURES", 8)
    monkeypatch.setattr("tutorial_lib.training.encoder.PREVIEW_COUNT", 8)
    save_gan(tmp_path / "small.safetensors", gan(), {"data": {"licence": "ours"}})
    arguments = ["train", "--model", "encoder", "--steps", "2", "--batch-size", "8"]
    arguments += ["--device", "cpu", "--base-channels", "4", "--out", str(tmp_path / "guess")]
    assert cli.main(arguments) == 1
    assert "give its --weights" in capsys.readouterr().err
    assert cli.main([*arguments, "--weights", str(tmp_path / "small.safetensors")]) == 0
    network = load_encoder(tmp_path / "guess" / "guess.safetensors", "cpu")
    assert network.z_dim == 4 and not network.training
    card = json.loads((tmp_path / "guess" / "guess.json").read_text())
    of = json.loads((tmp_path / "small.json").read_text())
    assert card["data"]["sha256"] == of["sha256"] and card["data"]["licence"] == "ours"
    assert set(card["held_out"]["hole_psnr"]) == set(FAMILIES)
    assert "--weights small.safetensors" in card["command"] and "--data" not in card["command"]


def test_other_models_do_not_take_its_weights(tmp_path, capsys):
    arguments = ["train", "--model", "vae", "--weights", "portraits", "--steps", "1", "--data"]
    assert cli.main([*arguments, "portraits", "--out", str(tmp_path)]) == 1
    assert "--weights is a setting of encoder" in capsys.readouterr().err
