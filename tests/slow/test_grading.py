"""A class's notebooks are graded: each in a process of its own, and none stops the others."""

import csv
import json

import pytest
from nbformat import v4

from tutorial_lib.cli import main
from tutorial_lib.teaching.grading import (
    HEADING,
    PLACEHOLDER,
    Row,
    checks_of,
    exercise_sources,
    grade,
    open_answer,
    topics,
)

RIGHT = """def speakers(height, width, window):
    return (height + window - 1) * (width + window - 1) - height * width

exercises.check_speakers(speakers)"""
ROUND = """import torch
import torch.nn.functional as F

def round_weights(mask, radius):
    offset = torch.arange(-radius, radius + 1)
    disc = (offset[:, None] ** 2 + offset ** 2 <= radius ** 2).float()[None, None]
    missing = F.conv2d(1 - mask, disc, padding=radius)
    return mask * missing / F.conv2d(torch.ones_like(mask), disc, padding=radius)

exercises.check_round_weights(round_weights)"""


def notebook(*exercise_cells, title="# 04 Importance weights", answer=None):
    cells = [
        v4.new_markdown_cell(title),
        v4.new_code_cell("from tutorial_lib.teaching import exercises\nraise SystemExit"),
        v4.new_markdown_cell("## Exercises\n\n**1.** ..."),
        *map(v4.new_code_cell, exercise_cells),
    ]
    if answer is not None:
        cells.append(v4.new_markdown_cell("**3. Open question** (one star, 5 minutes). Why?"))
        cells.append(v4.new_markdown_cell(answer))
    return json.dumps(v4.new_notebook(cells=cells))


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """The table of a class in which much goes wrong, by (submission, exercise)."""
    folder = tmp_path_factory.mktemp("class")
    (folder / "ben").mkdir()
    submissions = {
        "04_importance_weights-ada.ipynb": notebook(RIGHT, ROUND, answer="=1+1, because."),
        "ben/homework.ipynb": notebook(
            "x = (", RIGHT.replace(" - height * width", ""), ROUND, answer=PLACEHOLDER
        ),
        "importance_weights_cleo.ipynb": notebook(RIGHT, "while True: pass", title="# Mine"),
        "04_importance_weights-dan.ipynb": notebook("import os; os._exit(3)", RIGHT),
        "eve.ipynb": "{",
        "fay.ipynb": notebook(RIGHT, title="# My summer"),
        "gil.ipynb": '{"cells": [{"cell_type": "code"}]}',
        "04_importance_weights-hal.ipynb": notebook(
            "raise NotImplementedError", ROUND, ROUND.replace("1 - mask", "mask")
        ),
    }
    for name, text in submissions.items():
        (folder / name).write_text(text, encoding="utf-8")
    out = folder / "grades.csv"
    assert main(["grade", str(folder), "--out", str(out), "--seconds", "15"]) == 0
    with open(out, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {(row["submission"], row["exercise"]): row for row in rows}


def test_right_answers_are_correct_and_the_open_answer_is_text(graded):
    for exercise in ("check_speakers", "check_round_weights"):
        row = graded["04_importance_weights-ada.ipynb", exercise]
        assert row["result"] == "correct" and row["notebook"] == "importance_weights"
    answer = graded["04_importance_weights-ada.ipynb", "open question"]
    assert answer["result"] == "answered"
    assert answer["message"] == "'=1+1, because.", "a spreadsheet must not compute an answer"


def test_a_broken_cell_and_a_wrong_answer_do_not_hide_a_right_one(graded):
    assert graded["ben/homework.ipynb", "check_speakers"]["result"] == "not yet"
    assert "hole itself" in graded["ben/homework.ipynb", "check_speakers"]["message"]
    assert graded["ben/homework.ipynb", "check_round_weights"]["result"] == "correct"
    assert graded["ben/homework.ipynb", "open question"]["result"] == "no answer"


def test_what_was_solved_before_an_endless_loop_counts(graded):
    name = "importance_weights_cleo.ipynb"
    assert graded[name, "check_speakers"]["result"] == "correct"
    assert graded[name, "check_round_weights"]["result"] == "not reached"
    assert graded[name, "check_round_weights"]["message"] == "stopped after 15 seconds"


def test_a_process_that_ends_itself_is_named(graded):
    row = graded["04_importance_weights-dan.ipynb", "check_speakers"]
    assert row["result"] == "not reached" and row["message"] == "its process ended with status 3"


@pytest.mark.parametrize("name", ["eve.ipynb", "fay.ipynb", "gil.ipynb"])
def test_a_file_that_is_no_notebook_of_the_course_is_named(graded, name):
    assert graded[name, ""]["result"] == "broken" and graded[name, ""]["message"]


def test_the_best_of_several_calls_counts(graded):
    assert graded["04_importance_weights-hal.ipynb", "check_round_weights"]["result"] == "correct"
    row = graded["04_importance_weights-hal.ipynb", "check_speakers"]
    assert row["result"] == "not reached" and "NotImplementedError" in row["message"]


def test_a_folder_without_notebooks_is_refused(tmp_path, capsys):
    assert main(["grade", str(tmp_path), "--out", str(tmp_path / "grades.csv")]) == 1
    assert "no .ipynb file" in capsys.readouterr().err
    assert not (tmp_path / "grades.csv").exists()
    with pytest.raises(ValueError, match="not a folder"):
        grade(tmp_path / "nowhere")


def test_a_folder_in_the_place_of_the_table_is_refused_before_the_work(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("tutorial_lib.teaching.grading.grade", pytest.fail)
    assert main(["grade", str(tmp_path), "--out", str(tmp_path)]) == 1
    assert f"{tmp_path} is a folder, not a file" in capsys.readouterr().err


def test_verdicts_that_cannot_be_written_are_printed(tmp_path, capsys, monkeypatch):
    out = tmp_path / "grades.csv"

    def verdicts(*_):
        out.mkdir()
        return [Row("ada.ipynb", "topic", "check", "correct", "")]

    monkeypatch.setattr("tutorial_lib.teaching.grading.grade", verdicts)
    assert main(["grade", str(tmp_path), "--out", str(out)]) == 1
    said = capsys.readouterr()
    assert "\nada.ipynb,topic,check,correct," in said.out and "grades.csv" in said.err


def test_every_topic_has_checks_and_only_the_exercises_are_run():
    assert all(checks_of(topic) for topic in topics().values())
    cells = [
        {"kind": "code", "source": "import math\ndef f():\n    return 1\nprint(f())", "tags": []},
        {"kind": "code", "source": "%matplotlib inline", "tags": []},
        {"kind": "markdown", "source": "## Summary\n\n## Exercises", "tags": []},
        {"kind": "code", "source": "print(math.pi)", "tags": []},
    ]
    assert HEADING.search(cells[2]["source"])
    above, magic, below = exercise_sources(cells)
    names = {}
    exec(above, names)
    assert names["f"]() == 1 and "print" not in above
    assert (magic, below) == ("", "print(math.pi)")
    assert open_answer(cells) is None
