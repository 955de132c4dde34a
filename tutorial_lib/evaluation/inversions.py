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
from tqdm.auto import tqdm

from tutorial_lib.evaluation.metrics import psnr
from tutorial_lib.evaluation.results import check_names, mean_interval, open_results, write_results
from tutorial_lib.evaluation.two_sample import two_sample_auc
from tutorial_lib.inpainting.diffusion import dps, repaint, replacement
from tutorial_lib.inpainting.importance import window_weights
from tutorial_lib.inpainting.inversion import inpaint_quality, search_features, tune_generator
from tutorial_lib.inpainting.latent_search import (
    DEFAULT,
    PAPER,
    SearchSettings,
)
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
        made_by: the method's settings.
        before: seconds of what it went on from, which was timed elsewhere.
        path: (steps + 1, B, 3, H, W), pictures along the way.
    """

    completed: Tensor
    generated: Tensor | None
    made_by: dict
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

    def methods(self) -> dict[str, Callable[[], Found]]:
        """Name -> what fills the holes, with those alone that have their networks."""
        searches: dict[str, tuple[SearchSettings, int]] = {
            "search": (DEFAULT, 1),
            "4 restarts": (DEFAULT, 4),
            "ball": (replace(DEFAULT, clip="ball"), 1),
            "lambda 3": (STRONGER_PRIOR, 1),
            "paper": (PAPER, 1),
        }
        found: dict[str, Callable[[], Found]] = {
            name: partial(self._search, *given) for name, given in searches.items()
        }
        found |= {
            "quality": partial(self._quality, 1),
            "quality, 4": partial(self._quality, 4),
            "tuning, 40": self._tuning,
            "features": self._features,
        }
        if self.encoder is not None:
            found["encoder"] = self._encoder
        if self.denoiser is not None:
            for method in (replacement, repaint, dps):
                found[method.__name__] = partial(self._diffusion, method)
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
        made_by = {"restarts": restarts, "settings": asdict(settings)}
        return Found(result.completed, result.generated, made_by)

    @cached_property
    def plain(self) -> tuple[Tensor, float]:
        """z_hat of the plain search, and its seconds."""
        begun = time.perf_counter()
        self._search(DEFAULT, 1)
        return self.z, time.perf_counter() - begun

    def _tuning(self) -> Found:
        z, before = self.plain
        refined = tune_generator(
            self.images,
            self.mask,
            self.gan,
            z,
            steps=PATH_STEPS,
            keep_path=True,
            progress=self.progress,
        )
        made_by = {"steps": PATH_STEPS}
        return Found(refined.completed, refined.generated, made_by, before, refined.path)

    def _quality(self, restarts: int) -> Found:
        found = inpaint_quality(
            self.images,
            self.mask,
            self.gan,
            restarts=restarts,
            seed=self.seed,
            progress=self.progress,
        )
        return Found(found.completed, found.generated, {"restarts": restarts})

    def _features(self) -> Found:
        z, before = self.plain
        refined = search_features(self.images, self.mask, self.gan, z)
        return Found(refined.completed, refined.generated, {}, before)

    def _encoder(self) -> Found:
        assert self.encoder is not None
        found = self._search(DEFAULT, 1, self.encoder.guess(self.images, self.mask))
        return replace(found, made_by=found.made_by | {"start": "encoder"})

    def _diffusion(self, method: Callable[..., Tensor]) -> Found:
        completed = method(
            self.images, self.mask, self.denoiser, seed=self.seed, progress=self.progress
        )
        return Found(completed, None, {})


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
    for name in tqdm(methods, desc="inversions", unit="method", disable=not progress):
        if name in results["variants"]:
            continue
        if name in ("tuning, 40", "features"):
            inversions.plain  # noqa: B018  timed on its own
        begun = time.perf_counter()
        found = calls[name]()
        seconds = time.perf_counter() - begun + found.before
        cell: dict[str, Any] = {"made_by": found.made_by, "seconds": seconds / len(y)}
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
        results["complete"] = all(method in results["variants"] for method in methods)
        write_results(path, results)
    return results


def inversions_table(results: dict) -> str:
    """Text: a line a method; hole PSNR ± 95 % interval, and that of its gain over "search"."""
    lines = [f"{'':14s}{'context':>9s}{'hole PSNR (dB)':>16s}{'gain':>15s}{'AUC':>15s}{'s':>7s}"]
    plain = results["variants"].get("search", {}).get("hole_psnr")
    for name, found in results["variants"].items():
        context = f"{torch.tensor(found['context']).mean():.2f}" if "context" in found else ""
        values = found["hole_psnr"]
        mean, half = mean_interval(values)
        gain = ""
        if plain and name != "search":
            pairs = [one - other for one, other in zip(values, plain, strict=True)]
            gain = "{:+.2f} ± {:.2f}".format(*mean_interval(pairs))
        auc = "{:.3f} ± {:.3f}".format(*found["auc"])
        lines.append(
            f"{name:14s}{context:>9s}{f'{mean:.2f} ± {half:.2f}':>16s}{gain:>15s}{auc:>15s}"
            f"{found['seconds']:7.2f}"
        )
    return "\n".join(lines)
