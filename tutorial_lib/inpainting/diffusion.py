"""Filling holes with a diffusion model: what followed the paper's search.

Replacement (Song et al. 2021), RePaint (Lugmayr et al. 2022) and DPS (Chung et al. 2023), each
written for x_t = (1 - t) x + t noise and a model of the velocity noise - x, as in
`models.diffusion`. The model is frozen, as G is in the paper's search; what is looked for is not a
code but the image itself, on its way from noise (t = 1) to t = 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from tutorial_lib.device import seeded_generator
from tutorial_lib.masks import check_batch
from tutorial_lib.models.diffusion import VelocityModel, sampling_times, split


def replacement(
    images: Tensor,
    mask: Tensor,
    model: VelocityModel,
    *,
    steps: int = 100,
    seed: int = 0,
    progress: bool = True,
) -> Tensor:
    """Fill holes by sampling, with the known pixels written over at every step.

    The known pixels get the noise of the step, so that they fit their surroundings. The hole sees
    them only through the model, and never adapts what was decided before: the reason for RePaint.

    Args:
        images: (B, 3, H, W) in [-1, 1]; hole pixels are never read.
        mask: (B, 1, H, W) or (1, 1, H, W), 1 = known.
        model: velocities, such as a `Denoiser`.
        steps: evaluations of the model.
        seed: of all noise; another seed gives another completion.
        progress: whether to show a progress bar.

    Returns:
        (B, 3, H, W) in [-1, 1]: known pixels as they were, the hole filled.

    Raises:
        ValueError: for wrong shapes or ranges, an invalid mask, fewer than one step.
    """
    return repaint(
        images,
        mask,
        model,
        steps=steps,
        jump=steps,
        resamples=1,
        seed=seed,
        progress=progress,
    )


@torch.no_grad()
def repaint(
    images: Tensor,
    mask: Tensor,
    model: VelocityModel,
    *,
    steps: int = 50,
    jump: int = 5,
    resamples: int = 5,
    seed: int = 0,
    progress: bool = True,
) -> Tensor:
    """`replacement` that goes back: noise is added again, and the same steps repeated.

    Each repetition lets the hole adapt to the known pixels (Lugmayr et al. 2022, section 4.2).

    Args:
        images: (B, 3, H, W) in [-1, 1]; hole pixels are never read.
        mask: (B, 1, H, W) or (1, 1, H, W), 1 = known.
        model: velocities, such as a `Denoiser`.
        steps: from noise to image; the model is evaluated almost `steps * resamples` times.
        jump: steps that are repeated together.
        resamples: times that they are done.
        seed: of all noise; another seed gives another completion.
        progress: whether to show a progress bar.

    Returns:
        (B, 3, H, W) in [-1, 1]: known pixels as they were, the hole filled.

    Raises:
        ValueError: for wrong shapes or ranges, an invalid mask, a number below one.
    """
    y, mask = _checked(images, mask, model, steps=steps, jump=jump, resamples=resamples)
    draw, times = _noise_like(y, seed), sampling_times(steps)
    x = draw()
    moves = _moves(steps, jump, resamples)
    for before, after in tqdm(moves, desc="repaint", disable=not progress):
        t, s = times[before], times[after]
        if s > t:  # back up: add noise
            x = forward_step(x, t, s, draw())
        else:
            x = reverse_step(x, _velocity(model, x, t), t, s, draw())
            known = (1 - s) * y + s * draw()  # y with as much noise as x has now
            x = torch.where(mask > 0, known, x)
    return x.clamp(-1, 1)


def dps(
    images: Tensor,
    mask: Tensor,
    model: VelocityModel,
    *,
    steps: int = 100,
    zeta: float = 1.0,
    seed: int = 0,
    progress: bool = True,
) -> Tensor:
    """Diffusion posterior sampling: each step also goes down the misfit of the known pixels.

    The misfit ||M (y - x0)|| is that of the image x0 that the model predicts from x_t, and its
    gradient runs through the model (Chung et al. 2023, algorithm 1). This takes p(y | x0(x_t)) for
    p(y | x_t), so the samples are not exactly those of the posterior.

    Args:
        images: (B, 3, H, W) in [-1, 1]; hole pixels are never read.
        mask: (B, 1, H, W) or (1, 1, H, W), 1 = known.
        model: velocities, such as a `Denoiser`; differentiable.
        steps: evaluations of the model, each with a gradient.
        zeta: step size of the data term.
        seed: of all noise; another seed gives another completion.
        progress: whether to show a progress bar.

    Returns:
        (B, 3, H, W) in [-1, 1]: known pixels as they were, the hole filled.

    Raises:
        ValueError: for wrong shapes or ranges, an invalid mask, fewer than one step, a negative
            zeta.
    """
    y, mask = _checked(images, mask, model, steps=steps)
    if not 0 <= zeta < math.inf:
        raise ValueError(f"zeta must be a number of at least 0, got {zeta}")
    draw, times = _noise_like(y, seed), sampling_times(steps)
    x = draw()
    pairs = list(zip(times[:-1], times[1:], strict=True))
    for t, s in tqdm(pairs, desc="dps", disable=not progress):
        x.requires_grad_(True)
        with torch.enable_grad():
            velocity = _velocity(model, x, t)
            predicted, _ = split(x, velocity, t)  # x0
            misfit = (mask * (y - predicted)).square().sum((1, 2, 3)).sqrt()  # (B,)
            (gradient,) = torch.autograd.grad(misfit.sum(), x)
        x = (reverse_step(x, velocity, t, s, draw()) - zeta * gradient).detach()
    return torch.where(mask > 0, y, x).clamp(-1, 1)


def reverse_step(x: Tensor, velocity: Tensor, t: float, s: float, noise: Tensor) -> Tensor:
    """From x_t to x_s, s < t: a sample of p(x_s | x_t, predicted image), DDPM's reverse step.

    Args:
        x: (B, C, H, W), x_t.
        velocity: like x, the model's.
        t: time of x.
        s: time to go to.
        noise: like x, standard normal.
    """
    image, predicted_noise = split(x, velocity, t)
    fresh = s * math.sqrt(1 - (_kept(s, t) * s / t) ** 2)  # standard deviation of the new noise
    return (1 - s) * image + math.sqrt(s**2 - fresh**2) * predicted_noise + fresh * noise


def forward_step(x: Tensor, s: float, t: float, noise: Tensor) -> Tensor:
    """From x_s back to x_t, s < t, by adding noise: a sample of p(x_t | x_s).

    Args:
        x: (B, C, H, W), x_s.
        s: time of x.
        t: time to go to.
        noise: like x, standard normal.
    """
    kept = _kept(s, t)
    return kept * x + math.sqrt(t**2 - (kept * s) ** 2) * noise


def _kept(s: float, t: float) -> float:
    """Factor of x_s in x_t, s < t."""
    return (1 - t) / (1 - s)


def _velocity(model: VelocityModel, x: Tensor, t: float) -> Tensor:
    return model(x, x.new_full((len(x),), t))


def _moves(steps: int, jump: int, resamples: int) -> list[tuple[int, int]]:
    """Moves between numbered times, (from, to): down a block, up again, `resamples` times each.

    The first block is done once: it begins with pure noise, of which a repetition keeps nothing.
    """
    moves = []
    for first in range(0, steps, jump):
        last = min(first + jump, steps)
        down = [(step, step + 1) for step in range(first, last)]
        repeated = resamples if first else 1
        moves += ([*down, (last, first)] * repeated)[:-1]
    return moves


def _noise_like(images: Tensor, seed: int) -> Callable[[], Tensor]:
    """A function that draws standard normal noise, (B, C, H, W)."""
    rng = seeded_generator(seed)
    return lambda: torch.randn(images.shape, generator=rng, dtype=images.dtype).to(images.device)


def _checked(
    images: Tensor, mask: Tensor, model: VelocityModel, **numbers: int
) -> tuple[Tensor, Tensor]:
    """The corrupted pictures and their masks in the model's number type, or an error."""
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"{name} must be at least 1, got {number}")
    y, mask = check_batch(images.detach(), mask)
    weight = next(model.parameters(), None) if isinstance(model, nn.Module) else None
    return (y, mask) if weight is None else (y.to(weight.dtype), mask.to(weight.dtype))
