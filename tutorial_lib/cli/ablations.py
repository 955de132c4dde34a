"""`python -m tutorial_lib ablations`: what is each part of the method worth?"""

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
from tutorial_lib.evaluation import ablations
from tutorial_lib.evaluation.ablations import ablation_table, run_ablations
from tutorial_lib.evaluation.results import check_names, evenly_spaced, only_writer
from tutorial_lib.masks import FAMILIES
from tutorial_lib.models.weights import load_gan


def add_command(commands) -> None:
    """Add the command and its options to the parser."""
    parser = commands.add_parser(
        "ablations",
        help="measure what each part of the method is worth, resuming an interrupted run",
    )
    add_data_options(parser)
    parser.add_argument(
        "--weights",
        default="synthetic-faces",
        help="name of shipped weights, or a .safetensors file",
    )
    parser.add_argument("--mask", choices=FAMILIES, default="center")
    parser.add_argument(
        "--limit",
        type=positive,
        default=32,
        help="held-out pictures, spread evenly over the test split",
    )
    parser.add_argument(
        "--variants", nargs="+", metavar="NAME", help="only these; all when left out"
    )
    add_run_options(
        parser,
        seed="of the initial z and masks",
        out="the .json file; runs/ablations-WEIGHTS-MASK.json when left out",
    )
    parser.set_defaults(run=run)


def run(options) -> int:
    """Run the command; returns the exit status."""
    check_names(options.variants or [], ablations.VARIANTS, "--variants")
    gan = load_gan(options.weights, device_of(options))
    print(f"searching on {describe(gan.device)}")
    out = options.out or Path("runs") / f"ablations-{gan.card['name']}-{options.mask}.json"
    with only_writer(out):
        dataset = open_data(options, split="test")
        indices = evenly_spaced(len(dataset), min(options.limit, len(dataset)))
        results = run_ablations(
            gan,
            dataset.images(indices),
            out,
            data=what_is_read(options, dataset, indices=indices),
            family=options.mask,
            names=options.variants,
            seed=options.seed,
        )
    return end_of(results, ablation_table(results), out)
