"""Exercises of notebook 08, walking the manifold."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from tutorial_lib.teaching.exercises.checking import draws, exercise, expect, same


@exercise
def check_perplexity(function: Callable[[Tensor, float], float]) -> str:
    """How many neighbors t-SNE's Gaussian weights count.

    function(squared distances to n other points (n,), sigma) -> perplexity of the weights.
    """
    for seed, count, sigma in ((16, 5, 0.4), (17, 60, 1.0), (18, 60, 0.3)):
        squared = 4 * draws(count, seed=seed).double().square()
        weights = torch.exp(-squared / (2 * sigma**2))
        chances = weights / weights.sum()
        entropy = -torch.xlogy(chances, chances).sum()
        given = function(squared, sigma)
        if torch.as_tensor(given).numel() == 1:
            value = torch.as_tensor(given).double().item()
            entropies = (entropy.item(), entropy.item() / math.log(2))  # in nats and in bits
            expect(
                min(abs(value - off) for off in entropies) > 1e-4,
                "that is the entropy; the perplexity is 2 (or e) to the power of it",
            )
        same(entropy.exp(), given, f"{count} points, sigma {sigma}", 1e-3)
    equal = function(torch.full((12,), 3.0, dtype=torch.float64), 0.7)
    same(12.0, equal, "twelve neighbors, all equally far", 1e-3)
    return "n neighbors that are equally far count n; a narrow Gaussian counts fewer."


@exercise
def check_trustworthiness(function: Callable[[Tensor, Tensor, int], float]) -> str:
    """The trustworthiness of a map over k neighbors.

    function(points (N, D), places (N, 2) on the map, k) -> a number.
    """
    from sklearn.manifold import trustworthiness

    for seed, count, k in ((19, 40, 5), (20, 25, 8)):
        points = draws(count, 6, seed=seed).double()
        enlarged = function(points[:, :2], 3 * points[:, :2], k)
        same(1.0, enlarged, "a map that only enlarges the points", 1e-6)
        expected = trustworthiness(points, points[:, :2], n_neighbors=k)
        swapped = trustworthiness(points[:, :2], points, n_neighbors=k)
        given = function(points, points[:, :2].clone(), k)
        if torch.as_tensor(given).numel() == 1:
            expect(
                abs(torch.as_tensor(given).item() - swapped) > 1e-6,
                "the other way round: punish neighbors on the map "
                "that are far from each other in the data",
            )
        same(expected, given, f"{count} points, {k} neighbors", 1e-6)
    return "what is near on the map and far in the data is punished, and nothing else."


@exercise
def check_detour(function: Callable[[Tensor], float]) -> str:
    """How winding a path is.

    function(path (K, ...)) -> length of the path, point by point, divided by the distance between
    its ends.
    """
    corner = function(torch.tensor([[0.0, 0.0], [3.0, 0.0], [3.0, 2.0]]))
    same(5 / 13**0.5, corner, "three units east, two units north", 1e-5)
    for seed, shape in ((21, (7, 100)), (22, (5, 3, 8, 8))):
        path = draws(*shape, seed=seed)
        steps = [(path[k + 1] - path[k]).square().sum().sqrt() for k in range(len(path) - 1)]
        expected = sum(steps) / (path[-1] - path[0]).square().sum().sqrt()
        same(expected, function(path), f"a path of shape {shape}")
    return "1 for a straight walk, more for a winding one, codes and pictures alike."
