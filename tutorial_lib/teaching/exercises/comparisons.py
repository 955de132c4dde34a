"""Exercises of notebook 10, comparisons."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tutorial_lib.evaluation.blind_test import wilson
from tutorial_lib.evaluation.metrics import auc
from tutorial_lib.teaching.exercises.checking import draws, exercise, expect, same

Score = Callable[[Tensor], Tensor]  # features (n, F) -> (n,), high = taken for an original


@exercise
def check_wins_needed(function: Callable[[int], int]) -> str:
    """How many of `count` choices must favor a method until the interval leaves one half out.

    function(count) -> the smallest number of wins whose Wilson interval lies above 0.5.
    """
    for count in (10, 20, 100, 333):
        given = function(count)
        shape = tuple(torch.as_tensor(given).shape)
        expect(shape == (), f"one number is wanted, got shape {shape}")
        value = float(given)
        expect(value == round(value), f"a number of wins is wanted, got {value:.3g}")
        wins = int(value)
        expect(0 <= wins <= count, f"{wins} wins of {count} choices cannot be")
        low = wilson(wins, count)[0]
        expect(low > 0.5, f"{wins} wins of {count}: the interval still reaches down to {low:.3f}")
        expect(wilson(wins - 1, count)[0] <= 0.5, f"of {count}, fewer wins than {wins} are enough")
    return "the more choices, the closer to one half a preference may be and still show."


class _Trainer:
    """Trains judges that note what they were trained on and asked about.

    Column 0 of the features is the picture's number; completions count on from `count`. Judges
    differ in how much noise their scores have.
    """

    def __init__(self, count: int):
        self.count = count
        self.leaks = 0  # judges that were asked about a picture they had seen
        self.asked: list[dict[int, float]] = []  # a judge: number -> score

    def __call__(self, originals: Tensor, completions: Tensor) -> Score:
        seen = {int(row[0]) % self.count for part in (originals, completions) for row in part}
        noise = 0.2 + 3 * len(self.asked)
        scores: dict[int, float] = {}
        self.asked.append(scores)

        def judge(features: Tensor) -> Tensor:
            numbers = [int(number) for number in features[:, 0]]
            self.leaks += any(number % self.count in seen for number in numbers)
            given = features[:, 1] + noise * features[:, 2]
            scores.update(zip(numbers, given.tolist(), strict=True))
            return given

        return judge

    def folds(self) -> list[float]:
        """The AUC of each judge that was asked."""
        values = []
        for scores in self.asked:
            parts: tuple[list[float], list[float]] = ([], [])
            for number, score in scores.items():
                parts[number >= self.count].append(score)
            if all(parts):
                values.append(auc(*map(torch.tensor, parts)))
        return values


@exercise
def check_two_fold_auc(function: Callable[[Tensor, Tensor, Callable], float]) -> str:
    """A two-sample test: judges are asked about pictures that they were not trained on.

    function(originals (N, F), completions (N, F), train) -> the mean AUC over the folds;
    train(originals, completions) gives a judge, (n, F) -> (n,) scores, high for originals.
    """
    count = 40
    numbers = torch.arange(2.0 * count)
    features = torch.cat([numbers[:, None], draws(2 * count, 2, seed=41)], dim=1)
    features[:count, 1] += 0.8
    train = _Trainer(count)
    given = function(features[:count], features[count:], train)
    shape = tuple(torch.as_tensor(given).shape)
    expect(shape == (), f"one number is wanted, got shape {shape}")
    folds = train.folds()
    expect(bool(folds), "no judge was trained and asked about originals and completions")
    expect(not train.leaks, "a judge is asked about pictures that it was trained on")
    asked = sorted(number for scores in train.asked for number in scores)
    expect(
        asked == list(range(2 * count)),
        f"each picture is judged once: {len(asked)} judgments of {2 * count} pictures",
    )
    wanted, value = sum(folds) / len(folds), float(given)
    best, worst = max(folds), min(folds)
    expect(
        all(abs(value - (1 - fold)) > 1e-6 for fold in (wanted, best, worst)),
        "these judges are good, yet your AUC is below one half: who should score higher?",
    )
    expect(
        abs(value - best) > 1e-6 and abs(value - worst) > 1e-6,
        "that is the AUC of one fold: report what you would report for any method",
    )
    same(wanted, value, "the mean over the folds", 1e-6)
    return "nobody is judged by someone who has seen the picture, and no fold is picked."
