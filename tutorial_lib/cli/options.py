"""What several commands share: which pictures they read, and what is known of them."""

from __future__ import annotations

import argparse
import re
from contextlib import nullcontext, redirect_stdout
from pathlib import Path

import torch

from tutorial_lib.datasets import NAMES, TERMS, TEST_ONLY, load_dataset
from tutorial_lib.datasets.shipped import ARCHIVES, archive_path
from tutorial_lib.device import available_threads, pick_device, set_threads
from tutorial_lib.models.weights import file_hash
from tutorial_lib.training import distributed

MAX_SEED = 2**63 - 1
MAX_THREADS = 1024


def positive(text: str) -> int:
    """A whole number from 1 on, for argparse."""
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 on, got {text!r}")
    return int(text)


def seed_number(text: str) -> int:
    """A seed, for argparse: any that torch's generators take, and the next one as well."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 on, got {text!r}")
    if int(text) > MAX_SEED:
        raise argparse.ArgumentTypeError(f"must be at most {MAX_SEED}, got {text!r}")
    return int(text)


def thread_count(text: str) -> int:
    """A number of threads, for argparse; far above it a system starts none."""
    if not text.isdecimal() or not 1 <= int(text) <= MAX_THREADS:
        raise argparse.ArgumentTypeError(
            f"must be a whole number from 1 to {MAX_THREADS}, got {text!r}"
        )
    return int(text)


def add_data_options(parser) -> None:
    """Add the options that say which pictures are read."""
    names = [name for name in NAMES if name not in TEST_ONLY]
    parser.add_argument(
        "--data", choices=names, default="synthetic-faces", help="the set of pictures"
    )
    parser.add_argument(
        "--root",
        type=Path,
        help="for --data folder: folder or zip archive; for the paper's sets: the folder of "
        "their archives",
    )
    parser.add_argument(
        "--crop",
        help="folder: center, or face (pictures without one are left out); celeba: pixels, 108 "
        "when left out",
    )
    parser.add_argument(
        "--extra", action="store_true", help="svhn: train on the extra digits as well"
    )


def add_run_options(
    parser,
    *,
    seed: str,
    out: str,
    required: bool = False,
    default_seed: int = 0,
    threads: str = "all cores when left out",
) -> None:
    """Add --seed, --device, --threads and --out with their help; `required` says whether --out is.

    `device_of` reads two of them.
    """
    parser.add_argument("--seed", type=seed_number, default=default_seed, help=seed)
    parser.add_argument("--device", help="cpu, cuda, mps; the best there is when left out")
    parser.add_argument("--threads", type=thread_count, help=f"CPU threads; {threads}")
    parser.add_argument("--out", type=Path, required=required, help=out)


def device_of(options) -> torch.device:
    """Where a command computes, --device, with as many CPU threads as --threads says."""
    threads = options.threads
    set_threads(distributed.threads_each(available_threads()) if threads is None else threads)
    return pick_device(options.device)


def open_data(options, **more):
    """`load_dataset` of what the options name; beside process 0 nobody speaks.

    `options.left_out` becomes True where pictures could not be read: then the command's exit status
    is 1, though all else is done.
    """
    if options.crop:
        if options.data == "celeba" and not options.crop.isdigit():
            raise ValueError(f"--crop of celeba is a number of pixels, got {options.crop!r}")
        more["crop"] = int(options.crop) if options.data == "celeba" else options.crop
    if options.extra:
        more["extra"] = True
    with redirect_stdout(None) if distributed.rank() else nullcontext():
        dataset = load_dataset(options.data, root=options.root, **more)
    if getattr(dataset, "problems", None):
        options.left_out = True
    return dataset


def licence(name: str) -> str:
    """What is known of the terms of a data set's pictures."""
    if name in ARCHIVES:
        return ARCHIVES[name].licence
    return TERMS.get(name, "")


def archive_hash(options) -> str | None:
    """sha256 of the archive that the pictures come from, None where it is not one file."""
    path = archive_path(options.data) if options.data in ARCHIVES else options.root
    return file_hash(path) if path and path.is_file() else None


def shows_faces(name: str) -> bool:
    """Whether the pictures of the data set of that name are faces."""
    words = re.split(r"[^a-z]+", name.lower())
    return "faces" in words or name in ("celeba", "portraits", "two-portraits")


def what_is_read(options, dataset, **more) -> dict:
    """What decides on the pictures, for results that must not be mixed."""
    given = {key: value for key in ("crop", "extra") if (value := getattr(options, key))}
    sha256 = archive_hash(options)
    if sha256 is None and dataset.identity:
        given["files"] = dataset.identity
    return {"name": dataset.name, "split": "test", **given, **more, "sha256": sha256}


def end_of(results: dict, table: str, out: Path) -> int:
    """Show what a command has measured; returns its exit status."""
    if results["variants"]:
        print(table)
    if not results["complete"]:
        print("stopped; the same command goes on from there")
        return 130
    print(f"wrote {out}")
    return 0
