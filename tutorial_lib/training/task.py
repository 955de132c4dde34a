"""What every model under training shares: networks, optimizers, one step, a preview, a result."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from tutorial_lib.device import PRECISIONS, autocast, memory_format
from tutorial_lib.training.augment import flip

Network = TypeVar("Network", bound=nn.Module)


class Task(ABC):
    """A model being trained by `training.loop.train`.

    Args:
        settings: a frozen dataclass with a field "precision".
        device: where to train.

    Attributes:
        kind: what is trained, a name for files and cards.
        shipped: the name of the module that is.
        modules: all that a checkpoint holds, by name.
        optimizers: for those of the modules that learn, by the same names.
        started_from: sha256 of the weights file that the networks began with, None for random ones.
    """

    kind: ClassVar[str]
    shipped: ClassVar[str] = "network"
    settings: Any
    started_from: str | None = None

    def __init__(self, settings: Any, device: torch.device | str):
        self.settings, self.device = settings, torch.device(device)
        self.modules: dict[str, nn.Module] = {}
        self.optimizers: dict[str, torch.optim.Optimizer] = {}

    @abstractmethod
    def step(self, batch: Any, rng: torch.Generator, number: int) -> dict[str, Tensor]:
        """One update of everything that learns.

        Args:
            batch: what the data set's `batch` or `images` returned.
            rng: a CPU generator: every random draw of the step comes from it.
            number: of the step, from 0.

        Returns:
            scalars for the log, detached, by name.
        """

    @abstractmethod
    def preview(self) -> Tensor:
        """(N, 3, H, W) images in [-1, 1] on the CPU that show how far the training is."""

    def finish(self) -> Any:
        """A copy of what is shipped, in eval mode."""
        return copy.deepcopy(self.modules[self.shipped]).eval()

    def describe(self) -> dict:
        """The settings as plain values, for checkpoints and model cards."""
        return asdict(self.settings)

    def placed(self, network: Network) -> Network:
        """The network on the device, in the layout that is fastest there."""
        return network.to(  # type: ignore[call-overload]
            self.device, memory_format=memory_format(self.device)
        )

    def images_here(self, images: Tensor) -> Tensor:
        """The images on the device, in the layout that is fastest there."""
        return images.to(self.device, memory_format=memory_format(self.device))

    def mirrored_here(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """`images_here`, mirrored at random where the settings' `flips` says so."""
        images = self.images_here(images)
        return flip(images, rng) if self.settings.flips else images

    def check_size(self, base_channels: int, name: str) -> None:
        """Refuse trained weights, those of a `name`, of another size than the settings'."""
        if base_channels != self.settings.base_channels:
            raise ValueError(
                f"the trained {name} has {base_channels} base channels, "
                f"not {self.settings.base_channels}: give the same number"
            )

    def autocast(self) -> torch.autocast:
        """A context in which networks run in the precision of the settings."""
        return autocast(self.device, self.settings.precision)

    def update(self, name: str, loss: Tensor) -> None:
        """One step of the optimizer `name` down the gradient of `loss`."""
        self.optimizers[name].zero_grad(set_to_none=True)
        loss.backward()
        self.optimizers[name].step()

    def set_cosine_rate(self, name: str, number: int) -> None:
        """Learning rate of step `number`: half a cosine from `learning_rate` to 0 at `steps`."""
        done = min(1.0, number / self.settings.steps)
        for group in self.optimizers[name].param_groups:
            group["lr"] = self.settings.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


@contextmanager
def seeded_weights(seed: int) -> Iterator[None]:
    """A block in which new layers draw their weights from `seed`.

    Layers draw from torch's global generator, which is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """A block through which gradients flow, but not into the weights of `network`."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)


@torch.no_grad()
def average_into(average: nn.Module, network: nn.Module, weight: float) -> None:
    """Move the moving average of the weights towards the network's by `weight`, from 0 to 1."""
    for slow, fast in zip(average.parameters(), network.parameters(), strict=True):
        slow.lerp_(fast, weight)


def check_settings(
    settings: Any,
    *,
    positive: tuple[str, ...] = (),
    fraction: tuple[str, ...] = (),
    decay: tuple[str, ...] = (),
    not_negative: tuple[str, ...] = (),
    choice: dict[str, tuple[str, ...]] | None = None,
    some: dict[str, tuple[str, ...]] | None = None,
) -> None:
    """Refuse settings that cannot be meant; the precision is always looked at.

    Args:
        settings: a dataclass.
        positive: fields that must be above zero; None passes.
        fraction: fields that must be from 0 to 1.
        decay: fields that must be from 0 to below 1: an average with 1 would stay as it began.
        not_negative: fields that must be zero or above.
        choice: field -> allowed values.
        some: field -> what it may hold, at least one of them.

    Raises:
        ValueError: naming the field, its value and what is allowed.
    """
    for name in positive:
        value = getattr(settings, name)
        if value is not None and not value > 0:
            raise ValueError(f"{name} must be positive, got {value}")
    for name in not_negative:
        if not getattr(settings, name) >= 0:
            raise ValueError(f"{name} must not be negative, got {getattr(settings, name)}")
    for name in (*fraction, *decay):
        if not 0 <= getattr(settings, name) <= 1:
            raise ValueError(f"{name} must be from 0 to 1, got {getattr(settings, name)}")
        if name in decay and getattr(settings, name) == 1:
            raise ValueError(f"{name} must be below 1, got {getattr(settings, name)}")
    for name, allowed in (some or {}).items():
        if not set() < set(getattr(settings, name)) <= set(allowed):
            raise ValueError(f"{name} must be some of {allowed}, got {getattr(settings, name)}")
    for name, allowed in {"precision": tuple(PRECISIONS), **(choice or {})}.items():
        if getattr(settings, name) not in allowed:
            raise ValueError(
                f"{name} must be one of {', '.join(allowed)}, got {getattr(settings, name)!r}"
            )
