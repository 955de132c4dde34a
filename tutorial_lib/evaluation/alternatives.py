"""Other ways to fill a hole with the same two networks, for comparison.

A quasi-Newton search, and D's gradient alone.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor, nn
from tqdm.auto import tqdm

from tutorial_lib.inpainting.fast import fast_generator
from tutorial_lib.inpainting.importance import window_weights
from tutorial_lib.inpainting.losses import context_loss, prior_loss
from tutorial_lib.masks import check_batch
from tutorial_lib.models.latent_model import LatentModel

PIXEL_RATE = 0.02  # of Adam, for pixels in [-1, 1]


def search_lbfgs(
    images: Tensor,
    mask: Tensor,
    model: LatentModel,
    z0: Tensor,
    lam: float = 0.003,
    window: int = 7,
    evaluations: int = 300,
    progress: bool = True,
) -> tuple[Tensor, list[int]]:
    """Eq. 2 by SciPy's L-BFGS-B, picture by picture, with the box [-1, 1] as its bounds.

    Args:
        images: (B, 3, H, W) in [-1, 1]; hole pixels are never read.
        mask: (B, 1, H, W) or (1, 1, H, W), 1 = known.
        model: a GAN whose codes live in [-1, 1].
        z0: (B, z_dim), the initial z.
        lam: of Eq. 5.
        window: of Eq. 3.
        evaluations: of the loss and its gradient a picture, at most (a line search may use a few
            more).
        progress: whether to show a progress bar.

    Returns:
        z_hat (B, z_dim), and how many evaluations each took.

    Raises:
        ValueError: for wrong shapes or ranges, an invalid mask, or a model without a discriminator.
    """
    discriminator = _discriminator_of(model)
    images, mask = (part.to(model.device) for part in check_batch(images, mask))
    model.check_size(images)
    weights = window_weights(mask, window)  # (B, 1, H, W)
    generator = fast_generator(model.generator, rows=1)
    found, counts = [], []
    bar = tqdm(
        range(len(images)), desc="L-BFGS-B", unit="picture", leave=False, disable=not progress
    )
    for row in bar:

        def loss_and_gradient(code: np.ndarray, row: int = row) -> tuple[float, np.ndarray]:
            z = torch.from_numpy(code).to(images)[None].requires_grad_(True)  # (1, z_dim)
            generated = generator(z)  # (1, 3, H, W)
            loss = context_loss(generated, images[row : row + 1], weights[row : row + 1])
            if lam:
                loss = loss + prior_loss(discriminator(generated), lam)
            (gradient,) = torch.autograd.grad(loss.sum(), z)
            return loss.item(), gradient[0].cpu().double().numpy()

        done = minimize(
            loss_and_gradient,
            z0[row].double().numpy(),
            jac=True,
            method="L-BFGS-B",
            bounds=[(-1, 1)] * model.z_dim,
            options={"maxfun": evaluations, "maxiter": evaluations, "ftol": 0, "gtol": 0},
        )
        found.append(torch.from_numpy(done.x))
        counts.append(int(done.nfev))
    return torch.stack(found).to(images), counts


def update_pixels(
    images: Tensor,
    mask: Tensor,
    model: LatentModel,
    start: Tensor,
    steps: int = 300,
    progress: bool = True,
) -> Tensor:
    """What the paper argues against (section 3).

    Leave G out and change the hole's pixels until D is content.

    -log D is minimized by Adam; log(1 - D) would hardly move where D is sure (notebook 05).

    Args:
        images: (B, 3, H, W) in [-1, 1]; hole pixels are never read.
        mask: (B, 1, H, W) or (1, 1, H, W), 1 = known.
        model: a GAN.
        start: (B, 3, H, W) in [-1, 1], what the hole holds at first.
        steps: updates of the pixels.
        progress: whether to show a progress bar.

    Returns:
        (B, 3, H, W) in [-1, 1], known pixels as they were.

    Raises:
        ValueError: as `search_lbfgs`.
    """
    discriminator = _discriminator_of(model)
    images, mask = (part.to(model.device) for part in check_batch(images, mask))
    pixels = start.detach().to(images).clone().requires_grad_(True)
    optimizer = torch.optim.Adam([pixels], lr=PIXEL_RATE)
    for _ in tqdm(
        range(steps), desc="updating pixels", unit="step", leave=False, disable=not progress
    ):
        logits = discriminator(torch.where(mask > 0, images, pixels))  # (B,)
        loss = prior_loss(logits, 1.0, "non-saturating")
        (pixels.grad,) = torch.autograd.grad(loss.sum(), pixels)
        optimizer.step()
        with torch.no_grad():
            pixels.clamp_(-1, 1)
    return torch.where(mask > 0, images, pixels.detach())


def _discriminator_of(model: LatentModel) -> nn.Module:
    if model.discriminator is None:
        raise ValueError("this model has no discriminator")
    return model.discriminator
