"""GANs and the latent search where everything can be drawn: z and G(z) are points of a plane.

The data are mixtures of Gaussians, so that their density is known. In the second half of the
notebook a point (x, y) is an image with two pixels: x is known, y is the hole.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from torch import Tensor, nn

from tutorial_lib.inpainting.latent_search import ADAM, SearchResult, SearchSettings, search
from tutorial_lib.inpainting.losses import context_loss, prior_loss
from tutorial_lib.models.latent_model import LatentModel, sample_uniform, uniform_latent_model
from tutorial_lib.teaching.plotting import COLORS, draw_path, new_figure
from tutorial_lib.teaching.widgets.frames import FrameSlider
from tutorial_lib.training.gan import adversarial_losses
from tutorial_lib.training.task import seeded_weights

Sampler = Callable[[int, torch.Generator], Tensor]

HIDDEN = 64  # units in each of the two hidden layers
RATE = 2e-3  # learning rate of Adam for G and for D
BATCH = 128
JUDGE_STEPS = 1500  # of `train_discriminator`
DRAWN = 5  # searches in the picture of `LamSlider`
MASK = torch.tensor([1.0, 0.0]).view(1, 1, 1, 2)  # pixel 0, x, is known; pixel 1, y, is the hole
WEIGHTS = MASK / 3  # the three channels are equal, so Eq. 4 becomes |G(z)_x - x|
SEARCH = replace(ADAM, learning_rate=0.05, steps=200)


# ---- data whose density is known -----------------------------------------------------------------


@dataclass(frozen=True)
class Mixture:
    """Gaussians of one width and equal weight.

    Attributes:
        centers: (K, 2), inside [-1, 1].
        width: the standard deviation along each axis.
    """

    centers: Tensor
    width: float

    def sample(self, count: int, rng: torch.Generator) -> Tensor:
        """(count, 2) points."""
        chosen = torch.randint(len(self.centers), (count,), generator=rng)
        return self.centers[chosen] + self.width * torch.randn(count, 2, generator=rng)

    def log_density(self, points: Tensor) -> Tensor:
        """(N, 2) points -> (N,) natural logarithms of the density."""
        squared = (points[:, None] - self.centers).square().sum(2)  # (N, K)
        scale = math.log(len(self.centers) * 2 * math.pi * self.width**2)
        return torch.logsumexp(-squared / (2 * self.width**2), 1) - scale

    def nearest(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 2) points -> (N,) distance to the nearest center, in widths, and (N,) its number."""
        distance, number = (points[:, None] - self.centers).norm(dim=2).min(1)
        return distance / self.width, number


def clusters() -> Mixture:
    """Eight clusters on a circle."""
    angle = torch.arange(8) * (2 * math.pi / 8)
    return Mixture(0.7 * torch.stack([angle.cos(), angle.sin()], 1), 0.06)


def curve() -> Mixture:
    """A C, three quarters of a circle, with a little noise: 400 centers, closer than it is wide."""
    angle = math.pi + torch.linspace(-0.75, 0.75, 400) * math.pi
    return Mixture(0.7 * torch.stack([angle.cos(), angle.sin()], 1), 0.05)


def on_data(points: Tensor, data: Mixture) -> Tensor:
    """(N, 2) points -> (N,) whether each lies within three widths of a center."""
    return data.nearest(points)[0] <= 3


def covered(points: Tensor, data: Mixture, least: float = 0.01) -> int:
    """How many centers have at least a fraction `least` of the points within three widths."""
    distance, number = data.nearest(points)
    counts = torch.bincount(number[distance <= 3], minlength=len(data.centers))
    return int((counts >= least * len(points)).sum())


# ---- the game ------------------------------------------------------------------------------------


class PointGenerator(nn.Module):
    """(B, 2) codes in [-1, 1] -> (B, 2) points in [-1, 1]."""

    def __init__(self):
        super().__init__()
        self.layers = _layers(2)

    def forward(self, z: Tensor) -> Tensor:
        """Make points from codes."""
        return self.layers(z).tanh()


class PointDiscriminator(nn.Module):
    """(B, 2) points -> (B,) logits."""

    def __init__(self):
        super().__init__()
        self.layers = _layers(1)

    def forward(self, points: Tensor) -> Tensor:
        """Judge points."""
        return self.layers(points)[:, 0]


def _layers(outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(2, HIDDEN),
        nn.LeakyReLU(0.2),
        nn.Linear(HIDDEN, HIDDEN),
        nn.LeakyReLU(0.2),
        nn.Linear(HIDDEN, outputs),
    )


@dataclass(frozen=True)
class Game:
    """A finished training run and what it looked like on the way.

    Attributes:
        generator: the average of G over the last hundred steps or so.
        discriminator: D as the game left it.
        steps: the S steps at which snapshots were taken, the first and the last included.
        snapshots: copies of (generator, discriminator), one pair a snapshot.
    """

    generator: PointGenerator
    discriminator: PointDiscriminator
    steps: list[int]
    snapshots: list[tuple[PointGenerator, PointDiscriminator]]


def play(
    data: Mixture,
    steps: int = 1500,
    seed: int = 0,
    generator_rate: float = RATE,
    discriminator_rate: float = RATE,
    snapshots: int = 13,
) -> Game:
    """Train G and D against each other (Eq. 1, with -log D for G).

    Adam's rates stay constant for half of the steps and then fall linearly to zero.

    Args:
        data: where the real points come from.
        steps: of D and of G, one each.
        seed: of the networks, the data and the codes.
        generator_rate: learning rate of G.
        discriminator_rate: learning rate of D.
        snapshots: how many to keep; denser at the start, where most happens.
    """
    rng = torch.Generator().manual_seed(seed)
    with seeded_weights(seed):
        generator, discriminator = PointGenerator(), PointDiscriminator()
    average = copy.deepcopy(generator)
    rates = (generator_rate, discriminator_rate)
    optimizers = [_adam(generator, rates[0]), _adam(discriminator, rates[1])]
    kept_steps = sorted({round(steps * (k / (snapshots - 1)) ** 2) for k in range(snapshots)})
    kept = []
    for step in range(steps + 1):
        if step in kept_steps:
            kept.append((copy.deepcopy(average), copy.deepcopy(discriminator)))
        if step == steps:
            break
        for optimizer, rate in zip(optimizers, rates, strict=True):
            optimizer.param_groups[0]["lr"] = rate * min(1.0, 2 * (1 - step / steps))

        with torch.no_grad():
            fake = generator(sample_uniform(BATCH, rng, 2))
        logits = discriminator(torch.cat([data.sample(BATCH, rng), fake]))
        loss, _ = adversarial_losses("non-saturating", *logits.chunk(2))
        _update(optimizers[1], loss)

        logits = discriminator(generator(sample_uniform(BATCH, rng, 2)))
        _, loss = adversarial_losses("non-saturating", logits, logits)
        _update(optimizers[0], loss)
        with torch.no_grad():
            torch._foreach_lerp_(list(average.parameters()), list(generator.parameters()), 0.01)
    return Game(average, discriminator, kept_steps, kept)


def train_discriminator(real: Sampler, fake: Sampler) -> PointDiscriminator:
    """A new D, trained to tell two fixed distributions apart.

    1,500 steps of Adam with four times the game's batch; the rate falls linearly to zero.

    Args:
        real: (count, torch.Generator) -> (count, 2) points.
        fake: the same for the other distribution.
    """
    rng = torch.Generator().manual_seed(0)
    with seeded_weights(0):
        discriminator = PointDiscriminator()
    optimizer = _adam(discriminator, RATE)
    for step in range(JUDGE_STEPS):
        optimizer.param_groups[0]["lr"] = RATE * (1 - step / JUDGE_STEPS)
        with torch.no_grad():
            both = torch.cat([real(4 * BATCH, rng), fake(4 * BATCH, rng)])
        loss, _ = adversarial_losses("non-saturating", *discriminator(both).chunk(2))
        _update(optimizer, loss)
    return discriminator


def samples(generator: nn.Module, count: int, rng: torch.Generator) -> Tensor:
    """(count, 2) points G(z), z uniform on the box."""
    with torch.no_grad():
        return generator(sample_uniform(count, rng, 2))


def logit_gradient(discriminator: nn.Module, points: Tensor) -> Tensor:
    """(N, 2) points -> (N, 2) gradients of D's logit: where D would push each point."""
    points = points.detach().clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(discriminator(points).sum(), points)
    return gradient


def optimal_logit(real: Mixture, fake: Mixture, points: Tensor) -> Tensor:
    """(N,) logits of the best possible D: log p_real - log p_fake (Goodfellow et al. 2014)."""
    return real.log_density(points) - fake.log_density(points)


def _adam(network: nn.Module, rate: float) -> torch.optim.Optimizer:
    return torch.optim.Adam(network.parameters(), rate, (0.5, 0.99), fused=True)


def _update(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    parameters = optimizer.param_groups[0]["params"]
    for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        parameter.grad = gradient
    optimizer.step()


# ---- the paper in miniature: a point is an image with two pixels ---------------------------------


def as_images(points: Tensor) -> Tensor:
    """(B, 2) points -> (B, 3, 1, 2) images with three equal channels."""
    return points[:, None, None, :].expand(-1, 3, -1, -1)


def as_points(images: Tensor) -> Tensor:
    """(B, 3, 1, 2) images -> (B, 2) points, from their first channel."""
    return images[:, 0, 0]


class _Pictured(nn.Module):
    """A network of points as one of images: `before`, the network, `after`."""

    def __init__(self, network: nn.Module, before: Callable, after: Callable):
        super().__init__()
        self.network, self.before, self.after = network, before, after

    def forward(self, values: Tensor) -> Tensor:
        return self.after(self.network(self.before(values)))


def plane_model(generator: nn.Module, discriminator: nn.Module) -> LatentModel:
    """G and D of the plane as the search wants them; copies, frozen."""
    generator, discriminator = copy.deepcopy(generator), copy.deepcopy(discriminator)
    return uniform_latent_model(
        _Pictured(generator, lambda z: z, as_images),
        _Pictured(discriminator, as_points, lambda logits: logits),
        z_dim=2,
    )


def known_images(x: float | Tensor, count: int = 1) -> Tensor:
    """(count, 3, 1, 2) images whose pixel 0 is x and whose pixel 1 is missing: NaN."""
    x = torch.as_tensor(x, dtype=torch.float32).expand(count)
    return as_images(torch.stack([x, torch.full_like(x, math.nan)], 1))


def find(
    model: LatentModel,
    x: float | Tensor,
    z0: Tensor,
    lam: float | Tensor = 0.0,
    settings: SearchSettings = SEARCH,
) -> SearchResult:
    """The library's `search` (Eq. 2) for points whose first coordinate is known.

    Args:
        model: from `plane_model`.
        x: the known coordinate, one for all rows or (B,), in [-1, 1].
        z0: (B, 2) initial z.
        lam: weight of the prior loss.
        settings: of the search.
    """
    images, weights = known_images(x, len(z0)), WEIGHTS.expand(len(z0), -1, -1, -1)
    return search(
        images,
        MASK,
        model,
        z0,
        settings,
        lam=lam,
        weights=weights,
        path_points=60,
        progress=False,
    )


@dataclass(frozen=True)
class Landscape:
    """Losses over a grid of z.

    Attributes:
        axis: (S,) values of each coordinate of z.
        points: (S, S, 2), G(z); row i, column j belongs to z = (axis[j], axis[i]).
        context: (S, S), Eq. 4.
        prior: (S, S), Eq. 5 with lambda = 1.
        logits: (S, S), of D for G(z).
    """

    axis: Tensor
    points: Tensor
    context: Tensor
    prior: Tensor
    logits: Tensor

    def total(self, lam: float) -> Tensor:
        """(S, S), what the search minimizes (Eq. 2)."""
        return self.context + lam * self.prior


def landscape(
    model: LatentModel, x: float, side: int = 101, reach: float = 1.0, form: str = "saturating"
) -> Landscape:
    """Both losses on a grid of side x side codes that spans [-reach, reach]^2."""
    axis = torch.linspace(-reach, reach, side)
    with torch.no_grad():
        images = model.generator(grid(axis))
        logits = discriminator_of(model)(images)
        weights = WEIGHTS.expand(len(images), -1, -1, -1)
        context = context_loss(images, known_images(x, len(images)), weights)
        prior = prior_loss(logits, 1.0, form)
    square = (side, side)
    points = as_points(images).view(side, side, 2)
    return Landscape(axis, points, context.view(square), prior.view(square), logits.view(square))


def grid(axis: Tensor) -> Tensor:
    """(S * S, 2) points of a square grid, row by row from the bottom."""
    return torch.cartesian_prod(axis, axis).flip(1)


def discriminator_of(model: LatentModel) -> nn.Module:
    """The model's D.

    Raises:
        ValueError: when it has none.
    """
    if model.discriminator is None:
        raise ValueError("this model has no discriminator")
    return model.discriminator


# ---- figures -------------------------------------------------------------------------------------

REAL, MADE = "0.15", COLORS[0]
PATHS = (COLORS[1], COLORS[5], COLORS[4], COLORS[3], COLORS[2])
GRID_COLORS = ((COLORS[0], COLORS[5]), ("#7A2E00", COLORS[4]))  # of lines along z_2 and z_1


def show_data(sets: dict[str, Mixture], count: int = 1500) -> Figure:
    """Points of each data set over its density."""
    alt = f"Data sets in the plane, points over their density: {', '.join(sets)}."
    figure, axes = new_figure(alt, 1, len(sets), (4.2 * len(sets), 3.9))
    axis = torch.linspace(-1, 1, 121)
    for ax, (name, data) in zip(axes[0], sets.items(), strict=True):
        density = data.log_density(grid(axis)).exp().view(121, 121).numpy()
        ax.imshow(density, extent=(-1, 1, -1, 1), origin="lower", cmap="Purples")
        points = data.sample(count, torch.Generator().manual_seed(0)).numpy()
        ax.plot(*points.T, ".", color=REAL, markersize=1.5)
        _square(ax, name)
    return figure


def show_game(game: Game, data: Mixture, snapshots: Sequence[int] = (0, 4, 7, 12)) -> Figure:
    """Some snapshots of a game side by side: the static form of `GameSlider`."""
    alt = (
        "Snapshots of a GAN in training, left to right. Blue points of G start in a clump and "
        "spread over the gray data; the background is D's logit, arrows are its gradient."
    )
    figure, axes = new_figure(alt, 1, len(snapshots), (3.4 * len(snapshots) + 0.6, 3.7))
    for ax, number in zip(axes[0], snapshots, strict=True):
        field = _draw_game(ax, game, data, number)
        ax.set_title(f"after {game.steps[number]} steps")
    for ax in axes[0, 1:]:
        ax.set(ylabel="", yticklabels=[])
    figure.colorbar(field, ax=axes[0].tolist(), label="D's logit (above 0: real)", shrink=0.85)
    return figure


class GameSlider(FrameSlider):
    """A training run under a slider for the step, drawn beforehand."""

    def __init__(self, game: Game, data: Mixture):
        frames, captions = [], []
        for number, (step, (generator, _)) in enumerate(
            zip(game.steps, game.snapshots, strict=True)
        ):
            figure, axes = new_figure("", size=(4.8, 4.2))
            field = _draw_game(axes[0, 0], game, data, number)
            figure.colorbar(field, ax=axes[0, 0], label="D's logit (above 0: real)")
            frames.append(_pixels(figure))
            made = samples(generator, 1000, torch.Generator().manual_seed(0))
            fraction = on_data(made, data).float().mean()
            captions.append(f"after {step} steps: {fraction:.0%} of G's points lie on the data")
        super().__init__(frames, [str(step) for step in game.steps], "step", captions, play=True)
        self.slider.add_class("game-slider")
        self.image.add_class("game-image")


def _draw_game(ax, game: Game, data: Mixture, number: int):
    generator, discriminator = game.snapshots[number]
    with torch.no_grad():
        logits = discriminator(grid(torch.linspace(-1, 1, 61))).view(61, 61).numpy()
    limits = {"vmin": -2, "vmax": 2, "cmap": "PuOr"}
    field = ax.imshow(
        logits, extent=(-1, 1, -1, 1), origin="lower", interpolation="bilinear", **limits
    )
    places = grid(torch.linspace(-0.9, 0.9, 10))
    arrows = logit_gradient(discriminator, places)
    arrows = arrows / arrows.norm(dim=1, keepdim=True).clamp(min=1.0)  # long ones are shortened
    look = {"color": "0.25", "scale": 14, "width": 0.005, "headwidth": 4, "headlength": 5}
    ax.quiver(*places.numpy().T, *arrows.numpy().T, **look)
    rng = torch.Generator().manual_seed(1)
    ax.plot(*data.sample(400, rng).numpy().T, ".", color="0.45", markersize=2)
    ax.plot(*samples(generator, 400, rng).numpy().T, ".", color=MADE, markersize=3.5)
    _square(ax)
    return field


def show_manifold(generator: nn.Module, data: Mixture, lines: int = 25) -> Figure:
    """A grid of z and its image under G, in the same colors."""
    alt = (
        "Left: a square grid of z, colored by position. Right: the same grid after G, bent and "
        "folded over the data; a few lines cross the gaps where there are no data."
    )
    figure, axes = new_figure(alt, 1, 2, (8.2, 4.0))
    axis, fine = torch.linspace(-1, 1, lines), torch.linspace(-1, 1, 201)
    real = data.sample(1200, torch.Generator().manual_seed(0)).numpy()
    axes[0, 1].plot(*real.T, ".", color="0.75", markersize=2, zorder=0)
    shades = [LinearSegmentedColormap.from_list("", pair) for pair in GRID_COLORS]
    for value in axis:
        constant = torch.full_like(fine, float(value))
        for shade, parts in zip(shades, ([constant, fine], [fine, constant]), strict=True):
            line, color = torch.stack(parts, 1), shade(float(value + 1) / 2)
            with torch.no_grad():
                image = generator(line).numpy()
            axes[0, 0].plot(*line.numpy().T, color=color, linewidth=0.8)
            axes[0, 1].plot(*image.T, color=color, linewidth=0.8)
    _square(axes[0, 0], "the box of z", ("$z_1$", "$z_2$"))
    _square(axes[0, 1], "its image, G(z)")
    return figure


def show_samples(generators: dict[str, nn.Module], data: Mixture) -> Figure:
    """Points of several generators over the data, with the number of clusters each covers."""
    alt = f"Points (blue) of several generators over the data (gray): {', '.join(generators)}."
    figure, axes = new_figure(alt, 1, len(generators), (3.2 * len(generators), 3.6))
    for ax, (name, generator) in zip(axes[0], generators.items(), strict=True):
        made = samples(generator, 2000, torch.Generator().manual_seed(0))
        real = data.sample(800, torch.Generator().manual_seed(1))
        ax.plot(*real.numpy().T, ".", color="0.75", markersize=2)
        ax.plot(*made[:600].numpy().T, ".", color=MADE, markersize=2.5)
        _square(ax, f"{name}\n{covered(made, data)} of {len(data.centers)} clusters")
        ax.label_outer()
    return figure


def show_search(
    land: Landscape, data: Mixture, x: float, *results: SearchResult, lam: float = 0.0
) -> Figure:
    """Paths of searches over the landscape of the loss, and where they end in the plane.

    One result has a color for each row, several have one color each.
    """
    count = sum(len(result.z) for result in results)
    alt = (
        f"Left: the loss over z, dark valleys, and {count} paths from circle to star. Right: the "
        f"data (gray), a dashed line where x = {x:g}, and a star at each G(z_hat)."
    )
    figure, axes = new_figure(alt, 1, 2, (9.2, 4.2))
    _draw_search(figure, axes[0], land, data, x, results, lam)
    return figure


class LamSlider(FrameSlider):
    """The landscape of the total loss and what the search finds in it, under a slider for lambda.

    Args:
        model: from `plane_model`.
        data: to show.
        x: the known coordinate.
        z0: (B, 2) initial z, the same for each lambda.
        lams: at least one value.

    The first `DRAWN` searches are drawn; all count in the caption.

    Attributes:
        completions: {lambda: (B, 2) points G(z_hat)}.
    """

    def __init__(
        self,
        model: LatentModel,
        data: Mixture,
        x: float,
        z0: Tensor,
        lams: Sequence[float],
    ):
        land = landscape(model, x)
        frames, captions = [], []
        self.completions = {}
        for lam in lams:
            result = find(model, x, z0, lam)
            ends = self.completions[lam] = as_points(result.generated)
            figure, axes = new_figure("", 1, 2, (9.2, 4.2))
            _draw_search(figure, axes[0], land, data, x, [result], lam, DRAWN)
            frames.append(_pixels(figure))
            captions.append(
                f"lambda {lam:g}: {on_data(ends, data).float().mean():.0%} of the solutions lie on "
                f"the data; their x is off by {(ends[:, 0] - x).abs().mean():.2f} on average"
            )
        super().__init__(frames, [f"{lam:g}" for lam in lams], "lambda", captions)
        self.slider.add_class("plane-lambda-slider")
        self.image.add_class("plane-lambda-image")


def _draw_search(
    figure: Figure,
    axes,
    land: Landscape,
    data: Mixture,
    x: float,
    results: Sequence[SearchResult],
    lam: float,
    drawn: int | None = None,
) -> None:
    codes, plane = axes
    total, reach = land.total(lam).numpy(), float(land.axis[-1])
    span = (-reach, reach, -reach, reach)
    shown = codes.imshow(total, extent=span, origin="lower", cmap="gray")
    figure.colorbar(shown, ax=codes, label="context loss" if lam == 0 else "total loss")
    if reach > 1:
        codes.plot([-1, 1, 1, -1, -1], [-1, -1, 1, 1, -1], color="white", linewidth=1.5)
    plane.axvline(x, color=COLORS[6], linewidth=1, linestyle="--", label=f"known x = {x:g}")
    real = data.sample(1200, torch.Generator().manual_seed(0)).numpy()
    plane.plot(*real.T, ".", color="0.75", markersize=2)
    paths = np.concatenate([result.path.numpy() for result in results], 1)  # (K, rows, 2)
    ends = torch.cat([as_points(result.generated) for result in results]).numpy()
    owner = [number for number, result in enumerate(results) for _ in result.z]
    for row, end in enumerate(ends[:drawn]):
        color = PATHS[(owner[row] if len(results) > 1 else row) % len(PATHS)]
        draw_path(codes, paths[:, row], color)
        plane.plot(*end, "*", color=color, markersize=17, markeredgecolor="0.2")
    _square(codes, f"the loss over z, $\\lambda$ = {lam:g}", ("$z_1$", "$z_2$"), reach)
    _square(plane, "where the searches end, G(z)")
    plane.legend(loc="upper right", fontsize=8)


def show_maps(
    maps: dict[str, Tensor],
    alt: str,
    label: str,
    limits: tuple[float, float],
    names: tuple[str, str] = ("$z_1$", "$z_2$"),
) -> Figure:
    """Maps (S, S) over z or over the plane, both [-1, 1]^2, on one color scale.

    Args:
        maps: title -> values; row 0 is at the bottom.
        alt: what is to be seen, in words.
        label: of the color scale.
        limits: of the color scale.
        names: of the axes.
    """
    figure, axes = new_figure(alt, 1, len(maps), (3.7 * len(maps) + 0.8, 3.8))
    cmap = "PuOr" if limits[0] < 0 < limits[1] else "gray"
    span, scale = (-1, 1, -1, 1), {"vmin": limits[0], "vmax": limits[1]}
    for ax, (title, values) in zip(axes[0], maps.items(), strict=True):
        shown = ax.imshow(values.numpy(), extent=span, origin="lower", cmap=cmap, **scale)
        _square(ax, title, names)
    figure.colorbar(shown, ax=axes[0].tolist(), label=label, shrink=0.85)
    return figure


def _square(ax, title: str = "", names: tuple[str, str] = ("x", "y"), reach: float = 1.0) -> None:
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", title=title)
    ax.set(xlabel=names[0], ylabel=names[1])
    ticks = [-reach, 0, reach]
    ax.set(xticks=ticks, yticks=ticks)


def _pixels(figure: Figure) -> np.ndarray:
    """A figure as uint8 (H, W, 3)."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
