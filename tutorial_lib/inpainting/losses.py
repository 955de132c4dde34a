"""Eq. 4, context loss, and Eq. 5, prior loss: does G(z) fit, and does D take it for real?

Notebook 05 writes them out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib.models.latent_model import LatentModel

NORMS = ("l1", "l2")
PRIORS = ("saturating", "non-saturating")


def context_loss(generated: Tensor, images: Tensor, weights: Tensor, norm: str = "l1") -> Tensor:
    """The context loss || W * (G(z) - y) ||_1, a sum over pixels and channels (Eq. 4).

    Pixels of weight 0 are never read.

    Args:
        generated: (B, 3, H, W), G(z) in [-1, 1].
        images: (B, 3, H, W), y in [-1, 1]; anything at all, NaN included, where the weight is 0.
        weights: (B, 1, H, W), from `importance_weights`.
        norm: "l1", or "l2" for the sum of (W * difference)^2, which the paper found slightly worse.

    Returns:
        (B,).

    Raises:
        ValueError: for another norm.
    """
    if norm not in NORMS:
        raise ValueError(f"norm must be one of {NORMS}, got {norm!r}")
    # where, not a product: 0 * NaN is NaN
    difference = weights * torch.where(weights > 0, generated - images, 0.0)  # (B, 3, H, W)
    return (difference.abs() if norm == "l1" else difference.square()).flatten(1).sum(1)


def prior_loss(logits: Tensor, lam: float | Tensor, form: str = "saturating") -> Tensor:
    """Eq. 5, lam * log(1 - D(G(z))), computed from D's logit without ever forming 1 - D.

    Args:
        logits: (B,), D = sigmoid(logit).
        lam: a number, or (B,) with one value per row.
        form: "saturating" is Eq. 5; its gradient in the logit is -lam * D, smallest where G(z)
            looks least real. "non-saturating" is -lam * log D, with the gradient -lam * (1 - D),
            largest there.

    Returns:
        (B,); negative for Eq. 5, positive for -log D.

    Raises:
        ValueError: for logits of another shape, or another form.
    """
    if logits.dim() > 1:
        raise ValueError(f"D must return one logit a picture, (B,), got {tuple(logits.shape)}")
    if form == "saturating":
        return -lam * F.softplus(logits)  # log(1 - sigmoid(l)) = -log(1 + e^l)
    if form == "non-saturating":
        return lam * F.softplus(-logits)
    raise ValueError(f"form must be one of {PRIORS}, got {form!r}")


@dataclass(frozen=True)
class Objective:
    """What Eq. 2 minimizes, for one batch: L_c(z | y, M) + L_p(z).

    Attributes:
        images: (B, 3, H, W), y.
        weights: (B, 1, H, W), W.
        model: generator and prior.
        lam: (B,), lambda of each row.
        norm: of Eq. 4.
        form: of Eq. 5.
        operator: G(z) -> what is compared with y; None compares G(z) itself.
    """

    images: Tensor
    weights: Tensor
    model: LatentModel
    lam: Tensor
    norm: str
    form: str
    operator: Callable[[Tensor], Tensor] | None = None

    def context(self, generated: Tensor) -> Tensor:
        """Eq. 4: (B, 3, H, W) -> (B,)."""
        if self.operator is not None:
            generated = self.operator(generated.to(self.images.dtype))
        return context_loss(generated, self.images, self.weights, self.norm)

    def prior(self, z: Tensor, generated: Tensor) -> Tensor:
        """Eq. 5, or the model's own prior loss times lambda: (B,).

        Raises:
            ValueError: for a lambda above 0 and a model without any prior.
        """
        if not bool(self.lam.any()):
            return torch.zeros_like(self.lam)  # D's part of the time is saved
        if self.model.prior_loss is not None:
            return self.lam * self.model.prior_loss(z)
        discriminator = self.model.discriminator
        if discriminator is None:
            raise ValueError(
                "this model has neither a discriminator nor a prior of its own: use lam=0"
            )
        weight = next(discriminator.parameters(), generated)
        logits = discriminator(generated.to(weight.dtype)).to(self.lam.dtype)  # (B,)
        return prior_loss(logits, self.lam, self.form)
