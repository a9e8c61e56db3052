"""What orders have changed of a node since its start.

One value for the process: it outlives every actor that reads it, so a restarted one goes on with what was ordered. A restarted
node begins with its settings again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from actorq.messages.queues import QueueChoice
from actorq.messages.wire import Steer

if TYPE_CHECKING:
    from actorq.slot.limits import Limits
    from actorq.slot.orders import AppInfo

__all__ = ["LiveSettings", "add_queue", "cancel_queue"]


@dataclass(slots=True)
class LiveSettings:
    """`limits` are `dict[task, (soft_s, hard_s)]`, `rates` `dict[task, rate]`; `places` those of the pool.

    `info` is what is known of the application since it was imported anew; None: what was known at the start.
    """

    places: list[int]
    takes: QueueChoice | None = None
    limits: dict[str, Limits] = field(default_factory=dict)
    rates: dict[str, str | float | None] = field(default_factory=dict)
    info: AppInfo | None = None
    is_steered: bool = False  # whether slots have to be told anything

    def steer(self) -> Steer:
        """Return what slots have to be told."""
        return Steer(self.takes, self.limits)


def add_queue(takes: QueueChoice | None, queue: str) -> QueueChoice | None:
    """Return the choice with one queue more."""
    if takes is None or takes.takes(queue):
        return takes
    if takes.only:
        return QueueChoice((*takes.only, queue))
    but = tuple(each for each in takes.but if each != queue)
    return QueueChoice(but=but) if but else None


def cancel_queue(takes: QueueChoice | None, queue: str) -> QueueChoice:
    """Return the choice with one queue less.

    Raises:
        ValueError: nothing would be left.
    """
    if takes is None or not takes.only:
        but = takes.but if takes is not None else ()
        return QueueChoice(but=tuple(dict.fromkeys((*but, queue))))
    only = tuple(each for each in takes.only if each != queue)
    if not only:
        raise ValueError(f"expected a queue to be left, got {queue!r}, which is the only one; pool_shrink ends slots")
    return QueueChoice(only)
