"""The lecture of Part I: which cells are slides, and copies of the notebooks for the speaker.

docs/lecture.md is the only source. It has a section for each notebook and in it one for each slide:

    ## 04_importance_weights

    ### The window

    `weights-16` `weights-18` | 3 min | reveal

    > What stands on the slide, above the cells.

    **Say.** The rest is the speaker's note.

The line below the title names the slide's cells and its minutes. `reveal` keeps the cells back
until a key is pressed, `code` shows their code, and `optional` marks what a speaker in a hurry
leaves out.

    python -m tutorial_lib.teaching.slides mark            # slide types into notebooks/
    python -m tutorial_lib.teaching.slides write FOLDER    # the speaker's copies
"""

import argparse
import copy
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from tutorial_lib.cache import atomic_write

ROOT = Path(__file__).resolve().parents[2]
LECTURE = ROOT / "docs" / "lecture.md"
STYLE = Path(__file__).parent / "rise" / "rise.css"
FLAGS = {"reveal", "code", "optional"}
# What jupyterlab-rise reads from a notebook.
RISE = {
    "auto_select": "code",
    "scroll": True,
    "slideNumber": "c/t",
    "start_slideshow_at": "beginning",
    "center": False,
    "theme": "white",
    "transition": "none",
}


@dataclass(frozen=True)
class Slide:
    """One slide: what stands on it, and what the speaker says."""

    notebook: str  # such as 04_importance_weights
    title: str
    cells: tuple[str, ...]  # ids, in the order of the notebook
    minutes: float
    flags: frozenset[str]  # some of FLAGS
    text: str  # Markdown
    note: str  # Markdown

    @property
    def kind(self) -> str:
        """The slide type of the first cell; a speaker in a hurry passes by the subslides."""
        return "subslide" if "optional" in self.flags else "slide"


def read_lecture(text: str) -> list[Slide]:
    """The slides of docs/lecture.md in their order.

    Raises:
        ValueError: for a slide without its line of cells and minutes, or with an unknown flag.
    """
    slides = []
    for section in re.split(r"^## ", text, flags=re.M)[1:]:
        name, *parts = re.split(r"^### ", section, flags=re.M)
        slides += [_read_slide(name.splitlines()[0].strip(), part) for part in parts]
    return slides


def _read_slide(notebook, section):
    title, _, rest = section.partition("\n")
    line, _, rest = rest.strip().partition("\n")
    found = re.fullmatch(r"((?:`[\w-]+` ?)+)\| ([\d.]+) min((?: \| \w+)*)", line.strip())
    if found is None:
        raise ValueError(f"{notebook}, {title}: no line of cells and minutes, but {line!r}")
    flags = frozenset(re.findall(r"\w+", found[3]))
    if flags - FLAGS:
        raise ValueError(f"{notebook}, {title}: unknown {sorted(flags - FLAGS)}")
    shown = re.match(r"(?:^>.*\n?)*", rest.strip(), re.M)
    text = shown[0] if shown else ""
    return Slide(
        notebook,
        title.strip(),
        tuple(re.findall(r"`([\w-]+)`", found[1])),
        float(found[2]),
        flags,
        re.sub(r"^> ?", "", text, flags=re.M).strip(),
        rest.strip()[len(text) :].strip(),
    )


def mark(notebook: dict, slides: list[Slide]) -> dict:
    """A copy in which every cell has its slide type; cells that are on no slide are skipped.

    Raises:
        ValueError: for a slide that names a cell which is not there, or not in this order.
    """
    notebook = copy.deepcopy(notebook)
    types: dict[str, str] = {}
    for slide in slides:
        first, *others = slide.cells
        types |= {first: slide.kind} | dict.fromkeys(others, "-")
    ids = [cell["id"] for cell in notebook["cells"]]
    named = [name for slide in slides for name in slide.cells]
    if named != [name for name in ids if name in types]:
        missing = sorted(set(named) - set(ids)) or "cells twice or in another order"
        raise ValueError(f"{slides[0].notebook}: the slides name {missing}")
    for cell in notebook["cells"]:
        cell["metadata"]["slideshow"] = {"slide_type": types.get(cell["id"], "skip")}
    return notebook


def speakers_copy(notebook: dict, slides: list[Slide]) -> dict:
    """A copy with the title, the text and the note of each slide.

    The text replaces a markdown cell, and stands above a code cell.
    """
    notebook = mark(notebook, slides)
    begins = {slide.cells[0]: slide for slide in slides}
    on_slide = {name: slide for slide in slides for name in slide.cells}
    cells = []
    for cell in notebook["cells"]:
        name = cell["id"]
        if name in begins:
            cells += _opening(begins[name], name)
        if name not in on_slide:
            cells.append(cell)
        elif cell["cell_type"] == "code":
            flags = on_slide[name].flags
            cell["metadata"].setdefault("jupyter", {})["source_hidden"] = "code" not in flags
            waits = "reveal" in flags and name in begins
            cell["metadata"]["slideshow"]["slide_type"] = "fragment" if waits else "-"
            cells.append(cell)
    notebook["cells"] = cells
    notebook["metadata"]["rise"] = RISE
    return notebook


def _opening(slide, name):
    """The cells of a slide's title and text, and of its note."""
    contents = {slide.kind: f"## {slide.title}\n\n{slide.text}".strip()}
    contents["notes"] = f"*{slide.minutes:g} min.*\n\n{slide.note}"
    return [
        {
            "cell_type": "markdown",
            "id": f"{name}-{'notes' if kind == 'notes' else 'title'}",
            "metadata": {"slideshow": {"slide_type": kind}},
            "source": content.splitlines(keepends=True),
        }
        for kind, content in contents.items()
    ]


def by_notebook(slides: list[Slide]) -> dict[str, list[Slide]]:
    """The slides of each notebook."""
    names = dict.fromkeys(slide.notebook for slide in slides)
    return {name: [slide for slide in slides if slide.notebook == name] for name in names}


def load(path: Path) -> dict:
    """A notebook as JSON."""
    return json.loads(path.read_text(encoding="utf-8"))


def save(notebook: dict, path: Path) -> None:
    """Write a notebook in the form of those in notebooks/."""
    with atomic_write(path, "w", encoding="utf-8", newline="\n") as file:
        file.write(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")


def mark_all(folder: Path, lecture: str) -> list[str]:
    """Write the slide types into the notebooks of a folder; returns their names."""
    decks = by_notebook(read_lecture(lecture))
    for name, slides in decks.items():
        path = folder / f"{name}.ipynb"
        save(mark(load(path), slides), path)
    return list(decks)


def write_copies(folder: Path, lecture: str, notebooks: Path = ROOT / "notebooks") -> list[str]:
    """Write the speaker's copies into a folder; returns their names."""
    decks = by_notebook(read_lecture(lecture))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rise.css").write_text(STYLE.read_text(encoding="utf-8"), encoding="utf-8")
    for name, slides in decks.items():
        save(speakers_copy(load(notebooks / f"{name}.ipynb"), slides), folder / f"{name}.ipynb")
    return list(decks)


def main(arguments: list[str] | None = None) -> int:
    """`mark`, or `write FOLDER`; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("mark", help="write slide types into the notebooks")
    write = commands.add_parser("write", help="write the speaker's copies")
    write.add_argument("folder", type=Path)
    options = parser.parse_args(arguments)
    lecture = LECTURE.read_text(encoding="utf-8")
    if options.command == "mark":
        print("slides: marked", *mark_all(ROOT / "notebooks", lecture))
    else:
        print("slides: wrote", *write_copies(options.folder, lecture))
    return 0


if __name__ == "__main__":
    sys.exit(main())
