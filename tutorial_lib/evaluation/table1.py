"""The paper's Table 1 and what goes beyond it.

Every method on the same pictures and masks, measured in the same way.

`python -m tutorial_lib table1` makes it and stores a JSON file; notebook 10 reads it. The work is
done in two steps. First each method fills the holes, and its completions are kept as pictures in a
work folder: that takes hours, is done in parts, and goes on where it was stopped. Then they are
measured.
"""

from __future__ import annotations

import json
import math
import os
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from tutorial_lib.baselines import BASELINES, NEED_PICTURES, fill_with
from tutorial_lib.cache import atomic_write
from tutorial_lib.device import seeded_generator
from tutorial_lib.evaluation.frechet import Judge
from tutorial_lib.evaluation.metrics import face_found, psnr, ssim
from tutorial_lib.evaluation.results import (
    check_count,
    check_names,
    evenly_spaced,
    mean_interval,
    open_results,
    options_of,
    unfinished,
)
from tutorial_lib.evaluation.two_sample import FOLDS, two_sample_auc
from tutorial_lib.images import to_float, to_uint8
from tutorial_lib.inpainting.diffusion import dps, repaint
from tutorial_lib.inpainting.latent_search import DEFAULT, PAPER, SearchSettings
from tutorial_lib.inpainting.pipeline import complete, fill_hole, initial_z
from tutorial_lib.masks import FAMILIES, corrupt, make_masks
from tutorial_lib.models.attributes import FEATURES
from tutorial_lib.models.context_encoder import ContextEncoder
from tutorial_lib.models.diffusion import Denoiser
from tutorial_lib.models.latent_model import LatentModel

# Table 1 of the paper: PSNR in dB of the Context Encoder and of the paper's method.
PAPER_TABLE = {
    "center": {"CelebA": (21.3, 19.4), "SVHN": (22.3, 19.0), "Cars": (14.1, 13.5)},
    "pattern": {"CelebA": (19.2, 17.4), "SVHN": (22.3, 19.8), "Cars": (14.0, 14.1)},
    "random": {"CelebA": (20.6, 22.8), "SVHN": (24.1, 33.0), "Cars": (16.1, 18.9)},
    "half": {"CelebA": (15.5, 13.7), "SVHN": (19.1, 14.6), "Cars": (12.6, 11.1)},
}
STANDS_FOR = {
    "synthetic-faces": "CelebA",
    "synthetic-numbers": "SVHN",
    "synthetic-cars": "Cars",
    "portraits": "CelebA",
    "faces-aligned": "CelebA",
    "digits": "SVHN",
    "cars": "Cars",
    "celeba": "CelebA",
    "svhn": "SVHN",
    "stanford-cars": "Cars",
}
PART = 64  # pictures filled between two writes
MEASURES = ("psnr", "hole_psnr", "ssim", "hole_ssim")


@dataclass(frozen=True)
class Method:
    """One way to fill the holes.

    Attributes:
        kind: "search" (a `LatentModel`), "paint" (a Context Encoder), "diffusion" (a `Denoiser`),
            "baseline" or "nothing" (the hole stays gray).
        settings: of the search.
        at_most: pictures a cell, None for all; slow methods get fewer, spread evenly over the
            others' pictures.
    """

    kind: str
    settings: SearchSettings | None = None
    at_most: int | None = None


SLOW = ("truncated-nuclear-norm", "nonconvex-low-rank", "patchmatch")
SAMPLERS: dict[str, Callable[..., Tensor]] = {"repaint": repaint, "dps": dps}
METHODS = {
    "corrupted": Method("nothing"),
    "context-encoder": Method("paint"),
    "context-encoder-blended": Method("paint"),
    "ours": Method("search", DEFAULT),
    "ours, PAPER": Method("search", PAPER, 32),
    **{name: Method("baseline", at_most=100 if name in SLOW else None) for name in BASELINES},
    **{name: Method("diffusion", at_most=100) for name in SAMPLERS},
}
USUAL = [name for name in METHODS if name not in SAMPLERS]  # those that are run when none is named


@dataclass(frozen=True)
class Models:
    """What fills and what judges; a method whose model is None cannot be run.

    Attributes:
        gan: for the searches, with its card.
        context_encoder, context_encoder_card: the network and its model card.
        denoiser, denoiser_card: the same for RePaint and DPS.
        judge: for rendered pictures, see `Judge`.
        training: the training set, for the nearest-neighbor fills.
        faces: whether the pictures are faces, so that looking for one in the completion makes
            sense.
    """

    gan: LatentModel | None = None
    context_encoder: ContextEncoder | None = None
    context_encoder_card: dict = field(default_factory=dict)
    denoiser: Denoiser | None = None
    denoiser_card: dict = field(default_factory=dict)
    judge: Judge | None = None
    training: object = None
    faces: bool = False


def table_mask(family: str, row: int, seed: int = 0) -> Tensor:
    """(1, 1, 64, 64): the mask of a row.

    It depends on (seed, row) alone, so that a part of the rows meets the same masks.
    """
    return make_masks(family, 1, seeded_generator(seed, row + 1))


def table_masks(family: str, count: int, seed: int = 0) -> Tensor:
    """(count, 1, 64, 64): the masks of the first rows."""
    return torch.cat([table_mask(family, row, seed) for row in range(count)])


def fill_rows(
    name: str,
    originals: Tensor,
    masks: Tensor,
    rows: list[int],
    models: Models,
    seed: int = 0,
    progress: bool = True,
) -> tuple[Tensor, Tensor | None]:
    """Fill the pictures of these rows with one method.

    Args:
        name: a key of `METHODS`.
        originals: (N, 3, 64, 64) in [-1, 1], of all rows; hole pixels are never read.
        masks: (N, 1, 64, 64), 1 = known, of all rows.
        rows: which to fill; the initial z or the noise of a row depends on (seed, row) alone.
        models: what fills.
        seed: of the initial z and the noise.
        progress: whether to show a progress bar.

    Returns:
        (len(rows), 3, 64, 64) in [-1, 1] on the CPU, and for a search the context loss of z_hat
        (Eq. 4), (len(rows),).

    Raises:
        ValueError: for what the method refuses.
    """
    method, mask = METHODS[name], masks[rows]
    y = corrupt(originals[rows], mask)
    if method.kind == "nothing":
        return y, None
    if method.kind == "paint" and models.context_encoder is not None:
        painted, pasted = models.context_encoder.paint(y, mask)  # (len(rows), 3, 64, 64) each
        if name == "context-encoder-blended":  # by Eq. 6, as ours is
            return fill_hole(painted.cpu(), y, mask), None
        return pasted.cpu(), None
    if method.kind == "baseline":
        pictures = {"pictures": models.training} if name in NEED_PICTURES else {}
        return fill_with(name, y, mask, **pictures), None
    if method.kind == "diffusion" and models.denoiser is not None:
        return _diffused(name, y, mask, rows, models.denoiser, seed, progress), None
    if models.gan is None or method.settings is None:
        raise ValueError(f"{name!r} has no model to fill with")
    z0 = initial_z(models.gan, max(rows) + 1, 1, seed)[rows]  # (len(rows), z_dim)
    found = complete(y, mask, models.gan, z0, method.settings, progress=progress)
    return found.completed.cpu(), found.final["context"].cpu()


def _diffused(
    name: str,
    y: Tensor,
    mask: Tensor,
    rows: list[int],
    denoiser: Denoiser,
    seed: int,
    progress: bool,
) -> Tensor:
    """(B, 3, 64, 64): one picture at a time, so that its noise does not depend on the others."""
    fill = SAMPLERS[name]
    device = next(denoiser.parameters()).device
    completed = []
    for image, known, row in tqdm(
        zip(y, mask, rows, strict=True), desc=name, total=len(rows), disable=not progress
    ):
        noise = seeded_generator(seed, row + 1).initial_seed()
        one = image[None].to(device), known[None].to(device)
        completed.append(fill(*one, denoiser, seed=noise, progress=False).cpu())
    return torch.cat(completed)


def made_by(name: str, models: Models) -> dict:
    """What the completions of a method depend on besides pictures, masks and seed.

    Raises:
        ValueError: when the method's model was not given.
    """
    method = METHODS[name]
    needs: dict[str, tuple[object, dict, str]] = {
        "search": (models.gan, getattr(models.gan, "card", {}), "a generator"),
        "paint": (models.context_encoder, models.context_encoder_card, "a Context Encoder"),
        "diffusion": (models.denoiser, models.denoiser_card, "a denoiser"),
    }
    model, card, what = needs.get(method.kind, (True, {}, ""))
    if model is None:
        raise ValueError(f"{name!r} needs {what}: give its weights")
    if name in NEED_PICTURES and models.training is None:
        raise ValueError(f"{name!r} fills from a training set: give one")
    made = {"method": name, **asdict(method)}
    fill = (BASELINES | SAMPLERS).get(name)
    if fill and (options := options_of(fill)):
        made["options"] = options
    if card:
        made |= {"weights": card["name"], "weights_sha256": card["sha256"]}
    return json.loads(json.dumps(made))


def _folder(folder: Path, made: dict) -> Path:
    """The folder of a cell's completions, which holds a note of everything they depend on.

    Raises:
        ValueError: when it holds completions made from something else.
    """
    folder.mkdir(parents=True, exist_ok=True)
    note, text = folder / "made_by.json", json.dumps(made, indent=1)
    if not note.exists():
        with atomic_write(note, "w", encoding="utf-8") as file:
            file.write(text)
    elif note.read_text(encoding="utf-8") != text:
        raise ValueError(
            f"{folder} holds completions that were made with other settings: "
            "move it away, or choose another --work"
        )
    return folder


def _part(path: Path, fill: Callable[[], tuple[Tensor, Tensor | None]]) -> dict[str, np.ndarray]:
    """Completions at `path`, read if they are there and whole, else filled and written.

    "pixels" (n, 64, 64, 3) uint8 and maybe "context" (n,).
    """
    unreadable = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error)
    with suppress(*unreadable), np.load(path) as stored:
        return dict(stored)
    completed, context = fill()
    arrays = {"pixels": to_uint8(completed)}
    arrays |= {} if context is None else {"context": context.numpy()}
    with atomic_write(path) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    return arrays


def run_table(
    originals: Tensor,
    models: Models,
    path: str | os.PathLike,
    work: str | os.PathLike,
    *,
    data: dict,
    families: tuple[str, ...] = FAMILIES,
    methods: list[str] | None = None,
    seed: int = 0,
    progress: bool = True,
) -> dict:
    """Fill the same holes with every method, measure, and store the figures after each cell.

    Args:
        originals: (N, 3, 64, 64) in [-1, 1], held-out pictures.
        models: see `Models`.
        path: the .json file; an unfinished one is gone on with.
        work: folder of the completions; the same.
        data: what the pictures are, for the file.
        families: of masks.
        methods: keys of `METHODS`; None takes those that need no denoiser.
        seed: of the masks, the initial z and the noise.
        progress: whether to show a progress bar.

    Returns:
        the results as stored. "variants" holds a cell for each "family, method": "made_by", "rows"
        and "measures" (one figure per picture), "auc" (one figure per fold of the two-sample test)
        where there are 20 pictures, "frechet" where all of more than 64 rendered pictures were
        filled; or "refused" with the reason. "originals" holds what the metrics say of the
        untouched pictures.

    Raises:
        ValueError: for an unknown family or method, or what was made from something else.
    """
    methods = USUAL if methods is None else methods
    check_names(methods, METHODS, "unknown method")
    check_names(families, FAMILIES, "unknown mask")
    check_count(len(originals), 2)
    filled_from = {"experiment": "table1", "data": data, "pictures": len(originals), "seed": seed}
    made_from = dict(filled_from)
    if models.judge:
        card = models.judge.card
        made_from |= {"classifier": card["name"], "classifier_sha256": card["sha256"]}
    results = open_results(path, made_from)
    made = {f"{family}, {name}": made_by(name, models) for family in families for name in methods}
    folders = {
        cell: _folder(Path(work) / cell.replace(", ", "-"), filled_from | made[cell])
        for cell in made
    }
    if "originals" not in results:
        results["originals"] = _other_metrics(originals, list(range(len(originals))), models)
    for cell in unfinished(results, path, made, progress):
        family, name = cell.split(", ", 1)
        masks = table_masks(family, len(originals), seed)
        count = min(METHODS[name].at_most or len(originals), len(originals))
        rows = evenly_spaced(len(originals), count)
        results["variants"][cell] = {"made_by": made[cell], "rows": rows} | _cell(
            folders[cell], name, originals, masks, rows, models, seed, progress
        )
    return results


def _cell(
    folder: Path,
    name: str,
    originals: Tensor,
    masks: Tensor,
    rows: list[int],
    models: Models,
    seed: int,
    progress: bool,
) -> dict:
    parts = []
    starts = range(0, len(rows), PART)
    for number, start in enumerate(
        tqdm(starts, desc=name, unit="part", leave=False, disable=not progress)
    ):
        some = rows[start : start + PART]
        fill = partial(fill_rows, name, originals, masks, some, models, seed, progress)
        try:
            parts.append(_part(folder / f"{number:03d}.npz", fill))
        except ValueError as error:
            return {"refused": str(error)}
    completed = to_float(np.concatenate([part["pixels"] for part in parts]))
    measures = measure(completed, originals[rows], masks[rows])
    if "context" in parts[0]:
        measures["context"] = np.concatenate([part["context"] for part in parts]).tolist()
    judged = _other_metrics(completed, rows, models)
    if len(rows) >= 4 * FOLDS:
        device = models.gan.device if models.gan else "cpu"
        looks = two_sample_auc(originals[rows], completed, masks[rows], device=device)
        judged["auc"] = list(looks.folds)
    return {"measures": measures | judged.pop("measures")} | judged


def measure(completed: Tensor, originals: Tensor, masks: Tensor) -> dict[str, list[float]]:
    """One figure a picture for each of `MEASURES`: PSNR (dB), SSIM, and both of the hole alone."""
    return {
        "psnr": psnr(completed, originals).tolist(),
        "hole_psnr": psnr(completed, originals, masks).tolist(),
        "ssim": ssim(completed, originals).tolist(),
        "hole_ssim": ssim(completed, originals, masks).tolist(),
    }


def _other_metrics(pictures: Tensor, rows: list[int], models: Models) -> dict:
    """What PSNR does not see: faces found, attributes recovered, and the Frechet distance.

    That is the distance to real pictures of the training set.
    """
    found: dict = {"measures": {}}
    if models.faces:
        found["measures"]["face"] = face_found(pictures).astype(float).tolist()
    if models.judge is not None:
        found["measures"] |= models.judge.recovered(pictures, rows)
        # distances of smaller sets do not compare
        if len(pictures) == len(next(iter(models.judge.truths.values()))) > FEATURES:
            found["frechet"] = models.judge.distance(pictures)
    return found


def summary(results: dict, measure: str) -> dict[tuple[str, str], tuple[float, float, int]]:
    """(family, method) -> mean, half its 95 % interval, number of pictures.

    Cells without this measure are left out. Of "auc" the interval is over the folds; compare only
    cells with as many pictures. Where a value is infinite, so is the mean, and the interval is NaN.
    """
    table = {}
    for cell, stored in results["variants"].items():
        figures = stored.get("measures", {}).get(measure, [])
        if measure == "auc":
            figures = stored.get("auc", [])
        values = [value for value in figures if value is not None]
        if values:
            count = len(stored["rows"]) if measure == "auc" else len(values)
            family, name = cell.split(", ", 1)
            copied = math.inf in values  # such as from a training picture that is held out as well
            interval = (math.inf, math.nan) if copied else mean_interval(values)
            table[family, name] = (*interval, count)
    return table


def paired(
    results: dict, family: str, first: str, second: str, measure: str
) -> tuple[float, float, int]:
    """Mean of first - second where both filled, half its 95 % interval, and how many those are.

    Raises:
        KeyError: when a method was not run on this family.
    """
    a, b = (
        dict(zip(stored["rows"], stored["measures"][measure], strict=True))
        for stored in (results["variants"][f"{family}, {name}"] for name in (first, second))
    )
    gaps = [a[row] - b[row] for row in a if row in b and None not in (a[row], b[row])]
    return (*mean_interval(gaps), len(gaps))


def table_text(results: dict, measure: str = "psnr") -> str:
    """Text: a line a method, a column a family of masks, means with their 95 % intervals.

    The paper's figures beside, if any.
    """
    found = summary(results, measure)
    families = [family for family in FAMILIES if any(key[0] == family for key in found)]
    names = list(dict.fromkeys(name for _, name in found))
    lines = [f"{measure:32s}" + "".join(f"{family:>16s}" for family in families)]
    for name in names:
        texts = [
            f"{found[family, name][0]:.2f} ± {found[family, name][1]:.2f}".removesuffix(" ± nan")
            if (family, name) in found
            else "-"
            for family in families
        ]
        count = max(found[family, name][2] for family in families if (family, name) in found)
        lines.append(f"{name + f' ({count})':32s}" + "".join(f"{text:>16s}" for text in texts))
    paper = STANDS_FOR.get(results["made_from"]["data"]["name"])
    if measure in ("psnr", "hole_psnr") and paper:
        for column, name in enumerate(("context-encoder", "ours")):
            texts = [
                f"{PAPER_TABLE[family][paper][column]:.1f}" if family in PAPER_TABLE else "-"
                for family in families
            ]
            lines.append(
                f"{f'paper, {paper}: {name}':32s}" + "".join(f"{text:>16s}" for text in texts)
            )
    return "\n".join(lines)


def against_paper(results: dict, measure: str = "psnr") -> dict[str, tuple[float, float, float]]:
    """Family -> ours minus Context Encoder: its mean, half its interval, and the paper's (dB).

    The interval is at 95 %. The paper's is NaN for pictures that stand for none of its sets.

    Raises:
        KeyError: for a cell that is not there.
    """
    stands_for = STANDS_FOR.get(results["made_from"]["data"]["name"], "")
    paper = {
        family: row.get(stands_for, (math.nan, math.nan)) for family, row in PAPER_TABLE.items()
    }
    return {
        family: (
            *paired(results, family, "ours", "context-encoder", measure)[:2],
            paper[family][1] - paper[family][0],
        )
        for family in PAPER_TABLE
    }


def paper_table_text(tables: dict[str, dict], measure: str = "psnr") -> str:
    """Text in the shape of the paper's Table 1.

    A line a family of masks, "Context Encoder / ours" for each set; PSNR with the paper's in
    brackets, where the pictures stand for one of its sets.
    """
    of_paper = measure in ("psnr", "hole_psnr")
    stands_for = {
        kind: STANDS_FOR.get(results["made_from"]["data"]["name"]) if of_paper else None
        for kind, results in tables.items()
    }
    lines = [
        f"{'CE / ours':10s}"
        + "".join(
            f"{f'{kind} ({paper})' if paper else kind:>30s}" for kind, paper in stands_for.items()
        )
    ]
    for family in PAPER_TABLE:
        cells = []
        for kind, results in tables.items():
            found, paper = summary(results, measure), stands_for[kind]
            two = [found[family, name][0] for name in ("context-encoder", "ours")]
            cell = " / ".join(f"{value:.{1 if of_paper else 3}f}" for value in two)
            if paper:
                theirs = " / ".join(f"{value:.1f}" for value in PAPER_TABLE[family][paper])
                cell = f"{cell} ({theirs})"
            cells.append(cell)
        lines.append(f"{family:10s}" + "".join(f"{cell:>30s}" for cell in cells))
    return "\n".join(lines)
