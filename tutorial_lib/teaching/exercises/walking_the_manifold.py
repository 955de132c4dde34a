"""Exercises of notebook 08, walking the manifold."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from tutorial_lib.teaching.exercises.checking import draws, exercise, expect, same


@exercise
def check_detour(function: Callable[[Tensor], float]) -> str:
    """How winding a path is.

    function(path (K, ...)) -> length of the path, point by point, divided by the distance between
    its ends.
    """
    corner = torch.tensor([[0.0, 0.0], [3.0, 0.0], [3.0, 2.0]])
    for path, what in (
        (corner, "three units east, two units north"),
        (draws(7, 100, seed=21), "seven codes of 100 numbers"),
        (draws(5, 3, 8, 8, seed=22), "five images of 3 x 8 x 8 values"),
    ):
        legs = path.diff(dim=0).flatten(1).norm(dim=1)
        length, straight = legs.sum(), (path[-1] - path[0]).norm()
        given = function(path.clone())
        if torch.as_tensor(given).numel() == 1:
            value = torch.as_tensor(given).double().item()
            expect(
                not math.isclose(value, length, rel_tol=1e-4),
                f"{what}: that is the length of the path, and it grows with the unit",
            )
            expect(
                value > 0.999 or math.isnan(value),
                f"{what}: got {value:.2f}, but no path is shorter than the straight line "
                "between its ends",
            )
        same(length / straight, given, what)
    return "1 for a straight walk, more for a winding one, codes and images alike."


@exercise
def check_trustworthiness(function: Callable[[Tensor, Tensor, int], float]) -> str:
    """The trustworthiness of a map over k neighbors.

    function(points (N, D), places (N, 2) on the map, k) -> a number.
    """
    for seed, count, k in ((19, 40, 5), (20, 25, 8)):
        points = draws(count, 6, seed=seed).double()
        places = points[:, :2].clone()
        given = function(points, places, k)
        if torch.as_tensor(given).numel() == 1:
            value = torch.as_tensor(given).double().item()
            for own in (False, True):
                expect(
                    abs(value - _trustworthiness(places, points, k, own)) > 1e-6,
                    "you punish a map for neighbors that it tears apart; trustworthiness "
                    "punishes it for neighbors that it makes up",
                )
            expect(
                abs(value - _trustworthiness(points, places, k, own=True)) > 1e-6,
                f"with k = {k} you look at {k - 1} neighbors of each point and at the point itself",
            )
        same(_trustworthiness(points, places, k), given, f"{count} points, {k} neighbors", 1e-6)
        enlarged = function(places, 3 * places, k)
        same(1.0, enlarged, "a map that only enlarges the points", 1e-6)
    return "what is near on the map and far in the data is punished, and nothing else."


def _trustworthiness(points: Tensor, places: Tensor, k: int, own: bool = False) -> float:
    """Venna and Kaski's; with `own` a point counts among its own neighbors, a mistake."""
    count, first = len(points), 0 if own else 1
    ranks = torch.cdist(points, points).argsort(1).argsort(1)  # 0 for the point itself
    near = torch.cdist(places, places).argsort(1)[:, first : first + k]
    excess = (ranks.gather(1, near) - k).clamp(min=0).sum().item()
    return 1 - 2 * excess / (count * k * (2 * count - 3 * k - 1))
