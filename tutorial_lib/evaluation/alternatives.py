"""Other ways to fill a hole with the same two networks, for comparison.

A quasi-Newton search, and D's gradient alone.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor
from tqdm.auto import tqdm

from tutorial_lib.inpainting.importance import importance_weights
from tutorial_lib.inpainting.losses import context_loss, prior_loss
from tutorial_lib.masks import check_mask, corrupt
from tutorial_lib.models.dcgan import folded
from tutorial_lib.models.latent_model import LatentModel
from tutorial_lib.models.packed import packed


def search_lbfgs(
    images: Tensor,
    mask: Tensor,
    model: LatentModel,
    z0: Tensor,
    lam: float = 0.003,
    window: int = 7,
    evaluations: int = 300,
    progress: bool = True,
    on_loss: Callable[[float], object] | None = None,
) -> tuple[Tensor, list[int]]:
    """Eq. 2 by SciPy's L-BFGS-B, picture by picture, with the box [-1, 1] as its bounds.

    Args:
        images, mask, model, z0: as for `latent_search.search`; the model's codes live in [-1, 1].
        lam, window: of Eqs. 5 and 3.
        evaluations: of the loss and its gradient a picture, at most (a line search may use a few
            more).
        on_loss: called with each total loss that was evaluated.

    Returns:
        z_hat (B, z_dim), and how many evaluations each took.
    """
    mask = check_mask(mask, images)
    images = corrupt(images, mask).to(model.device)
    weights = importance_weights(mask, window).to(model.device)
    generator, found, counts = packed(folded(model.generator), 1), [], []
    for row in tqdm(
        range(len(images)), desc="L-BFGS-B", unit="picture", leave=False, disable=not progress
    ):

        def loss_and_gradient(code: np.ndarray, row: int = row) -> tuple[float, np.ndarray]:
            z = torch.from_numpy(code).to(images)[None].requires_grad_(True)
            generated = generator(z)
            loss = context_loss(generated, images[row : row + 1], weights[row : row + 1])
            if lam:
                loss = loss + prior_loss(model.discriminator(generated), lam)
            (gradient,) = torch.autograd.grad(loss.sum(), z)
            if on_loss:
                on_loss(loss.item())
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
    learning_rate: float = 0.02,
    progress: bool = True,
) -> Tensor:
    """What the paper argues against (section 3).

    Leave G out and change the hole's pixels until D is content.

    -log D is minimized by Adam; log(1 - D) would hardly move where D is sure (notebook 04).

    Args:
        images, mask, model: as for `latent_search.search`.
        start: (B, 3, H, W) in [-1, 1], what the hole holds at first.

    Returns:
        (B, 3, H, W) in [-1, 1], known pixels as they were.
    """
    mask = check_mask(mask, images).to(model.device)
    images = corrupt(images, mask.to(images.device)).to(model.device)
    pixels = start.detach().to(images).clone().requires_grad_(True)
    optimizer = torch.optim.Adam([pixels], lr=learning_rate)
    for _ in tqdm(
        range(steps), desc="updating pixels", unit="step", leave=False, disable=not progress
    ):
        loss = prior_loss(
            model.discriminator(torch.where(mask > 0, images, pixels)), 1.0, "non-saturating"
        )
        (pixels.grad,) = torch.autograd.grad(loss.sum(), pixels)
        optimizer.step()
        with torch.no_grad():
            pixels.clamp_(-1, 1)
    return torch.where(mask > 0, images, pixels.detach())
