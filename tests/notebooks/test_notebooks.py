"""The notebooks as they are stored; nbval, switched on in pyproject.toml, runs every one of their
cells.

A check takes a notebook and yields what is wrong with it. Each check is tried on a notebook that is
bad in just its way.
"""

import copy
import json
import re
import subprocess
import sys

import nbformat
import pytest
from conftest import MACHINE_PATH, ROOT
from nbformat import v4

NOTEBOOKS = sorted(
    path for path in (ROOT / "notebooks").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts
)
MAIN = [path for path in NOTEBOOKS if path.parent.name == "notebooks"]
CHECKED, RAISES = "nbval-check-output", "raises-exception"
WIDGET_STATE, WIDGET_VIEW = (
    "application/vnd.jupyter.widget-state+json",
    "application/vnd.jupyter.widget-view+json",
)
BIGGEST = 5_000_000


def code_cells(notebook):
    return [
        (number, cell) for number, cell in enumerate(notebook.cells) if cell.cell_type == "code"
    ]


def tags(cell):
    return cell.metadata.get("tags", [])


def printed(cell):
    """The text that nbval compares: printed, or a result that is no figure."""
    streams = [
        output.text
        for output in cell.outputs
        if output.output_type == "stream" and output.name == "stdout"
    ]
    results = [
        output.data.get("text/plain", "")
        for output in cell.outputs
        if "data" in output and "image/png" not in output.data
    ]
    errors = [output.evalue for output in cell.outputs if output.output_type == "error"]
    return "".join(streams + results + errors).strip()


def headings(notebook):
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return re.findall(r"^##? +(.+)$", text, re.M)


def strings(value, key=""):
    """All text in a notebook but that of encoded pictures."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            if not name.startswith("image/") and name != "buffers":
                yield from strings(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner, key)


# ---- checks of every notebook --------------------------------------------------------------------


def is_valid(notebook):
    try:
        nbformat.validate(copy.deepcopy(notebook))
    except nbformat.ValidationError as error:
        yield f"not a valid notebook: {error.message}"


def was_run_in_order(notebook):
    counts = [cell.execution_count for _, cell in code_cells(notebook) if cell.source.strip()]
    if counts != list(range(1, len(counts) + 1)):
        yield f"not run once from top to bottom: {counts}"


def has_only_wanted_errors(notebook):
    for number, cell in code_cells(notebook):
        failed = any(output.output_type == "error" for output in cell.outputs)
        if failed and RAISES not in tags(cell):
            yield f"cell {number} failed"
        if RAISES in tags(cell) and not failed:
            yield f"cell {number} is tagged {RAISES} and stores no error"
        if RAISES in tags(cell) and CHECKED not in tags(cell):
            yield (
                f"cell {number} is tagged {RAISES} without {CHECKED}: "
                "nbval would not notice when nothing is raised"
            )


def has_checked_text(notebook):
    checked = [(number, cell) for number, cell in code_cells(notebook) if CHECKED in tags(cell)]
    if not checked:
        yield f"no cell is tagged {CHECKED}"
    for number, cell in checked:
        if not printed(cell):
            yield f"cell {number} is tagged {CHECKED} and stores no text: nothing is compared"
        if any(output.get("name") == "stderr" for output in cell.outputs):
            yield (
                f"cell {number} is tagged {CHECKED} and has text on stderr, "
                "where progress bars and warnings are"
            )


def skips_nothing(notebook):
    for number, cell in code_cells(notebook):
        for tag in tags(cell):
            if re.sub("[-_]", "", tag).lower().startswith(("nbval", "raises")) and tag not in (
                CHECKED,
                RAISES,
            ):
                yield f"cell {number} has the tag {tag}: only {CHECKED} and {RAISES} are in use"
        if re.search(r"^\s*#\s*(NBVAL|PYTEST_VALIDATE)_", cell.source, re.M):
            yield f"cell {number} has a comment for nbval: use tags"


def names_no_machine(notebook):
    for text in strings(notebook):
        found = MACHINE_PATH.search(text)
        if found:
            yield f"a path of one machine: {text[max(0, found.start() - 30) : found.end() + 30]!r}"


def has_whole_widgets_or_none(notebook):
    if "widgets" not in notebook.metadata:
        return
    state = notebook.metadata.widgets.get(WIDGET_STATE, {}).get("state")
    if not state:
        yield "metadata.widgets has no state: GitHub would not show the notebook"
        return
    for number, cell in code_cells(notebook):
        for output in cell.outputs:
            view = output.get("data", {}).get(WIDGET_VIEW)
            if view and view["model_id"] not in state:
                yield f"cell {number} shows a widget that metadata.widgets lacks"


def runs_on_python3(notebook):
    kernel = notebook.metadata.get("kernelspec", {})
    if kernel.get("name") != "python3" or kernel.get("language", "python") != "python":
        yield f"the kernel is not python3 but {dict(kernel)}"
    if notebook.metadata.get("language_info", {}).get("name", "python") != "python":
        yield "the language is not python"


def has_a_check_beside_each_figure(notebook):
    cells = code_cells(notebook)
    for index, (number, cell) in enumerate(cells):
        has_figure = any("image/png" in output.get("data", {}) for output in cell.outputs)
        beside = [near for _, near in cells[index : index + 2]]
        if has_figure and not any(
            (CHECKED in tags(near) and printed(near)) or "assert" in near.source for near in beside
        ):
            yield (
                f"cell {number} has a figure, but neither it nor the next code cell "
                "asserts something or prints something that is checked"
            )


def opens_with_text(notebook):
    if not notebook.cells or notebook.cells[0].cell_type != "markdown":
        yield "the first cell is not text"


def is_small(notebook):
    size = len(json.dumps(notebook))
    if size > BIGGEST:
        yield f"{size / 1e6:.1f} MB: more than {BIGGEST / 1e6:.0f}"


# ---- checks of the notebooks 00, 01, ... ---------------------------------------------------------


def tells_what_to_expect(notebook):
    opening = notebook.cells[0].source if notebook.cells else ""
    for word in ("**Aim", "**Time", "**You need"):
        if word not in opening:
            yield f"the first cell lacks {word}"


def closes_with_summary_and_exercises(notebook):
    for word in ("Summary", "Exercises"):
        if not any(word in heading for heading in headings(notebook)[-3:]):
            yield f"no {word} among the last three headings"


EVERY = [
    is_valid,
    was_run_in_order,
    has_only_wanted_errors,
    has_checked_text,
    skips_nothing,
    names_no_machine,
    has_whole_widgets_or_none,
    runs_on_python3,
    has_a_check_beside_each_figure,
    opens_with_text,
    is_small,
]
OF_MAIN = [tells_what_to_expect, closes_with_summary_and_exercises]


def problems(notebook, checks=(*EVERY, *OF_MAIN)):
    return [f"{check.__name__}: {problem}" for check in checks for problem in check(notebook)]


# ---- the stored notebooks ------------------------------------------------------------------------


def test_the_first_notebook_is_there():
    assert ROOT / "notebooks" / "00_start_here.ipynb" in MAIN


def test_numbers_have_no_gap_and_each_notebook_has_its_solutions():
    numbers = [path.name[:2] for path in MAIN]
    assert numbers == [f"{number:02d}" for number in range(len(MAIN))]
    solutions = [path.name[:2] for path in NOTEBOOKS if path.parent.name == "solutions"]
    assert solutions == numbers
    assert len(MAIN) + len(solutions) == len(NOTEBOOKS), (
        "a notebook that is neither numbered nor a solution"
    )


@pytest.mark.parametrize(
    "path", NOTEBOOKS, ids=lambda path: path.relative_to(ROOT / "notebooks").as_posix()
)
def test_stored_notebook(path):
    notebook = nbformat.read(path, as_version=4)
    assert not problems(notebook, [*EVERY, *(OF_MAIN if path in MAIN else [])])


def test_nbval_runs_every_notebook(pytestconfig):
    assert pytestconfig.option.nbval_lax and pytestconfig.option.nbval_current_env
    assert pytestconfig.getini("testpaths") == ["notebooks", "tests"]


# ---- the checks themselves -----------------------------------------------------------------------


def good():
    """A small notebook that passes every check."""
    figure = v4.new_output(
        "display_data", data={"image/png": "aGk=", "text/plain": "Figure: a line"}
    )
    text = v4.new_output("stream", name="stdout", text="4\n")
    error = v4.new_output("error", ename="ValueError", evalue="no hole", traceback=[])
    cells = [
        v4.new_markdown_cell(
            "# A title\n**Aim.** Try.\n**Time.** 1 minute.\n**You need** nothing."
        ),
        v4.new_code_cell("plot()", execution_count=1, outputs=[figure]),
        v4.new_code_cell(
            "print(2 + 2)", execution_count=2, outputs=[text], metadata={"tags": [CHECKED]}
        ),
        v4.new_code_cell(
            "fail()", execution_count=3, outputs=[error], metadata={"tags": [CHECKED, RAISES]}
        ),
        v4.new_markdown_cell("## Summary\nIt is 4.\n## Exercises\nTry 2 + 3."),
    ]
    kernel = {"name": "python3", "language": "python", "display_name": "Python 3 (ipykernel)"}
    return v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


def widgets(state, shown="m1"):
    def change(notebook):
        notebook.metadata["widgets"] = nbformat.from_dict(
            {WIDGET_STATE: {"version_major": 2, "version_minor": 0, **state}}
        )
        view = {WIDGET_VIEW: {"model_id": shown, "version_major": 2, "version_minor": 0}}
        notebook.cells[1].outputs.append(v4.new_output("display_data", data=view))

    return change


def test_a_good_notebook_passes_every_check():
    assert problems(good()) == []
    whole = good()
    widgets({"state": {"m1": {}}})(whole)
    assert problems(whole) == []


BAD = {
    "count": (was_run_in_order, lambda n: n.cells[1].update(execution_count=7)),
    "not run": (was_run_in_order, lambda n: n.cells[1].update(execution_count=None)),
    "invalid": (is_valid, lambda n: n.cells[0].update(metadata=[])),
    "failed": (has_only_wanted_errors, lambda n: n.cells[1].outputs.append(n.cells[3].outputs[0])),
    "raised nothing": (
        has_only_wanted_errors,
        lambda n: n.cells[3].update(outputs=n.cells[2].outputs),
    ),
    "unchecked error": (
        has_only_wanted_errors,
        lambda n: n.cells[3].metadata.update(tags=[RAISES]),
    ),
    "stripped": (has_checked_text, lambda n: n.cells[2].update(outputs=[])),
    "figure only": (has_checked_text, lambda n: n.cells[2].update(outputs=n.cells[1].outputs)),
    "no check": (has_checked_text, lambda n: [cell.metadata.update(tags=[]) for cell in n.cells]),
    "progress bar": (
        has_checked_text,
        lambda n: n.cells[2].outputs.append(v4.new_output("stream", name="stderr", text="100%")),
    ),
    "skip": (skips_nothing, lambda n: n.cells[1].metadata.update(tags=["nbval-skip"])),
    "ignore": (skips_nothing, lambda n: n.cells[1].metadata.update(tags=["nbval-ignore-output"])),
    "misspelt": (skips_nothing, lambda n: n.cells[1].metadata.update(tags=["nbval-check-outputs"])),
    "comment": (skips_nothing, lambda n: n.cells[1].update(source="# NBVAL_SKIP\nplot()")),
    "path printed": (
        names_no_machine,
        lambda n: n.cells[2].outputs[0].update(text="saved in /" + "home/ada/x.png"),
    ),
    "path in code": (names_no_machine, lambda n: n.cells[1].update(source="open('/" + "tmp/x')")),
    "windows path": (
        names_no_machine,
        lambda n: n.cells[1].update(source="open(r'C:" + "\\Users\\ada')"),
    ),
    "no state": (has_whole_widgets_or_none, widgets({})),
    "half a state": (has_whole_widgets_or_none, widgets({"state": {"m1": {}}}, shown="m2")),
    "kernel": (runs_on_python3, lambda n: n.metadata.kernelspec.update(name="my-env")),
    "language": (runs_on_python3, lambda n: n.metadata.update(language_info={"name": "julia"})),
    "figure alone": (
        has_a_check_beside_each_figure,
        lambda n: n.cells[2].metadata.update(tags=[]),
    ),
    "no opening": (opens_with_text, lambda n: n.cells.pop(0)),
    "big": (is_small, lambda n: n.cells[0].update(source=n.cells[0].source + " " * BIGGEST)),
    "no aim": (
        tells_what_to_expect,
        lambda n: n.cells[0].update(source="# A title\n**Time.** 1. **You need** nothing."),
    ),
    "no exercises": (
        closes_with_summary_and_exercises,
        lambda n: n.cells[-1].update(source="## Summary\nIt is 4."),
    ),
    "summary early": (
        closes_with_summary_and_exercises,
        lambda n: n.cells[-1].update(source="## Summary\n## One\n## Two\n## Exercises"),
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_notebook_is_found(name):
    check, spoil = BAD[name]
    notebook = good()
    spoil(notebook)
    assert list(check(notebook))


def test_every_check_has_been_seen_to_fail():
    assert {check for check, _ in BAD.values()} == {*EVERY, *OF_MAIN}


def test_pictures_and_addresses_are_not_taken_for_paths():
    notebook = good()
    notebook.cells[1].outputs[0].data["image/png"] = "/" + "tmp/" + "aGk="
    notebook.cells[0].source += " https://example.org/" + "home/index, ../" + "home/x"
    assert not list(names_no_machine(notebook))


def test_nbval_fails_and_says_why(tmp_path):
    notebook = good()
    notebook.cells = [
        v4.new_code_cell(
            source,
            execution_count=count,
            outputs=good().cells[2].outputs,
            metadata={"tags": [CHECKED]},
        )
        for count, source in [(1, "print(5)"), (2, "1 / 0")]
    ]
    nbformat.write(notebook, tmp_path / "bad.ipynb")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-c",
        ROOT / "pyproject.toml",
        "-p",
        "no:cacheprovider",
        "bad.ipynb",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert (
        "Cell outputs differ" in done.stdout
        and "ZeroDivisionError" in done.stdout
        and "2 failed" in done.stdout
    )
