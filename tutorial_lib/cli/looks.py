"""`python -m tutorial_lib looks`: can a network tell completions from originals?"""

from __future__ import annotations

from pathlib import Path

from tutorial_lib.cli.options import (
    add_data_options,
    add_run_options,
    device_of,
    end_of,
    open_data,
    positive,
    what_is_read,
)
from tutorial_lib.device import describe
from tutorial_lib.evaluation.looks import MASKS as LOOKS_MASKS
from tutorial_lib.evaluation.looks import looks_table, run_looks
from tutorial_lib.evaluation.results import check_count, evenly_spaced, only_writer
from tutorial_lib.evaluation.two_sample import LEAST
from tutorial_lib.models.weights import load_gan


def add_command(commands) -> None:
    """Add the command and its options to the parser."""
    parser = commands.add_parser(
        "looks",
        help="hole PSNR and two-sample AUC of several weights on the same holes, "
        "resuming an interrupted run",
    )
    add_data_options(parser)
    parser.add_argument(
        "--weights",
        nargs="+",
        required=True,
        help="names of shipped weights, or .safetensors files",
    )
    parser.add_argument(
        "--masks",
        nargs="+",
        choices=LOOKS_MASKS,
        default=list(LOOKS_MASKS),
        help="the holes, drawn on framed faces",
    )
    parser.add_argument(
        "--restarts", nargs="+", type=positive, default=[1, 4], help="numbers of restarts to try"
    )
    parser.add_argument(
        "--limit",
        type=positive,
        help="held-out pictures, spread evenly over the test split; all when left out",
    )
    add_run_options(parser, seed="of the initial z", out="the .json file", required=True)
    parser.set_defaults(run=run)


def run(options) -> int:
    """Run the command; returns the exit status."""
    device = device_of(options)
    paths = {Path(name).stem: name for name in options.weights}
    if len(paths) < len(options.weights):
        given = ", ".join(options.weights)
        raise ValueError(f"--weights {given}: two have the same name; rename one, and its card too")
    generators = {name: load_gan(path, device) for name, path in paths.items()}
    with only_writer(options.out):
        held_out = open_data(options, split="test")
        indices = evenly_spaced(len(held_out), min(options.limit or len(held_out), len(held_out)))
        check_count(len(indices), LEAST)
        print(f"filling {len(indices)} pictures a cell on {describe(device)}")
        results = run_looks(
            held_out.images(indices),
            generators,
            open_data(options, split="train"),
            options.out,
            data=what_is_read(options, held_out, indices=indices),
            masks=options.masks,
            restarts=tuple(options.restarts),
            seed=options.seed,
        )
    return end_of(results, looks_table(results), options.out)
