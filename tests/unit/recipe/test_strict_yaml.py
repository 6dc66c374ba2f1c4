"""The strict reader of YAML, on texts that nobody would write."""

import string

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from imagesmith.recipe.strict_yaml import ParsedYaml, parse_yaml
from imagesmith.recipe.tree import YamlList, YamlMap, YamlNode, YamlText

TOKENS = (
    *(
        "a",
        "b: ",
        "c",
        "0",
        "no",
        "null",
        "~",
        ":",
        ": ",
        ",",
        "- ",
        "? ",
        "| \n",
        "> \n",
        "\n",
        "\r\n",
        "  ",
        "\t",
    ),
    *(
        "{",
        "}",
        "[",
        "]",
        "'",
        '"',
        "#",
        " #",
        "&x ",
        "*x",
        "!",
        "!!str ",
        "!a!b ",
        "<<",
        "%",
        "@",
        "`",
        "\\",
        "\\x0",
    ),
    *(
        "\\UFFFFFFFF",
        "---\n",
        "...\n",
        "%YAML 1.1\n",
        "%YAML 99999999999.1\n",
        "%TAG ! x\n",
        "\0",
        "\x85",
        "\u2028",
    ),
    *("\ufeff", "\U0001f4be", "é"),
)
near_yaml = st.lists(st.sampled_from(TOKENS), max_size=40).map("".join)
any_content = st.binary() | (st.text() | near_yaml).map(lambda text: text.encode(errors="surrogatepass"))

words = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]) | st.just(" "), max_size=20)
keys = st.text(string.ascii_letters + string.digits + "_./@+-", min_size=1, max_size=20)
documents = st.dictionaries(
    keys,
    st.recursive(
        words,
        lambda below: st.lists(below, max_size=4) | st.dictionaries(keys, below, max_size=4),
        max_leaves=12,
    ),
    min_size=1,
    max_size=5,
)
unquoted = ["no", "1.20", "0644", "22:30", "~", "a b", "a#b", "a'b", "é"]
in_blocks = ["", "- a", "a: b", "# a", *unquoted]
scalars = st.sampled_from([*unquoted, "'it''s # one: text'", '"\\x41\\n\\"b"', '""'])
flows = st.recursive(
    scalars,
    lambda below: (
        st.lists(below, max_size=3).map(lambda items: "[" + ", ".join(items) + "]")
        | st.lists(below, max_size=3).map(
            lambda items: "{" + ", ".join(f"k{number}: {item}" for number, item in enumerate(items)) + "}"
        )
    ),
    max_leaves=5,
)


@st.composite
def hand_written(draw: st.DrawFn, depth: int = 0) -> list[str]:
    """Draw the lines of a map, in the styles people use."""
    lines: list[str] = []
    for number in range(draw(st.integers(1, 4))):
        key = f"key-{number}:"
        comment = draw(st.sampled_from(["", "  # why"]))
        match draw(st.sampled_from(["flow", "block text", "list", "map"] if depth < 3 else ["flow"])):
            case "flow":
                lines.append(f"{key} {draw(flows)}{comment}")
            case "block text":
                texts = draw(st.lists(st.sampled_from(in_blocks), min_size=1))
                lines += [
                    f"{key} {draw(st.sampled_from(['|', '>', '|-', '>+']))}",
                    *(f"  {t}" for t in texts),
                ]
            case "list":
                lines += [key + comment, *(f"  - {item}" for item in draw(st.lists(flows, min_size=1)))]
            case _:
                lines += [key + comment, *(f"  {line}" for line in draw(hand_written(depth + 1)))]
    return lines


def parse(text: str) -> ParsedYaml:
    return parse_yaml(text.encode(), "lab.yaml")


def plain(node: YamlNode | None) -> object:
    match node:
        case YamlMap():
            return {key: plain(entry.value) for key, entry in node.entries.items()}
        case YamlList():
            return [plain(item) for item in node.items]
        case YamlText():
            return node.text
        case None:
            return None


def places(node: YamlNode) -> list[tuple[str, int]]:
    match node:
        case YamlMap():
            below = [place for entry in node.entries.values() for place in places(entry.value)]
            return [(key, entry.place.line) for key, entry in node.entries.items()] + below
        case YamlList():
            return [place for item in node.items for place in places(item)]
        case YamlText():
            return []


@given(any_content)
@example(b"\xff\xfea\x00")
@example(b'a: "\\UFFFFFFFF"')
@example(b"%YAML " + b"9" * 5000 + b".1\n---\na: b")
def test_no_content_is_a_bug_and_what_gives_no_tree_gives_a_problem(content: bytes) -> None:
    parsed = parse_yaml(content, "lab.yaml")

    assert parsed.root is not None or parsed.problems
    lines = max(
        content.count(b"\n") + content.count(b"\r") + 1, len(content.decode(errors="replace").splitlines())
    )
    for problem in parsed.problems:
        assert "lab.yaml" == problem.file
        assert 1 <= problem.line <= lines + 1
        assert problem.message
        assert problem.suggestion


@given(hand_written())
def test_what_people_write_by_hand_has_to_pyyaml_the_same_texts(lines: list[str]) -> None:
    text = "\n".join(lines)
    parsed = parse(text)

    assert () == parsed.problems
    assert yaml.load(text, Loader=yaml.BaseLoader) == plain(parsed.root)


@given(documents, st.sampled_from([True, False, None]))
def test_a_document_of_texts_written_by_pyyaml_is_read_as_it_is_read_by_pyyaml(
    document: dict[str, object], flow: bool | None
) -> None:
    text = yaml.safe_dump(document, default_flow_style=flow, allow_unicode=True, width=10_000)
    parsed = parse(text)

    assert () == parsed.problems
    assert document == yaml.safe_load(text) == plain(parsed.root)


@given(documents)
def test_each_key_knows_the_line_it_is_in(document: dict[str, object]) -> None:
    text = yaml.safe_dump(document, default_flow_style=False, allow_unicode=True, width=10_000)
    root = parse(text).root

    assert root is not None
    lines = text.split("\n")
    for key, line in places(root):
        assert key in lines[line - 1]


@pytest.mark.parametrize("spelled", ["", "~", "null", "Null", "NULL"])
def test_null_is_nothing_and_in_quotes_a_text(spelled: str) -> None:
    root = parse(f"bare: {spelled}\nquoted: '{spelled}'").root

    assert root is not None
    nodes = [entry.value for entry in root.entries.values()]
    assert [True, False] == [isinstance(node, YamlText) and node.is_null for node in nodes]


@pytest.mark.parametrize(
    "text", ["no", "1.20", "0644", "22:30", "0x10", "1e3", ".inf", "2026-11-24", "<<", "="]
)
def test_a_value_is_the_text_that_is_written(text: str) -> None:
    assert {"a": text} == plain(parse(f"a: {text}").root)


def test_sixteen_levels_are_enough_and_seventeen_too_many() -> None:
    assert () == parse("a: " + "[" * 15 + "]" * 15).problems
    assert ["nested more than 16 deep"] == [p.message for p in parse("a: " + "[" * 16).problems]


def test_an_endless_chain_of_aliases_costs_nothing() -> None:
    text = "a: &a [x]\n" + "".join(f"b{n}: &b{n} [{','.join(['*a'] * 9)}]\n" for n in range(9))

    assert "an alias (*)" in {problem.message for problem in parse(text).problems}
