"""The table of exit codes in docs/reference.md, made from the error classes: `python -m tests.reference`."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import imagesmith
from imagesmith.errors import ImagesmithError

REFERENCE = Path(__file__).parents[1] / "docs/reference.md"
_BEGIN = "<!-- exit codes: made by `python -m tests.reference` -->\n"
_END = "<!-- end of exit codes -->\n"
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


def documented() -> str:
    """Return the table as docs/reference.md has it."""
    return REFERENCE.read_text(encoding="utf-8").partition(_BEGIN)[2].partition(_END)[0]


def undescribed() -> list[str]:
    """Return the errors without a docstring of their own."""
    return [each.__name__ for each in error_classes() if not inspect.cleandoc(each.__doc__ or "")]


def main() -> None:
    """Write the table into docs/reference.md."""
    before, begin, rest = REFERENCE.read_text(encoding="utf-8").partition(_BEGIN)
    _old, end, after = rest.partition(_END)
    REFERENCE.write_text(before + begin + table() + end + after, encoding="utf-8")


if __name__ == "__main__":
    main()
