"""Data sets by name.

Map-style, (3, 64, 64) float pictures in [-1, 1], with slices for batches.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

_HOMES = {
    "synthetic-faces": "rendered.faces.SyntheticFaces",
    "synthetic-numbers": "rendered.numbers.SyntheticNumbers",
    "synthetic-cars": "rendered.cars.SyntheticCars",
    "folder": "folder.PictureFolder",
    "portraits": "shipped.ShippedPhotos",
    "celeba": "celeba.CelebA",
    "svhn": "svhn.SVHN",
    "stanford-cars": "stanford_cars.StanfordCars",
    "two-portraits": "portraits.TwoPortraits",
    "photo-digits": "shipped.ShippedPhotos",
    "photo-cars": "shipped.ShippedPhotos",
}
NAMES = tuple(_HOMES)
TEST_ONLY = ("two-portraits", "photo-digits", "photo-cars")  # too few pictures to train on
OPTIONS = {
    "folder": {"crop", "cache_dir"},
    "celeba": {"crop", "cache_dir"},
    "svhn": {"extra", "cache_dir"},
    "stanford-cars": {"cache_dir"},
}
TERMS = {
    "celeba": "CelebA (Liu et al. 2015): for non-commercial research only; "
    "the pictures may not be passed on.",
    "svhn": "SVHN (Netzer et al. 2011): for non-commercial use only.",
    "stanford-cars": "Stanford Cars (Krause et al. 2013): for research; "
    "the pictures belong to their photographers.",
}
_told: set[str] = set()


def load_dataset(
    name: str,
    split: str | None = None,
    limit: int | None = None,
    root: str | os.PathLike | None = None,
    seed: int = 0,
    **options: Any,
):
    """A data set by name.

    Args:
        name: one of `NAMES`: "synthetic-faces", "synthetic-numbers", "synthetic-cars": rendered by
            this library; "portraits": photographs of members of the US Congress, in data/
            (`datasets.shipped`); "photo-digits", "photo-cars": 64 photographs each, in data/;
            "two-portraits": Grace Hopper and Eileen Collins, from inside matplotlib and
            scikit-image (`datasets.portraits`); "folder": your own pictures, with `root`; "celeba",
            "svhn", "stanford-cars": the paper's sets, from their official archives in `root`
            (`datasets.celeba`, `svhn`, `stanford_cars`; their terms are printed).
        split: "train" or "test"; they never overlap. When left out: "train", or "test" for
            "photo-digits" and "photo-cars", which have no other. "two-portraits" is the same two
            pictures for both.
        limit: at most so many pictures.
        root: for "folder", the folder or zip archive; for the paper's sets, the folder that holds
            the archives.
        seed: for rendered sets, which of infinitely many sets.
        options: of the set's own class: "crop" ("center" or "face" for "folder", pixels for
            "celeba"), "extra" for "svhn", "cache_dir".

    Returns:
        a map-style `torch.utils.data.Dataset` of (3, 64, 64) float32 pictures in [-1, 1];
        a slice, `dataset[:8]`, and `.images(indices)` give a (B, 3, 64, 64) batch.

    Raises:
        ValueError: for an unknown name, split or option, a missing root, or a root for a set that
            has none.
        FileNotFoundError: for files that are not there.
    """
    if split is None:
        split = "test" if name in TEST_ONLY else "train"
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be at least 1, got {limit}")
    if root is not None and name in NAMES and name not in OPTIONS:
        raise ValueError(
            f'{name} takes no root ({root}): did you mean load_dataset("folder", root=...), on '
            "the command line --data folder?"
        )
    if unknown := sorted(options.keys() - OPTIONS.get(name, set())):
        raise ValueError(f"{name} has no setting {', '.join(unknown)}")
    if name not in NAMES:
        raise ValueError(f"unknown data set {name!r}: choose one of {', '.join(NAMES)}")
    if root is None and name in OPTIONS:
        what = "a folder or a zip archive of pictures"
        if name != "folder":
            what = "the folder that holds the official archives"
        raise ValueError(
            f"load_dataset({name!r}) needs root=..., {what} (on the command line --root)"
        )
    if name in TERMS and name not in _told:
        print(TERMS[name])
        _told.add(name)
    module, _, kind = _HOMES[name].rpartition(".")  # imported now: some take a while
    make = getattr(import_module(f"tutorial_lib.datasets.{module}"), kind)
    if name in OPTIONS:
        return make(root, split=split, limit=limit, **options)
    if kind == "ShippedPhotos":
        return make(name, split, limit)
    return make(limit) if kind == "TwoPortraits" else make(split=split, limit=limit, seed=seed)
