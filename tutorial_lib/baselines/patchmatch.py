"""PatchMatch (Barnes et al. 2009): a hole filled with the nearest patches of the same picture.

Two things in one file. `nearest_neighbor_field` is the algorithm that gave the name: for every
patch a similar one elsewhere, found by guessing and by asking the neighbors instead of comparing
all pairs. `patchmatch_fill` uses it for hole filling as Barnes et al. do after Wexler et al. 2007:
from coarse to fine, match every patch that touches the hole to a wholly known one, and let the
matches vote for the hole's pixels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from tutorial_lib.baselines.validation import enter, leave
from tutorial_lib.device import seeded_generator
from tutorial_lib.inpainting.blending import poisson_blend

ROUNDS = 12  # of matching and voting at each scale, at most
_STILL = 0.5 / 127.5  # half a gray level: the hole rests when a round moves it by less on average
_SMALLEST = 16  # side of the coarsest picture
_ENOUGH = 20  # known patches that make a coarse scale worth a visit
_JUMPS = (8, 4, 2, 1)
_LEAST = 1e-6  # weight of the worst match: where all are bad, some must still be taken
# Wexler et al.'s gamma: a patch deeper in the hole by a pixel votes with 1 / 1.3 of the weight
_FADE = 1.3


def nearest_neighbor_field(
    target: Tensor,
    source: Tensor,
    side: int = 7,
    *,
    wanted: Tensor | None = None,
    usable: Tensor | None = None,
    start: Tensor | None = None,
    sweeps: int = 7,
    rng: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """For each patch of one picture a patch of another with a small sum of squared differences.

    Barnes et al. 2009, section 3. Random initialization, propagation and random search as in the
    paper, except that all patches move at once: good matches spread by jumps of 8, 4, 2 and 1
    pixels (jump flooding, Rong & Tan 2006) instead of in scan order. The result is approximate; a
    test compares it with the exhaustive search. (At 64x64 that one is affordable too: what
    PatchMatch saves shows at the megapixels it was made for.)

    Args:
        target: (C, H, W), the picture whose patches are matched.
        source: (C, H', W'), the picture that the matches come from.
        side: of the square patches. A patch is named by its top left pixel: there are h = H - side
            + 1 rows of them.
        wanted: (h, w) bool, which patches of the target to match; None: all.
        usable: (h', w') bool, which patches of the source may be taken; None: all.
        start: (h, w, 2) a field to begin with instead of a random one.
        sweeps: of propagation and random search.
        rng: None is a generator seeded with 0.

    Returns:
        (h, w, 2) row and column of each patch's match, and (h, w) the sums of squared differences
        (infinite where the patch is not wanted).

    Raises:
        ValueError: when no patch is usable, or the side fits no picture.
    """
    if side < 1 or side > min(*target.shape[1:], *source.shape[1:]):
        raise ValueError(
            f"patches of {side}x{side} do not fit pictures of {tuple(target.shape[1:])} and "
            f"{tuple(source.shape[1:])}"
        )
    rng = torch.Generator().manual_seed(0) if rng is None else rng
    grid, source_grid = _grid(target, side), _grid(source, side)
    wanted = torch.ones(grid, dtype=torch.bool) if wanted is None else wanted
    usable = torch.ones(source_grid, dtype=torch.bool) if usable is None else usable
    if not bool(usable.any()):
        raise ValueError("no patch of the source is usable: there is nothing to match with")
    at, limits = wanted.nonzero(), torch.tensor(source_grid)
    number = torch.full(grid, -1)
    number[wanted] = torch.arange(len(at))
    ours, theirs = _patches(target, side)[wanted.flatten()], _patches(source, side)

    if start is None:
        choices = usable.nonzero()
        best = choices[torch.randint(len(choices), (len(at),), generator=rng)]
    else:
        best = start[wanted]
    cost = (ours - theirs[best[:, 0] * source_grid[1] + best[:, 1]]).square().sum(1)

    def offer(rows: Tensor, matches: Tensor) -> None:
        """Take a match (n, 2) for each patch `rows` (n,) where it is usable and nearer."""
        inside = ((matches >= 0) & (matches < limits)).all(1) & (matches != best[rows]).any(1)
        rows, matches = rows[inside], matches[inside]
        allowed = usable[matches[:, 0], matches[:, 1]]
        rows, matches = rows[allowed], matches[allowed]
        found = (
            (ours[rows] - theirs[matches[:, 0] * source_grid[1] + matches[:, 1]]).square().sum(1)
        )
        nearer = found < cost[rows]
        best[rows[nearer]], cost[rows[nearer]] = matches[nearer], found[nearer]

    everyone = torch.arange(len(at))
    for _ in range(sweeps):
        for jump in _JUMPS:
            for way in torch.tensor([(0, jump), (0, -jump), (jump, 0), (-jump, 0)]):
                neighbor = at + way
                there = ((neighbor >= 0) & (neighbor < torch.tensor(grid))).all(1)
                rows = everyone[there]
                index = number[neighbor[there, 0], neighbor[there, 1]]
                rows, index = rows[index >= 0], index[index >= 0]
                offer(rows, best[index] - way)
        reach = max(source_grid)
        while reach >= 1:
            offer(everyone, best + torch.randint(-reach, reach + 1, best.shape, generator=rng))
            reach //= 2
    field, costs = (
        torch.zeros(*grid, 2, dtype=torch.long),
        torch.full(grid, torch.inf, dtype=ours.dtype),
    )
    field[wanted], costs[wanted] = best, cost
    return field, costs


def patchmatch_fill(images: Tensor, mask: Tensor, side: int = 7, seed: int = 0) -> Tensor:
    """Fill holes with patches of the same picture, from coarse to fine.

    Barnes et al. 2009, section 4; Wexler et al. 2007. At each scale: match the patches that touch
    the hole, let them vote, repeat. A vote weighs more when the match is near (a Gaussian of the
    distance whose width is the 75th percentile) and when the patch lies close to known pixels (both
    Wexler et al.). A match is always wholly known; where a coarse scale has too few such patches,
    smaller ones are used there. The coarsest scale begins with a smooth fill (Eq. 6 without
    gradients).

    A scale ends when a round changes the hole by less than half a gray level on average, or after
    12 rounds: matching is random, and nothing guarantees that the votes come to rest.

    Args:
        images: (B, 3, H, W) in [-1, 1]; hole pixels are never read.
        mask: (B, 1, H, W) or (1, 1, H, W), 1 = known.
        side: of the patches at the finest scale, odd, 3 or more.
        seed: of the random matches; a picture's result does not depend on the others of its batch.

    Returns:
        (B, 3, H, W) float32 in [-1, 1].

    Raises:
        ValueError: for wrong pictures or masks, a wrong side, or a mask without any wholly known
            patch: with 80 % of the pixels missing at random there is nothing to copy, and the
            method does not apply.
    """
    if side < 3 or side % 2 == 0:
        raise ValueError(f"side must be odd and at least 3, got {side}")
    y, known = enter(images, mask)
    y, known = y.float().cpu(), known.cpu()
    for row, where in enumerate(known):
        if min(where.shape[1:]) < side or not bool(_whole(where, side).any()):
            raise ValueError(
                f"picture {row} has no wholly known {side}x{side} patch, so PatchMatch has nothing "
                "to copy from: take a smaller side=..., or a method that needs no patches, such as "
                "total variation"
            )
    filled = [
        _fill(picture, where, side, seeded_generator(seed))
        for picture, where in zip(y, known, strict=True)
    ]
    return leave(torch.stack(filled), images, mask)


def _fill(y: Tensor, known: Tensor, side: int, rng: torch.Generator) -> Tensor:
    """One picture (3, H, W) with 0 in the hole, (1, H, W) bool known."""
    scales = [(y, known, side)]
    while (smaller := _halve(*scales[-1][:2], side)) is not None:
        scales.append(smaller)
    picture, known, side = scales.pop()
    flat = torch.zeros_like(picture)
    guess = poisson_blend(flat[None], picture[None], known[None].float())[0]
    filled = _settle(torch.where(known, picture, guess), known, side, rng)
    for picture, known, side in reversed(scales):
        guess = F.interpolate(
            filled[None], size=picture.shape[1:], mode="bilinear", align_corners=False
        )[0]
        filled = _settle(torch.where(known, picture, guess), known, side, rng)
    return filled


def _halve(picture: Tensor, known: Tensor, side: int) -> tuple[Tensor, Tensor, int] | None:
    """The next coarser scale and its patches' side.

    None when the hole is thin already or too little is known there.

    A coarse pixel is known only when all its pixels are.
    """
    if _depth(known).max() < 3 or min(known.shape[1:]) < 2 * _SMALLEST:
        return None

    def average(x: Tensor) -> Tensor:
        return F.avg_pool2d(x[None], 2, ceil_mode=True, count_include_pad=False)[0]

    known = average(known.float()) == 1
    for smaller in range(side, 2, -2):
        if min(known.shape[1:]) >= smaller and int(_whole(known, smaller).sum()) >= _ENOUGH:
            return torch.where(known, average(picture), 0.0), known, smaller
    return None


def _settle(picture: Tensor, known: Tensor, side: int, rng: torch.Generator) -> Tensor:
    """Match and vote at one scale until the hole rests."""
    usable = _whole(known, side)
    wanted, field = ~usable, None
    reach = side // 2
    nearness = (
        _FADE ** -_depth(known)[reach : reach + usable.shape[0], reach : reach + usable.shape[1]]
    )
    for _ in range(ROUNDS):
        field, cost = nearest_neighbor_field(
            picture,
            picture,
            side,
            wanted=wanted,
            usable=usable,
            start=field,
            sweeps=2 if field is not None else 5,
            rng=rng,
        )
        spread = cost[wanted].quantile(0.75).clamp(min=1e-6)
        weight = wanted * nearness * torch.exp(-cost / (2 * spread)).clamp(min=_LEAST)
        matches = _patches(picture, side)[
            (field[..., 0] * usable.shape[1] + field[..., 1]).flatten()
        ]
        votes = F.fold((matches * weight.flatten()[:, None]).T, picture.shape[1:], side)
        total = F.fold(weight.flatten().expand(side * side, -1), picture.shape[1:], side)
        new = torch.where(known, picture, votes / total.clamp(min=_LEAST**2))
        change = ((new - picture).abs().sum() / (3 * (~known).sum())).item()
        picture = new
        if change < _STILL:
            break
    return picture


def _grid(picture: Tensor, side: int) -> tuple[int, int]:
    return picture.shape[1] - side + 1, picture.shape[2] - side + 1


def _patches(picture: Tensor, side: int) -> Tensor:
    """All patches that lie in a (C, H, W) picture, row by row: (h * w, C * side * side)."""
    return F.unfold(picture[None], side)[0].T.contiguous()


def _whole(known: Tensor, side: int) -> Tensor:
    """(h, w) bool: which patches of (1, H, W) hold no hole pixel."""
    return -F.max_pool2d(-known.float(), side, stride=1)[0] > 0


def _depth(known: Tensor) -> Tensor:
    """(H, W) distance of each hole pixel to the nearest known one, 0 where known."""
    return torch.from_numpy(distance_transform_edt(~known[0].numpy())).float()
