"""The paper's framework (Fig. 3a) with real pictures: one step of the search, and its gradients.

Notebook 05 draws it. Solid arrows say what is computed from what, dashed ones how the gradient of
both losses comes back: through D, through G, to z.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Polygon
from torch import Tensor

from tutorial_lib.images import to_uint8
from tutorial_lib.inpainting.importance import window_weights
from tutorial_lib.inpainting.losses import context_loss, prior_loss
from tutorial_lib.masks import HOLE_GRAY, check_batch, corrupt
from tutorial_lib.models.latent_model import LatentModel
from tutorial_lib.teaching.plotting import COLORS, DescribedFigure, colored, exact_figure

FORWARD, BACKWARD = "0.15", COLORS[1]
WIDTH, HEIGHT, SIDE = 1330, 730, 192  # pixels of the figure, and of a picture in it


@dataclass(frozen=True)
class LossGradients:
    """One step of the search for one picture, before z moves.

    Attributes:
        generated: (1, 3, H, W), G(z).
        weights: (1, 1, H, W), W (Eq. 3).
        context: the context loss (Eq. 4).
        prior: the prior loss (Eq. 5).
        from_context: (1, 3, H, W), gradient of the context loss with respect to the pixels of G(z).
        from_prior: (1, 3, H, W), gradient of the prior loss, back through D.
        at_z: (1, z_dim), gradient of their sum with respect to z: both, back through G.
    """

    generated: Tensor
    weights: Tensor
    context: float
    prior: float
    from_context: Tensor
    from_prior: Tensor
    at_z: Tensor


@torch.enable_grad()
def loss_gradients(
    gan: LatentModel, image: Tensor, mask: Tensor, z: Tensor, lam: float = 0.003, window: int = 7
) -> LossGradients:
    """The losses of Eq. 2 at z, and where their gradients pass on the way to z.

    Args:
        gan: generator and discriminator.
        image: (1, 3, H, W) in [-1, 1]; its hole pixels are never read.
        mask: (1, 1, H, W), 1 = known.
        z: (1, z_dim).
        lam: weight of the prior loss.
        window: of Eq. 3.

    Raises:
        ValueError: for an invalid picture or mask, or a model without a discriminator.
    """
    image, mask = check_batch(image, mask)
    if gan.discriminator is None:
        raise ValueError("the framework needs a discriminator, and this model has none")
    weights = window_weights(mask, window).to(gan.device)
    z = z.detach().clone().requires_grad_(True)
    generated = gan.generator(z)  # (1, 3, H, W)
    pixels = generated.detach().clone().requires_grad_(True)
    context = context_loss(pixels, image.to(gan.device), weights).sum()
    prior = prior_loss(gan.discriminator(pixels), lam).sum()
    (from_context,) = torch.autograd.grad(context, pixels)
    (from_prior,) = torch.autograd.grad(prior, pixels)
    (at_z,) = torch.autograd.grad(generated, z, from_context + from_prior)
    return LossGradients(
        generated.detach(),
        weights,
        context.item(),
        prior.item(),
        from_context,
        from_prior,
        at_z,
    )


def signed_picture(values: Tensor) -> Tensor:
    """(1, 3, H, W) of any range as a picture: 0 is gray, and the largest size is -1 or 1."""
    largest = values.abs().max()
    return values / largest if largest > 0 else values


def draw_framework(
    gan: LatentModel, image: Tensor, mask: Tensor, z: Tensor, lam: float = 0.003, window: int = 7
) -> Figure:
    """The framework at one z: what is computed from what, and the gradient's way back to z.

    The arguments are those of `loss_gradients`.
    """
    step = loss_gradients(gan, image, mask, z, lam, window)
    image, mask = check_batch(image, mask)
    shown, weights = step.generated.cpu(), step.weights.cpu()
    difference = (weights * (shown - image)).abs().mean(1)[0]  # (H, W)
    figure, ax = _canvas(
        "Diagram with pictures. Forward, solid: z goes through G to the picture G(z). G(z) is "
        "compared with the photo y, weighted by W: the context loss. D judges G(z): the prior "
        "loss. Backward, dashed: the gradient of the context loss reaches the pixels of G(z) "
        "around the hole; that of the prior loss passes through D and reaches all pixels; both go "
        "back through G to z, the only thing that moves."
    )
    code = z.detach().cpu().flatten()
    code = code[: int(len(code) ** 0.5) ** 2].reshape(int(len(code) ** 0.5), -1)
    top, middle, bottom = 594, 366, 126
    _picture(ax, colored((code + 1) / 2, 1, "PuOr"), 75, middle, "z", 110)
    _picture(ax, to_uint8(shown)[0], 456, middle, "G(z)")
    _picture(ax, to_uint8(signed_picture(-step.from_prior.cpu()))[0], 456, top, "", SIDE, BACKWARD)
    _picture(
        ax, to_uint8(signed_picture(-step.from_context.cpu()))[0], 456, bottom, "", SIDE, BACKWARD
    )
    _picture(
        ax, colored(difference / max(difference.max().item(), 1e-9), 1), 790, middle, "W |G(z) - y|"
    )
    _picture(ax, to_uint8(corrupt(image, mask, HOLE_GRAY))[0], 790, bottom, "y: what is known")
    _picture(ax, colored(weights[0, 0] / weights.max(), 1), 1010, bottom, "W (Eq. 3)")
    _network(ax, "G", 250, middle, widens=True)
    _network(ax, "D", 790, top, widens=False)
    _box(ax, f"prior loss (Eq. 5)\n$\\lambda$ log(1 - D) = {step.prior:.4f}", 1090, top)
    _box(ax, f"context loss (Eq. 4)\nsum = {step.context:.1f}", 1090, middle)
    ax.add_patch(Circle((1275, 480), 26, facecolor="white", edgecolor="0.35"))
    ax.text(1275, 480, "sum\nEq. 2", ha="center", va="center", fontsize=11)
    for start, end in (
        ((134, middle + 14), (205, middle + 14)),  # z -> G
        ((295, middle + 14), (356, middle + 14)),  # G -> G(z)
        ((556, middle + 14), (690, middle + 14)),  # G(z) -> difference
        ((556, middle + 70), (742, top - 22)),  # G(z) -> D
        ((838, top + 14), (985, top + 14)),  # D -> prior loss
        ((890, middle + 14), (985, middle + 14)),  # difference -> context loss
        ((1212, top - 22), (1262, 505)),  # prior loss -> sum
        ((1212, middle + 22), (1262, 455)),  # context loss -> sum
        ((790, bottom + SIDE // 2 + 3), (790, middle - SIDE // 2 - 24)),  # y -> difference
        ((965, bottom + SIDE // 2 + 3), (880, middle - SIDE // 2 - 4)),  # W -> difference
    ):
        _arrow(ax, start, end, FORWARD)
    for start, end in (
        ((1248, 497), (1180, top - 40)),  # sum -> prior loss
        ((1248, 463), (1180, middle + 40)),  # sum -> context loss
        ((985, top - 14), (838, top - 14)),  # prior loss -> D
        ((742, top + 8), (558, top + 8)),  # D -> its gradient
        ((456, top - SIDE // 2 - 3), (456, middle + SIDE // 2 + 4)),  # -> G(z)
        ((985, middle - 14), (890, middle - 14)),  # context loss -> difference
        ((690, middle - 40), (558, bottom + 40)),  # difference -> its gradient
        ((456, bottom + SIDE // 2 + 3), (456, middle - SIDE // 2 - 24)),  # -> G(z)
        ((356, middle - 14), (295, middle - 14)),  # G(z) -> G
        ((205, middle - 14), (134, middle - 14)),  # G -> z
    ):
        _arrow(ax, start, end, BACKWARD, linestyle="--")
    for text, x, y in (
        ("what D asks\nG(z) to change", 350, top),
        ("what y asks\nG(z) to change", 350, bottom),
        ("back\nthrough G", 250, middle - 88),
        ("only z\nmoves", 75, middle - 100),
    ):
        right = "right" if x == 350 else "center"
        ax.text(x, y, text, color=BACKWARD, ha=right, va="center", fontsize=12)
    ax.plot([30, 80], [690, 690], color=FORWARD, linewidth=2)
    ax.text(90, 690, "forward", va="center", fontsize=12)
    ax.plot([30, 80], [662, 662], "--", color=BACKWARD, linewidth=2)
    ax.text(90, 662, "backward: the gradient", va="center", fontsize=12, color=BACKWARD)
    return figure


def _canvas(alt: str) -> tuple[DescribedFigure, Axes]:
    """A figure with one axes whose unit is a pixel, counted from the lower left."""
    figure = exact_figure(alt, WIDTH, HEIGHT)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.axis("off")
    ax.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))
    return figure, ax


def _picture(
    ax: Axes,
    pixels: np.ndarray,
    x: int,
    y: int,
    label: str,
    side: int = SIDE,
    frame: str | None = None,
) -> None:
    """A picture (H, W, 3) around (x, y), `side` wide, its label below."""
    left, low = x - side // 2, y - side // 2
    ax.imshow(
        pixels, extent=(left, left + side, low, low + side), interpolation="nearest", aspect="auto"
    )
    ax.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))
    if frame:
        edges = [(left, low), (left + side, low), (left + side, low + side), (left, low + side)]
        ax.add_patch(Polygon(edges, fill=False, edgecolor=frame, linewidth=2, linestyle="--"))
    ax.text(x, low - 5, label, ha="center", va="top", fontsize=12)


def _network(ax: Axes, name: str, x: int, y: int, widens: bool) -> None:
    """A frozen network: a trapezoid that opens to the right, or to the left."""
    left, right = (26, 58) if widens else (58, 26)
    edges = [(x - 42, y - left), (x + 42, y - right), (x + 42, y + right), (x - 42, y + left)]
    ax.add_patch(Polygon(edges, facecolor="0.9", edgecolor="0.35", linewidth=1.5))
    ax.text(x, y, f"{name}\nfrozen", ha="center", va="center", fontsize=12)


def _box(ax: Axes, text: str, x: int, y: int) -> None:
    ax.add_patch(
        FancyBboxPatch(
            (x - 98, y - 34), 216, 68, boxstyle="round,pad=4", facecolor="white", edgecolor="0.35"
        )
    )
    ax.text(x + 10, y, text, ha="center", va="center", fontsize=12)


def _arrow(
    ax: Axes, start: tuple[int, int], end: tuple[int, int], color: str, linestyle: str = "-"
) -> None:
    ax.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=16,
            linewidth=2,
            color=color,
            linestyle=linestyle,
            shrinkA=0,
            shrinkB=0,
        )
    )
