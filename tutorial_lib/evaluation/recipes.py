"""What makes a GAN train? The same DCGAN, the same number of images, one change at a time.

`python -m tutorial_lib recipes` trains and measures them one by one and stores a JSON file.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tutorial_lib.evaluation.metrics import psnr
from tutorial_lib.evaluation.reports import discriminator_report
from tutorial_lib.evaluation.results import (
    check_count,
    check_names,
    evenly_spaced,
    interval_text,
    open_results,
    unfinished,
)
from tutorial_lib.evaluation.sliced_wasserstein import sliced_wasserstein
from tutorial_lib.evaluation.two_sample import LEAST, two_sample_auc
from tutorial_lib.inpainting.latent_search import DEFAULT
from tutorial_lib.inpainting.pipeline import inpaint
from tutorial_lib.masks import center_mask
from tutorial_lib.models.latent_model import LatentModel, pictures_of
from tutorial_lib.models.weights import save_gan
from tutorial_lib.training.gan import GANSettings, GANTask
from tutorial_lib.training.loop import train

IMAGES = 300_032  # 4,688 batches of 64
HOLES = 200
BASE_CHANNELS = 32
DISCRIMINATOR_CHANNELS = 24


@dataclass(frozen=True)
class Recipe:
    """One way to train.

    Attributes:
        changes: fields of `GANSettings` that differ from `baseline_settings`.
        batch_size: images a step; the average of G's weights reaches back over as many images.
    """

    changes: dict = field(default_factory=dict)
    batch_size: int = 64


RECIPES = {
    "baseline": Recipe(),
    "D rate 2": Recipe({"discriminator_rate": 2.0}),
    "D rate 4": Recipe({"discriminator_rate": 4.0}),
    "wider D": Recipe({"discriminator_channels": 36}),
    "beta1 0": Recipe({"beta1": 0.0}),
    "hinge": Recipe({"loss": "hinge"}),
    "R1 0.2": Recipe({"r1": 0.2}),
    "translation only": Recipe({"augment": ("translation",)}),
    "no augmentation": Recipe({"augment": ()}),
    "D gain 8": Recipe({"gain": 8.0}),
    "no augmentation, D gain 8": Recipe({"augment": (), "gain": 8.0}),
    "batch 32": Recipe({"ema": 0.9995}, 32),
}


def baseline_settings(**changes) -> GANSettings:
    """The recipe of the weights of digits, cars and rendered pictures, with some fields changed.

    For narrower networks: G has two thirds of their width, D three quarters. The last stages of
    `portraits` had "no augmentation, D gain 8" and the rate of "D rate 2" at once.
    """
    settings: dict[str, Any] = {
        "base_channels": BASE_CHANNELS,
        "discriminator_channels": DISCRIMINATOR_CHANNELS,
        "norm": "spectral",
        "augment": ("color", "translation"),
        "ema": 0.999,
        "junk": 0.25,
        "precision": "bfloat16",
    }
    return GANSettings(**(settings | changes))


def generate(gan: LatentModel, count: int) -> Tensor:
    """(count, 3, 64, 64) in [-1, 1]: pictures of random latent codes, on the CPU."""
    return pictures_of(gan, gan.sample_z(count, torch.Generator().manual_seed(0)))


def measure_recipe(gan: LatentModel, held_out: Tensor, progress: bool = True) -> dict:
    """How good a trained pair is, with and without a hole.

    Args:
        gan: the trained model.
        held_out: (N, 3, 64, 64) in [-1, 1], pictures it has not seen.
        progress: whether to show a progress bar.

    Returns:
        "sliced_wasserstein": of as many samples as pictures, see `evaluation.sliced_wasserstein`;
        "samples_auc": two-sample AUC of whole samples against pictures, [mean, standard error];
        "hole_auc": the same for completions of center holes against originals;
        "hole_psnr": dB, one for each of the (at most 200) completions; "discriminator": what D
        says.
    """
    samples = generate(gan, len(held_out))
    looks = two_sample_auc(held_out, samples, device=gan.device)
    faces = held_out[evenly_spaced(len(held_out), min(HOLES, len(held_out)))]
    mask = center_mask()
    completed = inpaint(faces, mask, gan, progress=progress).completed.cpu()
    holes = two_sample_auc(faces, completed, mask, device=gan.device)
    return {
        "sliced_wasserstein": sliced_wasserstein(samples, held_out),
        "samples_auc": [looks.auc, looks.standard_error],
        "hole_auc": [holes.auc, holes.standard_error],
        "hole_psnr": psnr(completed, faces, mask).tolist(),
        "discriminator": discriminator_report(gan, held_out),
    }


def run_recipes(
    training,
    held_out: Tensor,
    path: str | os.PathLike,
    work: str | os.PathLike,
    *,
    data: dict,
    names: list[str] | None = None,
    images: int = IMAGES,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: bool = True,
) -> dict:
    """Train each recipe on the same number of images, measure it, and store the figures one by one.

    Args:
        training: the training set.
        held_out: (N, 3, 64, 64) in [-1, 1], test pictures, at least 20.
        path: the .json file; an unfinished one is gone on with.
        work: folder of the runs, a subfolder a recipe; unfinished ones are gone on with.
        data: what the pictures are, for the file.
        names: keys of `RECIPES`; None takes all.
        images: training images of each recipe.
        seed: of weights, order and draws.
        device: where to train and search.
        progress: whether to show progress bars.

    Returns:
        the results as stored; "variants" holds for each recipe its "made_by" and what
        `measure_recipe` returned. Not complete when a training was interrupted.

    Raises:
        ValueError: for an unknown recipe, or when the file was made from something else.
    """
    names = list(RECIPES) if names is None else names
    check_names(names, RECIPES, "unknown recipe")
    check_count(len(held_out), LEAST)
    made_from = {
        "experiment": "recipes",
        "data": data,
        "training_pictures": len(training),
        "held_out_pictures": len(held_out),
        "images": images,
        "seed": seed,
    }
    results = open_results(path, made_from)
    if "real_pictures" not in results:
        results["real_pictures"] = real_distance(training, held_out)
    made, search = {}, {"search": asdict(DEFAULT)}
    for name in names:
        size, settings = RECIPES[name].batch_size, baseline_settings(**RECIPES[name].changes)
        facts = {"steps": images // size, "batch_size": size, "seed": seed} | asdict(settings)
        made[name] = facts | search
    for name in unfinished(results, path, made, progress):
        recipe = RECIPES[name]
        task = GANTask(baseline_settings(**recipe.changes), device, seed)
        folder = Path(work) / name.replace(", ", "-").replace(" ", "-")
        log = train(
            task,
            training,
            steps=images // recipe.batch_size,
            batch_size=recipe.batch_size,
            seed=seed,
            run_dir=folder,
            progress=progress,
        )
        if log.interrupted:
            return results
        facts = {"steps": log.steps, "batch_size": recipe.batch_size, "seed": seed}
        facts |= task.describe()
        gan = task.finish()
        save_gan(folder / "final.safetensors", gan, {"data": data, "training": facts})
        figures = measure_recipe(gan, held_out, progress)
        results["variants"][name] = {"made_by": facts | search} | figures
    return results


def real_distance(training, held_out: Tensor) -> dict[str, float]:
    """The distance of held-out pictures from as many training pictures: a perfect G's."""
    count = min(len(held_out), len(training))
    others = training.images(evenly_spaced(len(training), count))
    return sliced_wasserstein(held_out[evenly_spaced(len(held_out), count)], others)


def recipes_table(results: dict) -> str:
    """Text: a line a recipe. SWD: sliced Wasserstein distance; AUC: 0.5 = cannot be told."""
    widths = {"SWD": 6, "AUC of samples": 16, "hole (dB)": 15, "AUC of holes": 16, "AUC of D": 10}
    lines = [f"{'':26s}" + "".join(f"{column:>{width}s}" for column, width in widths.items())]
    for name, found in results["variants"].items():
        cells = (
            f"{found['sliced_wasserstein']['mean']:.1f}",
            "{:.3f} ± {:.3f}".format(*found["samples_auc"]),
            interval_text(found["hole_psnr"]),
            "{:.3f} ± {:.3f}".format(*found["hole_auc"]),
            f"{found['discriminator']['auc_real_against']['generated']:.3f}",
        )
        aligned = zip(cells, widths.values(), strict=True)
        lines.append(f"{name:26s}" + "".join(f"{cell:>{width}s}" for cell, width in aligned))
    lines.append(f"{'photographs':26s}{results['real_pictures']['mean']:>6.1f}")
    return "\n".join(lines)
