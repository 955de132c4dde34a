"""The Context Encoder: what it is shown, what it learns, and that it never sees the hole."""

import pytest
import torch

from tutorial_lib.baselines import fill_with
from tutorial_lib.datasets import load_dataset
from tutorial_lib.datasets.base import ArrayImages
from tutorial_lib.evaluation.metrics import psnr
from tutorial_lib.evaluation.results import evenly_spaced, mean_interval
from tutorial_lib.images import to_uint8
from tutorial_lib.masks import FAMILIES, center_mask, make_masks
from tutorial_lib.models.attributes import ATTRIBUTES as RENDERED
from tutorial_lib.models.context_encoder import ChannelwiseLinear, ContextEncoder
from tutorial_lib.models.weights import (
    load_card,
    load_context_encoder,
    load_gan,
    save_network,
    shipped,
)
from tutorial_lib.training.context_encoder import ContextEncoderSettings, ContextEncoderTask
from tutorial_lib.training.loop import train


def flat_pictures(count):
    """Each of one color: a network that looks around the hole knows what is in it."""
    colors = torch.rand(count, 3, 1, 1, generator=torch.Generator().manual_seed(0)) * 1.6 - 0.8
    return colors.expand(count, 3, 64, 64).contiguous()


def test_the_channelwise_layer_is_a_linear_layer_in_each_channel():
    layer, features = ChannelwiseLinear(3, 4), torch.randn(2, 3, 4, 4)
    with torch.no_grad():
        layer.bias.normal_()
    found = layer(features)
    for channel in range(3):
        wanted = features[:, channel].flatten(1) @ layer.weight[channel] + layer.bias[channel]
        torch.testing.assert_close(found[:, channel].flatten(1), wanted)


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_under_the_hole_is_read_and_what_is_known_is_kept(family):
    network, images, mask = ContextEncoder(4).eval(), flat_pictures(3), make_masks(family, 3)
    painted, completed = network.paint(images, mask)
    for junk in (torch.nan, 1e9):
        again = network.paint(torch.where(mask > 0, images, junk), mask)
        assert torch.equal(again[0], painted) and torch.equal(again[1], completed)
    known = (mask > 0).expand_as(images)
    assert torch.equal(completed[known], images[known]) and torch.equal(
        completed[~known], painted[~known]
    )
    assert torch.equal(network.paint(images, mask, batch_size=2)[0], painted) or torch.allclose(
        network.paint(images, mask, 2)[0], painted, atol=1e-6
    )


def test_what_is_wrong_is_said():
    network = ContextEncoder(4).eval()
    with pytest.raises(ValueError, match="no hole"):
        network.paint(flat_pictures(1), torch.ones(1, 1, 64, 64))
    with pytest.raises(ValueError, match="64, 64"):
        network(torch.zeros(1, 3, 32, 32))
    with pytest.raises(ValueError, match="families"):
        ContextEncoderSettings(base_channels=4, families=("spiral",))
    with pytest.raises(ValueError, match="beta1 must be below 1"):
        ContextEncoderSettings(beta1=1.0)


@pytest.mark.slow
def test_it_learns_to_look_around_the_hole(tmp_path):
    pictures = flat_pictures(64)
    task = ContextEncoderTask(ContextEncoderSettings(base_channels=8, learning_rate=2e-3), pictures)
    torch.testing.assert_close(
        task.network.fill.flatten(), pictures.mean((0, 2, 3)), atol=1e-4, rtol=0
    )
    log = train(
        task,
        ArrayImages(to_uint8(pictures), "flat"),
        steps=250,
        batch_size=16,
        run_dir=tmp_path / "run",
        progress=False,
    )
    assert log.values.keys() == {"mse", "loss_d", "loss_adversarial"}
    network = task.finish()
    mask = center_mask()
    completed = network.paint(pictures[:16], mask)[1]
    error = (completed - pictures[:16])[:, :, 16:48, 16:48].square().mean()
    assert error < 0.3 * (pictures[:16] - pictures.mean((0, 2, 3), keepdim=True)).square().mean()
    path = save_network(tmp_path / "flat.safetensors", network, {"data": {}})
    again = load_context_encoder(path, "cpu")
    torch.testing.assert_close(
        again.paint(pictures[:4], mask)[0], network.paint(pictures[:4], mask)[0], atol=0.02, rtol=0
    )
    with pytest.raises(
        ValueError, match="holds weights of kind context-encoder, not of dcgan or vae"
    ):
        load_gan(path, "cpu")


def test_a_run_resumes_with_the_same_numbers(tmp_path):
    pictures = flat_pictures(16)
    data, settings = (
        ArrayImages(to_uint8(pictures), "flat"),
        ContextEncoderSettings(base_channels=4),
    )
    whole = train(
        ContextEncoderTask(settings, pictures), data, steps=4, batch_size=8, progress=False
    )
    train(
        ContextEncoderTask(settings, pictures),
        data,
        steps=2,
        batch_size=8,
        run_dir=tmp_path,
        progress=False,
    )
    parts = train(
        ContextEncoderTask(settings, pictures),
        data,
        steps=4,
        batch_size=8,
        run_dir=tmp_path,
        progress=False,
    )
    assert parts.values == whole.values


# -- the shipped ones --

SHIPPED = [name for name in shipped() if name.endswith("-context-encoder")]


def held_out(name, shared_pack, count=64):
    """Test pictures of the set that these weights are for."""
    kind = name.removesuffix("-context-encoder")
    if kind in RENDERED or kind == "portraits":
        return load_dataset(kind, split="test", limit=count)[:]
    test_set = load_dataset("folder", split="test", root=shared_pack(kind.removeprefix("photo-")))
    return test_set.images(evenly_spaced(len(test_set), count))


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_one_saw_as_many_pictures_as_the_dcgan_and_all_four_masks(name):
    card, gan = (
        load_card(other)["training"] for other in (name, name.removesuffix("-context-encoder"))
    )
    if name != "portraits-context-encoder":  # that one saw fewer, as data/README.md says
        assert card["steps"] * card["batch_size"] >= gan["steps"] * gan["batch_size"]
    assert tuple(card["families"]) == FAMILIES and card["base_channels"] == gan["base_channels"]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_one_beats_smooth_and_mean_fill_on_the_center(name, shared_pack):
    images, mask = held_out(name, shared_pack), center_mask()
    painted = psnr(load_context_encoder(name, "cpu").paint(images, mask)[1], images, mask)
    for other in ("biharmonic", "mean"):
        gap, half = mean_interval(painted - psnr(fill_with(other, images, mask), images, mask))
        assert gap - half > 0, other


def test_a_run_can_begin_with_trained_weights():
    images, mask = flat_pictures(4), center_mask()
    trained = ContextEncoder(4, (0.1, 0.2, 0.3)).eval()
    task = ContextEncoderTask(ContextEncoderSettings(base_channels=4), images, seed=3)
    task.start_from(trained)
    assert torch.equal(task.finish().paint(images, mask)[0], trained.paint(images, mask)[0])
    larger = ContextEncoderTask(ContextEncoderSettings(base_channels=8), images)
    with pytest.raises(ValueError, match="give the same number"):
        larger.start_from(trained)
