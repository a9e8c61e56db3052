"""Messages that found nobody: counted, and the last ones kept in view by their type, never by their content."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from actorq.clock import Clock

__all__ = ["DeadLetter", "DeadLetters"]

KEPT: Final = 64


class DeadLetter(msgspec.Struct, frozen=True):
    """A message of type `message_type` for `target` was lost because of `reason` at `lost_at` (Unix seconds)."""

    target: str
    message_type: str
    reason: str
    lost_at: float


class DeadLetters:
    """Counts from any thread; a lost count under contention is worth less than a lock on the way of every message."""

    __slots__ = ("_clock", "_last", "by_reason", "count")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last: deque[DeadLetter] = deque(maxlen=KEPT)
        self.count = 0
        self.by_reason: dict[str, int] = {}  # kind of reason ("noproc", "killed", "crashed", "full", …) -> messages

    def add(self, target: str, message: object, reason: object, message_type: str = "") -> None:
        """Take note of one lost message; `message_type` speaks for one that isn't at hand any more."""
        self.count += 1
        kind = reason if isinstance(reason, str) else type(reason).__name__.lower()
        self.by_reason[kind] = self.by_reason.get(kind, 0) + 1
        self._last.append(DeadLetter(target, message_type or type(message).__name__, str(reason), self._clock.now()))

    def last(self) -> list[DeadLetter]:
        """Return the last ones, oldest first."""
        return list(self._last)
