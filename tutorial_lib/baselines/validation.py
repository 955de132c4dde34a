"""What every baseline does first and last: look at its input, hide the hole, put the known pixels
back.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from tutorial_lib.images import check_images
from tutorial_lib.masks import check_mask, corrupt


def enter(images: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """The known pixels and where they are: (B, 3, H, W) float64 with 0 in the hole, whatever stood
    there, and (B, 1, H, W) bool.

    Both stay on the pictures' device, except that Apple's GPU has no float64: there they go to the
    CPU.

    Raises:
        ValueError: for pictures of another shape, type or range, or a mask that does not fit (see
            `masks.check_mask`).
    """
    if not isinstance(images, Tensor) or images.dim() != 4:
        check_images(images)  # says what is wrong
    mask = check_mask(mask, images)
    y = corrupt(images.detach(), mask)
    check_images(y)
    if y.device.type == "mps":
        y, mask = y.cpu(), mask.cpu()
    return y.double(), mask > 0


def leave(filled: Tensor, images: Tensor, mask: Tensor) -> Tensor:
    """The completed pictures: `filled` clamped to [-1, 1] in the hole, the known pixels of `images`
    bit by bit, float32.
    """
    known = check_mask(mask, images) > 0
    return torch.where(
        known, images.detach().float(), filled.to(images.device, torch.float32).clamp(-1, 1)
    )


def warn_not_converged(method: str, what: str, steps: int, tolerance: float) -> None:
    """Say that `what` ("3 pictures") still moved after the last step; what is returned is the last
    iterate.
    """
    warnings.warn(
        f"{method}: {what} not converged to {tolerance:g} after {steps} steps; allow more with max_steps=... "
        "or ask for less with tolerance=...",
        RuntimeWarning,
        stacklevel=3,
    )
