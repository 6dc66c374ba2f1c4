"""A wrong recipe at the command line: what is printed to the letter, exit code 3, and nothing written."""

import json
from pathlib import Path

import pytest

from imagesmith.cli import run

START = "version: 1\nname: lab\nbase: standin\n"
END = "mode: {none: {}}\n"

WRONG = {
    "typo": (
        START + "nodes: {cuont: 1, hostname: lab}\n" + END,
        [
            "lab.yaml:4: nodes.count: this key is missing (for example count: 8)",
            "lab.yaml:4: nodes.cuont: unknown key (did you mean 'count'?)",
            "error: 2 problems in the recipe; nothing was touched",
        ],
    ),
    "tab": (
        START + "nodes:\n\tcount: 1\n  hostname: lab\n" + END,
        [
            "lab.yaml:5: a tab in the indentation (indent with spaces)",
            "error: 1 problem in the recipe; nothing was touched",
        ],
    ),
    "duplicate key": (
        START + "nodes: {count: 1, hostname: lab}\nname: other\n" + END,
        [
            "lab.yaml:5: the key 'name' is there twice (the first is in line 2)",
            "error: 1 problem in the recipe; nothing was touched",
        ],
    ),
    "wrong type": (
        START + "nodes: {count: {n}, hostname: lab}\nswap: 4GiB\n" + END,
        [
            "lab.yaml:4: nodes.count: one value is wanted, this is a map (quote a text that begins with {)",
            "lab.yaml:5: swap: a map is wanted, this is a text (its keys: size)",
            "error: 2 problems in the recipe; nothing was touched",
        ],
    ),
}
each_mistake = pytest.mark.parametrize(("text", "said"), WRONG.values(), ids=WRONG)
each_command = pytest.mark.parametrize("words", [["check"], ["build", "--dry-run"], ["build"]], ids=" ".join)


@pytest.fixture(name="recipe")
def _recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a recipe's name in the current folder, which is the only thing there is below tmp_path."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return Path("lab.yaml")


def everything_around(recipe: Path) -> dict[Path, bytes | None]:
    """Return every file and folder of the test's own: beside the recipe, and in its home, cache and state."""
    own = recipe.resolve().parents[1]
    return {path: path.read_bytes() if path.is_file() else None for path in own.rglob("*")}


@each_command
@each_mistake
def test_a_wrong_recipe_is_reported_line_by_line_and_nothing_is_written(
    words: list[str],
    text: str,
    said: list[str],
    recipe: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recipe.write_text(text)
    before = everything_around(recipe)

    assert 3 == run([*words, str(recipe)])

    printed = capsys.readouterr()
    assert "" == printed.out
    assert said == printed.err.splitlines()
    assert before == everything_around(recipe)


@each_command
@each_mistake
def test_with_json_the_same_is_one_object_on_stdout(
    words: list[str],
    text: str,
    said: list[str],
    recipe: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recipe.write_text(text)
    before = everything_around(recipe)

    assert 3 == run([*words, "--json", str(recipe)])

    printed = capsys.readouterr()
    (line,) = printed.out.splitlines()
    document = json.loads(line)
    problems = document.pop("problems")
    assert {
        "error": "RecipeError",
        "exit_code": 3,
        "what": said[-1].removeprefix("error: ").removesuffix("; nothing was touched"),
        "why": "",
        "remedy": "",
    } == document
    assert [["file", "line", "key", "message", "suggestion"]] * len(problems) == [list(p) for p in problems]
    assert said[:-1] == [
        f"{p['file']}:{p['line']}: {p['key']}{': ' if p['key'] else ''}{p['message']} ({p['suggestion']})"
        for p in problems
    ]
    assert before == everything_around(recipe)


def test_a_recipe_nobody_has_is_offered_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert 3 == run(["check", "mpl"])

    assert (
        "mpl:1: no such recipe: neither a file nor one that travels with imagesmith"
        " (did you mean 'mpi'? shipped: k8s, mpi)\n"
        "error: 1 problem in the recipe; nothing was touched\n"
    ) == capsys.readouterr().err


def test_a_right_recipe_is_said_to_be_right_and_nothing_is_written(
    recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe.write_text(START + "nodes: {count: 1, hostname: lab}\n" + END)
    before = everything_around(recipe)

    assert 0 == run(["check", str(recipe)])

    printed = capsys.readouterr()
    assert "lab: the recipe is right (1 node)\n" == printed.out
    assert (
        "warning: lab.yaml:1: users: nobody can log in: there is no user"
        " (for example [{name: guest, uid: 1000}])\n" == printed.err
    )
    assert before == everything_around(recipe)


def test_with_json_a_right_recipe_names_its_files_and_what_is_odd(
    recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe.write_text(START + "nodes: {count: 1, hostname: lab}\n" + END)

    assert 0 == run(["check", "--json", str(recipe)])

    printed = capsys.readouterr()
    assert {
        "recipe": "lab",
        "files": ["lab.yaml"],
        "warnings": [
            {
                "file": "lab.yaml",
                "line": 1,
                "key": "users",
                "message": "nobody can log in: there is no user",
                "suggestion": "for example [{name: guest, uid: 1000}]",
            }
        ],
    } == json.loads(printed.out)
    assert "" == printed.err


@pytest.mark.parametrize("name", ["mpi", "k8s"])
def test_a_shipped_recipe_is_checked_by_its_name(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == run(["check", name])

    assert f"{name}: the recipe is right (8 nodes)\n" == capsys.readouterr().out


def test_a_base_given_by_hand_saves_a_recipe_whose_base_nobody_knows(
    recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe.write_text(START.replace("standin", "my-own") + "nodes: {count: 1, hostname: lab}\n" + END)

    assert 3 == run(["check", str(recipe)])
    assert "lab.yaml:3: base: no base named 'my-own'" in capsys.readouterr().err
    assert 5 == run(["build", "--base", "./no-such.img", str(recipe)])
    assert "error: the base no-such.img does not exist\n" in capsys.readouterr().err
