"""The pages in docs/ name what is there."""

import re

import pytest
from conftest import MACHINE_PATH, ROOT

import workbook

PAGES = sorted((ROOT / "docs").glob("*.md"))
TEACHING = (ROOT / "docs" / "teaching.md").read_text(encoding="utf-8")


def anchors(text):
    """The names that headings get."""
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere_and_no_machine_is_named(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith(("https://", "<https://")):
            continue
        name, _, anchor = target.partition("#")
        assert not name or (page.parent / name).exists(), target
        there = (page.parent / name).read_text(encoding="utf-8") if name and anchor else text
        assert not anchor or anchor in anchors(there), target
    assert not MACHINE_PATH.search(text)


def test_pages_for_teachers_are_not_handed_out():
    for page in PAGES:
        if page.name in ("teaching.md", "lecture.md"):
            assert page.relative_to(ROOT).as_posix() in workbook.FOR_TEACHERS


def test_every_open_question_has_a_line_for_its_marks():
    listed = re.findall(r"\(\.\./notebooks/solutions/(\w+)\.ipynb\)", TEACHING)
    with_question = [
        path.stem
        for path in sorted((ROOT / "notebooks").glob("*.ipynb"))
        if "Open question**" in path.read_text(encoding="utf-8")
    ]
    assert listed == with_question


def test_plans_fill_their_time():
    for heading, last in (("### 90 minutes", 90), ("### 180 minutes", 180)):
        section = TEACHING.split(heading)[1].split("\n### ")[0]
        spans = re.findall(r"^\| (\d+)-(\d+) \|", section, re.M)
        assert int(spans[-1][1]) == last
        assert all(before[1] == after[0] for before, after in zip(spans, spans[1:], strict=False))
