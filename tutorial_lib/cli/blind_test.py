"""`python -m tutorial_lib blind-test`: pool the choices of several readers."""

from __future__ import annotations

import sys
from pathlib import Path

from tutorial_lib.evaluation.blind_test import read_csv, tallies


def add_command(commands) -> None:
    """Add the command and its options to the parser."""
    parser = commands.add_parser(
        "blind-test", help="pool the .csv files that readers saved from the blind test"
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help=".csv files")
    parser.set_defaults(run=run)


def run(options) -> int:
    """Run the command; returns the exit status: 1 when a file could not be read."""
    choices, unread = [], 0
    for path in options.files:
        try:
            choices += read_csv(path)
        except (OSError, ValueError) as problem:
            print(f"left out: {problem}", file=sys.stderr)
            unread += 1
    for tally in tallies(choices):
        print(f"{tally}, by {tally.readers} reader{'s' if tally.readers > 1 else ''}")
    if not choices:
        print("no choices in these files", file=sys.stderr)
    return int(bool(unread) or not choices)
