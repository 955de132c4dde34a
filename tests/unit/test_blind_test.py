"""The blind two-choice test: sides are fair, nothing is revealed, choices are pooled rightly."""

import base64
import io
import math
import re

import numpy as np
import pytest
import torch
from conftest import callback_errors_raise
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tutorial_lib.cli import main
from tutorial_lib.evaluation.blind_test import Choice, read_csv, tallies, to_csv, wilson
from tutorial_lib.teaching.widgets import BlindTest

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"), max_size=8)
CHOICES = st.builds(
    lambda reader, picture, names, right: Choice(reader, picture, *names, names[right]),
    NAMES,
    st.integers(0, 10**6),
    st.tuples(NAMES, NAMES).filter(lambda names: names[0] != names[1]),
    st.booleans(),
)


def flat(value, count=6):
    """Pictures that can be told by their gray level: value, value + 1, ..."""
    levels = (value + torch.arange(count)) / 127.5 - 1
    return levels.view(count, 1, 1, 1).expand(count, 3, 4, 4)


def level(image):
    return int(np.asarray(Image.open(io.BytesIO(image.value)).convert("L"))[0, 0])


@given(st.integers(0, 200), st.integers(1, 200))
def test_the_interval_is_wilsons(wins, count):
    wins = min(wins, count)
    z, p = 1.959963984540054, wins / count
    middle = (p + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(p * (1 - p) / count + z * z / (4 * count**2)) / (1 + z * z / count)
    assert wilson(wins, count) == pytest.approx((middle - half, middle + half), abs=1e-9)


@given(st.lists(CHOICES, max_size=20))
def test_a_file_gives_back_what_was_chosen(tmp_path_factory, choices):
    path = tmp_path_factory.mktemp("choices") / "a.csv"
    path.write_text(to_csv(choices), encoding="utf-8", newline="")
    assert read_csv(path) == choices


@given(st.lists(CHOICES, max_size=30))
def test_tallies_count_each_choice_once_whatever_the_side(choices):
    found = tallies(choices)
    assert sum(tally.count for tally in found) == len(choices)
    turned = [
        Choice(each.reader, each.picture, each.right, each.left, each.chosen) for each in choices
    ]
    assert tallies(turned) == found
    for tally in found:
        assert tally.method < tally.other
        assert tally.wins == sum(
            {each.left, each.right} == {tally.method, tally.other} and each.chosen == tally.method
            for each in choices
        )


def test_the_widget_shows_each_pair_once_and_notes_what_was_clicked():
    with callback_errors_raise():
        test = BlindTest({"ours": flat(0), "theirs": flat(100)}, reader="ada", seed=3)
        for _ in range(6):
            number, left, right = test.shown
            base = {"ours": 0, "theirs": 100}
            assert level(test.left_image) == base[left] + number
            assert level(test.right_image) == base[right] + number
            if test.choices:
                assert "one method" in test.caption.value or "the other" in test.caption.value
            assert not re.search("ours|theirs", test.caption.value)
            (test.left if left == "ours" else test.right).click()
        assert test.shown is None and test.left.disabled and test.right.disabled
        assert sorted(choice.picture for choice in test.choices) == list(range(6))
        assert {choice.chosen for choice in test.choices} == {"ours"}
        assert "6 of 6 pairs; ours over theirs in 6 of 6: 100% (61% to 100%)" in test.caption.value
        data = re.search(r'base64,([^"]+)"', test.link.value)[1]
        assert base64.b64decode(data).decode() == to_csv(test.choices)
        test.choose(test.left)
        assert len(test.choices) == 6


def test_nothing_on_display_names_the_methods_before_a_choice():
    test = BlindTest({"ours": flat(0), "theirs": flat(100)}, seed=0)
    texts = [test.left.description, test.right.description, test.caption.value, test.link.value]
    assert not re.search("ours|theirs", " ".join(texts))


def test_sides_are_fair():
    """Someone who always chooses the left side prefers neither method."""
    wins = 0
    for seed in range(60):
        test = BlindTest({"ours": flat(0), "theirs": flat(100)}, seed=seed)
        for _ in range(6):
            test.left.click()
        wins += sum(choice.chosen == "ours" for choice in test.choices)
    low, high = wilson(wins, 360)
    assert low < 0.5 < high


@pytest.mark.parametrize(
    "pictures",
    [
        {"one": flat(0)},
        {"one": flat(0), "two": flat(0, 5)},
        {"one": flat(0), "two": flat(1), "three": flat(2)},
        {"one": flat(0, 0), "two": flat(0, 0)},
    ],
)
def test_other_than_two_methods_with_the_same_pictures_are_refused(pictures):
    with pytest.raises(ValueError, match="two methods"):
        BlindTest(pictures)


HEAD = "reader,picture,left,right,chosen\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "first line"),
        ("a,b\n1,2\n", "first line"),
        (HEAD + "ada,1,x,y,z\n", "line 2: 'z' is none"),
        (HEAD + "ada,1,x,x,x\n", "line 2"),
        (HEAD + "ada,one,x,y,x\n", "line 2: not a choice"),
        (HEAD + "ada,1,x,y\n", "line 2: not a choice"),
        (HEAD + 'ada,1,"x,y,x\n', "not a .csv"),
        ("\xff\xfe", "not a .csv"),
    ],
)
def test_a_broken_file_is_named_and_the_others_count(tmp_path, capsys, text, problem):
    (tmp_path / "bad.csv").write_bytes(text.encode("latin-1"))
    good = [Choice("ada", 0, "x", "y", "x"), Choice("ben", 0, "y", "x", "y")]
    for choice in good:
        (tmp_path / f"{choice.reader}.csv").write_text(to_csv([choice]), encoding="utf-8")
    files = [str(tmp_path / name) for name in ("ada.csv", "bad.csv", "ben.csv")]
    assert main(["blind-test", *files]) == 1
    said = capsys.readouterr()
    assert "bad.csv" in said.err and problem in said.err
    assert said.out == "x over y in 1 of 2: 50% (9% to 91%), by 2 readers\n"
    assert main(["blind-test", files[0], files[2]]) == 0
