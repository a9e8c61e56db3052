"""When a task that puts itself back runs again: at once the first times, then after pauses that grow.

`Reject(requeue=True)` says "not now": there is something that the task waits for. Where others end meanwhile, it is behind
them and may try again at once; where it is alone it would run thousands of times a second for nothing.

Invariant: nothing is kept of a task that has ended, and nothing at all while no task puts itself back. It is memory only: a
new hub counts from the start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from actorq.messages.task import Delivery

__all__ = ["Requeues", "plan_requeue_pause"]

FREE_REQUEUES: Final = 3  # in a row that cost no pause
FIRST_PAUSE_S: Final = 0.02
LONGEST_PAUSE_S: Final = 10.0  # what a task waits at most after what it waited for is there


def plan_requeue_pause(requeues: int) -> float:
    """Return how many seconds a task waits that put itself back so many times in a row; it doubles each time."""
    paused = requeues - FREE_REQUEUES
    if paused <= 0:
        return 0.0
    return LONGEST_PAUSE_S if paused > 32 else min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (paused - 1))


class Requeues:
    """Who put itself back how often since another task of its lane ended; false while that is nobody."""

    __slots__ = ("_ended", "_in_a_row")

    def __init__(self) -> None:
        self._in_a_row: dict[int, tuple[int, int]] = {}  # key -> times, and how many of its lane had ended then
        self._ended: dict[
            tuple[str, int], int
        ] = {}  # queue and priority -> tasks ended since the first put itself back

    def __bool__(self) -> bool:
        return bool(self._in_a_row)

    def plan_pause(self, delivery: Delivery) -> float:
        """Count that this task puts itself back, and return how many seconds it is to wait."""
        message = delivery.message
        ended = self._ended.setdefault((message.queue, message.priority), 0)
        times, ended_then = self._in_a_row.get(delivery.key, (0, ended))
        times = times + 1 if ended == ended_then else 1
        self._in_a_row[delivery.key] = times, ended
        return plan_requeue_pause(times)

    def note_end(self, delivery: Delivery) -> None:
        """Take note that a task has ended, or has got on: it asked for a retry."""
        lane = delivery.message.queue, delivery.message.priority
        if lane in self._ended:
            self._ended[lane] += 1
        if self._in_a_row.pop(delivery.key, None) and not self._in_a_row:
            self._ended.clear()
