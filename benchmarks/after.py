"""Claim: every way to fill a hole costs what its passes through a network cost.

One portrait and four at once, center hole, by every method of `evaluation.inversions`: in rounds,
one after the other, so that what slows the machine slows all of them. A pass is one call of G (or
of the denoiser) for one picture, most of them with a gradient; the two networks differ in size, so
seconds are stored as well, and their ratio to the plain search of the same round. PAPER and the
restarts are exact multiples in steps and are timed in part. `--denoiser WEIGHTS` and `--encoder
WEIGHTS` add the methods that need them. Takes 3 minutes without a denoiser. Run: python
benchmarks/after.py
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace

import torch
from measure import store

from tutorial_lib import load_dataset, load_gan
from tutorial_lib.inpainting.diffusion import dps, repaint, replacement
from tutorial_lib.inpainting.inversion import (
    TUNING_STEPS,
    inpaint_quality,
    search_features,
    tune_generator,
)
from tutorial_lib.inpainting.latent_search import (
    DEFAULT,
    PAPER,
    SearchSettings,
)
from tutorial_lib.inpainting.pipeline import complete, initial_z
from tutorial_lib.masks import center_mask, check_batch
from tutorial_lib.models.weights import load_denoiser, load_encoder

ROUNDS = 3
PART = 10  # of PAPER's steps are timed
FEATURES = 40


class Counted:
    """A network that counts the pictures that it is asked for."""

    def __init__(self, network):
        self.network, self.passes = network, 0

    def __call__(self, x: torch.Tensor, *more):
        self.passes += len(x)
        return self.network(x, *more)


def methods(y, mask, gan, encoder, denoiser) -> dict:
    """Name -> (passes a picture, how often what is called would be needed, the call)."""

    def searched(settings: SearchSettings, restarts: int = 1, z0=None):
        begin = initial_z(gan, len(y), restarts) if z0 is None else z0
        return complete(y, mask, gan, begin, settings, restarts=restarts, progress=False)

    z = searched(DEFAULT).z
    steps, part = DEFAULT.steps + 1, replace(PAPER, steps=PAPER.steps // PART)
    found = {
        "search": (steps, 1, lambda: searched(DEFAULT)),
        "4 restarts": (4 * steps, 1, lambda: searched(DEFAULT, 4)),
        "quality": (
            steps + TUNING_STEPS + 1,
            1,
            lambda: inpaint_quality(y, mask, gan, progress=False),
        ),
        "paper": (PAPER.steps + 1, PART, lambda: searched(part)),
        "tuning alone": (
            TUNING_STEPS + 1,
            1,
            lambda: tune_generator(y, mask, gan, z, progress=False),
        ),
        "features alone": (
            FEATURES + 1,
            1,
            lambda: search_features(y, mask, gan, z, steps=FEATURES),
        ),
    }
    if encoder is not None:
        found["encoder"] = (1, 1, lambda: encoder.guess(y, mask))
    if denoiser is not None:
        for method in (replacement, repaint, dps):
            counted = Counted(denoiser)
            method(y[:1], mask[:1], counted, progress=False)
            found[method.__name__] = (
                counted.passes,
                1,
                lambda method=method: method(y, mask, denoiser, progress=False),
            )
    return found


def seconds_of(call) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def measured(pictures: int, gan, encoder, denoiser, rounds: int) -> list[dict]:
    """A row a method: passes and seconds a picture, and times the plain search of its round."""
    images = load_dataset("portraits", split="test", limit=pictures)[:]
    y, mask = check_batch(images, center_mask())
    calls = methods(y, mask, gan, encoder, denoiser)
    found = [
        {name: times * seconds_of(call) for name, (_, times, call) in calls.items()}
        for _ in range(rounds)
    ]
    rows = []
    for name, (passes, _, _) in calls.items():
        seconds = statistics.median(each[name] for each in found) / pictures
        ratios = sorted(round(each[name] / each["search"], 2) for each in found)
        row = {"method": name, "pictures": pictures, "passes": passes}
        rows.append(row | {"seconds": round(seconds, 3), "times_search": ratios})
        print(
            f"{name:15s} {pictures} at once: {passes:5d} passes, {seconds:7.2f} s a picture, "
            f"{statistics.median(ratios):6.2f} times the search ({ratios[0]} to {ratios[-1]})",
            flush=True,
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default="portraits")
    parser.add_argument("--encoder")
    parser.add_argument("--denoiser")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    gan = load_gan(options.weights, "cpu")
    encoder = load_encoder(options.encoder, "cpu") if options.encoder else None
    denoiser = load_denoiser(options.denoiser, "cpu") if options.denoiser else None
    rows = [
        row
        for pictures in (1, 4)
        for row in measured(pictures, gan, encoder, denoiser, options.rounds)
    ]
    claim = "every way to fill a hole costs what its passes through a network cost"
    print("wrote", store("after", {"claim": claim, "rows": rows}).name)


if __name__ == "__main__":
    main()
