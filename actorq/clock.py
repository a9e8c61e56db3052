"""Where time comes from.

Wall time (`now`, Unix seconds) is for what people and other machines agree on: eta, expiry, schedules, result expiry.
Monotonic time (`monotonic`, seconds since an arbitrary point) is for what must not jump: leases, back-off, deadlines.
Whoever needs time takes a `Clock`, so tests can hand in `actorq.testing.FakeClock`.
"""

from __future__ import annotations

import time
from typing import Final, Protocol

__all__ = ["SYSTEM_CLOCK", "Clock", "SystemClock"]


class Clock(Protocol):
    """Two readings of time; both in seconds as float."""

    def now(self) -> float:
        """Wall time in Unix seconds; may step in either direction."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go backwards; only differences mean anything."""
        ...


class SystemClock:
    """The machine's own clocks."""

    __slots__ = ()

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)


SYSTEM_CLOCK: Final = SystemClock()
