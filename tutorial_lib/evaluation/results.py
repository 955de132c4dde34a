"""Results on disk: one JSON file per experiment, with what it was made from."""

from __future__ import annotations

import inspect
import json
import os
import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import torch
from scipy import stats
from tqdm.auto import tqdm

from tutorial_lib.cache import DATA_DIR, atomic_write, check_writable, lock_of, locked

RESULTS_DIR = DATA_DIR / "results"


def open_results(path: str | os.PathLike, made_from: dict) -> dict:
    """The results at `path` to go on with, or new ones.

    Args:
        path: a .json file; it need not be there.
        made_from: everything the figures depend on: weights' hash, data, mask, seed, count,
            settings.

    Returns:
        a dictionary with "made_from" and "variants" (name -> what was stored for it).

    Raises:
        ValueError: when the file holds results made from something else, naming what differs.
    """
    path = Path(path)
    made_from = json.loads(json.dumps(made_from))  # as it will be read back: tuples are lists
    if not path.exists():
        return {
            "made_from": made_from,
            "made_with": {"torch": torch.__version__},
            "complete": False,
            "variants": {},
        }
    results = _read(path)
    differing = sorted(
        key
        for key in made_from.keys() | results["made_from"].keys()
        if made_from.get(key) != results["made_from"].get(key)
    )
    if differing:
        raise ValueError(
            f"{path} was made from something else ({', '.join(differing)}): move it away, or "
            "choose another --out"
        )
    return results


def unfinished(
    results: dict, path: str | os.PathLike, made_by: dict[str, dict], progress: bool = True
) -> Iterator[str]:
    """The names that are still to be made; whoever gets one stores its cell in "variants".

    A cell with another "made_by", or none, is made again; the old one stays until then. The file is
    written after each turn; "complete" is False in it from before the first to after the last.

    Args:
        results: as `open_results` returned them.
        path: the .json file.
        made_by: name -> all settings that the cell of this name is made with.
        progress: whether to show a progress bar.
    """
    made_by, stored = _short(made_by), results["variants"]  # as they will be read back
    missing = [name for name in made_by if stored.get(name, {}).get("made_by") != made_by[name]]
    if progress and (again := [name for name in missing if name in stored]):
        tqdm.write(f"made again, for the settings differ: {', '.join(again)}")
    results["complete"] = not missing
    if stored:  # else there is no file yet
        write_results(path, results)
    experiment = results["made_from"]["experiment"]
    for name in tqdm(missing, desc=experiment, unit="cell", disable=not progress):
        yield name
        results["complete"] = name == missing[-1]
        write_results(path, results)


def options_of(function: Callable) -> dict:
    """Name -> default of a function's options that are numbers or words, but seed and progress."""
    return {
        name: option.default
        for name, option in inspect.signature(function).parameters.items()
        if isinstance(option.default, int | float | str) and name not in ("seed", "progress")
    }


def check_names(given: Iterable[str], known: Iterable[str], what: str) -> None:
    """Before anything is read or computed.

    Args:
        given: names.
        known: those that may be given.
        what: how the message calls what is unknown, such as "unknown variant" or an option.

    Raises:
        ValueError: for a name that is unknown, with those that are known.
    """
    known = list(known)
    if unknown := [name for name in given if name not in known]:
        names = ", ".join(map(shlex.quote, known))  # some hold a comma
        raise ValueError(f"{what} {', '.join(unknown)}: choose from {names}")


def check_count(count: int, least: int) -> None:
    """Raises ValueError for fewer pictures than the statistics of an experiment need."""
    if count < least:
        raise ValueError(f"too few pictures for the statistics, {count}: take at least {least}")


def write_results(path: str | os.PathLike, results: dict) -> Path:
    """Replace `path` by these results in one step; floats keep five significant digits.

    JSON has no word for infinity: it is written as 1e999, which is read as infinity.
    """
    text = json.dumps(_short(results), indent=1, ensure_ascii=False)
    text = re.sub("Infinity(?=,?$)", "1e999", text, flags=re.MULTILINE)  # a text ends in a quote
    with atomic_write(path, "w", encoding="utf-8") as file:
        file.write(_lists_on_one_line(text) + "\n")
    return Path(path)


def only_writer(path: str | os.PathLike) -> AbstractContextManager[None]:
    """A block in which this process alone writes the results at `path`, for a whole command.

    Raises:
        InUse: when another process is in such a block.
        OSError: when the file cannot be written.
    """
    check_writable(Path(path).parent, Path(path).name)
    return locked(lock_of(path), f"writing {path}")


def load_results(name_or_path: str | os.PathLike) -> dict:
    """Results as they were stored: a name in data/results (without .json) or a path.

    Raises:
        FileNotFoundError: naming what there is.
        ValueError: when the file holds no results.
    """
    path = Path(name_or_path)
    if path.suffix != ".json":
        path = RESULTS_DIR / f"{name_or_path}.json"
    if not path.exists():
        there = ", ".join(sorted(other.stem for other in RESULTS_DIR.glob("*.json")))
        raise FileNotFoundError(f"{path} is not there; data/results holds {there or 'nothing'}")
    return _read(path)


def _read(path: Path) -> dict:
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # no JSON, or no text at all
        raise ValueError(f"{path} holds no results: {error}") from error
    if not isinstance(results, dict) or not {"made_from", "variants"} <= results.keys():
        raise ValueError(f"{path} holds no results: 'made_from' and 'variants' are not in it")
    return results


def evenly_spaced(available: int, count: int) -> list[int]:
    """`count` indices spread evenly over 0 ... available - 1.

    Raises:
        ValueError: when there are not so many, or for less than one.
    """
    if not 1 <= count <= available:
        raise ValueError(f"there are {available} pictures: {count} cannot be taken from them")
    return [index * available // count for index in range(count)]


def mean_interval(values) -> tuple[float, float]:
    """Mean of n values and half the width of its 95 % confidence interval.

    By Student's t with n - 1 degrees of freedom. Give it paired differences to compare two variants
    on the same pictures.

    Raises:
        ValueError: for fewer than two values, or one that is not finite.
    """
    values = np.asarray(values, dtype=float)
    if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all():
        raise ValueError(
            f"an interval needs two or more finite values in one row, got shape {values.shape}"
        )
    error = values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean()), float(stats.t.ppf(0.975, len(values) - 1) * error)


def interval_text(values, form: str = ".2f") -> str:
    """Text: the two numbers of `mean_interval`; the mean alone where a value is infinite."""
    if not np.isfinite(values).all():
        return f"{np.mean(values):{form}}"
    mean, half = mean_interval(values)
    return f"{mean:{form}} ± {half:.2f}"


def _short(value):
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: _short(inner) for key, inner in value.items()}
    return [_short(inner) for inner in value] if isinstance(value, list | tuple) else value


def _lists_on_one_line(text: str) -> str:
    """A list of numbers a line: a table of many pictures stays readable, and small."""

    def line(found: re.Match) -> str:
        return "[" + re.sub(r"\n\s*", " ", found[1]) + "]"

    return re.sub(r"\[\n\s*([^\[\]]*?)\n\s*\]", line, text)
