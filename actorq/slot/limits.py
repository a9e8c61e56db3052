"""The soft time limit of a task: an exception inside it.

For plain functions an interval timer whose signal handler raises; task code owns the main thread, so that is where it
lands, between two bytecodes. A call into C that doesn't come back isn't interrupted: the hard limit, which the node
enforces by the deadline in the line, is for that. A coroutine is cancelled through its loop instead, because an exception
thrown into the middle of an event loop would leave the loop in pieces.

Invariant: the exception is raised only between `arm` and `disarm`, never into the slot's own bookkeeping.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from actorq.errors import SoftTimeLimitExceeded
from actorq.messages.task import FLAG_ACK_EARLY, FLAG_TRACK_STARTED

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Mapping

    from actorq.messages.task import Delivery

__all__ = ["KnownLimits", "Limits", "SoftLimit", "fill_limits", "run_limited"]

Limits: TypeAlias = tuple[float | None, float | None]
"""`(soft_s, hard_s)`; None: no such limit."""
NO_LIMITS: Final[Limits] = (None, None)


class LimitedTask(Protocol):
    """What is asked of a task here."""

    soft_time_limit: float | None
    time_limit: float | None
    acks_late: bool
    track_started: bool


def fill_limits(own: Limits | None, default: Limits) -> Limits:
    """Return a task's limits with its default ones for what it doesn't say; a soft one that could never strike is left out."""
    soft_s, hard_s = own or (None, None)
    if hard_s is None:
        hard_s = default[1]
    if soft_s is None and default[0] is not None and (hard_s is None or default[0] <= hard_s):
        soft_s = default[0]
    return soft_s, hard_s


class KnownLimits:
    """What the tasks of an application and its node say of limits, for messages whose senders didn't know.

    It also says of which tasks something is to be declared when they begin: `acks_late=False`, `track_started=True`.
    """

    def __init__(self, tasks: Mapping[str, LimitedTask], default: Limits | None) -> None:
        default = default or NO_LIMITS
        own = {name: (task.soft_time_limit, task.time_limit) for name, task in tasks.items()}
        self._by_task = {name: fill_limits(each, default) for name, each in own.items() if each != NO_LIMITS}
        self._default = default
        flags = {
            name: FLAG_ACK_EARLY * (not task.acks_late) | FLAG_TRACK_STARTED * task.track_started
            for name, task in tasks.items()
        }
        self._flags = {name: each for name, each in flags.items() if each}
        self._ordered: Mapping[str, Limits] = {}

    def with_orders(self, ordered: Mapping[str, Limits]) -> KnownLimits:
        """Return itself, from now on with these limits for these tasks, whatever their messages say."""
        self._ordered = ordered
        return self

    def __bool__(self) -> bool:
        return bool(self._by_task or self._flags) or self._default != NO_LIMITS

    def fill(self, deliveries: Iterable[Delivery]) -> None:
        """Complete the limits in these messages."""
        by_task, default, ordered = self._by_task, self._default, self._ordered
        for delivery in deliveries:
            message = delivery.message
            known = by_task.get(message.task, default)
            if known is not NO_LIMITS:
                message.limits = fill_limits(message.limits, known)
            if ordered and message.task in ordered:
                limits = ordered[message.task]
                message.limits = limits if limits != NO_LIMITS else None
            if message.task in self._flags:
                message.flags |= self._flags[message.task]
                message.limits = message.limits or NO_LIMITS  # not None: there is something to declare before it runs


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
