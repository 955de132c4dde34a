"""A small unconditional denoiser, trained by flow matching, and its deterministic sampler.

x_t = (1 - t) x + t noise: an image at t = 0, noise at t = 1 (Lipman et al. 2023; Liu et al. 2023).
The network predicts the velocity noise - x. DDIM (Song et al. 2021) is the same sampler in another
parametrization. `ddim_latent_model` makes it a generator that the paper's search can use.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tutorial_lib.images import IMAGE_SIZE
from tutorial_lib.models.blocks import check_input
from tutorial_lib.models.latent_model import (
    LatentModel,
    normal_latent_model,
    project_to_sphere,
)

WIDTHS = (1, 2, 3, 3)  # of the levels with side 32, 16, 8 and 4, as multiples of the base channels
GROUPS = 8  # of every group norm
EMBEDDING = 256
STEPS = 50  # of the sampler
CODE_SIZE = 3 * IMAGE_SIZE**2  # numbers in the noise of one picture


class VelocityModel(Protocol):
    """What samplers need: velocities for noisy images."""

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        """(B, C, H, W) at times (B,) in [0, 1] -> (B, C, H, W), noise - image."""


def embed_time(t: Tensor, size: int = EMBEDDING) -> Tensor:
    """(B,) times in [0, 1] -> (B, size) sines and cosines (Vaswani et al. 2017)."""
    half = size // 2
    frequencies = torch.exp(-math.log(10_000) * torch.arange(half, device=t.device) / half)
    angles = 1000 * t[:, None] * frequencies  # (B, size / 2)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def set_to_zero(layer: nn.Conv2d) -> None:
    """Let a layer begin with zeros, so that what it adds grows from nothing."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


class ResidualBlock(nn.Module):
    """Two convolutions; the time scales and shifts what lies between them.

    Shapes: (B, channels, H, W) and (B, EMBEDDING) -> (B, out_channels, H, W).
    """

    def __init__(self, channels: int, out_channels: int):
        super().__init__()
        self.norm1 = nn.GroupNorm(GROUPS, channels)
        self.conv1 = nn.Conv2d(channels, out_channels, 3, padding=1)
        self.time = nn.Linear(EMBEDDING, 2 * out_channels)
        self.norm2 = nn.GroupNorm(GROUPS, out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        same = channels == out_channels
        self.skip = nn.Identity() if same else nn.Conv2d(channels, out_channels, 1)
        set_to_zero(self.conv2)  # a new block changes nothing

    def forward(self, x: Tensor, embedded: Tensor) -> Tensor:
        """(B, channels, H, W) and (B, EMBEDDING) -> (B, out_channels, H, W)."""
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.time(embedded)[..., None, None].chunk(2, dim=1)
        h = self.norm2(h) * (1 + scale) + shift
        return self.skip(x) + self.conv2(F.silu(h))


class Attention(nn.Module):
    """Every place looks at every other (Vaswani et al. 2017), for the smallest level.

    Shapes: (B, channels, H, W) -> the same.
    """

    def __init__(self, channels: int, heads: int = 4):
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(GROUPS, channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)
        set_to_zero(self.out)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> the same."""
        height, width = x.shape[2:]
        parts = self.qkv(self.norm(x)).flatten(2).chunk(3, dim=1)  # three (B, C, HW)
        query, key, value = (part.unflatten(1, (self.heads, -1)).mT for part in parts)
        mixed = F.scaled_dot_product_attention(query, key, value)  # (B, heads, HW, C / heads)
        return x + self.out(mixed.mT.flatten(1, 2).unflatten(2, (height, width)))


class Denoiser(nn.Module):
    """A U-Net on patches of 2x2 pixels (Ronneberger et al. 2015; Ho et al. 2020).

    Args:
        base_channels: at side 32; a multiple of 8. 64 gives 5.9 million weights.

    Shapes: (B, 3, 64, 64) at times (B,) in [0, 1] -> (B, 3, 64, 64), the velocity.

    Raises:
        ValueError: for images of another size, or channels that are no multiple of 8.
    """

    def __init__(self, base_channels: int = 64):
        super().__init__()
        if base_channels % GROUPS:
            raise ValueError(f"base_channels must be a multiple of {GROUPS}, got {base_channels}")
        self.base_channels = base_channels
        widths = [base_channels * width for width in WIDTHS]
        self.embed = nn.Sequential(
            nn.Linear(EMBEDDING, EMBEDDING), nn.SiLU(), nn.Linear(EMBEDDING, EMBEDDING), nn.SiLU()
        )
        self.first = nn.Conv2d(12, widths[0], 3, padding=1)
        self.down = nn.ModuleList()
        self.up = nn.ModuleList()
        before = widths[0]
        for width in widths:
            self.down.append(ResidualBlock(before, width))
            # from the level below, and from the same level on the way down
            self.up.append(ResidualBlock(2 * width, before))
            before = width
        self.middle = nn.ModuleList([ResidualBlock(before, before), ResidualBlock(before, before)])
        self.attention = Attention(before)
        self.norm = nn.GroupNorm(GROUPS, widths[0])
        self.last = nn.Conv2d(widths[0], 12, 3, padding=1)
        set_to_zero(self.last)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """(B, 3, 64, 64) at times (B,) -> (B, 3, 64, 64), the velocity noise - image."""
        check_input(x, "the denoiser")
        embedded = self.embed(embed_time(t).to(x.dtype))  # (B, EMBEDDING)
        h = self.first(F.pixel_unshuffle(x, 2))  # (B, 12, 32, 32) -> (B, C, 32, 32)
        kept = []
        for level, block in enumerate(self.down):  # sides 32, 16, 8, 4
            h = block(F.avg_pool2d(h, 2) if level else h, embedded)
            kept.append(h)
        first, second = self.middle
        h = second(self.attention(first(h, embedded)), embedded)
        for level in reversed(range(len(self.up))):
            h = self.up[level](torch.cat([h, kept[level]], dim=1), embedded)
            if level:
                h = F.interpolate(h, scale_factor=2.0)
        return F.pixel_shuffle(self.last(F.silu(self.norm(h))), 2)


def sampling_times(steps: int = STEPS) -> list[float]:
    """Times of the sampler, steps + 1 of them, from 1 (noise) to 0 (image), evenly spaced."""
    return [1 - step / steps for step in range(steps)] + [0.0]


def split(x: Tensor, velocity: Tensor, t: float) -> tuple[Tensor, Tensor]:
    """What the model takes for the image and for the noise in x_t, both like `x`."""
    return x - t * velocity, x + (1 - t) * velocity


@torch.no_grad()
def sample(model: VelocityModel, noise: Tensor, steps: int = STEPS) -> Tensor:
    """Images from noise by Euler steps; the same noise gives the same image.

    Args:
        model: velocities.
        noise: (B, 3, 64, 64), standard normal.
        steps: evaluations of the model.

    Returns:
        (B, 3, 64, 64), clamped to [-1, 1].
    """
    return _solve(model, noise, steps)


def _solve(model: VelocityModel, noise: Tensor, steps: int) -> Tensor:
    """The probability-flow ODE dx/dt = velocity from t = 1 to 0, by Euler's method."""
    x, times = noise, sampling_times(steps)
    for t, after in zip(times[:-1], times[1:], strict=True):
        x = x + (after - t) * model(x, x.new_full((len(x),), t))
    return x.clamp(-1, 1)


class DDIMGenerator(nn.Module):
    """`sample` as a generator: its code is the noise, and the gradient runs through every step.

    Args:
        denoiser: velocities, such as a `Denoiser`.
        steps: evaluations of the denoiser a picture.

    Shapes: (B, 3 * 64 * 64) codes -> (B, 3, 64, 64) in [-1, 1].

    Raises:
        ValueError: for fewer than one step, or codes of another length.
    """

    def __init__(self, denoiser: nn.Module, steps: int = 5):
        super().__init__()
        if steps < 1:
            raise ValueError(f"steps must be at least 1, got {steps}")
        self.denoiser, self.steps = denoiser, steps

    def forward(self, z: Tensor) -> Tensor:
        """(B, 3 * 64 * 64) codes -> (B, 3, 64, 64) pictures in [-1, 1]."""
        if z.dim() != 2 or z.shape[1] != CODE_SIZE:
            raise ValueError(f"codes have shape (B, {CODE_SIZE}), got {tuple(z.shape)}")
        return _solve(self.denoiser, z.unflatten(1, (3, IMAGE_SIZE, IMAGE_SIZE)), self.steps)


def ddim_latent_model(denoiser: nn.Module, steps: int = 5) -> LatentModel:
    """A diffusion model as the paper's search sees it: the noise it starts from is the code.

    The deterministic sampler maps each noise to one picture (the probability-flow ODE, Song et al.
    2021), so the noise can be searched as a GAN's z is: `inpaint(..., settings=DIFFUSION)`, with
    the settings of that name from `inpainting`. `FullMatrixAdam` refuses codes of this length.

    The prior is a Gaussian in 12,288 dimensions. Almost all of it lies close to the sphere of
    radius sqrt(12,288), about 111, and each step of the search returns there: the counterpart of
    the paper's clipping. On the sphere -log p(z) is a constant, so the prior loss says nothing, and
    there is no D to say more.

    An evaluation of G(z) and its gradient are `steps` forward and backward passes of the denoiser;
    they keep about 8 MB each for a picture and a denoiser of 64 channels.

    Args:
        denoiser: velocities for (B, 3, 64, 64), such as a `Denoiser`; it is frozen.
        steps: evaluations of the denoiser a picture.

    Raises:
        ValueError: for fewer than one step.
    """
    model = normal_latent_model(DDIMGenerator(denoiser, steps), CODE_SIZE)
    return replace(model, project=project_to_sphere)


def draw_noise(count: int, seed: int, side: int = IMAGE_SIZE) -> Tensor:
    """(count, 3, side, side) standard normal, the same for the same seed."""
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(seed))
