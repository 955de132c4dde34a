"""`python -m tutorial_lib data`: fetch pictures that may be fetched."""

from __future__ import annotations

from pathlib import Path

from tutorial_lib.datasets import TERMS
from tutorial_lib.datasets.svhn import fetch_svhn

BRING = {
    "celeba": "img_align_celeba.zip (1.4 GB) from mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
    "stanford-cars": "cars_train.tgz and cars_test.tgz (2 GB) and car_devkit.tgz from a copy: the "
    "official address is gone",
}


def add_command(commands) -> None:
    """Add the command and its options to the parser."""
    parser = commands.add_parser(
        "data", help="fetch pictures that may be fetched, resuming a transfer that broke off"
    )
    parser.add_argument("name", choices=["svhn", *BRING])
    parser.add_argument("--root", type=Path, help="svhn: folder for the files")
    parser.add_argument(
        "--extra", action="store_true", help="svhn: the 531,131 extra digits as well (1.3 GB)"
    )
    parser.set_defaults(run=run)


def run(options) -> int:
    """Run the command; returns the exit status."""
    print(TERMS[options.name])
    if options.name in BRING:
        raise ValueError(
            f"{options.name} is not fetched for you: bring {BRING[options.name]}, and give their "
            "folder as --root to train and table1"
        )
    if options.root is None:
        raise ValueError("svhn needs --root, the folder for the files")
    paths = fetch_svhn(options.root, options.extra)
    print(f"{len(paths)} files in {paths[0].parent}")
    return 0
