"""Store an executed notebook so that its sliders move for a reader who has not run it.

    python -m tutorial_lib.teaching.stored NOTEBOOK ...

A widget needs a kernel. In a stored notebook each explorer's output is therefore its HTML form; a
reader who runs the cell gets the widget.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from tutorial_lib.cache import atomic_write
from tutorial_lib.teaching.explorers import EXPLORERS

VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"
REFERENCE = "IPY_MODEL_"  # how a widget's state names another one


def without_kernel(notebook: dict, explorers: dict[str, Callable[[], str]] = EXPLORERS) -> int:
    """Put the HTML form of each explorer in the place of its widget.

    Args:
        notebook: as JSON has it; changed in place.
        explorers: what a cell that shows a widget contains -> what makes its HTML.

    Returns:
        how many sliders came in; 0 where all were there.
    """
    replaced, views = 0, []
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code" or not cell["execution_count"]:
            continue
        source = "".join(cell["source"])
        made = [make for words, make in explorers.items() if words in source]
        if not made:
            shown = [output.get("data", {}).get(VIEW) for output in cell["outputs"]]
            views += [view["model_id"] for view in shown if view]
        elif not any("text/html" in output.get("data", {}) for output in cell["outputs"]):
            others = [output for output in cell["outputs"] if VIEW not in output.get("data", {})]
            cell["outputs"] = [*others, html_output(made[0]())]
            replaced += 1
    stored = notebook["metadata"].get("widgets", {}).get(STATE)
    if stored:
        needed = _reached(views, stored["state"])
        stored["state"] = {name: stored["state"][name] for name in sorted(needed)}
        if not needed:
            del notebook["metadata"]["widgets"]
    return replaced


def html_output(html: str) -> dict:
    """An output of a cell that is HTML."""
    return {"output_type": "display_data", "data": {"text/html": html}, "metadata": {}}


def _reached(views: Iterable[str], state: dict[str, dict]) -> set[str]:
    """The views' models and all that they refer to."""
    reached: set[str] = set()
    waiting = [name for name in views if name in state]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            text = json.dumps(state[name])
            waiting += [other for other in state if REFERENCE + other in text]
    return reached


def main(paths: list[str]) -> int:
    """Change the notebooks; returns the exit status."""
    for path in map(Path, paths):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        replaced = without_kernel(notebook)
        if replaced:
            with atomic_write(path, "w", encoding="utf-8") as file:
                file.write(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
        print(f"{path}: {replaced} slider{'s' * (replaced != 1)} stored")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
