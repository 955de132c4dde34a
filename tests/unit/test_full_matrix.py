"""Full-matrix Adam against its formula written with SciPy, and what it is for: directions that are
scaled differently.
"""

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tutorial_lib.inpainting import full_matrix
from tutorial_lib.inpainting.full_matrix import (
    DAMPING,
    RENEWED_EVERY,
    WARM_UP,
    FullMatrixAdam,
    inverse_root,
)


def descend(optimizer, z, loss, steps):
    for _ in range(steps):
        (z.grad,) = torch.autograd.grad(loss(z).sum(), z)
        optimizer.step()
    return z.detach()


def by_the_formula(gradients, lr, beta1, beta2):
    """One row: where the steps along these gradients lead from 0."""
    z, mean, products = np.zeros(gradients.shape[1]), 0.0, 0.0
    for number, g in enumerate(gradients, 1):
        mean, products = (
            beta1 * mean + (1 - beta1) * g,
            beta2 * products + (1 - beta2) * np.outer(g, g),
        )
        m, p = mean / (1 - beta1**number), products / (1 - beta2**number)
        if number <= WARM_UP:
            z -= lr * m / (np.sqrt(np.diag(p)) + 1e-8)
        else:
            if (number - WARM_UP) % RENEWED_EVERY == 1:
                root = np.linalg.inv(
                    scipy.linalg.sqrtm(p + DAMPING * np.trace(p) / len(p) * np.eye(len(p))).real
                )
            z -= lr * root @ m
    return z


@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 6))
@settings(max_examples=20)
def test_it_is_the_formula_for_every_row(seed, rows, size):
    gradients = np.random.default_rng(seed).normal(size=(28, rows, size)) * np.geomspace(
        1, 30, size
    )
    z = torch.zeros(rows, size, dtype=torch.float64, requires_grad=True)
    optimizer = FullMatrixAdam([z], 0.1, (0.8, 0.95))
    for gradient in gradients:
        z.grad = torch.from_numpy(gradient)
        optimizer.step()
    for row in range(rows):
        np.testing.assert_allclose(
            z.detach().numpy()[row], by_the_formula(gradients[:, row], 0.1, 0.8, 0.95), atol=1e-6
        )


@given(st.integers(0, 10**6))
@settings(max_examples=20)
def test_the_root_is_scipy_s(seed):
    factors = torch.from_numpy(np.random.default_rng(seed).normal(size=(2, 5, 3)))
    products = factors @ factors.transpose(1, 2)  # of rank 3: the damping makes it invertible
    for given_, product in zip(inverse_root(products), products.numpy(), strict=True):
        whole = product + DAMPING * np.trace(product) / 5 * np.eye(5)
        np.testing.assert_allclose(given_.numpy() @ whole @ given_.numpy(), np.eye(5), atol=1e-6)


def test_turned_coordinates_change_nothing(monkeypatch):
    """Adam depends on the axes; this does not, once the warm-up on the diagonal is over."""
    monkeypatch.setattr(full_matrix, "WARM_UP", 0)
    rng = np.random.default_rng(1)
    turn = torch.from_numpy(np.linalg.qr(rng.normal(size=(6, 6)))[0])
    slopes = torch.from_numpy(np.geomspace(0.1, 10, 6))
    start = torch.from_numpy(rng.normal(size=(3, 6)))

    def run(kind, to_axes):
        z = (start @ to_axes.T).requires_grad_(True)
        return (
            descend(kind([z], 0.1), z, lambda z: ((z @ to_axes) * slopes).square().sum(1), 40)
            @ to_axes
        )

    eye = torch.eye(6, dtype=torch.float64)
    torch.testing.assert_close(
        run(FullMatrixAdam, eye), run(FullMatrixAdam, turn), atol=1e-6, rtol=0
    )
    assert (run(torch.optim.Adam, eye) - run(torch.optim.Adam, turn)).abs().max() > 1e-2


def test_a_valley_across_the_axes_is_no_obstacle():
    rng = np.random.default_rng(2)
    turn = torch.from_numpy(np.linalg.qr(rng.normal(size=(20, 20)))[0])
    slopes = torch.from_numpy(np.geomspace(0.01, 10, 20))

    def loss(z):
        return ((z @ turn - 1) * slopes).abs().sum(1)

    ends = {}
    for kind in (torch.optim.Adam, FullMatrixAdam):
        z = torch.zeros(4, 20, dtype=torch.float64, requires_grad=True)
        optimizer = kind([z], 0.1)
        for step in range(150):
            optimizer.param_groups[0]["lr"] = 0.1 * (1 - step / 150)
            descend(optimizer, z, loss, 1)
        ends[kind] = loss(z).mean().item()
    assert ends[FullMatrixAdam] < 0.5 * ends[torch.optim.Adam]


def test_zero_gradients_leave_z_where_it_is():
    z = torch.ones(2, 3, requires_grad=True)
    optimizer = FullMatrixAdam([z])
    for _ in range(20):
        z.grad = torch.zeros(2, 3)
        optimizer.step()
    assert torch.equal(z.detach(), torch.ones(2, 3))


def test_codes_are_wanted():
    with pytest.raises(ValueError, match=r"\(B, n\), got \(3,\)"):
        FullMatrixAdam([torch.zeros(3, requires_grad=True)])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_goes_on_after_the_warm_up(dtype):
    z = torch.ones(2, 3, dtype=dtype, requires_grad=True)
    optimizer = FullMatrixAdam([z], 0.05, (0.9, 0.98))
    for _ in range(WARM_UP + 20):
        z.grad = (2 * z).detach()
        optimizer.step()
    assert z.dtype == dtype and z.abs().max() < 0.7
