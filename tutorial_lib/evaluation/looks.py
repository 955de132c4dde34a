"""Does a completion look real? Hole PSNR and two-sample AUC of several methods on the same holes.

`python -m tutorial_lib looks` makes it and stores a JSON file. The paper's claim is about looks;
PSNR is the measure it reports.
"""

from __future__ import annotations

import os
from dataclasses import asdict

from torch import Tensor

from tutorial_lib.baselines import BASELINES as FILLS
from tutorial_lib.baselines import NEED_PICTURES, fill_with
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
from tutorial_lib.inpainting.latent_search import DEFAULT
from tutorial_lib.inpainting.pipeline import inpaint
from tutorial_lib.masks import center_mask, corrupt, half_mask, rectangle_mask
from tutorial_lib.models.latent_model import LatentModel

MASKS = {
    "center": center_mask,
    "eyes": lambda: rectangle_mask(top=12, left=8, height=18, width=48),
    "left half": lambda: half_mask("left"),
}
BASELINES = ("biharmonic", "nearest-neighbor")


def run_looks(
    originals: Tensor,
    generators: dict[str, LatentModel],
    training,
    path: str | os.PathLike,
    *,
    data: dict,
    masks: list[str] | None = None,
    restarts: tuple[int, ...] = (1, 4),
    seed: int = 0,
    progress: bool = True,
) -> dict:
    """Fill the same holes with every generator and baseline, and store the figures one by one.

    Args:
        originals: (N, 3, 64, 64) in [-1, 1], held-out pictures, at least 20.
        generators: name -> model, each searched with the default settings.
        training: the training set, for the nearest-neighbor fills.
        path: the .json file; an unfinished one is gone on with.
        data: what the pictures are, for the file.
        masks: keys of `MASKS`; None takes all.
        restarts: numbers of restarts to try.
        seed: of the initial z.
        progress: whether to show a progress bar.

    Returns:
        the results as stored; "variants" holds for each "mask, method" its "made_by", "hole_psnr"
        (dB, one figure per picture) and "auc", [mean, standard error] of the two-sample test.

    Raises:
        ValueError: for an unknown mask, or when the file was made from something else.
    """
    masks = list(MASKS) if masks is None else masks
    check_names(masks, MASKS, "unknown mask")
    check_count(len(originals), LEAST)
    made_from = {"experiment": "looks", "data": data, "pictures": len(originals), "seed": seed}
    results = open_results(path, made_from)
    methods: dict[str, tuple[LatentModel | None, dict]] = {
        name: (None, {"method": name} | options_of(FILLS[name])) for name in BASELINES
    }
    for name, model in generators.items():
        search = {"settings": asdict(DEFAULT), "weights_sha256": model.card.get("sha256")}
        for count in restarts:
            label = f"{name}, {count} start{'s' * (count > 1)}"
            methods[label] = (model, {"restarts": count} | search)
    made = {f"{mask}, {name}": made for mask in masks for name, (_, made) in methods.items()}
    for cell in unfinished(results, path, made, progress):
        mask_name, name = cell.split(", ", 1)
        mask, (gan, made_by) = MASKS[mask_name](), methods[name]
        if gan is None:
            pictures = {"pictures": training} if name in NEED_PICTURES else {}
            y = corrupt(originals, mask)
            completed = fill_with(name, y, mask.expand(len(y), -1, -1, -1), **pictures)
        else:
            count = made_by["restarts"]
            found = inpaint(originals, mask, gan, restarts=count, seed=seed, progress=progress)
            completed = found.completed.cpu()
        looks = two_sample_auc(originals, completed, mask, device=gan.device if gan else "cpu")
        results["variants"][cell] = {
            "made_by": made_by,
            "hole_psnr": psnr(completed, originals, mask).tolist(),
            "auc": [looks.auc, looks.standard_error],
        }
    return results


def looks_table(results: dict) -> str:
    """Text: a line a mask and method, hole PSNR ± 95 % interval and AUC ± standard error."""
    lines = [f"{'':44s}{'hole PSNR (dB)':>16s}{'AUC':>16s}"]
    for cell, found in results["variants"].items():
        auc = "{:.3f} ± {:.3f}".format(*found["auc"])
        lines.append(f"{cell:44s}{interval_text(found['hole_psnr']):>16s}{auc:>16s}")
    return "\n".join(lines)
