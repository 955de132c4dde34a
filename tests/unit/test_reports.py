"""What is said of a discriminator, for some whose ranking can be told by looking at them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tutorial_lib.evaluation.reports import discriminator_report, probe_pictures
from tutorial_lib.models.latent_model import uniform_latent_model

KINDS = [
    "real",
    "generated",
    "shuffled pixels",
    "uniform noise",
    "negative",
    "upside down",
    "blurred noise",
]


class Flat(torch.nn.Module):
    """A generator of one-colored pictures, as bright as the code's first number (in quarters, so
    that sums are exact).
    """

    def __init__(self):
        super().__init__()
        self.anchor = torch.nn.Parameter(torch.zeros(1))

    def forward(self, z):
        return ((z[:, :1] * 4).round() / 4)[:, :, None, None].expand(
            -1, 3, 64, 64
        ) + 0 * self.anchor


class Judge(torch.nn.Module):
    """A discriminator that is the function it is given; it remembers how many pictures it saw at a
    time.
    """

    def __init__(self, function):
        super().__init__()
        self.function, self.batches = function, []

    def forward(self, images):
        self.batches.append(len(images))
        return self.function(images)


def brightness(images):
    return images.double().mean((1, 2, 3)).float()


def sky_above_ground(images):
    return brightness(images[:, :, :32]) - brightness(images[:, :, 32:])


def model(function):
    return uniform_latent_model(Flat(), Judge(function))


def landscapes(count=20):
    """Bright above, dark below, on the whole brighter than gray; all values are quarters."""
    bright = (torch.arange(count) % 2 / 4 + 0.75)[:, None, None, None]
    return torch.cat([bright.expand(-1, 3, 32, 64), torch.full((count, 3, 32, 64), -0.25)], 2)


def brute_force_auc(positives, negatives):
    return sum(float(p > n) + 0.5 * float(p == n) for p in positives for n in negatives) / (
        len(positives) * len(negatives)
    )


def test_the_kinds_are_what_they_are_called():
    real, gan = landscapes(), model(brightness)
    probes = probe_pictures(gan, real, seed=5)
    assert list(probes) == KINDS
    assert all(
        pictures.shape == real.shape and pictures.abs().max() <= 1 for pictures in probes.values()
    )
    assert torch.equal(probes["real"], real) and torch.equal(probes["negative"], -real)
    assert torch.equal(probes["upside down"], real[:, :, torch.arange(63, -1, -1)])
    z = gan.sample_z(20, torch.Generator().manual_seed(5))
    assert torch.equal(probes["generated"], gan.generator(z))
    for before, after in zip(real, probes["shuffled pixels"], strict=True):
        assert torch.equal(before.flatten(1).sort(1).values, after.flatten(1).sort(1).values)
    noise, blurred = probes["uniform noise"], probes["blurred noise"]
    assert noise.std() == pytest.approx(3**-0.5, abs=0.01) and noise.mean().abs() < 0.01

    def alike(pictures):
        return torch.corrcoef(
            torch.stack([pictures[..., :-1].flatten(), pictures[..., 1:].flatten()])
        )[0, 1]

    assert alike(noise).abs() < 0.02 and alike(blurred) > 0.8


@pytest.mark.parametrize("seed", [0, 7])
def test_probes_are_drawn_from_their_seed_alone(seed):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = probe_pictures(model(brightness), landscapes(), seed)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    again, other = (probe_pictures(model(brightness), landscapes(), s) for s in (seed, seed + 1))
    for kind in KINDS:
        assert torch.equal(first[kind], again[kind])
    assert not any(
        torch.equal(first[kind], other[kind])
        for kind in ("generated", "shuffled pixels", "uniform noise", "blurred noise")
    )


def test_a_judge_of_brightness_cannot_tell_turned_or_shuffled_pictures():
    real = landscapes()
    report = discriminator_report(model(brightness), real)
    auc = report["auc_real_against"]
    assert list(auc) == KINDS[1:] and report["pictures"] == 20
    assert auc["upside down"] == auc["shuffled pixels"] == 0.5  # all values tie with a real one's
    assert auc["negative"] == auc["uniform noise"] == 1
    assert report["mean_logit"]["real"] == pytest.approx(brightness(real).mean().item(), abs=6e-4)
    assert report["mean_logit"]["negative"] == -report["mean_logit"]["real"]
    assert report["mean_logit"]["uniform noise"] == pytest.approx(0, abs=0.01)


def test_a_judge_of_up_and_down_ranks_real_above_everything():
    report = discriminator_report(model(sky_above_ground), landscapes())
    assert set(report["auc_real_against"].values()) == {1.0}
    assert report["mean_logit"]["generated"] == 0
    assert (
        report["mean_logit"]["upside down"]
        == -report["mean_logit"]["real"]
        == pytest.approx(-1.125)
    )


def test_a_judge_that_is_upside_down_gets_none_right_and_a_blind_one_half():
    wrong = discriminator_report(model(lambda images: -sky_above_ground(images)), landscapes())
    assert set(wrong["auc_real_against"].values()) == {0.0}
    blind = discriminator_report(model(lambda images: torch.zeros(len(images))), landscapes())
    assert set(blind["auc_real_against"].values()) == {0.5} and set(
        blind["mean_logit"].values()
    ) == {0.0}


@given(st.integers(0, 10**6), st.integers(1, 12))
@settings(max_examples=15, deadline=None)
def test_figures_equal_those_counted_pair_by_pair(seed, count):
    """Flat pictures in quarters against a generator of the same: many ties."""
    levels = torch.randint(-4, 5, (count,), generator=torch.Generator().manual_seed(seed)) / 4
    real = levels[:, None, None, None].expand(-1, 3, 64, 64)
    gan = model(brightness)
    report = discriminator_report(gan, real, seed)
    for kind, pictures in probe_pictures(gan, real, seed).items():
        logits = brightness(pictures).tolist()
        assert report["mean_logit"][kind] == pytest.approx(sum(logits) / count, abs=6e-4)
        if kind != "real":
            assert report["auc_real_against"][kind] == pytest.approx(
                brute_force_auc(levels.tolist(), logits), abs=6e-4
            )


def test_many_pictures_are_judged_in_small_batches_without_gradients():
    gan = model(sky_above_ground)
    report = discriminator_report(gan, landscapes(130))
    assert report["pictures"] == 130 and max(gan.discriminator.batches) <= 128
    assert sum(gan.discriminator.batches) == 130 * len(KINDS)
    assert set(report["auc_real_against"].values()) == {1.0}
    gan.generator.requires_grad_(True)
    assert not probe_pictures(gan, landscapes())["generated"].requires_grad
    assert not gan.discriminator.training and not gan.generator.training
