"""Operation × state of the child × kind of supervisor → answer (R24).

The child in question is called "c". An answer marked `later` comes when what goes on with it (a start or a stop that is
slow here) is over: it waits for its turn. Everything else is answered while that still goes on.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest

from actorq.actors import IGNORE, ActorRef, Refusal
from actorq.supervisor import (
    Backoff,
    ChildAlreadyPresent,
    ChildAlreadyStarted,
    ChildNotFound,
    ChildRestarting,
    ChildRunning,
    ChildStartFailed,
    ChildWaiting,
    CountChildren,
    DeleteChild,
    DynamicSupervisor,
    Recycle,
    RestartChild,
    StartChild,
    TerminateChild,
    Tree,
    WhichChildren,
)
from actorq.testing.wait import wait_until
from tests.unit.supervisor.members import PinnedMember, crash, fail

SLOW = Backoff(min_s=60, max_s=60)
REF = ActorRef
NONE = type(None)


class Later(NamedTuple):
    answer: type


def later(answer):
    return Later(answer)


OPERATIONS = ("start", "terminate", "restart", "recycle", "delete")
STATIC = {
    #              start                       terminate      restart              recycle        delete
    "up":         (ChildAlreadyStarted,        NONE,          ChildRunning,        REF,           ChildRunning),
    "starting":   (later(ChildAlreadyStarted), NONE,          later(ChildRunning), later(REF),    later(ChildRunning)),
    "stopping":   (later(ChildAlreadyPresent), later(NONE),   later(REF),          later(REF),    later(NONE)),
    "restarting": (ChildAlreadyPresent,        NONE,          ChildRestarting,     REF,           ChildRestarting),
    "waiting":    (ChildAlreadyPresent,        NONE,          ChildWaiting,        ChildWaiting,  ChildWaiting),
    "parked":     (ChildAlreadyPresent,        NONE,          REF,                 REF,           NONE),
    "down":       (ChildAlreadyPresent,        NONE,          REF,                 REF,           NONE),
    "ignored":    (ChildAlreadyPresent,        NONE,          REF,                 REF,           NONE),
    "gone":       (REF,                        ChildNotFound, ChildNotFound,       ChildNotFound, ChildNotFound),
}  # fmt: skip
# Children of a dynamic supervisor are known by ref, and forgotten when they are down; two may have one id.
DYNAMIC = {
    #              start  terminate      restart  recycle        delete
    "up":         (REF,   NONE,          Refusal, REF,           Refusal),
    "starting":   (REF,   NONE,          Refusal, REF,           Refusal),
    "stopping":   (REF,   later(NONE),   Refusal, ChildNotFound, Refusal),
    "restarting": (REF,   NONE,          Refusal, REF,           Refusal),
    "gone":       (REF,   ChildNotFound, Refusal, ChildNotFound, Refusal),
}  # fmt: skip
CASES = [
    (kind, state, operation)
    for kind, table in (("static", STATIC), ("dynamic", DYNAMIC))
    for state in table
    for operation in OPERATIONS
]


class Situation:
    """A supervisor with a child "c" in a certain state."""

    def __init__(self, harness, gated, system, kind):
        self.harness, self.gated, self.kind = harness, gated, kind
        self.starter = None
        self.handle = "c"
        if kind == "dynamic":
            harness.ref = system.spawn(DynamicSupervisor, intensity=3, period_s=60.0, name="top")

    def spec(self, **fields):
        return self.harness.spec("c", **fields)

    def begin(self, *specs, ask=None):
        """Start the supervisor with the specs; under a dynamic one each is a request."""
        if self.kind == "static":
            self.harness.start(*specs, strategy="dependents", park_retry_s=60.0)
        for spec in specs if self.kind == "dynamic" else ():
            self.harness.ref.ask(StartChild(spec))

    def bring(self, state):
        getattr(self, f"make_{state}")()
        wait_until(lambda: self.harness.state("c") == state, what=f"c to be {state}")

    def make_up(self):
        self.begin(self.spec())

    def make_starting(self):
        self.begin()
        slow = self.spec(cls=PinnedMember, plan=[self.gated.wait], shutdown=0.02)
        self.starter = self.harness.ref.ask(StartChild(slow), block=False, timeout=20)
        assert self.gated.entered.wait(5)

    def make_stopping(self):
        self.begin(self.spec(cls=self.gated.stopping, shutdown="infinity"))
        self.handle = self.harness.child("c")
        self.harness.ref.ask(TerminateChild(self.handle), block=False)
        assert self.gated.entered.wait(5)

    def make_restarting(self):
        self.begin(self.spec(plan=[None, fail], backoff=SLOW))
        self.handle = self.harness.end("c", crash)

    def make_waiting(self):
        self.begin(self.harness.spec("p", plan=[None, fail], backoff=SLOW), self.spec(requires=("p",)))
        self.harness.end("p", crash)

    def make_parked(self):
        self.begin(self.spec(plan=[fail], exhausted="park"))

    def make_down(self):
        self.begin(self.spec())
        self.harness.ref.ask(TerminateChild("c"))

    def make_ignored(self):
        self.begin(self.spec(plan=[lambda _: IGNORE]))

    def make_gone(self):
        self.begin()

    def ask(self, operation):
        handle = self.handle
        if self.kind == "dynamic":
            if self.harness.child("c") is not None:
                handle = self.harness.child("c")
        else:
            handle = "c"
        message = {
            "start": lambda: StartChild(self.spec()),
            "terminate": lambda: TerminateChild(handle),
            "restart": lambda: RestartChild("c"),
            "recycle": lambda: Recycle(handle),
            "delete": lambda: DeleteChild("c"),
        }[operation]()
        return self.harness.ref.ask(message, block=False, timeout=10)


@pytest.fixture
def situation(request, harness, gated, system):
    kind, state, _ = request.node.callspec.params["case"]
    situation = Situation(harness, gated, system, kind)
    situation.bring(state)
    return situation


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_the_table_of_operation_state_of_the_child_and_kind_of_supervisor(situation, harness, gated, case):
    kind, state, operation = case
    expected = {"static": STATIC, "dynamic": DYNAMIC}[kind][state][OPERATIONS.index(operation)]
    asked = situation.ask(operation)
    # Looking is answered at once, whatever goes on.
    assert isinstance(harness.ref.ask(WhichChildren(), timeout=5), list)
    assert harness.ref.ask(CountChildren(), timeout=5).specs >= 0
    assert harness.ref.ask(Tree(), timeout=5)["id"] == "top"
    if isinstance(expected, Later):
        assert not asked._is_set, "expected the request to wait for its turn"
        gated.gate.set()
        expected = expected.answer
    answer = outcome_of(asked)
    assert isinstance(answer, expected)
    if isinstance(answer, ActorRef):
        assert answer in [info.ref for info in harness.ref.ask(WhichChildren())]
    if operation == "terminate" and answer is None:
        assert harness.state("c") == ("gone" if kind == "dynamic" or state == "starting" else "down")
    if operation == "delete" and answer is None:
        assert harness.state("c") == "gone"
    if situation.starter is not None and operation in ("terminate", "recycle") and not gated.gate.is_set():
        assert isinstance(outcome_of(situation.starter), ChildStartFailed)
    assert harness.ref.ask(Tree())["quota"]["left"] >= 1, "administration costs no quota"


def outcome_of(future):
    try:
        return future.get()
    except Refusal as refusal:
        return refusal
