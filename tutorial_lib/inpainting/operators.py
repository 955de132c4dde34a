"""Other measurements of an image than a mask: one search for many inverse problems.

Eq. 2 asks for a G(z) that agrees with what is known. Known may be the image through any linear
operator A: blurred, made smaller, without color, or as random sums of its pixels (Bora et al. 2017,
"Compressed sensing using generative models"; Menon et al. 2020, "PULSE", for small images). The
context loss becomes ||A G(z) - y||_1, each value of y with weight 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib.images import IMAGE_SIZE
from tutorial_lib.models.latent_model import LatentModel

# (B, 3, H, W) -> (B, ...), linear, in operations that autograd knows: its gradient is the adjoint.
Operator = Callable[[Tensor], Tensor]

LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601
TOLERANCE = 1e-3  # of the linearity, relative


def blur(sigma: float) -> Operator:
    """A Gaussian blur; what lies outside the image counts as mid-gray.

    Args:
        sigma: standard deviation in pixels.

    Raises:
        ValueError: for a sigma that is not positive.
    """
    if not 0 < sigma < math.inf:
        raise ValueError(f"sigma must be positive, got {sigma}")
    reach = math.ceil(3 * sigma)
    line = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma).square())
    line = line / line.sum()

    def apply(images: Tensor) -> Tensor:
        """(B, 3, H, W) -> the same."""
        row = line.to(images).expand(3, 1, 1, -1)  # one kernel a channel, (3, 1, 1, 2 reach + 1)
        rows = F.conv2d(images, row, padding=(0, reach), groups=3)
        return F.conv2d(rows, row.mT, padding=(reach, 0), groups=3)

    return apply


def downsample(factor: int) -> Operator:
    """Means of factor x factor pixels: the image of a coarser sensor.

    Args:
        factor: divides both sides of the image.

    Raises:
        ValueError: for a factor below 2; when applied, for sides that are no multiples of it.
    """
    if factor < 2:
        raise ValueError(f"factor must be at least 2, got {factor}")

    def apply(images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 3, H / factor, W / factor)."""
        if images.shape[-1] % factor or images.shape[-2] % factor:
            raise ValueError(
                f"{images.shape[-1]}x{images.shape[-2]} is no multiple of the factor {factor}"
            )
        return F.avg_pool2d(images, factor)

    return apply


def gray(images: Tensor) -> Tensor:
    """The luminance of an image, (B, 3, H, W) -> (B, 1, H, W): an operator itself."""
    weights = images.new_tensor(LUMINANCE).view(1, 3, 1, 1)
    return (weights * images).sum(1, keepdim=True)


def random_projections(count: int, seed: int = 0) -> Operator:
    """`count` random sums of all values, as in compressed sensing.

    Args:
        count: of the sums; their weights are normal with variance 1 / count.
        seed: of the weights.

    Raises:
        ValueError: for a count below 1.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    rng = torch.Generator().manual_seed(seed)
    matrix = torch.randn(3 * IMAGE_SIZE**2, count, generator=rng) / math.sqrt(count)

    def apply(images: Tensor) -> Tensor:
        """(B, 3, 64, 64) -> (B, count)."""
        return images.flatten(1) @ matrix.to(images)

    return apply


def masked(mask: Tensor) -> Operator:
    """The known pixels, 0 in the hole: the measurement of the other modules, without Eq. 3.

    Args:
        mask: (1, 1, H, W) or (B, 1, H, W), 1 = known.
    """
    return lambda images: images * mask.to(images)


def check_measurement(operator: Operator, measured: Tensor, model: LatentModel) -> None:
    """The validation of a search with an operator: tried on two images of the model.

    Args:
        operator: see `Operator`.
        measured: (B, ...), y.
        model: whose images are measured.

    Raises:
        ValueError: for an operator that is no function, that is not linear or that autograd cannot
            follow; for a y of another shape than the operator gives, or with values that are not
            finite.
    """
    if not callable(operator):
        raise ValueError(f"operator must be a function of images, got {type(operator).__name__}")
    if not isinstance(measured, Tensor) or not measured.is_floating_point() or measured.dim() < 2:
        raise ValueError("with an operator, images are what it measured: a float tensor (B, ...)")
    if not bool(measured.isfinite().all()):
        raise ValueError("what was measured must be finite: without NaN or infinity")
    rng = torch.Generator().manual_seed(0)
    z = model.sample_z(2, rng).to(model.device)
    with torch.no_grad():
        images = model.generator(z)  # (2, 3, H, W)
    a, b = images[:1].clone().requires_grad_(True), images[1:]
    with torch.enable_grad():
        of_a, of_b, of_both = operator(a), operator(b), operator(2 * a - 3 * b)
    if of_a.shape[1:] != measured.shape[1:]:
        raise ValueError(
            f"the operator gives (B, {', '.join(map(str, of_a.shape[1:]))}), "
            f"what was measured is {tuple(measured.shape)}"
        )
    error = (of_both - (2 * of_a - 3 * of_b)).abs().max()
    if not error <= TOLERANCE * (1 + of_both.abs().max()):
        raise ValueError("the operator is not linear: A(2 x - 3 y) is not 2 A(x) - 3 A(y)")
    if not of_a.requires_grad:
        raise ValueError("the operator breaks the gradient: use operations of torch, no detach")
