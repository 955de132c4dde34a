"""Eq. 6: keep G's gradients in the hole and the known pixels around it. Notebook 05 derives and draws it.

With u = x - G(z) the problem min sum over neighbours (u_i - u_j)^2, u = y - G(z) where known, has one solution: u is
harmonic in the hole. Only pairs of neighbours inside the picture count, so the picture's edge is a natural boundary. The
matrix depends on the mask alone: one factor serves every picture and channel that share it.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sparse
import torch
from scipy.sparse.linalg import splu
from torch import Tensor

from tutorial_lib.masks import check_mask

_NEIGHBOURS = ((0, 1), (0, -1), (1, 0), (-1, 0))
_TOLERANCE = 1e-10
_MAX_ITERATIONS = 2000


def poisson_blend(generated: Tensor, images: Tensor, mask: Tensor) -> Tensor:
    """argmin_x || grad x - grad G(z) ||^2 with x = y where the mask is 1 (Eq. 6), solved in float64 and never clamped.

    Args:
        generated: (B, 3, H, W), G(z_hat).
        images: (B, 3, H, W), y; its hole pixels are never read, NaN included.
        mask: (B, 1, H, W) or (1, 1, H, W), 1 = known; holes of any shape, in many parts, up to the picture's edge.

    Returns: (B, 3, H, W) of `generated`'s type, on its device; it may leave [-1, 1] in the hole.
    Raises: ValueError for shapes that do not fit or an invalid mask.
    """
    if generated.shape != images.shape or generated.dim() != 4:
        raise ValueError(f"need two batches of one shape, got {tuple(generated.shape)} and {tuple(images.shape)}")
    mask = check_mask(mask, generated)
    images = images.to(generated.device)
    known = mask > 0
    if generated.device.type == "cuda":
        g = generated.double()
        offset = _solve_by_iteration(torch.where(known, images.double() - g, 0.0), known)
        solution = g + offset
    else:
        cpu = generated.cpu().double()
        offset = torch.where(known.cpu(), images.cpu().double() - cpu, 0.0)
        solution = (cpu + _solve_by_factor(offset, known.cpu())).to(generated.dtype)
    return torch.where(known, images.to(generated.dtype), solution.to(generated))


def _laplacian(hole: np.ndarray) -> tuple[sparse.csc_matrix, sparse.csr_matrix]:
    """For a (H, W) hole: the matrix over hole pixels, and the matrix that sums the known neighbours of each.

    The diagonal counts neighbours inside the picture: two at a corner, three at an edge, else four.
    """
    height, width = hole.shape
    number = np.full((height + 2, width + 2), -1)  # a frame of -1 stands for "outside"
    number[1:-1, 1:-1] = np.arange(height * width).reshape(height, width)
    rows = np.flatnonzero(hole)
    neighbours = np.stack([number[1 + dy:1 + dy + height, 1 + dx:1 + dx + width].ravel()[rows] for dy, dx in _NEIGHBOURS])
    row, column = np.tile(np.arange(len(rows)), 4), neighbours.ravel()
    row, column = row[column >= 0], column[column >= 0]
    pairs = sparse.csr_matrix((np.ones(len(row)), (row, column)), shape=(len(rows), height * width))
    inside = sparse.diags(np.bincount(row, minlength=len(rows)).astype(float)) - pairs[:, rows]
    return inside.tocsc(), pairs @ sparse.diags((~hole).ravel().astype(float))


def _solve_by_factor(offset: Tensor, known: Tensor) -> Tensor:
    """The harmonic extension of `offset` (B, 3, H, W) into the holes, by one sparse LU factor a distinct mask."""
    result = offset.clone()
    distinct, which = torch.unique(known.flatten(1), dim=0, return_inverse=True)
    for number, flat in enumerate(distinct):
        hole = ~flat.numpy()
        inside, around = _laplacian(hole.reshape(known.shape[-2:]))
        # symmetric ordering: the matrix is symmetric positive definite, fill-in stays small
        factor = splu(inside, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
        rows = torch.nonzero(which == number).flatten()
        values = offset[rows].flatten(2).flatten(0, 1).numpy()  # (rows * 3, H * W)
        solved = torch.from_numpy(factor.solve(np.ascontiguousarray((around @ values.T))))
        filled = result[rows].flatten(2)
        filled[:, :, torch.from_numpy(hole)] = solved.T.reshape(len(rows), offset.shape[1], -1)
        result[rows] = filled.view(len(rows), *offset.shape[1:])
    return result


def _neighbour_sum(x: Tensor) -> Tensor:
    padded = torch.nn.functional.pad(x, (1, 1, 1, 1))
    return padded[..., 1:-1, 2:] + padded[..., 1:-1, :-2] + padded[..., 2:, 1:-1] + padded[..., :-2, 1:-1]


def _solve_by_iteration(offset: Tensor, known: Tensor) -> Tensor:
    """The same as `_solve_by_factor`, by conjugate gradients on all pictures at once: what a GPU is good at.

    Raises: RuntimeError when a picture has not converged (never seen: the matrix is positive definite).
    """
    hole = (~known).to(offset.dtype)
    degree = _neighbour_sum(torch.ones_like(offset[:1, :1]))

    def product(x: Tensor) -> Tensor:
        return hole * (degree * x - _neighbour_sum(x))

    def dot(a: Tensor, b: Tensor) -> Tensor:
        return (a * b).sum((2, 3), keepdim=True)

    right = hole * _neighbour_sum(offset)
    x = torch.zeros_like(right)
    residual, direction = right, right / degree
    scaled = dot(residual, direction)
    limit = _TOLERANCE**2 * dot(right, right).clamp(min=1e-300)
    for iteration in range(_MAX_ITERATIONS):
        if iteration % 10 == 0 and bool((dot(residual, residual) <= limit).all()):
            return offset + x
        along = product(direction)
        step = scaled / dot(direction, along).clamp(min=1e-300)
        x = x + step * direction
        residual = residual - step * along
        preconditioned = residual / degree
        new = dot(residual, preconditioned)
        direction = preconditioned + new / scaled.clamp(min=1e-300) * direction
        scaled = new
    raise RuntimeError("the blend has not converged: please report the mask")
