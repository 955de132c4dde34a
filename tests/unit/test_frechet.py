"""The Frechet distance against closed forms and scipy's matrix root; recovery against counting by
hand.
"""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from scipy.stats import ortho_group

from tutorial_lib.baselines import mean_fill
from tutorial_lib.datasets import load_dataset
from tutorial_lib.evaluation.frechet import (
    classifier_features,
    frechet_distance,
    recovered,
    true_classes,
)
from tutorial_lib.masks import center_mask
from tutorial_lib.models.attributes import AttributeClassifier
from tutorial_lib.models.weights import load_attributes

seeds = st.integers(0, 10_000)
SIZE = 5


def sample_with(mean, covariance, count, rng):
    """(count, F) numbers whose mean and covariance are these exactly, not only in expectation."""
    noise = rng.normal(size=(count, len(mean)))
    orthonormal, _ = np.linalg.qr(noise - noise.mean(0))
    return mean + np.sqrt(count - 1) * orthonormal @ np.linalg.cholesky(covariance).T


def random_covariance(rng):
    root = rng.normal(size=(SIZE, SIZE))
    return root @ root.T + 0.1 * np.eye(SIZE)


def random_sets(seed):
    rng = np.random.default_rng(seed)
    means, covariances = (
        rng.normal(size=(2, SIZE)),
        [random_covariance(rng), random_covariance(rng)],
    )
    return (
        means,
        covariances,
        [
            sample_with(mean, cov, count, rng)
            for mean, cov, count in zip(means, covariances, (30, 41), strict=True)
        ],
    )


@given(seeds)
def test_diagonal_covariances_have_a_closed_form(seed):
    rng = np.random.default_rng(seed)
    means, deviations = rng.normal(size=(2, SIZE)), rng.uniform(0.1, 3, (2, SIZE))
    sets = [
        sample_with(mean, np.diag(deviation**2), 20, rng)
        for mean, deviation in zip(means, deviations, strict=True)
    ]
    wanted = ((means[0] - means[1]) ** 2).sum() + ((deviations[0] - deviations[1]) ** 2).sum()
    assert frechet_distance(*sets) == pytest.approx(wanted, rel=1e-9)


@given(seeds)
def test_covariances_that_commute_have_a_closed_form(seed):
    rng = np.random.default_rng(seed)
    axes, deviations = ortho_group.rvs(SIZE, random_state=rng), rng.uniform(0.1, 3, (2, SIZE))
    sets = [
        sample_with(np.zeros(SIZE), axes @ np.diag(deviation**2) @ axes.T, 20, rng)
        for deviation in deviations
    ]
    assert frechet_distance(*sets) == pytest.approx(
        ((deviations[0] - deviations[1]) ** 2).sum(), rel=1e-8, abs=1e-10
    )


@given(seeds)
def test_any_covariances_agree_with_the_matrix_root_of_scipy(seed):
    means, (first, second), sets = random_sets(seed)
    wanted = ((means[0] - means[1]) ** 2).sum() + np.trace(
        first + second - 2 * sqrtm(first @ second).real
    )
    assert frechet_distance(*sets) == pytest.approx(wanted, rel=1e-6)


@given(seeds)
def test_it_is_symmetric_and_knows_no_axes_and_no_origin(seed):
    rng = np.random.default_rng(seed)
    _, _, (a, b) = random_sets(seed)
    distance = frechet_distance(a, b)
    turn, move, scale = (
        ortho_group.rvs(SIZE, random_state=rng),
        rng.normal(size=SIZE),
        rng.uniform(0.1, 10),
    )
    assert frechet_distance(b, a) == pytest.approx(distance, rel=1e-9)
    assert frechet_distance(a @ turn + move, b @ turn + move) == pytest.approx(distance, rel=1e-8)
    assert frechet_distance(scale * a, scale * b) == pytest.approx(scale**2 * distance, rel=1e-8)


@given(seeds)
def test_a_set_is_nowhere_from_itself_in_any_order(seed):
    _, _, (a, _) = random_sets(seed)
    assert 0 <= frechet_distance(a, a) < 1e-10
    assert 0 <= frechet_distance(a, np.random.default_rng(seed).permutation(a)) < 1e-10
    move = np.arange(SIZE)
    assert frechet_distance(a, a + move) == pytest.approx((move**2).sum())


def test_features_that_never_change_or_repeat_each_other_do_no_harm():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 50, 3))
    distance = frechet_distance(a, b)
    constant = np.ones((50, 1))
    assert frechet_distance(np.hstack([a, constant]), np.hstack([b, constant])) == pytest.approx(
        distance, rel=1e-9
    )
    assert frechet_distance(np.hstack([a, a]), np.hstack([b, b])) == pytest.approx(
        2 * distance, rel=1e-6
    )


def test_few_pictures_make_it_too_large_by_about_one_over_their_number():
    rng = np.random.default_rng(0)

    def zero(count):
        return np.mean([frechet_distance(*rng.normal(size=(2, count, 16))) for _ in range(20)])

    assert 3 < zero(100) / zero(400) < 5.5


@pytest.mark.parametrize(
    "a, b, said",
    [
        ((6, 5), (5, 5), "6 and 5 pictures are too few.*at least 6"),
        ((9, 4), (9, 5), r"\(9, 4\)"),
        ((9,), (9,), "need features"),
    ],
)
def test_sets_that_do_not_fit_are_refused(a, b, said):
    with pytest.raises(ValueError, match=said):
        frechet_distance(np.zeros(a), np.zeros(b))


def test_nan_is_refused():
    with pytest.raises(ValueError, match="finite"):
        frechet_distance(np.full((9, 2), np.nan), np.zeros((9, 2)))


@pytest.fixture
def classifier():
    torch.manual_seed(0)
    return AttributeClassifier({"one": ["a", "b"], "two": ["a", "b", "c"]}, 4).eval()


@given(seed=seeds)
@settings(max_examples=10)
def test_recovered_is_counted_by_hand(seed):
    torch.manual_seed(seed)
    classifier = AttributeClassifier({"one": ["a", "b"], "two": ["a", "b", "c"]}, 4).eval()
    images = torch.rand(7, 3, 64, 64) * 2 - 1
    truths = {"one": torch.randint(-1, 2, (7,)), "two": torch.randint(-1, 3, (7,))}
    found = recovered(classifier, images, truths)
    logits = classifier(images)
    for attribute, truth in truths.items():
        for picture in range(7):
            value, row = found[attribute][picture], logits[attribute][picture].tolist()
            if truth[picture] < 0:
                assert np.isnan(value)
            else:
                assert value == float(row.index(max(row)) == truth[picture])


def test_truths_of_other_attributes_or_pictures_are_refused(classifier):
    images, truth = torch.zeros(2, 3, 64, 64), torch.zeros(2, dtype=torch.int64)
    with pytest.raises(ValueError, match="same data set"):
        recovered(classifier, images, {"one": truth})
    with pytest.raises(ValueError, match="2 pictures"):
        recovered(classifier, images, {"one": truth, "two": truth[:1]})


def test_features_do_not_depend_on_the_batch_and_the_logits_are_linear_in_them(classifier):
    images = torch.rand(5, 3, 64, 64) * 2 - 1
    features = classifier_features(classifier, images, batch_size=2)
    assert features.shape == (5, 64) and features.dtype == np.float64
    np.testing.assert_allclose(features, classifier_features(classifier, images), atol=1e-5)
    weight, bias = (
        p.detach().double().numpy() for p in (classifier.logits.weight, classifier.logits.bias)
    )
    np.testing.assert_allclose(
        features @ weight.T + bias,
        torch.cat(list(classifier(images).values()), 1).detach(),
        atol=1e-5,
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["synthetic-faces", "synthetic-numbers", "synthetic-cars"])
def test_an_empty_hole_is_far_from_real_pictures_and_loses_attributes(name):
    """Against the zero: two halves of real pictures.

    Who stands in whose place does not matter to the distance, but to recovery.
    """
    classifier, dataset = (
        load_attributes(f"{name}-attributes", "cpu"),
        load_dataset(name, split="test", limit=160),
    )
    images, truths = dataset.images(slice(None)), true_classes(dataset, range(160))
    empty = mean_fill(images, center_mask())
    first, second, filled = (
        classifier_features(classifier, x) for x in (images[:80], images[80:], empty[80:])
    )
    assert frechet_distance(first, filled) > 1.5 * frechet_distance(first, second)
    assert frechet_distance(first, filled[::-1]) == pytest.approx(frechet_distance(first, filled))
    share = {
        key: {a: np.nanmean(v) for a, v in recovered(classifier, x, truths).items()}
        for key, x in {"real": images, "empty": empty, "shuffled": images.flip(0)}.items()
    }
    for attribute in truths:
        assert share["real"][attribute] > share["shuffled"][attribute] + 0.2
    assert sum(share["real"].values()) > sum(share["empty"].values()) + 0.2
