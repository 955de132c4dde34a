"""What holds for each rendered set: pure functions of (seed, index), splits apart, attributes as
documented.

The cache they share is tested with the faces, in test_rendered_faces.py.
"""

import hashlib
import inspect
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import tutorial_lib
from tutorial_lib import load_dataset
from tutorial_lib.cli import main
from tutorial_lib.datasets import NAMES
from tutorial_lib.datasets.rendered import base as rendered
from tutorial_lib.datasets.rendered import cars as synthetic_cars
from tutorial_lib.datasets.rendered import numbers as synthetic_numbers
from tutorial_lib.datasets.rendered.base import Draws
from tutorial_lib.images import check_images, to_float

SETS = {
    "synthetic-numbers": synthetic_numbers.SyntheticNumbers,
    "synthetic-cars": synthetic_cars.SyntheticCars,
}
TEST_START = 10**9
KEYS = [(0, 3), (3, 0), (1, 2), (0, TEST_START), (123456789, 17)]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """No test reads or writes the reader's cache."""
    monkeypatch.setenv("TUTORIAL_CACHE", str(tmp_path / "default"))


@pytest.fixture(params=SETS)
def kind(request):
    return SETS[request.param]


def module_of(kind):
    return sys.modules[kind.__module__]


def test_a_picture_does_not_depend_on_what_was_drawn_before(kind):
    first = {key: kind.render(*key)[0] for key in KEYS}
    states = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    for key in reversed(KEYS):
        picture, attributes = kind.render(*key)
        assert (
            picture.shape == (64, 64, 3)
            and picture.dtype == np.uint8
            and np.array_equal(picture, first[key])
        )
        assert attributes == kind.sample(*key) and np.array_equal(
            module_of(kind).draw(attributes), picture
        )
    assert random.getstate() == states[0] and np.array_equal(np.random.get_state()[1], states[1])
    assert torch.equal(torch.get_rng_state(), states[2])
    assert len({picture.tobytes() for picture in first.values()}) == len(KEYS)


def test_another_process_draws_the_same_pictures():
    code = (
        "import hashlib\nfrom tutorial_lib.datasets.rendered import cars, numbers\n"
        "for render in (numbers.SyntheticNumbers.render, cars.SyntheticCars.render):\n"
        "    for key in ((7, 1000000002), (0, 3)):\n"
        "        picture, attributes = render(*key)\n"
        "        print(hashlib.sha256(picture.tobytes()).hexdigest(), attributes)"
    )
    root = Path(tutorial_lib.__file__).parents[1]
    told = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONHASHSEED": "77"},
    ).stdout.splitlines()
    wanted = [kind.render(*key) for kind in SETS.values() for key in ((7, 1000000002), (0, 3))]
    assert told == [
        f"{hashlib.sha256(picture.tobytes()).hexdigest()} {attributes}"
        for picture, attributes in wanted
    ]


def test_worker_processes_draw_what_this_one_draws(tmp_path):
    cars = synthetic_cars.SyntheticCars(limit=3, seed=4, cache_dir=tmp_path, workers=2)
    assert np.array_equal(
        cars.pixels, [synthetic_cars.SyntheticCars.render(4, index)[0] for index in range(3)]
    )


@pytest.mark.parametrize("name", SETS)
def test_a_set_by_name_holds_its_pictures_and_attributes_in_splits_that_do_not_meet(name):
    kind, pictures = SETS[name], {}
    for split, start in (("train", 0), ("test", TEST_START)):
        data = load_dataset(name, split=split, limit=5, seed=2)
        assert isinstance(data, kind) and data.name == name and len(data) == 5
        for index in (0, 4, -1):
            picture, attributes = kind.render(2, start + index % 5)
            assert (
                torch.equal(data[index], to_float(picture)[0])
                and data.attributes(index) == attributes
            )
        check_images(data[:])
        assert torch.equal(data[1:4], torch.stack([data[1], data[2], data[3]]))
        pictures[split] = {picture.tobytes() for picture in data.pixels}
        again = load_dataset(name, split=split, limit=3, seed=2)
        assert np.array_equal(again.pixels, data.pixels[:3])
    assert (
        len(pictures["train"]) == len(pictures["test"]) == 5
        and not pictures["train"] & pictures["test"]
    )


def test_sets_keep_their_caches_apart(tmp_path):
    for kind in SETS.values():
        kind(limit=2, cache_dir=tmp_path)
    hashes = {
        kind: hashlib.sha256(
            b"".join(
                Path(file).read_bytes().replace(b"\r\n", b"\n")
                for file in (inspect.getfile(kind), rendered.__file__)
            )
        ).hexdigest()[:16]
        for kind in SETS.values()
    }
    assert {folder.name for folder in tmp_path.iterdir() if folder.name != "default"} == {
        f"{kind.name}-{hashed}" for kind, hashed in hashes.items()
    }
    assert len(set(hashes.values())) == 2


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize(
    "options, message",
    [({"split": "valid"}, "train.*test.*valid"), ({"limit": 0}, "limit"), ({"seed": -1}, "seed")],
)
def test_what_is_wrong_is_said(name, options, message):
    with pytest.raises(ValueError, match=message):
        load_dataset(name, **options)


@pytest.mark.parametrize("key", [(-1, 0), (0, -1)])
def test_negative_numbers_are_refused(kind, key):
    with pytest.raises(ValueError, match="at least 0"):
        kind.sample(*key)


def test_an_unknown_name_is_answered_with_all_names():
    with pytest.raises(
        ValueError, match="synthetic-faces, synthetic-numbers, synthetic-cars, folder, portraits"
    ):
        load_dataset("synthetic-boats")
    assert set(SETS) < set(NAMES)


def test_the_commands_take_them(capsys):
    for command in ("train", "ablations"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        assert "{synthetic-faces,synthetic-numbers,synthetic-cars,folder," in re.sub(
            r"\s", "", capsys.readouterr().out
        )


# -- attributes against their documentation --


def documented(kind):
    """{attribute: (float or int, low, high), a tuple of words, or int}, read from the table in the
    module's docstring.
    """
    table = {}
    lines = re.sub(r"\n {20,}", " ", module_of(kind).__doc__)  # rows that go on in the next line
    for names, what in re.findall(r"^    (\w+(?:, \w+)*) +(float .*|int .*|\".*)$", lines, re.M):
        bounds = re.match(r"(float|int) (-?[\d.]+?)\.\.(-?[\d.]+)", what)
        for name in names.split(", "):
            table[name] = (
                (float if bounds[1] == "float" else int, float(bounds[2]), float(bounds[3]))
                if bounds
                else int
                if what.startswith("int")
                else tuple(re.findall(r'"([^"]+)"', what))
            )
    return table


@pytest.mark.parametrize("name, count", [("synthetic-numbers", 34), ("synthetic-cars", 35)])
def test_400_pictures_keep_to_the_documented_ranges_and_use_them(name, count):
    table, drawn = documented(SETS[name]), [SETS[name].sample(3, index) for index in range(400)]
    assert all(one.keys() == table.keys() for one in drawn) and len(table) == count
    for attribute, allowed in table.items():
        values = [one[attribute] for one in drawn]
        if allowed is int:
            assert (
                all(type(value) is int and value >= 0 for value in values)
                and len(set(values)) == 400
            )
        elif isinstance(allowed[0], str):
            assert set(values) == set(allowed), attribute
        elif allowed[0] is int:
            assert all(type(value) is int for value in values) and set(values) == set(
                range(int(allowed[1]), int(allowed[2]) + 1)
            )
        else:
            _, low, high = allowed
            assert all(type(value) is float and low <= value <= high for value in values), attribute
            assert min(values) < low + 0.2 * (high - low) and max(values) > high - 0.2 * (
                high - low
            ), attribute


def test_attributes_are_not_all_alike_between_neighbors(kind):
    """Each number is independent of the same number in the next picture, and of the picture's place
    in the row.
    """
    names = [
        name
        for name, allowed in documented(kind).items()
        if isinstance(allowed, tuple) and allowed[0] in (float, int)
    ]
    drawn = [kind.sample(0, index) for index in range(400)]
    assert len(names) > 10
    for row in np.array([[one[name] for name in names] for one in drawn]).T:
        assert abs(np.corrcoef(row[:-1], row[1:])[0, 1]) < 0.2
        assert abs(np.corrcoef(row, np.arange(400))[0, 1]) < 0.2


def test_every_word_is_another_picture(kind):
    draw = module_of(kind).draw
    fixed = {
        "synthetic-numbers": {"ground": "plate", "screws": "none", "shade": 0.0, "left": 5},
        "synthetic-cars": {"style": "suv", "view": "front left", "yaw": 0.0},
    }[kind.name]
    needed = {"wall_color": {"ground": "wall"}, "cargo": {"style": "pickup"}}
    for name, allowed in documented(kind).items():
        if isinstance(allowed, tuple) and isinstance(allowed[0], str):
            start = kind.sample(1, 1) | fixed | {"blur": 0.0, "grain": 0.0} | needed.get(name, {})
            pictures = [draw(start | {name: word}).astype(int) for word in allowed]
            for i, a in enumerate(pictures):
                for b in pictures[:i]:
                    assert np.abs(a - b).max() > 8, name


# -- the draws --


@given(seed=st.integers(0, 2**40), index=st.integers(0, 2 * TEST_START))
def test_draws_repeat_and_keep_their_limits(seed, index):
    a, b = Draws(seed, index), Draws(seed, index)
    values = [
        (d.number(-2.0, 3.0), d.bell(1.0, 0.5), d.choice({"x": 1, "never": 0, "y": 2}), d.texture())
        for d in (a, b)
    ]
    assert values[0] == values[1]
    number, bell, word, texture = values[0]
    assert (
        -2.0 <= number < 3.0 and -0.5 <= bell <= 0.5 and word in ("x", "y") and 0 <= texture < 2**31
    )


def test_words_come_as_often_as_their_weights_say():
    words = [Draws(0, index).choice({"rare": 1, "frequent": 3}) for index in range(800)]
    assert abs(words.count("frequent") - 600) < 3 * (800 * 0.75 * 0.25) ** 0.5
