"""The denoiser and its sampler, against a prior whose velocity has a formula."""

import pytest
import torch
from PIL import Image

from tutorial_lib.cli import main
from tutorial_lib.datasets.base import ArrayImages
from tutorial_lib.images import to_uint8
from tutorial_lib.models.diffusion import (
    Attention,
    Denoiser,
    draw_noise,
    embed_time,
    sample,
    sampling_times,
    split,
)
from tutorial_lib.models.weights import load_card, load_denoiser, load_gan, save_network
from tutorial_lib.training.diffusion import DiffusionSettings, DiffusionTask
from tutorial_lib.training.loop import train


class Gaussian:
    """Images of one channel from N(mean, covariance), flattened; the exact velocity."""

    def __init__(self, mean, covariance):
        self.mean, self.covariance = mean.double(), covariance.double()

    def __call__(self, x, t):
        t = float(t[0])
        flat = x.double().flatten(1)
        eye = torch.eye(len(self.mean), dtype=torch.float64)
        noisy = (1 - t) ** 2 * self.covariance + t**2 * eye  # covariance of x_t
        gain = torch.linalg.solve(noisy, (flat - (1 - t) * self.mean).T).T
        image = self.mean + (1 - t) * gain @ self.covariance
        noise = t * gain
        return (noise - image).view_as(x).to(x)


@pytest.fixture(scope="module")
def gaussian():
    rng = torch.Generator().manual_seed(0)
    factor = 0.08 * torch.randn(4, 4, generator=rng, dtype=torch.float64)
    mean = 0.2 * torch.randn(4, generator=rng, dtype=torch.float64)
    return Gaussian(mean, factor @ factor.T + 0.01 * torch.eye(4, dtype=torch.float64))


def test_samples_have_the_mean_and_covariance_of_the_prior(gaussian):
    noise = torch.randn(20_000, 1, 2, 2, generator=torch.Generator().manual_seed(1)).double()
    made = sample(gaussian, noise, steps=200).flatten(1)
    torch.testing.assert_close(made.mean(0), gaussian.mean, atol=0.01, rtol=0)
    torch.testing.assert_close(made.T.cov(), gaussian.covariance, atol=0.003, rtol=0.05)


def test_more_steps_come_nearer_to_the_exact_map(gaussian):
    noise = torch.randn(50, 1, 2, 2, generator=torch.Generator().manual_seed(1)).double()
    # The exact map of a Gaussian: the noise through the square root of the covariance.
    values, vectors = torch.linalg.eigh(gaussian.covariance)
    root = vectors @ values.sqrt().diag() @ vectors.T
    exact = (gaussian.mean + noise.flatten(1) @ root).clamp(-1, 1)
    errors = [
        (sample(gaussian, noise, steps).flatten(1) - exact).abs().max() for steps in (5, 20, 80)
    ]
    assert errors[0] > 2 * errors[1] > 4 * errors[2] and errors[2] < 0.03


def test_an_image_and_its_noise_are_split_and_mixed_back():
    image, noise = draw_noise(2, 0, 8), draw_noise(2, 1, 8)
    for t in (0.0, 0.3, 1.0):
        x = (1 - t) * image + t * noise
        for found, wanted in zip(split(x, noise - image, t), (image, noise), strict=True):
            torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


def test_times_fall_from_one_to_zero():
    assert sampling_times(4) == [1.0, 0.75, 0.5, 0.25, 0.0]


def test_a_new_denoiser_is_zero_and_takes_one_size():
    network = Denoiser(8)
    x = draw_noise(2, 0)
    assert network(x, torch.rand(2)).shape == x.shape
    assert not network(x, torch.rand(2)).any()
    with pytest.raises(ValueError, match="64, 64"):
        network(draw_noise(2, 0, 32), torch.rand(2))
    with pytest.raises(ValueError, match="multiple of 8"):
        Denoiser(20)


def test_each_time_and_place_has_an_effect():
    """After the zeros of the start are gone, the time, and a pixel far away, change the output."""
    torch.manual_seed(0)
    network = Denoiser(8).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, 0, 0.2)
    x, t = draw_noise(1, 0), torch.tensor([0.3])
    moved = x.clone()
    moved[..., 0, 0] += 1
    assert (network(x, t + 0.2) - network(x, t)).abs().max() > 1e-3
    assert (network(moved, t) - network(x, t))[..., -1, -1].abs().max() > 1e-7


def test_attention_is_the_weighted_mean_over_all_places():
    torch.manual_seed(0)
    layer = Attention(16, heads=2).double()
    torch.nn.init.normal_(layer.out.weight)  # a new one is zero
    x = torch.randn(1, 16, 2, 3, dtype=torch.float64)
    parts = layer.qkv(layer.norm(x))[0].flatten(1)  # (48, 6)
    query, key, value = parts[:16], parts[16:32], parts[32:]
    mixed = torch.zeros(16, 6, dtype=torch.float64)
    for head in (slice(0, 8), slice(8, 16)):
        for place in range(6):
            scores = torch.stack([query[head, place] @ key[head, other] for other in range(6)])
            weights = (scores / 8**0.5).softmax(0)
            mixed[head, place] = value[head] @ weights
    wanted = x + layer.out(mixed.view(1, 16, 2, 3))
    torch.testing.assert_close(layer(x), wanted)


def test_times_are_embedded_differently():
    embedded = embed_time(torch.linspace(0, 1, 101), 64)
    assert torch.pdist(embedded).min() > 0.1


def test_training_learns_and_its_average_lags(tmp_path):
    levels = torch.linspace(-0.8, 0.8, 64)[:, None, None, None].expand(64, 3, 64, 64)
    data = ArrayImages(to_uint8(levels), "levels")
    task = DiffusionTask(DiffusionSettings(base_channels=8, learning_rate=0.03), seed=0)
    log = train(task, data, steps=60, batch_size=8, run_dir=tmp_path, progress=False)
    losses = log.values["loss"]
    assert sum(losses[-10:]) < 0.9 * sum(losses[:10])
    model = task.finish()
    assert not model.training and task.preview().shape == (32, 3, 64, 64)
    for slow, fast in zip(model.parameters(), task.denoiser.parameters(), strict=True):
        assert slow.shape == fast.shape
    assert any(
        not torch.equal(slow, fast)
        for slow, fast in zip(model.parameters(), task.denoiser.parameters(), strict=True)
    )


def test_a_run_can_begin_with_trained_weights():
    trained = DiffusionTask(DiffusionSettings(base_channels=8), seed=1).denoiser
    torch.nn.init.normal_(trained.last.weight)  # no longer the zeros of all beginnings
    task = DiffusionTask(DiffusionSettings(base_channels=8), seed=2)
    task.start_from(trained)
    x, t = draw_noise(2, 3), torch.tensor([0.2, 0.9])
    for network in (task.denoiser, task.finish()):
        assert torch.equal(network(x, t), trained(x, t))
    with pytest.raises(ValueError, match="give the same number"):
        DiffusionTask(DiffusionSettings(base_channels=16)).start_from(trained)


@pytest.mark.parametrize(
    "wrong", [{"ema": 1.0}, {"ema": -0.1}, {"learning_rate": 0.0}, {"precision": "int8"}]
)
def test_settings_that_cannot_be_meant_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DiffusionSettings(**wrong)


def test_the_command_trains_one_and_its_weights_come_back(tmp_path):
    pixels = to_uint8(draw_noise(10, 0).clamp(-1, 1))
    for number, picture in enumerate(pixels):
        split = "train" if number < 6 else "test"
        (tmp_path / "pictures" / split).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(tmp_path / "pictures" / split / f"{number}.png")
    words = f"--steps 2 --batch-size 4 --base-channels 8 --out {tmp_path / 'd'} --device cpu"
    root = ["--data", "folder", "--root", str(tmp_path / "pictures")]
    assert main(["train", "--model", "diffusion", *root, *words.split()]) == 0
    path = tmp_path / "d" / "d.safetensors"
    denoiser, card = load_denoiser(path, "cpu"), load_card(path)
    more = f"--steps 1 --batch-size 4 --base-channels 8 --out {tmp_path / 'e'} --device cpu"
    begin = ["--start-from", str(path), *more.split()]
    assert main(["train", "--model", "diffusion", *root, *begin]) == 0
    assert card["held_out"]["pictures"] == 4 and card["training"]["ema"] == 0.999
    # velocities of noise - x that is unknown: about 1 + the variance of the pictures
    assert 1 < card["held_out"]["velocity_error"] < 2.5
    assert not denoiser.training and denoiser.base_channels == 8
    again = save_network(tmp_path / "again.safetensors", denoiser, {})
    x, t = draw_noise(2, 3), torch.tensor([0.2, 0.9])
    assert torch.equal(load_denoiser(again, "cpu")(x, t), denoiser(x, t))
    with pytest.raises(ValueError, match="kind diffusion, not of dcgan"):
        load_gan(path, "cpu")
