"""Results on disk: resumed only when they were made from the same, never half-written, and true to
the shipped weights.
"""

import argparse
import json
import math
import subprocess
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy import stats

from tutorial_lib.baselines import BASELINES
from tutorial_lib.cli import main
from tutorial_lib.cli.options import end_of, open_data, what_is_read
from tutorial_lib.evaluation.results import (
    RESULTS_DIR,
    evenly_spaced,
    interval_text,
    load_results,
    mean_interval,
    only_writer,
    open_results,
    options_of,
    unfinished,
    write_results,
)
from tutorial_lib.evaluation.table1 import METHODS, SAMPLERS, USUAL
from tutorial_lib.masks import FAMILIES
from tutorial_lib.models.weights import WEIGHTS_DIR, file_hash

MADE_FROM = {
    "experiment": "test",
    "weights": "a",
    "settings": {"steps": 3, "windows": (3, 5)},
    "pictures": 2,
}
STORED = sorted(RESULTS_DIR.glob("*.json"))


def test_folders_of_one_name_are_told_apart(tmp_path):
    read = []
    for folder in ("a", "b"):
        for split in ("train", "test"):
            (tmp_path / folder / "faces" / split).mkdir(parents=True)
            for number in range(2):
                noise = np.random.default_rng(number).integers(0, 256, (64, 64, 3), np.uint8)
                noise[: 32 * (folder == "b")] = 0  # a smaller file of the same name
                Image.fromarray(noise).save(tmp_path / folder / "faces" / split / f"{number}.png")
        options = argparse.Namespace(
            data="folder", root=tmp_path / folder / "faces", crop=None, extra=False
        )
        read.append(what_is_read(options, open_data(options, split="test"), indices=[0, 1]))
    assert read[0]["name"] == read[1]["name"] and read[0] != read[1]
    write_results(tmp_path / "r.json", open_results(tmp_path / "r.json", {"data": read[0]}))
    with pytest.raises(ValueError, match="made from something else"):
        open_results(tmp_path / "r.json", {"data": read[1]})


def test_a_file_of_any_name_is_gone_on_with(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    results = open_results("ablations-portraits-center", MADE_FROM)  # a stored file's name
    write_results("ablations-portraits-center", results)
    assert open_results("ablations-portraits-center", MADE_FROM) == results


def test_what_was_stored_comes_back(tmp_path):
    results = open_results(tmp_path / "deep" / "a.json", MADE_FROM)
    results["variants"]["one"] = {
        "psnr": [20.123456789, -3.0, 1e-9],
        "names": ["x", "y"],
        "nothing": [],
    }
    path = write_results(tmp_path / "deep" / "a.json", results)
    again = open_results(path, MADE_FROM)
    assert again["variants"]["one"] == {
        "psnr": [20.123, -3.0, 1e-9],
        "names": ["x", "y"],
        "nothing": [],
    }
    assert again == load_results(path) and [file.name for file in path.parent.iterdir()] == [
        "a.json"
    ]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | st.text('ab []{},"\\\n', max_size=6),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.text("k[]", max_size=3), inner, max_size=3)
        ),
    )
)
def test_any_content_is_written_as_valid_json(tmp_path_factory, content):
    path = write_results(
        tmp_path_factory.mktemp("r") / "a.json", {"made_from": {}, "variants": {"v": content}}
    )
    assert json.loads(path.read_text())["variants"]["v"] == content


def test_a_list_of_numbers_takes_one_line(tmp_path):
    path = write_results(
        tmp_path / "a.json", {"made_from": {}, "variants": {"psnr": list(range(100))}}
    )
    assert len(path.read_text().splitlines()) < 10


@pytest.mark.parametrize(
    "change", [{"weights": "b"}, {"settings": {"steps": 4, "windows": (3, 5)}}, {"new": 1}]
)
def test_results_of_other_settings_are_not_mixed(tmp_path, change):
    path = write_results(tmp_path / "a.json", open_results(tmp_path / "a.json", MADE_FROM))
    before = path.read_bytes()
    with pytest.raises(ValueError, match=f"made from something else.*{next(iter(change))}.*--out"):
        open_results(path, MADE_FROM | change)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "holds no results"),
        ("\\udcff", "holds no results"),
        ("[]", "made_from"),
        ('{"variants": {}}', "made_from"),
    ],
)
def test_what_holds_no_results_is_refused(tmp_path, text, problem):
    (tmp_path / "a.json").write_text(text, errors="surrogateescape")
    with pytest.raises(ValueError, match=problem):
        load_results(tmp_path / "a.json")


def test_a_missing_result_names_those_there_are():
    with pytest.raises(FileNotFoundError, match="data/results holds"):
        load_results("nothing")


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = write_results(tmp_path / "a.json", open_results(tmp_path / "a.json", MADE_FROM))
    monkeypatch.setattr("os.replace", lambda *names: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write_results(path, {"made_from": {}, "variants": {"half": 1}})
    assert load_results(path)["made_from"]["pictures"] == 2


def make(path, made_by, stop=None):
    """What a runner does; returns the names that were made."""
    results, turns = open_results(path, MADE_FROM), []
    for name in unfinished(results, path, made_by, progress=False):
        if name == stop:
            raise KeyboardInterrupt
        turns.append(name)
        results["variants"][name] = {"made_by": made_by[name], "psnr": [len(turns)]}
    assert (
        results["complete"]
        == load_results(path)["complete"]
        == (made_by.keys() <= results["variants"].keys())
    )
    return turns


def test_a_larger_run_that_is_interrupted_is_not_complete(tmp_path):
    path, one, two = tmp_path / "a.json", {"a": {}}, {"a": {}, "b": {}}
    assert make(path, one) == ["a"] and load_results(path)["complete"]
    with pytest.raises(KeyboardInterrupt):
        make(path, two, stop="b")  # before anything new was stored
    stored = load_results(path)
    assert not stored["complete"] and list(stored["variants"]) == ["a"]
    assert end_of(stored, "", path) == 130
    assert make(path, one) == [] and load_results(path)["complete"]  # all that was asked for
    assert end_of(load_results(path), "", path) == 0
    three = two | {"c": {}}
    with pytest.raises(KeyboardInterrupt):
        make(path, three, stop="c")
    assert list(load_results(path)["variants"]) == ["a", "b"]
    assert not load_results(path)["complete"]
    assert make(path, three) == ["c"] and load_results(path)["complete"]


def test_what_was_made_with_other_settings_is_made_again(tmp_path, capsys):
    path = tmp_path / "a.json"
    made_by = {name: {"lam": 0.12345678, "windows": (3, 5)} for name in "abc"}
    assert make(path, made_by) == ["a", "b", "c"]
    assert make(path, made_by) == []  # five digits and a list are stored, and mean the same
    stored = load_results(path)
    del stored["variants"]["c"]["made_by"]
    write_results(path, stored)
    made_by |= {"a": {"lam": 0.2, "windows": (3, 5)}}
    with pytest.raises(KeyboardInterrupt):
        make(path, made_by, stop="a")
    assert load_results(path)["variants"] == stored["variants"]  # until there is something better
    assert make(path, made_by) == ["a", "c"]
    assert list(load_results(path)["variants"]) == ["a", "b", "c"]
    assert load_results(path)["variants"]["b"] == stored["variants"]["b"]
    results = open_results(path, MADE_FROM)
    assert next(unfinished(results, path, {"a": {}, "d": {}})) == "a"
    assert "made again, for the settings differ: a\n" in capsys.readouterr().out


def test_nothing_is_written_before_there_is_something(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "a.json", {"a": {}}, stop="a")
    assert not list(tmp_path.iterdir())


def test_the_options_of_a_function_are_its_defaults():
    def fill(images, mask, model=None, *, lam=0.1, on=True, seed=0, kind="x", progress=True):
        pass

    assert options_of(fill) == {"lam": 0.1, "on": True, "kind": "x"}
    assert options_of(partial(fill, lam=0.5, kind="y")) == {"lam": 0.5, "on": True, "kind": "y"}


def test_infinity_is_written_as_json_and_comes_back(tmp_path):
    values = {"psnr": [1.5, math.inf, -math.inf], "one": math.inf, "Infinity": "Infinity", "": [[]]}
    path = write_results(tmp_path / "a.json", {"made_from": {}, "variants": {"v": values}})
    assert load_results(path)["variants"]["v"] == values
    json.loads(path.read_text(), parse_constant=pytest.fail)  # what is no JSON: Infinity, NaN
    before = path.read_bytes()
    assert write_results(path, load_results(path)).read_bytes() == before


WRITE = """
import sys
from tutorial_lib.evaluation.results import write_results
for number in range(150):
    write_results(sys.argv[1], {"made_from": {}, "variants": {sys.argv[2]: [number] * 2000}})
"""


@pytest.mark.slow
def test_who_reads_while_two_processes_write_sees_one_or_the_other(tmp_path):
    path = write_results(tmp_path / "a.json", {"made_from": {}, "variants": {"begin": [0] * 2000}})
    words = [sys.executable, "-c", WRITE, str(path)]
    writers = [subprocess.Popen([*words, name], cwd=ROOT) for name in "ab"]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        ((name, values),) = load_results(path)["variants"].items()
        assert len(values) == 2000 and len(set(values)) == 1
        seen.add(name)
    assert [writer.wait() for writer in writers] == [0, 0] and {"a", "b"} & seen
    assert [file.name for file in path.parent.iterdir()] == ["a.json"]


HOLD = """
import sys
from tutorial_lib.evaluation.results import only_writer
with only_writer(sys.argv[1]):
    print("begun", flush=True)
    sys.stdin.read()
"""


def test_a_command_whose_results_another_process_writes_says_so_at_once(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("tutorial_lib.cli.ablations.open_data", pytest.fail)
    path, pipes = (
        tmp_path / "deep" / "a.json",
        {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE},
    )
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], cwd=ROOT, **pipes) as other:
        assert other.stdout.readline() == b"begun\n"
        words = ["ablations", "--limit", "1", "--device", "cpu", "--out", str(path)]
        assert main(words) == 1
        assert f"another process is writing {path}" in capsys.readouterr().err
    with only_writer(path):
        pass


@pytest.mark.parametrize("command", ["ablations", "generators", "table1"])
def test_no_shipped_result_is_what_a_command_writes_by_default(command, tmp_path, monkeypatch):
    """With no --out: the results go below the folder that the command is called in."""
    locks = []

    def noted(path):
        locks.append(Path(path))
        raise KeyboardInterrupt

    monkeypatch.setattr(f"tutorial_lib.cli.{command}.only_writer", noted)
    threads = torch.get_num_threads()
    try:
        assert main([command, "--device", "cpu"]) == 130
    finally:
        torch.set_num_threads(threads)
    assert not locks[0].is_absolute() and locks[0].parts[0] == "runs"


@given(st.integers(1, 500), st.data())
def test_evenly_spaced_indices(available, data):
    count = data.draw(st.integers(1, available))
    indices = evenly_spaced(available, count)
    gaps = np.diff([*indices, available])
    assert len(indices) == count and indices[0] == 0 and indices[-1] < available
    assert gaps.min() >= 1 and gaps.max() - gaps.min() <= 1


@pytest.mark.parametrize("count", [0, 6])
def test_more_pictures_than_there_are_cannot_be_taken(count):
    with pytest.raises(ValueError, match="there are 5 pictures"):
        evenly_spaced(5, count)


@given(
    st.lists(st.floats(-50, 50), min_size=2, max_size=30).filter(
        lambda values: np.std(values) > 1e-3
    )
)
def test_the_interval_is_scipy_s(values):
    mean, half = mean_interval(values)
    wanted = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert math.isclose(mean - half, wanted.low, abs_tol=1e-6) and math.isclose(
        mean + half, wanted.high, abs_tol=1e-6
    )


def test_the_interval_holds_the_truth_about_95_times_in_100():
    draws = np.random.default_rng(0).normal(1.5, 2.0, (2000, 8))
    held = [abs(mean - 1.5) <= half for mean, half in map(mean_interval, draws)]
    assert 0.935 < np.mean(held) < 0.965


@pytest.mark.parametrize("values", [[1.0], [], [[1.0, 2.0]], [1.0, math.nan], [1.0, math.inf]])
def test_no_interval_without_two_finite_values(values):
    with pytest.raises(ValueError, match="two or more finite"):
        mean_interval(values)


def test_an_interval_in_a_table():
    mean, half = mean_interval([1.0, 2.5])
    assert interval_text([1.0, 2.5]) == f"{mean:.2f} ± {half:.2f}" == "1.75 ± 9.53"
    assert interval_text([1.0, 2.5], "+.1f") == "+1.8 ± 9.53"
    assert interval_text([1.0, math.inf]) == "inf"


def made_with(results):
    """(weights, sha256) of everything that a stored result depends on."""
    made_from = results["made_from"]
    for kind in ("weights", "classifier"):
        if f"{kind}_sha256" in made_from:
            yield made_from[kind], made_from[f"{kind}_sha256"]
    if results["made_from"]["experiment"] == "inversions":
        for role, network in made_from["weights"].items():
            if role != "encoder":  # brought nothing, so it does not ship
                yield network["name"], network["sha256"]
        return
    for name, stored in results["variants"].items():
        made_by = stored["made_by"]
        if "weights_sha256" in made_by and not name.endswith(
            " steps"
        ):  # of table1's cells; of generators, those that are shipped
            if made_from["experiment"] == "looks":  # its cells: "mask, weights, starts"
                name = name.split(", ")[1]
            yield made_by.get("weights", name), made_by["weights_sha256"]


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_a_stored_result_was_made_with_the_shipped_weights(path):
    results = load_results(path)
    needed = list(made_with(results))
    # the recipes' own weights do not ship, and they need no others
    assert (needed or results["made_from"]["experiment"] == "recipes") and all(
        file_hash(WEIGHTS_DIR / f"{name}.safetensors") == sha256 for name, sha256 in needed
    )
    assert results["complete"] and results["variants"]


@pytest.mark.parametrize(
    "path", [path for path in STORED if path.stem.startswith("table1-")], ids=lambda path: path.stem
)
def test_a_stored_table_has_every_cell_made_as_the_method_is_today(path):
    """Whoever changes a preset or a method has to make the tables again."""
    results = load_results(path)
    pictures = results["made_from"]["pictures"]
    names = METHODS if path.stem == "table1-portraits" else USUAL  # a denoiser knows faces only
    assert set(results["variants"]) == {
        f"{family}, {name}" for family in FAMILIES for name in names
    }
    assert pictures == 500 or path.stem == "table1-photo-cars" and pictures == 220, (
        "500, or the whole of a smaller test split"
    )
    for cell, stored in results["variants"].items():
        name = cell.split(", ", 1)[1]
        made = {
            key: value
            for key, value in stored["made_by"].items()
            if key not in ("weights", "weights_sha256")
        }
        options = made.pop("options", None)  # a table may be older than the record of them
        assert made == json.loads(json.dumps({"method": name, **asdict(METHODS[name])}))
        assert options is None or options == options_of((BASELINES | SAMPLERS)[name])
        assert len(stored["rows"]) == min(pictures, METHODS[name].at_most or pictures)
        assert "refused" in stored or {len(values) for values in stored["measures"].values()} == {
            len(stored["rows"])
        }
