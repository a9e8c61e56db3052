"""Any canvas, for hypothesis, and the obvious interpreter of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from hypothesis import strategies as st

from actorq.canvas import Signature, chain, chord, group

FAILED: Any = object()
FAILED_GROUP: Any = object()
NOTHING: Any = object()


@dataclass
class Record:
    """What happened: calls as `(name, arguments)`, tasks that were ended without a run, errbacks as `(name, for whom)`."""

    calls: Counter[Any] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    errbacks: Counter[Any] = field(default_factory=Counter)
    result: Any = NOTHING


def arguments(sig: Signature, value: Any) -> tuple[Any, ...]:
    return sig.args if value is NOTHING or sig.immutable else (value, *sig.args)


class Interpreter:
    """Runs a canvas in one process, depth first, straight from the meaning of each kind."""

    def __init__(self, failing: set[str]) -> None:
        self.failing, self.record = failing, Record()

    def run(self, canvas: Any, value: Any = NOTHING) -> Any:
        if isinstance(canvas, chain):
            return self.run_line(canvas.tasks, value)
        if isinstance(canvas, chord):
            return self.run_line((canvas.header, canvas.body), value)
        if isinstance(canvas, group):
            values = [self.run(each, value) for each in canvas.tasks]
            return FAILED_GROUP if any(each in (FAILED, FAILED_GROUP) for each in values) else values
        given = arguments(canvas, value)
        self.record.calls[canvas.task, repr(given)] += 1
        if canvas.task in self.failing:
            self.record.errbacks.update((each.task, canvas.task) for each in canvas.errbacks)
            for each in canvas.callbacks:
                self.skip(each)
            return FAILED
        result = (canvas.task, given)
        for each in canvas.callbacks:
            self.run(each, result)
        return result

    def run_line(self, parts: Any, value: Any) -> Any:
        for each in parts:
            if value in (FAILED, FAILED_GROUP):
                self.skip(each, is_told=value is FAILED_GROUP)
                value = FAILED
            else:
                value = self.run(each, value)
        return value

    def skip(self, canvas: Any, *, is_told: bool = False) -> None:
        if isinstance(canvas, chain):
            for place, each in enumerate(canvas.tasks):
                self.skip(each, is_told=is_told and not place)
        elif isinstance(canvas, group):
            for each in canvas.tasks:
                self.skip(each, is_told=is_told)
        elif isinstance(canvas, chord):
            self.skip(canvas.header, is_told=is_told)
            self.skip(canvas.body)
        else:
            self.record.skipped[canvas.task] += 1
            if is_told:
                self.record.errbacks.update((each.task, canvas.task) for each in canvas.errbacks)
            for each in canvas.callbacks:
                self.skip(each)


def name_all(shape: Any, numbers: Any) -> Any:
    """Return the canvas of a drawn shape, each of its tasks with a name of its own, which is its id, too."""
    kind, *rest = shape
    if kind == "task":
        is_immutable, argument, callback, errbacks = rest
        name = f"t{next(numbers)}"
        sig = Signature(name, (argument,) if argument else (), options={"task_id": name}, immutable=is_immutable)
        if callback is not None:
            sig = sig.link(name_all(callback, numbers))
        for _ in range(errbacks):
            sig = sig.link_error(Signature(f"e{next(numbers)}"))
        return sig
    parts = [name_all(each, numbers) for each in rest[0]]
    return {"chain": chain, "group": group}[kind](*parts) if kind != "chord" else chord(parts[1:], parts[0])


def tasks(callbacks: Any) -> Any:
    return st.tuples(st.just("task"), st.booleans(), st.integers(0, 3), callbacks, st.integers(0, 2))


def shapes(smaller: Any) -> Any:
    return st.one_of(
        st.tuples(st.just("chain"), st.lists(smaller, max_size=4)),
        st.tuples(st.just("group"), st.lists(smaller, max_size=4)),
        st.tuples(st.just("chord"), st.lists(smaller, min_size=1, max_size=4)),
    )


LEAVES = st.recursive(tasks(st.none()), lambda smaller: tasks(smaller | shapes(smaller)), max_leaves=3)
CANVASES = st.recursive(LEAVES, shapes, max_leaves=14).map(lambda shape: name_all(shape, count()))


def normal(canvas: Any) -> Any:
    """Return the canvas without members that are nothing: an empty chain among others."""
    if isinstance(canvas, chain):
        return chain(*map(normal, canvas.tasks))
    if isinstance(canvas, group):
        return group([each for each in map(normal, canvas.tasks) if not is_nothing(each)])
    if isinstance(canvas, chord):
        header, body = normal(canvas.header), normal(canvas.body)
        return header if is_nothing(body) else chord(header, body)
    links = [each for each in map(normal, canvas.callbacks) if not is_nothing(each)]
    return canvas.set(link=links) if canvas.callbacks else canvas


def is_nothing(canvas: Any) -> bool:
    return isinstance(canvas, chain) and not canvas.tasks
