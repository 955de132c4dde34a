"""`python -m tutorial_lib inpaint`: fill a hole in your own pictures."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from tutorial_lib.cli.options import add_run_options, device_of, positive, shows_faces
from tutorial_lib.device import describe
from tutorial_lib.evaluation.table1 import table_mask
from tutorial_lib.inpainting.files import (
    FRAMES,
    PHOTO_SIZES,
    SHEET,
    FramedMask,
    fill_files,
    mask_for,
)
from tutorial_lib.inpainting.inversion import inpaint_quality
from tutorial_lib.inpainting.pipeline import inpaint
from tutorial_lib.masks import FAMILIES, HOLES, TRANSPARENT, read_mask
from tutorial_lib.models.weights import load_gan

FEW_KNOWN = 0.2  # of a mask: with less, the wrong color was probably taken for the hole


def add_command(commands) -> None:
    """Add the command and its options to the parser."""
    parser = commands.add_parser("inpaint", help="fill a hole in your own pictures")
    parser.add_argument(
        "pictures", nargs="+", type=Path, metavar="PICTURE", help="JPEG, PNG, WebP, ... of any size"
    )
    parser.add_argument(
        "--mask",
        default="center",
        help=f"{', '.join(FAMILIES)}, or a picture file, white known and black the hole (or a "
        "photo with the hole erased to transparent): as large as the picture, or 64x64 for what "
        "is taken of it",
    )
    parser.add_argument(
        "--mask-hole",
        choices=HOLES,
        default="black",
        help="the color of the hole in a mask file without transparency",
    )
    parser.add_argument(
        "--weights", default="portraits", help="name of shipped weights, or a .safetensors file"
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
        help="what is written: photo is NAME-photo.png, the picture at its own size with the "
        "hole filled and all else unchanged; 64 is NAME-filled.png, the 64x64 that the network "
        "sees",
    )
    parser.add_argument(
        "--restarts",
        type=positive,
        default=4,
        help="searches per picture; the one with the lowest loss is kept",
    )
    parser.add_argument(
        "--quality",
        action="store_true",
        help="after the paper's search tune a copy of the generator to each picture's known pixels "
        "(pivotal tuning)",
    )
    add_run_options(
        parser,
        seed="of the initial z and masks",
        out="folder for the PNG files and the contact sheet",
        required=True,
    )
    parser.set_defaults(run=run, stopped="nothing was written")


def _mask_file(path: str, hole: str) -> np.ndarray:
    """(H, W) bool, True = known: a drawn mask; an error says that it is the mask's."""
    try:
        known, rule = read_mask(path, hole)
    except (ValueError, OSError) as error:
        named = str(error) if path in str(error) else f"{path}: {error}"
        raise ValueError(f"--mask {named}") from error
    print(f"{path}: a mask of {known.shape[1]}x{known.shape[0]}; {rule}")
    if known.mean() < FEW_KNOWN:
        advice = f"add --mask-hole {HOLES[1 - HOLES.index(hole)]}"
        if rule == TRANSPARENT:
            advice = "save it without transparency, black the hole on white"
        print(
            f"--mask {path}: only {known.mean():.0%} of the mask is known. Is it inverted? "
            f"Then {advice}",
            file=sys.stderr,
        )
    return known


def run(options) -> int:
    """Run the command; returns the exit status."""
    if options.mask not in FAMILIES and not Path(options.mask).is_file():
        raise ValueError(
            f"--mask {options.mask}: neither one of {', '.join(FAMILIES)} nor a file that is there"
        )
    device = device_of(options)
    drawn = None if options.mask in FAMILIES else _mask_file(options.mask, options.mask_hole)
    gan = load_gan(options.weights, device)
    data = gan.card.get("data", {})
    crop = data.get("crop")  # how the training pictures were framed, where the card says it
    faces = crop == "face" if crop else shows_faces(data.get("name", ""))
    frame = options.frame or ("face" if faces else "square")
    print(
        f"{gan.card['name']} on {describe(gan.device)}; nobody can recover what is gone: "
        "the fills are plausible, not true"
    )

    def mask_of(number, framed):
        if drawn is None:
            return FramedMask(table_mask(options.mask, number, options.seed))
        return mask_for(drawn, framed)

    method = inpaint_quality if options.quality else inpaint

    def fill(images, masks):
        found = method(images, masks, gan, restarts=options.restarts, seed=options.seed)
        options.stopped = "the files that are there are whole, the same command begins anew"
        return found

    kept = [] if drawn is None else [options.mask]
    problems = fill_files(options.pictures, mask_of, fill, options.out, frame, options.size, kept)
    for problem in problems.values():
        print(f"left out: {problem}", file=sys.stderr)
    if filled := len(set(options.pictures)) - len(problems):
        print(f"wrote {filled} filled pictures and {SHEET} to {options.out}")
    return 1 if problems else 0
