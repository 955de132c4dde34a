"""Exercises of notebook 07, the lambda explorer."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tutorial_lib.teaching.exercises.checking import draws, exercise, expect, same

# (z, lam) -> the completed picture (3, H, W) and z_hat (z_dim,)
SearchFrom = Callable[[Tensor, float], tuple[Tensor, Tensor]]


@exercise
def check_lam_with_share(function: Callable[[Tensor, Tensor, Tensor, float], float]) -> str:
    """The smallest lam whose prior counts.

    function(lams (L,), context (L,), prior (L,), share) -> the smallest lam whose |prior| is
    share * context or more.
    """
    lams = torch.tensor([0.0, 0.003, 0.1, 1.0, 10.0, 37.0])
    context = torch.tensor([20.0, 20.0, 19.0, 21.0, 24.0, 40.0])
    expected = {0.0: 0.0, 0.003: 0.1, 0.01: 1.0, 0.2: 10.0, 0.25: 10.0, 0.5: 37.0}
    for sign, word in ((-1, "negative"), (1, "positive")):  # Eq. 5 is negative, -log D positive
        prior = sign * torch.tensor([0.0, 0.002, 0.076, 0.7, 6.0, 24.0])
        for share, lam in expected.items():
            given = function(lams, context, prior, share)
            same(lam, given, f"share {share}, prior losses that are {word}", 1e-6)
    return "the smallest lambda with that share, whatever the prior's sign."


@exercise
def check_change_over_lam(
    function: Callable[[SearchFrom, Tensor, list[float], Tensor], Tensor],
) -> str:
    """How much a sweep over lam changes the hole.

    function(search_from, z0 (z_dim,), lams, mask (1, H, W)) -> (L,): the mean absolute difference
    in the hole (mask 0) between the picture of each lam and that of the first. Every search has to
    begin at z0.
    """
    z0, base, pull = draws(4, seed=1), draws(3, 8, 8, seed=2), draws(3, 8, 8, seed=3)
    mask = torch.ones(1, 8, 8)
    mask[:, 2:5, 3:8] = 0
    for lams in ([0.0, 1.0, 10.0], [0.5, 2.0]):
        begun: list[Tensor] = []

        def search_from(z: Tensor, lam: float, begun=begun) -> tuple[Tensor, Tensor]:
            begun.append(z.detach().clone())
            known = base + 0.01 * lam  # not what is asked about
            picture = torch.where(mask > 0, known, base + lam * pull + z.sum())
            return picture, z + 0.3 + lam

        given = torch.as_tensor(function(search_from, z0.clone(), list(lams), mask.clone()))
        expect(
            len(begun) == len(lams),
            f"{len(lams)} values of lambda need {len(lams)} searches, you made {len(begun)}",
        )
        for lam, z in zip(lams, begun, strict=True):
            expect(
                z.shape == z0.shape and torch.allclose(z, z0),
                f"the search for lambda {lam:g} began somewhere else than the first one: "
                "you measure the start as well as lambda",
            )
        expect(
            given.shape == (len(lams),),
            f"one number for each lambda is wanted, ({len(lams)},), got {tuple(given.shape)}",
        )
        expect(bool(given[0] == 0), "the first lambda must differ from itself by 0")
        steps = torch.tensor(lams) - lams[0]
        wanted = steps * pull[:, mask[0] == 0].abs().mean()
        expect(
            not 0 < given[-1] < 0.6 * wanted[-1],
            "your average is too small: most of its pixels are known and hardly change",
        )
        same(wanted, given, "the mean change in the hole", 1e-4)
    return "the same start for every lambda, and only the hole is compared."
