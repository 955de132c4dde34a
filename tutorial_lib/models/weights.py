"""Weights on disk: a safetensors file in half precision and a model card in JSON with its hash."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from tutorial_lib.cache import DATA_DIR, atomic_write
from tutorial_lib.device import memory_format, pick_device
from tutorial_lib.models.attributes import AttributeClassifier
from tutorial_lib.models.context_encoder import ContextEncoder
from tutorial_lib.models.dcgan import Discriminator, Generator
from tutorial_lib.models.diffusion import Denoiser
from tutorial_lib.models.encoder import CodeEncoder
from tutorial_lib.models.landmarks import LandmarkNetwork
from tutorial_lib.models.latent_model import LatentModel, uniform_latent_model
from tutorial_lib.models.vae import VAE, vae_latent_model

WEIGHTS_DIR = DATA_DIR / "weights"
# kind of weights -> its part in the file, the network, and the arguments that the card keeps
_KINDS: dict[str, tuple[str, Callable[..., nn.Module], tuple[str, ...]]] = {
    "vae": ("vae", VAE, ("base_channels", "z_dim")),
    "context-encoder": ("network", ContextEncoder, ("base_channels",)),
    "diffusion": ("denoiser", Denoiser, ("base_channels",)),
    "encoder": ("encoder", CodeEncoder, ("base_channels", "z_dim")),
    "attributes": ("network", AttributeClassifier, ("base_channels", "heads")),
    "landmarks": ("network", LandmarkNetwork, ("base_channels",)),
}
_LARGEST = 1024  # channels or codes: more would fill the memory before the weights are compared


def shipped() -> list[str]:
    """Names of the weights that come with the workbook."""
    return sorted(path.stem for path in WEIGHTS_DIR.glob("*.safetensors"))


def file_hash(path: str | os.PathLike) -> str:
    """sha256 of a file, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def save_gan(path: str | os.PathLike, gan: LatentModel, card: dict) -> Path:
    """Write G and D as `path` (.safetensors, half precision) and the card beside it (.json).

    Args:
        path: where to; its stem is the model's name.
        gan: a DCGAN pair whose D is a plain network (no spectral-norm parametrization left).
        card: what the reader should know: data, licence, steps, seed, figures, command. Name, kind,
            architecture, size and hash are added here.

    Returns:
        the path written. Both files are complete before either has its final name.
    """
    generator = cast(Generator, gan.generator)
    discriminator = cast(Discriminator, gan.discriminator)
    architecture = {
        "base_channels": generator.base_channels,
        "z_dim": gan.z_dim,
        "discriminator_channels": discriminator.base_channels,
        "norm": discriminator.norm,
    }
    parts = {"generator": generator, "discriminator": discriminator}
    return _save(path, "dcgan", architecture, parts, card)


def save_network(path: str | os.PathLike, network: nn.Module, card: dict) -> Path:
    """The same for a network of another kind.

    A VAE, a Context Encoder (with the color that stands for a hole), a `Denoiser`, a `CodeEncoder`,
    an attribute classifier (the card's architecture says which attributes and classes it knows), or
    a landmark network.
    """
    kind = next(kind for kind, (_, make, _) in _KINDS.items() if type(network) is make)
    part, _, numbers = _KINDS[kind]
    architecture = {number: getattr(network, number) for number in numbers}
    return _save(path, kind, architecture, {part: network}, card)


def _save(
    path: str | os.PathLike, kind: str, architecture: dict, parts: dict[str, nn.Module], card: dict
) -> Path:
    path = Path(path).with_suffix(".safetensors")
    tensors = {}
    for part, network in parts.items():
        for key, tensor in network.state_dict().items():
            half = tensor.half() if tensor.is_floating_point() else tensor
            tensors[f"{part}.{key}"] = half.detach().cpu().contiguous().clone()
    content = save(tensors)
    card = {
        "name": path.stem,
        "kind": kind,
        "architecture": architecture,
        **card,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    with (
        atomic_write(path) as file,
        atomic_write(path.with_suffix(".json"), "w", encoding="utf-8") as card_file,
    ):
        file.write(content)
        card_file.write(json.dumps(card, indent=2, ensure_ascii=False) + "\n")
    return path


def load_gan(
    name_or_path: str | os.PathLike, device: torch.device | str | None = None
) -> LatentModel:
    """Trained weights as a frozen `LatentModel`: a DCGAN pair, or a VAE's decoder.

    Args:
        name_or_path: a name out of `shipped()`, or the path of a .safetensors file with its card
            beside it.
        device: where to put the networks; None picks the best (`device.pick_device`).

    Returns:
        the model in float32, eval mode, without gradients; `card` holds the model card.

    Raises:
        FileNotFoundError: no such weights, naming those there are.
        ValueError: the file is damaged (its hash differs from the card's) or belongs to another
            architecture.
    """
    card, parts = _load(name_or_path, ("dcgan", "vae"), device)
    if card["kind"] == "vae":
        return vae_latent_model(cast(VAE, parts["vae"]), card)
    return uniform_latent_model(
        parts["generator"], parts["discriminator"], card["architecture"]["z_dim"], card
    )


def load_vae(name_or_path: str | os.PathLike, device: torch.device | str | None = None) -> VAE:
    """A trained VAE with its encoder, frozen, in eval mode.

    Arguments and errors as for `load_gan`.
    """
    return cast(VAE, _load(name_or_path, ("vae",), device)[1]["vae"])


def load_context_encoder(
    name_or_path: str | os.PathLike, device: torch.device | str | None = None
) -> ContextEncoder:
    """A trained Context Encoder, frozen, in eval mode; arguments and errors as for `load_gan`."""
    return cast(ContextEncoder, _load(name_or_path, ("context-encoder",), device)[1]["network"])


def load_attributes(
    name_or_path: str | os.PathLike, device: torch.device | str | None = None
) -> AttributeClassifier:
    """A trained attribute classifier, frozen, in eval mode; arguments and errors as for `load_gan`.

    Those of the rendered sets are called "synthetic-faces-attributes",
    "synthetic-numbers-attributes" and "synthetic-cars-attributes".
    """
    return cast(AttributeClassifier, _load(name_or_path, ("attributes",), device)[1]["network"])


def load_landmarks(
    name_or_path: str | os.PathLike, device: torch.device | str | None = None
) -> LandmarkNetwork:
    """A trained landmark network, frozen, in eval mode; arguments and errors as for `load_gan`.

    The one that ships is called "landmarks".
    """
    return cast(LandmarkNetwork, _load(name_or_path, ("landmarks",), device)[1]["network"])


def load_denoiser(
    name_or_path: str | os.PathLike, device: torch.device | str | None = None
) -> Denoiser:
    """A trained diffusion model, frozen, in eval mode; arguments and errors as for `load_gan`."""
    return cast(Denoiser, _load(name_or_path, ("diffusion",), device)[1]["denoiser"])


def load_encoder(
    name_or_path: str | os.PathLike, device: torch.device | str | None = None
) -> CodeEncoder:
    """A trained encoder of z, frozen, in eval mode; arguments and errors as for `load_gan`.

    It knows the codes of one generator, which the card's data names.
    """
    return cast(CodeEncoder, _load(name_or_path, ("encoder",), device)[1]["encoder"])


def load_card(name_or_path: str | os.PathLike) -> dict:
    """The model card alone.

    Args:
        name_or_path: as for `load_gan`.

    Raises:
        FileNotFoundError: no such weights, naming those there are.
        ValueError: for a card that is none, or a path that does not end in .safetensors.
    """
    path = _path(name_or_path)
    for needed in (path, path.with_suffix(".json")):
        if not needed.exists():
            raise FileNotFoundError(
                f"{needed} is not there; the workbook ships {', '.join(shipped()) or 'no weights'}"
            )
    return _read_card(path.with_suffix(".json"))


def _path(name_or_path: str | os.PathLike) -> Path:
    path = Path(name_or_path)
    if path.suffix == ".safetensors":
        return path
    shipped_path = WEIGHTS_DIR / f"{name_or_path}.safetensors"
    if (path.suffix or path.name != str(path)) and not shipped_path.exists():
        raise ValueError(
            f"{name_or_path}: weights are a .safetensors file with its card, a .json file, beside "
            f"it, or one of {', '.join(shipped())}"
        )
    return shipped_path


def _read_card(path: Path) -> dict:
    """Raises ValueError, with the file's name, for what is no card."""
    try:
        card = json.loads(path.read_text(encoding="utf-8-sig"))  # editors may add a byte-order mark
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no model card, a file in JSON: {error}") from error
    needed = {"name": str, "kind": str, "architecture": dict, "sha256": str}
    for key, kind in needed.items():
        if not isinstance(card, dict) or not isinstance(card.get(key), kind):
            raise ValueError(
                f"{path} is no model card: it has no {key!r}. Restore it (git checkout), or export "
                "the weights again"
            )
    return card


def _load(
    name_or_path: str | os.PathLike, kinds: tuple[str, ...], device: torch.device | str | None
) -> tuple[dict, dict[str, nn.Module]]:
    path, card = _path(name_or_path), load_card(name_or_path)
    if file_hash(path) != card["sha256"]:
        raise ValueError(
            f"{path} is damaged: its sha256 is not the one in {path.stem}.json. Restore it (git "
            "checkout) or export it again."
        )
    if card["kind"] not in kinds:
        raise ValueError(
            f"{path} holds weights of kind {card['kind']}, not of {' or '.join(kinds)}"
        )
    try:
        parts = _build(card["kind"], card["architecture"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"{path.with_suffix('.json')} names an architecture that is none: {error!r}"
        ) from error
    try:
        tensors = load_file(path)
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ValueError(f"{path} is not a safetensors file: {error}") from error
    device = pick_device(device)
    for part, network in parts.items():
        mine = [key for key in tensors if key.startswith(f"{part}.")]
        own = {key.removeprefix(f"{part}."): tensors[key] for key in mine}
        _fill(network, own, f"{path}: {part}")
        network.to(device, memory_format=memory_format(device))  # type: ignore[call-overload]
        network.eval().requires_grad_(False)
    return card, parts


def _build(kind: str, architecture: dict) -> dict[str, nn.Module]:
    for name, size in architecture.items():
        if isinstance(size, int) and not 1 <= size <= _LARGEST:
            raise ValueError(f"{name} is {size}, not from 1 to {_LARGEST}")
    if kind in _KINDS:
        part, make, numbers = _KINDS[kind]
        return {part: make(**{number: architecture[number] for number in numbers})}
    return {
        "generator": Generator(architecture["base_channels"], architecture["z_dim"]),
        "discriminator": Discriminator(
            architecture["discriminator_channels"], architecture["norm"]
        ),
    }


def _fill(network: nn.Module, tensors: dict[str, Tensor], where: str) -> None:
    wanted = network.state_dict()
    problems = [f"{key} is missing" for key in wanted.keys() - tensors.keys()]
    problems += [f"{key} is unknown" for key in tensors.keys() - wanted.keys()]
    problems += [
        f"{key} is {tuple(tensors[key].shape)}, not {tuple(wanted[key].shape)}"
        for key in wanted.keys() & tensors.keys()
        if tensors[key].shape != wanted[key].shape
    ]
    if problems:
        raise ValueError(
            f"{where} holds weights of another architecture: {'; '.join(sorted(problems)[:3])}"
        )
    network.load_state_dict({key: tensor.to(wanted[key].dtype) for key, tensor in tensors.items()})
