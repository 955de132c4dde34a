"""The lecture: docs/lecture.md and the slide types in the notebooks say the same, and every slide
has a whole note.

A check takes the slides and yields what is wrong with them. Each is tried on slides that are bad in
just its way.
"""

import math
import re
from dataclasses import replace

import nbformat
import pytest
from conftest import ROOT
from test_course import HIDDEN, NUMBER, PRIVATE, shown, tags, value, without_code

from tutorial_lib.teaching import slides
from tutorial_lib.teaching.grading import ANSWER_TAG

MINUTES = 90
SLIDES = range(35, 51)
TYPES = {"slide", "subslide", "fragment", "-", "skip"}
LECTURE = slides.LECTURE.read_text(encoding="utf-8")
LABELS = ["Say", "Ask", "Mistake"]


def read(name):
    return nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)


# ---- the checks ----------------------------------------------------------------------------------


def has_a_whole_note(lecture):
    for slide in lecture:
        parts = re.split(r"^\*\*(\w+)\.\*\* ", slide.note, flags=re.M)
        if parts[1::2] != LABELS or not all(len(part.split()) > 3 for part in parts[2::2]):
            yield f"{slide.title}: a note says what to say, to ask, and a common mistake"


def fits_into_the_time(lecture):
    minutes = sum(slide.minutes for slide in lecture)
    if minutes > MINUTES:
        yield f"{minutes:g} minutes: more than {MINUTES}"
    for slide in lecture:
        if not 0 < slide.minutes <= 5:
            yield f"{slide.title}: {slide.minutes:g} minutes"


def says_little_on_a_slide(lecture):
    for slide in lecture:
        words = len(without_code(slide.text).split())
        if words > 60:
            yield f"{slide.title}: {words} words on the slide"


def shows_no_check_and_no_answer(lecture):
    for name, deck in slides.by_notebook(lecture).items():
        cells = {cell["id"]: cell for cell in read(name).cells}
        for slide in deck:
            for cell in slide.cells:
                if {HIDDEN, ANSWER_TAG} & set(tags(cells[cell])):
                    yield f"{slide.title}: {cell} is a check or a place for an answer"


def takes_numbers_from_the_notebook(lecture):
    """Minutes are left out: they are the speaker's."""
    for name, deck in slides.by_notebook(lecture).items():
        known = shown([cell for cell in read(name).cells if cell.cell_type == "code"])
        for slide in deck:
            text = without_code(f"{slide.text}\n{slide.note}")
            for match in NUMBER.finditer(re.sub(r"\d+ minutes?", " ", text)):
                places = len(match[0].partition(".")[2])
                wanted = round(abs(value(match[0])), places)
                if not any(math.isclose(round(abs(have), places), wanted) for have in known):
                    yield f"{slide.title}: {match[0]} is in no output and no code of {name}"


def uses_words_of_the_field(lecture):
    for slide in lecture:
        for pattern, better in PRIVATE.items():
            if re.search(pattern, without_code(f"{slide.title}\n{slide.text}\n{slide.note}"), re.I):
                yield f"{slide.title}: write {better!r}"


CHECKS = [
    has_a_whole_note,
    fits_into_the_time,
    says_little_on_a_slide,
    shows_no_check_and_no_answer,
    takes_numbers_from_the_notebook,
    uses_words_of_the_field,
]


# ---- the lecture ---------------------------------------------------------------------------------


def test_the_lecture_is_whole():
    lecture = slides.read_lecture(LECTURE)
    assert len(lecture) in SLIDES
    assert not [f"{check.__name__}: {problem}" for check in CHECKS for problem in check(lecture)]


def test_the_lecture_goes_through_part_one_in_order():
    names = list(slides.by_notebook(slides.read_lecture(LECTURE)))
    part_one = sorted(path.stem for path in (ROOT / "notebooks").glob("0[0-6]_*.ipynb"))
    assert names in (part_one, part_one[1:])  # 00 may be without slides


def test_the_introduction_adds_up():
    said = re.search(r"minutes add up to (\d+)\. The other (\d+)", LECTURE)
    minutes = sum(slide.minutes for slide in slides.read_lecture(LECTURE))
    assert (int(said[1]), int(said[2])) == (minutes, MINUTES - minutes)


@pytest.mark.parametrize("name", slides.by_notebook(slides.read_lecture(LECTURE)))
def test_each_cell_has_the_slide_type_of_the_lecture(name):
    """`python -m tutorial_lib.teaching.slides mark` writes them."""
    deck = slides.by_notebook(slides.read_lecture(LECTURE))[name]
    stored = slides.load(ROOT / "notebooks" / f"{name}.ipynb")
    assert stored == slides.mark(stored, deck)
    assert {cell["metadata"]["slideshow"]["slide_type"] for cell in stored["cells"]} <= TYPES


# ---- the checks themselves -----------------------------------------------------------------------


def first(**changes):
    def change(lecture):
        return [replace(lecture[0], **changes), *lecture[1:]]

    return change


BAD = {
    "no question": (has_a_whole_note, first(note="**Say.** One two three four.")),
    "empty": (has_a_whole_note, first(note="**Say.** A.\n**Ask.** B.\n**Mistake.** C.")),
    "long": (fits_into_the_time, lambda lecture: [*lecture, *lecture]),
    "no time": (fits_into_the_time, first(minutes=0)),
    "wordy": (says_little_on_a_slide, first(text="word " * 61)),
    "check": (shows_no_check_and_no_answer, first(cells=("start-06",))),
    "answer": (shows_no_check_and_no_answer, first(cells=("start-28",))),
    "number": (takes_numbers_from_the_notebook, first(text="It gains 17.77 dB.")),
    "word": (uses_words_of_the_field, first(text="The slope of it.")),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_lecture_is_noticed(name):
    check, spoil = BAD[name]
    lecture = slides.read_lecture(LECTURE)
    assert not list(check(lecture))
    assert list(check(spoil(lecture)))


def test_every_check_has_been_seen_to_fail():
    assert {check for check, _ in BAD.values()} == set(CHECKS)
