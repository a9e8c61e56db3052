"""When the link ships what is in the outbox. Pure arithmetic; times are monotonic seconds.

One task goes at once. While it is on its way others wait for its confirmation, for company (256) or for a millisecond.
A loop of sends is different: each turn of the link takes the interpreter's lock from the thread that sends, which costs
that thread as much as some fifty sends. So while the loop goes on the link comes by less and less often, down to once
in 8 ms, unless somebody waits for something.
"""

from __future__ import annotations

from typing import Final

__all__ = ["Pace"]

FULL_BATCH: Final = 256
GATHER_S: Final = 0.001
LOOP_TASKS: Final = 16  # so many since the last frame are a loop of sends
LOOP_S: Final = (0.001, 0.008)
LOOP_BATCH: Final = 8_192  # a loop this fast doesn't wait for its time


class Pace:
    """`period_s` is 0 outside of a loop of sends."""

    __slots__ = ("_shipped_at", "_waiting_since", "is_urgent", "may_ship", "period_s")

    def __init__(self) -> None:
        self.period_s = 0.0
        self.is_urgent = False  # somebody waits
        self.may_ship = True  # a confirmation has come since the last frame
        self._shipped_at = self._waiting_since = 0.0

    def is_time(self, now: float, unsent: int, in_flight: int) -> bool:
        """Return whether to ship what is unsent now."""
        if self.period_s:
            if now - self._shipped_at >= self.period_s and unsent < LOOP_TASKS:
                self.period_s = 0.0  # the loop is over
            return unsent > 0 and (self.is_urgent or unsent >= LOOP_BATCH or now - self._shipped_at >= self.period_s)
        if not unsent:
            self._waiting_since = 0.0
            return False
        if self.is_urgent or not in_flight or self.may_ship or unsent >= FULL_BATCH:
            return True
        self._waiting_since = self._waiting_since or now
        return now - self._waiting_since >= GATHER_S

    def note_shipped(self, now: float, count: int) -> None:
        """Take note that `count` tasks were shipped."""
        shortest, longest = LOOP_S
        self.period_s = min(longest, max(shortest, self.period_s * 2)) if count >= LOOP_TASKS else 0.0
        self.is_urgent = self.may_ship = False
        self._shipped_at, self._waiting_since = now, 0.0

    def plan_wait(self, now: float) -> tuple[float, int] | None:
        """Return `(seconds, tasks)`: look again after that time, or when so many are unsent. None: at the first one."""
        if self.period_s:
            return max(0.0, self._shipped_at + self.period_s - now), LOOP_BATCH
        if self._waiting_since:
            return max(0.0, self._waiting_since + GATHER_S - now), FULL_BATCH
        return None
