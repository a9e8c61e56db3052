"""What a supervisor remembers of each child."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actorq.actors import ActorRef, Reply, Timer  # noqa: TC004  nobody encodes a ChildInfo, so nobody looks its types up
    from actorq.actors.cell import Cell
    from actorq.messages.reasons import ExitReason
    from actorq.supervisor.intensity import RestartWindow
    from actorq.supervisor.spec import ChildSpec

__all__ = ["Child", "ChildCounts", "ChildInfo", "ChildState", "count_children"]

ChildState = Literal[
    "starting",  # launched, not confirmed
    "up",
    "stopping",
    "down",  # ended, terminated, or never started
    "ignored",  # its init said so (R8)
    "restarting",  # failed; a retry is due (R14)
    "waiting",  # for `waiting_on`, which is restarting or parked (R39)
    "parked",  # gave up on it; tried again slowly (R40)
]


class ChildInfo(msgspec.Struct, frozen=True):
    """One line of `WhichChildren`; `ref` is None unless an incarnation lives, `info` is what its `init` said (`Ready`)."""

    id: str
    ref: ActorRef[Any] | None
    state: ChildState
    type: str
    actor: str
    waiting_on: str | None = None
    info: object = None


class ChildCounts(msgspec.Struct, frozen=True):
    """How many children are known, live, and are of either type."""

    specs: int
    active: int
    supervisors: int
    workers: int


class Child:
    """The mutable side of a spec. `cell` is the incarnation that lives, or that is still to be seen off."""

    __slots__ = (
        "cell", "cell_id", "deadline", "down_at", "ended", "failures", "info", "known_id", "last_error", "last_error_at", "launch",
        "monitor_id", "number", "restarts", "retry", "seen_up", "spec", "state", "terminated", "terminators", "up_at",
        "up_since", "waiting_on", "window",
    )  # fmt: skip

    def __init__(self, spec: ChildSpec, number: int = 0) -> None:
        self.spec = spec
        self.number = number  # place in the order of start
        self.state: ChildState = "down"
        self.cell: Cell | None = None
        self.cell_id = self.known_id = 0  # of the last incarnation, and of the last that was up: by these it is found
        self.launch = 0  # number of the launch whose confirmation is awaited; 0: none
        self.monitor_id = 0
        self.ended: ExitReason | None = None  # it ended by itself, and nothing has been done about it yet
        self.terminated = False  # by the API: stays down until the API wants it up again
        self.terminators: list[Reply] = []  # who waits for the end of a start that was given up
        self.deadline: Timer | None = None  # of its stop
        self.seen_up = False
        self.up_at: float | None = None  # monotonic, of the last incarnation; None if that never came up
        self.up_since: float | None = None  # Unix seconds; None while it isn't up
        self.down_at: float | None = None  # monotonic, since when it is missing by its own fault; None: it isn't
        self.info: object = None
        self.failures = 0
        self.restarts = 0
        self.retry: Timer | None = None
        self.waiting_on: str | None = None
        self.window: RestartWindow | None = None  # of a child that parks: its failures are its own
        self.last_error: str | None = None
        self.last_error_at: float | None = None

    @property
    def id(self) -> str:
        """Return the id of the spec."""
        return self.spec.id

    @property
    def alive(self) -> bool:
        """Return whether there is an incarnation that hasn't ended."""
        return self.cell is not None and self.cell.state != "dead"

    @property
    def ref(self) -> ActorRef[Any] | None:
        """Return the ref of the incarnation that lives."""
        return self.cell.ref if self.cell is not None and self.alive else None

    def drop_arguments(self) -> None:
        """Forget the arguments of a temporary child, which will never start again (R5)."""
        if self.spec.restart == "temporary":
            self.spec = replace(self.spec, args=(), kwargs={})

    def rest(self, state: ChildState, waiting_on: str | None = None) -> None:
        """Enter a state without an incarnation, with no retry pending."""
        if self.retry is not None:
            self.retry.cancel()
            self.retry = None
        self.state, self.waiting_on, self.ended = state, waiting_on, None

    def came_up(self, now: float, monotonic: float, info: object) -> None:
        """Take note of a confirmed start."""
        self.up_since, self.up_at, self.info = now, monotonic, info

    def went_down(self, monotonic: float, *, by_itself: bool) -> None:
        """Take note that the incarnation is gone; what is missing by its own fault is so until it is up again."""
        self.up_since = self.info = None
        if by_itself and self.down_at is None:
            self.down_at = monotonic

    def fail(self, monotonic: float) -> None:
        """Count a failure of the last incarnation, for the back-off."""
        up_s = None if self.up_at is None else monotonic - self.up_at
        self.failures = self.spec.backoff.failures_after(self.failures, up_s)

    def show(self) -> ChildInfo:
        """Return what `WhichChildren` shows."""
        spec = self.spec
        return ChildInfo(self.id, self.ref, self.state, spec.type, spec.actor.__name__, self.waiting_on, self.info)


def count_children(children: Iterable[Child]) -> ChildCounts:
    """Return the counts of OTP's `count_children`."""
    listed = list(children)
    supervisors = sum(child.spec.type == "supervisor" for child in listed)
    return ChildCounts(len(listed), sum(child.alive for child in listed), supervisors, len(listed) - supervisors)
