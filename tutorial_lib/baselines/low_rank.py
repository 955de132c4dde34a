"""Low-rank completion: the matrix of low rank that agrees with the known pixels of a channel.

Two stand-ins for the rank: the truncated nuclear norm (Hu et al. 2013), which is the nuclear norm
itself when no singular value is left free, and concave penalties of the singular values (Lu et al.
2014). As in both papers a matrix holds brightness, but 0 is the mean of the channel's known pixels
and not black.

What is known of a row or column comes from that row or column: one without any known pixel costs
nothing when it is 0, so a missing half comes out in the mean color (and black where the mean is not
subtracted). A block leaves every row and column known in part, but few equations for what is in it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tutorial_lib.baselines.validation import enter, leave, warn_not_converged

# name -> (g, its derivative) over singular values s >= 0; each is concave, does not fall, and has
# g(0) = 0 (Lu et al., Table 1)
PENALTIES = {
    "log": (
        lambda s, gamma: torch.log1p(gamma * s) / math.log1p(gamma),
        lambda s, gamma: gamma / ((1 + gamma * s) * math.log1p(gamma)),
    ),
    "etp": (
        lambda s, gamma: torch.expm1(-gamma * s) / math.expm1(-gamma),
        lambda s, gamma: -gamma * torch.exp(-gamma * s) / math.expm1(-gamma),
    ),
    "geman": (lambda s, gamma: s / (s + gamma), lambda s, gamma: gamma / (s + gamma) ** 2),
}


def truncated_nuclear_norm_fill(
    images: Tensor,
    mask: Tensor,
    rank: int = 0,
    penalty: float = 0.5,
    tolerance: float = 3e-4,
    max_steps: int = 1000,
    subtract_mean: bool = True,
) -> Tensor:
    """Fill holes with the least truncated nuclear norm, channel by channel (Hu et al. 2013).

    min_X sum of all singular values but the `rank` largest, subject to X = y where known. Two steps
    in turn: the singular vectors of the largest values are held, which makes the problem convex,
    and it is solved by ADMM (their TNNR-ADMM; here the vectors are renewed as soon as ADMM rests,
    and it goes on from where it is).

    The default rank, which makes the problem convex, has a hole PSNR within 0.1 dB of that with 1
    and above that with 2, averaged over eight training faces with center, pattern and random masks;
    with 1 and 2 smooth pictures need more steps than they are given. (Of brightness 1 is better:
    the largest singular value is then about the mean.) The default penalty needs the fewest steps
    of 0.3, 0.5 and 1.

    Args:
        images: (B, 3, H, W) in [-1, 1]; hole pixels are never read.
        mask: (B, 1, H, W) or (1, 1, H, W), 1 = known.
        rank: how many singular values are free, from 0 (the nuclear norm itself) to the shorter
            side.
        penalty: beta of ADMM.
        tolerance: a channel rests when a step moves it by less than this fraction of its known
            pixels' norm; it is done when it still rests after its singular vectors were renewed.
            The problem is not convex: this is a resting point, not a proven minimum (but for rank
            0).
        max_steps: of ADMM, in all; a RuntimeWarning says when they were not enough.
        subtract_mean: whether a matrix holds each channel minus the mean of its known pixels, or
            brightness itself as in the paper, with which a row without known pixels is black.

    Returns:
        (B, 3, H, W) float32 in [-1, 1].

    Raises:
        ValueError: for wrong pictures or masks, a rank out of range, a penalty or tolerance that is
            not positive.
    """
    y, known = enter(images, mask)
    matrices, where, zero = _matrices(y, known, subtract_mean)
    completed, left = complete_truncated(matrices, where, rank, penalty, tolerance, max_steps)
    if left:
        warn_not_converged("truncated nuclear norm", f"{left} channels", max_steps, tolerance)
    return leave(completed.view_as(y) + zero, images, mask)


def nonconvex_low_rank_fill(
    images: Tensor,
    mask: Tensor,
    penalty: str = "etp",
    gamma: float = 0.1,
    tolerance: float = 1e-3,
    max_steps: int = 1000,
    subtract_mean: bool = True,
) -> Tensor:
    """Fill holes with a concave penalty of the singular values, channel by channel.

    min_X lam sum_i g(sigma_i(X)) + 1/2 ||X - y||^2 over known pixels, lam going to 0 (Lu et al.
    2014).

    IRNN, their algorithm 1: a concave g lies below its tangent at the present singular values, and
    the tangent's weighted nuclear norm is minimized by one shrinkage (`shrink`), in which large
    values lose little and small ones much.

    The defaults have the highest hole PSNR, averaged over eight training faces with center, pattern
    and random masks: of "log" and "etp" with gamma 0.03, 0.1 and 0.3, and "geman" with 3, 10 and
    30.

    Args:
        images: (B, 3, H, W) in [-1, 1]; hole pixels are never read.
        mask: (B, 1, H, W) or (1, 1, H, W), 1 = known.
        penalty: g: "log", "etp" (exponential type) or "geman".
        gamma: shape of g; see `PENALTIES`.
        tolerance: a channel is done when a step moves it by less than this fraction of its known
            pixels' norm, and it fits them so closely. lam falls by a tenth whenever a step moves it
            by less than ten times as much.
        max_steps: in all; a RuntimeWarning says when they were not enough.
        subtract_mean: as in `truncated_nuclear_norm_fill`.

    Returns:
        (B, 3, H, W) float32 in [-1, 1].

    Raises:
        ValueError: for wrong pictures or masks, an unknown penalty, a gamma or tolerance that is
            not positive.
    """
    y, known = enter(images, mask)
    matrices, where, zero = _matrices(y, known, subtract_mean)
    completed, left = complete_nonconvex(matrices, where, penalty, gamma, tolerance, max_steps)
    if left:
        warn_not_converged("nonconvex low rank", f"{left} channels", max_steps, tolerance)
    return leave(completed.view_as(y) + zero, images, mask)


def complete_truncated(
    matrices: Tensor,
    known: Tensor,
    rank: int,
    penalty: float = 0.5,
    tolerance: float = 3e-4,
    max_steps: int = 1000,
) -> tuple[Tensor, int]:
    """`truncated_nuclear_norm_fill` for matrices of any scale.

    They are (N, H, W) float64 and 0 where not known, `known` is (N, H, W) bool; the other arguments
    and the errors are the same.

    Returns:
        (N, H, W) completed, equal to `matrices` where known, and how many had not converged.
    """
    if not 0 <= rank <= min(matrices.shape[1:]):
        raise ValueError(f"rank must lie between 0 and {min(matrices.shape[1:])}, got {rank}")
    if penalty <= 0 or tolerance <= 0:
        raise ValueError(f"penalty and tolerance must be positive, got {penalty} and {tolerance}")
    completed = matrices.clone()
    row = torch.arange(len(matrices), device=matrices.device)  # the matrices still at work
    y, w, dual, free = matrices, matrices, torch.zeros_like(matrices), torch.zeros_like(matrices)
    x = renewed = w
    limit = tolerance * _norms(matrices) + 1e-12
    for _ in range(max_steps):
        new, u, _, vh = shrink(w - dual / penalty, 1 / penalty)
        rests = _norms(new - x) <= limit
        done = rests & (_norms(new - renewed) <= limit)
        x = new
        # shrinking leaves the singular vectors as they are: these are x's
        free = torch.where(rests[:, None, None], u[:, :, :rank] @ vh[:, :rank], free)
        renewed = torch.where(rests[:, None, None], x, renewed)
        w = torch.where(known, y, x + (free + dual) / penalty)
        dual = dual + penalty * (x - w)
        completed[row] = torch.where(known, y, x)
        row, y, known, w, dual, free, x, renewed, limit = (
            part[~done] for part in (row, y, known, w, dual, free, x, renewed, limit)
        )
        if not len(row):
            break
    return completed, len(row)


def complete_nonconvex(
    matrices: Tensor,
    known: Tensor,
    penalty: str = "etp",
    gamma: float = 0.1,
    tolerance: float = 1e-3,
    max_steps: int = 1000,
) -> tuple[Tensor, int]:
    """`nonconvex_low_rank_fill` for matrices of any scale.

    They are (N, H, W) float64 and 0 where not known, `known` is (N, H, W) bool; the other arguments
    and the errors are the same.

    Returns:
        (N, H, W) completed, close to `matrices` where known, and how many had not converged.
    """
    if penalty not in PENALTIES:
        raise ValueError(f"unknown penalty {penalty!r}: choose from {', '.join(PENALTIES)}")
    if gamma <= 0 or tolerance <= 0:
        raise ValueError(f"gamma and tolerance must be positive, got {gamma} and {tolerance}")
    slope = PENALTIES[penalty][1]
    completed = matrices.clone()
    row = torch.arange(len(matrices), device=matrices.device)  # the matrices still at work
    y, x, s = matrices, matrices, torch.linalg.svdvals(matrices)
    lam = s[:, :1].clone()  # as large as the largest singular value
    limit = tolerance * _norms(matrices) + 1e-12
    for _ in range(max_steps):
        new, s = irnn_step(x, s, y, known, lam, lambda values: slope(values, gamma))
        moved = _norms(new - x)
        done = (moved <= limit) & (_norms((new - y) * known) <= limit)
        x, lam = new, torch.where((moved <= 10 * limit)[:, None], 0.9 * lam, lam)
        completed[row] = x
        row, y, known, x, s, lam, limit = (
            part[~done] for part in (row, y, known, x, s, lam, limit)
        )
        if not len(row):
            break
    return completed, len(row)


def irnn_step(
    x: Tensor, s: Tensor, y: Tensor, known: Tensor, lam: Tensor, slope
) -> tuple[Tensor, Tensor]:
    """One step of IRNN; lam sum_i g(sigma_i) + 1/2 ||X - y||^2 over known pixels never rises.

    Args:
        x: (N, H, W).
        s: (N, K), its singular values, the largest first.
        y: (N, H, W), read where known.
        known: (N, H, W) bool.
        lam: (N, 1).
        slope: the derivative of g, a function.

    Returns:
        The next x and s.
    """
    # the gradient step of length 1 puts the known pixels back
    new, _, s, _ = shrink(torch.where(known, y, x), lam * slope(s))
    return new, s


def shrink(matrices: Tensor, amounts: Tensor | float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """argmin_X sum_i amount_i sigma_i(X) + 1/2 ||X - matrix||^2.

    Each singular value loses its amount, down to 0.

    Args:
        matrices: (N, H, W).
        amounts: a number, or (N, K) that do not fall from the largest singular value to the
            smallest: only then is this the minimum (Lu et al. 2014).

    Returns:
        X, and its singular values and vectors as (X, u, s, vh).
    """
    u, s, vh = torch.linalg.svd(matrices, full_matrices=False)
    s = (s - amounts).clamp(min=0)
    return (u * s[:, None]) @ vh, u, s, vh


def _matrices(y: Tensor, known: Tensor, subtract_mean: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Channels as matrices, (B * 3, H, W), 0 in the hole, and where they are known.

    The third is what their 0 stands for, (B, 3, 1, 1): black, or the mean of the known pixels.
    """
    zero = torch.full_like(y[:, :, :1, :1], -1.0)
    if subtract_mean:
        zero = y.sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True)  # y is 0 in the hole
    matrices = torch.where(known, y - zero, 0.0).flatten(0, 1)
    return matrices, known.expand_as(y).flatten(0, 1), zero


def _norms(matrices: Tensor) -> Tensor:
    return matrices.flatten(1).norm(dim=1)
