"""`python -m tutorial_lib grade`: the checks' verdicts on a class's notebooks, as a table."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections import Counter
from pathlib import Path

from tutorial_lib.cache import atomic_write, check_writable
from tutorial_lib.cli.options import positive


def add_command(commands) -> None:
    """Add the command and its options to the parser."""
    parser = commands.add_parser(
        "grade",
        help="run the exercises of submitted notebooks and write the verdicts to a table",
        description="Runs the exercise cells of each notebook in a process of its own, with your "
        "rights: grade in an account that holds nothing precious.",
    )
    parser.add_argument("submissions", type=Path, help="folder of .ipynb files, at any depth")
    parser.add_argument("--out", type=Path, required=True, help="the .csv file")
    parser.add_argument(
        "--seconds", type=positive, default=60, help="time limit of one submitted notebook"
    )
    parser.set_defaults(run=run, stopped="nothing was written")


def run(options) -> int:
    """Run the command; returns the exit status."""
    from tutorial_lib.teaching.grading import Row, grade

    check_writable(options.out.parent, options.out.name)
    rows = grade(options.submissions, options.seconds)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(field.name for field in dataclasses.fields(Row))
    table.writerows(_plain(dataclasses.astuple(row)) for row in rows)
    try:
        with atomic_write(options.out, "w", encoding="utf-8", newline="") as file:
            file.write(text.getvalue())
    except OSError:  # an hour's verdicts must not be lost
        print(text.getvalue(), end="")
        raise
    counts = Counter(row.result for row in rows)
    print(", ".join(f"{result}: {count}" for result, count in sorted(counts.items())))
    print(f"wrote {options.out}")
    return 0


def _plain(values: tuple[str, ...]) -> list[str]:
    """Values that a spreadsheet takes for text: one that begins like a formula gets a quote."""
    return ["'" + value if value.startswith(("=", "+", "-", "@")) else value for value in values]
