"""What does a stronger generator change?

DCGANs of several sizes, each kept at several lengths of training, fill the same holes.

The paper ends with the hope that better generators help directly (section 5). `python -m
tutorial_lib generators` trains them, searches with each from the same initial z, and stores a
JSON file; notebook 11 reads it.
"""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor

from tutorial_lib.evaluation.frechet import Judge
from tutorial_lib.evaluation.metrics import psnr
from tutorial_lib.evaluation.reports import discriminator_report
from tutorial_lib.evaluation.results import interval_text, open_results, unfinished
from tutorial_lib.evaluation.table1 import measure
from tutorial_lib.inpainting.latent_search import DEFAULT, search
from tutorial_lib.inpainting.pipeline import complete, initial_z
from tutorial_lib.masks import center_mask, corrupt
from tutorial_lib.models.latent_model import LatentModel, pictures_of
from tutorial_lib.models.weights import load_gan, save_gan
from tutorial_lib.training.gan import GANSettings, GANTask
from tutorial_lib.training.loop import train

SIZES = (4, 8, 16)
LENGTHS = (500, 2000, 7500)
# its prior has another scale; of 0, 0.003, 0.03, 0.1, 0.3, 1 and 3 the best on 32 training pictures
VAE_LAM = 0.1
SAMPLES = 2000  # pictures of G that a Frechet distance is taken of
SAMPLES_BATCH = 250
SHOWN = ("hole_psnr", "inverted_hole_psnr", "hole_ssim", "context")


def settings_of(size: int) -> GANSettings:
    """The recipe of the shipped weights for another number of base channels, D two thirds of G's.

    The average of G's weights reaches back 100 steps instead of 1000, for after 500 steps 1000
    would reach to the random start.
    """
    return GANSettings(
        base_channels=size,
        discriminator_channels=max(1, round(2 * size / 3)),
        norm="spectral",
        augment=("translation",),
        ema=0.99,
        junk=0.25,
        precision="bfloat16",
    )


def train_generator(
    size: int,
    length: int,
    dataset,
    held_out: Tensor,
    work: str | os.PathLike,
    seed: int = 1,
    device: torch.device | str = "cpu",
    progress: bool = True,
) -> Path | None:
    """Train a DCGAN of that size for `length` steps, going on from a shorter training of that size.

    Args:
        size: base channels of G.
        length: steps of 64 pictures.
        dataset: the training set.
        held_out: (N, 3, 64, 64) in [-1, 1], for what the model card says of D.
        work: folder of the runs and the weights.
        seed: of weights and draws.
        device: where to train.
        progress: whether to show a progress bar.

    Returns:
        the weights' path; None when the training was interrupted.
    """
    path = Path(work) / f"{dataset.name}-{size}-channels-{length}-steps.safetensors"
    if not path.exists():
        task = GANTask(settings_of(size), device, seed)
        log = train(
            task,
            dataset,
            steps=length,
            batch_size=64,
            seed=seed,
            run_dir=Path(work) / f"{size}-channels",
            progress=progress,
        )
        if log.interrupted:
            return None
        gan = task.finish()
        card = {
            "data": {
                "name": dataset.name,
                "pictures": len(dataset),
                "licence": "rendered by this library, MIT",
                "sha256": None,
            },
            "training": {"steps": log.steps, "batch_size": 64, "seed": seed, **task.describe()},
            "command": f"python -m tutorial_lib generators --data {dataset.name} "
            f"--sizes {size} --lengths {length} --seed {seed}",
            "discriminator": discriminator_report(gan, held_out),
        }
        save_gan(path, gan, card)
    return path


def sample_distance(gan: LatentModel, judge: Judge) -> float:
    """How good G is, without a hole: the Frechet distance of 2,000 of its pictures to real ones.

    In the features of the judge's classifier.
    """
    rng = torch.Generator().manual_seed(0)
    codes = [gan.sample_z(SAMPLES_BATCH, rng) for _ in range(SAMPLES // SAMPLES_BATCH)]
    return judge.distance(pictures_of(gan, torch.cat(codes), SAMPLES_BATCH))


def lam_for(model: LatentModel) -> float:
    """Lambda for the model's prior: the paper's value for D's, `VAE_LAM` for a VAE's own."""
    return VAE_LAM if model.discriminator is None else DEFAULT.lam


def invert(
    images: Tensor,
    gan: LatentModel,
    z0: Tensor,
    progress: bool = True,
    weights: Tensor | None = None,
) -> Tensor:
    """G(z) for the z that comes closest to whole pictures.

    The best that the search could ever find: the same search with every pixel known (Eq. 4 over
    the whole picture).

    Args:
        images: (B, 3, 64, 64) in [-1, 1].
        gan: the model to search.
        z0: (B, z_dim), the initial z.
        progress: whether to show a progress bar.
        weights: (1, 1, 64, 64), how much each pixel counts, 0 or more; None lets all count 1.

    Returns:
        (B, 3, 64, 64) in [-1, 1] on the CPU.
    """
    every = torch.ones(len(images), 1, *images.shape[2:])  # (B, 1, 64, 64)
    counts = every if weights is None else weights.expand_as(every)
    found = search(images, every, gan, z0, DEFAULT, weights=counts, progress=progress)
    return found.generated.cpu()


def measure_generator(
    gan: LatentModel, originals: Tensor, judge: Judge, seed: int = 0, progress: bool = True
) -> dict:
    """Fill center holes with this generator, invert the originals, and measure.

    The search is the default; for a VAE lam is `VAE_LAM`.

    Args:
        gan: the model to measure.
        originals: (N, 3, 64, 64) in [-1, 1], held-out pictures.
        judge: see `Judge`.
        seed: of the initial z.
        progress: whether to show a progress bar.

    Returns:
        "frechet" of G's samples and "measures", one figure per picture: `table1.measure`'s,
        "context" (Eq. 4 of z_hat), "inverted_psnr" and "inverted_hole_psnr" (dB, of `invert`), and
        "recovered ATTRIBUTE".
    """
    mask = center_mask().expand(len(originals), -1, -1, -1)
    z0 = initial_z(gan, len(originals), 1, seed)  # (N, z_dim)
    lam = torch.full((len(originals),), lam_for(gan))
    found = complete(corrupt(originals, mask), mask, gan, z0, lam=lam, progress=progress)
    completed = found.completed.cpu()
    inverted = invert(originals, gan, z0, progress)
    measures = measure(completed, originals, mask) | {
        "context": found.final["context"].tolist(),
        "inverted_psnr": psnr(inverted, originals).tolist(),
        "inverted_hole_psnr": psnr(inverted, originals, mask).tolist(),
    }
    return {
        "frechet": sample_distance(gan, judge),
        "measures": measures | judge.recovered(completed),
    }


def run_generators(
    originals: Tensor,
    training,
    judge: Judge,
    path: str | os.PathLike,
    work: str | os.PathLike,
    *,
    data: dict,
    sizes: tuple[int, ...] = SIZES,
    lengths: tuple[int, ...] = LENGTHS,
    shipped: tuple[str, ...] = (),
    seed: int = 1,
    device: torch.device | str = "cpu",
    progress: bool = True,
) -> dict:
    """Train every size for every length, measure each, and store the figures one by one.

    Args:
        originals: (N, 3, 64, 64) in [-1, 1], held-out pictures.
        training: the training set.
        judge: see `Judge`.
        path: the .json file; an unfinished one is gone on with.
        work: folder of the runs; the same.
        data: what the held-out pictures are, for the file.
        sizes: base channels of the generators.
        lengths: steps of their trainings.
        shipped: names of weights to measure as well, of a DCGAN or a VAE.
        seed: of the trainings.
        device: where to train and search.
        progress: whether to show a progress bar.

    Returns:
        the results as stored; "variants" holds for each generator its "made_by" (weights' hash,
        settings), "frechet" and "measures". Not complete when a training was interrupted.

    Raises:
        ValueError: when the file was made from something else.
    """
    made_from = {
        "experiment": "generators",
        "data": data,
        "pictures": len(originals),
        "seed": seed,
        "classifier": judge.card["name"],
        "classifier_sha256": judge.card["sha256"],
    }
    results = open_results(path, made_from)
    jobs = {
        f"{size} channels, {length} steps": (size, length)
        for size in sizes
        for length in sorted(lengths)
    }
    gans = {name: load_gan(name, device) for name in shipped}
    made = {}
    for name, (size, length) in jobs.items():  # the hash is known only after the training
        known = results["variants"].get(name, {}).get("made_by", {}).get("weights_sha256")
        facts = asdict(settings_of(size)) | {"steps": length}
        made[name] = _made_by({"training": facts, "kind": "dcgan", "sha256": known}, DEFAULT.lam)
    made |= {name: _made_by(gan.card, lam_for(gan)) for name, gan in gans.items()}
    for name in unfinished(results, path, made, progress):
        if name in jobs:
            found = train_generator(*jobs[name], training, originals, work, seed, device, progress)
            if found is None:
                return results
            gans[name] = load_gan(found, device)
        gan = gans.pop(name)
        figures = measure_generator(gan, originals, judge, progress=progress)
        cells = results["variants"] | {
            name: {"made_by": _made_by(gan.card, lam_for(gan))} | figures
        }
        results["variants"] = {key: cells[key] for key in (*made, *cells) if key in cells}
    return results


def _made_by(card: dict, lam: float) -> dict:
    keys = ("base_channels", "discriminator_channels", "steps", "ema")
    made = {key: card["training"].get(key) for key in keys} | {"kind": card["kind"]}
    settings = asdict(replace(DEFAULT, lam=lam))
    return made | {"settings": settings, "weights_sha256": card["sha256"]}


def generators_table(results: dict) -> str:
    """Text: a line a generator, its samples' Frechet distance, and means with 95 % intervals."""
    lines = [f"{'':28s}{'frechet':>10s}" + "".join(f"{measure:>20s}" for measure in SHOWN)]
    for name, stored in results["variants"].items():
        cells = [interval_text(stored["measures"][measure]) for measure in SHOWN]
        lines.append(
            f"{name:28s}{stored['frechet']:10.1f}" + "".join(f"{cell:>20s}" for cell in cells)
        )
    return "\n".join(lines)
