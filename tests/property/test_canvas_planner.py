"""The planner agrees with the obvious interpreter, whatever the canvas, the order in which its tasks end, and what comes twice."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from actorq.canvas import Signature, chord, group, signature
from actorq.canvas.plan import NOBODY, Kind, make_plan
from actorq.canvas.planner import Ended, Errback, Fail, Finish, Start, add_member, begin, step
from tests.canvases import CANVASES, FAILED, FAILED_GROUP, NOTHING, Interpreter, Record, arguments, is_nothing, normal


class Machine:
    """Runs a canvas by the planner: its tasks end in any order, and some of them twice."""

    def __init__(self, canvas: Signature, failing: set[str], rng: random.Random, late: Signature | None = None) -> None:
        self.late = late
        self.plan, self.failing, self.rng, self.record = make_plan(canvas), failing, rng, Record()
        self.values: dict[int, Any] = {}
        self.open: list[int] = []
        self.bodies: set[int] = set()  # that were ended because a header failed
        self.finished: list[Finish] = []

    def run(self) -> Record:
        state, effects = begin(self.plan)
        self.apply(effects)
        if self.late is not None:
            state, effects = add_member(self.plan, state, self.plan.nodes[0].starts[0], self.late)
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
                case Fail(node, cause, in_header):
                    self.record.skipped[self.name_of(node)] += 1
                    assert self.name_of(cause) in self.failing or cause in self.bodies
                    if in_header:
                        self.bodies.add(node)
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


@given(members=st.lists(CANVASES, max_size=2), late=CANVASES, failing=st.sets(st.integers(0, 20)), seed=st.integers())
def test_a_member_that_is_added_late_is_like_one_that_was_there(
    members: list[Any], late: Any, failing: set[int], seed: int
) -> None:
    names = {f"t{number}" for number in failing}
    first, body, rng = Signature("first"), Signature("body").on_error(Signature("told")), random.Random(seed)
    known = Machine(chord([first, *members, late], body), names, rng).run()
    assert Machine(chord([first, *members], body), names, rng, late).run() == known


@given(canvas=CANVASES)
def test_a_document_has_the_same_plan(canvas: Any) -> None:
    assert make_plan(signature(dict(canvas))) == make_plan(canvas)


@given(canvas=CANVASES)
def test_the_id_of_what_was_frozen_is_that_of_its_result(canvas: Any) -> None:
    frozen = normal(canvas).freeze()
    plan = make_plan(frozen)
    if not is_nothing(frozen):
        result = plan.nodes[plan.result]
        assert frozen.id is not None
        assert frozen.id == (result.id if result.call is None else result.call.id)


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
