"""Reads a tree key by key: collects every problem with its place, and goes on. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from imagesmith.errors import Problem
from imagesmith.recipe.fields import FieldError, closest, shown
from imagesmith.recipe.tree import Entry, Place, YamlList, YamlMap, YamlNode, YamlText, kind_of

T = TypeVar("T")
D = TypeVar("D")


_INSTEAD: dict[type[YamlNode], str] = {
    YamlText: "write a value behind the colon",
    YamlList: "write it without [ ] or -, or quote a text that begins with [",
    YamlMap: "quote a text that begins with {",
}
"""What helps where one value is wanted, by what stands there."""


@dataclass(slots=True)
class Problems:
    """What was found wrong so far."""

    found: list[Problem] = field(default_factory=list)

    def add(self, place: Place, key: str, message: str, suggestion: str = "") -> None:
        """Remember a problem."""
        self.found.append(place.problem(key, message, suggestion))


@dataclass(frozen=True, slots=True)
class Section:
    """One map of a recipe and where it stands: `nodes`, `users[0]`…; no map at all is an empty one."""

    name: str
    place: Place
    entries: Mapping[str, Entry]
    problems: Problems
    is_map: bool = True
    """False: something else stands there, which was reported; that its keys are missing is no news."""

    def path(self, key: str) -> str:
        """Return the full name of a key."""
        return f"{self.name}.{key}" if self.name else key

    def only(self, *known: str) -> "Section":
        """Refuse every key that is not known, with the nearest that is."""
        for key, entry in self.entries.items():
            if key in known:
                continue
            hint = closest(key, known) or f"known here: {', '.join(known) or 'none'}"
            if isinstance(entry.value, YamlText) and entry.value.is_null:
                # In {name: ada, passwd, secret} the key without a value may be the password: not quoted.
                self.problems.add(entry.place, self.name, "an unknown key without a value", hint)
            else:
                self.problems.add(entry.place, self.path(key), "unknown key", hint)
        return self

    def has(self, key: str) -> bool:
        """Return whether a key is there."""
        return key in self.entries

    def place_of(self, key: str) -> Place:
        """Return where a key stands, or else its map."""
        return self.entries[key].place if key in self.entries else self.place

    def text(self, key: str, parse: Callable[[str], T], default: D) -> T | D:
        """Return a parsed text, or the default where it is missing or wrong (and then a problem)."""
        entry = self.entries.get(key)
        return default if entry is None else self.parsed(self.path(key), entry.value, parse, default)

    def required(self, key: str, parse: Callable[[str], T], stand_in: T, *, example: str) -> T:
        """Return a parsed text; a missing one is a problem and the stand-in is returned."""
        if key not in self.entries:
            self.missing(key, f"{key}: {example}")
        return self.text(key, parse, stand_in)

    def missing(self, key: str, example: str) -> None:
        """Report a key that must be there."""
        if self.is_map:
            self.problems.add(self.place, self.path(key), "this key is missing", f"for example {example}")

    def parsed(self, path: str, node: YamlNode, parse: Callable[[str], T], default: D) -> T | D:
        """Return one node's text, parsed."""
        if not isinstance(node, YamlText) or node.is_null:
            self.problems.add(
                node.place, path, f"one value is wanted, this is {kind_of(node)}", _INSTEAD[type(node)]
            )
            return default
        try:
            return parse(node.text)
        except FieldError as exc:
            self.problems.add(node.place, path, exc.message, exc.suggestion)
            return default

    def section(self, key: str, *known: str) -> "Section":
        """Return the map under a key, of which only some keys are known; empty where there is none."""
        entry = self.entries.get(key)
        if entry is None:
            return Section(self.path(key), self.place, {}, self.problems)
        return self.as_section(self.path(key), entry.value, entry.place, *known)

    def as_section(self, path: str, node: YamlNode, place: Place, *known: str) -> "Section":
        """Return a node as a map, of which only some keys are known; a problem where it is none."""
        if isinstance(node, YamlMap):
            return Section(path, place, node.entries, self.problems).only(*known)
        hint = f"its keys: {', '.join(known)}" if known else "write {}"
        self.problems.add(place, path, f"a map is wanted, this is {kind_of(node)}", hint)
        return Section(path, place, {}, self.problems, is_map=False)

    def items(self, key: str) -> Iterator[tuple[str, YamlNode]]:
        """Yield the items of the list under a key with their names: `users[0]`."""
        entry = self.entries.get(key)
        if entry is None:
            return
        if not isinstance(entry.value, YamlList):
            kind = kind_of(entry.value)
            hint = "write [one, another], or [] for none"
            self.problems.add(entry.place, self.path(key), f"a list is wanted, this is {kind}", hint)
            return
        for number, node in enumerate(entry.value.items):
            yield f"{self.path(key)}[{number}]", node

    def texts(self, key: str, parse: Callable[[str], T], stand_in: T) -> tuple[T, ...]:
        """Return a list of parsed texts; a wrong or repeated one is a problem, and the stand-in is there."""
        values: list[T] = []
        for path, node in self.items(key):
            value = self.parsed(path, node, parse, stand_in)
            if value != stand_in and value in values:
                self.problems.add(node.place, path, f"{shown(str(value))} is there already", "remove it")
                value = stand_in
            values.append(value)
        return tuple(values)
