"""No message about a recipe quotes a password or its hash, however broken the recipe is."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from imagesmith.base.catalogue import BASE_NAMES
from imagesmith.errors import Problem, RecipeError
from imagesmith.recipe.load import load_recipe

GOOD = Path(__file__).parents[2] / "data/recipes/good"
DIGEST = "QxZwKvJq7YhPbN2mTgRfLd8sWcVuXe3aMiOk6HjBnDyCzEp9tFrGl4U1oIqSxAwZvKhJ5bYmNdPcTgRfLs2Xu7"
HASH = f"$6$nobodys.salt${DIGEST}"
PASSWORD = "Tr0ub4dor-and-3"

RECIPE: dict[str, Any] = {
    "version": "1",
    "extends": "mpi",
    "name": "lab",
    "base": "standin",
    "licence": {"nvidia-l4t-eula": "accepted"},
    "nodes": {
        "count": "2",
        "hostname": "lab{n}",
        "interface": "eth0",
        "addresses": "10.0.0.10/24",
        "gateway4": "10.0.0.1",
        "nameservers": ["10.0.0.1"],
        "search": ["lab.example"],
    },
    "locale": "de_DE.UTF-8",
    "timezone": "Europe/Berlin",
    "keyboard": {"layout": "de", "variant": "nodeadkeys", "model": "pc105"},
    "users": [
        {
            "name": "ada",
            "uid": "1001",
            "gecos": "Ada",
            "shell": "/bin/bash",
            "groups": ["sudo"],
            "passwd": HASH,
            "ssh_authorized_keys": [(GOOD / "keys/guest.pub").read_text().strip()],
        }
    ],
    "swap": {"size": "1GiB"},
    "mounts": [{"from": "10.0.0.1:/srv", "to": "/srv/data", "options": ["ro"]}],
    "mode": {"mpi": {"pytorch": "1.10.0"}},
    "overlays": ["k8s"],
}

Load = Callable[[str], list[Problem]]


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    """Return what loads a text and returns what is said about it; anything but problems is a bug."""
    path = tmp_path_factory.mktemp("recipes") / "lab.yaml"

    def problems_of(text: str) -> list[Problem]:
        path.write_text(text, encoding="utf-8", errors="replace", newline="")
        try:
            return list(load_recipe(path, bases=BASE_NAMES).warnings)
        except RecipeError as exc:
            return list(exc.problems)

    return problems_of


def assert_silent_about(secret: str, problems: list[Problem]) -> None:
    said = json.dumps([asdict(problem) for problem in problems], ensure_ascii=False)
    pieces = {secret[start : start + 8] for start in range(len(secret) - 7)}

    assert set() == {piece for piece in pieces if piece in said}


def leaves(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    match value:
        case dict():
            for key, below in value.items():
                yield from leaves(below, (*way, key))
        case list():
            for number, below in enumerate(value):
                yield from leaves(below, (*way, number))
        case _:
            yield way


def with_value(way: tuple[Any, ...], value: Any) -> str:
    """Return the recipe's text with another value at the end of a way through it."""
    recipe = json.loads(json.dumps(RECIPE))
    place = recipe
    for step in way[:-1]:
        place = place[step]
    place[way[-1]] = value
    return str(yaml.safe_dump(recipe, sort_keys=False))


WAYS = [way for way in leaves(RECIPE) if way[-1] != "passwd"]
SHAPES: list[Callable[[str], Any]] = [
    lambda secret: secret,
    lambda secret: f"lab_{secret}",
    lambda secret: f"/srv/{secret}",
    lambda secret: f"nas:{secret}",
    lambda secret: [secret],
    lambda secret: {secret: "x"},
    lambda secret: {"x": {secret: None}},
    lambda secret: {"file": secret},
]


def test_the_recipe_to_be_broken_is_right(load: Load) -> None:
    assert ["guest can log in neither by password nor by key"] == [odd.message for odd in load(BLOCK)]
    assert load(BLOCK)[0].message == load(FLOW)[0].message


@pytest.mark.parametrize("way", WAYS, ids=lambda way: ".".join(map(str, way)))
def test_a_hash_under_a_wrong_key_is_not_quoted(way: tuple[Any, ...], load: Load) -> None:
    for shape in SHAPES:
        assert_silent_about(DIGEST, load(with_value(way, shape(HASH))))


@pytest.mark.parametrize("shape", SHAPES, ids=range(len(SHAPES)))
def test_what_is_no_hash_is_not_quoted_where_one_is_wanted(shape: Callable[[str], Any], load: Load) -> None:
    problems = load(with_value(("users", 0, "passwd"), shape(PASSWORD)))

    assert ["users[1].passwd"] == [problem.key for problem in problems]  # mpi's guest is users[0]
    assert_silent_about(PASSWORD, problems)


BLOCK = yaml.safe_dump(RECIPE, sort_keys=False, width=1000)
FLOW = yaml.safe_dump(RECIPE, sort_keys=False, default_flow_style=True, width=1000)
edits = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True),
        st.integers(0, 6),
        st.sampled_from([*"\"':,{}[]&*!|>%#?-~\n\t\\", "  ", "\n\n", ": ", "<<: ", "x", "---\n", "\0", "é"])
        | st.text(max_size=4),
    ),
    min_size=1,
    max_size=4,
)


def edited(text: str, changes: list[tuple[float, int, str]]) -> str:
    for where, cut, new in changes:
        start = int(where * len(text))
        text = text[:start] + new + text[start + cut :]
    return text


@given(st.sampled_from([BLOCK, FLOW]), edits, edits)
def test_a_hash_is_not_quoted_from_a_broken_recipe(
    load: Load, text: str, before: list[tuple[float, int, str]], behind: list[tuple[float, int, str]]
) -> None:
    head, tail = text.split(HASH)

    assert_silent_about(DIGEST, load(edited(head, before) + HASH + edited(tail, behind)))


WRITTEN = [
    PASSWORD,
    f'"{PASSWORD}"',
    f'"{PASSWORD}',
    f"'{PASSWORD}",
    f"[{PASSWORD}",
    f"[{PASSWORD}, {PASSWORD}]",
    f"{{{PASSWORD}",
    f"{{{PASSWORD}}}",
    f"{{file: {PASSWORD}}}",
    f"|\n    {PASSWORD}\n",
    f"!{PASSWORD} x",
    f"!{PASSWORD}!x y",
    f"&{PASSWORD} x",
    f"*{PASSWORD}",
    f"%{PASSWORD}",
    f"@{PASSWORD}",
    f"`{PASSWORD}",
    f"- {PASSWORD}",
    f"{PASSWORD}: x",
    f"{PASSWORD}: {PASSWORD}: x",
    f"\t{PASSWORD}",
    f"{PASSWORD}\t",
    f'"\\{PASSWORD}"',
    f'"\\x{PASSWORD}"',
]


@pytest.mark.parametrize("text", [BLOCK, FLOW], ids=["block", "flow"])
@pytest.mark.parametrize("written", WRITTEN)
def test_a_password_in_place_of_its_hash_is_refused_and_not_quoted(
    written: str, text: str, load: Load
) -> None:
    problems = load(text.replace(HASH, written))

    assert problems
    assert_silent_about(PASSWORD, problems)


@given(st.sampled_from([BLOCK, FLOW]), st.sampled_from(WRITTEN), edits, edits)
def test_a_password_is_not_quoted_from_a_broken_recipe(
    load: Load,
    text: str,
    written: str,
    before: list[tuple[float, int, str]],
    behind: list[tuple[float, int, str]],
) -> None:
    head, key, tail = re.split(r"(passwd: )", text.replace(HASH, written), maxsplit=1)
    secret, tail = tail[: len(written)], tail[len(written) :]

    assert_silent_about(PASSWORD, load(edited(head, before) + key + secret + edited(tail, behind)))
