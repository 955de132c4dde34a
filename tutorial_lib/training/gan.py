"""Eq. 1 as one training step: D learns to tell, G learns to be believed.

Notebook 03 writes it out and calls this.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib.device import upcast
from tutorial_lib.models.dcgan import (
    NORMS,
    Discriminator,
    Generator,
    convolutions,
    plain_discriminator,
)
from tutorial_lib.models.latent_model import LatentModel, sample_uniform, uniform_latent_model
from tutorial_lib.training.augment import KINDS, augment, junk_like
from tutorial_lib.training.task import Task, average_into, check_settings, frozen, seeded_weights

PREVIEW_COUNT = 64
STATISTICS_BATCHES, STATISTICS_BATCH = 16, 128
POWER_ITERATIONS = 50
ABOUT_1 = 0.2  # D's written-out singular values are within 0.07 of 1


LOSSES = ("non-saturating", "hinge", "relativistic")


def adversarial_losses(kind: str, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """What D minimizes and what G minimizes, each a mean over the batch.

    Args:
        kind: "non-saturating", Eq. 1 with -log D for G (Goodfellow et al. 2014: same fixed point, a
            usable gradient where G fails); "hinge" (Lim and Ye 2017; Miyato et al. 2018);
            "relativistic", a real picture against a generated one (Jolicoeur-Martineau 2018, as
            paired in Huang et al. 2025).
        real: (B,) logits of D for real images.
        fake: (B,) logits of D for generated ones.

    Returns:
        (loss of D, loss of G), scalars.

    Raises:
        ValueError: for an unknown kind.
    """
    if kind == "non-saturating":
        return F.softplus(-real).mean() + F.softplus(fake).mean(), F.softplus(-fake).mean()
    if kind == "hinge":
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean(), -fake.mean()
    if kind == "relativistic":
        return F.softplus(fake - real).mean(), F.softplus(real - fake).mean()
    raise ValueError(f"loss must be one of {LOSSES}, got {kind!r}")


@dataclass(frozen=True)
class GANSettings:
    """How a DCGAN is trained. The defaults are the recipe of the paper and of Radford et al. 2016.

    Attributes:
        base_channels: size of G, see `Generator`; 128 is the paper's.
        discriminator_channels: size of D, None for the same as G (the paper's mirror).
        norm: D's normalization, see `Discriminator`.
        gain: factor of D's logit, for a D with spectral norm.
        learning_rate, beta1: Adam's (Radford et al. 2016: 2e-4 and 0.5).
        discriminator_rate: D's learning rate as a multiple of G's (Heusel et al. 2017: D may need
            to learn faster).
        loss: one of `LOSSES`, see `adversarial_losses`; "non-saturating" is the paper's.
        flips: mirror training pictures at random (paper section 3.4).
        augment: differentiable augmentations of D's input, see `training.augment`.
        ema: decay of the average of G's weights that is shipped; 0 ships the last weights.
        r1: gamma of the R1 penalty (Mescheder et al. 2018), applied every `r1_every` steps; 0 for
            none.
        junk: share of the batch, between 0 and 1, that D also gets as certain fakes (noise,
            shuffled pixels, shuffled tiles), so that it can serve as a prior; 0 for none.
        precision: "float32", or "bfloat16" where the device is faster in it.
    """

    base_channels: int = 128
    discriminator_channels: int | None = None
    norm: str = "batch"
    gain: float = 1.0
    learning_rate: float = 2e-4
    beta1: float = 0.5
    discriminator_rate: float = 1.0
    loss: str = "non-saturating"
    flips: bool = True
    augment: tuple[str, ...] = ()
    ema: float = 0.0
    r1: float = 0.0
    r1_every: int = 16
    junk: float = 0.0
    precision: str = "float32"

    def __post_init__(self):
        sizes = ("base_channels", "discriminator_channels", "r1_every")
        check_settings(
            self,
            positive=(*sizes, "learning_rate", "discriminator_rate", "gain"),
            not_negative=("r1",),
            fraction=("junk",),
            decay=("beta1", "ema"),
            choice={"norm": NORMS, "loss": LOSSES},
        )
        if self.gain != 1 and self.norm != "spectral":  # the other layers find their scale alone
            raise ValueError(f"gain is for a D with spectral norm, not {self.norm!r}")
        unknown = [kind for kind in self.augment if kind not in KINDS]
        if unknown:
            raise ValueError(f"unknown augmentation {unknown[0]!r}: choose from {KINDS}")


class GANTask(Task):
    """G, D and their optimizers; `step` is one update of each on a batch of real pictures.

    Args:
        settings: see `GANSettings`.
        device: where to train.
        seed: of the initial weights and of the preview codes.
    """

    kind = "dcgan"
    settings: GANSettings

    def __init__(
        self,
        settings: GANSettings = GANSettings(),
        device: torch.device | str = "cpu",
        seed: int = 0,
    ):
        super().__init__(settings, device)
        with seeded_weights(seed):
            generator = Generator(settings.base_channels)
            discriminator = Discriminator(
                settings.discriminator_channels or settings.base_channels,
                settings.norm,
                settings.gain,
            )
        self.generator = self.placed(generator)
        self.discriminator = self.placed(discriminator)
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self.modules = {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "average": self.average,
        }
        self.optimizers = {
            name: torch.optim.Adam(
                self.modules[name].parameters(),
                settings.learning_rate * rate,
                (settings.beta1, 0.999),
            )
            for name, rate in (("generator", 1.0), ("discriminator", settings.discriminator_rate))
        }
        self.preview_z = sample_uniform(PREVIEW_COUNT, torch.Generator().manual_seed(seed)).to(
            self.device
        )

    @torch.no_grad()
    def start_from(self, model: LatentModel) -> None:
        """Begin with a trained pair instead of random weights; the optimizers begin anew.

        With spectral norm a gain other than 1 holds from here on, whatever it was before.

        Args:
            model: a DCGAN of the same sizes, such as `load_gan` returns: G, and D with its
                normalization written out.

        Raises:
            ValueError: for other sizes, no D, a D that has or had batch norm, or weights that
                spectral norm would rescale.
        """
        if model.discriminator is None:
            raise ValueError("a model without D, such as a VAE, is no beginning: take a DCGAN")
        name, spectral = model.card.get("name", ""), self.settings.norm == "spectral"
        if getattr(model.discriminator, "norm", None) == "batch":
            raise ValueError(
                f"the D of the weights {name} has batch norm, which cannot be gone on with: begin "
                "with weights trained with norm 'spectral' and take that norm, or begin with "
                "random weights"
            )
        if self.settings.norm == "batch":
            raise ValueError(
                "a D with batch norm cannot begin with trained weights: take another norm"
            )
        weights = {
            key: value.to(self.device) for key, value in model.generator.state_dict().items()
        }
        sources, targets = convolutions(model.discriminator), convolutions(self.discriminator)
        if spectral:
            _check_written_out(sources, name, self.settings.gain)
        here = {key: value.shape for key, value in self.generator.state_dict().items()}
        if {key: value.shape for key, value in weights.items()} != here or any(
            source.weight.shape != target.weight.shape
            for source, target in zip(sources, targets, strict=True)
        ):
            raise ValueError(
                f"the weights {name} have other sizes than the networks to be trained: give the "
                "same numbers of channels"
            )
        for network in (self.generator, self.average):
            network.load_state_dict(weights)
        for source, target in zip(sources, targets, strict=True):
            # a spectral norm divides by the largest singular value, which is 1 in weights that were
            # written out
            stored = "parametrizations.weight.original" if spectral else "weight"
            target.get_parameter(stored).copy_(source.weight)
            target.get_parameter("bias").copy_(source.get_parameter("bias"))
            if target is targets[-1]:  # the gain was written out as well
                for parameter in target.parameters():
                    parameter.div_(self.settings.gain)
            for _ in range(POWER_ITERATIONS if spectral else 0):  # reading the weight takes one
                target.weight  # noqa: B018

    def step(self, images: Tensor, rng: torch.Generator, number: int) -> dict[str, Tensor]:
        """One update of D and one of G.

        Args:
            images: (B, 3, 64, 64) real pictures in [-1, 1].
            rng: every random draw of the step comes from it.
            number: of the step, from 0; the R1 penalty keeps its rhythm by it.

        Returns:
            scalars "loss_d", "loss_g", "D(x)", "D(G(z))".
        """
        settings, d, g = self.settings, self.discriminator, self.generator
        images = self.mirrored_here(images, rng)  # (B, 3, 64, 64)
        z = sample_uniform(len(images), rng).to(images)  # (B, 100)
        with self.autocast():
            fake = g(z)  # (B, 100) -> (B, 3, 64, 64)
            real_logits = upcast(d(augment(images, settings.augment, rng)))  # (B,)
            fake_logits = upcast(d(augment(fake.detach(), settings.augment, rng)))  # (B,)
            loss_d, _ = adversarial_losses(settings.loss, real_logits, fake_logits)
            if settings.junk:
                junk = junk_like(images[: max(1, round(settings.junk * len(images)))], rng)
                junk_logits = upcast(d(augment(junk, settings.augment, rng)))
                loss_d = loss_d + settings.junk * F.softplus(junk_logits).mean()
        if settings.r1 and number % settings.r1_every == 0:
            loss_d = loss_d + settings.r1 / 2 * settings.r1_every * self._r1_penalty(images)
        self.update("discriminator", loss_d)

        # G's loss needs D's gradient with respect to the image only
        with frozen(d), self.autocast():
            judged = upcast(d(augment(fake, settings.augment, rng)))  # (B,)
            _, loss_g = adversarial_losses(settings.loss, real_logits.detach(), judged)
        self.update("generator", loss_g)
        average_into(self.average, self.generator, 1 - settings.ema)
        return {
            "loss_d": loss_d.detach(),
            "loss_g": loss_g.detach(),
            "D(x)": real_logits.detach().sigmoid().mean(),
            "D(G(z))": fake_logits.detach().sigmoid().mean(),
        }

    def _r1_penalty(self, images: Tensor) -> Tensor:
        images = images.detach().requires_grad_(True)
        logits = self.discriminator(images)
        (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
        return gradient.square().flatten(1).sum(1).mean()

    @torch.no_grad()
    def final_generator(self) -> Generator:
        """A copy of the averaged G in eval mode, its batch-norm statistics measured again."""
        generator = copy.deepcopy(self.average)
        norms = [m for m in generator.modules() if isinstance(m, torch.nn.BatchNorm2d)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # None: running statistics are a plain average over the batches
        generator.train()
        rng = torch.Generator().manual_seed(0)
        for _ in range(STATISTICS_BATCHES):
            generator(sample_uniform(STATISTICS_BATCH, rng).to(self.device))
        return generator.eval()

    @torch.no_grad()
    def preview(self) -> Tensor:
        """(64, 3, 64, 64): the averaged G for codes that stay the same through the training.

        They are made with the statistics of this batch itself: cheap, and good enough to watch.
        """
        preview = copy.deepcopy(self.average).train()
        return preview(self.preview_z).float().cpu()

    def finish(self) -> LatentModel:
        """The averaged G and D, its normalization written out, as the latent search uses them."""
        discriminator = plain_discriminator(copy.deepcopy(self.discriminator))
        return uniform_latent_model(self.final_generator(), discriminator)


def _check_written_out(layers: list[torch.nn.Conv2d], name: str, gain: float) -> None:
    """Refuse layers of a D that was not trained with spectral norm: it would rescale them.

    Where spectral norm was written out the largest singular values are 1, the last one the gain.
    """
    values = [torch.linalg.matrix_norm(layer.weight.flatten(1), ord=2).item() for layer in layers]
    scaled = values if gain == 1 else values[:-1]  # another gain rescales the logit on purpose
    if any(abs(value - 1) > ABOUT_1 for value in scaled):
        raise ValueError(
            f"the largest singular values in the D of the weights {name} are "
            f"{', '.join(f'{value:.2f}' for value in values)}: spectral norm would make another D "
            "of it. Begin with weights trained with norm 'spectral' (where only the last value is "
            "not 1, give it as the gain), or take norm 'none'"
        )
