"""A lane: one queue at one priority, with a cursor that makes leasing a short range scan.

The invariant: each ready task of the lane that isn't leased lies beyond the cursor or among the returned. So a lease
reads forward from the cursor, passes over the few leased rows there, and never looks at anything twice.
"""

from __future__ import annotations

from heapq import heappush

from actorq.engine.schema import ARRIVAL_BITS

__all__ = ["Lane"]


class Lane:
    """One lane's numbers. `ready` and `scheduled` count tasks that aren't leased."""

    __slots__ = ("base", "cursor", "priority", "queue", "ready", "returned", "scheduled")

    def __init__(self, number: int, queue: str, priority: int) -> None:
        self.queue = queue
        self.priority = priority
        self.base = number << ARRIVAL_BITS
        self.reset()

    def __repr__(self) -> str:
        return f"<lane {self.queue!r} at {self.priority}: {self.ready} ready, {self.scheduled} scheduled>"

    @property
    def end(self) -> int:
        """The first place beyond this lane."""
        return self.base + (1 << ARRIVAL_BITS)

    def reset(self) -> None:
        """Forget everything about the tasks; an epoch begins."""
        self.cursor = self.base
        self.returned: list[tuple[int, int]] = []  # heap of (place, key), outdated entries are skipped
        self.ready = 0
        self.scheduled = 0

    def give_back(self, place: int, key: int) -> None:
        """Make the task at `place` leasable again; the caller counts it."""
        if place <= self.cursor:
            heappush(self.returned, (place, key))
