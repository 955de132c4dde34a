"""Eqs. 4 and 5 against plain numpy, and their gradients against finite differences."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tutorial_lib.inpainting.importance import importance_weights
from tutorial_lib.inpainting.losses import PRIORS, context_loss, prior_loss
from tutorial_lib.masks import FAMILIES, make_masks


def draws(*shape, seed=0):
    return (
        torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2
        - 1
    )


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("norm, power", [("l1", 1), ("l2", 2)])
def test_context_loss_is_a_weighted_sum(family, norm, power):
    generated, images = draws(2, 3, 64, 64, seed=1), draws(2, 3, 64, 64, seed=2)
    weights = importance_weights(make_masks(family, 2)).double()
    expected = [
        (np.abs(w.numpy() * (g.numpy() - y.numpy())) ** power).sum()
        for g, y, w in zip(generated, images, weights, strict=True)
    ]
    np.testing.assert_allclose(
        context_loss(generated, images, weights, norm).numpy(), expected, rtol=1e-12
    )


@pytest.mark.parametrize("junk", [float("nan"), float("inf"), 1e9])
def test_pixels_of_weight_zero_are_never_read(junk):
    generated, images = (
        draws(2, 3, 16, 16, seed=1).requires_grad_(True),
        draws(2, 3, 16, 16, seed=2),
    )
    weights = importance_weights(make_masks("center", 2, size=16), 3).double()
    clean = context_loss(generated, images, weights)
    (clean_slope,) = torch.autograd.grad(clean.sum(), generated)
    images = torch.where(weights > 0, images, junk)
    loss = context_loss(generated, images, weights)
    (slope,) = torch.autograd.grad(loss.sum(), generated)
    assert torch.equal(loss, clean) and torch.equal(slope, clean_slope)


@given(st.floats(-40, 40), st.floats(0, 100))
@settings(max_examples=100, deadline=None)
def test_prior_losses_are_their_formulas(logit, lam):
    logits = torch.tensor([logit], dtype=torch.float64)
    d = 1 / (1 + np.exp(-np.longdouble(logit)))
    assert prior_loss(logits, lam).item() == pytest.approx(
        float(lam * np.log1p(-d)), rel=1e-3, abs=1e-12
    )
    assert prior_loss(logits, lam, "non-saturating").item() == pytest.approx(
        float(-lam * np.log(d)), rel=1e-9, abs=1e-12
    )


@pytest.mark.parametrize("form", PRIORS)
def test_prior_loss_stays_finite_and_falls_where_d_is_convinced(form):
    logits = torch.tensor([-500.0, -5.0, 0.0, 5.0, 500.0], requires_grad=True)
    loss = prior_loss(logits, 1.0, form)
    (slope,) = torch.autograd.grad(loss.sum(), logits)
    assert loss.isfinite().all() and slope.isfinite().all()
    assert (loss.diff() <= 0).all() and (slope <= 0).all()
    steepest = {"saturating": -1, "non-saturating": 0}[form]
    assert slope.argmin().item() == torch.arange(5)[steepest].item()


def test_lam_can_differ_by_row():
    logits = draws(3)
    lam = torch.tensor([0.0, 0.5, 3.0], dtype=torch.float64)
    expected = [prior_loss(logits[row], lam[row].item()).item() for row in range(3)]
    assert prior_loss(logits, lam).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_context_gradient(norm):
    weights = importance_weights(make_masks("random", 2, size=6), 3).double()
    images = draws(2, 3, 6, 6, seed=3)
    generated = draws(2, 3, 6, 6, seed=4).requires_grad_(True)
    assert torch.autograd.gradcheck(lambda g: context_loss(g, images, weights, norm), generated)


@pytest.mark.parametrize("form", PRIORS)
def test_prior_gradient(form):
    assert torch.autograd.gradcheck(
        lambda logits: prior_loss(logits, 0.7, form), (4 * draws(6)).requires_grad_(True)
    )


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="l1"):
        context_loss(draws(1, 3, 4, 4), draws(1, 3, 4, 4), draws(1, 1, 4, 4), "l3")
    with pytest.raises(ValueError, match="saturating"):
        prior_loss(draws(2), 1.0, "hinge")
