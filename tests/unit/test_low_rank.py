"""The shrinkage against a grid search, the objectives against a general optimizer, and matrices of
known rank.
"""

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from tutorial_lib.baselines import low_rank, mean_fill
from tutorial_lib.baselines.low_rank import (
    PENALTIES,
    complete_nonconvex,
    complete_truncated,
    irnn_step,
    nonconvex_low_rank_fill,
    shrink,
    truncated_nuclear_norm_fill,
)
from tutorial_lib.masks import center_mask, half_mask


def generator(seed):
    return torch.Generator().manual_seed(seed)


def low_rank_matrix(rank, size=64, seed=0):
    rng = generator(seed)
    left, right = (torch.randn(1, size, rank, generator=rng, dtype=torch.float64) for _ in range(2))
    return left @ right.mT / rank**0.5


def relative_error(completed, truth):
    return ((completed - truth).norm() / truth.norm()).item()


@given(
    st.lists(st.floats(0, 3), min_size=3, max_size=3),
    st.lists(st.floats(0, 2), min_size=3, max_size=3),
)
def test_shrinking_is_the_proximal_operator_by_grid_search(values, amounts):
    """On a diagonal matrix the problem falls apart into one a singular value."""
    values, amounts = sorted(values, reverse=True), sorted(amounts)
    matrix = torch.diag(torch.tensor(values, dtype=torch.float64))
    x, u, s, vh = shrink(matrix[None], torch.tensor([amounts], dtype=torch.float64))
    grid = np.linspace(0, 3, 3001)
    expected = [
        grid[np.argmin(amount * grid + (grid - value) ** 2 / 2)]
        for value, amount in zip(values, amounts, strict=True)
    ]
    np.testing.assert_allclose(s[0], expected, atol=1e-3)
    np.testing.assert_allclose(torch.linalg.svdvals(x[0]), expected, atol=1e-3)
    torch.testing.assert_close((u * s[:, None]) @ vh, x)


@given(st.integers(0, 2**16), st.floats(0.001, 1))
def test_no_other_matrix_shrinks_better(seed, scale):
    rng = generator(seed)
    matrix = torch.randn(1, 5, 4, generator=rng, dtype=torch.float64)
    amounts = torch.rand(1, 4, generator=rng, dtype=torch.float64).sort(1).values

    def objective(x):
        return (amounts * torch.linalg.svdvals(x)).sum(1) + (x - matrix).square().sum((1, 2)) / 2

    best = shrink(matrix, amounts)[0]
    others = best + scale * torch.randn(50, 5, 4, generator=rng, dtype=torch.float64)
    assert bool((objective(others) >= objective(best) - 1e-9).all())


@pytest.mark.parametrize("name", PENALTIES)
@given(st.floats(0, 50), st.floats(0, 50), st.sampled_from([0.1, 1.0, 3.0]))
def test_penalties_are_concave_with_their_slopes(name, a, b, gamma):
    g, slope = PENALTIES[name]
    a, b = torch.tensor(a, dtype=torch.float64), torch.tensor(b, dtype=torch.float64)
    assert g(torch.zeros(1, dtype=torch.float64), gamma) == 0 and slope(a, gamma) >= 0
    assert g(b, gamma) <= g(a, gamma) + slope(a, gamma) * (b - a) + 1e-9  # below the tangent
    step = 1e-6
    np.testing.assert_allclose(
        slope(a + step, gamma), (g(a + 2 * step, gamma) - g(a, gamma)) / (2 * step), atol=1e-6
    )


@pytest.mark.parametrize("name", PENALTIES)
@given(st.integers(0, 2**16), st.floats(0.01, 3))
@settings(max_examples=20)
def test_an_irnn_step_never_raises_the_objective(name, seed, lam):
    g, slope = PENALTIES[name]
    rng = generator(seed)
    y = torch.randn(1, 6, 5, generator=rng, dtype=torch.float64)
    known = torch.rand(1, 6, 5, generator=rng) > 0.5
    lam = torch.tensor([[lam]], dtype=torch.float64)

    def objective(x):
        return (lam * g(torch.linalg.svdvals(x), 1.0)).sum() + ((x - y) * known).square().sum() / 2

    x = torch.randn(1, 6, 5, generator=rng, dtype=torch.float64)
    s = torch.linalg.svdvals(x)
    for _ in range(10):
        before = objective(x)
        x, s = irnn_step(x, s, y, known, lam, lambda values: slope(values, 1.0))
        torch.testing.assert_close(s, torch.linalg.svdvals(x), atol=1e-9, rtol=0)
        assert objective(x) <= before + 1e-9


def least_nuclear_norm(matrix, known):
    """By L-BFGS over the unknown entries, singular values rounded off to sqrt(s^2 + smooth^2)."""

    def smoothed(values, smooth):
        x = torch.tensor(values, requires_grad=True)
        full = matrix.clone()
        full[~known] = x
        total = (
            torch.linalg.eigvalsh(full @ full.T + smooth**2 * torch.eye(len(full))).sqrt()
        ).sum()
        total.backward()
        return total.item(), x.grad.numpy()

    values = np.zeros(int((~known).sum()))
    for smooth in (1e-1, 1e-2, 1e-3):
        values = minimize(
            smoothed, values, args=(smooth,), jac=True, method="L-BFGS-B", options={"maxiter": 5000}
        ).x
    full = matrix.clone()
    full[~known] = torch.from_numpy(values)
    return torch.linalg.svdvals(full).sum().item()


@given(st.integers(0, 2**16))
@settings(max_examples=8)
def test_rank_0_is_the_nuclear_norm_and_its_minimum_a_general_optimizers(seed):
    rng = generator(seed)
    matrix = torch.randn(6, 8, generator=rng, dtype=torch.float64)
    known = torch.rand(6, 8, generator=rng) > 0.4
    known[0, 0] = True
    x, left = complete_truncated(
        (matrix * known)[None], known[None], 0, penalty=1.0, tolerance=1e-6, max_steps=5000
    )
    assert left == 0 and torch.equal(x[0][known], matrix[known])
    ours, expected = torch.linalg.svdvals(x[0]).sum().item(), least_nuclear_norm(matrix, known)
    assert ours == pytest.approx(expected, rel=2e-3)


METHODS = {
    "truncated": lambda y, known, rank: complete_truncated(
        y, known, rank, penalty=1.0, tolerance=1e-5, max_steps=3000
    ),
    **{
        name: lambda y, known, rank, name=name, gamma=gamma: complete_nonconvex(
            y, known, name, gamma, tolerance=1e-5, max_steps=3000
        )
        for name, gamma in (("log", 1.0), ("etp", 0.1), ("geman", 10.0))
    },
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rank, missing, size", [(3, 0.5, 64), (2, 0.8, 96)])
def test_a_matrix_of_low_rank_is_recovered(method, rank, missing, size):
    """Each row and column has several times as many known entries as the rank.

    At 64x64 and 80 % some have only 4.
    """
    truth = low_rank_matrix(rank, size, seed=rank)
    known = torch.rand(truth.shape, generator=generator(5)) >= missing
    completed, left = METHODS[method](truth * known, known, rank)
    assert left == 0
    assert relative_error(completed, truth) < 1e-3


@pytest.mark.parametrize("method", METHODS)
def test_a_matrix_with_a_rank_too_high_for_its_entries_is_not(method):
    """Rank 20 of 64x64 has 2160 degrees of freedom; 819 entries cannot tell them."""
    truth = low_rank_matrix(20, seed=2)
    known = torch.rand(truth.shape, generator=generator(5)) >= 0.8
    completed, _ = (
        complete_truncated(truth * known, known, 20, max_steps=50)
        if method == "truncated"
        else (complete_nonconvex(truth * known, known, method, max_steps=50))
    )
    assert relative_error(completed, truth) > 0.3


@pytest.mark.parametrize("method", METHODS)
def test_a_column_without_any_known_entry_comes_out_0(method):
    truth = low_rank_matrix(2, 24, seed=4)
    known = torch.rand(truth.shape, generator=generator(6)) >= 0.3
    known[:, :, 7] = False
    completed, _ = METHODS[method](truth * known, known, 2)
    np.testing.assert_allclose(completed[0, :, 7], 0, atol=1e-9)
    others = torch.arange(24) != 7
    assert relative_error(completed[..., others], truth[..., others]) < 1e-2


@pytest.mark.parametrize(
    "fill", [partial(truncated_nuclear_norm_fill, rank=1), nonconvex_low_rank_fill]
)
def test_of_brightness_a_missing_half_comes_out_black_and_a_block_does_not(fill):
    rng = generator(7)
    # brightness of rank 1, from 0 to 2: rows times columns
    images = (torch.rand(1, 3, 32, 1, generator=rng) + 0.4) * (
        torch.rand(1, 3, 1, 32, generator=rng) + 0.4
    ) - 1
    half = half_mask("right", size=32)
    black = torch.where(half > 0, images, -1.0)
    fill = partial(fill, subtract_mean=False)
    torch.testing.assert_close(fill(images, half), black, atol=1e-6, rtol=0)
    torch.testing.assert_close(fill(images, center_mask(size=32)), images, atol=0.02, rtol=0)


@pytest.mark.parametrize("fill", [truncated_nuclear_norm_fill, nonconvex_low_rank_fill])
def test_with_the_mean_subtracted_no_brightness_is_special_and_a_missing_half_gets_the_mean(fill):
    images = torch.rand(1, 3, 24, 24, generator=generator(8)) - 0.5
    half = half_mask("left", size=24)
    torch.testing.assert_close(fill(images, half), mean_fill(images, half), atol=1e-6, rtol=0)
    center, brighter = center_mask(8, size=24), images + 0.3
    for subtract_mean, most in ((True, 1e-3), (False, 1)):
        change = fill(brighter, center, subtract_mean=subtract_mean) - fill(
            images, center, subtract_mean=subtract_mean
        )
        unequal = (change - 0.3).abs().max()
        assert unequal <= most and (subtract_mean or unequal > 5e-3)


def test_wrong_settings_are_refused():
    y, known = torch.zeros(1, 4, 5, dtype=torch.float64), torch.ones(1, 4, 5, dtype=torch.bool)
    for rank in (-1, 5):
        with pytest.raises(ValueError, match="rank must lie between 0 and 4"):
            complete_truncated(y, known, rank)
    with pytest.raises(ValueError, match="penalty and tolerance must be positive"):
        complete_truncated(y, known, 1, penalty=0.0)
    with pytest.raises(ValueError, match="unknown penalty 'l0': choose from log, etp, geman"):
        complete_nonconvex(y, known, "l0")
    with pytest.raises(ValueError, match="gamma and tolerance must be positive"):
        complete_nonconvex(y, known, gamma=-1.0)


def test_a_black_picture_stays_black():
    images = torch.full((1, 3, 16, 16), -1.0)
    for fill in (truncated_nuclear_norm_fill, nonconvex_low_rank_fill):
        assert torch.equal(fill(images, center_mask(size=16)), images)
    assert low_rank.PENALTIES.keys() == {"log", "etp", "geman"}
