"""The course's explorers as HTML that needs no kernel, made anew from the shipped weights.

Each repeats the settings of the notebook that it stands in; `EXPLORERS` says where.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import cast

import torch

from tutorial_lib.datasets import load_dataset
from tutorial_lib.device import seeded_generator
from tutorial_lib.evaluation.exploration import SETTINGS, explore
from tutorial_lib.inpainting.latent_search import DEFAULT, PAPER, search
from tutorial_lib.inpainting.pipeline import fill_hole, initial_z, inpaint
from tutorial_lib.masks import center_mask, check_batch, half_mask, rectangle_mask
from tutorial_lib.models.dcgan import Generator
from tutorial_lib.models.latent_model import pictures_of
from tutorial_lib.models.weights import load_gan
from tutorial_lib.teaching import plane
from tutorial_lib.teaching.editing import edit_hole, principal_directions, spare_known
from tutorial_lib.teaching.manifold import embed, sample_pictures
from tutorial_lib.teaching.widgets import (
    HoleEditor,
    LambdaExplorer,
    ManifoldWalk,
    PathSlider,
    WindowSlider,
)


def game() -> str:
    """G and D at play in the plane, over the training step (notebook 02)."""
    return plane.GameSlider(_fair_game(), plane.clusters()).html(
        "The plane: D's logit as color with its gradient as arrows, eight gray clusters of data, "
        "and G's points, which start as a clump and spread over the clusters."
    )


def plane_lambda() -> str:
    """The search in the plane, over lambda (notebook 02)."""
    ring, fair = plane.clusters(), _fair_game()
    judge = plane.train_discriminator(
        ring.sample, lambda count, rng: plane.samples(fair.generator, count, rng)
    )
    model = plane.plane_model(fair.generator, judge)
    z0 = torch.rand(60, 2, generator=torch.Generator().manual_seed(3)) * 2 - 1
    return plane.LamSlider(model, ring, 0.6, z0, (0.0, 0.03, 0.1, 0.3, 1.0, 3.0)).html(
        "Left: the loss over z and five searches in it. Right: the data, a dashed line at the "
        "known x, and a star where each search ends; with a larger lambda the stars leave the line."
    )


def window() -> str:
    """A portrait lit by Eq. 3's weights, over the window (notebook 04)."""
    return WindowSlider(center_mask(), image=_portraits(1)).html(
        "A portrait with a square hole, dark but for a frame around the hole; the wider the "
        "window, the wider the frame."
    )


def path() -> str:
    """Three searches from z(0) to z_hat, over the step (notebook 05)."""
    gan = load_gan("portraits", "cpu")
    y, mask = check_batch(_portraits(3), center_mask())
    z0 = initial_z(gan, len(y))
    found = search(y, mask, gan, z0, replace(PAPER, steps=100), progress=False)
    faces = pictures_of(gan, found.path)  # (K, 3, 3, 64, 64)
    rows = [torch.cat([*G], dim=2) for G in faces]
    filled = [torch.cat([*fill_hole(G, y, mask)], dim=2) for G in faces]
    pictures = torch.stack([torch.cat(both, dim=1) for both in zip(rows, filled, strict=True)])
    losses = found.losses["total"][found.path_steps].mean(1).tolist()
    return PathSlider(pictures, found.path_steps, losses).html(
        "Above, G(z) for three portraits: strangers that turn into faces which fit. Below, the "
        "portraits, their holes filled from that G(z)."
    )


def lambda_and_iteration() -> str:
    """One portrait with two holes, over lambda and the iteration (notebook 07)."""
    gan, settings = load_gan("portraits", "cpu"), replace(SETTINGS, steps=40)
    holes = {
        "portrait 1, mouth": rectangle_mask(top=38, left=16, height=16, width=32),
        "portrait 1, left half": half_mask("left"),
    }
    runs = [
        explore(
            _portraits(1),
            mask,
            gan,
            (0, 0.003, 1, 3, 37, 100),
            settings=settings,
            names=[name],
            path_points=8,  # one fewer than in the notebook: 1.5 MB at most
            progress=False,
        )
        for name, mask in holes.items()
    ]
    return LambdaExplorer(*runs).html(
        *range(len(runs)),
        alt="The corrupted portrait, G(z), and the portrait completed from it. Up to lambda 1 "
        "next to nothing changes; at 100 the faces break.",
    )


def walk() -> str:
    """A search's walk over a map of faces, over the step (notebook 08)."""
    gan, mask = load_gan("portraits", "cpu"), center_mask()
    face = _portraits(2)[1:]
    z0 = initial_z(gan, 2, restarts=4)[4:5]  # that of the second portrait's first start
    found = search(face, mask, gan, z0, replace(DEFAULT, keep="last"), progress=False)
    faces = pictures_of(gan, found.path)[:, 0]  # (K, 3, 64, 64)
    filled = fill_hole(faces, face.expand_as(faces), mask.expand(len(faces), -1, -1, -1))
    _, samples = sample_pictures(gan, 800)
    name = "face 2, start 1"
    walker = ManifoldWalk(
        embed(samples, [faces]), samples, {name: faces}, found.path_steps, {name: filled}
    )
    return walker.html(
        "A map of faces from dark to light with the path of one search, a ring at the current z; "
        "beside it G(z), a stranger that becomes a face which fits, and the completed portrait.",
    )


def edits() -> str:
    """A portrait's filled hole along three directions that nobody labelled (notebook 08)."""
    gan, mask, face = load_gan("portraits", "cpu"), center_mask(), _portraits(1)
    settings = replace(DEFAULT, keep="last")
    z = inpaint(face, mask, gan, settings=settings, restarts=4, progress=False).z[0]
    codes = gan.sample_z(2000, seeded_generator(0))
    with torch.no_grad():
        first = cast(Generator, gan.generator).layers[:3]  # the first layer, its norm, its ReLU
        features = first(codes[:, :, None, None])  # (2000, 8C, 4, 4)
    found, _ = principal_directions(codes, features, count=3)
    directions = spare_known(found, gan, z, mask)
    amounts = torch.arange(-3.0, 4)
    moves = torch.cartesian_prod(*[amounts] * 3) @ directions  # (343, z_dim)
    made = edit_hole(face, mask, gan, z, moves.view(7, 7, 7, -1))
    names = [f"direction {number}" for number in (1, 2, 3)]
    return HoleEditor(made.completed, dict.fromkeys(names, amounts.tolist()), made.context).html(
        "A portrait whose hole is filled; the sliders change the face in the square, the rest "
        "stays as it is."
    )


@functools.cache
def _fair_game() -> plane.Game:
    return plane.play(plane.clusters())


def _portraits(count: int) -> torch.Tensor:
    return load_dataset("portraits", split="test", limit=count)[:]


# What a cell that shows the widget contains -> what makes it without a kernel.
EXPLORERS = {
    "GameSlider(": game,
    "LamSlider(": plane_lambda,
    "WindowSlider(": window,
    "PathSlider(": path,
    "LambdaExplorer(runs": lambda_and_iteration,
    "ManifoldWalk(": walk,
    "HoleEditor(": edits,
}
