"""Samples of the code's posterior instead of its best code: Eq. 2 read as Bayes' rule.

exp(-L_c) is a Laplace likelihood, the uniform p_z a prior, so Eq. 2 looks for the most probable z.
Langevin dynamics with a test of acceptance (MALA: Roberts and Tweedie 1996) draws z instead, from
p(z | y) proportional to p_z(z) exp(-(L_c(z) + L_p(z)) / temperature).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm.auto import trange

from tutorial_lib.device import seeded_generator
from tutorial_lib.inpainting.importance import importance_weights
from tutorial_lib.inpainting.losses import Objective
from tutorial_lib.inpainting.pipeline import fill_hole
from tutorial_lib.masks import check_batch
from tutorial_lib.models.latent_model import LatentModel

ACCEPTED = 0.574  # the fraction that is best in many dimensions (Roberts and Rosenthal 1998)
FIRST_STEP, ADAPTATION = 1e-3, 0.05


@dataclass(frozen=True)
class PosteriorSamples:
    """Samples of z and what they make of the hole.

    Attributes:
        z: (S, B, z_dim), in the order of the chains.
        completed: (S, B, 3, H, W) in [-1, 1], known pixels as they were.
        accepted: (B,), fraction of proposals accepted after the burn-in.
        steps: (B,), the step size that each chain ended with.
    """

    z: Tensor
    completed: Tensor
    accepted: Tensor
    steps: Tensor


def posterior_samples(
    images: Tensor,
    mask: Tensor,
    model: LatentModel,
    z0: Tensor,
    *,
    samples: int = 16,
    every: int = 20,
    burn_in: int = 300,
    temperature: float = 1.0,
    lam: float = 0.003,
    seed: int = 0,
    progress: bool = True,
) -> PosteriorSamples:
    """Draw codes from p(z | y) by Langevin dynamics, one chain a row.

    The chain runs in u, z = 2 Phi(u) - 1, where the uniform p_z is a standard normal and has no
    border. In the burn-in each chain finds the step size at which 57 % of its proposals are
    accepted; the samples come after it, `every` steps apart. They begin to be samples of the
    posterior only when the chain has forgotten z0.

    Args:
        images: (B, 3, H, W) in [-1, 1]; hole pixels are never read.
        mask: (B, 1, H, W) or (1, 1, H, W), 1 = known.
        model: generator and prior, with z uniform on [-1, 1].
        z0: (B, z_dim) in [-1, 1], where the chains begin, such as the search's z_hat.
        samples: kept of each chain.
        every: steps between two of them.
        burn_in: steps before the first.
        temperature: divides the losses; 1 takes Eq. 3's weights for inverse scales of the noise.
        lam: of Eq. 5.
        seed: of the noise.
        progress: whether to show a progress bar.

    Returns:
        `PosteriorSamples` on the model's device.

    Raises:
        ValueError: for wrong shapes or ranges, an invalid mask, a number below one, a temperature
            that is not positive.
    """
    for name, number in (("samples", samples), ("every", every), ("burn_in", burn_in)):
        if number < 1:
            raise ValueError(f"{name} must be at least 1, got {number}")
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    images, mask = check_batch(images, mask)
    model.check_size(images)
    if z0.shape != (len(images), model.z_dim) or not bool((z0.abs() <= 1).all()):
        raise ValueError(f"z0 must be ({len(images)}, {model.z_dim}) codes in [-1, 1]")
    weight = model.weight
    images, mask, z0 = images.to(weight), mask.to(weight), z0.to(weight)
    objective = Objective(
        images,
        importance_weights(mask),
        model,
        torch.full((len(images),), lam, dtype=images.dtype, device=model.device),
        "l1",
        "saturating",
    )

    def energy(z: Tensor) -> Tensor:
        generated = model.generator(z)
        return (objective.context(generated) + objective.prior(z, generated)) / temperature

    chain = Langevin(energy, z0.to(images), seed)
    z, completed = [], []
    for step in trange(burn_in + samples * every, desc="langevin", disable=not progress):
        chain.step(adapt=step < burn_in)
        if step >= burn_in and (step - burn_in + 1) % every == 0:
            z.append(chain.z)
            with torch.no_grad():
                completed.append(fill_hole(model.generator(chain.z), images, mask))
    return PosteriorSamples(
        torch.stack(z), torch.stack(completed), chain.accepted / (samples * every), chain.size
    )


class Langevin:
    """MALA for rows of z, uniform on [-1, 1] before anything is known.

    Args:
        energy: (B, z_dim) -> (B,), minus the log likelihood.
        z0: (B, z_dim) in [-1, 1], where the chains begin.
        seed: of the noise.
    """

    def __init__(self, energy: Callable[[Tensor], Tensor], z0: Tensor, seed: int = 0):
        self.energy, self.rng = energy, seeded_generator(seed)
        self.u = torch.special.ndtri((z0.clamp(-1 + 1e-4, 1 - 1e-4) + 1) / 2)  # (B, z_dim)
        self.size = z0.new_full((len(z0),), FIRST_STEP)  # step size of each chain
        self.accepted = torch.zeros_like(self.size)
        self._here = self._potential(self.u)

    @property
    def z(self) -> Tensor:
        """(B, z_dim), where the chains are."""
        return 2 * torch.special.ndtr(self.u) - 1

    def step(self, adapt: bool = False) -> None:
        """One proposal for each chain, accepted or not.

        Args:
            adapt: move the step sizes towards the wanted acceptance; such steps do not count.
        """
        noise = torch.randn(self.u.shape, generator=self.rng, dtype=self.u.dtype).to(self.u)
        chance = torch.rand(len(self.u), generator=self.rng, dtype=self.u.dtype).to(self.u)
        size = self.size[:, None]
        value, gradient = self._here
        proposal = self.u - size * gradient + (2 * size).sqrt() * noise
        there = self._potential(proposal)
        # log q(u | u') - log q(u' | u)
        back = (self.u - proposal + size * there[1]).square() - 2 * size * noise.square()
        log_ratio = value - there[0] - (back / (4 * size)).sum(1)
        yes = chance.log() < log_ratio
        self.u = torch.where(yes[:, None], proposal, self.u)
        self._here = (
            torch.where(yes, there[0], value),
            torch.where(yes[:, None], there[1], gradient),
        )
        if adapt:
            self.size = self.size * (ADAPTATION * (log_ratio.clamp(max=0).exp() - ACCEPTED)).exp()
        else:
            self.accepted = self.accepted + yes

    def _potential(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Minus the log density of u, (B,), and its gradient, (B, z_dim)."""
        u = u.detach().requires_grad_(True)
        with torch.enable_grad():
            potential = self.energy(2 * torch.special.ndtr(u) - 1) + u.square().sum(1) / 2
            (gradient,) = torch.autograd.grad(potential.sum(), u)
        return potential.detach(), gradient
