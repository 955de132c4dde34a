"""python -m tutorial_lib: what takes longer than a notebook cell."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import nullcontext, redirect_stdout
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from tutorial_lib import distributed
from tutorial_lib.baselines import NEED_PICTURES
from tutorial_lib.datasets import NAMES, TEST_ONLY, load_dataset
from tutorial_lib.datasets.official import BRING, TERMS, fetch_svhn
from tutorial_lib.datasets.shipped import ARCHIVES, archive_path
from tutorial_lib.device import (
    PRECISIONS,
    available_threads,
    describe,
    fast_precision,
    pick_device,
    set_threads,
)
from tutorial_lib.experiments.ablations import ablation_table, run_ablations
from tutorial_lib.experiments.generators import LENGTHS, SIZES, generators_table, run_generators
from tutorial_lib.experiments.looks import MASKS as LOOKS_MASKS
from tutorial_lib.experiments.looks import looks_table, run_looks
from tutorial_lib.experiments.recipes import IMAGES, RECIPES, recipes_table, run_recipes
from tutorial_lib.experiments.results import RESULTS_DIR, evenly_spaced
from tutorial_lib.experiments.table1 import METHODS, Models, run_table, table_mask, table_text
from tutorial_lib.experiments.yardsticks import REFERENCE_PICTURES, load_judge
from tutorial_lib.images import image_grid
from tutorial_lib.inpainting.files import (
    FRAMES,
    PHOTO_SIZES,
    SHEET,
    FramedMask,
    fill_files,
    mask_for,
)
from tutorial_lib.inpainting.pipeline import inpaint
from tutorial_lib.masks import FAMILIES, read_mask
from tutorial_lib.models.attributes import ATTRIBUTES, heads_of, true_classes
from tutorial_lib.models.dcgan import NORMS
from tutorial_lib.models.weights import (
    file_hash,
    load_card,
    load_context_encoder,
    load_gan,
    save_attributes,
    save_context_encoder,
    save_gan,
    save_landmarks,
    save_vae,
)
from tutorial_lib.training.attributes import AttributesSettings, AttributesTask, LabeledPictures
from tutorial_lib.training.augment import KINDS
from tutorial_lib.training.context_encoder import ContextEncoderSettings, ContextEncoderTask
from tutorial_lib.training.gan import LOSSES, GANSettings, GANTask
from tutorial_lib.training.landmarks import FacePoints, LandmarksSettings, LandmarksTask
from tutorial_lib.training.loop import TrainingDiverged, train
from tutorial_lib.training.report import (
    attributes_report,
    context_encoder_report,
    discriminator_report,
    landmarks_report,
    vae_report,
)
from tutorial_lib.training.vae import VAESettings, VAETask

REPORT_PICTURES = 500
MODELS = ("dcgan", "vae", "context-encoder", "attributes", "landmarks")
REPORT_SIDE = 112  # of the faces on which landmarks are measured
MEAN_PICTURES = 2000  # whose mean color stands for a hole


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, 1 for an error, 130 for a run that Ctrl-C ended early."""
    parser = argparse.ArgumentParser(prog="python -m tutorial_lib", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    _add_train(commands)
    _add_ablations(commands)
    _add_table1(commands)
    _add_generators(commands)
    _add_recipes(commands)
    _add_looks(commands)
    _add_inpaint(commands)
    _add_data(commands)
    parser.set_defaults(stopped="what was finished is stored, the same command goes on from there")
    options = parser.parse_args(arguments)
    try:
        return options.run(options)
    except KeyboardInterrupt:
        print(f"\nstopped; {options.stopped}", file=sys.stderr)
        return 130
    except (ValueError, OSError, TrainingDiverged) as error:
        print(f"{parser.prog} {options.command}: {error}", file=sys.stderr)
        return 1


def _positive(text: str) -> int:
    """A whole number from 1 on, for argparse."""
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 on, got {text!r}")
    return int(text)


def _add_data_options(parser) -> None:
    names = [name for name in NAMES if name not in TEST_ONLY]
    parser.add_argument("--data", choices=names, default="synthetic-faces")
    parser.add_argument(
        "--root",
        type=Path,
        help="for --data folder: folder or zip archive; for the paper's sets: the folder of their archives",
    )
    parser.add_argument(
        "--crop",
        help="folder: center, or face (pictures without one are left out); celeba: pixels, 108 when left out",
    )
    parser.add_argument(
        "--extra", action="store_true", help="svhn: train on the extra digits as well"
    )


def _open_data(options, **more):
    """`load_dataset` of what the options name; beside process 0 nobody speaks."""
    if options.crop:
        if options.data == "celeba" and not options.crop.isdigit():
            raise ValueError(f"--crop of celeba is a number of pixels, got {options.crop!r}")
        more["crop"] = int(options.crop) if options.data == "celeba" else options.crop
    if options.extra:
        more["extra"] = True
    with redirect_stdout(None) if distributed.rank() else nullcontext():
        return load_dataset(options.data, root=options.root, **more)


def _licence(name: str) -> str:
    """What is known of the terms of a data set's pictures."""
    if name in ARCHIVES:
        return ARCHIVES[name].licence
    return TERMS.get(name, "")


def _archive_hash(options) -> str | None:
    """sha256 of the archive that the pictures come from, None where it is not one file."""
    path = archive_path(options.data) if options.data in ARCHIVES else options.root
    return file_hash(path) if path and path.is_file() else None


def _shows_faces(name: str) -> bool:
    """Whether the pictures of the data set of that name are faces."""
    return "faces" in name or name in ("celeba", "portraits")


def _what_is_read(options, dataset) -> dict:
    """What decides on the pictures, for results that must not be mixed."""
    given = {key: value for key in ("crop", "extra") if (value := getattr(options, key))}
    return {"name": dataset.name, "split": "test", **given}


def _add_train(commands) -> None:
    default = GANSettings()
    parser = commands.add_parser(
        "train",
        help="train a model and export it, resuming an interrupted run",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--model", choices=MODELS, default="dcgan")
    _add_data_options(parser)
    parser.add_argument("--limit", type=_positive, help="train on at most so many pictures")
    parser.add_argument("--steps", type=_positive, required=True)
    parser.add_argument(
        "--minutes",
        type=float,
        help="end and export after so many minutes, though --steps is not reached",
    )
    parser.add_argument(
        "--start-from",
        metavar="WEIGHTS",
        help="dcgan: begin with trained weights, a name or a .safetensors file, instead of random ones",
    )
    parser.add_argument("--batch-size", type=_positive, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--base-channels",
        type=_positive,
        help="size of the networks; the model's own when left out: the paper's 128 for dcgan, 64 for vae and "
        "context-encoder, 24 for attributes, 16 for landmarks",
    )
    parser.add_argument("--learning-rate", type=float, help="Adam's; the model's own when left out")
    parser.add_argument(
        "--adversarial", type=float, help="vae, context-encoder: weight of the adversarial loss"
    )
    parser.add_argument(
        "--noise",
        type=float,
        help="vae: standard deviation of the pixels around the decoded picture",
    )
    parser.add_argument(
        "--no-flips",
        action="store_true",
        help="do not mirror training pictures: a mirrored digit is none",
    )
    parser.add_argument(
        "--discriminator-channels",
        type=_positive,
        help="of D, if there is one; as the other network when left out",
    )
    parser.add_argument(
        "--norm", choices=NORMS, default=default.norm, help="dcgan: normalization in D"
    )
    parser.add_argument(
        "--discriminator-rate",
        type=float,
        default=default.discriminator_rate,
        help="dcgan: D's learning rate as a multiple of G's",
    )
    parser.add_argument(
        "--loss", choices=LOSSES, default=default.loss, help="dcgan: adversarial loss"
    )
    parser.add_argument(
        "--augment", nargs="*", choices=KINDS, default=[], help="dcgan: what D sees"
    )
    parser.add_argument(
        "--ema", type=float, default=default.ema, help="dcgan: decay of the average of G's weights"
    )
    parser.add_argument(
        "--r1", type=float, default=default.r1, help="dcgan: gamma of the R1 penalty"
    )
    parser.add_argument(
        "--junk",
        type=float,
        default=default.junk,
        help="dcgan: share of a batch that D also sees as junk",
    )
    parser.add_argument(
        "--precision",
        choices=list(PRECISIONS),
        help="what the device is quickest in when left out: bfloat16 or float32",
    )
    parser.add_argument("--device", help="cpu, cuda, mps; the best there is when left out")
    parser.add_argument(
        "--threads",
        type=int,
        help="CPU threads; all cores when left out, shared between the processes of torchrun",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="run folder: checkpoint, log, samples, final weights",
    )
    parser.add_argument(
        "--name", help="name of the exported weights; the run folder's when left out"
    )
    parser.add_argument("--licence", default="", help="of the pictures, for the model card")
    parser.set_defaults(run=_train)


def _train(options) -> int:
    set_threads(options.threads or distributed.threads_each(available_threads()))
    with distributed.joined(pick_device(options.device)) as device:
        return _train_on(device, options)


def _train_on(device: torch.device, options) -> int:
    if options.model == "attributes":
        if distributed.world_size() > 1:
            raise ValueError(
                "the classifier is small and trains in one process: start it without torchrun"
            )
        heads_of(options.data)  # says so at once where no picture's attributes are known
    if options.model == "landmarks":
        dataset, held_out = _faces_with_points(options)
        # places in a crop need more than bfloat16's eight bits
        options.precision = options.precision or "float32"
    else:
        with distributed.first_on_each_machine():
            dataset = _open_data(options, split="train", limit=options.limit, seed=options.seed)
            # now, not after days of training: there may be none, or a broken one
            held_out = None
            if not distributed.rank():
                held_out = _open_data(
                    options, split="test", limit=REPORT_PICTURES, seed=options.seed
                )
    if options.model == "attributes":
        dataset = LabeledPictures(dataset)
    options.precision = options.precision or fast_precision(device)
    task = _task(options, dataset, device)
    if options.start_from:
        if options.model != "dcgan":
            raise ValueError(f"--start-from is an option of dcgan, not of {options.model}")
        task.start_from(load_gan(options.start_from, device))
    first = distributed.rank() == 0
    if first:
        together = (
            f", {distributed.world_size()} processes together"
            if distributed.world_size() > 1
            else ""
        )
        print(f"training a {options.model} on {describe(device)}{together}, in {options.precision}")
    samples = options.out / "samples"
    samples.mkdir(parents=True, exist_ok=True)

    def keep(step: int, pictures: torch.Tensor) -> None:
        Image.fromarray(image_grid(pictures, 8)).save(samples / f"{step:06d}.png")

    log = train(
        task,
        dataset,
        steps=options.steps,
        batch_size=options.batch_size,
        seed=options.seed,
        run_dir=options.out,
        on_preview=keep,
        minutes=options.minutes,
    )
    if log.interrupted:
        if first:
            print(f"stopped after step {log.steps}; the same command goes on from there")
        return 130
    if first:
        print(f"wrote {_export(options, task, dataset, held_out, log.steps)} and its card")
    return 0


def _faces_with_points(options) -> tuple[FacePoints, FacePoints]:
    """What the landmark network is trained on, and the held-out faces, larger."""
    if distributed.world_size() > 1:
        raise ValueError("the landmark network trains in one process: start it without torchrun")
    if options.data != "folder" or options.root is None:
        raise ValueError(
            "landmarks are learned from a zip archive with points.csv in it: "
            "--data folder --root ARCHIVE"
        )
    train_set = FacePoints(options.root, "train", options.limit)
    return train_set, FacePoints(options.root, "test", side=REPORT_SIDE)


def _export(options, task, dataset, test_set, steps: int) -> Path:
    """Measure the trained model on held-out pictures and write its weights with their card."""
    card = {
        "data": {
            "name": dataset.name,
            "pictures": len(dataset),
            "licence": options.licence or _licence(options.data),
            **({"crop": options.crop} if options.crop else {}),
            "sha256": _archive_hash(options),
        },
        "training": {
            "steps": steps,
            "batch_size": options.batch_size,
            "seed": options.seed,
            **task.describe(),
        },
        "command": _command(options),
    }
    path = options.out / f"{options.name or options.out.name}.safetensors"
    if options.model == "landmarks":
        network = task.finished_network()
        report = landmarks_report(network, test_set)
        return save_landmarks(path, network, card | {"held_out": report})
    held_out = test_set.images(slice(None))
    if options.model == "dcgan":
        gan = task.finish()
        return save_gan(path, gan, card | {"discriminator": discriminator_report(gan, held_out)})
    network = task.finished_network()
    if options.model == "attributes":
        report = attributes_report(network, held_out, true_classes(test_set, range(len(test_set))))
        return save_attributes(path, network, card | {"held_out": report})
    report, save = {
        "vae": (vae_report, save_vae),
        "context-encoder": (context_encoder_report, save_context_encoder),
    }[options.model]
    return save(path, network, card | {"held_out": report(network, held_out)})


def _task(options, dataset, device: torch.device):
    """The task of the model asked for; what was not given on the command line keeps the settings' default."""
    given = {
        key: value
        for key in ("base_channels", "learning_rate", "adversarial", "noise", "precision")
        if (value := getattr(options, key)) is not None
    } | {"flips": not options.no_flips}
    for name, models in {"adversarial": ("vae", "context-encoder"), "noise": ("vae",)}.items():
        if name in given and options.model not in models:
            raise ValueError(
                f"--{name} is a setting of {' and '.join(models)}, not of {options.model}"
            )
    if options.model == "landmarks":
        del given["flips"]  # always: points are mirrored with their picture
        return LandmarksTask(LandmarksSettings(options.steps, **given), device, options.seed)
    if options.model == "attributes":
        del given["flips"]  # never: a mirrored gaze looks the other way
        return AttributesTask(
            AttributesSettings(options.steps, **given), heads_of(options.data), device, options.seed
        )
    if options.model == "vae":
        return VAETask(
            VAESettings(**given, discriminator_channels=options.discriminator_channels),
            device,
            options.seed,
        )
    if options.model == "context-encoder":
        first = dataset.images(range(min(len(dataset), MEAN_PICTURES)))
        settings = ContextEncoderSettings(
            **given, discriminator_channels=options.discriminator_channels
        )
        return ContextEncoderTask(settings, first, device, options.seed)
    settings = GANSettings(
        **given,
        discriminator_channels=options.discriminator_channels,
        norm=options.norm,
        augment=tuple(options.augment),
        ema=options.ema,
        r1=options.r1,
        junk=options.junk,
        discriminator_rate=options.discriminator_rate,
        loss=options.loss,
    )
    return GANTask(settings, device, options.seed)


def _command(options) -> str:
    """The command that makes the weights again, without the folders of the machine it ran on."""
    words = ["python -m tutorial_lib train"]
    not_of_the_result = {"command", "run", "stopped", "device", "threads", "out", "name", "minutes"}
    if getattr(options, "model", "dcgan") != "dcgan":
        not_of_the_result |= {
            "norm",
            "discriminator_rate",
            "loss",
            "augment",
            "ema",
            "r1",
            "junk",
            "start_from",
        }
    for key, value in vars(options).items():
        if key in not_of_the_result or value is None or value is False or value in ([], ""):
            continue
        if key == "root":
            value = Path(value).resolve().name
        text = (
            " ".join(value)
            if isinstance(value, list)
            else f'"{value}"'
            if " " in str(value)
            else value
        )
        words.append(f"--{key.replace('_', '-')}" + ("" if value is True else f" {text}"))
    return " ".join([*words, f"--out runs/{options.name or options.out.name}"])


def _add_ablations(commands) -> None:
    parser = commands.add_parser(
        "ablations",
        help="measure what each part of the method is worth, resuming an interrupted run",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    _add_data_options(parser)
    parser.add_argument(
        "--weights",
        default="synthetic-faces",
        help="name of shipped weights, or a .safetensors file",
    )
    parser.add_argument("--mask", choices=FAMILIES, default="center")
    parser.add_argument(
        "--limit", type=int, default=32, help="held-out pictures, spread evenly over the test split"
    )
    parser.add_argument(
        "--variants", nargs="*", metavar="NAME", help="only these; all when left out"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the start codes and masks")
    parser.add_argument("--device", help="cpu, cuda, mps; the best there is when left out")
    parser.add_argument("--threads", type=int, help="CPU threads; all cores when left out")
    parser.add_argument(
        "--out",
        type=Path,
        help="the .json file; data/results/ablations-WEIGHTS-MASK.json when left out",
    )
    parser.set_defaults(run=_ablations)


def _ablations(options) -> int:
    set_threads(options.threads)
    gan = load_gan(options.weights, pick_device(options.device))
    print(f"searching on {describe(gan.device)}")
    dataset = _open_data(options, split="test")
    indices = evenly_spaced(len(dataset), options.limit)
    data = {**_what_is_read(options, dataset), "indices": indices, "sha256": _archive_hash(options)}
    out = options.out or RESULTS_DIR / f"ablations-{gan.card['name']}-{options.mask}.json"
    results = run_ablations(
        gan,
        dataset.images(indices),
        out,
        data=data,
        family=options.mask,
        names=options.variants,
        seed=options.seed,
    )
    print(ablation_table(results))
    print(f"wrote {out}")
    return 0


def _add_table1(commands) -> None:
    parser = commands.add_parser(
        "table1",
        help="the paper's Table 1 and beyond: every method on the same holes, resuming an "
        "interrupted run",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    _add_data_options(parser)
    parser.add_argument(
        "--weights",
        help="name of shipped weights, or a .safetensors file; the data's name when left out",
    )
    parser.add_argument(
        "--context-encoder",
        help="the same for the Context Encoder; WEIGHTS-context-encoder when left out",
    )
    parser.add_argument("--masks", nargs="*", choices=FAMILIES, default=list(FAMILIES))
    parser.add_argument(
        "--methods",
        nargs="*",
        choices=METHODS,
        metavar="NAME",
        help=f"of {', '.join(METHODS)}; all when left out",
    )
    parser.add_argument(
        "--limit",
        type=int,
        default=500,
        help="held-out pictures, spread evenly over the test split",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the start codes and masks")
    parser.add_argument("--device", help="cpu, cuda, mps; the best there is when left out")
    parser.add_argument("--threads", type=int, help="CPU threads; all cores when left out")
    parser.add_argument(
        "--work",
        type=Path,
        help="folder of the completed pictures; runs/table1-WEIGHTS when left out",
    )
    parser.add_argument(
        "--out", type=Path, help="the .json file; data/results/table1-WEIGHTS.json when left out"
    )
    parser.set_defaults(run=_table1)


def _table1(options) -> int:
    set_threads(options.threads)
    device = pick_device(options.device)
    methods = options.methods or list(METHODS)
    kinds = {METHODS[name].kind for name in methods}
    name = options.weights or options.data
    if options.data not in ATTRIBUTES and not options.weights:
        raise ValueError(
            f"--data {options.data} needs --weights: the name of shipped weights, or a .safetensors file"
        )
    if "paint" in kinds and not options.context_encoder and Path(name).suffix == ".safetensors":
        raise ValueError(
            "--weights is a file: give the Context Encoder's with --context-encoder, or --methods without context-encoder"
        )
    rendered = options.data in ATTRIBUTES
    # rendered pictures are drawn one by one at random: the first are as good as any, and no others need be rendered
    dataset = _open_data(options, split="test", limit=options.limit if rendered else None)
    training = _open_data(
        options,
        split="train",
        limit=None if set(NEED_PICTURES) & set(methods) else REFERENCE_PICTURES,
    )
    indices = evenly_spaced(len(dataset), min(options.limit, len(dataset)))
    painter = options.context_encoder or f"{name}-context-encoder"
    models = Models(
        gan=load_gan(name, device) if "search" in kinds else None,
        context_encoder=load_context_encoder(painter, device) if "paint" in kinds else None,
        context_encoder_card=load_card(painter) if "paint" in kinds else {},
        judge=load_judge(dataset, indices, training, device) if rendered else None,
        training=training,
        faces=_shows_faces(dataset.name),
    )
    print(f"filling {len(indices)} pictures a cell on {describe(device)}")
    data = {**_what_is_read(options, dataset), "indices": indices, "sha256": _archive_hash(options)}
    short = Path(name).stem
    out = options.out or RESULTS_DIR / f"table1-{short}.json"
    results = run_table(
        dataset.images(indices),
        models,
        out,
        options.work or Path("runs") / f"table1-{short}",
        data=data,
        families=tuple(options.masks),
        methods=methods,
        seed=options.seed,
    )
    for measure in ("psnr", "hole_psnr", "ssim"):
        print(table_text(results, measure), end="\n\n")
    print(f"wrote {out}")
    return 0


def _add_generators(commands) -> None:
    parser = commands.add_parser(
        "generators",
        help="train DCGANs of several sizes and lengths and fill the same holes with each, "
        "resuming an interrupted run",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--data", choices=list(ATTRIBUTES), default="synthetic-faces")
    parser.add_argument(
        "--sizes", nargs="*", type=int, default=list(SIZES), help="base channels of G"
    )
    parser.add_argument(
        "--lengths", nargs="*", type=int, default=list(LENGTHS), help="steps of training"
    )
    parser.add_argument(
        "--shipped",
        nargs="*",
        default=[],
        metavar="NAME",
        help="shipped weights to measure as well",
    )
    parser.add_argument("--limit", type=int, default=64, help="held-out pictures")
    parser.add_argument("--seed", type=int, default=1, help="of the trainings")
    parser.add_argument("--device", help="cpu, cuda, mps; the best there is when left out")
    parser.add_argument("--threads", type=int, help="CPU threads; all cores when left out")
    parser.add_argument(
        "--work",
        type=Path,
        help="folder of the runs and weights; runs/generators-DATA when left out",
    )
    parser.add_argument(
        "--out", type=Path, help="the .json file; data/results/generators-DATA.json when left out"
    )
    parser.set_defaults(run=_generators)


def _generators(options) -> int:
    set_threads(options.threads)
    device = pick_device(options.device)
    held_out, training = (
        load_dataset(options.data, split=split, limit=limit)
        for split, limit in (("test", options.limit), ("train", None))
    )
    judge = load_judge(held_out, range(len(held_out)), training, device)
    print(f"training and searching on {describe(device)}")
    out = options.out or RESULTS_DIR / f"generators-{options.data}.json"
    results = run_generators(
        held_out.images(slice(None)),
        training,
        judge,
        out,
        options.work or Path("runs") / f"generators-{options.data}",
        data={"name": held_out.name, "split": "test"},
        sizes=tuple(options.sizes),
        lengths=tuple(options.lengths),
        shipped=tuple(options.shipped),
        seed=options.seed,
        device=device,
    )
    if results["variants"]:
        print(generators_table(results))
    if not results["complete"]:
        print("stopped; the same command goes on from there")
        return 130
    print(f"wrote {out}")
    return 0


def _add_recipes(commands) -> None:
    parser = commands.add_parser(
        "recipes",
        help="train a DCGAN with one change of the recipe at a time, resuming an interrupted run",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    _add_data_options(parser)
    parser.add_argument(
        "--recipes", nargs="*", metavar="NAME", help=f"of {', '.join(RECIPES)}; all when left out"
    )
    parser.add_argument(
        "--images", type=_positive, default=IMAGES, help="training images of each recipe"
    )
    parser.add_argument("--seed", type=int, default=0, help="of weights, order and draws")
    parser.add_argument("--device", help="cpu, cuda, mps; the best there is when left out")
    parser.add_argument("--threads", type=int, help="CPU threads; all cores when left out")
    parser.add_argument(
        "--work", type=Path, default=Path("runs/recipes"), help="folder of the runs"
    )
    parser.add_argument("--out", type=Path, required=True, help="the .json file")
    parser.set_defaults(run=_recipes)


def _recipes(options) -> int:
    set_threads(options.threads)
    device = pick_device(options.device)
    training = _open_data(options, split="train")
    held_out = _open_data(options, split="test")
    print(f"training and searching on {describe(device)}")
    results = run_recipes(
        training,
        held_out.images(slice(None)),
        options.out,
        options.work,
        data={**_what_is_read(options, held_out), "sha256": _archive_hash(options)},
        names=options.recipes or None,
        images=options.images,
        seed=options.seed,
        device=device,
    )
    if results["variants"]:
        print(recipes_table(results))
    if not results["complete"]:
        print("stopped; the same command goes on from there")
        return 130
    print(f"wrote {options.out}")
    return 0


def _add_looks(commands) -> None:
    parser = commands.add_parser(
        "looks",
        help="hole PSNR and two-sample AUC of several weights on the same holes, resuming an interrupted run",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    _add_data_options(parser)
    parser.add_argument(
        "--weights",
        nargs="+",
        required=True,
        help="names of shipped weights, or .safetensors files",
    )
    parser.add_argument("--masks", nargs="*", choices=LOOKS_MASKS, default=list(LOOKS_MASKS))
    parser.add_argument(
        "--restarts", nargs="*", type=_positive, default=[1, 4], help="numbers of restarts to try"
    )
    parser.add_argument(
        "--limit",
        type=_positive,
        help="held-out pictures, spread evenly over the test split; all when left out",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the start codes")
    parser.add_argument("--device", help="cpu, cuda, mps; the best there is when left out")
    parser.add_argument("--threads", type=int, help="CPU threads; all cores when left out")
    parser.add_argument("--out", type=Path, required=True, help="the .json file")
    parser.set_defaults(run=_looks)


def _looks(options) -> int:
    set_threads(options.threads)
    device = pick_device(options.device)
    generators = {Path(name).stem: load_gan(name, device) for name in options.weights}
    held_out = _open_data(options, split="test")
    indices = evenly_spaced(len(held_out), options.limit or len(held_out))
    print(f"filling {len(indices)} pictures a cell on {describe(device)}")
    results = run_looks(
        held_out.images(indices),
        generators,
        _open_data(options, split="train"),
        options.out,
        data={
            **_what_is_read(options, held_out),
            "indices": indices,
            "sha256": _archive_hash(options),
        },
        masks=options.masks,
        restarts=tuple(options.restarts),
        seed=options.seed,
    )
    print(looks_table(results))
    print(f"wrote {options.out}")
    return 0


def _add_inpaint(commands) -> None:
    parser = commands.add_parser("inpaint", help="fill a hole in your own pictures")
    parser.add_argument(
        "pictures", nargs="+", type=Path, metavar="PICTURE", help="JPEG, PNG, WebP, ... of any size"
    )
    parser.add_argument(
        "--mask",
        default="center",
        help=f"{', '.join(FAMILIES)}, or a picture file, white known and black the hole (or a photo with "
        "the hole erased to transparent): as large as the picture, or 64x64 for what is taken of it",
    )
    parser.add_argument(
        "--weights", default="photo-faces", help="name of shipped weights, or a .safetensors file"
    )
    parser.add_argument(
        "--frame",
        choices=FRAMES,
        help="what is taken of a picture that is not 64x64: its largest frontal face, or the "
        "square in the middle; a face when left out and the weights know faces",
    )
    parser.add_argument(
        "--size",
        choices=PHOTO_SIZES,
        default="both",
        help="what is written: photo is NAME-photo.png, the picture at its own size with the hole filled "
        "and all else unchanged; 64 is NAME-filled.png, the 64x64 that the network sees",
    )
    parser.add_argument(
        "--restarts",
        type=int,
        default=4,
        help="searches a picture; the one with the lowest loss is kept",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the start codes and masks")
    parser.add_argument("--device", help="cpu, cuda, mps; the best there is when left out")
    parser.add_argument(
        "--threads",
        type=int,
        help="CPU threads; all cores when left out, shared between the processes of torchrun",
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for the PNG files and the contact sheet"
    )
    parser.set_defaults(run=_inpaint, stopped="nothing was written")


def _mask_file(path: str) -> np.ndarray:
    """(H, W) bool, True = known: a drawn mask; an error says that it is the mask's."""
    try:
        known, rule = read_mask(path)
    except (ValueError, OSError) as error:
        raise ValueError(f"--mask {path}: {error}") from error
    print(f"{path}: a mask of {known.shape[1]}x{known.shape[0]}; {rule}")
    return known


def _inpaint(options) -> int:
    set_threads(options.threads)
    if options.mask not in FAMILIES and not Path(options.mask).is_file():
        raise ValueError(
            f"--mask {options.mask}: neither one of {', '.join(FAMILIES)} nor a file that is there"
        )
    drawn = None if options.mask in FAMILIES else _mask_file(options.mask)
    gan = load_gan(options.weights, pick_device(options.device))
    data = gan.card["data"]
    faces = _shows_faces(data["name"]) or data.get("crop") == "face"
    frame = options.frame or ("face" if faces else "square")
    print(
        f"{gan.card['name']} on {describe(gan.device)}; nobody can recover what is gone: the fills are plausible, not true"
    )

    def mask_of(number, framed):
        if drawn is None:
            return FramedMask(table_mask(options.mask, number, options.seed))
        return mask_for(drawn, framed)

    def fill(images, masks):
        return inpaint(images, masks, gan, restarts=options.restarts, seed=options.seed)

    problems = fill_files(options.pictures, mask_of, fill, options.out, frame, options.size)
    for problem in problems.values():
        print(f"left out: {problem}", file=sys.stderr)
    if len(problems) < len(set(options.pictures)):
        print(
            f"wrote {len(set(options.pictures)) - len(problems)} filled pictures and {SHEET} to {options.out}"
        )
    return 1 if problems else 0


def _add_data(commands) -> None:
    parser = commands.add_parser(
        "data", help="fetch pictures that may be fetched, resuming a transfer that broke off"
    )
    parser.add_argument("name", choices=["svhn", *BRING])
    parser.add_argument("--root", type=Path, help="svhn: folder for the files")
    parser.add_argument(
        "--extra", action="store_true", help="svhn: the 531,131 extra digits as well (1.3 GB)"
    )
    parser.set_defaults(run=_data)


def _data(options) -> int:
    print(TERMS[options.name])
    if options.name in BRING:
        raise ValueError(
            f"{options.name} is not fetched for you: bring {BRING[options.name]}, and give their folder as --root to train and table1"
        )
    if options.root is None:
        raise ValueError("svhn needs --root, the folder for the files")
    paths = fetch_svhn(options.root, options.extra)
    print(f"{len(paths)} files in {paths[0].parent}")
    return 0
