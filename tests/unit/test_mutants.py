"""The list of mutants fits the library: each of them changes one line and names who must notice."""

import pytest
from conftest import ROOT
from mutants import MUTANTS


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_changes_one_place_and_its_tests_are_there(name):
    mutant = MUTANTS[name]
    text = (ROOT / mutant.path).read_text(encoding="utf-8")
    assert text.count(mutant.line) == 1
    changed = text.replace(mutant.line, mutant.becomes)
    assert changed != text
    compile(changed, mutant.path, "exec")
    assert (ROOT / mutant.tests).is_file()
    assert (ROOT / "notebooks" / f"{mutant.notebook}.ipynb").is_file()
