"""What an earlier hub gave out without ever writing it down: tasks that ran, or run, before their sender sends them again.

A task is dispatched before it is committed. If the hub dies in between, its sender still has it in an outbox, and a slot
may have it, too: finished (then there is an early report in its line) or running. Both wait here until the task arrives
a second time, so that it isn't given out a second time.

Invariant: a key is here only while the store hasn't heard of its task.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actorq.messages.task import Report
    from actorq.node.desks import SlotDesk

__all__ = ["Legacy"]


class Legacy:
    """Early reports, and adopted runs; false when there are neither."""

    __slots__ = ("_reports", "_running")

    def __init__(self) -> None:
        self._reports: dict[int, Report] = {}
        self._running: dict[int, tuple[SlotDesk, int]] = {}  # key -> who runs it, under which token

    def __bool__(self) -> bool:
        return bool(self._reports or self._running)

    @property
    def has_reports(self) -> bool:
        """Whether there are reports that nothing but memory and their lines knows."""
        return bool(self._reports)

    def add_report(self, report: Report) -> None:
        """Keep the end of a task that will be sent again."""
        self._reports[report.key] = report

    def add_running(self, key: int, slot: SlotDesk, token: int) -> None:
        """Leave with a living slot a task that will be sent again."""
        self._running[key] = (slot, token)

    def take_report(self, key: int) -> Report | None:
        """Return the report of a task that has been sent again, once."""
        return self._reports.pop(key, None)

    def take_running(self, key: int) -> tuple[SlotDesk, int] | None:
        """Return who runs a task that has been sent again, and under which token, once."""
        return self._running.pop(key, None)

    def settle(self, slot: SlotDesk, reports: Iterable[Report]) -> None:
        """Turn runs of this slot that have ended into early reports."""
        for report in reports:
            if self._running.get(report.key) == (slot, report.token):
                del self._running[report.key]
                self._reports[report.key] = report

    def lose(self, slot: SlotDesk) -> None:
        """Forget what a dead slot was running: that it is sent again will be a new delivery."""
        for key in [key for key, (holder, _) in self._running.items() if holder is slot]:
            del self._running[key]
