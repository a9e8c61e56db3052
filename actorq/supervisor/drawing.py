"""Draws a component graph as text: for people (`text`), for Graphviz (`dot`), for pages that render Mermaid (`mermaid`).

Pure, and the same graph gives the same drawing: components in start order, edges in the order in which their component
declares them. A solid line is a requirement, a dashed one a want; an arrow points at what is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actorq.supervisor.component import Component
    from actorq.supervisor.graph import Edge, Graph

__all__ = ["FORMATS", "DrawingFormat", "draw_graph"]

DrawingFormat = Literal["text", "dot", "mermaid"]
FORMATS: Final[tuple[str, ...]] = get_args(DrawingFormat)

BUILT_IN: Final = "built-in"
LEGEND: Final = "── requires   ╌╌ wants   (rebinds): goes on without it and takes it back   else: restarts after it"
# Mermaid reads entities with `#` where HTML has `&`, and these characters itself.
MERMAID_ENTITIES: Final = {"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "&": "#amp;", "`": "#96;"}


def draw_graph(graph: Graph, format: DrawingFormat) -> str:
    """Return the drawing, lines ending in newlines.

    Raises:
        ValueError: no such format.
    """
    match format:
        case "text":
            lines = _draw_text(graph)
        case "dot":
            lines = _draw_dot(graph)
        case "mermaid":
            lines = _draw_mermaid(graph)
        case _:
            raise ValueError(f"expected a format among {', '.join(FORMATS)}, got {format!r}")
    return "".join(f"{line}\n" for line in lines)


def _draw_text(graph: Graph) -> Iterable[str]:
    number_width = len(str(len(graph.components)))
    indent = " " * (number_width + 2)
    for number, one in enumerate(graph.components, 1):
        yield f"{number:>{number_width}}. {_printable('  '.join(_titles(one)))}"
        arms = [(edge.kind, _arm(edge)) for edge in _edges_of(graph, one)]
        arms += [("wants", f"{capability}: nobody provides it") for capability in _dropped_of(graph, one)]
        for place, (kind, text) in enumerate(arms):
            corner = "└" if place == len(arms) - 1 else "├"
            yield f"{indent}{corner}{'──' if kind == 'requires' else '╌╌'} {_printable(text)}"
    yield ""
    yield LEGEND


def _draw_dot(graph: Graph) -> Iterable[str]:
    yield "digraph components {"
    yield "  rankdir=BT;"
    yield '  node [shape=box, style=rounded, fontname="sans-serif"];'
    yield '  edge [fontname="sans-serif", fontsize=10];'
    for one in graph.components:
        label = r"\n".join(_dot_text(title) for title in _titles(one))
        yield f'  "{_dot_text(one.id)}" [label="{label}"{", style=bold" if _is_foreign(one) else ""}];'
    for edge in _edges(graph):
        facts = [] if edge.kind == "requires" else ["style=dashed"]
        if _label(edge):
            facts.append(f'label="{_dot_text(_label(edge))}"')
        shown = f" [{', '.join(facts)}]" if facts else ""
        yield f'  "{_dot_text(edge.dependent)}" -> "{_dot_text(edge.provider)}"{shown};'
    yield "}"


def _draw_mermaid(graph: Graph) -> Iterable[str]:
    # An id of Mermaid's may be a word it knows ("end"), so components are numbered.
    names = {one.id: f"c{number}" for number, one in enumerate(graph.components, 1)}
    yield "flowchart BT"
    for one in graph.components:
        label = "<br/>".join(_mermaid_text(title) for title in _titles(one))
        yield f'  {names[one.id]}["{label}"]{":::foreign" if _is_foreign(one) else ""}'
    for edge in _edges(graph):
        arrow = "-->" if edge.kind == "requires" else "-.->"
        label = f'|"{_mermaid_text(_label(edge))}"|' if _label(edge) else ""
        yield f"  {names[edge.dependent]} {arrow}{label} {names[edge.provider]}"
    if any(_is_foreign(one) for one in graph.components):
        yield "  classDef foreign stroke-width:3px"


def _titles(one: Component) -> list[str]:
    """Return its id, and where it comes from if it isn't one of ours."""
    replaced = [f"replaces {one.replaces}"] if one.replaces is not None else []
    origin = [f"from {one.origin}"] if one.origin != BUILT_IN else []
    return [one.id, *([f"({', '.join([*origin, *replaced])})"] if origin or replaced else [])]


def _is_foreign(one: Component) -> bool:
    return one.origin != BUILT_IN or one.replaces is not None


def _edges(graph: Graph) -> Iterable[Edge]:
    for one in graph.components:
        yield from _edges_of(graph, one)


def _edges_of(graph: Graph, one: Component) -> list[Edge]:
    declared = (*one.requires, *one.wants)
    own = [edge for edge in graph.edges if edge.dependent == one.id]
    return sorted(own, key=lambda edge: declared.index(edge.capability))


def _dropped_of(graph: Graph, one: Component) -> list[str]:
    return sorted(capability for component, capability in graph.dropped if component == one.id)


def _arm(edge: Edge) -> str:
    alias = f" as {edge.capability}" if edge.capability != edge.provider else ""
    return f"{edge.provider}{alias}{' (rebinds)' if edge.rebind else ''}"


def _label(edge: Edge) -> str:
    alias = [f"as {edge.capability}"] if edge.capability != edge.provider else []
    return ", ".join([*alias, *(["rebinds"] if edge.rebind else [])])


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _dot_text(text: str) -> str:
    return _printable(text).replace("\\", "\\\\").replace('"', '\\"')


def _mermaid_text(text: str) -> str:
    return "".join(MERMAID_ENTITIES.get(letter, letter) for letter in _printable(text))
