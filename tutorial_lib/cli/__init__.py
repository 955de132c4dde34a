"""python -m tutorial_lib: what takes longer than a notebook cell."""

from __future__ import annotations

import argparse
import io
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tutorial_lib.cli import (
    ablations,
    animate,
    blind_test,
    data,
    generators,
    grade,
    inpaint,
    inversions,
    looks,
    recipes,
    table1,
    train,
)
from tutorial_lib.device import is_out_of_memory
from tutorial_lib.training.loop import TrainingDiverged

COMMANDS = (
    train,
    ablations,
    table1,
    generators,
    recipes,
    looks,
    inversions,
    inpaint,
    animate,
    data,
    grade,
    blind_test,
)


class _HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Adds an option's default to its help, where there is one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        nothing = action.default is None or action.default is False or action.default == ""
        return action.help if nothing else super()._get_help_string(action)


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options: Any):
        super().__init__(formatter_class=_HelpFormatter, **options)


class Terminated(KeyboardInterrupt):
    """SIGTERM came: whoever handles Ctrl-C handles it in the same way."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: as on the command line; None takes those.

    Returns:
        0; 1 for an error, or when pictures that cannot be read were left out; 130 for a run that
        Ctrl-C ended, 143 for one that SIGTERM ended.
    """
    parser = _Parser(prog="python -m tutorial_lib", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS:
        command.add_command(commands)
    parser.set_defaults(
        stopped="what was finished is stored, the same command goes on from there", left_out=False
    )
    options = parser.parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):  # names of files may hold what it cannot encode
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        with _terminable():
            return options.run(options) or int(options.left_out)
    except KeyboardInterrupt as stop:
        print(f"\nstopped; {options.stopped}", file=sys.stderr)
        return 128 + (signal.SIGTERM if isinstance(stop, Terminated) else signal.SIGINT)
    except (ValueError, OSError, TrainingDiverged) as error:
        print(f"{parser.prog} {options.command}: {error}", file=sys.stderr)
        return 1
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        print(
            f"{parser.prog} {options.command}: the memory is too small for this: take smaller "
            "networks, batches or pictures, or fewer of them",
            file=sys.stderr,
        )
        return 1


@contextmanager
def _terminable() -> Iterator[None]:
    """A block in which SIGTERM raises `Terminated`."""

    def stop(number: int, frame: Any) -> None:
        raise Terminated

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread gets signals
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
