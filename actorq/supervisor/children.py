"""What a supervisor remembers of each child."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actorq.actors import ActorRef, Timer
    from actorq.actors.cell import Cell
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


@dataclass(frozen=True, slots=True)
class ChildInfo:
    """One line of `WhichChildren`; `ref` is None unless an incarnation lives."""

    id: str
    ref: ActorRef[Any] | None
    state: ChildState
    type: str
    actor: str
    waiting_on: str | None = None


@dataclass(frozen=True, slots=True)
class ChildCounts:
    """How many children are known, live, and are of either type."""

    specs: int
    active: int
    supervisors: int
    workers: int


class Child:
    """The mutable side of a spec. `cell` is the incarnation that lives, or that is still to be seen off."""

    __slots__ = (
        "cell", "ended", "failures", "last_error", "last_error_at", "launch", "monitor_id", "restarts", "retry", "spec",
        "state", "up_at", "waiting_on", "window",
    )  # fmt: skip

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self.state: ChildState = "down"
        self.cell: Cell | None = None
        self.launch = 0  # number of the launch whose confirmation is awaited; 0: none
        self.monitor_id = 0
        self.ended = False  # it ended by itself and nothing has been done about it yet
        self.up_at: float | None = None
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

    def drop_arguments(self) -> None:
        """Forget the arguments of a temporary child, which will never start again (R5)."""
        if self.spec.restart == "temporary":
            self.spec = replace(self.spec, args=(), kwargs={})

    def rest(self, state: ChildState, waiting_on: str | None = None) -> None:
        """Enter a state without an incarnation, with no retry pending."""
        if self.retry is not None:
            self.retry.cancel()
            self.retry = None
        self.state, self.waiting_on, self.ended = state, waiting_on, False

    def info(self) -> ChildInfo:
        """Return what `WhichChildren` shows."""
        ref = self.cell.ref if self.cell is not None and self.alive else None
        return ChildInfo(self.id, ref, self.state, self.spec.type, self.spec.actor.__name__, self.waiting_on)


def count_children(children: Iterable[Child]) -> ChildCounts:
    """Return the counts of OTP's `count_children`."""
    listed = list(children)
    supervisors = sum(child.spec.type == "supervisor" for child in listed)
    return ChildCounts(len(listed), sum(child.alive for child in listed), supervisors, len(listed) - supervisors)
