"""The tables in docs/reference.md, made from the code: `python -m tests.reference`.

Exit codes come from the error classes; the fields of a JSON object from the class it is made of and the text
below each of its fields.
"""

import ast
import importlib
import inspect
import itertools
import pkgutil
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import imagesmith
from imagesmith.errors import ImagesmithError
from imagesmith.model.inventory import CardRow, Contents
from imagesmith.model.ledger import LedgerRow

REFERENCE = Path(__file__).parents[1] / "docs/reference.md"
_MADE = "made by `python -m tests.reference`"
# The design's promise for each code; a class may say more, never something else.
PROMISES = {
    0: "everything asked for is done and verified",
    1: "a bug in imagesmith: a traceback, and a request to report it",
    2: "wrong command line",
    3: "the recipe is wrong; nothing was touched",
    4: "this machine lacks something, and the message says how to get it; nothing was touched",
    5: "a base, download or image is not what it should be; nothing was built from it",
    6: "the build, or a check of its result, failed; nothing was published",
    7: "a card was refused; nothing was written to any card",
    8: "some cards failed and do not boot; the others are good",
    9: "no card is good",
    130: "interrupted; what is unfinished is listed",
}


def error_classes() -> list[type[ImagesmithError]]:
    """Return every error a user may see, wherever in the package it is defined."""
    for module in pkgutil.walk_packages(imagesmith.__path__, "imagesmith."):
        if not module.name.endswith("__main__") and ".guest" not in module.name:
            importlib.import_module(module.name)
    return sorted(_below(ImagesmithError), key=lambda each: (each.exit_code, each.__name__))


def _below(base: type[ImagesmithError]) -> Iterator[type[ImagesmithError]]:
    for each in set(base.__subclasses__()):
        yield each
        yield from _below(each)


def table() -> str:
    """Return the table, one line an exit code, with the errors that end so and what each means."""
    lines = ["| exit code | promise | errors |", "| --- | --- | --- |"]
    for code, promise in PROMISES.items():
        errors = [f"`{each.__name__}`" for each in error_classes() if each.exit_code == code]
        lines.append(f"| {code} | {promise} | {', '.join(dict.fromkeys(errors)) or '-'} |")
    return "\n".join(lines) + "\n"


def field_table(kind: type) -> str:
    """Return the table of a data class's fields, each with the text below it in the source."""
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(body, ast.ClassDef)
    lines = ["| field | meaning |", "| --- | --- |"]
    for statement, below in itertools.pairwise([*body.body, ast.Pass()]):
        match statement, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                lines.append(f"| `{name}` | {' '.join(text.split())} |")
            case ast.AnnAssign(target=ast.Name(id=name)), _:
                raise AssertionError(f"{kind.__name__}.{name} has no text below it")
            case _:
                pass
    return "\n".join(lines) + "\n"


SECTIONS: dict[str, Callable[[], str]] = {
    "exit codes": table,
    "card rows": lambda: field_table(CardRow),
    "contents of a card": lambda: field_table(Contents),
    "ledger rows": lambda: field_table(LedgerRow),
}


def _marks(section: str) -> tuple[str, str]:
    return f"<!-- {section}: {_MADE} -->\n", f"<!-- end of {section} -->\n"


def documented(section: str) -> str:
    """Return a section as docs/reference.md has it."""
    begin, end = _marks(section)
    return REFERENCE.read_text(encoding="utf-8").partition(begin)[2].partition(end)[0]


def undescribed() -> list[str]:
    """Return the errors without a docstring of their own."""
    return [each.__name__ for each in error_classes() if not inspect.cleandoc(each.__doc__ or "")]


def main() -> None:
    """Write the tables into docs/reference.md."""
    text = REFERENCE.read_text(encoding="utf-8")
    for section, make in SECTIONS.items():
        begin, end = _marks(section)
        before, _, rest = text.partition(begin)
        _old, _, after = rest.partition(end)
        text = before + begin + make() + end + after
    REFERENCE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
