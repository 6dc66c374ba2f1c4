"""HTML and SVG elements in which whatever is not markup is escaped: forgetting it is not possible."""

import html

from imagesmith.report.columns import printable


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def element(name: str, /, *content: str, **attributes: str | float) -> Markup:
    """Return an element around its content.

    Args:
        name: of the element; one that takes no content in HTML gets no end tag.
        content: what is no Markup is escaped, and loses its control characters.
        attributes: `class_` stands for class, `stroke_width` for stroke-width; numbers have two decimals.
    """
    words = [name, *(f'{_hyphened(key)}="{_value(value)}"' for key, value in attributes.items())]
    end = "" if name in _WITHOUT_CONTENT else f"</{name}>"
    return Markup(f"<{' '.join(words)}>{joined(content)}{end}")


def joined(content: tuple[str, ...] | list[str]) -> Markup:
    """Return pieces one after the other, escaped where they are no Markup."""
    return Markup("".join(piece if isinstance(piece, Markup) else _escaped(piece) for piece in content))


_WITHOUT_CONTENT = frozenset({"br", "meta"})


def _hyphened(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _value(value: str | float) -> str:
    return _escaped(value) if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")


def _escaped(text: str) -> str:
    return html.escape(printable(text))
