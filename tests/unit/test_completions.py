"""Several completions: on a landscape whose valleys are known, and against SciPy's clustering."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage
from torch import nn

from tutorial_lib.inpainting.completions import several_completions
from tutorial_lib.inpainting.latent_search import ADAM
from tutorial_lib.inpainting.pipeline import initial_z, inpaint
from tutorial_lib.masks import center_mask
from tutorial_lib.models.latent_model import uniform_latent_model

SIDE = 16
MASK = center_mask(size=SIDE)
SPACING = 0.8


class Valleys(nn.Module):
    """One number z.

    The known part fits best at z = -0.8, 0 and 0.8, in this order; the hole shows z itself.
    """

    def __init__(self, rise):
        super().__init__()
        self.rise = nn.Parameter(torch.tensor(rise))

    def forward(self, z):
        z = z[:, :, None, None]
        outside = 0.25 * (1 - torch.cos(2 * math.pi * z / SPACING)) + self.rise * (z + SPACING)
        return torch.where(MASK > 0, outside, z).expand(-1, 3, -1, -1)


class Plain(nn.Module):
    """A code's picture by one matrix."""

    def __init__(self):
        super().__init__()
        self.matrix = nn.Parameter(
            torch.randn(12, 3 * SIDE * SIDE, generator=torch.Generator().manual_seed(0))
        )

    def forward(self, z):
        return torch.tanh(z @ self.matrix).view(-1, 3, SIDE, SIDE)


# plain Adam: the rounding of approximate steps depends on the batch, and near a tie it moves a
# completion to another group
SEARCH = replace(ADAM, steps=150, learning_rate=0.02, lam=0.0)
FEW = replace(ADAM, steps=15, lam=0.0)


def plain():
    return uniform_latent_model(Plain(), None, z_dim=12)


def picture(seed=0):
    return torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_the_valleys_of_a_known_landscape_are_the_completions():
    gan, flat = uniform_latent_model(Valleys(0.02), None, z_dim=1), torch.zeros(1, 3, SIDE, SIDE)
    found = several_completions(
        flat, MASK, gan, count=3, starts=24, settings=SEARCH, fraction=1.0, progress=False
    )
    assert torch.allclose(found.z[:, 0], torch.tensor([-SPACING, 0.0, SPACING]), atol=0.05)
    nearest = (
        initial_z(gan, 1, 24)[:, 0] / SPACING
    ).round().long() + 1  # downhill, each start ends in the nearest valley
    assert torch.equal(found.labels, nearest)
    assert (
        torch.equal(found.counts, torch.bincount(nearest, minlength=3)) and found.counts.sum() == 24
    )
    holes = found.completed[:, 0, 8, 8]
    assert torch.allclose(holes, torch.tensor([-SPACING, 0.0, SPACING]), atol=0.1)


def test_a_valley_that_does_not_fit_is_no_completion():
    gan, flat = uniform_latent_model(Valleys(0.25), None, z_dim=1), torch.zeros(1, 3, SIDE, SIDE)
    found = several_completions(
        flat, MASK, gan, count=2, starts=24, settings=SEARCH, progress=False
    )
    nearest = (initial_z(gan, 1, 24)[:, 0] / SPACING).round()
    far = nearest == 1
    assert 3 <= far.sum() <= 12, (
        "this seed has starts in the third valley, at most the half that is left out"
    )
    assert bool((found.labels[far] == -1).all()) and int((found.labels == -1).sum()) == 12
    assert found.z.max() < 0.5


@settings(max_examples=8)
@given(
    seed=st.integers(0, 1000), count=st.integers(1, 5), fraction=st.sampled_from([0.5, 0.75, 1.0])
)
def test_groups_are_those_of_scipy_and_each_gives_its_best(seed, count, fraction):
    found = several_completions(
        picture(seed),
        MASK,
        plain(),
        count,
        12,
        settings=FEW,
        seed=seed,
        fraction=fraction,
        progress=False,
    )
    alone = [
        inpaint(picture(seed), MASK, plain(), settings=FEW, seed=seed, restarts=12, progress=False)
    ]
    torch.testing.assert_close(found.start_losses, alone[0].restart_losses[0])
    torch.testing.assert_close(found.completed[:1], alone[0].completed)

    kept = (found.labels >= 0).nonzero().flatten()
    assert set(kept.tolist()) == set(found.start_losses.argsort()[: round(fraction * 12)].tolist())
    holes = every_fill(picture(seed), seed)[kept][:, :, MASK[0, 0] == 0].flatten(1).double().numpy()
    theirs = fcluster(linkage(holes, "ward"), count, criterion="maxclust")
    ours = found.labels[kept].numpy()
    assert (
        len(set(zip(ours.tolist(), theirs.tolist(), strict=True)))
        == count
        == len(set(ours.tolist()))
    ), "the same partition"

    assert found.completed.shape == (count, 3, SIDE, SIDE) and found.z.shape == (count, 12)
    assert found.losses.tolist() == sorted(found.losses.tolist())
    for group in range(count):
        members = found.labels == group
        assert found.counts[group] == members.sum()
        assert found.losses[group] == found.start_losses[members].min()
    assert found.counts.sum() == len(kept)


def every_fill(image, seed):
    """Where each of twelve starts ends, one search a start: (12, 3, H, W)."""
    from tutorial_lib.inpainting.blending import poisson_blend
    from tutorial_lib.inpainting.latent_search import search

    codes = initial_z(plain(), 1, 12, seed)
    ends = torch.cat(
        [search(image, MASK, plain(), code[None], FEW, progress=False).generated for code in codes]
    )
    return poisson_blend(ends, image.expand_as(ends), MASK).clamp(-1, 1)


def test_known_pixels_stay_and_the_hole_is_never_read():
    hidden, nothing = (torch.where(MASK > 0, picture(), value) for value in (0.9, torch.nan))
    found, *others = (
        several_completions(image, MASK, plain(), 3, 8, settings=FEW, progress=False)
        for image in (picture(), hidden, nothing)
    )
    known = MASK[0, 0].bool()
    assert torch.equal(found.completed[:, :, known], picture().expand(3, -1, -1, -1)[:, :, known])
    assert all(torch.equal(found.completed, other.completed) for other in others)
    with torch.no_grad():
        torch.testing.assert_close(
            plain().generator(found.z), found.generated, atol=1e-5, rtol=1e-4
        )


def test_the_completions_differ_more_than_the_members_of_a_group():
    found = several_completions(
        picture(), MASK, plain(), 3, 12, settings=FEW, fraction=1.0, progress=False
    )
    holes = every_fill(picture(), 0)[:, :, MASK[0, 0] == 0].flatten(1).numpy()
    labels = found.labels.numpy()
    within = sum(((holes[labels == g] - holes[labels == g].mean(0)) ** 2).sum() for g in range(3))
    rng = np.random.default_rng(0)
    by_chance = [
        sum(((holes[shuffled == g] - holes[shuffled == g].mean(0)) ** 2).sum() for g in range(3))
        for shuffled in (rng.permutation(labels) for _ in range(200))
    ]
    assert within < min(by_chance)


def test_one_completion_is_that_of_inpaint():
    found = several_completions(
        picture(), MASK, plain(), count=1, starts=1, settings=FEW, fraction=1.0, progress=False
    )
    torch.testing.assert_close(
        found.completed, inpaint(picture(), MASK, plain(), settings=FEW, progress=False).completed
    )
    assert found.counts.tolist() == [1] and found.labels.tolist() == [0]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"count": 0}, "completions need"),
        ({"count": 5, "starts": 8}, "leave 4; give more starts"),
        ({"starts": 0}, "give more starts"),
        ({"fraction": 0.0}, "fraction must be"),
        ({"fraction": 1.5}, "fraction must be"),
        ({"image": torch.zeros(2, 3, SIDE, SIDE)}, "one picture"),
        ({"mask": torch.ones(1, 1, SIDE, SIDE)}, "no hole"),
        ({"image": torch.full((1, 3, SIDE, SIDE), 3.0)}, "must lie in"),
    ],
)
def test_bad_input_is_refused(change, problem):
    given_input = {
        "image": picture(),
        "mask": MASK,
        "gan": plain(),
        "settings": FEW,
        "progress": False,
    }
    with pytest.raises(ValueError, match=problem):
        several_completions(**(given_input | change))
