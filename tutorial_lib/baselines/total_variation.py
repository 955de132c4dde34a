"""Total variation inpainting: of all pictures with these known pixels the one that varies least.

Shen & Chan 2002 brought total variation to inpainting; Afonso et al. 2011, whom the paper compares
with, solve the constrained problem by splitting it and the alternating direction method of
multipliers (ADMM), and so does this module. The method's multipliers also give a lower bound of the
minimum, so that "converged" has a meaning.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sparse
import torch
from scipy.sparse.linalg import splu
from torch import Tensor

from tutorial_lib.baselines.validation import enter, leave, warn_not_converged

_CHECK_EVERY = 10  # steps
# of 1, 3, 10 and 30 the one with the fewest steps for four training faces and all four masks
_PENALTY = 3.0
_OVER = 1.7  # over-relaxation of ADMM, between 1 (none) and 2


def total_variation(images: Tensor) -> Tensor:
    """The total variation of each picture.

    sum_i sqrt(sum over channels and both directions of (forward difference at pixel i)^2). The
    vectorial, isotropic total variation: a pixel's 2 x 3 differences share one norm, which makes
    the edges of the three channels fall together. Differences over the picture's edge count as 0.

    Args:
        images: (B, C, H, W).

    Returns:
        (B,) of the same type.
    """
    right = torch.nn.functional.pad(images.diff(dim=3), (0, 1))
    down = torch.nn.functional.pad(images.diff(dim=2), (0, 0, 0, 1))
    return (right.square() + down.square()).sum(1).sqrt().sum((1, 2))


def total_variation_fill(
    images: Tensor, mask: Tensor, tolerance: float = 1e-3, max_steps: int = 3000
) -> Tensor:
    """Fill holes with the least total variation (Shen & Chan 2002; Afonso et al. 2011).

    min_x TV(x) subject to x = y where the mask is 1. Edges that lead into a hole are joined by the
    shortest way: a straight edge crosses a thin hole, and a wide hole is cut into flat areas. The
    minimum need not be unique: any of them may come out.

    Args:
        images: (B, 3, H, W) in [-1, 1]; hole pixels are never read.
        mask: (B, 1, H, W) or (1, 1, H, W), 1 = known.
        tolerance: a picture is done when its total variation around the hole is proven to lie
            within this fraction of the smallest possible (the duality gap).
        max_steps: of ADMM; a RuntimeWarning says when they were not enough.

    Returns:
        (B, 3, H, W) float32 in [-1, 1].

    Raises:
        ValueError: for wrong pictures or masks, or a tolerance that is not positive.
    """
    if tolerance <= 0:
        raise ValueError(f"tolerance must be positive, got {tolerance}")
    y, known = enter(images, mask)
    filled, left = y.cpu(), 0
    for picture, where in zip(filled, known.cpu(), strict=True):
        hole = ~where[0].numpy()
        values, converged = _solve(picture.permute(1, 2, 0).numpy(), hole, tolerance, max_steps)
        picture[:, ~where[0]] = torch.from_numpy(values.T)
        left += not converged
    if left:
        warn_not_converged("total variation", f"{left} pictures", max_steps, tolerance)
    return leave(filled, images, mask)


def _differences(hole: np.ndarray) -> sparse.csr_matrix:
    """(2n, H * W): the forward differences that touch the (H, W) hole.

    They belong to n pixels: first all those to the right, then all those down. Only these terms of
    the sum can change. A row over the picture's edge is empty.
    """

    def one(count: int) -> sparse.csr_matrix:
        ahead = sparse.diags_array(
            [np.append(-np.ones(count - 1), 0), np.ones(count - 1)], offsets=[0, 1]
        )
        return ahead.tocsr()

    height, width = hole.shape
    right = sparse.kron(sparse.eye_array(height), one(width), "csr")
    down = sparse.kron(one(height), sparse.eye_array(width), "csr")
    near = np.flatnonzero((abs(right) + abs(down)) @ hole.ravel().astype(float))
    return sparse.vstack([right[near], down[near]], "csr")


def _solve(
    picture: np.ndarray, hole: np.ndarray, tolerance: float, max_steps: int
) -> tuple[np.ndarray, bool]:
    """The hole's values (n_hole, 3) for a (H, W, 3) float64 picture, and whether they converged.

    min ||d||_{2,1} s.t. d = K x + c, K the differences over hole pixels, c those of the known ones.
    ADMM with over-relaxation (Boyd et al. 2011): x by least squares (one sparse factor serves all
    steps), d by shrinking each pixel's six differences together, then the multipliers p.
    """
    all_pixels, flat = _differences(hole), picture.reshape(-1, picture.shape[2])
    inside = hole.ravel()
    k, c = all_pixels[:, inside], all_pixels[:, ~inside] @ flat[~inside]
    kt = k.T.tocsr()
    factor = splu((kt @ k).tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    # cutting values down to the known ones' range never adds variation: the minimum may be looked
    # for inside it
    low, high = flat[~inside].min(0), flat[~inside].max(0)
    d, p, penalty = c, np.zeros_like(c), _PENALTY
    for step in range(1, max_steps + 1):
        x = factor.solve(kt @ (d - p / penalty - c))
        slope = k @ x + c
        mixed = _OVER * slope + (1 - _OVER) * d
        aim = mixed + p / penalty
        d = aim * np.maximum(0, 1 - 1 / np.maximum(penalty * _lengths(aim), 1e-12))
        p = p + penalty * (mixed - d)
        if step % _CHECK_EVERY and step < max_steps:
            continue
        x = x.clip(low, high)
        reached = _lengths(k @ x + c).sum() / 2
        # for any p with norms of at most 1: TV(x) >= <p, K x + c>, which is least at an end of the
        # range
        pull = kt @ p
        bound = (p * c).sum() + np.minimum(low * pull, high * pull).sum()
        if reached - bound <= tolerance * reached + 1e-9:
            return x, True
    return x, False


def _lengths(d: np.ndarray) -> np.ndarray:
    """The norm that a pixel's differences in both directions and all channels share.

    (2n, 3) -> (2n, 1), each twice.
    """
    half = np.sqrt((d.reshape(2, -1, d.shape[1]) ** 2).sum((0, 2)))
    return np.concatenate([half, half])[:, None]
