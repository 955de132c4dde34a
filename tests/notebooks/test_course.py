"""How a notebook of the course is built: length, opening, exercises, words, and numbers in prose
that stand in the notebook's own outputs.

A check takes a notebook and yields what is wrong with it. Each check is tried on a notebook that is
bad in just its way.
"""

import math
import re

import nbformat
import pytest
from conftest import ROOT
from nbformat import v4

from tutorial_lib.teaching.grading import ANSWER_TAG, OPEN_QUESTION, PLACEHOLDER

# Those that are still to be rewritten are not listed.
COURSE = [
    "00_start_here",
    "01_the_inpainting_problem",
    "02_gans_in_the_plane",
    "03_training_a_gan",
    "04_importance_weights",
    "05_searching_the_latent_space",
    "06_poisson_blending",
    "07_lambda_explorer",
    "08_walking_the_manifold",
    "09_ablations",
    "10_comparisons",
    "11_limits",
    "12_faster_search",
    "13_after_gans",
]
WORDS, CODE_CELLS, COLUMNS, LINES = 1300, 35, 88, 10
HIDDEN = "hide-cell"
PRIVATE = {
    r"\blam\b": "$\\lambda$",
    r"\bthere and back\b": "forward and backward pass",
    r"\bslopes?\b": "gradient",
    r"\brim\b": "boundary",
    r"\byardsticks?\b": "metric",
    r"\bdrafts?\b": "approximate step",
    r"\bstart codes?\b": "initial z",
    r"\btexts? speaks?\b": "The text describes",
    r"\bto be had\b": "available",
}
UNITS = r"(?:\s?%|\s?dB\b|\s(?:seconds?|minutes?|steps|pixels|images|faces|starts|times)\b)"
# Numbers with a unit, and numbers with a decimal point.
NUMBER = re.compile(rf"(?<![\w.])-?(?:\d[\d,]*\.\d+|\d[\d,]*(?={UNITS}))")
ANY_NUMBER = re.compile(r"(?<![\w.])-?\d[\d,_]*(?:\.\d+)?(?:e-?\d+)?(%?)")


def tags(cell):
    return cell.metadata.get("tags", [])


def hidden(cell):
    return HIDDEN in tags(cell)


def visible_code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code" and not hidden(cell)]


def prose(notebook, boxes=False):
    """The text of all markdown cells; without what is in collapsed boxes unless `boxes`."""
    text = "\n\n".join(
        cell.source
        for cell in notebook.cells
        if cell.cell_type == "markdown" and ANSWER_TAG not in tags(cell)
    )
    return text if boxes else re.sub(r"<details>.*?</details>", "", text, flags=re.S)


def without_code(text):
    text = re.sub(r"```.*?```", " ", text, flags=re.S)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    return re.sub(r"`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|<[^>]*>", " ", text, flags=re.S)


# ---- the checks ----------------------------------------------------------------------------------


def is_short(notebook):
    words = len(prose(notebook).split())
    if words > WORDS:
        yield f"{words} words outside collapsed boxes: more than {WORDS}"
    cells = len(visible_code(notebook))
    if cells > CODE_CELLS:
        yield f"{cells} code cells outside collapsed parts: more than {CODE_CELLS}"


def has_short_cells(notebook):
    for cell in visible_code(notebook):
        lines = [line for line in cell.source.split("\n") if line.strip()]
        wide = max(map(len, lines), default=0)
        if wide > COLUMNS:
            yield f"a line of {wide} columns does not fit a projector: {lines[0]!r}"
        statements = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
        if len(statements) > LINES:
            yield f"a cell of {len(statements)} lines: {statements[0]!r}"


def opens_with_outcomes(notebook):
    opening = notebook.cells[0].source
    outcomes = re.findall(r"^- ", opening, re.M)
    if not re.search(r"^After this notebook you can", opening, re.M) or len(outcomes) != 3:
        yield "the first cell does not say three things that the reader can do afterwards"


def shows_a_picture_early(notebook):
    for cell in notebook.cells[:8]:
        if any("image/png" in output.get("data", {}) for output in cell.get("outputs", [])):
            return
    yield "no picture among the first eight cells"


def hides_its_checks(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "code" and hidden(cell):
            if not cell.metadata.get("jupyter", {}).get("source_hidden"):
                yield f"tagged {HIDDEN} but not collapsed in JupyterLab: {cell.source[:40]!r}"
            if "assert" not in cell.source:
                yield f"a collapsed cell that asserts nothing: {cell.source[:40]!r}"
            if any(re.search(r"\b(True|False)\b", some.get("text", "")) for some in cell.outputs):
                yield f"a collapsed cell prints a verdict, it is to assert it: {cell.source[:40]!r}"
    if not any(map(hidden, notebook.cells)):
        yield "no collapsed check"


def closes_boxes(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            if cell.source.count("<details>") != cell.source.count("</details>"):
                yield f"a box that is not closed in its cell: {cell.source[:40]!r}"
            if re.search(r"<details>.*</summary>[^\n]*\n[^\n]", cell.source):
                yield "a box without an empty line after its summary shows raw markdown"


def has_three_exercises(notebook):
    text = prose(notebook)
    _, _, exercises = text.rpartition("## Exercises")
    for kind in ("Predict and run", "Find the bug", "Open question"):
        if not re.search(
            rf"{kind}\*?\*?\.?\*?\*? \((?:one|two|three) stars?, \d+ minutes", exercises
        ):
            yield f"no exercise '{kind}' with its stars and minutes"
    *_, first, second, _ = ["", "", *re.split(r"(?m)^\*\*[123]\. ", prose(notebook, boxes=True))]
    for part in (first, second):
        if "<summary>Hint" not in part:
            yield f"no hint for the exercise {part[:40]!r}"


def has_a_place_for_the_answer(notebook):
    """`grade` collects what is written there."""
    numbers = [
        number
        for number, cell in enumerate(notebook.cells)
        if cell.cell_type == "markdown" and OPEN_QUESTION.search(cell.source)
    ]
    if len(numbers) != 1:
        yield f"{len(numbers)} open questions that begin a cell, one is wanted"
        return
    below = notebook.cells[numbers[0] + 1 :]
    if not below or ANSWER_TAG not in tags(below[0]) or below[0].source != PLACEHOLDER:
        yield f"no cell {PLACEHOLDER!r} with the tag {ANSWER_TAG} below the open question"


def sums_up_in_three_sentences(notebook):
    found = re.search(r"## Summary\n+(.*?)(?=\n#|\Z)", prose(notebook), re.S)
    if not found:
        yield "no summary"
        return
    sentences = re.findall(r"[.!?](?=\s|$)", without_code(found[1]).strip())
    if len(sentences) != 3:
        yield f"a summary of {len(sentences)} sentences, three are wanted"


def uses_words_of_the_field(notebook):
    text = without_code(prose(notebook, boxes=True))
    for pattern, better in PRIVATE.items():
        for found in re.finditer(pattern, text, re.I):
            near = text[max(0, found.start() - 25) : found.end() + 25].replace("\n", " ")
            yield f"write {better!r}: ...{near}..."


def value(text):
    return float(text.replace(",", "").replace("_", ""))


def shown(cells):
    """Every number that code cells have or print, as a set of values; percentages also as
    fractions. What a browser draws is not read: stored sliders are full of digits.
    """
    texts = [cell.source for cell in cells]
    for cell in cells:
        for output in cell.get("outputs", []):
            texts.append(output.get("text", ""))
            texts.append(output.get("data", {}).get("text/plain", ""))
            texts.append(output.get("evalue", ""))
    found = set()
    for match in ANY_NUMBER.finditer("\n".join(texts)):
        number = value(match[0].rstrip("%"))
        found |= {number, abs(number)} | ({number / 100} if match[1] else set())
    return found


def sections(notebook):
    """(heading, text, code cells) of what is before the first heading and of each section."""
    found = [("", "", [])]
    for cell in notebook.cells[1:]:
        if cell.cell_type == "code":
            found[-1][2].append(cell)
            continue
        for part in re.split(r"(?m)^(?=## )", cell.source):
            if part.startswith("## "):
                found.append((part.partition("\n")[0][3:], part, []))
            else:
                heading, text, cells = found[-1]
                found[-1] = heading, f"{text}\n\n{part}", cells
    return found


def takes_numbers_from_its_outputs(notebook):
    """Each number in the text is in code or output of its own section, or of the opening.

    From the summary on it may be from any. The first cell's minutes, exercises' minutes, the
    level of intervals and what stands in code are left out.
    """
    for text, known in texts_and_numbers(notebook):
        yield from numbers_not_in(known, text)


def texts_and_numbers(notebook):
    opening = shown(sections(notebook)[0][2]) | {95, 0.95, 5, 0.05}
    everything = shown([cell for cell in notebook.cells if cell.cell_type == "code"]) | opening
    for heading, text, cells in sections(notebook):
        known = everything if heading in ("Summary", "Exercises") else shown(cells) | opening
        text = without_code(text)
        yield re.sub(r"\((?:\w+) stars?, \d+ minutes[^)]*\)|[Ee]xercise \d", " ", text), known


def numbers_not_in(known, text):
    for match in NUMBER.finditer(text):
        digits = match[0]
        decimals = len(digits.partition(".")[2])
        percent = text[match.end() : match.end() + 2].strip().startswith("%")
        number = abs(value(digits))
        candidates = [number / 100, number] if percent else [number]
        places = [decimals + 2, decimals] if percent else [decimals]
        if not any(
            math.isclose(round(abs(have), place), round(wanted, place), abs_tol=10.0**-place / 1e3)
            for wanted, place in zip(candidates, places, strict=True)
            for have in known
        ):
            near = text[max(0, match.start() - 30) : match.end() + 15].replace("\n", " ")
            yield f"{digits} is in no output and no code of this section: ...{near}..."


CHECKS = [
    is_short,
    has_short_cells,
    opens_with_outcomes,
    shows_a_picture_early,
    hides_its_checks,
    closes_boxes,
    has_three_exercises,
    has_a_place_for_the_answer,
    sums_up_in_three_sentences,
    uses_words_of_the_field,
    takes_numbers_from_its_outputs,
]


@pytest.mark.parametrize("name", COURSE)
def test_notebook_of_the_course(name):
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    assert not [f"{check.__name__}: {problem}" for check in CHECKS for problem in check(notebook)]


def test_most_numbers_that_are_a_little_wrong_are_noticed():
    noticed = []
    for name in COURSE:
        notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
        for text, known in texts_and_numbers(notebook):
            for match in NUMBER.finditer(text):
                decimals = len(match[0].partition(".")[2])
                for step in (-2, -1, 1, 2):
                    wrong = f"{value(match[0]) + step / 10**decimals:.{decimals}f}"
                    after = text[match.end() : match.end() + 20]
                    noticed.append(any(numbers_not_in(known, f" {wrong}{after}")))
    assert len(noticed) > 300 and sum(noticed) > 0.65 * len(noticed)


def test_the_first_notebook_leads_to_all_others():
    first = nbformat.read(ROOT / "notebooks" / f"{COURSE[0]}.ipynb", as_version=4)
    text = prose(first)
    assert [name for name in COURSE[1:] if f"({name}.ipynb)" not in text] == []


# ---- the checks themselves -----------------------------------------------------------------------

EXERCISES = """## Summary
One. Two at 1.5 dB! Is it three?
## Exercises
**1. Predict and run** (one star, 5 minutes). Run.
<details><summary>Hint</summary>

How?
</details>
**2. Find the bug** (two stars, 10 minutes). Mend.
<details><summary>Hint</summary>

Where?
</details>"""
QUESTION = "**3. Open question** (three stars, 15 minutes). Think."


def good():
    figure = v4.new_output("display_data", data={"image/png": "aGk=", "text/plain": "Figure"})
    text = v4.new_output("stream", name="stdout", text="gain 1.46 dB, 83.4% of 1,234\n")
    check = v4.new_code_cell("assert 1 + 1 == 2")
    check.metadata.update(tags=[HIDDEN], jupyter={"source_hidden": True})
    opening = (
        "# A title\n\nAfter this notebook you can\n\n- a;\n- b;\n- c.\n\n**Time:** 99 minutes."
    )
    return v4.new_notebook(
        cells=[
            v4.new_markdown_cell(opening),
            v4.new_code_cell("plot(scale=0.25)", outputs=[figure, text]),
            v4.new_markdown_cell(
                "It gains 1.5 dB, 83 % of 1,234 images, $0.77$.\n\n"
                "<details><summary>How sure?</summary>\n\nVery: 1.46.\n</details>"
            ),
            check,
            v4.new_markdown_cell(EXERCISES),
            v4.new_markdown_cell(QUESTION),
            v4.new_markdown_cell(PLACEHOLDER, metadata={"tags": [ANSWER_TAG]}),
        ]
    )


def replaced(old, new):
    def change(notebook):
        for cell in notebook.cells:
            cell.source = cell.source.replace(old, new)

    return change


BAD = {
    "long": (is_short, replaced("It gains", "word " * WORDS)),
    "many cells": (is_short, lambda n: n.cells.extend([n.cells[1]] * CODE_CELLS)),
    "wide": (has_short_cells, replaced("plot(", "plot(" + "1, " * 40)),
    "tall": (has_short_cells, replaced("plot(", "a\n" * LINES + "plot(")),
    "two outcomes": (opens_with_outcomes, replaced("- a;\n", "")),
    "no outcomes": (opens_with_outcomes, replaced("After this notebook you can", "You get")),
    "no picture": (shows_a_picture_early, lambda n: n.cells[1].update(outputs=[])),
    "open check": (hides_its_checks, lambda n: n.cells[3].metadata.pop("jupyter")),
    "no assertion": (hides_its_checks, replaced("assert 1 + 1 == 2", "print(True)")),
    "a verdict": (
        hides_its_checks,
        lambda n: n.cells[3].update(outputs=[v4.new_output("stream", text="it holds: True\n")]),
    ),
    "no check": (hides_its_checks, lambda n: n.cells.pop(3)),
    "open box": (closes_boxes, replaced("</details>", "")),
    "raw box": (closes_boxes, replaced("</summary>\n\n", "</summary>\n")),
    "two exercises": (has_three_exercises, replaced("Find the bug", "Another")),
    "no hint": (has_three_exercises, replaced("Mend.\n<details><summary>Hint", "Mend.\n<details><summary>So")),
    "no minutes": (has_three_exercises, replaced("star, 5 minutes", "star")),
    "no place for the answer": (has_a_place_for_the_answer, lambda n: n.cells.pop()),
    "an answer": (has_a_place_for_the_answer, replaced(PLACEHOLDER, "42")),
    "a question in a cell": (has_a_place_for_the_answer, replaced("**3. Open", "And **3. Open")),
    "no summary": (sums_up_in_three_sentences, replaced("## Summary", "## End")),
    "long summary": (sums_up_in_three_sentences, replaced("One.", "One. More.")),
    "private word": (uses_words_of_the_field, replaced("It gains", "The slope of it gains")),
    "lam": (uses_words_of_the_field, replaced("It gains", "For lam 1 it gains")),
    "typed number": (takes_numbers_from_its_outputs, replaced("gains 1.5", "gains 1.6")),
    "typed percentage": (takes_numbers_from_its_outputs, replaced("83 %", "84 %")),
    "number in a box": (takes_numbers_from_its_outputs, replaced("Very: 1.46", "Very: 1.47")),
    "typed count": (takes_numbers_from_its_outputs, replaced("1,234 images", "1,235 images")),
}


def test_a_good_notebook_passes_every_check():
    assert not [problem for check in CHECKS for problem in check(good())]


@pytest.mark.parametrize("name", BAD)
def test_a_bad_notebook_is_noticed(name):
    check, spoil = BAD[name]
    notebook = good()
    spoil(notebook)
    assert list(check(notebook))
