"""How often something that keeps happening is told. Pure; times are monotonic seconds.

The first time is told at once. While it goes on there is one line per `INTERVAL_S`, and each line says how many times it
stands for, so the counts of all lines add up to what happened until the last of them.
"""

from __future__ import annotations

from typing import Final

__all__ = ["Repeats"]

INTERVAL_S: Final = 10.0  # an operator who looks at the log sees it at once; a night of it is 3,000 lines and no more


class Repeats:
    """Counts one kind of event."""

    __slots__ = ("_told_at", "_untold")

    def __init__(self) -> None:
        self._untold = 0
        self._told_at: float | None = None

    def note(self, now: float) -> int:
        """Take note of one more; return for how many a line is due now, 0 for none."""
        self._untold += 1
        if self._told_at is not None and now - self._told_at < INTERVAL_S:
            return 0
        count, self._untold, self._told_at = self._untold, 0, now
        return count
