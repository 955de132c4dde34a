"""Eq. 6 at the size of a photo: the equation of `blending`, solved by multigrid, not by a factor.

A hole of 1250x1250 pixels has 1.5 million unknowns: too many for a sparse factor. Conjugate
gradients alone would take about as many steps as the hole has rows, because a step carries
information by one pixel. Here a V-cycle over coarser and coarser grids precedes each step, and five
to ten steps do.

The grids are those of Braess, "Towards algebraic multigrid for elliptic problems of second order"
(Computing 55, 1995): a pixel of the next grid is a block of 2x2 pixels, whatever the hole's shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

_TOLERANCE = 0.5 / 127.5  # half a gray level: no pixel's last correction is larger
_MAX_CYCLES = 100
_COARSEST = 64  # pixels of the grid that is solved directly
# Step sizes of damped Jacobi sweeps, from the roots of a Chebyshev polynomial: together they damp
# best what a coarser grid cannot show, the eigenvalues of D^-1 A between 1/2 and 2.
_SWEEPS = (1 / (1.25 + 0.75 * 0.5**0.5), 1 / (1.25 - 0.75 * 0.5**0.5))


@torch.no_grad()
def blend_large(generated: Tensor, image: Tensor, hole: Tensor, known: Tensor) -> Tensor:
    """Eq. 6 for one large picture: G's gradients in the hole, the known pixels around it.

    As `poisson_blend`, to half a gray level. A pixel that is neither hole nor known is never
    read and stays as it is; like the picture's edge it is a natural boundary of the hole.

    Args:
        generated: (3, H, W) float in [-1, 1], read in the hole and at its known neighbors.
        image: (3, H, W) of the same type.
        hole: (H, W) bool, the pixels to fill.
        known: (H, W) bool, the pixels that give boundary values; none of them in the hole.

    Returns:
        (3, H, W), `image` with the hole filled, not clamped.

    Raises:
        RuntimeError: when it does not converge (never seen: the matrix is positive definite).
    """
    to_known = _neighbor_sum(known.to(generated.dtype)) * hole  # (H, W), how many are known
    offset = torch.where(known, image - generated, 0.0)
    right = _neighbor_sum(offset) * hole  # (3, H, W)
    grids = _make_grids(hole, to_known)
    # one channel at a time, which fits the processor's cache
    u = torch.stack([_solve(grids, channel) for channel in right])
    return torch.where(hole, generated + u, image)


def _neighbor_sum(x: Tensor) -> Tensor:
    """(..., H, W) -> (..., H, W): the sum of the up to four neighbors of each pixel."""
    padded = F.pad(x, (1, 1, 1, 1))
    return (
        padded[..., 1:-1, 2:]
        + padded[..., 1:-1, :-2]
        + padded[..., 2:, 1:-1]
        + padded[..., :-2, 1:-1]
    )


@dataclass(frozen=True)
class _Grid:
    """The equations diagonal * u - sum over neighbors(link * u of the neighbor) = right.

    Attributes:
        across: (H, W - 1), links of a pixel with its right neighbor; 0 unless both are unknown.
        down: (H - 1, W), the same with the pixel below.
        diagonal: (H, W), all links of a pixel, those to known pixels too; 1 where it has none.
    """

    across: Tensor
    down: Tensor
    diagonal: Tensor

    def residual(self, right: Tensor, u: Tensor) -> Tensor:
        """(H, W): right - A u."""
        result = torch.addcmul(right, self.diagonal, u, value=-1)
        result[:, :-1].addcmul_(self.across, u[:, 1:])
        result[:, 1:].addcmul_(self.across, u[:, :-1])
        result[:-1].addcmul_(self.down, u[1:])
        result[1:].addcmul_(self.down, u[:-1])
        return result

    def sweep(self, right: Tensor, u: Tensor, size: float) -> None:
        """One step of damped Jacobi: changes u in place."""
        u.addcdiv_(self.residual(right, u), self.diagonal, value=size)

    def solve(self, right: Tensor) -> Tensor:
        """(H, W): A^-1 right, directly; for a grid of few pixels."""
        units = torch.eye(right.numel(), dtype=torch.float64).view(-1, *right.shape)
        grid = _Grid(self.across.double(), self.down.double(), self.diagonal.double())
        none = torch.zeros_like(units[0])
        matrix = torch.stack([-grid.residual(none, unit).flatten() for unit in units])
        # a part without a known neighbor has a singular matrix, and nothing to correct
        inverse = torch.linalg.pinv(matrix, hermitian=True)
        return (inverse @ right.double().flatten()).view_as(right).to(right.dtype)


def _make_grids(hole: Tensor, to_known: Tensor) -> list[_Grid]:
    """The finest grid first. `hole` (H, W) bool; `to_known` (H, W), links to known pixels.

    A pixel of a coarser grid is a block of 2x2. Links between two blocks are added and halved: of
    those there are two, and the blocks' centers are twice as far apart. Links to known pixels are
    only added: their distance does not double.
    """
    across = (hole[:, 1:] & hole[:, :-1]).to(to_known.dtype)
    down = (hole[1:] & hole[:-1]).to(to_known.dtype)
    grids = []
    while True:
        diagonal = to_known.clone()
        diagonal[:, 1:] += across
        diagonal[:, :-1] += across
        diagonal[1:] += down
        diagonal[:-1] += down
        grids.append(_Grid(across, down, torch.where(diagonal > 0, diagonal, 1.0)))
        if diagonal.numel() <= _COARSEST:
            return grids
        across = _add_rows(across[:, 1::2]) / 2
        down = _add_columns(down[1::2]) / 2
        to_known = _add_columns(_add_rows(to_known))


def _add_rows(x: Tensor) -> Tensor:
    """(H, W) -> (H / 2, W): rows 0 and 1, 2 and 3, ...; an odd one at the end stays alone."""
    x = F.pad(x, (0, 0, 0, len(x) % 2))
    return x[0::2] + x[1::2]


def _add_columns(x: Tensor) -> Tensor:
    """(H, W) -> (H, W / 2), as `_add_rows`."""
    x = F.pad(x, (0, x.shape[1] % 2))
    return x[:, 0::2] + x[:, 1::2]


def _in_blocks(x: Tensor, shape: Sequence[int]) -> Tensor:
    """(H / 2, W / 2) -> `shape`, (H, W): each value four times, in a block of 2x2."""
    blocks = x[:, None, :, None].expand(-1, 2, -1, 2)
    return blocks.reshape(2 * x.shape[0], 2 * x.shape[1])[: shape[0], : shape[1]]


def _v_cycle(grids: list[_Grid], right: Tensor) -> Tensor:
    """(H, W), nearly A^-1 right on the first grid: smooth, correct by the coarser ones, smooth."""
    grid, *coarser = grids
    if not coarser:
        return grid.solve(right)
    first, second = _SWEEPS
    u = first * right / grid.diagonal
    grid.sweep(right, u, second)
    left_over = _add_columns(_add_rows(grid.residual(right, u)))
    u += _in_blocks(_v_cycle(coarser, left_over), right.shape)
    grid.sweep(right, u, second)  # in reverse order, which keeps the V-cycle symmetric
    grid.sweep(right, u, first)
    return u


def _dot(a: Tensor, b: Tensor) -> float:
    return float(torch.dot(a.flatten(), b.flatten()))


def _solve(grids: list[_Grid], right: Tensor) -> Tensor:
    """(H, W), A^-1 right on the first grid: conjugate gradients, each step after a V-cycle."""
    grid = grids[0]
    u = torch.zeros_like(right)
    residual = right.clone()
    direction = torch.zeros_like(right)
    previous = 1.0
    for _ in range(_MAX_CYCLES):
        correction = _v_cycle(grids, residual)
        if float(correction.abs().max()) <= _TOLERANCE:
            return u + correction
        agreement = _dot(correction, residual)
        direction = correction.add_(direction, alpha=agreement / previous)
        change = grid.residual(torch.zeros_like(right), direction)  # -A direction
        length = -agreement / _dot(direction, change)
        u.add_(direction, alpha=length)
        residual.add_(change, alpha=length)
        previous = agreement
    raise RuntimeError("the blend has not converged: please report the mask")
