"""What is each part of the method worth?

Variants of one search, from the same starts, compared picture by picture.

`python -m tutorial_lib ablations` runs them and stores a JSON file; notebook 09 reads it.
"""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from tutorial_lib.baselines.simple import mean_fill
from tutorial_lib.evaluation.alternatives import search_lbfgs, update_pixels
from tutorial_lib.evaluation.metrics import face_found, psnr, seam_strength, ssim
from tutorial_lib.evaluation.results import (
    check_count,
    check_names,
    mean_interval,
    open_results,
    unfinished,
)
from tutorial_lib.inpainting.importance import importance_weights
from tutorial_lib.inpainting.latent_search import ADAM, AUTHORS_CODE, PAPER, SearchSettings
from tutorial_lib.inpainting.losses import context_loss
from tutorial_lib.inpainting.pipeline import fill_hole, initial_z, inpaint
from tutorial_lib.masks import corrupt, make_masks
from tutorial_lib.models.latent_model import LatentModel

LAMS = (0.003, 3.0, 30.0)
_DIGITS = {
    "psnr": 2,
    "hole_psnr": 2,
    "hole_ssim": 3,
    "context": 1,
    "logit": 2,
    "seam": 4,
    "face": 2,
}
MEASURES = tuple(_DIGITS)


@dataclass(frozen=True)
class Variant:
    """One way to fill the holes.

    Attributes:
        group: which question it helps to answer.
        settings: of the search.
        restarts: searches per picture.
        weights: "eq3", "none" (1 at every known pixel) or "inverted" (known neighbors counted
            instead of missing ones).
        method: "search", "lbfgs" (`search_lbfgs`), "pixels from mean" or "pixels from G"
            (`update_pixels`).
        blend: whether Eq. 6 is applied.
    """

    group: str
    settings: SearchSettings = field(default=ADAM)
    restarts: int = 1
    weights: str = "eq3"
    method: str = "search"
    blend: bool = True


def _variants() -> dict[str, Variant]:
    def adam(group: str, **changes) -> Variant:
        return Variant(group, replace(ADAM, **changes))

    found = {"reference": adam("reference"), "no prior": adam("prior", lam=0.0)}
    for lam in LAMS[1:]:
        found[f"log(1 - D), lam {lam:g}"] = adam("prior", lam=lam)
    for lam in LAMS:
        found[f"-log D, lam {lam:g}"] = adam("prior", lam=lam, prior="non-saturating")
    found |= {
        "no weights": Variant("weights", weights="none"),
        "inverted weights": Variant("weights", weights="inverted"),
        "window 3": adam("weights", window=3),
        "window 15": adam("weights", window=15),
        "l2": adam("norm", norm="l2"),
        "no clipping": adam("clipping", clip="none"),
        "stochastic clipping": adam("clipping", clip="stochastic"),
        "no blending": Variant("blending", blend=False),
        "4 restarts": Variant("restarts", restarts=4),
        "Adam, 0.03, 1500 steps (PAPER)": Variant("optimizer", PAPER),
        "Nesterov, 300 steps": adam(
            "optimizer", optimizer="nesterov", learning_rate=3e-4, schedule="constant"
        ),
        "Nesterov, 3000 steps (AUTHORS_CODE)": Variant("optimizer", AUTHORS_CODE),
        "L-BFGS-B, 300 evaluations": Variant("optimizer", method="lbfgs"),
        "pixels by D, from the mean": Variant("pixels", method="pixels from mean"),
        "pixels by D, from G(z0)": Variant("pixels", method="pixels from G"),
        "16 restarts": Variant("restarts", restarts=16),
    }
    return found


VARIANTS = _variants()
REFERENCE = "reference"  # plain Adam, one start


def fill(
    variant: Variant,
    images: Tensor,
    mask: Tensor,
    gan: LatentModel,
    seed: int = 0,
    progress: bool = True,
) -> tuple[Tensor, Tensor]:
    """(generated, completed), (B, 3, H, W) in [-1, 1] each, of one variant.

    The initial z depend on `seed` alone. Where no code is searched (`update_pixels`) both are the
    picture itself.
    """
    settings = variant.settings
    if variant.method == "search":
        found = inpaint(
            images,
            mask,
            gan,
            settings=settings,
            weights=_weights(variant.weights, mask),
            restarts=variant.restarts,
            seed=seed,
            blend=variant.blend,
            progress=progress,
        )
        return found.generated, found.completed
    z0 = initial_z(gan, len(images), 1, seed, settings.start)  # (B, z_dim)
    y = corrupt(images, mask)  # (B, 3, H, W)
    if variant.method == "lbfgs":
        z, _ = search_lbfgs(
            y, mask, gan, z0, settings.lam, settings.window, settings.steps, progress
        )
        with torch.no_grad():
            generated = gan.generator(z)  # (B, 3, H, W)
        y, mask = y.to(generated.device), mask.to(generated.device)
        return generated, fill_hole(generated, y, mask.expand(len(y), -1, -1, -1), variant.blend)
    start = mean_fill(y, mask)
    if variant.method == "pixels from G":
        with torch.no_grad():
            start = gan.generator(z0.to(gan.device))
    picture = update_pixels(y, mask, gan, start, progress=progress)
    return picture, picture


def measure(
    generated: Tensor, completed: Tensor, originals: Tensor, mask: Tensor, gan: LatentModel
) -> dict[str, list[float]]:
    """One figure a picture for each of `MEASURES`.

    psnr (whole picture), hole_psnr (dB), hole_ssim; context: Eq. 4 with the paper's window and
    norm, whatever was minimized; logit: of D for `generated`; seam: along the hole's edge of
    `completed`; face: whether the cascade finds one (0 or 1).
    """
    if gan.discriminator is None:
        raise ValueError("this model has no discriminator")
    known = importance_weights(mask.expand(len(originals), -1, -1, -1))  # (B, 1, H, W)
    completed, shown = completed.cpu(), generated.cpu()
    with torch.no_grad():
        logits = gan.discriminator(generated).cpu()
    values = {
        "psnr": psnr(completed, originals),
        "hole_psnr": psnr(completed, originals, mask),
        "hole_ssim": ssim(completed, originals, mask),
        "context": context_loss(shown, originals, known),
        "logit": logits,
        "seam": seam_strength(completed, mask),
        "face": torch.from_numpy(face_found(completed)),
    }
    return {name: values[name].double().tolist() for name in MEASURES}


def run_ablations(
    gan: LatentModel,
    originals: Tensor,
    path: str | os.PathLike,
    *,
    data: dict,
    family: str = "center",
    names: list[str] | None = None,
    seed: int = 0,
    progress: bool = True,
) -> dict:
    """Fill the same pictures in every way of `VARIANTS`, and store what was measured after each.

    Args:
        gan: a DCGAN with its card.
        originals: (B, 3, 64, 64) in [-1, 1], held-out pictures.
        path: the .json file to write; an unfinished one is gone on with.
        data: what the pictures are, for the file.
        family: of masks (`masks.make_masks`), a mask a picture.
        names: keys of `VARIANTS`; None takes all. The reference is always among them.
        seed: of the masks and the initial z.
        progress: whether to show a progress bar.

    Returns:
        the results as stored: "made_from", "originals", "variants" (name -> made_by, seconds,
        measures).

    Raises:
        ValueError: for an unknown variant, or when the file was made from something else.
    """
    if names is None:
        names = list(VARIANTS)
    names = [REFERENCE, *[name for name in names if name != REFERENCE]]
    check_names(names, VARIANTS, "unknown variant")
    check_count(len(originals), 2)
    if gan.discriminator is None:
        raise ValueError("this model has no discriminator")
    made_from = {
        "experiment": "ablations",
        "weights": gan.card["name"],
        "weights_sha256": gan.card["sha256"],
        "data": data,
        "pictures": len(originals),
        "mask": family,
        "seed": seed,
    }
    results = open_results(path, made_from)
    mask = make_masks(family, len(originals), torch.Generator().manual_seed(seed))
    if "originals" not in results:
        seam = seam_strength(originals, mask).double().tolist()
        results["originals"] = {"seam": seam, "face": face_found(originals).astype(float).tolist()}
    made = {name: asdict(VARIANTS[name]) for name in names}
    for name in unfinished(results, path, made, progress):
        start = time.perf_counter()
        generated, completed = fill(VARIANTS[name], originals, mask, gan, seed, progress)
        seconds = time.perf_counter() - start
        results["variants"][name] = {
            "made_by": made[name],
            "seconds": seconds,
            "measures": measure(generated, completed, originals, mask, gan),
        }
    return results


def differences(
    results: dict, measure: str, reference: str = REFERENCE
) -> dict[str, tuple[float, float, float]]:
    """Each variant's mean, its mean paired difference from the reference, and half its interval.

    The interval is the difference's, at 95 %.

    Raises:
        ValueError: for an unknown measure or a reference that was not run.
    """
    if measure not in MEASURES:
        raise ValueError(f"unknown measure {measure!r}: choose from {MEASURES}")
    if reference not in results["variants"]:
        raise ValueError(
            f"{reference!r} is not among the results: {', '.join(results['variants'])}"
        )
    values = {
        name: np.array(stored["measures"][measure]) for name, stored in results["variants"].items()
    }
    return {
        name: (float(found.mean()), *mean_interval(found - values[reference]))
        for name, found in values.items()
    }


def verdict(gap: float, half: float) -> str:
    """What a paired difference and half its 95 % interval allow to say.

    "higher", "lower" or "not told apart".
    """
    if gap - half > 0:
        return "higher"
    return "lower" if gap + half < 0 else "not told apart"


def ablation_table(results: dict) -> str:
    """Text: a line a variant, its means, and in brackets paired differences and 95 % intervals."""
    measures = MEASURES[1:]  # without the PSNR of the whole picture
    columns = {measure: differences(results, measure) for measure in measures}
    lines = [f"{'':36s}" + "".join(f"{measure:>26s}" for measure in measures)]
    for name in results["variants"]:
        cells = []
        for measure in measures:
            digits = _DIGITS[measure]
            mean, gap, half = columns[measure][name]
            change = "" if name == REFERENCE else f" ({gap:+.{digits}f} ± {half:.{digits}f})"
            cells.append(f"{f'{mean:.{digits}f}{change}':>26s}")
        lines.append(f"{name:36s}" + "".join(cells))
    return "\n".join(lines)


def _weights(kind: str, mask: Tensor) -> Tensor | None:
    if kind == "eq3":
        return None
    if kind == "none":
        return mask
    # where a pixel is known, the fraction of missing neighbors is Eq. 3's weight: what is left are
    # the known ones
    return mask * (1 - importance_weights(mask))
