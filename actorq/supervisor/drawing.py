"""Draws a component graph as text: for people (`text`), for Graphviz (`dot`), for pages that render Mermaid (`mermaid`).

Pure, and the same graph gives the same drawing: components in start order, edges in the order in which their component
declares them. A solid line is a requirement, a dashed one a want; an arrow points at what is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from actorq.drawing import dot_text, make_drawing, mermaid_text, printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actorq.drawing import DrawingFormat
    from actorq.supervisor.component import Component
    from actorq.supervisor.graph import Edge, Graph

__all__ = ["draw_graph"]

BUILT_IN: Final = "built-in"
LEGEND: Final = "── requires   ╌╌ wants   (rebinds): goes on without it and takes it back   else: restarts after it"


def draw_graph(graph: Graph, format: DrawingFormat) -> str:
    """Return the drawing, lines ending in newlines.

    Raises:
        ValueError: no such format.
    """
    return make_drawing(format, {"text": _draw_text, "dot": _draw_dot, "mermaid": _draw_mermaid}, graph)


def _draw_text(graph: Graph) -> Iterable[str]:
    number_width = len(str(len(graph.components)))
    indent = " " * (number_width + 2)
    for number, one in enumerate(graph.components, 1):
        yield f"{number:>{number_width}}. {printable('  '.join(_titles(one)))}"
        arms = [(edge.kind, _arm(edge)) for edge in _edges_of(graph, one)]
        arms += [("wants", f"{capability}: nobody provides it") for capability in _dropped_of(graph, one)]
        for place, (kind, text) in enumerate(arms):
            corner = "└" if place == len(arms) - 1 else "├"
            yield f"{indent}{corner}{'──' if kind == 'requires' else '╌╌'} {printable(text)}"
    yield ""
    yield LEGEND


def _draw_dot(graph: Graph) -> Iterable[str]:
    yield "digraph components {"
    yield "  rankdir=BT;"
    yield '  node [shape=box, style=rounded, fontname="sans-serif"];'
    yield '  edge [fontname="sans-serif", fontsize=10];'
    for one in graph.components:
        label = r"\n".join(dot_text(title) for title in _titles(one))
        yield f'  "{dot_text(one.id)}" [label="{label}"{", style=bold" if _is_foreign(one) else ""}];'
    for edge in _edges(graph):
        facts = [] if edge.kind == "requires" else ["style=dashed"]
        if _label(edge):
            facts.append(f'label="{dot_text(_label(edge))}"')
        shown = f" [{', '.join(facts)}]" if facts else ""
        yield f'  "{dot_text(edge.dependent)}" -> "{dot_text(edge.provider)}"{shown};'
    yield "}"


def _draw_mermaid(graph: Graph) -> Iterable[str]:
    # An id of Mermaid's may be a word it knows ("end"), so components are numbered.
    names = {one.id: f"c{number}" for number, one in enumerate(graph.components, 1)}
    yield "flowchart BT"
    for one in graph.components:
        label = "<br/>".join(mermaid_text(title) for title in _titles(one))
        yield f'  {names[one.id]}["{label}"]{":::foreign" if _is_foreign(one) else ""}'
    for edge in _edges(graph):
        arrow = "-->" if edge.kind == "requires" else "-.->"
        label = f'|"{mermaid_text(_label(edge))}"|' if _label(edge) else ""
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
