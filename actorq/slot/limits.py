"""The soft time limit of a task: an exception inside it.

For plain functions an interval timer whose signal handler raises; task code owns the main thread, so that is where it
lands, between two bytecodes. A call into C that doesn't come back isn't interrupted: the hard limit, which the node
enforces by the deadline in the line, is for that. A coroutine is cancelled through its loop instead, because an exception
thrown into the middle of an event loop would leave the loop in pieces.

Invariant: the exception is raised only between `arm` and `disarm`, never into the slot's own bookkeeping.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

from actorq.errors import SoftTimeLimitExceeded

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["SoftLimit", "run_limited"]


class SoftLimit:
    """The one timer of this process."""

    __slots__ = ("_is_armed", "_limit_s")

    def __init__(self) -> None:
        self._is_armed = False
        self._limit_s = 0.0

    def arm(self, limit_s: float) -> None:
        """Raise SoftTimeLimitExceeded in the main thread in `limit_s` seconds."""
        # Every time: a task before this one may have put its own handler there.
        signal.signal(signal.SIGALRM, self._strike)
        self._limit_s = limit_s
        self._is_armed = True
        signal.setitimer(signal.ITIMER_REAL, limit_s)

    def disarm(self) -> None:
        """Don't. A signal that is on its way already finds the limit disarmed."""
        self._is_armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _strike(self, _number: int, _frame: Any) -> None:
        if self._is_armed:
            self._is_armed = False
            raise SoftTimeLimitExceeded(self._limit_s)


async def run_limited(coroutine: Coroutine[Any, Any, Any], limit_s: float) -> Any:
    """Await it; where it takes longer it sees a CancelledError, and its caller SoftTimeLimitExceeded."""
    import asyncio  # noqa: PLC0415  runs inside of a loop: it is imported already

    timeout = asyncio.timeout(limit_s)
    try:
        async with timeout:
            return await coroutine
    except TimeoutError:
        if timeout.expired():
            raise SoftTimeLimitExceeded(limit_s) from None
        raise
