"""Errors: every one has an exit code that the design promises and the reference documents."""

import pytest

from imagesmith import errors
from imagesmith.errors import ImagesmithError, Problem, RecipeError
from tests import reference

_CODES = {
    "RecipeError": 3,
    "HostNotReadyError": 4,
    "UntrustedSourceError": 5,
    "BuildError": 6,
    "CardRefusedError": 7,
    "SomeCardsFailedError": 8,
    "AllCardsFailedError": 9,
    "InterruptedRunError": 130,
}


@pytest.mark.parametrize(("name", "code"), _CODES.items())
def test_each_kind_of_failure_has_the_exit_code_the_design_promises(name: str, code: int) -> None:
    assert getattr(errors, name).exit_code == code


def test_no_error_ends_with_a_code_that_promises_something_else() -> None:
    free = {0, 1}  # success, a bug

    assert {each.__name__ for each in reference.error_classes() if each.exit_code in free} == set()
    assert {each.exit_code for each in reference.error_classes()} <= reference.PROMISES.keys()


@pytest.mark.parametrize("section", reference.SECTIONS)
def test_the_reference_says_what_the_code_says(section: str) -> None:
    made = reference.SECTIONS[section]()

    assert reference.documented(section) == made, "run 'python -m tests.reference'"


def test_every_error_says_in_its_docstring_what_it_means() -> None:
    assert reference.undescribed() == []


def test_an_error_is_read_as_what_why_and_remedy() -> None:
    error = ImagesmithError("the card is gone", why="EIO at 4096", remedy="put it back")

    assert error.lines() == ["error: the card is gone", "  why: EIO at 4096", "  do:  put it back"]


def test_an_error_without_cause_and_remedy_is_one_line() -> None:
    assert ImagesmithError("the card is gone").lines() == ["error: the card is gone"]


def test_a_recipe_error_lists_its_problems_in_the_order_of_their_lines() -> None:
    error = RecipeError([Problem("b.yaml", 9, "swap", "no"), Problem("b.yaml", 2, "", "tab", "use spaces")])

    assert error.lines() == [
        "b.yaml:2: tab (use spaces)",
        "b.yaml:9: swap: no",
        "error: 2 problems in the recipe; nothing was touched",
    ]
