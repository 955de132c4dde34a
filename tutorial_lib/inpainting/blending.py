"""Eq. 6, Poisson blending: keep G's gradients in the hole and the known pixels around it.

Notebook 06 derives and draws it.

With u = x - G(z) the problem is min || D u ||^2, u = y - G(z) where known; D u are the differences
of all pairs of neighbors inside the picture. Split D's columns into those of the hole and those of
known pixels. The normal equations

    D_hole^T D_hole u_hole = -D_hole^T D_known u_known

have one solution: u is harmonic in the hole, with a natural boundary at the picture's edge. Their
matrix depends on the mask alone: one sparse factor serves every picture and channel that share it.
At the size of a photo a factor is too large: `large_blending` solves the equation by multigrid.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy.sparse as sparse
import torch
from scipy.sparse.linalg import SuperLU, splu
from torch import Tensor

from tutorial_lib.masks import check_mask


def poisson_blend(generated: Tensor, images: Tensor, mask: Tensor) -> Tensor:
    """Eq. 6: argmin_x || grad x - grad G(z) ||^2 with x = y where the mask is 1.

    Solved in float64 and never clamped; no gradient passes. Pictures on a GPU are moved to the CPU
    and the result back.

    Args:
        generated: (B, 3, H, W), G(z_hat).
        images: (B, 3, H, W), y; its hole pixels are never read, NaN included.
        mask: (B, 1, H, W) or (1, 1, H, W), 1 = known; holes of any shape, in many parts, up to the
            picture's edge.

    Returns:
        (B, 3, H, W) of `generated`'s type, on its device; it may leave [-1, 1] in the hole.

    Raises:
        ValueError: for shapes that do not fit or an invalid mask.
    """
    if generated.shape != images.shape or generated.dim() != 4:
        raise ValueError(
            f"need two batches of one shape, got {tuple(generated.shape)} and {tuple(images.shape)}"
        )
    return blend(generated, images, check_mask(mask, generated))


@torch.no_grad()
def blend(generated: Tensor, images: Tensor, mask: Tensor) -> Tensor:
    """`poisson_blend` of batches that were checked, the mask (B, 1, H, W)."""
    blended = torch.empty_like(generated, device="cpu")
    pictures = zip(generated.cpu(), images.cpu(), mask[:, 0].cpu() > 0, strict=True)
    for row, (g, y, known) in enumerate(pictures):
        factor, from_known = _factored(known.numpy().tobytes(), *known.shape)
        u = y.double() - g  # (3, H, W), to keep where known
        right = from_known @ u[:, known].numpy().T  # (hole pixels, 3)
        u[:, ~known] = torch.from_numpy(factor.solve(right)).T
        blended[row] = torch.where(known, y, g + u)
    return blended.to(generated.device)


@lru_cache(maxsize=32)  # masks; at 64x64 their factors take at most two megabytes each
def _factored(known: bytes, height: int, width: int) -> tuple[SuperLU, sparse.csr_array]:
    """For one mask: D_hole^T D_hole, factored, and -D_hole^T D_known."""
    is_known = np.frombuffer(known, dtype=bool)
    differences = _differences(height, width)
    of_hole, of_known = differences[:, ~is_known], differences[:, is_known]
    # symmetric ordering: the matrix is symmetric positive definite, fill-in stays small
    factor = splu(
        (of_hole.T @ of_hole).tocsc(),
        permc_spec="MMD_AT_PLUS_A",
        options={"SymmetricMode": True},
    )
    return factor, -of_hole.T @ of_known


def _differences(height: int, width: int) -> sparse.csc_array:
    """D, (pairs, H * W): a row for each pair of neighbors, with 1 and -1 in it."""
    number = np.arange(height * width).reshape(height, width)  # row by row
    eye = sparse.eye_array(height * width, format="csr")  # eye[i] @ u is pixel i of u
    across = eye[number[:, 1:].ravel()] - eye[number[:, :-1].ravel()]  # right minus left
    down = eye[number[1:].ravel()] - eye[number[:-1].ravel()]  # below minus above
    return sparse.vstack([across, down]).tocsc()
