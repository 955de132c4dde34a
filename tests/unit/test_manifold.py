"""Maps of pictures: what goes into t-SNE, what comes out, and the numbers that say how far to trust
it, again by hand.
"""

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tutorial_lib import load_gan
from tutorial_lib.inpainting.latent_search import SearchSettings, search
from tutorial_lib.inpainting.pipeline import initial_z
from tutorial_lib.masks import center_mask
from tutorial_lib.models.dcgan import Discriminator, Generator
from tutorial_lib.models.latent_model import uniform_latent_model
from tutorial_lib.teaching.manifold import (
    embed,
    own_path_share,
    path_extent,
    pictures_of,
    sample_pictures,
    spaced_out,
    spread,
)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return uniform_latent_model(Generator(4), Discriminator(4))


def draws(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def distances(points):
    """Between all pairs, by loops."""
    points = np.asarray(points, dtype=np.float64)
    return np.array([[np.sqrt(((a - b) ** 2).sum()) for b in points] for a in points])


def nearest(points, count):
    """Each point's nearest others, nearest first."""
    table = distances(points)
    np.fill_diagonal(table, np.inf)
    return table.argsort(axis=1, kind="stable")[:, :count]


def trustworthiness(points, places, k):
    """Venna & Kaski 2001, eq. 2, in plain words."""
    total, ranked = len(points), nearest(points, len(points) - 1)
    excess = 0
    for i, near in enumerate(nearest(places, k)):
        for j in near:
            rank = ranked[i].tolist().index(j) + 1
            excess += max(0, rank - k)
    return 1 - 2 / (total * k * (2 * total - 3 * k - 1)) * excess


# ---- pictures of codes ---------------------------------------------------------------------------


def test_many_codes_make_the_pictures_that_each_makes_alone(model):
    codes = initial_z(model, 3, 2).view(3, 2, 100)
    pictures = pictures_of(model, codes, batch=4)
    assert pictures.shape == (3, 2, 3, 64, 64) and not pictures.requires_grad
    for i in range(3):
        for j in range(2):
            torch.testing.assert_close(
                pictures[i, j], model.generator(codes[i, j][None])[0], atol=1e-5, rtol=0
            )


def test_samples_depend_on_the_seed_alone(model):
    codes, pictures = sample_pictures(model, 5, seed=1)
    again, _ = sample_pictures(model, 5, seed=1)
    other, _ = sample_pictures(model, 5, seed=2)
    assert torch.equal(codes, again) and not torch.equal(codes, other)
    assert codes.abs().max() <= 1 and torch.equal(pictures, pictures_of(model, codes))
    with pytest.raises(ValueError, match="at least 1"):
        sample_pictures(model, 0)


# ---- embed ---------------------------------------------------------------------------------------


def test_features_are_the_principal_components_of_the_samples():
    # six directions that matter, and a little noise
    factors = 2.0 ** torch.arange(6, 0, -1) * torch.linalg.qr(draws(48, 6, seed=2)).Q
    samples = (draws(40, 6) @ factors.T + 0.01 * draws(40, 48)).view(40, 3, 4, 4)
    path = 5 + draws(7, 3, 4, 4, seed=1)
    atlas = embed(samples, [path], components=6, perplexity=5)
    flat = samples.flatten(1).numpy()
    mean = flat.mean(0)
    _, scale, directions = np.linalg.svd(flat - mean, full_matrices=False)
    for features, values in ((atlas.sample_features, samples), (atlas.path_features[0], path)):
        expected = (values.flatten(1).numpy() - mean) @ directions[:6].T
        np.testing.assert_allclose(
            np.abs(features), np.abs(expected), atol=1e-3
        )  # a direction's sign is free
        np.testing.assert_allclose(distances(features), distances(expected), atol=5e-3)
    assert atlas.kept_variance == pytest.approx((scale[:6] ** 2).sum() / (scale**2).sum(), abs=1e-4)


def test_paths_do_not_change_what_the_samples_are_compared_by():
    samples = draws(40, 12)
    alone, beside = (
        embed(samples, components=4, perplexity=5),
        embed(samples, [100 * draws(9, 12)], components=4, perplexity=5),
    )
    np.testing.assert_allclose(alone.sample_features, beside.sample_features)


def test_codes_go_in_as_they_are():
    codes, paths = draws(30, 5), [draws(4, 5, seed=1), draws(6, 5, seed=2)]
    atlas = embed(codes, paths, components=None, perplexity=5)
    np.testing.assert_array_equal(atlas.sample_features, codes.float().numpy())
    for features, path, places in zip(atlas.path_features, paths, atlas.paths, strict=True):
        np.testing.assert_array_equal(features, path.float().numpy())
        assert places.shape == (len(path), 2)
    assert atlas.samples.shape == (30, 2) and atlas.kept_variance == 1


def test_trustworthiness_is_that_of_the_whole_map():
    atlas = embed(draws(40, 8), [draws(8, 8, seed=1)], components=None, perplexity=5, neighbors=6)
    features = np.concatenate([atlas.sample_features, *atlas.path_features])
    places = np.concatenate([atlas.samples, *atlas.paths])
    assert atlas.trustworthiness == pytest.approx(trustworthiness(features, places, 6), abs=1e-9)


def test_what_belongs_together_stays_together():
    """Three clouds far apart, and a path in each.

    On the map everybody's nearest neighbor is from the same cloud.
    """
    centers = 30 * torch.eye(3, 20, dtype=torch.float64)
    samples = torch.cat([center + draws(40, 20, seed=k) for k, center in enumerate(centers)])
    paths = [center + draws(10, 20, seed=9 + k) for k, center in enumerate(centers)]
    atlas = embed(samples, paths, perplexity=10)
    cloud = np.repeat([0, 1, 2, 0, 1, 2], [40, 40, 40, 10, 10, 10])
    places = np.concatenate([atlas.samples, *atlas.paths])
    assert (cloud[nearest(places, 1)[:, 0]] == cloud).all()
    assert atlas.trustworthiness > 0.9


def test_the_same_seed_gives_the_same_map():
    samples, paths = draws(40, 12), [draws(5, 12, seed=1)]
    one, two = (embed(samples, paths, components=8, perplexity=8, seed=3) for _ in range(2))
    np.testing.assert_array_equal(one.samples, two.samples)
    np.testing.assert_array_equal(one.paths[0], two.paths[0])


@pytest.mark.parametrize(
    ("samples", "paths", "options", "problem"),
    [
        (draws(30, 5), [draws(4, 6)], {}, "one kind"),
        (draws(30), [], {}, "one thing a row"),
        (draws(30, 5), [], {"perplexity": 30}, "less than the number of points"),
        (draws(30, 5), [], {"perplexity": 0.5}, "at least 1"),
        (draws(30, 5), [], {"perplexity": 5, "neighbors": 15}, "half the number"),
        (draws(30, 5), [], {"perplexity": 5, "neighbors": 0}, "at least 1"),
        (draws(30, 5), [], {"perplexity": 5, "components": 1}, "two principal"),
        (draws(30, 5), [draws(0, 5)], {}, "path 1 must hold"),
        (draws(30, 5).log(), [], {"perplexity": 5}, "samples must hold no NaN"),
        (draws(30, 5), [draws(4, 5) / 0], {}, "path 1 must hold no NaN"),
    ],
)
def test_what_cannot_be_mapped_is_refused(samples, paths, options, problem):
    with pytest.raises(ValueError, match=problem):
        embed(samples, paths, **options)


# ---- numbers -------------------------------------------------------------------------------------


@given(st.integers(0, 2**31), st.integers(1, 6))
def test_own_path_share_is_what_counting_gives(seed, k):
    random = np.random.default_rng(seed)
    samples, paths = (
        random.normal(size=(9, 3)),
        [random.normal(size=(length, 3)) for length in (4, 7)],
    )
    points = np.concatenate([samples, *paths])
    owner = [None] * 9 + [0] * 4 + [1] * 7
    near = nearest(points, k)
    counted = [
        np.mean([owner[j] == number for i in range(20) if owner[i] == number for j in near[i]])
        for number in range(2)
    ]
    np.testing.assert_allclose(own_path_share(samples, paths, k), counted)


def test_a_lonely_path_keeps_to_itself_and_a_standing_one_counts_its_copies():
    samples, far = (
        np.random.default_rng(0).normal(size=(30, 4)),
        100 + np.random.default_rng(1).normal(size=(8, 4)),
    )
    standing = np.full((8, 4), -50.0)
    np.testing.assert_allclose(own_path_share(samples, [far, standing], 5), [1, 1])
    assert own_path_share(samples, [far], 14)[0] == pytest.approx(7 / 14)


def test_a_share_needs_paths_and_enough_points():
    with pytest.raises(ValueError, match="no paths"):
        own_path_share(np.zeros((5, 2)), [])
    with pytest.raises(ValueError, match="less than the number of points"):
        own_path_share(np.zeros((5, 2)), [np.zeros((3, 2))], 8)


def test_the_extent_is_a_share_of_the_maps_diagonal():
    samples = np.array([[0.0, 0.0], [30.0, 40.0], [10.0, 20.0]])
    paths = [np.array([[1.0, 1.0], [4.0, 5.0]]), np.array([[7.0, 7.0]])]
    np.testing.assert_allclose(path_extent(samples, paths), [0.1, 0.0])


@given(st.integers(0, 2**31), st.integers(2, 5))
def test_spread_is_the_mean_over_the_pairs(seed, count):
    pictures = torch.randn(count, 3, 6, 6, generator=torch.Generator().manual_seed(seed))
    region = torch.zeros(1, 1, 6, 6)
    region[..., 1:4, 2:] = 1
    for where in (None, region):
        rms = [
            (
                (a - b).double().square().mean()
                if where is None
                else (a - b)[:, 1:4, 2:].double().square().mean()
            )
            .sqrt()
            .item()
            for a, b in combinations(pictures, 2)
        ]
        assert spread(pictures, where) == pytest.approx(np.mean(rms), rel=1e-6)


def test_spread_needs_two_and_somewhere_to_look():
    with pytest.raises(ValueError, match="two or more"):
        spread(torch.zeros(1, 4))
    with pytest.raises(ValueError, match="no pixel"):
        spread(torch.zeros(2, 3, 4, 4), torch.zeros(1, 1, 4, 4))


@given(st.integers(0, 2**31), st.floats(0.01, 3))
def test_squares_do_not_overlap_and_no_other_would_fit(seed, gap):
    points = np.random.default_rng(seed).normal(size=(30, 2))
    taken = spaced_out(points, gap)

    def overlap(a, b):
        return all(abs(points[a][axis] - points[b][axis]) < gap for axis in range(2))

    assert taken[0] == 0 and taken == sorted(taken)
    assert not any(overlap(a, b) for a, b in combinations(taken, 2))
    for left_out in set(range(30)) - set(taken):
        assert any(overlap(left_out, earlier) for earlier in taken if earlier < left_out)


@pytest.mark.parametrize("gap", [0, -1, float("nan")])
def test_a_gap_must_be_positive(gap):
    with pytest.raises(ValueError, match="positive"):
        spaced_out(np.zeros((2, 2)), gap)


# ---- the notebook's claim, small -----------------------------------------------------------------


def test_codes_crowd_on_their_path_and_pictures_spread():
    """Two real searches among 300 samples: the codes' neighbors are all from the same walk, the
    pictures' are not.
    """
    gan = load_gan("synthetic-faces", "cpu")
    codes, samples = sample_pictures(gan, 300)
    targets = sample_pictures(gan, 2, seed=1)[1]
    settings = SearchSettings(steps=40, keep="last")
    found = search(
        targets, center_mask(), gan, initial_z(gan, 2), settings, path_points=12, progress=False
    )
    assert len(found.path) <= 12 and found.path_steps[0] == 0 and found.path_steps[-1] == 40
    assert (np.diff(found.path_steps, n=2) >= -1).all(), "log-spaced: gaps grow, but for rounding"
    pictures = embed(samples, list(pictures_of(gan, found.path).transpose(0, 1)), perplexity=15)
    raw = embed(codes, list(found.path.transpose(0, 1)), components=None, perplexity=15)
    maps = {"pictures": pictures, "codes": raw}
    share = {
        name: own_path_share(atlas.sample_features, atlas.path_features, 5)
        for name, atlas in maps.items()
    }
    extent = {name: path_extent(atlas.samples, atlas.paths) for name, atlas in maps.items()}
    assert share["codes"].min() > 0.9 and share["pictures"].mean() < share["codes"].mean()
    assert extent["pictures"].mean() > 3 * extent["codes"].mean()
    assert pictures.trustworthiness > raw.trustworthiness + 0.1
