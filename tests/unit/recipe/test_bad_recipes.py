"""Recipes with mistakes. Each file in tests/data/recipes/bad begins with what is to be said about it."""

import re
from pathlib import Path

import pytest

from imagesmith.base.catalogue import BASE_NAMES
from imagesmith.errors import Problem, RecipeError
from imagesmith.recipe.load import load_recipe

BAD = Path(__file__).parents[2] / "data/recipes/bad"
FILES = sorted(BAD.glob("*.yaml"))


def problems_of(path: Path) -> tuple[Problem, ...]:
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, bases=BASE_NAMES)
    assert 3 == caught.value.exit_code
    return caught.value.problems


def expected(path: Path) -> list[str]:
    heading = re.match(r"(?:# .*\n)*", path.read_text(errors="replace"))
    assert heading
    return [line.removeprefix("# ") for line in heading[0].splitlines()]


def seen_from_here(problem: Problem) -> str:
    return str(problem).replace(f"{BAD}/", "").replace("extended/../", "")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_mistake_of_a_recipe_is_reported_with_its_line_key_and_remedy(path: Path) -> None:
    assert expected(path) == [seen_from_here(problem) for problem in problems_of(path)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_problem_is_without_a_suggestion(path: Path) -> None:
    assert [] == [str(problem) for problem in problems_of(path) if not problem.suggestion]


def test_there_are_recipes_with_mistakes() -> None:
    assert len(FILES) > 70


def test_the_last_line_counts_the_problems_and_says_that_nothing_was_touched() -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(BAD / "duplicate-keys.yaml")

    assert "error: 2 problems in the recipe; nothing was touched" == caught.value.lines()[-1]


def test_a_recipe_that_is_not_there_says_so() -> None:
    (problem,) = problems_of(BAD / "nowhere.yaml")

    assert "the file cannot be read: No such file or directory" == problem.message


def test_a_recipe_too_large_to_be_one_is_not_parsed(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("version: 1\n" + "# padding\n" * 30_000)

    assert [Problem(str(path), 1, "", "the file is larger than 256 KiB", "no recipe is")] == list(
        problems_of(path)
    )


def test_a_chain_of_a_thousand_recipes_is_followed_to_its_end(tmp_path: Path) -> None:
    for number in range(1000):
        text = f"version: 1\nextends: ./{number + 1}.yaml\n"
        (tmp_path / f"{number}.yaml").write_text(text)

    (problem,) = problems_of(tmp_path / "0.yaml")

    assert (str(tmp_path / "999.yaml"), 2, "extends") == (problem.file, problem.line, problem.key)
    assert "the file cannot be read: No such file or directory" == problem.message


def test_a_circle_over_a_link_is_a_circle(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("version: 1\nextends: ./two.yaml\n")
    (tmp_path / "two.yaml").symlink_to("one.yaml")

    (problem,) = problems_of(tmp_path / "one.yaml")

    assert "recipes extend each other in a circle: one.yaml → two.yaml" == problem.message


def test_a_link_to_itself_is_no_bug(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("version: 1\nextends: ./two.yaml\n")
    (tmp_path / "two.yaml").symlink_to("two.yaml")

    (problem,) = problems_of(tmp_path / "one.yaml")

    assert "the file cannot be read: Too many levels of symbolic links" == problem.message
