"""Data sets by name: map-style, (3, 64, 64) float pictures in [-1, 1], with `images(indices)` for batches."""

from __future__ import annotations

import os

NAMES = ("synthetic-faces", "synthetic-numbers", "synthetic-cars", "folder", "two-portraits", "celeba", "svhn", "stanford-cars")
OPTIONS = {"folder": {"crop", "cache_dir"}, "celeba": {"crop", "cache_dir"}, "svhn": {"extra", "cache_dir"}, "stanford-cars": {"cache_dir"}}
_told: set[str] = set()


def load_dataset(name: str, split: str = "train", limit: int | None = None, root: str | os.PathLike | None = None,
                 seed: int = 0, **options):
    """A data set by name.

    Args:
        name: "synthetic-faces", "synthetic-numbers", "synthetic-cars" (rendered by this library, nothing to download),
            "two-portraits" (the two photographs that ship inside matplotlib and scikit-image; no split), "folder" (your own
            pictures, with `root`), or one of the paper's sets from its official archives in `root`: "celeba", "svhn", "stanford-cars"
            (see `datasets.official`; their terms are printed).
        split: "train" or "test"; they never overlap.
        limit: at most so many pictures.
        root: for "folder", the folder or zip archive; for the paper's sets, the folder that holds the archives.
        seed: for rendered sets, which of infinitely many sets.
        options: of the set's own class: "crop" ("center" or "face" for "folder", pixels for "celeba"), "extra" for "svhn", "cache_dir".

    Returns: a map-style `torch.utils.data.Dataset` of (3, 64, 64) float32 pictures in [-1, 1]; `.images(indices)` gives a
        (B, 3, 64, 64) batch.
    Raises: ValueError for an unknown name, split or option, a missing root, or a root for a set that has none.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be at least 1, got {limit}")
    if root is not None and name in NAMES and name not in OPTIONS:
        raise ValueError(f"{name} takes no root ({root}): did you mean load_dataset(\"folder\", root=...), on the command line --data folder?")
    if unknown := sorted(options.keys() - OPTIONS.get(name, set())):
        raise ValueError(f"{name} has no setting {', '.join(unknown)}")
    if name == "synthetic-faces":
        from tutorial_lib.datasets.synthetic_faces import SyntheticFaces
        return SyntheticFaces(split=split, limit=limit, seed=seed)
    if name == "synthetic-numbers":
        from tutorial_lib.datasets.synthetic_numbers import SyntheticNumbers
        return SyntheticNumbers(split=split, limit=limit, seed=seed)
    if name == "synthetic-cars":
        from tutorial_lib.datasets.synthetic_cars import SyntheticCars
        return SyntheticCars(split=split, limit=limit, seed=seed)
    if name == "two-portraits":
        from tutorial_lib.datasets.portraits import TwoPortraits
        return TwoPortraits(limit)
    if name == "folder":
        if root is None:
            raise ValueError("load_dataset('folder') needs root=..., a folder or a zip archive of pictures")
        from tutorial_lib.datasets.folder import PictureFolder
        return PictureFolder(root, split=split, limit=limit, **options)
    if name in ("celeba", "svhn", "stanford-cars"):
        from tutorial_lib.datasets.official import SVHN, TERMS, CelebA, StanfordCars
        if root is None:
            raise ValueError(f"load_dataset({name!r}) needs root=..., the folder that holds the official archives")
        if name not in _told:
            print(TERMS[name])
            _told.add(name)
        return {"celeba": CelebA, "svhn": SVHN, "stanford-cars": StanfordCars}[name](root, split=split, limit=limit, **options)
    raise ValueError(f"unknown data set {name!r}: choose one of {', '.join(NAMES)}")
