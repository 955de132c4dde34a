"""Eq. 2: the code z whose picture agrees with what is known.

Notebook 04 derives it and takes it apart.

The search is flat: a batch of independent rows (picture, mask, lam, start code). Only z moves; the
networks are frozen.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from tutorial_lib.device import PRECISIONS, autocast, fast_precision
from tutorial_lib.images import check_images
from tutorial_lib.inpainting.full_matrix import FullMatrixAdam
from tutorial_lib.inpainting.importance import importance_weights
from tutorial_lib.inpainting.losses import NORMS, PRIORS, context_loss, prior_loss
from tutorial_lib.masks import check_mask
from tutorial_lib.models.dcgan import folded
from tutorial_lib.models.latent_model import LatentModel
from tutorial_lib.models.packed import packed

OPTIMIZERS = ("adam", "full-matrix", "nesterov")
SCHEDULES = ("constant", "cosine", "linear")
CLIPS = ("project", "stochastic", "none")
KEEPS = ("best", "last")
STARTS = ("prior", "normal")
PRIOR_EVERY = 10  # draft steps for which D's slope is kept


@dataclass(frozen=True)
class SearchSettings:
    """How z is searched for.

    `DEFAULT`, `ADAM`, `PAPER` and `AUTHORS_CODE` are ready-made; vary them with
    `dataclasses.replace`.

    Attributes:
        optimizer: "adam", "full-matrix" (`FullMatrixAdam`), or "nesterov" for gradient descent with
            Nesterov momentum.
        learning_rate: of the first step. The paper does not give it; notebook 04 sweeps it.
        momentum: beta1 of the Adams, or Nesterov's momentum.
        beta2: of the Adams.
        schedule: "constant", or down to zero, along half a "cosine" or "linear".
        steps: updates of z; the paper's 1500.
        draft: share of the steps, the first ones, that are drafts: the networks run in bfloat16
            where that is faster, and D is asked every 10 steps only, its slope in z being kept.
            z_hat is the start or one of the exact iterates that follow.
        window: of Eq. 3; the paper's 7.
        norm: of Eq. 4, "l1" (the paper's) or "l2".
        lam: weight of the prior loss (Eq. 5); the paper's 0.003, with the context loss a sum.
        prior: "saturating" is Eq. 5, log(1 - D); "non-saturating" is -log D.
        clip: after each step "project" z to where the prior allows it (the paper), replace what is
            outside by a new draw ("stochastic", Lipton & Tripathi 2017), or "none".
        keep: return the "best" iterate, by total loss, or the "last".
        start: where `inpaint` draws start codes from: the model's "prior" (the paper), or a
            standard "normal".

    Raises:
        ValueError: for a value outside what is listed.
    """

    optimizer: str = "full-matrix"
    learning_rate: float = 0.15
    momentum: float = 0.9
    beta2: float = 0.98
    schedule: str = "linear"
    steps: int = 200
    draft: float = 0.9
    window: int = 7
    norm: str = "l1"
    lam: float = 0.003
    prior: str = "saturating"
    clip: str = "project"
    keep: str = "best"
    start: str = "prior"

    def __post_init__(self):
        for name, allowed in (
            ("optimizer", OPTIMIZERS),
            ("schedule", SCHEDULES),
            ("norm", NORMS),
            ("prior", PRIORS),
            ("clip", CLIPS),
            ("keep", KEEPS),
            ("start", STARTS),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {allowed}, got {getattr(self, name)!r}")
        if self.steps < 1 or self.learning_rate <= 0:
            raise ValueError(
                f"steps and learning_rate must be positive, got {self.steps} and {self.learning_rate}"
            )
        if self.lam < 0:
            raise ValueError(f"lam must not be negative, got {self.lam}")
        if not 0 <= self.draft < 1:
            raise ValueError(f"draft must be a share from 0 to below 1, got {self.draft}")


# To PAPER's total loss in about a tenth of its time (benchmarks/search.py). A rate of 0.3 gets
# there in 150 steps, but its holes came out a third of a dB worse.
DEFAULT = SearchSettings()
# The same with nothing but plain Adam, more than twice as slow and not quite as close: what the
# ablations take apart.
ADAM = SearchSettings(
    optimizer="adam", learning_rate=0.1, beta2=0.99, schedule="cosine", steps=300, draft=0.0
)
# The text of the paper, section 3.4; the learning rate is ours, from the sweep of notebook 04.
PAPER = replace(ADAM, learning_rate=0.03, beta2=0.999, schedule="constant", steps=1500)
# What the authors' released code does where it differs from the paper.
AUTHORS_CODE = replace(
    ADAM,
    optimizer="nesterov",
    learning_rate=3e-4,
    schedule="constant",
    steps=3000,
    window=15,
    lam=0.2,
    prior="non-saturating",
    keep="last",
    start="normal",
)


@dataclass(frozen=True)
class SearchResult:
    """What a search found, a row each.

    Attributes:
        z: (B, z_dim), z_hat.
        generated: (B, 3, H, W), G(z_hat) in [-1, 1].
        losses: "context", "prior" and "total", each (steps + 1, B): before the first step to after
            the last one made.
        path: (K, B, z_dim), iterates of z.
        path_steps: the K steps they were taken at, 0 and the last included.
        final: "context", "prior" and "total" of z_hat, (B,) each.
    """

    z: Tensor
    generated: Tensor
    losses: dict[str, Tensor]
    path: Tensor
    path_steps: list[int]
    final: dict[str, Tensor]


def search(
    images: Tensor,
    mask: Tensor,
    model: LatentModel,
    z0: Tensor,
    settings: SearchSettings = DEFAULT,
    *,
    lam: float | Tensor | None = None,
    weights: Tensor | None = None,
    path_points: int = 30,
    progress: bool = True,
    on_step: Callable[[int, Tensor], bool | None] | None = None,
) -> SearchResult:
    """z_hat = argmin_z L_c(z | y, M) + L_p(z) (Eq. 2), for every row at once.

    Args:
        images: (B, 3, H, W) in [-1, 1], y; hole pixels are never read, NaN included.
        mask: (B, 1, H, W) or (1, 1, H, W), 1 = known.
        model: generator and prior; its networks are on one device and the rows go there.
        z0: (B, z_dim) start codes.
        settings: see `SearchSettings`.
        lam: instead of the settings' value: a number, or (B,) with one value a row.
        weights: (B, 1, H, W) instead of Eq. 3's, for experiments; 0 where the mask is 0. With them
            a mask may be all 1.
        path_points: at most so many iterates are kept for `path`, log-spaced over the steps; 2 or
            more.
        progress: whether to show a progress bar.
        on_step: called before each update with the number of updates made and G(z), (B, 3, H, W);
            returning True ends the search there.

    Returns:
        a `SearchResult` on the model's device.

    Raises:
        ValueError: for wrong shapes or ranges, an invalid mask, or a lam that is not there for each
            row.
    """
    device = model.device
    mask = check_mask(mask, images, may_be_whole=weights is not None)
    images = torch.where(mask > 0, images, 0.0).to(device)
    check_images(images)
    weights = (
        importance_weights(mask, settings.window)
        if weights is None
        else torch.where(mask > 0, weights, 0.0)
    )
    weights = weights.to(device, images.dtype)
    if z0.shape != (len(images), model.z_dim):
        raise ValueError(
            f"z0 must have shape ({len(images)}, {model.z_dim}), a start a row, got {tuple(z0.shape)}"
        )
    lam = torch.as_tensor(
        settings.lam if lam is None else lam, dtype=images.dtype, device=device
    ).expand(len(images))
    if bool((lam < 0).any()):
        raise ValueError("lam must not be negative")

    z = z0.detach().to(device, images.dtype).clone().requires_grad_(True)
    optimizer = _optimizer(z, settings)
    redraw = torch.Generator().manual_seed(0)
    kept_steps = _log_spaced(settings.steps, path_points)
    # one block for all steps: thousands of small ones would keep the memory of large ones from
    # being used again
    history = {
        name: lam.new_empty(settings.steps + 1, len(lam)) for name in ("context", "prior", "total")
    }
    path, path_steps = [], []
    best_z, best = z.detach().clone(), {name: torch.full_like(lam, math.inf) for name in history}
    bar = tqdm(
        range(settings.steps + 1),
        desc="searching z",
        unit="step",
        disable=not progress,
        leave=False,
    )
    exact_from, rough, prior_slope = (
        math.ceil(settings.draft * settings.steps),
        fast_precision(device),
        torch.zeros_like(z),
    )
    exact = folded(model.generator)
    generator = sketcher = packed(exact, len(z))
    if exact_from and rough != "float32" and exact is not model.generator:
        sketcher = packed(
            copy.deepcopy(exact).to(PRECISIONS[rough]), len(z)
        )  # autocast would convert the weights in each step
    for step in bar:
        draft = step < exact_from
        sketch = draft and step > 0  # the start's losses are exact: z_hat is no worse
        with autocast(device, rough if sketch else "float32"):
            generated = _pictures(sketcher if sketch else generator, z)
            if not draft or step % PRIOR_EVERY == 0:
                prior = _prior(model, z, generated, lam, settings.prior)
        context = context_loss(generated, images, weights, settings.norm)
        stop = step == settings.steps or (
            on_step is not None and bool(on_step(step, generated.detach()))
        )
        if sketch and stop:  # ended among the drafts: how good this z is has to be asked exactly
            with torch.no_grad():
                generated = _pictures(generator, z)
                prior = _prior(model, z, generated, lam, settings.prior)
                context = context_loss(generated, images, weights, settings.norm)
        now = {
            "context": context.detach(),
            "prior": prior.detach(),
            "total": (context + prior).detach(),
        }
        for name, value in now.items():
            history[name][step] = value
        if not sketch or stop:  # what other drafts say of their losses is not exact
            better = (
                now["total"] < best["total"]
                if settings.keep == "best"
                else torch.ones_like(lam, dtype=torch.bool)
            )
            best_z = torch.where(better[:, None], z.detach(), best_z)
            best = {name: torch.where(better, now[name], best[name]) for name in best}
        if stop or step in kept_steps:
            path.append(z.detach().clone())
            path_steps.append(step)
        if stop:
            break
        if not draft:
            (z.grad,) = torch.autograd.grad((context + prior).sum(), z)
        else:
            if prior.requires_grad:  # asked anew in this step
                (prior_slope,) = torch.autograd.grad(prior.sum(), z, retain_graph=True)
                prior = prior.detach()
            z.grad = torch.autograd.grad(context.sum(), z)[0] + prior_slope
        optimizer.param_groups[0]["lr"] = learning_rate_at(step, settings)
        optimizer.step()
        with torch.no_grad():
            z.copy_(_clip(z, model, settings.clip, redraw))
    with torch.no_grad():
        generated = _pictures(generator, best_z)
    return SearchResult(
        best_z,
        generated,
        {name: values[: step + 1] for name, values in history.items()},
        torch.stack(path),
        path_steps,
        best,
    )


def learning_rate_at(step: int, settings: SearchSettings) -> float:
    """Learning rate of update number `step`, from 0."""
    if settings.schedule == "constant":
        return settings.learning_rate
    left = 1 - step / settings.steps
    return settings.learning_rate * (
        left if settings.schedule == "linear" else (1 - math.cos(math.pi * left)) / 2
    )


def _pictures(network: torch.nn.Module, z: Tensor) -> Tensor:
    return network(z.to(next(network.parameters()).dtype)).to(z.dtype)


def _optimizer(z: Tensor, settings: SearchSettings) -> torch.optim.Optimizer:
    if settings.optimizer != "nesterov":
        kind = torch.optim.Adam if settings.optimizer == "adam" else FullMatrixAdam
        return kind([z], settings.learning_rate, (settings.momentum, settings.beta2))
    return torch.optim.SGD([z], settings.learning_rate, momentum=settings.momentum, nesterov=True)


def _prior(model: LatentModel, z: Tensor, generated: Tensor, lam: Tensor, form: str) -> Tensor:
    if not bool(lam.any()):
        return torch.zeros_like(lam)  # D's share of the time is saved
    if model.prior_loss is not None:
        return lam * model.prior_loss(z)
    if model.discriminator is None:
        raise ValueError("this model has neither a discriminator nor a prior of its own: use lam=0")
    return prior_loss(model.discriminator(generated).to(lam.dtype), lam, form)


def _clip(z: Tensor, model: LatentModel, clip: str, redraw: torch.Generator) -> Tensor:
    if clip == "none":
        return z
    allowed = model.project(z)
    if clip == "project":
        return allowed
    return torch.where(z == allowed, z, model.sample_z(len(z), redraw).to(z))


def _log_spaced(steps: int, points: int) -> set[int]:
    """At most `points` steps from 0 to `steps`, both included, denser at the start, where z moves
    most.
    """
    if points < 2:
        raise ValueError(f"path_points must be at least 2, got {points}")
    inner = np.geomspace(steps, 1, points - 1).round().astype(int).tolist()
    return {0, *inner}
