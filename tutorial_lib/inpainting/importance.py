"""Eq. 3, importance weights: known pixels near the hole say more about it (notebook 04)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from tutorial_lib.masks import check_mask


def importance_weights(mask: Tensor, window: int = 7) -> Tensor:
    """Eq. 3: W_i = fraction of missing pixels in the window around i where i is known, else 0.

    |N(i)| counts the pixels of the window that lie in the picture, i included.

    Args:
        mask: (B, 1, H, W), 1 = known.
        window: side of the square window, odd, 3 or more; the paper uses 7.

    Returns:
        (B, 1, H, W) in [0, 1].

    Raises:
        ValueError: for an invalid mask or window.
    """
    return window_weights(check_mask(mask), window)


def check_weights(weights: Tensor, mask: Tensor) -> None:
    """What may stand in for Eq. 3's weights.

    Args:
        weights: (B, 1, H, W) or (1, 1, H, W).
        mask: (B, 1, H, W), 1 = known.

    Raises:
        ValueError: for other shapes, weights that are negative or not finite, or none above 0.
    """
    shape = tuple(mask.shape)
    given = tuple(weights.shape) if isinstance(weights, Tensor) else type(weights).__name__
    if given not in (shape, (1, *shape[1:])):
        raise ValueError(f"weights must be a tensor of shape {shape}, got {given}")
    if not bool(weights.isfinite().all() and (weights >= 0).all()):
        raise ValueError("weights must be finite and not negative")
    if not bool(weights.flatten(1).any(1).all()):
        raise ValueError("some picture has no weight above 0: nothing would be asked of z")


def window_weights(mask: Tensor, window: int) -> Tensor:
    """`importance_weights` of a mask that was checked."""
    if window < 3 or window % 2 == 0:
        raise ValueError(f"window must be odd and at least 3, got {window}")
    # (B, 1, H, W) -> (B, 1, H, W): the mean over the window's pixels that lie in the picture
    missing = F.avg_pool2d(1 - mask, window, stride=1, padding=window // 2, count_include_pad=False)
    return mask * missing  # (B, 1, H, W)
