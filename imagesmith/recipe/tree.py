"""A recipe's text as a tree in which every part knows its file and line. No value is interpreted yet."""

from dataclasses import dataclass

from imagesmith.errors import Problem

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is written; lines count from 1."""

    file: str
    line: int

    def problem(self, key: str, message: str, suggestion: str = "") -> Problem:
        """Return a problem of this place."""
        return Problem(self.file, self.line, key, message, suggestion)


@dataclass(frozen=True, slots=True)
class YamlText:
    """A scalar, exactly as written: `no`, `1.20` and `0644` stay these texts."""

    place: Place
    text: str
    quoted: bool = False

    @property
    def is_null(self) -> bool:
        """Whether it is YAML's null: nothing, `~` or `null`, not in quotes."""
        return not self.quoted and self.text in _NULLS


@dataclass(frozen=True, slots=True)
class YamlList:
    """A list."""

    place: Place
    items: tuple["YamlNode", ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a map (where the key stands) and its value."""

    place: Place
    value: "YamlNode"


@dataclass(frozen=True, slots=True)
class YamlMap:
    """A map, keys in the order they are written."""

    place: Place
    entries: dict[str, Entry]


YamlNode = YamlText | YamlList | YamlMap


def kind_of(node: YamlNode) -> str:
    """Return what a node is, in the words of a message. Never its content: it may be a secret."""
    match node:
        case YamlText():
            return "empty" if node.is_null else "a text"
        case YamlList():
            return "a list"
        case YamlMap():
            return "a map"
