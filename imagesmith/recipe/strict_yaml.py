"""YAML text to a tree, strictly. The only module that imports yaml.

PyYAML's loader turns `no` into False, `1.20` into 1.2, `22:30` into 1350, and lets the last of two equal keys
win, all silently. So nothing is constructed here: the parser's events become a tree of texts. What a recipe
has no use for is refused by name: anchors and aliases, tags, merge keys, several documents. A message never
quotes a value, since any value may be a password in the wrong place.
"""

import re
from dataclasses import dataclass, field

import yaml

from imagesmith.errors import Problem
from imagesmith.recipe.tree import Entry, Place, YamlList, YamlMap, YamlNode, YamlText

MOST_BYTES = 256 * 1024
MOST_DEPTH = 16

_KEY = re.compile(r"[\w./@+-]{1,128}", re.ASCII)
_TAB_INDENT = re.compile(r"^ *\t", re.MULTILINE)
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]")
_QUOTED_PIECE = re.compile(r"""(['"])(.*?)\1""")
_ADVICE = {
    "mapping values are not allowed": "quote a text that holds ': ', or check the indentation",
    "could not find expected ':'": "write key: value, with a space behind the colon",
    "that cannot start any token": "quote a text that begins with a special character",
    "expected <block end>": "check the indentation, and quote a text that begins with { or [",
    "end of stream": "close the quote",
    "stream end": "close the bracket",
    "undefined tag handle": "quote a text that begins with !",
    "expected ',' or": "put commas between the items, and close the bracket",
}
_ADVICE_ELSE = "check quotes, brackets and indentation"


@dataclass(frozen=True, slots=True)
class ParsedYaml:
    """What a text gave. `root` is None when nothing sensible can be said about its content."""

    root: YamlMap | None
    problems: tuple[Problem, ...]


def parse_yaml(content: bytes, file: str) -> ParsedYaml:
    """Return the tree of one file's content. Raises nothing: whatever is wrong is in the problems."""
    builder = _Builder(file)
    text = _decoded(content, builder)
    if text is not None:
        _parse(text, builder)
    if builder.hopeless:
        return ParsedYaml(None, tuple(builder.problems))
    root = builder.root
    if root is None or (isinstance(root, YamlText) and root.is_null):
        return ParsedYaml(
            None,
            (*builder.problems, Place(file, 1).problem("", "the file is empty", "begin with version: 1")),
        )
    if not isinstance(root, YamlMap):
        wrong = root.place.problem("", "a recipe is a map", "write key: value lines")
        return ParsedYaml(None, (*builder.problems, wrong))
    return ParsedYaml(root, tuple(builder.problems))


def _decoded(content: bytes, builder: "_Builder") -> str | None:
    if len(content) > MOST_BYTES:
        builder.refuse(1, f"the file is larger than {MOST_BYTES // 1024} KiB", "no recipe is", hopeless=True)
        return None
    try:
        text = content.decode()
    except UnicodeDecodeError as exc:
        line = content.count(b"\n", 0, exc.start) + 1
        builder.refuse(line, "the text is not UTF-8", "save the file as UTF-8", hopeless=True)
        return None
    for tab in _TAB_INDENT.finditer(text):
        line = text.count("\n", 0, tab.start()) + 1
        builder.refuse(line, "a tab in the indentation", "indent with spaces", hopeless=True)
    return None if builder.hopeless else text


def _parse(text: str, builder: "_Builder") -> None:
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            builder.take(event)
            if builder.hopeless:
                return
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        if exc.context_mark and "end" in (exc.problem or ""):
            mark = exc.context_mark  # where the quote or bracket was opened, not where the file ends
        line = mark.line + 1 if mark else 1
        if mark and text[mark.index : mark.index + 1] == "\t":
            builder.refuse(line, "a tab between the words", "use spaces", hopeless=True)
            return
        # PyYAML's message may quote a piece of the text (an undefined tag handle: the head of `!secret!`).
        message = _QUOTED_PIECE.sub(_without_content, exc.problem or "not YAML")
        advice = next((text for start, text in _ADVICE.items() if start in message), _ADVICE_ELSE)
        builder.refuse(line, message, advice, hopeless=True)
    except yaml.reader.ReaderError as exc:
        line = text.count("\n", 0, exc.position) + 1
        builder.refuse(line, "a control character", "remove it", hopeless=True)
    except (ValueError, OverflowError):
        # "\UFFFFFFFF" and a %YAML directive of thousands of digits: PyYAML lets chr() and int() fail.
        builder.refuse(
            builder.line,
            "an escape or directive that PyYAML cannot read, from here on",
            "write the character itself",
            hopeless=True,
        )


def _without_content(quoted: re.Match[str]) -> str:
    piece = quoted[2]
    is_grammar = len(piece) == 1 or (piece.startswith("<") and piece.endswith(">"))
    return quoted[0] if is_grammar else "…"


@dataclass(slots=True)
class _OpenMap:
    place: Place
    entries: dict[str, Entry] = field(default_factory=dict)
    key: tuple[str | None, Place] | None = None
    """The key whose value comes next; its text is None when the pair is to be dropped."""


@dataclass(slots=True)
class _OpenList:
    place: Place
    items: list[YamlNode] = field(default_factory=list)


@dataclass(slots=True)
class _Builder:
    """Takes parser events one by one: no recursion, so depth is ours to limit, and no alias is followed."""

    file: str
    problems: list[Problem] = field(default_factory=list)
    hopeless: bool = False
    root: YamlNode | None = None
    line: int = 1
    """Of what was taken last."""
    _open: list[_OpenMap | _OpenList] = field(default_factory=list)

    def refuse(self, line: int, message: str, suggestion: str = "", *, hopeless: bool = False) -> None:
        self.problems.append(Place(self.file, line).problem("", message, suggestion))
        self.hopeless = self.hopeless or hopeless

    def take(self, event: yaml.Event) -> None:
        line = self.line = event.start_mark.line + 1 if event.start_mark else 1
        place = Place(self.file, line)
        if isinstance(event, yaml.NodeEvent):
            self._judge(event, line)
        match event:
            case yaml.DocumentStartEvent() if self.root is not None:
                self.refuse(line, "a second document", "keep one recipe a file", hopeless=True)
            case yaml.MappingStartEvent():
                self._descend(_OpenMap(place))
            case yaml.SequenceStartEvent():
                self._descend(_OpenList(place))
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                done = self._open.pop()
                if isinstance(done, _OpenMap):
                    self._put(YamlMap(done.place, done.entries))
                else:
                    self._put(YamlList(done.place, tuple(done.items)))
            case yaml.ScalarEvent():
                if _CONTROL.search(event.value):
                    self.refuse(line, "a control character in a text", "remove it")
                self._put(YamlText(place, event.value, quoted=event.style is not None))
            case _:  # stream and document marks say nothing
                pass

    def _judge(self, event: yaml.NodeEvent, line: int) -> None:
        if isinstance(event, yaml.AliasEvent):
            self.refuse(line, "an alias (*)", "write the value again, or quote the text", hopeless=True)
        elif event.anchor is not None:
            self.refuse(line, "an anchor (&)", "write the value again where it is needed, or quote the text")
        if getattr(event, "tag", None) is not None:
            self.refuse(line, "a tag (!)", "remove it, or quote the text")

    def _descend(self, opened: _OpenMap | _OpenList) -> None:
        self._open.append(opened)
        if len(self._open) > MOST_DEPTH:
            self.refuse(
                opened.place.line,
                f"nested more than {MOST_DEPTH} deep",
                "no recipe needs that",
                hopeless=True,
            )

    def _put(self, node: YamlNode) -> None:
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        if isinstance(parent, _OpenList):
            parent.items.append(node)
        elif parent.key is None:
            parent.key = (self._key(node, parent), node.place)
        else:
            key, place = parent.key
            parent.key = None
            if key is not None:
                parent.entries[key] = Entry(place, node)

    def _key(self, node: YamlNode, parent: _OpenMap) -> str | None:
        line = node.place.line
        if not isinstance(node, YamlText):
            self.refuse(line, "a key that is a list or a map", "quote a text that begins with { or [")
        elif node.text == "<<" and not node.quoted:
            self.refuse(line, "a merge key (<<)", "use extends: to build on another recipe")
        elif not _KEY.fullmatch(node.text):
            suggestion = (
                "put a space behind the colon" if ":" in node.text else "letters, digits, _ and -, no quotes"
            )
            self.refuse(line, "a key that is not one plain word", suggestion)
        elif node.text in parent.entries:
            first = parent.entries[node.text].place.line
            self.refuse(line, f"the key {node.text!r} is there twice", f"the first is in line {first}")
        else:
            return node.text
        return None
