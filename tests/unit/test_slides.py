"""Slides from a text and a notebook."""

import json

import nbformat
import pytest
from nbformat import v4

from tutorial_lib.teaching import slides

TEXT = """# A lecture

## Not a notebook

Words.

## 04_weights

### First

`a` `c` | 2 min | reveal

> On the slide.
>
> **Twice?**

**Say.** A note.

> Quoted in the note.

### Second

`d` | 1.5 min | code | optional

**Say.** Another.
"""


def cells():
    made = [
        v4.new_code_cell("plot()", id="a", metadata={"tags": ["x"]}),
        v4.new_code_cell("assert True", id="b"),
        v4.new_code_cell("more()", id="c"),
        v4.new_markdown_cell("Long text.", id="d"),
        v4.new_code_cell("end()", id="e", metadata={"slideshow": {"slide_type": "slide"}}),
    ]
    return json.loads(nbformat.writes(v4.new_notebook(cells=made)))


def types(notebook):
    return {cell["id"]: cell["metadata"]["slideshow"]["slide_type"] for cell in notebook["cells"]}


def test_a_section_is_read():
    one, two = slides.read_lecture(TEXT)
    assert one == slides.Slide(
        "04_weights",
        "First",
        ("a", "c"),
        2.0,
        frozenset({"reveal"}),
        "On the slide.\n\n**Twice?**",
        "**Say.** A note.\n\n> Quoted in the note.",
    )
    assert two.flags == {"code", "optional"} and two.minutes == 1.5 and two.text == ""
    assert (one.kind, two.kind) == ("slide", "subslide")


@pytest.mark.parametrize(
    "old, new, said",
    [("`d` | 1.5 min", "`d`", "no line of cells"), ("| code", "| cod", "unknown \\['cod'\\]")],
)
def test_a_broken_section_is_named(old, new, said):
    with pytest.raises(ValueError, match=f"04_weights, Second: {said}"):
        slides.read_lecture(TEXT.replace(old, new))


def test_every_cell_gets_a_type_and_nothing_else_changes():
    before = cells()
    marked = slides.mark(before, slides.read_lecture(TEXT))
    assert types(marked) == {"a": "slide", "b": "skip", "c": "-", "d": "subslide", "e": "skip"}
    assert before == cells()
    for cell, old in zip(marked["cells"], before["cells"], strict=True):
        assert cell["metadata"].pop("slideshow")
        old["metadata"].pop("slideshow", None)
        assert cell == old


@pytest.mark.parametrize("old, new", [("`d`", "`z`"), ("`a` `c`", "`c` `a`"), ("`d`", "`a`")])
def test_cells_that_are_not_there_or_out_of_order_are_refused(old, new):
    with pytest.raises(ValueError, match="04_weights: the slides name"):
        slides.mark(cells(), slides.read_lecture(TEXT.replace(old, new)))


def test_the_speakers_copy_has_titles_notes_and_hidden_code():
    copy = slides.speakers_copy(cells(), slides.read_lecture(TEXT))
    assert types(copy) == {
        "a-title": "slide",
        "a-notes": "notes",
        "a": "fragment",
        "b": "skip",
        "c": "-",
        "d-title": "subslide",
        "d-notes": "notes",
        "e": "skip",
    }
    found = {cell["id"]: cell for cell in copy["cells"]}
    assert "".join(found["a-title"]["source"]) == "## First\n\nOn the slide.\n\n**Twice?**"
    assert "".join(found["a-notes"]["source"]).startswith("*2 min.*\n\n**Say.** A note.")
    assert found["a"]["metadata"]["jupyter"]["source_hidden"] is True
    assert found["a"]["metadata"]["tags"] == ["x"]
    nbformat.validate(nbformat.from_dict(copy))


def test_code_that_teaches_is_shown():
    text = TEXT.replace("`d`", "`e`")
    shown = slides.speakers_copy(cells(), slides.read_lecture(text))["cells"]
    last = {cell["id"]: cell for cell in shown}["e"]["metadata"]
    assert last["jupyter"]["source_hidden"] is False and last["slideshow"]["slide_type"] == "-"


def test_both_commands_write_whole_files(tmp_path):
    (tmp_path / "notebooks").mkdir()
    path = tmp_path / "notebooks" / "04_weights.ipynb"
    slides.save(cells(), path)
    assert slides.mark_all(path.parent, TEXT) == ["04_weights"]
    marked = path.read_bytes()
    assert types(slides.load(path))["b"] == "skip" and marked.endswith(b"}\n")
    slides.mark_all(path.parent, TEXT)
    assert path.read_bytes() == marked
    assert slides.write_copies(tmp_path / "out", TEXT, path.parent) == ["04_weights"]
    assert sorted(each.name for each in (tmp_path / "out").iterdir()) == [
        "04_weights.ipynb",
        "rise.css",
    ]
