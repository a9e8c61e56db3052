"""Messages that come later, to the actor that ordered them.

A timer's message doesn't pass through the mailbox: a flooded actor still gets it, and a full mailbox can't lose it. A
timer ends with its actor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from actorq.actors.cell import Cell
    from actorq.actors.loop import Loop

__all__ = ["Timer", "Timers"]


class Timer:
    """One message at `due` (monotonic seconds), again every `interval_s` if there is one."""

    __slots__ = ("cell", "due", "interval_s", "message")

    def __init__(self, cell: Cell, due: float, interval_s: float | None, message: Any) -> None:
        self.cell: Cell | None = cell
        self.due, self.interval_s, self.message = due, interval_s, message
        cell.pending_timers[self] = None

    def cancel(self) -> None:
        """Make sure that the message doesn't come any more. Idempotent; only from the actor's own context."""
        cell = self.cell
        if cell is not None:
            self.expire()
            cell.loop.timer_cancelled()

    def expire(self) -> None:
        """Take note that nothing comes any more; what lies on in the loop's heap mustn't keep a dead actor."""
        cell, self.cell = self.cell, None
        self.message = None
        if cell is not None:
            cell.pending_timers.pop(self, None)

    @property
    def active(self) -> bool:
        """Return whether the message is still to come."""
        return self.cell is not None


class Timers:
    """What an actor sees as `self.timers`."""

    __slots__ = ("_cell",)

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    def after(self, delay_s: float, message: Any) -> Timer:
        """Send `message` to this actor once, `delay_s` seconds from now."""
        return self._add(delay_s, None, message)

    def every(self, interval_s: float, message: Any) -> Timer:
        """Send `message` every `interval_s` seconds; ticks that were missed are skipped, not made up for.

        Raises:
            ValueError: the interval isn't positive.
        """
        if interval_s <= 0:
            raise ValueError(f"expected interval_s to be positive, got {interval_s!r}")
        return self._add(interval_s, interval_s, message)

    def _add(self, delay_s: float, interval_s: float | None, message: Any) -> Timer:
        cell = self._cell
        loop: Loop = cell.own_loop("timers")
        timer = Timer(cell, loop.clock.monotonic() + max(0.0, delay_s), interval_s, message)
        loop.add_timer(timer)
        return timer
