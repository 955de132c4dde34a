"""Eq. 2 as an algorithm: against a plain loop, row by row, and with everything frozen that must not
move.
"""

import dataclasses

import numpy as np
import pytest
import torch

from tutorial_lib import load_dataset, load_gan
from tutorial_lib.inpainting.importance import importance_weights
from tutorial_lib.inpainting.latent_search import (
    ADAM,
    AUTHORS_CODE,
    BALL,
    DEFAULT,
    PAPER,
    LatentSearch,
    SearchSettings,
    learning_rate_at,
    search,
    typical_norm,
)
from tutorial_lib.inpainting.pipeline import initial_z
from tutorial_lib.masks import FAMILIES, check_batch, make_masks
from tutorial_lib.models.dcgan import Discriminator, Generator
from tutorial_lib.models.latent_model import (
    LatentModel,
    normal_latent_model,
    uniform_latent_model,
)


@pytest.fixture
def model():
    torch.manual_seed(0)
    generator, discriminator = Generator(4).double(), Discriminator(4).double()
    with torch.no_grad():
        for parameter in (*generator.parameters(), *discriminator.parameters()):
            parameter.mul_(4)  # away from the almost constant pictures of fresh weights
    return uniform_latent_model(generator, discriminator)


@pytest.fixture
def images():
    return (
        torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        * 2
        - 1
    )


MASKS = torch.cat([make_masks(family) for family in FAMILIES]).double()


def plain_search(image, mask, model, z, settings, lam):
    """Eq. 2 for one picture, in the plainest words."""
    weights = importance_weights(mask[None], settings.window)
    z = z.clone().requires_grad_(True)
    optimizer = torch.optim.Adam(
        [z], lr=settings.learning_rate, betas=(settings.momentum, settings.beta2)
    )
    totals, codes = [], []
    for step in range(settings.steps + 1):
        g = model.generator(z)
        loss = (weights * (g - image)).abs().sum()
        loss = loss + lam * torch.log(1 - torch.sigmoid(model.discriminator(g))).sum()
        totals.append(loss.item())
        codes.append(z.detach().clone())
        optimizer.zero_grad()
        loss.backward()
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(step, settings)
        optimizer.step()
        with torch.no_grad():
            z.clamp_(-1, 1)
    return totals, codes[int(np.argmin(totals))]


@pytest.mark.parametrize(
    "settings",
    [dataclasses.replace(PAPER, steps=12), dataclasses.replace(ADAM, steps=12)],
    ids=["paper", "adam"],
)
def test_every_row_equals_the_plain_loop(model, images, settings):
    lam = torch.tensor([0.003, 0.0, 1.0, 5.0], dtype=torch.float64)
    z0 = initial_z(model, 4).double()
    found = search(images, MASKS, model, z0, settings, lam=lam, progress=False)
    for row in range(4):
        totals, z = plain_search(
            images[row], MASKS[row], model, z0[row : row + 1], settings, lam[row].item()
        )
        np.testing.assert_allclose(
            found.losses["total"][:, row].numpy(), totals, rtol=1e-5
        )  # signs of l1 amplify rounding
        torch.testing.assert_close(found.z[row : row + 1], z, atol=1e-4, rtol=0)
    torch.testing.assert_close(found.generated, model.generator(found.z))


def test_a_row_of_a_batch_equals_the_picture_alone(model, images):
    settings = dataclasses.replace(DEFAULT, steps=15)
    z0 = initial_z(model, 4).double()
    together = search(images, MASKS, model, z0, settings, lam=0.5, progress=False)
    for row in range(4):
        alone = search(
            images[row : row + 1],
            MASKS[row : row + 1],
            model,
            z0[row : row + 1],
            settings,
            lam=0.5,
            progress=False,
        )
        torch.testing.assert_close(alone.z[0], together.z[row], atol=1e-8, rtol=0)
        torch.testing.assert_close(alone.path[:, 0], together.path[:, row], atol=1e-8, rtol=0)


@pytest.mark.parametrize("junk", [float("nan"), 1e9])
def test_nothing_under_the_hole_is_read(model, images, junk):
    settings = dataclasses.replace(DEFAULT, steps=5)
    z0 = initial_z(model, 4)
    clean = search(images, MASKS, model, z0, settings, progress=False)
    other = search(torch.where(MASKS > 0, images, junk), MASKS, model, z0, settings, progress=False)
    for name in ("z", "generated", "path"):
        assert torch.equal(getattr(clean, name), getattr(other, name))
    assert all(torch.equal(clean.losses[name], other.losses[name]) for name in clean.losses)


def test_networks_do_not_move(model, images):
    parts = (model.generator, model.discriminator)
    before = [{key: value.clone() for key, value in part.state_dict().items()} for part in parts]
    search(
        images,
        MASKS,
        model,
        initial_z(model, 4),
        dataclasses.replace(DEFAULT, steps=3),
        lam=1.0,
        progress=False,
    )
    for part, state in zip(parts, before, strict=True):
        assert all(torch.equal(value, state[key]) for key, value in part.state_dict().items())
        assert all(parameter.grad is None for parameter in part.parameters())


def test_z_stays_in_the_box_only_when_clipped(model, images):
    def run(clip):
        settings = dataclasses.replace(ADAM, learning_rate=1.0, steps=6, clip=clip)
        return search(
            images, MASKS, model, initial_z(model, 4), settings, path_points=7, progress=False
        ).path

    assert run("project").abs().max() == 1
    stochastic = run("stochastic")
    assert stochastic.abs().max() < 1 + 1e-12 and (stochastic.abs() == 1).sum() == 0
    assert run("none").abs().max() > 1.5
    ball = run("ball")
    norms = ball.norm(dim=-1)  # (7, 4)
    limit = BALL * (100 / 3) ** 0.5
    assert ball.abs().max() <= 1 and norms[0].min() > limit  # the initial z may lie outside
    assert norms[1:].max() == pytest.approx(limit, rel=0.01)  # the rest may not


def test_a_typical_norm_is_the_root_of_the_codes_variance(model):
    assert typical_norm(model) == pytest.approx((100 / 3) ** 0.5, rel=0.01)
    normal = normal_latent_model(model.generator, z_dim=100)
    assert typical_norm(normal) == pytest.approx(10, rel=0.01)


def test_the_ball_leaves_alone_what_lies_in_it(model, images):
    settings = dataclasses.replace(ADAM, steps=3)
    z0 = initial_z(model, 4) / 10
    inside, box = (
        search(images, MASKS, model, z0, dataclasses.replace(settings, clip=clip), progress=False)
        for clip in ("ball", "project")
    )
    assert torch.equal(inside.z, box.z)


def test_best_iterate_is_kept_or_the_last(model, images):
    rough = dataclasses.replace(ADAM, learning_rate=3.0, schedule="constant", steps=20)
    z0 = initial_z(model, 4)
    best = search(images, MASKS, model, z0, rough, progress=False)
    last = search(images, MASKS, model, z0, dataclasses.replace(rough, keep="last"), progress=False)
    assert torch.equal(best.final["total"], best.losses["total"].min(0).values)
    assert torch.equal(last.final["total"], last.losses["total"][-1])
    assert (best.final["total"] < last.final["total"]).any(), (
        "the example must be one in which it matters"
    )
    assert torch.equal(last.z, last.path[-1])


def test_the_loss_falls_and_the_terms_add_up(model, images):
    found = search(
        images,
        MASKS,
        model,
        initial_z(model, 4),
        dataclasses.replace(ADAM, steps=40),
        lam=2.0,
        progress=False,
    )
    assert found.losses["total"].shape == (41, 4)
    torch.testing.assert_close(
        found.losses["context"] + found.losses["prior"], found.losses["total"]
    )
    assert (found.final["total"] < found.losses["total"][0]).all()


def test_no_prior_means_no_discriminator_call(model, images):
    calls = []
    model.discriminator.register_forward_hook(lambda *_: calls.append(1))
    settings = dataclasses.replace(ADAM, steps=2)
    found = search(images, MASKS, model, initial_z(model, 4), settings, lam=0.0, progress=False)
    assert not calls and not found.losses["prior"].any()
    search(
        images,
        MASKS,
        model,
        initial_z(model, 4),
        settings,
        lam=torch.tensor([0, 0, 0, 1.0]),
        progress=False,
    )
    assert len(calls) == 3


def test_the_path_holds_the_start_and_the_end(model, images):
    z0 = initial_z(model, 4).double()
    found = search(
        images, MASKS, model, z0, dataclasses.replace(ADAM, steps=50), path_points=8, progress=False
    )
    assert (
        found.path_steps[0] == 0 and found.path_steps[-1] == 50 and 3 <= len(found.path_steps) <= 8
    )
    assert len(found.path) == len(found.path_steps)
    assert torch.equal(found.path[0], z0)
    ends = search(
        images, MASKS, model, z0, dataclasses.replace(ADAM, steps=50), path_points=2, progress=False
    )
    assert ends.path_steps == [0, 50]


def test_nesterov_is_torchs(model, images):
    settings = dataclasses.replace(AUTHORS_CODE, steps=4)
    z0 = initial_z(model, 4).double()
    found = search(images, MASKS, model, z0, settings, lam=0.0, progress=False)
    z, velocity = z0.clone(), torch.zeros_like(z0)
    for _ in range(4):
        leaf = z.clone().requires_grad_(True)
        loss = (importance_weights(MASKS, 15) * (model.generator(leaf) - images)).abs().sum()
        (slope,) = torch.autograd.grad(loss, leaf)
        velocity = 0.9 * velocity + slope
        z = (z - 3e-4 * (slope + 0.9 * velocity)).clamp(-1, 1)
    torch.testing.assert_close(found.z, z, atol=1e-9, rtol=0)


def test_a_prior_of_the_codes_own(images):
    """For a model without D: its prior loss pulls z, times lam."""
    torch.manual_seed(1)
    bowl = LatentModel(
        Generator(4).double(),
        None,
        100,
        sample_z=lambda n, rng: torch.randn(n, 100, generator=rng),
        project=lambda z: z,
        prior_loss=lambda z: z.square().sum(1),
    )
    z0 = initial_z(bowl, 4)
    settings = dataclasses.replace(DEFAULT, steps=30)
    strong = search(images, MASKS, bowl, z0, settings, lam=1000.0, progress=False)
    weak = search(images, MASKS, bowl, z0, settings, lam=0.0, progress=False)
    assert strong.z.norm() < weak.z.norm() / 2
    with pytest.raises(ValueError, match="lam=0"):
        search(
            images,
            MASKS,
            dataclasses.replace(bowl, prior_loss=None),
            z0,
            settings,
            lam=1.0,
            progress=False,
        )


def test_bad_input_is_refused_at_the_door(model, images):
    z0 = initial_z(model, 4)
    for arguments, message in [
        ((images * 3, MASKS, z0), r"\[-1, 1\]"),
        ((images[:, :1], MASKS, z0), r"\(B, 3, H, W\)"),
        ((images, MASKS[:3], z0), "does not fit"),
        ((images, MASKS * 0 + 1, z0), "no hole"),
        ((images, MASKS, z0[:2]), "z0"),
    ]:
        with pytest.raises(ValueError, match=message):
            search(*arguments[:2], model, arguments[2], progress=False)
    visible_nan = images.clone()
    visible_nan[0, 0, 0, 0] = float("nan")
    with pytest.raises(ValueError, match="NaN"):
        search(visible_nan, make_masks("center"), model, z0, progress=False)
    with pytest.raises(ValueError, match="negative"):
        search(images, MASKS, model, z0, lam=-1.0, progress=False)
    with pytest.raises(ValueError, match="one value per picture"):
        search(images, MASKS, model, z0, lam=torch.ones(3), progress=False)
    for bad in (
        {"steps": 0},
        {"clip": "hard"},
        {"learning_rate": 0.0},
        {"lam": -1.0},
        {"prior": "hinge"},
        {"start": "zero"},
    ):
        with pytest.raises(ValueError):
            SearchSettings(**bad)


def test_presets_say_what_the_sources_say():
    assert (
        PAPER.steps,
        PAPER.window,
        PAPER.lam,
        PAPER.optimizer,
        PAPER.norm,
        PAPER.prior,
        PAPER.clip,
    ) == (1500, 7, 0.003, "adam", "l1", "saturating", "project")
    assert (
        AUTHORS_CODE.optimizer,
        AUTHORS_CODE.momentum,
        AUTHORS_CODE.learning_rate,
        AUTHORS_CODE.window,
        AUTHORS_CODE.lam,
        AUTHORS_CODE.prior,
        AUTHORS_CODE.keep,
        AUTHORS_CODE.start,
    ) == ("nesterov", 0.9, 3e-4, 15, 0.2, "non-saturating", "last", "normal")


def test_cosine_ends_near_zero_and_constant_stays():
    assert learning_rate_at(0, ADAM) == ADAM.learning_rate
    assert learning_rate_at(ADAM.steps - 1, ADAM) < ADAM.learning_rate / 1000
    assert learning_rate_at(1499, PAPER) == PAPER.learning_rate


def test_a_search_can_be_watched_and_ended_and_gone_on_with(model, images):
    z0 = initial_z(model, 4).double()
    settings = dataclasses.replace(ADAM, steps=50, schedule="constant", keep="last")
    searching, seen = LatentSearch(*check_batch(images, MASKS), model, z0, settings), []
    for state in searching:
        seen.append(state)
        if state.step == 7:
            break
    ended = searching.result()
    assert [state.step for state in seen] == list(range(8)) and ended.path_steps[-1] == 7
    assert len(ended.path) == len(ended.path_steps) and len(ended.losses["total"]) == 8
    assert torch.equal(seen[-1].generated, ended.generated)
    for name, values in ended.losses.items():
        assert torch.equal(values, torch.stack([state.losses[name] for state in seen]))
    assert torch.equal(seen[0].z, z0) and torch.equal(seen[-1].z, ended.z)
    whole = search(images, MASKS, model, z0, dataclasses.replace(settings, steps=7), progress=False)
    assert torch.equal(ended.z, whole.z)
    further = search(images, MASKS, model, ended.z, settings, progress=False)
    assert torch.equal(further.losses["total"][0], ended.final["total"])


def test_each_state_says_what_the_networks_say_of_its_z(model, images):
    """What is marked exact is; of the other states G(z) is near."""
    settings = dataclasses.replace(DEFAULT, steps=20, approximate=0.5)
    z0 = initial_z(model, 4)
    states = list(LatentSearch(*check_batch(images, MASKS), model, z0, settings, lam=1.0))
    assert [state.exact for state in states] == [True] + 9 * [False] + 11 * [True]
    for state in states:
        generated = model.generator(state.z)
        if not state.exact:
            assert (state.generated - generated).abs().mean() < 0.02
            continue
        weights = importance_weights(MASKS, 7)
        torch.testing.assert_close(state.generated, generated)
        torch.testing.assert_close(
            state.losses["context"], (weights * (generated - images)).abs().sum((1, 2, 3))
        )
        torch.testing.assert_close(
            state.losses["prior"], torch.log(1 - model.discriminator(generated).sigmoid())
        )


def test_iterating_again_begins_anew_and_watching_changes_nothing(model, images):
    settings = dataclasses.replace(DEFAULT, steps=6)
    searching = LatentSearch(*check_batch(images, MASKS), model, initial_z(model, 4), settings)
    with pytest.raises(RuntimeError, match="nothing is found yet"):
        searching.result()
    for state in searching:
        assert searching.result().path_steps[-1] == state.step  # at any time
        if state.step == 3:
            break
    with torch.no_grad():  # whoever iterates need not think of gradients
        last = list(searching)[-1]
    plain = search(images, MASKS, model, initial_z(model, 4), settings, progress=False)
    assert last.step == 6 and torch.equal(searching.result().z, plain.z)
    assert torch.equal(searching.result().losses["total"], plain.losses["total"])


@pytest.mark.parametrize("approximate", [0.0, 0.5])
def test_pictures_of_another_type_than_the_networks_are_searched(images, approximate):
    torch.manual_seed(0)
    single = uniform_latent_model(Generator(4), Discriminator(4, norm="none"))
    found = search(
        images,
        MASKS,
        single,
        initial_z(single, 4),
        dataclasses.replace(DEFAULT, steps=4, approximate=approximate),
        progress=False,
    )
    assert found.z.dtype == torch.float64 and bool(found.final["total"].isfinite().all())


# -- approximate steps --


def test_z_hat_of_a_search_with_approximate_steps_is_exact(model, images):
    """What is returned is what the plain networks say of z_hat, however rough the steps on the way
    there were.
    """
    settings = dataclasses.replace(DEFAULT, steps=30)
    found = search(images, MASKS, model, initial_z(model, 4), settings, lam=1.0, progress=False)
    generated = model.generator(found.z)
    torch.testing.assert_close(found.generated, generated)
    weights = importance_weights(MASKS, 7)
    torch.testing.assert_close(
        found.final["context"], (weights * (generated - images)).abs().sum((1, 2, 3))
    )
    torch.testing.assert_close(
        found.final["prior"], torch.log(1 - model.discriminator(generated).sigmoid())
    )
    exact = found.losses["total"][[0, 27, 28, 29, 30]]  # approximate are 0.9 of 30
    torch.testing.assert_close(found.final["total"], exact.min(0).values)


def test_an_approximate_step_asks_d_every_ten_steps(model, images):
    asked = []
    model.discriminator.register_forward_hook(lambda *_: asked.append(1))
    search(
        images,
        MASKS,
        model,
        initial_z(model, 4),
        dataclasses.replace(DEFAULT, steps=50, approximate=0.8),
        progress=False,
    )
    assert (
        len(asked) == 4 + 11
    )  # at 0, 10, 20 and 30; then before, between and after the ten exact steps


def test_a_lam_for_each_row_is_a_search_with_that_lam_approximate_steps_included(model, images):
    lams, z0 = (0.0, 0.003, 0.1, 1.0), initial_z(model, 4)
    together = search(
        images,
        MASKS,
        model,
        z0,
        dataclasses.replace(DEFAULT, steps=20),
        lam=torch.tensor(lams),
        progress=False,
    )
    for row, lam in enumerate(lams):
        alone = search(
            images,
            MASKS,
            model,
            z0,
            dataclasses.replace(DEFAULT, steps=20),
            lam=lam,
            progress=False,
        )
        torch.testing.assert_close(together.z[row], alone.z[row])
        torch.testing.assert_close(together.final["total"][row], alone.final["total"][row])


@pytest.mark.parametrize("last", [0, 1, 7])
def test_a_search_stopped_among_approximate_steps_says_exactly_what_it_has(model, images, last):
    z0 = initial_z(model, 4).double().requires_grad_(True)  # nor does what is found hang on a graph
    searching = LatentSearch(*check_batch(images, MASKS), model, z0, DEFAULT, lam=1.0)
    next(state for state in searching if state.step == last)
    found = searching.result()
    generated = model.generator(found.z)
    exact = (importance_weights(MASKS, 7) * (generated - images)).abs().sum((1, 2, 3)) + torch.log(
        1 - model.discriminator(generated).sigmoid()
    )
    assert found.path_steps[-1] == last and not found.z.requires_grad
    torch.testing.assert_close(found.generated, generated)
    torch.testing.assert_close(found.final["total"], exact)
    assert bool((found.final["total"] <= found.losses["total"][0]).all())


@pytest.mark.parametrize("approximate", [0.0, 0.9])
def test_z_hat_is_no_worse_than_the_start(model, approximate):
    """From the code of the picture itself, but for some noise, every large step leads away."""
    z0 = initial_z(model, 4).double()
    nearly = (
        model.generator(z0).detach()
        + 0.01 * torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    ).clamp(-1, 1)
    found = search(
        nearly,
        MASKS,
        model,
        z0,
        dataclasses.replace(DEFAULT, steps=10, approximate=approximate),
        lam=0.0,
        progress=False,
    )
    assert bool((found.losses["total"][1:] > found.losses["total"][0]).all()), (
        "the example must be one in which it matters"
    )
    assert torch.equal(found.z, z0)


class Odd(torch.nn.Module):
    """A generator that is none of ours.

    Grouped and dilated layers, a ReLU used twice, coordinates, a norm of each batch.
    """

    def __init__(self):
        super().__init__()
        relu = torch.nn.ReLU()
        self.layers = torch.nn.Sequential(
            torch.nn.ConvTranspose2d(100, 8, 4),
            relu,
            torch.nn.BatchNorm2d(8, track_running_stats=False),
            relu,
            torch.nn.ConvTranspose2d(8, 8, 2, 2, groups=2),
            torch.nn.BatchNorm2d(8),
            torch.nn.ConvTranspose2d(8, 8, 3, dilation=2),
            torch.nn.BatchNorm2d(8),
        )
        self.register_buffer("place", torch.linspace(-1, 1, 64))
        self.last = torch.nn.Conv2d(9, 3, 1)

    def forward(self, z):
        pictures = torch.nn.functional.interpolate(self.layers(z[:, :, None, None]), size=(64, 64))
        place = self.place.expand(len(z), 1, 64, 64).to(pictures.dtype)
        self.kept = self.last(
            torch.cat([pictures, place], 1)
        )  # with its graph: this network cannot be copied
        return self.kept.tanh()


def test_any_generator_will_do(images):
    torch.manual_seed(0)
    odd = uniform_latent_model(Odd(), None)
    found = search(
        images.float(),
        MASKS.float(),
        odd,
        initial_z(odd, 4),
        dataclasses.replace(DEFAULT, steps=20),
        lam=0.0,
        progress=False,
    )
    torch.testing.assert_close(found.generated, odd.generator(found.z))
    assert bool((found.final["context"] < found.losses["context"][0]).all())


@pytest.mark.parametrize("approximate", [-0.1, 1.0])
def test_a_search_is_not_all_approximate(approximate):
    with pytest.raises(ValueError, match="approximate"):
        SearchSettings(approximate=approximate)


@pytest.fixture(scope="module")
def faces():
    """The shipped GAN, four faces and a mask of each family."""
    images = load_dataset("synthetic-faces", split="test", limit=4).images(slice(None))
    return (
        load_gan("synthetic-faces", "cpu"),
        images,
        torch.cat([make_masks(family, 1, torch.Generator().manual_seed(1)) for family in FAMILIES]),
    )


@pytest.mark.slow
def test_the_default_goes_below_plain_adam_s_loss_in_fewer_steps(faces):
    gan, images, masks = faces
    default, adam = (
        search(images, masks, gan, initial_z(gan, 4), s, progress=False).final["total"]
        for s in (DEFAULT, ADAM)
    )
    assert DEFAULT.steps < ADAM.steps and bool((default < adam).all())


@pytest.mark.parametrize("approximate", [0.0, DEFAULT.approximate])
def test_with_trained_weights_a_row_of_its_own_lam_equals_the_picture_alone(faces, approximate):
    gan, images, masks = faces
    settings, z0, lam = (
        dataclasses.replace(DEFAULT, steps=20, approximate=approximate),
        initial_z(gan, 4),
        torch.tensor([0.0, 0.003, 1.0, 10.0]),
    )
    together = search(images, masks, gan, z0, settings, lam=lam, progress=False)
    for row in range(4):
        alone = search(
            images[row : row + 1],
            masks[row : row + 1],
            gan,
            z0[row : row + 1],
            settings,
            lam=lam[row].item(),
            progress=False,
        )
        torch.testing.assert_close(
            alone.final["total"][0],
            together.final["total"][row],
            rtol=3e-3 if approximate else 3e-4,
            atol=0,
        )


@pytest.mark.slow
def test_approximate_steps_end_where_exact_steps_end(faces):
    """D's kept gradient and the rounding do not move the minimum, even where D counts ten thousand
    times the paper's lam.
    """
    gan, images, masks = faces
    rough, exact = (
        search(images, masks, gan, initial_z(gan, 4), s, lam=30.0, progress=False)
        for s in (DEFAULT, dataclasses.replace(DEFAULT, approximate=0.0))
    )
    way = exact.losses["total"][0] - exact.final["total"]
    assert bool(((rough.final["total"] - exact.final["total"]).abs() < 0.05 * way).all())


@pytest.mark.parametrize(
    "name, value",
    [
        ("window", 4),
        ("window", 1),
        ("momentum", 1.0),
        ("beta2", -0.1),
        ("lam", float("nan")),
        ("learning_rate", float("nan")),
        ("optimizer", "rmsprop"),
    ],
)
def test_settings_that_cannot_be_searched_with_are_refused(name, value):
    with pytest.raises(ValueError, match=name):
        SearchSettings(**{name: value})
