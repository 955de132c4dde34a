"""Run the exercise cells of submitted notebooks and collect what the checks say.

`python -m tutorial_lib grade` writes one row for each exercise of each notebook. A submission's
code runs in a process of its own with a time limit, but with the rights of whoever grades: use an
account or a container that holds nothing precious.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from tutorial_lib.teaching.exercises import checking

SECONDS = 60  # for one notebook's exercises
LARGEST = 50_000_000  # bytes of a submission
HEADING = re.compile(r"^## Exercises\b", re.M)
OPEN_QUESTION = re.compile(r"^\*\*\d\. Open question", re.M)
ANSWER_TAG = "answer"
PLACEHOLDER = "*Write your answer here.*"
RESULTS = ("correct", "not yet", "not reached", "answered", "no answer", "broken")


@dataclass(frozen=True)
class Row:
    """One exercise of one submission.

    Attributes:
        submission: the file, relative to the folder of submissions.
        notebook: the topic, such as "importance_weights"; empty where it is not known.
        exercise: name of the check, "open question", or "" for a file that cannot be read.
        result: one of `RESULTS`.
        message: what the check said, the answer's text, or why there is none.
    """

    submission: str
    notebook: str
    exercise: str
    result: str
    message: str


def grade(folder: str | os.PathLike, seconds: float = SECONDS, progress: bool = True) -> list[Row]:
    """Grade every notebook below a folder; one that is broken does not stop the others.

    Args:
        folder: of .ipynb files, at any depth; their names begin like the course's own
            (04_importance_weights-ada.ipynb), or their first line is the course's title.
        seconds: time limit of one submission.
        progress: whether to show a progress bar.

    Raises:
        ValueError: when there is no notebook, or no folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder")
    files = sorted(
        path for path in folder.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts
    )
    if not files:
        raise ValueError(f"no .ipynb file in {folder}")
    rows: list[Row] = []
    for path in tqdm(files, desc="grading", unit="notebook", disable=not progress):
        name = path.relative_to(folder).as_posix()
        rows += grade_notebook(path, name, seconds)
    return rows


def grade_notebook(path: Path, name: str, seconds: float = SECONDS) -> list[Row]:
    """The rows of one submission, never an error."""
    try:
        cells = read_cells(path)
    except (OSError, ValueError, RecursionError) as error:
        return [Row(name, "", "", "broken", str(error))]
    topic = topic_of(path.stem, cells)
    if not topic:
        problem = "neither the file's name nor its title is that of a notebook with exercises"
        return [Row(name, "", "", "broken", problem)]
    verdicts, trouble = run_exercises(cells, seconds)
    rows = []
    for check in checks_of(topic):
        found = [verdict for verdict in verdicts if verdict["check"] == check]
        # Of a check that was called several times the best verdict counts.
        best = next((verdict for verdict in found if verdict["solved"]), found[-1:] and found[-1])
        if best:
            rows.append(
                Row(name, topic, check, "correct" if best["solved"] else "not yet", best["line"])
            )
        else:
            rows.append(Row(name, topic, check, "not reached", trouble or "its cell is missing"))
    answer = open_answer(cells)
    if answer is not None:
        result = "answered" if answer else "no answer"
        rows.append(Row(name, topic, "open question", result, answer))
    return rows


def read_cells(path: Path) -> list[dict[str, Any]]:
    """The cells of a notebook file: {"kind", "source", "tags"}.

    Raises:
        ValueError: for a file that is no notebook, or is over 50 MB.
    """
    if path.stat().st_size > LARGEST:
        raise ValueError(f"larger than {LARGEST // 1_000_000} MB")
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        return [
            {
                "kind": str(cell["cell_type"]),
                "source": "".join(cell["source"]),
                "tags": list(cell.get("metadata", {}).get("tags", [])),
            }
            for cell in cells
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a notebook ({type(error).__name__}: {error})") from error


def topics() -> dict[str, str]:
    """Title in lower case -> topic, of every notebook that has checks."""
    folder = Path(checking.__file__).parent
    names = sorted(path.stem for path in folder.glob("*.py"))
    names = [name for name in names if name not in ("__init__", "checking")]
    return {name.replace("_", " "): name for name in names}


def topic_of(stem: str, cells: list[dict[str, Any]]) -> str:
    """The topic that a file's name begins with, or else that of its title; "" if there is none."""
    known = topics()
    for topic in known.values():
        if re.match(rf"(\d\d[_-])?{topic}(?![a-z])", stem.lower()):
            return topic
    title = re.match(r"#\s*(?:\d\d\s+)?([^\n:]+)", cells[0]["source"]) if cells else None
    return known.get(title[1].strip().lower(), "") if title else ""


def checks_of(topic: str) -> list[str]:
    """The names of a topic's checks, in the order of their file."""
    module = importlib.import_module(f"tutorial_lib.teaching.exercises.{topic}")
    return [
        name
        for name, value in vars(module).items()
        if name.startswith("check_") and value.__module__ == module.__name__
    ]


def exercise_sources(cells: list[dict[str, Any]]) -> list[str]:
    """The code to run: all imports of the notebook first, then the cells below "Exercises".

    Code above the exercises is left out, for it may train a network; its imports and its functions
    are what an answer may use.
    """
    start = len(cells)
    for number, cell in enumerate(cells):
        if cell["kind"] == "markdown" and HEADING.search(cell["source"]):
            start = number
    above = [cell["source"] for cell in cells[:start] if cell["kind"] == "code"]
    below = [cell["source"] for cell in cells[start:] if cell["kind"] == "code"]
    return [*map(_definitions, above), *below]


def _definitions(source: str) -> str:
    """The imports and functions of a cell, without what it does."""
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a line for IPython, or a cell that is broken
        return ""
    kept = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
    return "\n".join(ast.unparse(node) for node in tree.body if isinstance(node, kept))


def open_answer(cells: list[dict[str, Any]]) -> str | None:
    """What stands below the open question; "" for nothing, None where there is no such question."""
    parts: list[str] | None = None
    for cell in cells:
        if cell["kind"] == "markdown" and OPEN_QUESTION.search(cell["source"]):
            parts = []
        elif parts is not None and cell["kind"] == "markdown":
            parts.append(cell["source"].replace(PLACEHOLDER, "").strip())
    return None if parts is None else "\n\n".join(filter(None, parts))


def run_exercises(
    cells: list[dict[str, Any]], seconds: float = SECONDS
) -> tuple[list[dict[str, Any]], str]:
    """Run a submission's exercises in a fresh process.

    Args:
        cells: as `read_cells` returns them.
        seconds: after which the process is ended; what it said until then counts.

    Returns:
        (verdicts: {"check", "solved", "line"}, what went wrong or "").
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        task, told = Path(folder, "sources.json"), Path(folder, "verdicts.jsonl")
        task.write_text(json.dumps(exercise_sources(cells)), encoding="utf-8")
        root = str(Path(__file__).resolve().parents[2])
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(paths),
            "MPLBACKEND": "agg",
            "OMP_NUM_THREADS": "1",
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "tutorial_lib.teaching.grading", str(task), str(told)],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            status = process.wait(seconds)
            trouble = f"its process ended with status {status}" if status else ""
        except subprocess.TimeoutExpired:
            trouble = f"stopped after {seconds:g} seconds"
        finally:
            _end(process)
        lines = told.read_text(encoding="utf-8").splitlines() if told.exists() else []
    records = [json.loads(line) for line in lines if line.endswith("}")]
    errors = [record["error"] for record in records if "error" in record]
    verdicts = [record for record in records if "check" in record]
    return verdicts, trouble or "; ".join(errors)


def _end(process: subprocess.Popen) -> None:
    """End a process and those that it started."""
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def _run(task: Path) -> Iterator[dict[str, Any]]:
    """In the fresh process: run the cells, and yield verdicts and errors as they come."""
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    for source in json.loads(task.read_text(encoding="utf-8")):
        result = shell.run_cell(source)
        yield from (vars(verdict) for verdict in checking.verdicts)
        checking.verdicts.clear()
        error = result.error_before_exec or result.error_in_exec
        if error:
            yield {"error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    with open(sys.argv[2], "a", encoding="utf-8") as told_file:
        for record in _run(Path(sys.argv[1])):
            told_file.write(json.dumps(record) + "\n")
            told_file.flush()
