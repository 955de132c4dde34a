"""`python -m tutorial_lib table1`: every method on the same holes, beside the paper's Table 1."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tutorial_lib.baselines import NEED_PICTURES
from tutorial_lib.cli.options import (
    add_data_options,
    add_run_options,
    device_of,
    open_data,
    positive,
    shows_faces,
    what_is_read,
)
from tutorial_lib.device import describe
from tutorial_lib.evaluation.frechet import REFERENCE_PICTURES, load_judge
from tutorial_lib.evaluation.results import evenly_spaced, only_writer
from tutorial_lib.evaluation.table1 import METHODS, USUAL, Models, run_table, summary, table_text
from tutorial_lib.masks import FAMILIES
from tutorial_lib.models.attributes import ATTRIBUTES
from tutorial_lib.models.weights import (
    load_card,
    load_context_encoder,
    load_denoiser,
    load_gan,
)


def add_command(commands) -> None:
    """Add the command and its options to the parser."""
    parser = commands.add_parser(
        "table1",
        help="the paper's Table 1 and beyond: every method on the same holes, resuming an "
        "interrupted run",
    )
    add_data_options(parser)
    parser.add_argument(
        "--weights",
        help="name of shipped weights, or a .safetensors file; the data's name when left out",
    )
    parser.add_argument(
        "--context-encoder",
        help="the same for the Context Encoder; WEIGHTS-context-encoder when left out",
    )
    parser.add_argument(
        "--denoiser",
        help="the same for the diffusion model of repaint and dps, which are left out without it",
    )
    parser.add_argument(
        "--masks", nargs="+", choices=FAMILIES, default=list(FAMILIES), help="families of masks"
    )
    parser.add_argument(
        "--methods",
        nargs="+",
        choices=METHODS,
        metavar="NAME",
        help=f"of {', '.join(METHODS)}; all that have their weights when left out",
    )
    parser.add_argument(
        "--limit",
        type=positive,
        default=500,
        help="held-out pictures, spread evenly over the test split",
    )
    parser.add_argument(
        "--work",
        type=Path,
        help="folder of the completed pictures; runs/table1-WEIGHTS when left out",
    )
    add_run_options(
        parser,
        seed="of the initial z, the noise and the masks",
        out="the .json file; runs/table1-WEIGHTS.json when left out",
    )
    parser.set_defaults(run=run)


def run(options) -> int:
    """Run the command; returns the exit status."""
    device = device_of(options)
    methods = options.methods or (list(METHODS) if options.denoiser else USUAL)
    kinds = {METHODS[name].kind for name in methods}
    name = options.weights or options.data
    if options.data not in ATTRIBUTES and not options.weights:
        raise ValueError(
            f"--data {options.data} needs --weights: the name of shipped weights, "
            "or a .safetensors file"
        )
    if "paint" in kinds and not options.context_encoder and Path(name).suffix == ".safetensors":
        raise ValueError(
            "--weights is a file: give the Context Encoder's with --context-encoder, "
            "or --methods without context-encoder"
        )
    if "diffusion" in kinds and not options.denoiser:
        raise ValueError("repaint and dps need --denoiser: the weights of a diffusion model")
    short = Path(name).stem
    out = options.out or Path("runs") / f"table1-{short}.json"
    work = options.work or Path("runs") / f"table1-{short}"
    with only_writer(out):
        results = _fill_and_measure(options, device, name, methods, kinds, out, work)
    for measure in ("psnr", "hole_psnr", "ssim", "auc"):
        if summary(results, measure):
            print(table_text(results, measure), end="\n\n")
    print(f"wrote {out}")
    return 0


def _fill_and_measure(options, device, name, methods, kinds, out, work) -> dict:
    rendered = options.data in ATTRIBUTES
    painter = options.context_encoder or f"{name}-context-encoder"
    # weights first: a name that is wrong is said before pictures are read or rendered
    models = Models(
        gan=load_gan(name, device) if "search" in kinds else None,
        context_encoder=load_context_encoder(painter, device) if "paint" in kinds else None,
        context_encoder_card=load_card(painter) if "paint" in kinds else {},
        denoiser=load_denoiser(options.denoiser, device) if "diffusion" in kinds else None,
        denoiser_card=load_card(options.denoiser) if "diffusion" in kinds else {},
    )
    # rendered pictures are drawn one by one at random: the first are as good as any, and no others
    # need be rendered
    dataset = open_data(options, split="test", limit=options.limit if rendered else None)
    training = open_data(
        options,
        split="train",
        limit=None if set(NEED_PICTURES) & set(methods) else REFERENCE_PICTURES,
    )
    indices = evenly_spaced(len(dataset), min(options.limit, len(dataset)))
    models = replace(
        models,
        judge=load_judge(dataset, indices, training, device) if rendered else None,
        training=training,
        faces=shows_faces(dataset.name),
    )
    print(f"filling {len(indices)} pictures a cell on {describe(device)}")
    return run_table(
        dataset.images(indices),
        models,
        out,
        work,
        data=what_is_read(options, dataset, indices=indices),
        families=tuple(options.masks),
        methods=methods,
        seed=options.seed,
    )
