"""`python -m tutorial_lib inversions`: what better inversion gains, and what it costs."""

from __future__ import annotations

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
from tutorial_lib.evaluation.inversions import (
    METHODS,
    NEED,
    USUAL,
    inversions_table,
    run_inversions,
)
from tutorial_lib.evaluation.looks import MASKS
from tutorial_lib.evaluation.results import check_count, evenly_spaced, only_writer
from tutorial_lib.evaluation.two_sample import LEAST
from tutorial_lib.models.weights import load_card, load_denoiser, load_encoder, load_gan


def add_command(commands) -> None:
    """Add the command and its options to the parser."""
    parser = commands.add_parser(
        "inversions",
        help="restarts, a stronger prior, tuning, features and an encoder on the same holes: loss, "
        "hole PSNR, AUC, seconds; resuming an interrupted run",
    )
    add_data_options(parser)
    parser.add_argument("--weights", required=True, help="a DCGAN, a name or .safetensors file")
    parser.add_argument("--encoder", help="of its codes, a name or .safetensors file")
    parser.add_argument("--denoiser", help="a diffusion model, a name or .safetensors file")
    parser.add_argument("--mask", choices=MASKS, default="center", help="the hole")
    parser.add_argument(
        "--methods",
        nargs="+",
        choices=METHODS,
        help="all but paper, whose 1500 steps take as long as the rest, when left out",
    )
    parser.add_argument(
        "--limit",
        type=positive,
        default=64,
        help="held-out pictures, spread evenly over the test split",
    )
    add_run_options(
        parser, seed="of the initial z and of noise", out="the .json file", required=True
    )
    parser.set_defaults(run=run)


def run(options) -> int:
    """Run the command; returns the exit status."""
    device = device_of(options)
    gan = load_gan(options.weights, device)
    encoder = load_encoder(options.encoder, device) if options.encoder else None
    denoiser = load_denoiser(options.denoiser, device) if options.denoiser else None
    if encoder and load_card(options.encoder)["data"]["sha256"] != gan.card["sha256"]:
        raise ValueError(
            f"the encoder {options.encoder} guesses codes of another generator than "
            f"{options.weights}: train one with train --model encoder --weights {options.weights}"
        )
    networks = {}
    for role in ("weights", "encoder", "denoiser"):
        if given := getattr(options, role):
            card = load_card(given)
            networks[role] = {key: card[key] for key in ("name", "sha256", "command")}
    there = {"encoder": encoder, "denoiser": denoiser}
    methods = options.methods or [
        *USUAL,
        *(name for name, network in NEED.items() if there[network] is not None),
    ]
    for name in methods:
        if name in NEED and there[NEED[name]] is None:
            raise ValueError(f"the method {name} needs --{NEED[name]}")
    with only_writer(options.out):
        held_out = open_data(options, split="test")
        indices = evenly_spaced(len(held_out), min(options.limit, len(held_out)))
        check_count(len(indices), LEAST)
        print(f"filling {len(indices)} pictures by {len(methods)} methods on {describe(device)}")
        results = run_inversions(
            held_out.images(indices),
            MASKS[options.mask](),
            gan,
            options.out,
            data=what_is_read(options, held_out, indices=indices, mask=options.mask),
            methods=tuple(methods),
            encoder=encoder,
            denoiser=denoiser,
            networks=networks,
            seed=options.seed,
        )
    return end_of(results, inversions_table(results), options.out)
