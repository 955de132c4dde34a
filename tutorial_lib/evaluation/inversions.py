"""What better ways to find a picture behind the hole gain: loss, hole PSNR, AUC, seconds.

`python -m tutorial_lib inversions` makes it and stores a JSON file. All methods fill the same holes
in one run; what refines a search begins at the end of the plain one and is charged for it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor

from tutorial_lib.evaluation.metrics import psnr
from tutorial_lib.evaluation.results import (
    check_count,
    check_names,
    interval_text,
    open_results,
    options_of,
    unfinished,
)
from tutorial_lib.evaluation.two_sample import LEAST, two_sample_auc
from tutorial_lib.inpainting.diffusion import dps, repaint, replacement
from tutorial_lib.inpainting.importance import window_weights
from tutorial_lib.inpainting.inversion import inpaint_quality, search_features, tune_generator
from tutorial_lib.inpainting.latent_search import DEFAULT, PAPER, SearchSettings
from tutorial_lib.inpainting.losses import context_loss
from tutorial_lib.inpainting.pipeline import complete, initial_z
from tutorial_lib.masks import check_batch
from tutorial_lib.models.diffusion import Denoiser
from tutorial_lib.models.encoder import CodeEncoder
from tutorial_lib.models.latent_model import LatentModel

PATH_STEPS = 40  # twice `inpaint_quality`'s, to see what comes after
LARGE_LAM = 3.0
STRONGER_PRIOR = replace(DEFAULT, lam=LARGE_LAM, approximate=0.0)
NEED = {"encoder": "encoder", "replacement": "denoiser", "repaint": "denoiser", "dps": "denoiser"}


@dataclass(frozen=True)
class Found:
    """What a method made of all pictures.

    Attributes:
        completed: (B, 3, H, W) in [-1, 1].
        generated: (B, 3, H, W) before blending, None where known pixels are never generated.
        before: seconds of what it went on from, which was timed elsewhere.
        path: (steps + 1, B, 3, H, W), pictures along the way.
    """

    completed: Tensor
    generated: Tensor | None
    before: float = 0.0
    path: Tensor | None = None


class Inversions:
    """The methods, each a function of the same holes.

    Args:
        images: (B, 3, H, W) and mask (B, 1, H, W), as `masks.check_batch` returns them.
        mask: see there.
        gan: the model to search.
        encoder: of its codes, or None.
        denoiser: a diffusion model, or None.
        seed: of the initial z and of all noise.
        progress: whether to show progress bars.
    """

    def __init__(
        self,
        images: Tensor,
        mask: Tensor,
        gan: LatentModel,
        encoder: CodeEncoder | None = None,
        denoiser: Denoiser | None = None,
        seed: int = 0,
        progress: bool = True,
    ):
        self.images, self.mask, self.gan = images, mask, gan
        self.encoder, self.denoiser = encoder, denoiser
        self.seed, self.progress = seed, progress

    def methods(self) -> dict[str, tuple[dict, Callable[[], Found]]]:
        """Name -> its settings and what fills the holes, those alone that have their networks."""
        default = {"settings": asdict(DEFAULT)}
        tune = partial(tune_generator, steps=PATH_STEPS, keep_path=True, progress=self.progress)
        searches: dict[str, tuple[SearchSettings, int]] = {
            "search": (DEFAULT, 1),
            "4 restarts": (DEFAULT, 4),
            "ball": (replace(DEFAULT, clip="ball"), 1),
            "lambda 3": (STRONGER_PRIOR, 1),
            "paper": (PAPER, 1),
        }
        found: dict[str, tuple[dict, Callable[[], Found]]] = {}
        for name, (settings, restarts) in searches.items():
            made_by = {"restarts": restarts, "settings": asdict(settings)}
            found[name] = (made_by, partial(self._search, settings, restarts))
        for name, restarts in (("quality", 1), ("quality, 4", 4)):
            made_by = default | options_of(tune_generator) | {"restarts": restarts}
            found[name] = (made_by, partial(self._quality, restarts))
        for name, refine in (("tuning, 40", tune), ("features", search_features)):
            found[name] = (default | options_of(refine), partial(self._refined, refine))
        if self.encoder is not None:
            found["encoder"] = (found["search"][0] | {"start": "encoder"}, self._encoder)
        if self.denoiser is not None:
            for method in (replacement, repaint, dps):
                found[method.__name__] = (options_of(method), partial(self._diffusion, method))
        return found

    def _search(self, settings: SearchSettings, restarts: int, z0: Tensor | None = None) -> Found:
        if z0 is None:
            z0 = initial_z(self.gan, len(self.images), restarts, self.seed)
        result = complete(
            self.images,
            self.mask,
            self.gan,
            z0,
            settings,
            restarts=restarts,
            progress=self.progress,
        )
        self.z = result.z
        return Found(result.completed, result.generated)

    @cached_property
    def plain(self) -> tuple[Tensor, float]:
        """z_hat of the plain search, and its seconds."""
        begun = time.perf_counter()
        self._search(DEFAULT, 1)
        return self.z, time.perf_counter() - begun

    def _refined(self, refine: Callable[..., Any]) -> Found:
        z, before = self.plain
        found = refine(self.images, self.mask, self.gan, z)
        return Found(found.completed, found.generated, before, found.path)

    def _quality(self, restarts: int) -> Found:
        found = inpaint_quality(
            self.images,
            self.mask,
            self.gan,
            restarts=restarts,
            seed=self.seed,
            progress=self.progress,
        )
        return Found(found.completed, found.generated)

    def _encoder(self) -> Found:
        assert self.encoder is not None
        return self._search(DEFAULT, 1, self.encoder.guess(self.images, self.mask))

    def _diffusion(self, method: Callable[..., Tensor]) -> Found:
        completed = method(
            self.images, self.mask, self.denoiser, seed=self.seed, progress=self.progress
        )
        return Found(completed, None)


METHODS = (
    "search",
    "4 restarts",
    "ball",
    "lambda 3",
    "paper",
    "quality",
    "quality, 4",
    "tuning, 40",
    "features",
    "encoder",
    "replacement",
    "repaint",
    "dps",
)
USUAL = tuple(name for name in METHODS if name not in ("paper", *NEED))


def run_inversions(
    originals: Tensor,
    mask: Tensor,
    gan: LatentModel,
    path: str | os.PathLike,
    *,
    data: dict,
    methods: tuple[str, ...] = USUAL,
    encoder: CodeEncoder | None = None,
    denoiser: Denoiser | None = None,
    networks: dict[str, Any] | None = None,
    seed: int = 0,
    progress: bool = True,
) -> dict:
    """Fill the same holes by every method, and store the figures one by one.

    Args:
        originals: (N, 3, 64, 64) in [-1, 1], held-out pictures, at least 20.
        mask: (1, 1, 64, 64), 1 = known.
        gan: the model to search.
        path: the .json file; an unfinished one is gone on with.
        data: what pictures and mask are, for the file.
        methods: some of `METHODS`.
        encoder: for the method "encoder".
        denoiser: for "replacement", "repaint" and "dps".
        networks: of the weights, by their part: name, sha256 and command, for the file.
        seed: of the initial z and of all noise.
        progress: whether to show progress bars.

    Returns:
        the results as stored; "variants" holds for each method its "made_by", "seconds" a picture,
        "context" (Eq. 4) and "hole_psnr" (dB), one figure per picture, and "auc", [mean, standard
        error]; for "tuning, 40" also "path", means of the two over the steps, without blending.

    Raises:
        ValueError: for an unknown method, one whose network is not given, or when the file was made
            from something else.
    """
    check_names(methods, METHODS, "unknown method")
    check_count(len(originals), LEAST)
    given = {"encoder": encoder, "denoiser": denoiser}
    for name in methods:
        if name in NEED and given[NEED[name]] is None:
            raise ValueError(f"the method {name} needs an {NEED[name]}".replace("an d", "a d"))
    made_from = {
        "experiment": "inversions",
        "data": data,
        "pictures": len(originals),
        "weights": networks or {},
        "seed": seed,
    }
    results = open_results(path, made_from)
    y, masks = (part.to(gan.device) for part in check_batch(originals, mask))
    weights = window_weights(masks, DEFAULT.window)
    inversions = Inversions(y, masks, gan, encoder, denoiser, seed, progress)
    calls = inversions.methods()
    made = {name: calls[name][0] for name in methods}
    for name in unfinished(results, path, made, progress):
        if name in ("tuning, 40", "features"):
            inversions.plain  # noqa: B018  timed on its own
        begun = time.perf_counter()
        found = calls[name][1]()
        seconds = time.perf_counter() - begun + found.before
        cell: dict[str, Any] = {"made_by": made[name], "seconds": seconds / len(y)}
        if found.generated is not None:
            cell["context"] = context_loss(found.generated, y, weights).tolist()
        completed = found.completed.cpu()
        cell["hole_psnr"] = psnr(completed, originals, mask).tolist()
        looks = two_sample_auc(originals, completed, mask, device=gan.device)
        cell["auc"] = [looks.auc, looks.standard_error]
        if found.path is not None:
            cell["path"] = {
                "context": [context_loss(g, y, weights).mean().item() for g in found.path],
                "hole_psnr": [psnr(g, originals, mask).mean().item() for g in found.path],
            }
        results["variants"][name] = cell
    return results


def inversions_table(results: dict) -> str:
    """Text: a line a method; hole PSNR ± 95 % interval, and that of its gain over "search"."""
    lines = [f"{'':14s}{'context':>9s}{'hole PSNR (dB)':>16s}{'gain':>15s}{'AUC':>15s}{'s':>7s}"]
    plain = results["variants"].get("search", {}).get("hole_psnr")
    for name, found in results["variants"].items():
        context = f"{torch.tensor(found['context']).mean():.2f}" if "context" in found else ""
        values = found["hole_psnr"]
        gain = ""
        if plain and name != "search":
            pairs = [one - other for one, other in zip(values, plain, strict=True)]
            gain = interval_text(pairs, "+.2f")
        auc = "{:.3f} ± {:.3f}".format(*found["auc"])
        lines.append(
            f"{name:14s}{context:>9s}{interval_text(values):>16s}{gain:>15s}{auc:>15s}"
            f"{found['seconds']:7.2f}"
        )
    return "\n".join(lines)
