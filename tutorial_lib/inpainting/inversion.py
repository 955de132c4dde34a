"""Beyond z: more room for the search, in the features of G or in its weights.

The best z is still some way from a photograph. ILO (Daras et al. 2021) goes on in an inner feature
map, pivotal tuning (Roich et al. 2021) in the weights of a copy of G. Both fit the known pixels
better; whether the hole gains is another question (notebook 12, `evaluation.inversions`).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor
from tqdm.auto import tqdm

from tutorial_lib.inpainting.fast import fuse_batch_norm
from tutorial_lib.inpainting.importance import window_weights
from tutorial_lib.inpainting.losses import Objective
from tutorial_lib.inpainting.pipeline import Inpainting, fill_hole, inpaint
from tutorial_lib.masks import check_batch
from tutorial_lib.models.dcgan import Generator
from tutorial_lib.models.latent_model import LatentModel

TUNING_STEPS = 20
FIRST_LAYERS = 3  # of G, up to the feature map of 4x4


@dataclass(frozen=True)
class Refined:
    """What came of it when the search went on beyond z, one row a picture.

    Attributes:
        completed: (B, 3, H, W) in [-1, 1]: known pixels as they were, the hole filled.
        generated: (B, 3, H, W), the whole picture with the lowest total loss.
        losses: "context", "prior" and "total", each (steps + 1, B), from z_hat on.
        path: (steps + 1, B, 3, H, W), the whole pictures along the way; None unless asked for.
    """

    completed: Tensor
    generated: Tensor
    losses: dict[str, Tensor]
    path: Tensor | None


def tune_generator(
    images: Tensor,
    mask: Tensor,
    model: LatentModel,
    z: Tensor,
    *,
    steps: int = TUNING_STEPS,
    learning_rate: float = 3e-4,
    lam: float = 0.0,
    window: int = 7,
    blend: bool = True,
    keep_path: bool = False,
    progress: bool = True,
) -> Refined:
    """Pivotal tuning: z stays, the weights of G move, a copy of G for each picture.

    The model itself is left as it is. Adam (Kingma and Ba 2015) moves all weights down the context
    loss of the known pixels (Eq. 4). D has no say by default: with millions of weights to move, it
    is fooled long before the hole looks real.

    Args:
        images: (B, 3, H, W) in [-1, 1]; hole pixels are never read.
        mask: (B, 1, H, W) or (1, 1, H, W), 1 = known.
        model: any generator; batch norms stay in eval mode.
        z: (B, z_dim), the pivot, such as the search's z_hat.
        steps: of Adam; with 0 the picture is G(z).
        learning_rate: Adam's.
        lam: of Eq. 5.
        window: of Eq. 3.
        blend: Eq. 6, or pasting.
        keep_path: whether to return the pictures after each step.
        progress: whether to show a progress bar.

    Returns:
        `Refined` on the model's device.

    Raises:
        ValueError: for wrong shapes or ranges, an invalid mask, a negative number of steps, a
            learning rate that is not positive.
    """
    y, mask, z = _checked(images, mask, model, z, steps, learning_rate)
    plain = fuse_batch_norm(model.generator)
    parts = []
    for row in tqdm(range(len(y)), "tuning", unit="picture", disable=not progress, leave=False):
        own = copy.deepcopy(plain).requires_grad_(True)
        this = slice(row, row + 1)
        parts.append(
            _descend(
                _objective(y[this], mask[this], model, lam, window),
                z[this],
                partial(own, z[this]),
                list(own.parameters()),
                steps,
                learning_rate,
                keep_path=keep_path,
            )
        )
    return _joined(parts, y, mask, blend)


def inpaint_quality(
    images: Tensor,
    mask: Tensor,
    gan: LatentModel,
    *,
    restarts: int = 1,
    steps: int = TUNING_STEPS,
    seed: int = 0,
    blend: bool = True,
    progress: bool = True,
    **more: Any,
) -> Inpainting:
    """`inpaint`, and then a few steps of tuning from the best z, for about twice the time.

    It brings the skin and the light of the hole nearer to what surrounds it, and makes no eye
    clearer: measure it for your weights with `python -m tutorial_lib inversions`.

    Args:
        images: (B, 3, H, W) in [-1, 1]; hole pixels are never read.
        mask: (B, 1, H, W) or (1, 1, H, W), 1 = known.
        gan: the model to search; it is left as it is.
        restarts: searches per picture.
        steps: of tuning; with 0 it is `inpaint`.
        seed: of the initial z.
        blend: Eq. 6, or pasting.
        progress: whether to show a progress bar.
        **more: further arguments of `inpaint`.

    Returns:
        an `Inpainting` whose `generated` and `completed` are those of the tuned G; z and all losses
        are the search's.

    Raises:
        ValueError: as `inpaint` and `tune_generator` do.
    """
    both: dict[str, Any] = {"blend": blend, "progress": progress}
    found = inpaint(images, mask, gan, restarts=restarts, seed=seed, **both, **more)
    if steps == 0:
        return found
    tuned = tune_generator(images, mask, gan, found.z, steps=steps, **both)
    return replace(found, generated=tuned.generated, completed=tuned.completed)


def search_features(
    images: Tensor,
    mask: Tensor,
    model: LatentModel,
    z: Tensor,
    *,
    steps: int = 40,
    learning_rate: float = 0.03,
    radius: float = 0.3,
    lam: float = 0.003,
    window: int = 7,
    keep_path: bool = False,
) -> Refined:
    """The search goes on in G's first feature map, (8C, 4, 4) numbers instead of 100.

    As in intermediate layer optimization (Daras et al. 2021) it stays in a ball around what the
    first layer makes of z; theirs is one of the 1-norm, ours of the 2-norm.

    Args:
        images: (B, 3, H, W) in [-1, 1]; hole pixels are never read.
        mask: (B, 1, H, W) or (1, 1, H, W), 1 = known.
        model: a DCGAN.
        z: (B, z_dim), such as the search's z_hat.
        steps: of Adam; with 0 the picture is G(z).
        learning_rate: Adam's.
        radius: of the ball, as a fraction of the feature map's own norm.
        lam: of Eq. 5.
        window: of Eq. 3.
        keep_path: whether to return the pictures after each step.

    Returns:
        `Refined` on the model's device.

    Raises:
        ValueError: for wrong shapes or ranges, an invalid mask, a generator of another kind, a
            negative radius or number of steps, a learning rate that is not positive.
    """
    if not isinstance(model.generator, Generator):
        raise ValueError("search_features knows the layers of a DCGAN's generator, of no other")
    if not radius >= 0:
        raise ValueError(f"radius must not be negative, got {radius}")
    y, mask, z = _checked(images, mask, model, z, steps, learning_rate)
    layers = cast(Generator, fuse_batch_norm(model.generator)).layers
    first, rest = layers[:FIRST_LAYERS], layers[FIRST_LAYERS:]
    center = first(z[:, :, None, None])  # (B, 8C, 4, 4)
    features = center.clone().requires_grad_(True)
    farthest = radius * center.flatten(1).norm(dim=1)  # (B,)

    def into_the_ball() -> None:
        features.copy_(center + to_ball(features - center, farthest))

    found = _descend(
        _objective(y, mask, model, lam, window),
        z,
        lambda: rest(features),
        [features],
        steps,
        learning_rate,
        constrain=into_the_ball,
        keep_path=keep_path,
    )
    return _joined([found], y, mask)


def to_ball(offsets: Tensor, radius: Tensor) -> Tensor:
    """The nearest points of balls around 0.

    Args:
        offsets: (B, ...).
        radius: (B,), in the 2-norm.
    """
    length = offsets.flatten(1).norm(dim=1)  # (B,)
    shrink = torch.where(length > radius, radius / length, 1.0)
    return offsets * shrink.view(-1, *[1] * (offsets.dim() - 1))


@torch.enable_grad()
def _descend(
    objective: Objective,
    z: Tensor,
    picture: Callable[[], Tensor],
    variables: list[Tensor],
    steps: int,
    learning_rate: float,
    *,
    constrain: Callable[[], None] = lambda: None,
    keep_path: bool = False,
) -> _Found:
    """Adam on `variables`, of which `picture` makes (B, 3, H, W); rows must not share any."""
    optimizer = torch.optim.Adam(variables, learning_rate)
    best = torch.full_like(objective.lam, math.inf)  # (B,), the lowest totals so far
    kept = torch.zeros_like(objective.images)  # (B, 3, H, W), the pictures that have them
    history, path = [], []
    for step in range(steps + 1):
        generated = picture()  # (B, 3, H, W)
        context = objective.context(generated)  # (B,)
        prior = objective.prior(z, generated)  # (B,)
        total = context + prior
        history.append(torch.stack([context, prior, total]).detach())
        seen = generated.detach()
        better = total.detach() < best  # (B,)
        kept = torch.where(better[:, None, None, None], seen, kept)
        best = torch.where(better, total.detach(), best)
        if keep_path:
            path.append(seen)
        if step == steps:
            break
        gradients = torch.autograd.grad(total.sum(), variables)
        for variable, gradient in zip(variables, gradients, strict=True):
            variable.grad = gradient
        optimizer.step()
        with torch.no_grad():
            constrain()
    return _Found(kept, torch.stack(history, 1), torch.stack(path) if keep_path else None)


@dataclass(frozen=True)
class _Found:
    generated: Tensor  # (B, 3, H, W)
    history: Tensor  # (3, steps + 1, B): context, prior, total
    path: Tensor | None  # (steps + 1, B, 3, H, W)


def _joined(parts: list[_Found], y: Tensor, mask: Tensor, blend: bool = True) -> Refined:
    generated = torch.cat([part.generated for part in parts])
    history = torch.cat([part.history for part in parts], 2)
    paths = [part.path for part in parts if part.path is not None]
    return Refined(
        fill_hole(generated, y, mask, blend),
        generated,
        dict(zip(("context", "prior", "total"), history, strict=True)),
        torch.cat(paths, 1) if paths else None,
    )


def _objective(y: Tensor, mask: Tensor, model: LatentModel, lam: float, window: int) -> Objective:
    return Objective(
        y, window_weights(mask, window), model, y.new_full((len(y),), lam), "l1", "saturating"
    )


def _checked(
    images: Tensor, mask: Tensor, model: LatentModel, z: Tensor, steps: int, learning_rate: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Corrupted pictures, masks and codes where the model is, in its precision; or an error."""
    y, mask = check_batch(images, mask)
    model.check_size(y)
    if z.shape != (len(y), model.z_dim):
        raise ValueError(f"z must have shape ({len(y)}, {model.z_dim}), got {tuple(z.shape)}")
    if steps < 0 or not learning_rate > 0:
        raise ValueError(
            "steps must not be negative and learning_rate must be positive, "
            f"got {steps} and {learning_rate}"
        )
    weight = model.weight
    y, mask, z = (part.detach().to(weight) for part in (y, mask, z))
    return y, mask, z
