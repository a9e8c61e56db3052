"""What drawings of graphs have in common: their formats, and how text stands in each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeVar, get_args

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["FORMATS", "DrawingFormat", "dot_text", "make_drawing", "mermaid_text", "printable"]

DrawingFormat = Literal["text", "dot", "mermaid"]
FORMATS: Final[tuple[str, ...]] = get_args(DrawingFormat)

# Mermaid reads entities with `#` where HTML has `&`, and these characters itself.
MERMAID_ENTITIES: Final = {"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "&": "#amp;", "`": "#96;"}

T = TypeVar("T")


def make_drawing(format: str, ways: Mapping[str, Callable[[T], Iterable[str]]], graph: T) -> str:
    """Return the drawing of a graph in a format, lines ending in newlines; `ways` draw the lines of each.

    Raises:
        ValueError: no such format.
    """
    if format not in ways:
        raise ValueError(f"expected a format among {', '.join(FORMATS)}, got {format!r}")
    return "".join(f"{line}\n" for line in ways[format](graph))


def printable(text: str) -> str:
    """Return the text in one line, without what a terminal would act on."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def dot_text(text: str) -> str:
    """Return the text as it stands between quotes for Graphviz."""
    return printable(text).replace("\\", "\\\\").replace('"', '\\"')


def mermaid_text(text: str) -> str:
    """Return the text as it stands between quotes for Mermaid."""
    return "".join(MERMAID_ENTITIES.get(letter, letter) for letter in printable(text))
