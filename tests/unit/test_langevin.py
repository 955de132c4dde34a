"""Langevin dynamics in z, against numerical integration over a grid of z."""

import pytest
import torch
from torch import nn

from tutorial_lib.inpainting.importance import importance_weights
from tutorial_lib.inpainting.langevin import Langevin, posterior_samples
from tutorial_lib.inpainting.losses import context_loss
from tutorial_lib.models.latent_model import uniform_latent_model

CHAINS = 400


class Linear(nn.Module):
    """Two codes to 3 x 2 x 2 values by a matrix."""

    def __init__(self):
        super().__init__()
        matrix = torch.randn(12, 2, generator=torch.Generator().manual_seed(1)) / 4
        self.matrix = nn.Parameter(matrix.double())

    def forward(self, z):
        return (z @ self.matrix.T).view(-1, 3, 2, 2).clamp(-1, 1)


@pytest.fixture
def model():
    return uniform_latent_model(Linear(), None, z_dim=2)


def grid():
    """Midpoints of cells that tile [-1, 1]^2, (N, 2)."""
    ticks = (torch.arange(200, dtype=torch.float64) + 0.5) / 100 - 1
    return torch.cartesian_prod(ticks, ticks)


def moments(z, weights):
    weights = weights / weights.sum()
    mean = weights @ z
    return mean, (z - mean).T @ ((z - mean) * weights[:, None])


def test_chains_have_the_mean_and_covariance_of_an_integral():
    def energy(z):  # a bent valley that the box cuts off
        return 4 * (z[:, 1] - z[:, 0].square()).square() + 2 * (z[:, 0] - 0.8).abs()

    chain = Langevin(energy, torch.zeros(CHAINS, 2, dtype=torch.float64), seed=3)
    for _ in range(600):
        chain.step(adapt=True)
    kept = []
    for _ in range(400):
        chain.step()
        kept.append(chain.z)
    mean, covariance = moments(grid(), (-energy(grid())).exp())
    found = torch.cat(kept)
    torch.testing.assert_close(found.mean(0), mean, atol=0.02, rtol=0)
    torch.testing.assert_close(found.T.cov(), covariance, atol=0.02, rtol=0)
    assert ((chain.accepted / 400).mean() - 0.574).abs() < 0.1


@pytest.mark.parametrize("temperature", [0.5, 4.0])
def test_samples_are_those_of_the_posterior(model, temperature):
    mask = torch.ones(1, 1, 2, 2)
    mask[..., 1, 1] = 0
    photo = model.generator(torch.tensor([[0.5, -0.9]]).double()).detach() * 0.8
    weights = importance_weights(mask.double())
    with torch.no_grad():
        made = model.generator(grid())
        energy = context_loss(made, photo.expand_as(made), weights.expand(len(made), -1, -1, -1))
    mean, covariance = moments(grid(), (-energy / temperature).exp())
    drawn = posterior_samples(
        photo.expand(CHAINS, -1, -1, -1),
        mask,
        model,
        torch.zeros(CHAINS, 2, dtype=torch.float64),
        samples=40,
        every=5,
        temperature=temperature,
        lam=0,
        progress=False,
    )
    assert drawn.z.shape == (40, CHAINS, 2) and drawn.completed.shape == (40, CHAINS, 3, 2, 2)
    found = drawn.z.flatten(0, 1)
    torch.testing.assert_close(found.mean(0), mean, atol=0.02, rtol=0)
    torch.testing.assert_close(found.T.cov(), covariance, atol=0.02, rtol=0)
    known = mask.expand(-1, 3, -1, -1)[0].bool()
    assert bool((drawn.completed[..., known] == photo[0][known]).all())


def test_a_seed_gives_the_same_samples_again(model):
    mask = torch.ones(1, 1, 2, 2)
    mask[..., 0, 0] = 0
    photo = torch.zeros(2, 3, 2, 2, dtype=torch.float64)
    photo[..., 0, 0] = torch.nan  # the hole is never read
    z0 = torch.zeros(2, 2, dtype=torch.float64)

    def draw(seed):
        return posterior_samples(
            photo, mask, model, z0, samples=2, burn_in=5, lam=0, seed=seed, progress=False
        ).z

    assert torch.equal(draw(0), draw(0)) and not torch.equal(draw(0), draw(1))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"samples": 0}, "samples must be at least 1"),
        ({"every": 0}, "every must be at least 1"),
        ({"burn_in": 0}, "burn_in must be at least 1"),
        ({"temperature": 0.0}, "temperature must be positive"),
        ({"z0": torch.full((1, 2), 1.5).double()}, r"codes in \[-1, 1\]"),
        ({"z0": torch.zeros(2, 2).double()}, r"z0 must be \(1, 2\)"),
        ({"mask": torch.ones(1, 1, 2, 2)}, "no hole"),
    ],
)
def test_bad_input_is_refused(model, words, message):
    mask = torch.ones(1, 1, 2, 2)
    mask[..., 0, 0] = 0
    given = {"mask": mask, "z0": torch.zeros(1, 2).double()} | words
    with pytest.raises(ValueError, match=message):
        posterior_samples(torch.zeros(1, 3, 2, 2).double(), model=model, progress=False, **given)
