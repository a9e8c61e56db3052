"""A canvas as a flat graph: nodes with numbers, each knowing who gets its value. Linear in the size of the canvas.

| kind | what it stands for | its value |
| --- | --- | --- |
| TASK | one call of a task | its result |
| FORK | the start of a group: everything in `starts`, each with the value that came; `join` is its end | none |
| JOIN | the end of a group: complete when all of `members` are | the list of theirs, in their order |

The value of a node goes to `next` (NOBODY: nobody in the graph), and to each of its callbacks. So a chain is a line, a group a
FORK and a JOIN around its members, a chord one whose JOIN has a `next`, and nesting needs nothing more.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

import msgspec

from actorq.canvas.primitives import chain, chord, chunks, group
from actorq.canvas.signature import Signature

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["LINKS", "NOBODY", "Kind", "Node", "Plan", "extend_plan", "make_plan"]

NOBODY: Final = -1
_START: Final = ("countdown", "eta")  # options of a whole that are for what starts first
_END: Final = ("task_id",)  # … for what gives its result
LINKS: Final = ("link", "link_error")


class Kind(IntEnum):
    """What a node stands for."""

    TASK = 0
    FORK = 1
    JOIN = 2


class Node(msgspec.Struct, gc=False):
    """One node. `call` (TASK) has no links among its options: those are `callbacks`, which are nodes, and `errbacks`."""

    kind: Kind
    call: Signature | None = None
    next: int = NOBODY
    starts: list[int] = []
    join: int = NOBODY
    members: list[int] = []
    callbacks: list[int] = []
    errbacks: list[Signature] = []
    is_body: bool = False  # it follows a JOIN, so its errbacks are called when a member fails
    id: str | None = None  # that a group was given, at its JOIN


class Plan(msgspec.Struct):
    """The graph of one canvas. It begins at `entry`; `result` is the node whose value is the result (both NOBODY: nothing to do)."""

    nodes: list[Node]
    entry: int = NOBODY
    result: int = NOBODY


def make_plan(canvas: Signature) -> Plan:
    """Return the graph of a canvas.

    Raises:
        TypeError: a chord has no body.
        ValueError: a generator in it was read before.
    """
    builder = _Builder()
    ends = builder.build(canvas)
    return Plan(builder.nodes, *ends) if ends else Plan([])


def extend_plan(plan: Plan, join: int, canvas: Signature) -> int:
    """Add a canvas to a plan, as one more member of the group that ends there; return its first node, NOBODY if it is nothing.

    What is there keeps its number.
    """
    builder = _Builder()
    builder.nodes = plan.nodes
    ends = builder.build(canvas)
    if ends is None:
        return NOBODY
    plan.nodes[join].members.append(ends[1])
    plan.nodes[ends[1]].next = join
    return ends[0]


class _Builder:
    """Adds nodes; what it returns are the numbers of a part's first node and of the one with its value, None: it has none."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []

    def _add(self, node: Node) -> int:
        self.nodes.append(node)
        return len(self.nodes) - 1

    def build(self, canvas: Signature) -> tuple[int, int] | None:
        """Add a canvas."""
        return self._build_line(_spread(canvas))

    def _build_line(self, parts: Iterable[Signature]) -> tuple[int, int] | None:
        """Add parts that follow one another."""
        first = last = NOBODY
        for part in parts:
            ends = self._build_part(part)
            if ends is None:
                continue
            if first == NOBODY:
                first = ends[0]
            else:
                self.nodes[last].next = ends[0]
                if self.nodes[last].kind is Kind.JOIN:
                    self._mark_body(ends[0])
            last = ends[1]
        return None if first == NOBODY else (first, last)

    def _mark_body(self, entry: int) -> None:
        node = self.nodes[entry]
        node.is_body = True
        for start in node.starts:
            self._mark_body(start)

    def _build_part(self, part: Signature) -> tuple[int, int] | None:
        if isinstance(part, chain | chord):
            return self.build(part)
        if isinstance(part, group):
            return self._build_group(part)
        options = part.options
        callbacks, errbacks = (options.pop(name, ()) for name in LINKS)
        number = self._add(Node(Kind.TASK, part.replace(options=options), errbacks=list(errbacks)))
        for callback in callbacks:
            ends = self.build(callback)
            if ends is not None:
                self.nodes[number].callbacks.append(ends[0])
        return number, number

    def _build_group(self, members: group) -> tuple[int, int]:
        fork, join = self._add(Node(Kind.FORK)), self._add(Node(Kind.JOIN, id=members.id))
        self.nodes[fork].join = join
        for member in members.iter_tasks():
            ends = self.build(member)
            if ends is None:
                continue
            self.nodes[fork].starts.append(ends[0])
            self.nodes[join].members.append(ends[1])
            self.nodes[ends[1]].next = join
        return fork, join


def _spread(canvas: Signature) -> Iterator[Signature]:
    """Yield what follows one another in a canvas, with what was said of the whole handed on to its parts."""
    pending = [canvas]
    while pending:
        part = pending.pop()
        if isinstance(part, chunks):
            part = part.group()
        if isinstance(part, chord):
            pending += reversed(_spread_chord(part))
        elif isinstance(part, chain):
            pending += reversed(_spread_chain(part))
        else:
            yield _hand_down(part) if isinstance(part, group) else part


def _spread_chord(whole: chord) -> tuple[Signature, Signature]:
    """Return header and body; the time of the start is for the header, the id for the body, the rest for both."""
    if whole.body is None:
        raise TypeError(f"expected {whole!r} to have a body, got none; say chord(header, body)")
    options = whole.options
    start, end = _take(options, _START), _take(options, _END)
    args, kwargs = ((), {}) if whole.immutable else (whole.args, whole.kwargs)
    return whole.header.clone(args, kwargs, **options, **start), whole.body.set(**options, **end)


def _spread_chain(whole: chain) -> list[Signature]:
    """Return the tasks; arguments and the time of the start are for the first, the id and callbacks for the last, errbacks for all."""
    options, tasks = whole.options, list(whole.tasks)
    if not tasks or not (whole.args or whole.kwargs or options):
        return tasks
    start, end, links = _take(options, _START), _take(options, _END), _take(options, LINKS)
    args, kwargs = ((), {}) if whole.immutable else (whole.args, whole.kwargs)
    tasks = [_link(each.set(**options), link_error=links.get("link_error", ())) for each in tasks]
    tasks[0] = tasks[0].clone(args, kwargs, **start)
    tasks[-1] = _link(tasks[-1].set(**end), link=links.get("link", ()))
    return tasks


def _hand_down(whole: group) -> group:
    """Return the group with everything that was said of it given to each of its members."""
    options = whole.options
    args, kwargs = ((), {}) if whole.immutable else (whole.args, whole.kwargs)
    end = _take(options, _END)
    if not (args or kwargs or options):
        return whole
    links = _take(options, LINKS)
    return group([_link(each.clone(args, kwargs, **options), **links) for each in whole.iter_tasks()], **end)


def _take(options: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: options.pop(name) for name in names if name in options}


def _link(canvas: Signature, link: Iterable[Any] = (), link_error: Iterable[Any] = ()) -> Signature:
    for callback in link:
        canvas = canvas.link(callback)
    for errback in link_error:
        canvas = canvas.link_error(errback)
    return canvas
