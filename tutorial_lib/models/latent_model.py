"""What the latent search sees of a generative model.

Any generator with a code space of its own will do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class LatentModel:
    """A frozen generator with what Eq. 2 needs to search its codes.

    Creating one puts the networks in eval mode and takes their weights out of autograd: in the
    search only z moves.

    Attributes:
        generator: (B, z_dim) codes -> (B, 3, H, W) pictures in [-1, 1].
        discriminator: pictures -> (B,) logits, or None for a model without one.
        z_dim: length of a code.
        sample_z: (count, torch.Generator) -> (count, z_dim) codes on the CPU.
        project: codes -> codes, back to where the prior allows them (clipping for a uniform prior).
        prior_loss: codes -> (B,), the code's own prior for models without a D; None means Eq. 5
            with D.
        card: the model card of the weights, a plain dictionary.
    """

    generator: nn.Module
    discriminator: nn.Module | None
    z_dim: int
    sample_z: Callable[[int, torch.Generator], Tensor]
    project: Callable[[Tensor], Tensor]
    prior_loss: Callable[[Tensor], Tensor] | None = None
    card: dict = field(default_factory=dict)

    def __post_init__(self):
        for network in (self.generator, self.discriminator):
            if network is not None:
                network.eval().requires_grad_(False)

    @property
    def device(self) -> torch.device:
        """Where the generator's weights are."""
        return self.weight.device

    @property
    def weight(self) -> Tensor:
        """The generator's first weight, whose device and type are those of its codes."""
        return next(self.generator.parameters(), torch.zeros(()))

    def check_size(self, images: Tensor) -> None:
        """The part of validation that needs the generator: one code is tried.

        Raises:
            ValueError: unless the generator takes codes (B, z_dim) and makes colored pictures of
                the size of these (B, 3, H, W), through which gradients reach the code.
        """
        code = self.weight.new_zeros(1, self.z_dim)
        code.requires_grad_(not torch.is_inference_mode_enabled())  # the search refuses that mode
        try:
            with torch.enable_grad():
                made = self.generator(code)
        except RuntimeError as error:
            raise ValueError(
                f"the generator does not take codes of shape (B, {self.z_dim}): {error}"
            ) from error
        if made.dim() != 4 or made.shape[1] != 3:
            raise ValueError(
                f"the generator makes {tuple(made.shape)} of one code, not (1, 3, H, W)"
            )
        if code.requires_grad and not made.requires_grad:
            raise ValueError("no gradient reaches the code through the generator: does it detach?")
        height, width = made.shape[2:]
        if images.shape[-2:] != (height, width):
            raise ValueError(
                f"images are {images.shape[-1]}x{images.shape[-2]}, the generator makes "
                f"{width}x{height}: crop or resize them"
            )

    def to(self, device: torch.device | str) -> LatentModel:
        """The same model on `device`; the modules themselves move, as in torch."""
        self.generator.to(device)
        if self.discriminator is not None:
            self.discriminator.to(device)
        return replace(self)


def check_model(model: LatentModel) -> None:
    """Raises ValueError for what is no `LatentModel`."""
    if not isinstance(model, LatentModel):
        raise ValueError(
            f"a LatentModel is wanted, got {type(model).__name__}: load_gan(name) loads one, "
            "models.latent_model.uniform_latent_model(generator, discriminator) wraps your networks"
        )


def pictures_of(gan: LatentModel, codes: Tensor, batch: int = 128) -> Tensor:
    """G(z) of many codes: (..., z_dim) -> (..., 3, H, W) in [-1, 1], on the CPU."""
    rows = codes.reshape(-1, codes.shape[-1]).to(gan.device)
    with torch.no_grad():
        pictures = torch.cat([gan.generator(part).cpu() for part in rows.split(batch)])
    return pictures.reshape(*codes.shape[:-1], *pictures.shape[1:])


def sample_uniform(count: int, generator: torch.Generator, z_dim: int = 100) -> Tensor:
    """Codes uniform on [-1, 1], the paper's p_z.

    They are drawn on the CPU, so that a seed means the same anywhere.

    Args:
        count: how many.
        generator: a CPU generator.
        z_dim: length of a code.

    Returns:
        (count, z_dim) float32.
    """
    return torch.rand(count, z_dim, generator=generator) * 2 - 1


def clip_to_box(z: Tensor) -> Tensor:
    """Restrict z to [-1, 1] (paper section 3.4: done in each iteration)."""
    return z.clamp(-1, 1)


def project_to_sphere(z: Tensor) -> Tensor:
    """Scale each code to the norm sqrt(z_dim), near which long standard normal codes lie.

    The norm of n standard normal numbers is sqrt(n) within about 0.7, however large n is.

    Args:
        z: (B, z_dim), none of them zero.
    """
    return F.normalize(z) * z.shape[1] ** 0.5


def uniform_latent_model(
    generator: nn.Module,
    discriminator: nn.Module | None,
    z_dim: int = 100,
    card: dict | None = None,
) -> LatentModel:
    """The paper's model: z uniform on [-1, 1], clipped to it, the prior loss from D (Eq. 5).

    Args:
        generator: (B, z_dim) codes -> (B, 3, H, W) pictures in [-1, 1]; 64x64 for all that judges
            them.
        discriminator: such pictures -> (B,) logits, high for real ones; None for a model without
            D, which is searched with lam=0.
        z_dim: length of a code.
        card: what is known of the weights.
    """
    return LatentModel(
        generator,
        discriminator,
        z_dim,
        sample_z=lambda count, rng: sample_uniform(count, rng, z_dim),
        project=clip_to_box,
        card=card or {},
    )


def normal_latent_model(
    generator: nn.Module, z_dim: int = 100, card: dict | None = None
) -> LatentModel:
    """A model without D whose codes are standard normal (a VAE's decoder).

    Nothing is clipped, the prior loss is -log p(z) up to a constant, ||z||^2 / 2.

    Args:
        generator: (B, z_dim) codes -> (B, 3, H, W) pictures in [-1, 1].
        z_dim: length of a code.
        card: what is known of the weights.
    """
    return LatentModel(
        generator,
        None,
        z_dim,
        sample_z=lambda count, rng: torch.randn(count, z_dim, generator=rng),
        project=lambda z: z,
        prior_loss=lambda z: z.square().sum(1) / 2,
        card=card or {},
    )
