"""The sources of the site: links, widgets and pictures of a notebook, and that none is forgotten.

The pages themselves are looked at in tests/browser/test_browser_site.py.
"""

import importlib.util
import json
import re

import pytest
from conftest import ROOT

from tutorial_lib.teaching import stored
from tutorial_lib.teaching.explorers import EXPLORERS

spec = importlib.util.spec_from_file_location("site_build", ROOT / "docs" / "build.py")
site = importlib.util.module_from_spec(spec)
spec.loader.exec_module(site)

PAGES = {
    "README.md": "README.md",
    "docs/start.md": "start.md",
    "notebooks/01.ipynb": "notebooks/01.ipynb",
}


@pytest.mark.parametrize(
    ("text", "folder", "wanted"),
    [
        ("see [how](../README.md#other)", "notebooks", "see [how](/README.md#other)"),
        ("[one](01.ipynb), [two](02.ipynb)", "notebooks", "[one](/notebooks/01.ipynb), two"),
        ("[web](https://x.org/a.md) [here](#part)", "", "[web](https://x.org/a.md) [here](#part)"),
        ("![faces](../data/x.png)", "docs", "![faces](/data/x.png)"),
        ("[masks](tutorial_lib/masks.py)", "", "[masks](#tutorial_lib.masks)"),
        ("[licence](LICENSE)", "", "licence"),
    ],
)
def test_links_lead_to_pages_of_the_site_or_are_dropped(text, folder, wanted):
    assert site.relinked(text, folder, PAGES) == wanted


def cell(source, *outputs, kind="code", tags=()):
    return {"cell_type": kind, "source": source, "metadata": {"tags": list(tags)}} | (
        {"outputs": list(outputs), "execution_count": 1} if kind == "code" else {}
    )


def widget_output(model):
    data = {stored.VIEW: {"model_id": model}, "text/plain": "VBox()"}
    return {"output_type": "display_data", "data": data}


def test_a_stored_notebook_keeps_the_widgets_that_have_no_html_and_only_their_state():
    state = {"a": {"children": ["IPY_MODEL_b"]}, "b": {}, "c": {"children": ["IPY_MODEL_d"]}}
    state |= {"d": {"layout": "IPY_MODEL_e"}, "e": {}, "f": {}}
    notebook = {
        "metadata": {"widgets": {stored.STATE: {"state": state}}},
        "cells": [
            cell("# Title", kind="markdown"),
            cell("Some(1)", widget_output("a")),
            cell("Other(2)", widget_output("c")),
        ],
    }
    slider = {"Some(": lambda: "<p>moves</p>"}
    assert stored.without_kernel(notebook, slider) == 1
    _, replaced, kept = notebook["cells"]
    assert [output["data"] for output in replaced["outputs"]] == [{"text/html": "<p>moves</p>"}]
    assert kept["outputs"] == [widget_output("c")]
    assert sorted(notebook["metadata"]["widgets"][stored.STATE]["state"]) == ["c", "d", "e"]
    assert stored.without_kernel(notebook, slider) == 0
    assert stored.without_kernel(notebook, {"Other(": lambda: "<p>too</p>"}) == 1
    assert "widgets" not in notebook["metadata"]


def test_widgets_become_sliders_or_a_note_and_pictures_keep_their_words():
    picture = {
        "output_type": "execute_result",
        "data": {"image/png": "aGk="},
        "metadata": {"image/png": {"alt": "a face"}},
    }
    notebook = {
        "metadata": {"widgets": {"state": 1}, "kernelspec": {}},
        "cells": [
            cell("# Title", kind="markdown"),
            cell("# Part 1\n## A section", kind="markdown"),
            cell("slider = Some(1)\nslider", widget_output("m")),
            cell("HoleFiller(gan)", widget_output("m")),
            cell("training", widget_output("m")),
            cell("show()", picture),
            cell("*Write your answer here.*", kind="markdown", tags=["answer"]),
        ],
    }
    site.without_kernel(notebook, {"Some(": lambda: "<p>moves</p>"})
    assert notebook["metadata"] == {"kernelspec": {}}
    title, part, slider, filler, training, shown = notebook["cells"]
    assert title["source"] == "# Title" and part["source"] == "## Part 1\n## A section"
    html = [[each["data"] for each in some["outputs"]] for some in (slider, filler, training)]
    assert html == [[{"text/html": "<p>moves</p>"}], [{"text/html": site.NOTE}], []]
    assert shown["metadata"]["mystnb"] == {"image": {"alt": "a face"}}


def test_each_explorer_stands_in_one_cell_of_the_course_and_moves_without_a_kernel():
    found = []
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for each in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            source = "".join(each["source"])
            here = [words for words in EXPLORERS if words in source]
            if each["cell_type"] == "code" and here:
                found += here
                outputs = [output.get("data", {}) for output in each["outputs"]]
                assert all(stored.VIEW not in data for data in outputs)
                assert any(
                    '<div class="frames"' in "".join(data.get("text/html", "")) for data in outputs
                )
    assert sorted(found) == sorted(EXPLORERS)


def test_each_module_has_its_place_in_the_api_pages():
    pages = "".join(site.api_page(room) for room in site.rooms())
    named = set(re.findall(r"automodule:: (\S+)", pages))
    files = (ROOT / "tutorial_lib").rglob("*.py")
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files}
    assert named == {name.removesuffix(".__init__") for name in names if "__main__" not in name}


def test_a_folder_that_is_no_site_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(SystemExit, match="is not a site"):
        site.build(tmp_path, {})
    assert (tmp_path / "mine.txt").read_text() == "precious"


def test_the_home_page_names_every_notebook_and_every_page():
    text = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    for name in site.pages_of_the_project().values():
        stem = name.rpartition(".")[0]
        if name.startswith("notebooks/"):
            assert f"(../{name})" in text
        elif not name.startswith("api/") and stem != "index":  # api/tutorial_lib names the others
            assert re.search(rf"^(?:.* <)?{stem}>?$", text, re.M), name


def test_a_student_edition_has_no_entries_for_what_teachers_have():
    text = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    entries = ["teaching", "lecture", "benchmarks/README"]
    everything = {f"docs/{entry}.md": f"{entry}.md" for entry in entries}
    assert site.home_page(text, everything) == text
    left = site.home_page(text, {}).splitlines()
    assert [line for line in text.splitlines() if line not in left] == entries


def test_references_and_glossary_are_tidy():
    references = (ROOT / "docs" / "references.md").read_text(encoding="utf-8")
    entries = re.findall(r"^- (.*?)(?=^- |^#|\Z)", references, re.M | re.S)
    assert len(entries) > 50
    for entry in entries:
        assert "https://doi.org/10." in entry or "No DOI" in entry, entry
    links = r"\[(10\.[^\]]*)\]\((?:<https://doi\.org/([^>]*)>|https://doi\.org/([^)]*))\)"
    found = re.findall(links, references)
    assert len(found) > 45 and all(label in targets for label, *targets in found)
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    terms = re.findall(r"^(\S.*)\n: ", glossary, re.M)
    assert len(terms) > 30 and terms == sorted(terms, key=lambda term: term.lower().strip("$\\"))
