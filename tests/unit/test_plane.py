"""The plane: densities, the game, and the search in a model that can be computed again by hand."""

import io
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import integrate
from torch import nn

from tutorial_lib.inpainting.latent_search import search
from tutorial_lib.teaching import plane
from tutorial_lib.teaching.plotting import DescribedFigure, figure_png

SETS = {"curve": plane.curve(), "clusters": plane.clusters()}
Z0 = torch.tensor([[-0.9, -0.4], [0.1, 0.8], [0.7, -0.2], [-0.2, 0.3]])


class Bent(nn.Module):
    """A generator with a formula: x is a cubic of z_1, so one x has up to three z_1; y is z_1."""

    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(()))  # the model asks a parameter for the device

    def forward(self, z):
        u, v = z.unbind(1)
        return torch.stack([2 * u**3 - 1.2 * u, u + 0.02 * v], 1)


class Hill(nn.Module):
    """A discriminator with a formula: likes y near 0.6."""

    def forward(self, points):
        return 2 - 8 * (points[:, 1] - 0.6).square()


@pytest.fixture(scope="module")
def bent():
    return plane.plane_model(Bent(), Hill())


@pytest.fixture(scope="module")
def game():
    return plane.play(plane.clusters(), steps=60, snapshots=4)


# ---- data ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SETS)
def test_a_density_integrates_to_one(name):
    axis = torch.linspace(-1.4, 1.4, 141, dtype=torch.float64)
    values = SETS[name].log_density(plane.grid(axis)).exp().view(141, 141).numpy()
    assert integrate.simpson(integrate.simpson(values, x=axis), x=axis) == pytest.approx(
        1, abs=1e-3
    )


@pytest.mark.parametrize("name", SETS)
def test_a_density_matches_a_histogram_of_samples(name):
    data, count, side = SETS[name], 400_000, 20
    points = data.sample(count, torch.Generator().manual_seed(0)).numpy()
    edges = np.linspace(-1, 1, side + 1)
    found = np.histogram2d(*points.T, bins=(edges, edges))[0] / count
    fine = torch.linspace(-1, 1, 10 * side + 1)[:-1] + 1 / (10 * side)  # ten midpoints a bin
    density = data.log_density(plane.grid(fine)).exp().view(10 * side, 10 * side).T
    wanted = density.view(side, 10, side, 10).sum((1, 3)) / (10 * side / 2) ** 2
    assert np.abs(found - wanted.numpy()).max() < 5 * (wanted.max() / count) ** 0.5 + 1e-3


def test_covered_counts_clusters_that_points_come_close_to():
    data = plane.clusters()
    assert plane.covered(data.sample(2000, torch.Generator().manual_seed(0)), data) == 8
    some = data.centers[[0, 0, 3, 5]].repeat(50, 1)
    assert plane.covered(some, data) == 3
    beside = data.centers + 3.1 * data.width / 2**0.5
    assert plane.covered(beside, data) == 0
    rare = torch.cat([data.centers[:1].expand(995, 2), data.centers[1:2].expand(5, 2)])
    assert plane.covered(rare, data, least=0.01) == 1
    assert plane.covered(rare, data, least=0.005) == 2


# ---- the game ------------------------------------------------------------------------------------


def test_arrows_are_the_gradient_of_the_logit():
    discriminator = plane.PointDiscriminator().double()
    points = torch.rand(30, 2, dtype=torch.float64) * 2 - 1
    arrows = plane.logit_gradient(discriminator, points)
    for axis in (0, 1):
        moved = torch.zeros(2, dtype=torch.float64)
        moved[axis] = 1e-6
        with torch.no_grad():
            slope = (discriminator(points + moved) - discriminator(points - moved)) / 2e-6
        torch.testing.assert_close(arrows[:, axis], slope, atol=1e-6, rtol=1e-5)
    leaf = points.clone().requires_grad_(True)
    discriminator(leaf).sum().backward()
    assert torch.equal(arrows, leaf.grad)


def test_training_leaves_torchs_global_random_state_alone(monkeypatch):
    monkeypatch.setattr(plane, "JUDGE_STEPS", 2)
    before, data = torch.get_rng_state(), plane.clusters()
    plane.play(data, steps=2, snapshots=2)
    plane.train_discriminator(data.sample, data.sample)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_game_repeats_with_its_seed_and_keeps_its_first_and_last_step(game):
    again = plane.play(plane.clusters(), steps=60, snapshots=4)
    assert game.steps[0] == 0 and game.steps[-1] == 60 and len(game.snapshots) == len(game.steps)
    z = torch.rand(5, 2) * 2 - 1
    with torch.no_grad():
        assert torch.equal(game.generator(z), again.generator(z))
        assert torch.equal(game.generator(z), game.snapshots[-1][0](z))
        assert not torch.equal(game.generator(z), game.snapshots[0][0](z))


@pytest.mark.slow
def test_a_slow_discriminator_loses_clusters_and_a_fast_one_does_not():
    data = plane.clusters()
    found = {}
    for rate in (plane.RATE / 10, plane.RATE):
        generator = plane.play(data, 1000, discriminator_rate=rate, snapshots=2).generator
        made = plane.samples(generator, 2000, torch.Generator().manual_seed(0))
        found[rate] = plane.covered(made, data)
    assert found[plane.RATE / 10] <= 5 and found[plane.RATE] >= 7


def test_a_trained_discriminator_has_the_closed_forms_logit():
    real = plane.Mixture(torch.tensor([[-0.2, 0.0]]), 0.4)
    fake = plane.Mixture(torch.tensor([[0.3, 0.1]]), 0.4)
    discriminator = plane.train_discriminator(real.sample, fake.sample)
    points = real.sample(2000, torch.Generator().manual_seed(1))
    wanted = plane.optimal_logit(real, fake, points)
    # two Gaussians of one width: the logit is linear
    apart = real.centers[0] - fake.centers[0]
    by_hand = (points - (real.centers[0] + fake.centers[0]) / 2) @ apart / 0.4**2
    torch.testing.assert_close(wanted, by_hand, atol=1e-4, rtol=1e-4)
    with torch.no_grad():
        error = (discriminator(points) - wanted).abs()
    assert error.mean() < 0.15
    assert error.mean() < 0.1 * wanted.abs().mean() + 0.1


# ---- the paper in miniature ----------------------------------------------------------------------


def test_points_survive_the_way_through_images():
    points = torch.rand(6, 2) * 2 - 1
    images = plane.as_images(points)
    assert images.shape == (6, 3, 1, 2) and torch.equal(plane.as_points(images), points)
    known = plane.known_images(0.25, 4)
    assert (known[..., 0] == 0.25).all() and known[..., 1].isnan().all()


def test_the_landscape_is_the_distance_in_the_known_coordinate(bent):
    x, side = 0.3, 9
    land = plane.landscape(bent, x, side)
    axis = np.linspace(-1, 1, side)
    for i in range(side):
        for j in range(side):
            u, v = axis[j], axis[i]
            made, y = 2 * u**3 - 1.2 * u, u + 0.02 * v
            logit = 2 - 8 * (y - 0.6) ** 2
            assert land.context[i, j].item() == pytest.approx(abs(made - x), abs=1e-5)
            assert land.logits[i, j].item() == pytest.approx(logit, abs=1e-4)
            prior = math.log(1 - 1 / (1 + math.exp(-logit)))
            assert land.prior[i, j].item() == pytest.approx(prior, abs=1e-4)
            total = land.total(0.7)[i, j].item()
            assert total == pytest.approx(abs(made - x) + 0.7 * prior, abs=1e-4)
    other = plane.landscape(bent, x, side, form="non-saturating")
    torch.testing.assert_close(other.prior, -other.logits.sigmoid().log(), atol=1e-5, rtol=1e-4)


def test_the_search_is_the_librarys_and_starts_and_ends_in_the_landscape(bent):
    result = plane.find(bent, 0.2, Z0, 0.1)
    again = search(
        plane.known_images(0.2, 4),
        torch.tensor([[[[1.0, 0.0]]]]),
        bent,
        Z0,
        plane.SEARCH,
        lam=0.1,
        weights=torch.tensor([1 / 3, 0.0]).expand(4, 1, 1, 2),
        path_points=60,
        progress=False,
    )
    assert torch.equal(result.z, again.z) and torch.equal(result.path, again.path)
    assert torch.equal(result.path[0], Z0)
    with torch.no_grad():
        made = bent.generator(result.path.flatten(0, 1))
        logits = bent.discriminator(made).view(-1, 4)
    x = plane.as_points(made)[:, 0].view(-1, 4)
    by_hand = (x - 0.2).abs() + 0.1 * torch.log(1 - logits.sigmoid())
    torch.testing.assert_close(
        result.losses["total"][result.path_steps], by_hand, atol=1e-4, rtol=1e-4
    )


def test_one_x_has_several_answers_and_starts_find_them(bent):
    z0 = torch.rand(40, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
    ends = plane.as_points(plane.find(bent, 0.1, z0).generated)
    roots = np.sort(np.roots([2, 0, -1.2, -0.1]).real)
    assert (ends[:, 0] - 0.1).abs().max() < 0.01
    nearest = np.abs(ends[:, 1].numpy()[:, None] - roots).argmin(1)
    assert set(nearest) == {0, 1, 2}
    assert np.abs(ends[:, 1].numpy()[:, None] - roots).min(1).max() < 0.05


def test_the_prior_picks_among_answers_and_at_last_wins(bent):
    z0 = torch.rand(40, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
    high = [
        (plane.as_points(plane.find(bent, 0.1, z0, lam).generated)[:, 1] > 0.4).float().mean()
        for lam in (0.0, 3.0)
    ]
    assert high[0] < 0.4 and high[1] > high[0] + 0.3


def test_clipping_keeps_z_in_the_box(bent):
    start = torch.tensor([[0.6, 0.0], [0.9, -0.5]])
    ends = plane.find(bent, 1.0, start)
    assert ends.path.abs().max() <= 1
    free = plane.find(bent, 1.0, start, settings=replace(plane.SEARCH, clip="none"))
    assert free.z.abs().max() > 1
    assert (plane.as_points(free.generated)[:, 0] - 1).abs().max() < 0.05
    assert (plane.as_points(ends.generated)[:, 0] - 1).abs().min() > 0.1


# ---- figures and widgets -------------------------------------------------------------------------


def test_figures_are_drawn_and_described(game, bent):
    data = plane.clusters()
    land = plane.landscape(bent, 0.2, 21)
    figures = [
        plane.show_data(SETS, 50),
        plane.show_game(game, data, range(len(game.steps))),
        plane.show_manifold(game.generator, data, 5),
        plane.show_samples({"one": game.generator, "two": game.generator}, data),
        plane.show_search(land, data, 0.2, plane.find(bent, 0.2, Z0)),
        plane.show_maps({"D": land.logits}, "A map of D's logit.", "logit", (-2, 2)),
    ]
    for figure in figures:
        assert isinstance(figure, DescribedFigure) and len(figure.alt) > 15
        assert Image.open(io.BytesIO(figure_png(figure))).size[0] > 200
        for ax in figure.axes:
            assert ax.get_xlabel() or ax.get_ylabel()


def test_the_game_slider_shows_the_snapshot_it_is_set_to(game):
    slider = plane.GameSlider(game, plane.clusters())
    for number in (len(game.steps) - 1, 0, 1):
        slider.observe({"new": number})
        assert np.array_equal(slider.array, slider.frames[number])
        assert slider.caption.value.startswith(f"after {game.steps[number]} steps")
    assert not np.array_equal(slider.frames[0], slider.frames[-1])


def test_the_lambda_slider_shows_the_answers_of_its_search(bent):
    lams = (0.0, 0.5, 3.0)
    slider = plane.LamSlider(bent, plane.clusters(), 0.1, Z0, lams)
    for number, lam in enumerate(lams):
        slider.observe({"new": number})
        assert np.array_equal(slider.array, slider.frames[number])
        assert slider.caption.value.startswith(f"lambda {lam:g}:")
        wanted = plane.as_points(plane.find(bent, 0.1, Z0, lam).generated)
        assert torch.equal(slider.completions[lam], wanted)
    slider.slider.index = 1
    assert np.array_equal(slider.array, slider.frames[1])
