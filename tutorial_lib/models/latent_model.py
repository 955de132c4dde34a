"""What the latent search sees of a generative model: any generator with a code space of its own will do."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


@dataclass(frozen=True)
class LatentModel:
    """A frozen generator with what Eq. 2 needs to search its codes.

    Creating one puts the networks in eval mode and takes their weights out of autograd: in the search only z moves.

    Attributes:
        generator: (B, z_dim) codes -> (B, 3, H, W) pictures in [-1, 1].
        discriminator: pictures -> (B,) logits, or None for a model without one.
        z_dim: length of a code.
        sample_z: (count, torch.Generator) -> (count, z_dim) start codes on the CPU.
        project: codes -> codes, back to where the prior allows them (clipping for a uniform prior).
        prior_loss: codes -> (B,), the code's own prior for models without a D; None means Eq. 5 with D.
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
        return next(self.generator.parameters()).device

    def to(self, device: torch.device | str) -> LatentModel:
        """The same model with its networks moved to `device` (the modules themselves move, as in torch)."""
        self.generator.to(device)
        if self.discriminator is not None:
            self.discriminator.to(device)
        return replace(self)


def sample_uniform(count: int, generator: torch.Generator, z_dim: int = 100) -> Tensor:
    """(count, z_dim) codes uniform on [-1, 1], the paper's p_z, drawn on the CPU so that a seed means the same anywhere."""
    return torch.rand(count, z_dim, generator=generator) * 2 - 1


def clip_to_box(z: Tensor) -> Tensor:
    """z restricted to [-1, 1] (paper section 3.4: done in each iteration)."""
    return z.clamp(-1, 1)


def uniform_latent_model(generator: nn.Module, discriminator: nn.Module | None, z_dim: int = 100,
                         card: dict | None = None) -> LatentModel:
    """The paper's model: z uniform on [-1, 1], clipped to it, the prior loss from D (Eq. 5)."""
    return LatentModel(generator, discriminator, z_dim,
                       sample_z=lambda count, rng: sample_uniform(count, rng, z_dim),
                       project=clip_to_box, card=card or {})


def normal_latent_model(generator: nn.Module, z_dim: int = 100, card: dict | None = None) -> LatentModel:
    """A model without D whose codes are standard normal (a VAE's decoder): nothing is clipped, the prior loss is
    -log p(z) up to a constant, ||z||^2 / 2."""
    return LatentModel(generator, None, z_dim, sample_z=lambda count, rng: torch.randn(count, z_dim, generator=rng),
                       project=lambda z: z, prior_loss=lambda z: z.square().sum(1) / 2, card=card or {})


@torch.no_grad()
def folded(network: nn.Module) -> nn.Module:
    """A frozen copy of a generator in eval mode that does the same with less.

    A batch norm multiplies each channel by a number and adds one; so can the weights of the transposed convolution before it. And
    a transposed convolution of a single pixel, such as a code, is a matrix product.
    """
    copied = copy.deepcopy(network).eval()
    for layers in [module for module in copied.modules() if isinstance(module, nn.Sequential)]:
        for (name, layer), (following, norm) in zip([*layers.named_children()], [*layers.named_children()][1:]):
            if isinstance(layer, nn.ConvTranspose2d) and isinstance(norm, nn.BatchNorm2d):
                layer = fuse_conv_bn_eval(layer, norm, transpose=True)
                setattr(layers, name, layer if any(layer.padding) else _OfOnePixel(layer))
                setattr(layers, following, nn.Identity())
    return copied.requires_grad_(False)


class _OfOnePixel(nn.Module):
    """A transposed convolution without padding of (B, C, 1, 1) inputs; its result is stored channels last."""

    def __init__(self, layer: nn.ConvTranspose2d):
        super().__init__()
        self.shape = (*layer.kernel_size, layer.out_channels)
        self.weight = nn.Parameter(layer.weight.permute(0, 2, 3, 1).flatten(1).contiguous())
        self.bias = nn.Parameter(layer.bias.repeat(layer.kernel_size[0] * layer.kernel_size[1]))

    def forward(self, inputs: Tensor) -> Tensor:
        pixels = torch.addmm(self.bias, inputs[:, :, 0, 0], self.weight)
        return pixels.unflatten(1, self.shape).permute(0, 3, 1, 2)
