"""`python -m tutorial_lib recipes`: train a DCGAN with one change of the recipe at a time."""

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
from tutorial_lib.evaluation.recipes import IMAGES, RECIPES, recipes_table, run_recipes
from tutorial_lib.evaluation.results import check_names, only_writer


def add_command(commands) -> None:
    """Add the command and its options to the parser."""
    parser = commands.add_parser(
        "recipes",
        help="train a DCGAN with one change of the recipe at a time, resuming an interrupted run",
    )
    add_data_options(parser)
    parser.add_argument(
        "--recipes", nargs="+", metavar="NAME", help=f"of {', '.join(RECIPES)}; all when left out"
    )
    parser.add_argument(
        "--images", type=positive, default=IMAGES, help="training images of each recipe"
    )
    parser.add_argument(
        "--work", type=Path, default=Path("runs/recipes"), help="folder of the runs"
    )
    add_run_options(parser, seed="of weights, order and draws", out="the .json file", required=True)
    parser.set_defaults(run=run)


def run(options) -> int:
    """Run the command; returns the exit status."""
    check_names(options.recipes or [], RECIPES, "--recipes")
    device = device_of(options)
    with only_writer(options.out):
        training = open_data(options, split="train")
        held_out = open_data(options, split="test")
        print(f"training and searching on {describe(device)}")
        results = run_recipes(
            training,
            held_out.images(range(len(held_out))),
            options.out,
            options.work,
            data=what_is_read(options, held_out),
            names=options.recipes or None,
            images=options.images,
            seed=options.seed,
            device=device,
        )
    return end_of(results, recipes_table(results), options.out)
