"""Eq. 6, Poisson blending: keep G's gradients in the hole and the known pixels around it.

Notebook 06 derives and draws it.

With u = x - G(z) the problem min sum over neighbours (u_i - u_j)^2, u = y - G(z) where known, has
one solution: u is harmonic in the hole. Only pairs of neighbours inside the picture count, so the
picture's edge is a natural boundary. The matrix depends on the mask alone: one factor serves every
picture and channel that share it. At the size of a photo a factor is too large: `large_blending`
solves the same equation by multigrid.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy.sparse as sparse
import torch
from scipy.sparse.linalg import splu
from torch import Tensor

from tutorial_lib.masks import check_mask

_NEIGHBOURS = ((0, 1), (0, -1), (1, 0), (-1, 0))
_KEPT = 32  # masks whose factor is kept, at 64x64 at most two megabytes each
_DENSE = 150_000  # numbers, 1.2 MB: a center block and a half have fewer, scattered pixels more
_AT_ONCE = 16  # pictures: what is computed for more does not stay in the processor's cache
_TOLERANCE = 1e-10
_MAX_ITERATIONS = 2000


def poisson_blend(generated: Tensor, images: Tensor, mask: Tensor) -> Tensor:
    """Eq. 6: argmin_x || grad x - grad G(z) ||^2 with x = y where the mask is 1.

    Solved in float64 and never clamped; no gradient passes. The last bits of float64 pictures may
    depend on how many were blended before with the same mask.

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
    return blend(generated, images.to(generated.device), check_mask(mask, generated))


@torch.no_grad()
def blend(generated: Tensor, images: Tensor, mask: Tensor) -> Tensor:
    """`poisson_blend` of batches that were checked and lie on one device."""
    solve = _by_iteration if generated.device.type == "cuda" else _by_factor
    return solve(generated, images, mask > 0)


def _by_factor(generated: Tensor, images: Tensor, known: Tensor) -> Tensor:
    """Eq. 6 on the CPU: each hole from its known neighbours, a sparse factor a distinct mask."""
    result = torch.empty_like(generated)
    distinct, which = torch.unique(known.flatten(1).cpu(), dim=0, return_inverse=True)
    for number, mask in enumerate(distinct):
        hole = _factored((~mask).numpy().tobytes(), *known.shape[-2:])
        for rows in _parts(which == number):
            g = generated[rows].cpu().flatten(2)  # (b, 3, H * W)
            y = images[rows].cpu().flatten(2)
            on_ring = (y - g).flatten(0, 1).T.index_select(0, hole.ring)  # (ring, b * 3)
            white, black = hole.harmonic(on_ring.double().numpy())
            u = g.new_zeros(g.shape[2], on_ring.shape[1])  # (H * W, b * 3)
            u.index_copy_(0, hole.white, torch.from_numpy(white).to(g.dtype))
            u.index_copy_(0, hole.black, torch.from_numpy(black).to(g.dtype))
            blended = torch.where(mask, y, g + u.T.view_as(g))
            result[rows] = blended.view(-1, *generated.shape[1:]).to(generated.device)
    return result


def _parts(wanted: Tensor) -> list[slice] | tuple[Tensor, ...]:
    """The wanted pictures, at most `_AT_ONCE` together.

    As slices, which copy nothing, where all are wanted.
    """
    if bool(wanted.all()):
        return [slice(start, start + _AT_ONCE) for start in range(0, len(wanted), _AT_ONCE)]
    return torch.nonzero(wanted).flatten().split(_AT_ONCE)


class _Hole:
    """The equations of one hole, factored: from its ring, the known neighbours, into the hole.

    On a checkerboard all neighbours of a white square are black. So u at a white pixel is the mean
    of black and known pixels, and only the equations of the black ones, half as many, need a
    factor.

    Attributes:
        white: (n,) numbers of the hole's white pixels.
        black: (m,) of its black ones.
        ring: (k,) of its known neighbours.
    """

    def __init__(self, hole: np.ndarray):
        inside, around = _laplacian(hole)
        places = np.argwhere(hole)
        color = places.sum(1) % 2
        white = np.flatnonzero(color != color[0])
        black = np.flatnonzero(color == color[0])  # at least one
        numbers = places @ [hole.shape[1], 1]
        self.white = torch.from_numpy(numbers[white])
        self.black = torch.from_numpy(numbers[black])
        self.ring = torch.from_numpy(np.unique(around.indices).astype(np.int64))
        around, degree = around[:, self.ring.numpy()], inside.diagonal()
        mean = sparse.diags_array(1 / degree[white], shape=(len(white), len(white)))
        across = -inside[white][:, black]  # 1 for each black neighbour
        self._to_white = (mean @ sparse.hstack([across, around[white]])).tocsr()
        self._to_black = (around[black] + across.T @ mean @ around[white]).tocsr()
        matrix = sparse.diags_array(degree[black]) - across.T @ mean @ across
        # symmetric ordering: the matrix is symmetric positive definite, fill-in stays small
        self._factor = splu(
            matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}
        )
        self._operators: tuple[np.ndarray, np.ndarray] | None = None

    def harmonic(self, ring: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """U in the hole, (white, columns) and (black, columns), from u on the ring."""
        if self._operators is None:
            numbers = len(self.ring) * (len(self.white) + len(self.black))
            if ring.shape[1] < 3 * _AT_ONCE or numbers > _DENSE:
                return self._solve(ring)
            # u is linear in the ring: for many pictures a product is quicker
            self._operators = self._solve(np.eye(len(self.ring)))
        to_white, to_black = self._operators
        return to_white @ ring, to_black @ ring

    def _solve(self, ring: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # one block of memory: copies of it cost as much as the factor
        values = np.empty((len(self.black) + len(ring), ring.shape[1]))
        black = values[: len(self.black)]
        black[:], values[len(self.black) :] = self._factor.solve(self._to_black @ ring), ring
        return self._to_white @ values, black


@lru_cache(maxsize=_KEPT)
def _factored(hole: bytes, height: int, width: int) -> _Hole:
    return _Hole(np.frombuffer(hole, dtype=bool).reshape(height, width))


def _laplacian(hole: np.ndarray) -> tuple[sparse.csr_array, sparse.csr_array]:
    """For a (H, W) hole: the matrix over its pixels, and the one that sums their known neighbours.

    The diagonal counts neighbours inside the picture: two at a
    corner, three at an edge, else four.
    """
    height, width = hole.shape
    number = np.full((height + 2, width + 2), -1)  # a frame of -1 stands for "outside"
    number[1:-1, 1:-1] = np.arange(height * width).reshape(height, width)
    rows = np.flatnonzero(hole)
    neighbours = np.stack(
        [
            number[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width].ravel()[rows]
            for dy, dx in _NEIGHBOURS
        ]
    )
    row, column = np.tile(np.arange(len(rows)), 4), neighbours.ravel()
    row, column = row[column >= 0], column[column >= 0]
    known = (~hole).ravel()[column]
    degree = np.bincount(row, minlength=len(rows)).astype(float)
    place = np.zeros(height * width, int)
    place[rows] = np.arange(len(rows))
    among = sparse.csr_array(
        (np.ones((~known).sum()), (row[~known], place[column[~known]])),
        shape=(len(rows), len(rows)),
    )
    around = sparse.csr_array(
        (np.ones(known.sum()), (row[known], column[known])), shape=(len(rows), height * width)
    )
    return (sparse.diags_array(degree) - among).tocsr(), around


def neighbour_sum(x: Tensor) -> Tensor:
    """(..., H, W) -> (..., H, W): the sum of the up to four neighbours of each pixel."""
    padded = torch.nn.functional.pad(x, (1, 1, 1, 1))
    return (
        padded[..., 1:-1, 2:]
        + padded[..., 1:-1, :-2]
        + padded[..., 2:, 1:-1]
        + padded[..., :-2, 1:-1]
    )


def _by_iteration(generated: Tensor, images: Tensor, known: Tensor) -> Tensor:
    """The same as `_by_factor`, by conjugate gradients on all pictures at once, as suits a GPU.

    Raises:
        RuntimeError: when a picture has not converged (never seen: the matrix is positive
            definite).
    """
    g = generated.double()
    offset = torch.where(known, images.double() - g, 0.0)
    hole = (~known).to(offset.dtype)
    degree = neighbour_sum(torch.ones_like(offset[:1, :1]))

    def product(x: Tensor) -> Tensor:
        return hole * (degree * x - neighbour_sum(x))

    def dot(a: Tensor, b: Tensor) -> Tensor:
        return (a * b).sum((2, 3), keepdim=True)

    right = hole * neighbour_sum(offset)
    x = torch.zeros_like(right)
    residual, direction = right, right / degree
    scaled = dot(residual, direction)
    limit = _TOLERANCE**2 * dot(right, right).clamp(min=1e-300)
    for iteration in range(_MAX_ITERATIONS):
        if iteration % 10 == 0 and bool((dot(residual, residual) <= limit).all()):
            return torch.where(known, images.to(generated.dtype), (g + x).to(generated.dtype))
        along = product(direction)
        step = scaled / dot(direction, along).clamp(min=1e-300)
        x = x + step * direction
        residual = residual - step * along
        preconditioned = residual / degree
        new = dot(residual, preconditioned)
        direction = preconditioned + new / scaled.clamp(min=1e-300) * direction
        scaled = new
    raise RuntimeError("the blend has not converged: please report the mask")
