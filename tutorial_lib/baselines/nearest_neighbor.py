"""Nearest-neighbor filling: the hole of the picture that agrees best with the known pixels.

Scene completion from a large collection (Hays & Efros 2007), in the form of the paper's Fig. 7: the
collection is the training set, "best" is the sum of squared differences over the known pixels.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from tutorial_lib.baselines.validation import enter, leave
from tutorial_lib.images import to_float
from tutorial_lib.inpainting.blending import poisson_blend

_CHUNK = 500  # pictures compared at once: 50 MB at 64x64


class NearestNeighbor:
    """A collection of pictures to fill from.

    Args:
        pictures: a data set of this library (anything with `pixels`), or such an array itself: (N,
            H, W, 3) uint8. It is kept as it is, 12 KiB a 64x64 picture.

    Raises:
        ValueError: for anything else, or no pictures.
    """

    def __init__(self, pictures):
        pixels = getattr(pictures, "pixels", pictures)
        if (
            not isinstance(pixels, np.ndarray)
            or pixels.dtype != np.uint8
            or pixels.ndim != 4
            or pixels.shape[3] != 3
        ):
            got = (
                f"{pixels.dtype} {pixels.shape}"
                if isinstance(pixels, np.ndarray)
                else type(pixels).__name__
            )
            raise ValueError(
                f"need a data set with pixels, or a uint8 array (N, H, W, 3), got {got}"
            )
        if len(pixels) == 0:
            raise ValueError("the collection holds no pictures: there is nothing to fill from")
        self.pixels = pixels

    def indices(self, images: Tensor, mask: Tensor) -> Tensor:
        """Which picture of the collection is the closest.

        Argmin_n sum_i (x_ni - y_i)^2 over known pixels i.

        Args:
            images: (B, 3, H, W) in [-1, 1]; hole pixels are never read.
            mask: (B, 1, H, W) or (1, 1, H, W), 1 = known.

        Returns:
            (B,) int64, on the CPU.

        Raises:
            ValueError: for wrong pictures or masks, or pictures of another size than the
                collection's.
        """
        y, known = enter(images, mask)
        if self.pixels.shape[1:3] != y.shape[2:]:
            raise ValueError(
                f"the pictures are {tuple(y.shape[2:])}, those of the collection "
                f"{self.pixels.shape[1:3]}: resize one of them"
            )
        # as the collection's memory lies, (B, H * W * 3), and in its gray levels
        levels = (y.cpu().permute(0, 2, 3, 1).flatten(1).numpy() + 1) * 127.5
        w = known.cpu().double().expand(-1, 3, -1, -1).permute(0, 2, 3, 1).flatten(1).numpy()
        counts = w.any(0)  # a pixel that is in every hole need not be looked at
        levels, w = levels[:, counts], w[:, counts]
        same = (w == w[:1]).all()
        pull, w = 2 * (w * levels).T, (w[:1] if same else w).T
        flat = self.pixels.reshape(len(self.pixels), -1)
        best, distance = np.zeros(len(levels), np.int64), np.full(len(levels), np.inf)
        for start in range(0, len(flat), _CHUNK):
            # float64, because differences of large sums are compared
            x = flat[start : start + _CHUNK][:, counts].astype(np.float64)
            # with w = 1 for known: sum w (x - y)^2 without sum w y^2, which is the same for all
            found = x**2 @ w - x @ pull  # (chunk, B)
            nearest = found.argmin(0)
            least = found[nearest, np.arange(len(levels))]
            nearer = least < distance
            best[nearer] = start + nearest[nearer]
            distance[nearer] = least[nearer]
        return torch.from_numpy(best)

    def fill(self, images: Tensor, mask: Tensor, blend: bool = False) -> Tensor:
        """The hole taken from the closest picture.

        Args:
            images: as for `indices`.
            mask: as for `indices`.
            blend: keep the closest picture's gradients instead of its pixels (Eq. 6), which hides
                the seam.

        Returns:
            (B, 3, H, W) float32 in [-1, 1].

        Raises:
            ValueError: as `indices`.
        """
        closest = to_float(self.pixels[self.indices(images, mask).numpy()])
        if blend:
            y, known = enter(images, mask)
            closest = poisson_blend(closest.to(y), y, known.float())
        return leave(closest, images, mask)


def nearest_neighbor_fill(images: Tensor, mask: Tensor, pictures, blend: bool = False) -> Tensor:
    """`NearestNeighbor(pictures).fill(...)` in one call (Hays & Efros 2007; the paper's Fig. 7)."""
    return NearestNeighbor(pictures).fill(images, mask, blend)
