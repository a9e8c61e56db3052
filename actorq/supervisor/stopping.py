"""In which order children are stopped, and how. Pure; supervisors apply it.

A static supervisor stops one after the other, the last one first (R18). A dynamic one stops all at once under one timer
(R22). Who is for brutal_kill is killed without being asked; who has seconds is asked, and killed when they are up; who has
infinity is asked and waited for (R19).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["ParallelStop", "StopStep", "plan_parallel_stop", "plan_stop", "plan_stop_all"]

K = TypeVar("K")


class StopStep(msgspec.Struct, frozen=True):
    """How to stop one child: `ask` it to end or kill it at once; kill it after `limit_s`, None: wait for ever."""

    ask: bool
    limit_s: float | None


class ParallelStop(msgspec.Struct, frozen=True):
    """How long all of them have together: `limit_s` from now; None: nobody has a limit. Later kill those of `limited`."""

    limit_s: float | None
    limited: frozenset[int]


def plan_stop(shutdown_s: float | None) -> StopStep:
    """Return the step for a child with that many seconds; 0 is brutal_kill, None infinity."""
    return StopStep(ask=shutdown_s != 0, limit_s=shutdown_s or None)


def plan_stop_all(order: Iterable[K]) -> list[K]:
    """Return children in the order in which they stop."""
    return list(order)[::-1]


def plan_parallel_stop(limits: Sequence[tuple[int, float | None]]) -> ParallelStop:
    """Return the shared deadline for (number, seconds) of children: the longest of their times."""
    timed = {number: limit_s for number, limit_s in limits if limit_s is not None}
    longest_s = max(timed.values(), default=0.0)
    return ParallelStop(longest_s or None, frozenset(timed))
