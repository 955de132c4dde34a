"""What every check of an exercise does: say what is wrong with a function in one line."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from tutorial_lib.images import IMAGE_SIZE
from tutorial_lib.masks import FAMILIES, make_masks


@dataclass(frozen=True)
class Verdict:
    """What a check said of one function.

    Attributes:
        check: its name.
        solved: whether the exercise is solved.
        line: what was printed.
    """

    check: str
    solved: bool
    line: str


verdicts: list[Verdict] = []  # of this process, in order; `teaching.grading` collects them


class NotYet(AssertionError):
    """What the learner's function does not do yet."""


def exercise(check: Callable) -> Callable[..., bool]:
    """Turn a check that raises into one that prints and returns whether the exercise is solved."""

    @functools.wraps(check)
    def checked(function) -> bool:
        def answer(*arguments):
            given = function(*arguments)
            expect(given is not None, "your function returned None - is there a `return`?")
            return given

        solved = False
        try:
            line = f"Correct: {check(answer)}"
            solved = True
        except NotImplementedError:
            line = (
                "Not filled in yet: replace `raise NotImplementedError` by your code "
                "and run the cell again."
            )
        except NotYet as problem:
            line = f"Not yet: {problem}"
        except Exception as error:  # the learner's own error, in the learner's words
            line = f"Not yet: your function raised {type(error).__name__}: {error}"
        print(line)
        verdicts.append(Verdict(check.__name__, solved, line))
        return solved

    return checked


def expect(condition: bool, problem: str) -> None:
    """End the check with this problem unless the condition holds.

    Raises:
        NotYet: with the problem.
    """
    if not condition:
        raise NotYet(problem)


def same(expected, given, what: str, tolerance: float = 1e-4) -> None:
    """End the check unless two numbers or tensors agree in shape and, up to tolerance, in value.

    Raises:
        NotYet: with `what` was compared, and the shapes or the largest difference.
    """
    expected = torch.as_tensor(expected, dtype=torch.float64)
    given = torch.as_tensor(given).detach().double()
    expect(
        given.shape == expected.shape,
        f"{what}: expected shape {tuple(expected.shape)}, got {tuple(given.shape)}",
    )
    gap = (expected - given).abs().max().item()
    expect(gap <= tolerance, f"{what}: differs by up to {gap:.3g} from what is expected")


def draws(*shape: int, seed: int) -> Tensor:
    """Uniform draws from [-1, 1], the same for the same seed."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def masks_of_all_families(size: int = IMAGE_SIZE) -> Tensor:
    """(4, 1, size, size), 1 = known: one mask of each of the paper's families."""
    return torch.cat([make_masks(family, size=size) for family in FAMILIES])
