"""Draws the plan of a workflow as text: for people (`text`), for Graphviz (`dot`), for pages that render Mermaid (`mermaid`).

Pure, and the same plan gives the same drawing. A solid line is where a value goes, a dashed one where a failure is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from actorq.canvas.plan import NOBODY, Kind, Plan, make_plan
from actorq.drawing import dot_text, make_drawing, mermaid_text, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping  # noqa: TC004  nobody encodes what is drawn

    from actorq.canvas.signature import Signature
    from actorq.drawing import DrawingFormat

__all__ = ["draw_canvas", "draw_plan"]

LABEL_CHARS: Final = 60  # of a call; arguments may be anything


class _Drawn(msgspec.Struct):
    plan: Plan
    states: Mapping[int, str]

    def titles(self, number: int) -> list[str]:
        """Return the call of a task, and the state it is in, where that is known."""
        call = self.plan.nodes[number].call
        state = [self.states[number]] if number in self.states else []
        return [*([] if call is None else [_name(call)]), *state]


def draw_canvas(canvas: Signature, format: DrawingFormat = "text") -> str:
    """Return the drawing of a workflow. What generators in it make is read and kept.

    Raises:
        ValueError: no such format, or a generator in it was read before. TypeError: a chord has no body.
    """
    dict(canvas)  # the document keeps what is read; the plan alone wouldn't
    return draw_plan(make_plan(canvas), format)


def draw_plan(plan: Plan, format: DrawingFormat, states: Mapping[int, str] | None = None) -> str:
    """Return the drawing of a plan; `states` says of nodes in which state they are.

    Raises:
        ValueError: no such format.
    """
    ways = {"text": _draw_text, "dot": _draw_dot, "mermaid": _draw_mermaid}
    return make_drawing(format, ways, _Drawn(plan, states or {}))


def _draw_text(drawn: _Drawn) -> Iterable[str]:
    yield from _draw_line(drawn, drawn.plan.entry) if drawn.plan.entry != NOBODY else ["nothing"]


def _draw_line(drawn: _Drawn, number: int) -> Iterator[str]:
    """Yield the lines of what follows one another, from a node to the end of its part."""
    nodes = drawn.plan.nodes
    while number != NOBODY and nodes[number].kind is not Kind.JOIN:
        node = nodes[number]
        if node.kind is Kind.FORK:
            title = f"all of {len(node.starts)}"
            arms = [("├── ", "└── ", _draw_line(drawn, start)) for start in node.starts]
            after = nodes[node.join].next
            state = drawn.titles(node.join)
        else:
            title, *state = drawn.titles(number)
            arms = [("├── then ", "└── then ", _draw_line(drawn, each)) for each in node.callbacks]
            arms += [("├╌╌ on error ", "└╌╌ on error ", iter([_name(each)])) for each in node.errbacks]
            after = node.next
        yield printable("  ".join([title, *state]))
        for place, (middle, last, lines) in enumerate(arms):
            is_last = place == len(arms) - 1
            margin = (" " if is_last else "│") + " " * (len(middle) - 1)
            yield f"{last if is_last else middle}{next(lines)}"
            yield from (f"{margin}{line}" for line in lines)
        number = after


def _draw_dot(drawn: _Drawn) -> Iterable[str]:
    yield "digraph workflow {"
    yield "  rankdir=LR;"
    yield '  node [shape=box, style=rounded, fontname="sans-serif"];'
    yield '  edge [fontname="sans-serif", fontsize=10];'
    for number, node in enumerate(drawn.plan.nodes):
        if node.kind is Kind.TASK:
            label = r"\n".join(dot_text(title) for title in drawn.titles(number))
            yield f'  n{number} [label="{label}"];'
        else:
            yield f'  n{number} [shape=circle, width=0.2, label=""];'
        for place, errback in enumerate(node.errbacks):
            yield f'  n{number}e{place} [label="{dot_text(_name(errback))}", style="rounded,dashed"];'
    for start, end, label in _edges(drawn.plan):
        style = ", style=dashed" if label == "on error" else ""
        yield f"  {start} -> {end}" + (f' [label="{label}"{style}];' if label else ";")
    yield "}"


def _draw_mermaid(drawn: _Drawn) -> Iterable[str]:
    yield "flowchart LR"
    for number, node in enumerate(drawn.plan.nodes):
        if node.kind is Kind.TASK:
            yield f'  n{number}["{"<br/>".join(mermaid_text(title) for title in drawn.titles(number))}"]'
        else:
            yield f'  n{number}((" "))'
        for place, errback in enumerate(node.errbacks):
            yield f'  n{number}e{place}(["{mermaid_text(_name(errback))}"])'
    for start, end, label in _edges(drawn.plan):
        arrow = "-.->" if label == "on error" else "-->"
        yield f"  {start} {arrow}{f'|{label}|' if label else ''} {end}"


def _edges(plan: Plan) -> Iterator[tuple[str, str, str]]:
    """Yield `(from, to, label)` in the order of the nodes."""
    for number, node in enumerate(plan.nodes):
        yield from ((f"n{number}", f"n{each}", "") for each in node.starts)
        if node.kind is Kind.FORK and not node.starts:
            yield f"n{number}", f"n{node.join}", ""
        if node.next != NOBODY:
            yield f"n{number}", f"n{node.next}", ""
        yield from ((f"n{number}", f"n{each}", "then") for each in node.callbacks)
        yield from ((f"n{number}", f"n{number}e{place}", "on error") for place in range(len(node.errbacks)))


def _name(call: Signature) -> str:
    text = repr(call)
    return text if len(text) <= LABEL_CHARS else f"{text[: LABEL_CHARS - 1]}…"
