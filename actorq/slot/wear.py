"""When a slot has had its share of work, by number of tasks or by memory: a pure rule, and the gauge that applies it.

The rule is asked between two runs only, so a task always finishes. A slot says in its line how far it is (`Line.words[WEAR]`)
and rings; its node forks the successor while there is still something left to do (`NEAR`), and lets the two change places when
it is through (`THROUGH`, `TOO_BIG`). A slot that has had its share starts nothing more, whoever else is slow.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import msgspec

from actorq.slot.bell import bell_path, ring
from actorq.slot.layout import EXECUTED, RSS, WEAR

if TYPE_CHECKING:
    from actorq.slot.line import Line

__all__ = ["NEAR", "NO_WEAR", "THROUGH", "TOO_BIG", "Gauge", "Wear", "plan_wear"]

NEAR: Final = 1  # its successor may be forked
THROUGH: Final = 2  # it has run as many tasks as it may
TOO_BIG: Final = 3  # it has grown beyond its memory

LEAD_NS: Final = 100_000_000  # until a successor is forked and has joined: 10 ms, several times that on a busy machine
GUESS_NS: Final = 10_000_000  # for a run, before there was one
REMIND_NS: Final = 200_000_000  # a ring may have been lost while nobody listened


class Wear(msgspec.Struct, frozen=True):
    """What a slot may do in its life; 0: as much as it likes."""

    max_tasks: int = 0
    max_rss_bytes: int = 0

    def __bool__(self) -> bool:
        return bool(self.max_tasks or self.max_rss_bytes)


NO_WEAR: Final = Wear()


def plan_wear(wear: Wear, executed: int, rss_bytes: int, mean_ns: float) -> int:
    """Return 0, or how far a slot is that has run so many tasks, has so much memory, and needs so long for a run."""
    if wear.max_tasks and executed >= wear.max_tasks:
        return THROUGH
    if executed and wear.max_rss_bytes and rss_bytes > wear.max_rss_bytes:
        return TOO_BIG  # one run at least: where the application alone is too big, tasks still get somewhere
    if wear.max_tasks and (wear.max_tasks - executed) * mean_ns <= LEAD_NS:
        return NEAR
    return 0


class Gauge:
    """Beside the loop of one slot, which asks `is_worn` and `left` before it runs something and tells what it `spent`."""

    __slots__ = ("_bell", "_rung_at_ns", "_spent_ns", "_words", "is_worn", "wear")

    def __init__(self, wear: Wear, line: Line) -> None:
        self.wear = wear
        self.is_worn = False
        self._words = line.words
        self._words[WEAR] = plan_wear(wear, 0, 0, GUESS_NS)  # no ring: its node looks at it when it takes its place
        self._bell = bell_path(line.path)
        self._spent_ns = 0
        self._rung_at_ns = 0

    @property
    def left(self) -> int:
        """How many tasks it may still run."""
        return self.wear.max_tasks - self._words[EXECUTED] if self.wear.max_tasks else 1 << 30

    def spent(self, duration_ns: int) -> None:
        """Take note that it has been running tasks for so long, and that its memory was measured after that."""
        words = self._words
        self._spent_ns += duration_ns
        executed = words[EXECUTED]
        found = plan_wear(self.wear, executed, words[RSS], self._spent_ns / executed if executed else GUESS_NS)
        if found != words[WEAR]:
            words[WEAR] = found
            self.is_worn = found > NEAR
            self._ring()

    def remind(self) -> None:
        """Ring again, now and then: nobody has let it go yet."""
        if time.monotonic_ns() - self._rung_at_ns >= REMIND_NS:
            self._ring()

    def _ring(self) -> None:
        self._rung_at_ns = time.monotonic_ns()
        ring(self._bell)
