"""Eq. 2: the code z whose picture agrees with what is known.

Notebook 05 derives it and takes it apart.

The search is flat: a batch of independent rows (picture, mask, lam, initial z). Only z moves; the
networks are frozen.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from numbers import Integral

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from tutorial_lib.inpainting.fast import (
    ApproximateStep,
    Pictures,
    approximate_generator,
    fast_generator,
)
from tutorial_lib.inpainting.full_matrix import FullMatrixAdam
from tutorial_lib.inpainting.importance import check_weights, window_weights
from tutorial_lib.inpainting.losses import NORMS, PRIORS, Objective
from tutorial_lib.inpainting.operators import Operator, check_measurement
from tutorial_lib.masks import check_batch
from tutorial_lib.models.latent_model import LatentModel, check_model

SCHEDULES = ("constant", "cosine", "linear")
CLIPS = ("project", "stochastic", "ball", "none")
BALL = 0.85  # of the typical norm; it gains hole PSNR and costs looks (two-sample AUC)
KEEPS = ("best", "last")
STARTS = ("prior", "normal")


def _adam(z: Tensor, settings: SearchSettings) -> torch.optim.Optimizer:
    return torch.optim.Adam([z], settings.learning_rate, (settings.momentum, settings.beta2))


def _full_matrix(z: Tensor, settings: SearchSettings) -> torch.optim.Optimizer:
    return FullMatrixAdam([z], settings.learning_rate, (settings.momentum, settings.beta2))


def _nesterov(z: Tensor, settings: SearchSettings) -> torch.optim.Optimizer:
    return torch.optim.SGD([z], settings.learning_rate, momentum=settings.momentum, nesterov=True)


# Name -> (z, settings) -> the optimizer that moves z, (B, z_dim). Its `step` gets no closure, the
# rate of its one parameter group is set anew before each step, and rows must not depend on others.
OPTIMIZERS = {"adam": _adam, "full-matrix": _full_matrix, "nesterov": _nesterov}


@dataclass(frozen=True)
class SearchSettings:
    """How z is searched for.

    `DEFAULT`, `ADAM`, `DIFFUSION`, `PAPER` and `AUTHORS_CODE` are ready-made; vary them with
    `dataclasses.replace`.

    Attributes:
        optimizer: "adam", "full-matrix" (`FullMatrixAdam`, for codes of up to 1,024 numbers), or
            "nesterov" for gradient descent with Nesterov momentum.
        learning_rate: of the first step. The paper does not give it; notebook 05 sweeps it.
        momentum: beta1 of the Adams, or Nesterov's momentum.
        beta2: of the Adams.
        schedule: "constant", or down to zero, along half a "cosine" or "linear".
        steps: updates of z; the paper's 1500.
        approximate: fraction of the steps, the first ones, that are approximate (see
            `fast.ApproximateStep`). z_hat is the initial z or one of the exact iterates that
            follow.
        window: of Eq. 3; the paper's 7.
        norm: of Eq. 4, "l1" (the paper's) or "l2".
        lam: weight of the prior loss (Eq. 5); the paper's 0.003, with the context loss a sum.
        prior: "saturating" is Eq. 5, log(1 - D); "non-saturating" is -log D.
        clip: after each step "project" z to where the prior allows it (the paper), replace what is
            outside by a new draw ("stochastic", Lipton & Tripathi 2017), or "none". "ball" projects
            and also keeps z within `BALL` times the typical norm of a code: far out, G draws no
            faces (Menon et al. 2020 search on the sphere of that norm).
        keep: return the "best" iterate, by total loss, or the "last".
        start: where `inpaint` draws the initial z from: the model's "prior" (the paper), or a
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
    approximate: float = 0.9
    window: int = 7
    norm: str = "l1"
    lam: float = 0.003
    prior: str = "saturating"
    clip: str = "project"
    keep: str = "best"
    start: str = "prior"

    def __post_init__(self):
        for name, allowed in (
            ("optimizer", tuple(OPTIMIZERS)),
            ("schedule", SCHEDULES),
            ("norm", NORMS),
            ("prior", PRIORS),
            ("clip", CLIPS),
            ("keep", KEEPS),
            ("start", STARTS),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {allowed}, got {getattr(self, name)!r}")
        for name, least in (("steps", 1), ("window", 3)):
            if not isinstance(getattr(self, name), Integral) or getattr(self, name) < least:
                raise ValueError(
                    f"{name} must be a whole number from {least} on, got {getattr(self, name)!r}"
                )
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate must be positive, got {self.learning_rate}")
        if not (0 <= self.momentum < 1 and 0 <= self.beta2 < 1):
            raise ValueError(
                "momentum and beta2 must lie from 0 to below 1, got "
                f"{self.momentum} and {self.beta2}"
            )
        if self.window % 2 == 0:
            raise ValueError(f"window must be odd, got {self.window}")
        if not self.lam >= 0:
            raise ValueError(f"lam must not be negative, got {self.lam}")
        if not 0 <= self.approximate < 1:
            raise ValueError(
                f"approximate must be a fraction from 0 to below 1, got {self.approximate}"
            )


# To PAPER's total loss in about a tenth of its time (benchmarks/search.py). A rate of 0.3 gets
# there in 150 steps, but its holes came out a third of a dB worse.
DEFAULT = SearchSettings()
# The same with nothing but plain Adam, more than twice as slow and not quite as close: what the
# ablations take apart.
ADAM = SearchSettings(
    optimizer="adam",
    learning_rate=0.1,
    beta2=0.99,
    schedule="cosine",
    steps=300,
    approximate=0.0,
)
# For a diffusion model's codes (`models.diffusion.ddim_latent_model`): 12,288 numbers are too many
# for the matrix. At a rate of 0.1 whole faces ran into the clamp.
DIFFUSION = replace(ADAM, learning_rate=0.02, steps=40, approximate=0.9)
# The text of the paper, section 3.4; the learning rate is ours, from the sweep of notebook 05.
PAPER = replace(ADAM, learning_rate=0.03, beta2=0.999, schedule="constant", steps=1500)
# What the authors' released code does where it differs from the paper: moodoki/
# semantic_image_inpainting, branch extensions, commit 83bcb87. Their first release (branch master,
# commit 091cf07) has rate 0.01, 1000 steps, lam 0.1, window 7, and the weights of Eq. 3 inverted.
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
class SearchState:
    """Where a search stands, one row per picture.

    Attributes:
        step: updates of z made, from 0.
        z: (B, z_dim), the present iterate.
        generated: (B, 3, H, W), G(z) in [-1, 1].
        losses: "context", "prior" and "total" of z, (B,) each.
        exact: whether `generated` and `losses` are exact, or those of an approximate step.
    """

    step: int
    z: Tensor
    generated: Tensor
    losses: dict[str, Tensor]
    exact: bool


@dataclass(frozen=True)
class SearchResult:
    """What a search found, one row each.

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
    mask: Tensor | None,
    model: LatentModel,
    z0: Tensor,
    settings: SearchSettings = DEFAULT,
    *,
    lam: float | Tensor | None = None,
    weights: Tensor | None = None,
    operator: Operator | None = None,
    path_points: int = 30,
    progress: bool = True,
) -> SearchResult:
    """z_hat = argmin_z L_c(z | y, M) + L_p(z) (Eq. 2), for every row at once.

    Args:
        images: (B, 3, H, W) in [-1, 1], y; hole pixels are never read, NaN included.
        mask: (B, 1, H, W) or (1, 1, H, W), 1 = known.
        model: generator and prior; its networks are on one device and the rows go there.
        z0: (B, z_dim), the initial z.
        settings: see `SearchSettings`.
        lam: instead of the settings' value: a number, or (B,) with one value per row.
        weights: (B, 1, H, W) instead of Eq. 3's, for experiments; 0 where the mask is 0. With them
            a mask may be all 1.
        operator: any linear measurement instead of a mask (see `operators`): `images` are then what
            it gave, (B, ...), and `mask` and `weights` are None.
        path_points: at most so many iterates are kept for `path`, log-spaced over the steps; 2 or
            more.
        progress: whether to show a progress bar.

    Returns:
        a `SearchResult` on the model's device.

    Raises:
        ValueError: for wrong shapes or ranges, an invalid mask, or a lam that is negative or not
            there for each row; for weights as `importance.check_weights` says; for an operator
            that is none (`operators.check_measurement`); for a model that is no `LatentModel`.
    """
    check_model(model)
    if operator is not None:
        if mask is not None or weights is not None:
            raise ValueError("with an operator mask and weights are None: it is the measurement")
        check_measurement(operator, images, model)
    elif mask is None:
        raise ValueError("a search without a mask takes an operator")
    else:
        images, mask = check_batch(images, mask, may_be_whole=weights is not None)
        model.check_size(images)
        if weights is not None:
            check_weights(weights, mask)
    if z0.shape != (len(images), model.z_dim):
        raise ValueError(
            f"z0 must have shape ({len(images)}, {model.z_dim}), an initial z a row, "
            f"got {tuple(z0.shape)}"
        )
    lam = lam_of_rows(settings.lam if lam is None else lam, len(images))
    searching = LatentSearch(
        images,
        mask,
        model,
        z0,
        settings,
        lam=lam,
        weights=weights,
        operator=operator,
        path_points=path_points,
    )
    return searching.run(progress)


def lam_of_rows(lam: float | Tensor, count: int) -> Tensor:
    """(count,): one lambda a row, from a number or (count,) of them.

    Raises:
        ValueError: for another shape, or a negative one.
    """
    if not isinstance(lam, Tensor):
        lam = torch.tensor(lam, dtype=torch.float64)
    if lam.dim() > 1 or (lam.dim() == 1 and len(lam) != count):
        raise ValueError(
            f"lam must be a number or one value per picture ({count}), got shape {tuple(lam.shape)}"
        )
    if not bool((lam >= 0).all()):
        raise ValueError("lam must not be negative")
    return lam.expand(count)


class LatentSearch:
    """Eq. 2 as an iterator over the states of the search.

    It gives a `SearchState` before each update of z and after the last. A loop over it may break at
    any of them; `result()` says what was found by then. Iterating again begins anew::

        searching = LatentSearch(*check_batch(images, mask), gan, initial_z(gan, len(images)))
        for state in searching:
            if state.losses["context"].max() < 20:
                break
        found = searching.result()

    The arguments are those of `search` and are trusted: (y, mask) as `masks.check_batch` returns
    them, z0 with a row for each picture.
    """

    def __init__(
        self,
        images: Tensor,
        mask: Tensor | None,
        model: LatentModel,
        z0: Tensor,
        settings: SearchSettings = DEFAULT,
        *,
        lam: float | Tensor | None = None,
        weights: Tensor | None = None,
        operator: Operator | None = None,
        path_points: int = 30,
    ):
        if torch.is_inference_mode_enabled():
            raise ValueError(
                "a search follows gradients, which torch.inference_mode() does not allow: "
                "leave it, or use torch.no_grad(), which the search overrides"
            )
        self.model, self.settings = model, settings
        device, dtype = model.device, images.dtype
        if mask is None:  # every value of a measurement counts the same
            weights = images.new_ones(len(images), *[1] * (images.dim() - 1))
        elif weights is None:
            weights = window_weights(mask, settings.window)  # Eq. 3
        else:
            weights = torch.where(mask > 0, weights, 0.0)
        self.generator = self.approximate = fast_generator(model.generator, len(images))
        self.first_exact = math.ceil(settings.approximate * settings.steps)
        if self.first_exact:
            self.approximate = approximate_generator(model.generator, len(images))
        lam = settings.lam if lam is None else lam
        self.objective = Objective(
            images=images.to(device),
            weights=weights.to(device, dtype),
            model=model,
            lam=torch.as_tensor(lam, dtype=dtype, device=device).expand(len(images)),
            norm=settings.norm,
            form=settings.prior,
            operator=operator,
        )
        self.radius = BALL * typical_norm(model) if settings.clip == "ball" else math.inf
        if settings.clip == "stochastic":
            draws = model.sample_z(4, torch.Generator().manual_seed(0))
            if not torch.equal(model.project(draws), draws):
                raise ValueError(
                    'clip="stochastic" draws numbers anew that have left a box, but the codes of '
                    'this model lie on a sphere: use "project"'
                )
        self.z0 = z0.detach().to(device, dtype)  # (B, z_dim)
        self._kept_steps = _log_spaced(settings.steps, path_points)
        self._record: _Record | None = None

    def __iter__(self) -> Iterator[SearchState]:
        settings = self.settings
        z = self.z0.clone().requires_grad_(True)  # (B, z_dim)
        optimizer = OPTIMIZERS[settings.optimizer](z, settings)
        redraw = torch.Generator().manual_seed(0)
        approximate_step = ApproximateStep(self.objective, self.generator, self.approximate)
        self._record = record = _Record(z, settings, self._kept_steps)
        for step in range(settings.steps + 1):
            # the losses at z and their gradient
            if step < self.first_exact:
                generated, context, prior, gradient = approximate_step(z)
            else:
                generated, context, prior, gradient = exact_step(self.objective, self.generator, z)
            state = SearchState(
                step,
                z.detach().clone(),
                generated,
                {"context": context, "prior": prior, "total": context + prior},
                exact=step == 0 or step >= self.first_exact,
            )
            record.add(state)
            yield state
            if step == settings.steps:
                return
            # a step against the gradient, and back to where the prior allows z to be
            z.grad = gradient
            optimizer.param_groups[0]["lr"] = learning_rate_at(step, settings)
            optimizer.step()
            with torch.no_grad():
                z.copy_(_clip(z, self.model, settings.clip, redraw, self.radius))

    def run(self, progress: bool = True) -> SearchResult:
        """Search to the end.

        Args:
            progress: whether to show a progress bar.
        """
        states = tqdm(
            self,
            total=self.settings.steps + 1,
            desc="searching z",
            unit="step",
            disable=not progress,
            leave=False,
        )
        for _ in states:
            pass
        return self.result()

    def result(self) -> SearchResult:
        """What was found by the last state that the iteration gave.

        z, G(z_hat) and the final losses are exact; the history holds what each step computed.

        Raises:
            RuntimeError: before the first state.
        """
        record = self._record
        if record is None:
            raise RuntimeError("nothing is found yet: iterate over the search first")
        if not record.last.exact:  # ended among approximate steps
            z = record.last.z.clone().requires_grad_(True)
            generated, context, prior, _ = exact_step(self.objective, self.generator, z)
            losses = {"context": context, "prior": prior, "total": context + prior}
            record.add(replace(record.last, generated=generated, losses=losses, exact=True))
        with torch.no_grad():
            generated = self.generator(record.best_z)
        return record.result(generated)


@torch.enable_grad()
def exact_step(
    objective: Objective, generator: Pictures, z: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The losses and their gradient at z, by one forward and backward pass of G and D.

    Args:
        objective: what is minimized.
        generator: (B, z_dim) -> (B, 3, H, W).
        z: (B, z_dim), requires a gradient.

    Returns:
        generated (B, 3, H, W), context (B,), prior (B,), gradient (B, z_dim).
    """
    generated = generator(z)  # (B, 3, H, W)
    context = objective.context(generated)  # (B,)
    prior = objective.prior(z, generated)  # (B,)
    (gradient,) = torch.autograd.grad((context + prior).sum(), z)  # (B, z_dim)
    return generated.detach(), context.detach(), prior.detach(), gradient


class _Record:
    """What a search has seen: all losses, some iterates, and the z that is returned."""

    def __init__(self, z: Tensor, settings: SearchSettings, kept_steps: set[int]):
        self.keep, self.kept_steps = settings.keep, kept_steps
        names = ("context", "prior", "total")
        # one block for all steps: thousands of small ones would keep the memory of large ones from
        # being used again
        self.history = {name: z.new_empty(settings.steps + 1, len(z)) for name in names}
        self.path: list[Tensor] = []
        self.path_steps: list[int] = []
        self.best_z = z.detach().clone()
        self.best = {name: z.new_full((len(z),), math.inf) for name in names}
        self.last: SearchState

    def add(self, state: SearchState) -> None:
        """Take in the state of a step, or a better one of the same step."""
        self.last = state
        for name, values in state.losses.items():
            self.history[name][state.step] = values
        if state.exact:  # what other states say of their losses is not to be compared
            better = state.losses["total"] < self.best["total"]  # (B,)
            if self.keep == "last":
                better = torch.ones_like(better)
            self.best_z = torch.where(better[:, None], state.z, self.best_z)
            self.best = {
                name: torch.where(better, state.losses[name], values)
                for name, values in self.best.items()
            }
        if state.step in self.kept_steps and state.step not in self.path_steps:
            self.path.append(state.z)
            self.path_steps.append(state.step)

    def result(self, generated: Tensor) -> SearchResult:
        """What was found, with G(z_hat)."""
        path, steps = list(self.path), list(self.path_steps)
        if self.last.step not in steps:
            path.append(self.last.z)
            steps.append(self.last.step)
        return SearchResult(
            self.best_z,
            generated,
            {name: values[: self.last.step + 1] for name, values in self.history.items()},
            torch.stack(path),
            steps,
            self.best,
        )


def learning_rate_at(step: int, settings: SearchSettings) -> float:
    """Learning rate of update number `step`, from 0."""
    left = 1 - step / settings.steps
    if settings.schedule == "cosine":
        left = (1 - math.cos(math.pi * left)) / 2
    return settings.learning_rate * (1 if settings.schedule == "constant" else left)


def typical_norm(model: LatentModel) -> float:
    """The root of the mean squared norm of a model's codes; 5.8 for 100 values on [-1, 1]."""
    codes = model.sample_z(1000, torch.Generator().manual_seed(0))  # (1000, z_dim)
    return float(codes.square().sum(1).mean().sqrt())


def _clip(
    z: Tensor, model: LatentModel, clip: str, redraw: torch.Generator, radius: float
) -> Tensor:
    if clip == "none":
        return z
    allowed = model.project(z)
    if clip == "project":
        return allowed
    if clip == "ball":
        return allowed.renorm(2, 0, radius)  # rows that are longer are scaled down
    return torch.where(z == allowed, z, model.sample_z(len(z), redraw).to(z))


def _log_spaced(steps: int, points: int) -> set[int]:
    """At most `points` steps from 0 to `steps`, both included, denser where z moves most, early."""
    if points < 2:
        raise ValueError(f"path_points must be at least 2, got {points}")
    inner = np.geomspace(steps, 1, points - 1).round().astype(int).tolist()
    return {0, *inner}
