"""The planner agrees with the obvious interpreter, whatever the canvas, the order in which its tasks end, and what comes twice."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from actorq.canvas import Signature, chain, chord, group, signature
from actorq.canvas.plan import NOBODY, Kind, make_plan
from actorq.canvas.planner import Ended, Errback, Fail, Finish, Start, begin, step

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


class Machine:
    """Runs a canvas by the planner: its tasks end in any order, and some of them twice."""

    def __init__(self, canvas: Signature, failing: set[str], rng: random.Random) -> None:
        self.plan, self.failing, self.rng, self.record = make_plan(canvas), failing, rng, Record()
        self.values: dict[int, Any] = {}
        self.open: list[int] = []
        self.finished: list[Finish] = []

    def run(self) -> Record:
        state, effects = begin(self.plan)
        self.apply(effects)
        past: list[Ended] = []
        while self.open:
            self.rng.shuffle(self.open)
            batch = [self.open.pop() for _ in range(self.rng.randint(1, len(self.open)))]
            events = [Ended(node, self.plan.nodes[node].call.task not in self.failing) for node in batch]  # type: ignore[union-attr]
            past += events
            again = self.rng.sample(past, min(len(past), self.rng.randint(0, 8)))
            state, effects = step(self.plan, state, events + again)
            self.apply(effects)
            repeated = self.rng.sample(past, min(len(past), 8))
            assert step(self.plan, state, repeated) == (state, []), "what is past changes nothing"
        assert len(self.finished) == 1
        if self.plan.result != NOBODY:
            self.record.result = FAILED if state.failed else self.value_of(self.plan.result)
            assert self.finished[0].succeeded is not state.failed
        return self.record

    def apply(self, effects: list[Any]) -> None:
        assert not self.finished or not effects
        for effect in effects:
            match effect:
                case Start(node, value):
                    call: Any = self.plan.nodes[node].call
                    given = arguments(call, NOTHING if value == NOBODY else self.value_of(value))
                    self.record.calls[call.task, repr(given)] += 1
                    self.values[node] = (call.task, given)
                    self.open.append(node)
                case Fail(node, cause):
                    self.record.skipped[self.name_of(node)] += 1
                    assert self.name_of(cause) in self.failing
                case Errback(call, node):
                    self.record.errbacks[call.task, self.name_of(node)] += 1
                case Finish():
                    self.finished.append(effect)

    def value_of(self, node: int) -> Any:
        found = self.plan.nodes[node]
        return [self.value_of(each) for each in found.members] if found.kind is Kind.JOIN else self.values[node]

    def name_of(self, node: int) -> str:
        call: Any = self.plan.nodes[node].call
        return str(call.task)


def name_all(shape: Any, numbers: Any) -> Any:
    """Return the canvas of a drawn shape, each of its tasks with a name of its own."""
    kind, *rest = shape
    if kind == "task":
        is_immutable, argument, callback, errbacks = rest
        sig = Signature(f"t{next(numbers)}", (argument,) if argument else (), immutable=is_immutable)
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


@given(canvas=CANVASES, failing=st.sets(st.integers(0, 20)), seed=st.integers())
def test_it_agrees_with_the_interpreter(canvas: Any, failing: set[int], seed: int) -> None:
    names = {f"t{number}" for number in failing}
    interpreter = Interpreter(names)
    result = interpreter.run(normal(canvas))
    record = Machine(canvas, names, random.Random(seed)).run()
    assert record.calls == interpreter.record.calls
    assert record.skipped == interpreter.record.skipped
    assert record.errbacks == interpreter.record.errbacks
    if not is_nothing(canvas):
        assert record.result == (FAILED if result is FAILED_GROUP else result)


@given(canvas=CANVASES)
def test_a_document_has_the_same_plan(canvas: Any) -> None:
    assert make_plan(signature(dict(canvas))) == make_plan(canvas)


@given(canvas=CANVASES)
def test_plans_are_linear(canvas: Any) -> None:
    def size(each: Any) -> int:
        return 1 + sum(map(size, (*each.parts(), *each.callbacks)))

    assert len(make_plan(canvas).nodes) <= 2 * size(canvas)


def test_a_long_pipeline_is_no_deep_recursion() -> None:
    def task(name: str) -> Signature:
        return Signature(name, immutable=True)

    canvas: Any = task("first")
    for number in range(1_000):
        canvas = canvas | group(task(f"a{number}"), task(f"b{number}")) | task(f"c{number}")
    record = Machine(canvas, {"b700"}, random.Random(1)).run()
    assert (sum(record.calls.values()), sum(record.skipped.values())) == (2_103, 898)
