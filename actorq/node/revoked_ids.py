"""Which tasks must not start, or not start again, as a value: those of which somebody said so before they could be ended.

A task that waits is ended at once and needs none of this. Two kinds are remembered: one that isn't here yet (it is in its
caller's outbox, or on its way), and one that runs (it may go on, but what it leaves for later, a retry or a redelivery, must
not start). The store keeps the same by id; see `Transaction.revoked`.

Invariant: never more than `MOST`; each is forgotten when its task ends, at the latest after `KEEP_S`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from actorq.messages.ids import NUMBER_MASK, format_task_id, parse_task_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from actorq.messages.task import Delivery

__all__ = ["KEEP_S", "MOST", "RevokedIds"]

KEEP_S: Final = 86_400.0  # a task that is still on its way after a day is of another time
MOST: Final = 100_000  # 20 MB


class RevokedIds:
    """A set of ids that knows deliveries. `names` is always the same dictionary: to look whether it is empty costs 10 ns."""

    __slots__ = ("names",)

    def __init__(self, found: Mapping[str, float]) -> None:
        # An id in two parts where it is a native one: telling the one of a delivery needs no text then.
        self.names: dict[tuple[int, int] | str, float] = {
            parse_task_id(task_id) or task_id: expires_at for task_id, expires_at in found.items()
        }

    def __len__(self) -> int:
        return len(self.names)

    def add(self, ids: Iterable[str], now: float) -> tuple[dict[str, float], list[str]]:
        """Remember ids. Return what the store must, by id, and those for which there is no room."""
        if len(self.names) >= MOST:
            self.expire(now)
        added, refused = {}, []
        for task_id in ids:
            parsed = parse_task_id(task_id)
            if (parsed or task_id) not in self.names and len(self.names) >= MOST:
                refused.append(task_id)
            else:
                self.names[parsed or task_id] = now + KEEP_S
                added[format_task_id(*parsed) if parsed else task_id] = now + KEEP_S
        return added, refused

    def covers(self, delivery: Delivery) -> bool:
        """Return whether this task must not start."""
        known = self.names
        return (delivery.outbox_id, delivery.key & NUMBER_MASK) in known or delivery.message.alias in known

    def forget(self, outbox_id: int, number: int, alias: str | None = None) -> list[str]:
        """Forget a task, which has ended; return the ids by which it was remembered."""
        found = []
        if self.names.pop((outbox_id, number), None) is not None:
            found.append(format_task_id(outbox_id, number))
        if alias is not None and self.names.pop(alias, None) is not None:
            found.append(alias)
        return found

    def list(self) -> dict[str, float]:
        """Return `{id: expires_at}`, oldest first."""
        return {
            name if isinstance(name, str) else format_task_id(*name): expires_at
            for name, expires_at in self.names.items()
        }

    def expire(self, now: float) -> None:
        """Forget what has been remembered long enough; the store does so by itself."""
        for name in [name for name, expires_at in self.names.items() if expires_at <= now]:
            del self.names[name]
