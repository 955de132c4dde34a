"""Exercises of notebook 09, ablations."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence

from torch import Tensor

from tutorial_lib.evaluation.results import mean_interval
from tutorial_lib.teaching.exercises.checking import draws, exercise, expect, same

# (name, photo, seed) -> hole PSNR
Run = Callable[[str, int, int], float]


@exercise
def check_pictures_needed(function: Callable[[Tensor, float], int]) -> str:
    """How many pictures an interval of a given width takes.

    function(differences (n,), half) -> the number of pictures that makes half the 95 % interval at
    most `half`, with 1.96 for t.
    """
    for seed, count in ((18, 8), (19, 40)):
        differences = draws(count, seed=seed)
        wide, narrow = (float(function(differences, half)) for half in (0.02, 0.01))
        expect(
            3.9 < narrow / max(wide, 1) < 4.1,
            f"you want {narrow / max(wide, 1):.1f} times the pictures for half the width: "
            "how does the width fall with their number?",
        )
        for half in (0.5, 0.1, 0.02):
            expected = math.ceil((1.96 * differences.double().std().item() / half) ** 2)
            same(expected, function(differences, half), f"half a width of {half}", 0.0)
    return "four times the pictures for half the width."


@exercise
def check_ablation(
    function: Callable[[Run, Sequence[str], Sequence[int]], dict[str, tuple[float, float]]],
) -> str:
    """Every variant against the full method, on the same photos from the same initial z.

    function(run, names, photos) -> name -> (mean of the paired differences from "full method", half
    the width of its 95 % interval by Student's t). run(name, photo, seed) gives a hole PSNR.
    """
    names, effects = ["no prior", "no weights", "no clipping"], (0.0, -0.6, -0.2)
    for seed, count in ((21, 6), (22, 12)):
        photos = list(range(count))
        hard = 4 * draws(count, seed=seed)  # what a photo has in common, whatever is left out
        luck = 2 * draws(50, count, seed=seed + 10)  # of an initial z
        own = 0.3 * draws(len(names) + 1, count, seed=seed + 20)  # what is left of a difference
        begun: defaultdict[tuple[str, int], list[int]] = defaultdict(list)

        def run(
            name: str, photo: int, seed: int, hard=hard, luck=luck, own=own, begun=begun
        ) -> float:
            begun[name, photo].append(int(seed))
            row = ["full method", *names].index(name)
            effect = (0.0, *effects)[row]
            value = 20 + hard[photo] + luck[int(seed) % 50, photo] + own[row, photo] + effect
            return float(value)

        found = function(run, list(names), list(photos))
        expect(
            isinstance(found, dict) and set(found) == set(names),
            f"a dictionary is wanted with these names: {', '.join(names)}",
        )
        for name in names:
            for photo in photos:
                expect(
                    (name, photo) in begun and ("full method", photo) in begun,
                    f"photo {photo} was not filled in every way: {name!r} is to be compared "
                    "with 'full method' on each",
                )
                expect(
                    begun[name, photo][-1] in begun["full method", photo],
                    f"for photo {photo}, {name!r} did not begin where the full method did: "
                    "some of your difference is luck",
                )
            pair = [
                [run(way, photo, begun[name, photo][-1]) for photo in photos]
                for way in (name, "full method")
            ]
            mean, half = mean_interval([a - b for a, b in zip(*pair, strict=True)])
            given = found[name]
            expect(
                isinstance(given, tuple | list) and len(given) == 2,
                "two numbers are wanted for each name: the mean and half the width",
            )
            same(mean, given[0], f"{name}: the mean difference")
            expect(
                float(given[1]) < 2 * half,
                f"{name}: your interval is too wide: does what is hard about a photo cancel?",
            )
            expect(
                float(given[1]) > 0.95 * half,
                f"{name}: your interval is too narrow: is each number still subtracted from "
                "that of the same photo?",
            )
            same(half, given[1], f"{name}: half the width")
    return "the same photos, the same starts, and each photo compared with itself."
