"""Weights and cards: a round trip, and every way a file can be wrong."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from tutorial_lib.models import weights
from tutorial_lib.models.dcgan import Discriminator, Generator
from tutorial_lib.models.latent_model import uniform_latent_model
from tutorial_lib.models.weights import file_hash, load_gan, save_gan


@pytest.fixture
def saved(tmp_path):
    gan = uniform_latent_model(Generator(4), Discriminator(2, "none"))
    return gan, save_gan(tmp_path / "tiny", gan, {"data": "noise"})


def rewrite(path, change):
    """Change the file's tensors and mend the card's hash, so that only the architecture check is
    left to object.
    """
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    card = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps(card | {"sha256": file_hash(path)}))


def test_round_trip_in_half_precision(saved):
    gan, path = saved
    loaded = load_gan(path, "cpu")
    z = torch.rand(3, 100) * 2 - 1
    torch.testing.assert_close(loaded.generator(z), gan.generator(z), atol=2e-3, rtol=0)
    torch.testing.assert_close(
        loaded.discriminator(gan.generator(z)),
        gan.discriminator(gan.generator(z)),
        atol=2e-3,
        rtol=0,
    )
    assert not loaded.generator.training
    assert all(t.dtype != torch.float32 for t in load_file(path).values())
    assert (
        loaded.card["data"] == "noise"
        and loaded.card["architecture"]["discriminator_channels"] == 2
    )
    assert sorted(p.name for p in path.parent.iterdir()) == ["tiny.json", "tiny.safetensors"]


def test_a_changed_byte_is_found(saved):
    _, path = saved
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    with pytest.raises(ValueError, match="damaged"):
        load_gan(path, "cpu")


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda t: t.pop("generator.layers.to_4x4.weight"), "missing"),
        (lambda t: t.update({"discriminator.extra": torch.zeros(1)}), "unknown"),
        (
            lambda t: t.update({"generator.layers.to_64x64.bias": torch.zeros(4)}),
            r"\(4,\), not \(3,\)",
        ),
    ],
)
def test_another_architecture_is_refused(saved, change, message):
    _, path = saved
    rewrite(path, change)
    with pytest.raises(ValueError, match=message):
        load_gan(path, "cpu")


def test_a_file_that_is_no_safetensors_is_refused(saved):
    _, path = saved
    path.write_text("<html>not found</html>")
    card = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps(card | {"sha256": file_hash(path)}))
    with pytest.raises(ValueError, match="not a safetensors file"):
        load_gan(path, "cpu")


def test_an_unknown_name_lists_the_shipped_ones(monkeypatch, saved):
    _, path = saved
    monkeypatch.setattr(weights, "WEIGHTS_DIR", path.parent)
    assert load_gan("tiny", "cpu").card["name"] == "tiny"
    with pytest.raises(FileNotFoundError, match="tiny"):
        load_gan("no-such-faces", "cpu")


def test_a_card_with_a_byte_order_mark_is_read(saved):
    _, path = saved
    card = path.with_suffix(".json")
    card.write_text(card.read_text(encoding="utf-8"), encoding="utf-8-sig")
    assert load_gan(path, "cpu").card["name"] == "tiny"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda card: card.pop("sha256"), "tiny.json is no model card: it has no 'sha256'"),
        (lambda card: card.pop("kind"), "it has no 'kind'"),
        (lambda card: card.update(architecture=[]), "it has no 'architecture'"),
        (lambda card: card["architecture"].pop("z_dim"), "names an architecture that is none"),
        (lambda card: card["architecture"].update(base_channels=10**9), "is 1000000000, not"),
        (lambda card: card["architecture"].update(base_channels="4"), "architecture that is none"),
        (lambda card: card["architecture"].update(base_channels=0), "is 0, not"),
        (lambda card: card["architecture"].update(norm="none at all"), "tiny.json names"),
    ],
)
def test_an_edited_card_is_named_with_what_is_wrong(saved, change, said):
    _, path = saved
    card = json.loads(path.with_suffix(".json").read_text())
    change(card)
    path.with_suffix(".json").write_text(json.dumps(card))
    with pytest.raises(ValueError, match=said):
        load_gan(path, "cpu")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "<html>", "[" * 100_000])
def test_what_is_no_card_is_named(saved, text):
    _, path = saved
    path.with_suffix(".json").write_text(text)
    with pytest.raises(ValueError, match="tiny.json is no model card"):
        load_gan(path, "cpu")


@pytest.mark.parametrize("name", ["x.pt", "weights/x", "model.pth", "a.safetensors.zip"])
def test_a_path_that_is_none_of_weights_says_what_weights_are(name):
    with pytest.raises(ValueError, match=f"^{name}: weights are a .safetensors file"):
        load_gan(name, "cpu")
