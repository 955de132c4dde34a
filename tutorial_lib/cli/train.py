"""`python -m tutorial_lib train`: train a model and export it."""

from __future__ import annotations

import argparse
import json
import shlex
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from tutorial_lib.cache import atomic_write, check_writable
from tutorial_lib.cli.options import (
    add_data_options,
    add_run_options,
    archive_hash,
    device_of,
    licence,
    open_data,
    positive,
)
from tutorial_lib.datasets.folder import PictureFolder
from tutorial_lib.device import PRECISIONS, describe, fast_precision
from tutorial_lib.evaluation.reports import (
    attributes_report,
    context_encoder_report,
    diffusion_report,
    discriminator_report,
    encoder_report,
    landmarks_report,
    vae_report,
)
from tutorial_lib.images import image_grid
from tutorial_lib.models.attributes import heads_of, true_classes
from tutorial_lib.models.dcgan import NORMS
from tutorial_lib.models.weights import (
    load_card,
    load_context_encoder,
    load_denoiser,
    load_gan,
    save_gan,
    save_network,
)
from tutorial_lib.training import distributed
from tutorial_lib.training.attributes import AttributesSettings, AttributesTask, LabeledPictures
from tutorial_lib.training.augment import KINDS as AUGMENTATIONS
from tutorial_lib.training.context_encoder import ContextEncoderSettings, ContextEncoderTask
from tutorial_lib.training.diffusion import DiffusionSettings, DiffusionTask
from tutorial_lib.training.encoder import EncoderSettings, EncoderTask, Samples
from tutorial_lib.training.gan import LOSSES, GANSettings, GANTask
from tutorial_lib.training.landmarks import FacePoints, LandmarksSettings, LandmarksTask
from tutorial_lib.training.loop import CONFIG, train
from tutorial_lib.training.task import Task
from tutorial_lib.training.vae import VAESettings, VAETask

REPORT_PICTURES = 500
# model -> its settings, its task, and what loads the weights that a training may start from
KINDS: dict[str, tuple[Any, Any, Any]] = {
    "dcgan": (GANSettings, GANTask, load_gan),
    "vae": (VAESettings, VAETask, None),
    "context-encoder": (ContextEncoderSettings, ContextEncoderTask, load_context_encoder),
    "diffusion": (DiffusionSettings, DiffusionTask, load_denoiser),
    "encoder": (EncoderSettings, EncoderTask, None),
    "attributes": (AttributesSettings, AttributesTask, None),
    "landmarks": (LandmarksSettings, LandmarksTask, None),
}
REPORT_SIDE = 112  # of the faces on which landmarks are measured
SAMPLES = 100_000  # of G, of which an encoder learns
MEAN_PICTURES = 2000  # whose mean color stands for a hole
DATA = "synthetic-faces"  # read where --data is left out
ONE_VALUE = ("attributes",)  # their batch norm has one value an image: of one there is no variance
OF_FILES = ("checkpoint", "config", "log", "samples")  # what a run folder holds besides weights
# options of the GAN alone: its settings
OF_GANS = ("norm", "gain", "discriminator_rate", "loss", "augment", "ema", "r1", "junk")
OF_PICTURES = ("dcgan", "vae", "context-encoder", "diffusion")  # they learn from pictures alone
# option -> the models that have it, where not all do
OF_SOME = {
    **dict.fromkeys(OF_GANS, ("dcgan",)),
    "adversarial": ("vae", "context-encoder"),
    "noise": ("vae",),
    "discriminator_channels": ("dcgan", "vae", "context-encoder"),
    "start_from": tuple(name for name, (*_, load) in KINDS.items() if load),
    **dict.fromkeys(("no_flips", "repeat", "crop", "extra"), OF_PICTURES),
    **dict.fromkeys(("data", "root"), (*OF_PICTURES, "attributes", "landmarks")),
    "weights": ("encoder",),
}


def add_command(commands) -> None:
    """Add the command and its options to the parser."""
    default = GANSettings()
    parser = commands.add_parser(
        "train",
        help="train a model and export it, resuming an interrupted run",
    )
    parser.add_argument("--model", choices=list(KINDS), default="dcgan", help="what is trained")
    add_data_options(parser)
    parser.add_argument("--limit", type=positive, help="train on at most so many pictures")
    parser.add_argument(
        "--repeat",
        nargs=2,
        metavar=("PATTERN", "TIMES"),
        help="folder: have the pictures whose file names match so many times an epoch",
    )
    parser.add_argument(
        "--steps", type=positive, required=True, help="of the whole run, batches of pictures"
    )
    parser.add_argument(
        "--minutes",
        type=minutes,
        help="end and export after so many minutes, though --steps is not reached",
    )
    parser.add_argument(
        "--start-from",
        metavar="WEIGHTS",
        help="dcgan, context-encoder, diffusion: begin with trained weights, a name or a "
        ".safetensors file, instead of random ones",
    )
    parser.add_argument(
        "--weights",
        help="encoder: the DCGAN whose codes it learns to guess, from samples of its own; no "
        "pictures are read",
    )
    parser.add_argument("--batch-size", type=positive, default=64, help="pictures a step")
    parser.add_argument(
        "--base-channels",
        type=positive,
        help="size of the networks; the model's own when left out: the paper's 128 for dcgan, 64 "
        "for vae, context-encoder and diffusion, 40 for encoder, 24 for attributes, 16 for "
        "landmarks",
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
        type=positive,
        help="of D, if there is one; as the other network when left out",
    )
    parser.add_argument("--norm", choices=NORMS, help=_of_gans("normalization in D", default.norm))
    parser.add_argument(
        "--gain",
        type=float,
        help=_of_gans("factor of D's logit, with --norm spectral", default.gain),
    )
    parser.add_argument(
        "--discriminator-rate",
        type=float,
        help=_of_gans("D's learning rate as a multiple of G's", default.discriminator_rate),
    )
    parser.add_argument("--loss", choices=LOSSES, help=_of_gans("adversarial loss", default.loss))
    parser.add_argument(
        "--augment",
        nargs="*",
        choices=AUGMENTATIONS,
        help=_of_gans("what D sees", list(default.augment)),
    )
    parser.add_argument(
        "--ema", type=float, help=_of_gans("decay of the average of G's weights", default.ema)
    )
    parser.add_argument("--r1", type=float, help=_of_gans("gamma of the R1 penalty", default.r1))
    parser.add_argument(
        "--junk",
        type=float,
        help=_of_gans("share of a batch that D also sees as junk", default.junk),
    )
    parser.add_argument(
        "--precision",
        choices=list(PRECISIONS),
        help="what the device is quickest in when left out: bfloat16 or float32",
    )
    add_run_options(
        parser,
        seed="of the initial weights, the order of the pictures and all draws",
        threads="all cores when left out, shared between the processes of torchrun",
        out="run folder: checkpoint, log, samples, final weights",
        required=True,
    )
    parser.add_argument(
        "--name", help="name of the exported weights; the run folder's when left out"
    )
    parser.add_argument("--licence", default="", help="of the pictures, for the model card")
    parser.set_defaults(run=run, data=None)  # None, as for all of OF_SOME: given or left out?


def _of_gans(text: str, default: Any) -> str:
    """Help of an option in `OF_GANS`: its default is named here, and None when it is parsed."""
    return f"dcgan: {text} (default: {default})"


def minutes(text: str) -> float:
    """A time above 0, for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not value > 0:
        raise argparse.ArgumentTypeError(f"must be a number above 0, got {text!r}")
    return value


def run(options) -> int:
    """Run the command; returns the exit status."""
    with distributed.joined(device_of(options)) as device:
        return _train_on(device, options)


def _train_on(device: torch.device, options) -> int:
    _check(options)  # what is wrong is said before pictures are read
    options.data = options.data or DATA
    options.precision = options.precision or _usual_precision(options, device)
    settings = _settings(options)
    check_writable(options.out, f"{_name(options)}.safetensors", f"{_name(options)}.json")
    dataset, held_out = _data(options)
    task = _task(options, settings, dataset, device)
    first = distributed.rank() == 0
    if first:
        count = distributed.world_size()
        together = f", {count} processes together" if count > 1 else ""
        article = "an" if options.model[0] in "ae" else "a"
        print(
            f"training {article} {options.model} on {describe(device)}{together}, "
            f"in {options.precision}"
        )
    samples = options.out / "samples"
    samples.mkdir(parents=True, exist_ok=True)

    def keep(step: int, images: torch.Tensor) -> None:
        with atomic_write(samples / f"{step:06d}.png") as file:
            Image.fromarray(image_grid(images, 8)).save(file, format="PNG")

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


def _data(options) -> tuple[Any, Any]:
    """The training set and what is measured on in the end: None but in the first process.

    The second is opened now, not after days of training: there may be none, or a broken one.
    """
    first = distributed.rank() == 0
    if options.model == "landmarks":
        if options.data != "folder" or options.root is None:
            raise ValueError(
                "landmarks are learned from a zip archive with points.csv in it: "
                "--data folder --root ARCHIVE"
            )
        faces = FacePoints(options.root, "train", options.limit)
        return faces, FacePoints(options.root, "test", side=REPORT_SIDE) if first else None
    if options.model == "encoder":
        if not options.weights:
            raise ValueError("an encoder guesses the codes of one generator: give its --weights")
        gan = load_gan(options.weights, "cpu")
        held_out = Samples(gan, REPORT_PICTURES, options.seed + 1) if first else None
        return Samples(gan, options.limit or SAMPLES, options.seed), held_out
    if options.model == "attributes":
        heads_of(options.data)  # says so at once where no picture's attributes are known
    # of the processes on one machine one fills the cache, and the others wait for it
    dataset = open_data(options, split="train", limit=options.limit, seed=options.seed)
    if options.repeat:
        pattern, times = options.repeat
        if not isinstance(dataset, PictureFolder) or not times.isdecimal():
            raise ValueError("--repeat is for --data folder, a pattern and a whole number")
        several: Any = dataset.repeated(pattern, int(times))
        several.crop, several.repeat = dataset.crop, (pattern, int(times))
        dataset = several
    held_out = None
    if first:
        held_out = open_data(options, split="test", limit=REPORT_PICTURES, seed=options.seed)
    return LabeledPictures(dataset) if options.model == "attributes" else dataset, held_out


def _export(options, task: Task, dataset, test_set, steps: int) -> Path:
    """Measure the trained model on held-out images and write its weights with their card."""
    data = {
        "name": dataset.name,
        "pictures": len(dataset),
        "licence": options.licence or licence(options.data),
        **({"crop": options.crop} if options.crop else {}),
        "sha256": archive_hash(options),
    }
    if options.model == "encoder":  # its pictures come from weights, not from an archive
        of = dataset.gan.card
        terms = options.licence or of.get("data", {}).get("licence", "")
        data |= {"licence": terms, "sha256": of.get("sha256")}
    card = {
        "data": data,
        "training": {
            "steps": steps,
            "batch_size": options.batch_size,
            "seed": options.seed,
            **task.describe(),
        },
        "command": _command(options),
    }
    path = options.out / f"{_name(options)}.safetensors"
    model = task.finish()
    if options.model == "landmarks":
        return save_network(path, model, card | {"held_out": landmarks_report(model, test_set)})
    images = test_set.images(slice(None))
    if options.model == "dcgan":
        return save_gan(path, model, card | {"discriminator": discriminator_report(model, images)})
    if options.model == "vae":
        report = vae_report(model, images)
    elif options.model == "context-encoder":
        report = context_encoder_report(model, images)
    elif options.model == "encoder":
        report = encoder_report(model, dataset.gan, images)
    elif options.model == "diffusion":
        report = diffusion_report(model, images)
    else:
        truths = true_classes(test_set, range(len(test_set)))
        report = attributes_report(model, images, truths)
    return save_network(path, model, card | {"held_out": report})


def _usual_precision(options, device: torch.device) -> str:
    """That of the run which is gone on with; else what the device is quickest in."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        stored = json.loads((options.out / CONFIG).read_text(encoding="utf-8"))
        if stored["settings"]["precision"] in PRECISIONS:
            return stored["settings"]["precision"]
    if options.model == "landmarks":  # places in a crop need more than bfloat16's eight bits
        return "float32"
    return fast_precision(device)


def _name(options) -> str:
    """What the exported weights are called."""
    return options.name or options.out.resolve().name


def _check(options) -> None:
    """Refuse a name that is none, options of other models, and batches that are too small."""
    name, model = _name(options), options.model
    if name in ("", ".", "..") or name.casefold() in OF_FILES or {"/", "\\"} & {*name}:
        raise ValueError(
            f"weights cannot be called {name!r}: give another --name, without a / or \\ in it, "
            f"and none of {', '.join(OF_FILES)}"
        )
    wrong = [
        f"--{option.replace('_', '-')} is a setting of {', '.join(models)}"
        for option, models in OF_SOME.items()
        if model not in models
        and all(getattr(options, option) is not left for left in (None, False))
    ]
    if wrong:
        raise ValueError(f"{'; '.join(wrong)}; not of {model}")
    if model == "vae" and options.discriminator_channels and not options.adversarial:
        raise ValueError("--discriminator-channels: a vae has a D with --adversarial alone")
    if model in ONE_VALUE and options.batch_size < 2 * distributed.world_size():
        raise ValueError(
            f"--batch-size {options.batch_size}: {model} takes at least 2 images a process, since "
            "batch norm needs their variance"
        )


def _settings(options) -> Any:
    """The settings of the model asked for; what was not given keeps its default."""
    if options.start_from:
        load_card(options.start_from)
    kind = KINDS[options.model][0]
    given = vars(options) | {"flips": not options.no_flips}
    if options.augment is not None:
        given["augment"] = tuple(options.augment)
    names = [field.name for field in fields(kind) if given.get(field.name) is not None]
    settings = kind(**{name: given[name] for name in names})
    if options.model == "dcgan":
        for name in OF_GANS:  # the command on the card says the defaults, too
            setattr(options, name, getattr(settings, name))
    return settings


def _task(options, settings, dataset, device: torch.device) -> Task:
    """The task of the model asked for."""
    _, kind, load = KINDS[options.model]
    more: list[Any] = []  # what it learns with, besides the pictures
    if options.model == "attributes":
        more = [heads_of(options.data)]
    if options.model == "encoder":
        more = [dataset.gan]
    if options.model == "context-encoder":
        more = [dataset.images(range(min(len(dataset), MEAN_PICTURES)))]
    task = kind(settings, *more, device, options.seed)
    if options.start_from:
        task.start_from(load(options.start_from, device))
        task.started_from = load_card(options.start_from)["sha256"]
    return task


def _command(options) -> str:
    """The command that makes the weights again, without the folders of the machine it ran on."""
    words = ["python -m tutorial_lib train"]
    not_of_the_result = {"command", "run", "stopped", "left_out", "device", "threads", "out"}
    not_of_the_result |= {"name", "minutes"}
    if getattr(options, "model", "dcgan") == "encoder":
        not_of_the_result |= {"data"}
    for key, value in vars(options).items():
        if key in not_of_the_result or value is None or value is False or value in ([], (), ""):
            continue
        if key in ("root", "weights", "start_from"):
            value = Path(value).resolve().name
        parts = value if isinstance(value, list | tuple) else [value]
        text = shlex.join(str(part) for part in parts)
        words.append(f"--{key.replace('_', '-')}" + ("" if value is True else f" {text}"))
    return " ".join([*words, f"--out runs/{_name(options)}"])
