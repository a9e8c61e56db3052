"""Which updates are to be told when: a value, without a thread, a socket or a clock.

A task may say a hundred thousand times a second how far it is. Only the newest of each task counts, and all that are new go
together, at most once each `PERIOD_NS`. The first one goes at once, the last one of a flood when the period is over: none that a
task stays with is ever held back longer than that.

Invariant: one update for each task at most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from actorq.messages.updates import Update

__all__ = ["PERIOD_NS", "PendingUpdates"]

PERIOD_NS: Final = 50_000_000  # twenty frames a second from one slot; nobody reads faster


class PendingUpdates:
    """The newest update of each task that wasn't told yet; false when there is none."""

    __slots__ = ("_told_at_ns", "_updates")

    def __init__(self) -> None:
        self._updates: dict[tuple[int, int], Update] = {}
        self._told_at_ns = -PERIOD_NS

    def __bool__(self) -> bool:
        return bool(self._updates)

    def add(self, update: Update) -> None:
        """Take an update in the place of an earlier one of its task."""
        self._updates[update.outbox_id, update.number] = update

    def plan_wait_ns(self, now_ns: int) -> int:
        """Return how long to wait before they are told; 0: not at all."""
        return max(0, self._told_at_ns + PERIOD_NS - now_ns)

    def take(self, now_ns: int) -> list[Update]:
        """Return what is to be told now."""
        updates = list(self._updates.values())
        self._updates.clear()
        self._told_at_ns = now_ns
        return updates

    def put_back(self, updates: list[Update]) -> None:
        """Take back what couldn't be told, unless its task has said something newer since."""
        for update in updates:
            self._updates.setdefault((update.outbox_id, update.number), update)
