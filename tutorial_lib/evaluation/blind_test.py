"""A blind two-choice test: which of two pictures looks more real, by readers who do not know.

`teaching.widgets.BlindTest` asks one reader, `python -m tutorial_lib blind-test` pools several.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from scipy.stats import binomtest

LARGEST = 10_000_000  # bytes of a file of choices


@dataclass(frozen=True)
class Choice:
    """What a reader picked.

    Attributes:
        reader: a name or a number; empty for unknown.
        picture: number of the pair.
        left, right: names of the two methods, by the side they were shown on.
        chosen: the one that looked more real.
    """

    reader: str
    picture: int
    left: str
    right: str
    chosen: str


@dataclass(frozen=True)
class Tally:
    """How often one method was preferred to another.

    Attributes:
        method, other: their names.
        wins: how often `method` was chosen.
        count: how many choices there are.
        low, high: 95 % interval of the fraction (Wilson 1927).
        readers: how many different readers.
    """

    method: str
    other: str
    wins: int
    count: int
    low: float
    high: float
    readers: int

    def __str__(self) -> str:
        """For instance "ours over nearest neighbor in 12 of 20: 60 % (39 to 78 %)"."""
        return (
            f"{self.method} over {self.other} in {self.wins} of {self.count}: "
            f"{self.wins / self.count:.0%} ({self.low:.0%} to {self.high:.0%})"
        )


def wilson(wins: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a fraction that is known from `wins` of `count` (Wilson 1927)."""
    found = binomtest(wins, count).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)


def tallies(choices: Iterable[Choice]) -> list[Tally]:
    """One line for each pair of methods, in alphabetical order.

    Choices of one reader are not independent of each other: with few readers the interval is too
    narrow.
    """
    pairs: dict[tuple[str, str], list[Choice]] = {}
    for choice in choices:
        first, second = sorted((choice.left, choice.right))
        pairs.setdefault((first, second), []).append(choice)
    lines = []
    for (first, second), found in sorted(pairs.items()):
        wins = sum(choice.chosen == first for choice in found)
        readers = len({choice.reader for choice in found})
        low, high = wilson(wins, len(found))
        lines.append(Tally(first, second, wins, len(found), low, high, readers))
    return lines


def to_csv(choices: Iterable[Choice]) -> str:
    """The choices as the text of a .csv file, which `read_csv` reads."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(field.name for field in fields(Choice))
    table.writerows(astuple(choice) for choice in choices)
    return text.getvalue()


def read_csv(path: str | os.PathLike) -> list[Choice]:
    """The choices of a file that `to_csv` wrote.

    Raises:
        ValueError: for a file that is none, with the line that is wrong.
    """
    path = Path(path)
    if path.stat().st_size > LARGEST:
        raise ValueError(f"{path}: larger than {LARGEST // 1_000_000} MB")
    names = [field.name for field in fields(Choice)]
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: not a .csv file ({error})") from error
    if not rows or rows[0] != names:
        raise ValueError(f"{path}: the first line is not {','.join(names)}")
    choices = []
    for number, row in enumerate(rows[1:], start=2):
        if not row:
            continue
        if len(row) != len(names) or not row[1].isdecimal():
            raise ValueError(f"{path}, line {number}: not a choice of the blind test")
        choice = Choice(row[0], int(row[1]), *row[2:])
        if choice.left == choice.right or choice.chosen not in (choice.left, choice.right):
            raise ValueError(f"{path}, line {number}: {choice.chosen!r} is none of the two shown")
        choices.append(choice)
    return choices
