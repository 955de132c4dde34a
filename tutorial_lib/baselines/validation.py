"""What every baseline does: check its input, hide the hole, keep the known pixels."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from tutorial_lib.masks import check_batch, check_mask


def enter(images: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Check pictures and mask, and hide what lies in the hole.

    Args:
        images: (B, 3, H, W) in [-1, 1]; hole pixels are never read.
        mask: (B, 1, H, W) or (1, 1, H, W), 1 = known.

    Returns:
        The pictures, (B, 3, H, W) float64 with 0 in the hole, and (B, 1, H, W) bool, True = known.
        Both stay on the pictures' device, except that Apple's GPU has no float64: there they go to
        the CPU.

    Raises:
        ValueError: for pictures of another shape, type or range, or a mask that does not fit (see
            `masks.check_mask`).
    """
    y, mask = check_batch(images, mask)
    if y.device.type == "mps":
        y, mask = y.cpu(), mask.cpu()
    return y.detach().double(), mask > 0


def leave(filled: Tensor, images: Tensor, mask: Tensor) -> Tensor:
    """Put the known pixels back, bit by bit.

    Args:
        filled: (B, 3, H, W) of any float type; only the hole is read.
        images: (B, 3, H, W) in [-1, 1].
        mask: (B, 1, H, W) or (1, 1, H, W), 1 = known.

    Returns:
        (B, 3, H, W) float32 on the device of `images`, the hole clamped to [-1, 1].
    """
    known = check_mask(mask, images) > 0
    hole = filled.to(images.device, torch.float32).clamp(-1, 1)
    return torch.where(known, images.detach().float(), hole)


def warn_not_converged(method: str, what: str, steps: int, tolerance: float) -> None:
    """Warn that `what` ("3 pictures") still moved after the last step; the last iterate is used."""
    warnings.warn(
        f"{method}: {what} not converged to {tolerance:g} after {steps} steps; "
        "allow more with max_steps=... or ask for less with tolerance=...",
        RuntimeWarning,
        stacklevel=3,
    )
