"""`python -m tutorial_lib generators`: train DCGANs of several sizes and fill the same holes."""

from __future__ import annotations

from pathlib import Path

from tutorial_lib.cli.options import add_run_options, device_of, end_of, positive
from tutorial_lib.datasets import load_dataset
from tutorial_lib.device import describe
from tutorial_lib.evaluation.frechet import load_judge
from tutorial_lib.evaluation.generators import LENGTHS, SIZES, generators_table, run_generators
from tutorial_lib.evaluation.results import check_names, only_writer
from tutorial_lib.models.attributes import ATTRIBUTES
from tutorial_lib.models.weights import shipped


def add_command(commands) -> None:
    """Add the command and its options to the parser."""
    parser = commands.add_parser(
        "generators",
        help="train DCGANs of several sizes and lengths and fill the same holes with each, "
        "resuming an interrupted run",
    )
    parser.add_argument("--data", choices=list(ATTRIBUTES), default="synthetic-faces")
    parser.add_argument(
        "--sizes", nargs="*", type=positive, default=list(SIZES), help="base channels of G"
    )
    parser.add_argument(
        "--lengths", nargs="*", type=positive, default=list(LENGTHS), help="steps of training"
    )
    parser.add_argument(
        "--shipped",
        nargs="*",
        default=[],
        metavar="NAME",
        help="shipped weights to measure as well",
    )
    parser.add_argument("--limit", type=positive, default=64, help="held-out pictures")
    parser.add_argument(
        "--work",
        type=Path,
        help="folder of the runs and weights; runs/generators-DATA when left out",
    )
    add_run_options(
        parser,
        seed="of the trainings",
        default_seed=1,
        out="the .json file; runs/generators-DATA.json when left out",
    )
    parser.set_defaults(run=run)


def run(options) -> int:
    """Run the command; returns the exit status."""
    check_names(options.shipped, shipped(), "--shipped")
    if not (options.sizes and options.lengths) and not options.shipped:
        raise ValueError("nothing to measure: give --sizes and --lengths, or --shipped")
    device = device_of(options)
    out = options.out or Path("runs") / f"generators-{options.data}.json"
    with only_writer(out):
        held_out = load_dataset(options.data, split="test", limit=options.limit)
        training = load_dataset(options.data, split="train")
        judge = load_judge(held_out, range(len(held_out)), training, device)
        print(f"training and searching on {describe(device)}")
        results = run_generators(
            held_out.images(range(len(held_out))),
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
    return end_of(results, generators_table(results), out)
