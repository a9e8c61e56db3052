"""Timers on a wheel: tasks for later are woken at the next tick after their time, so that one look serves many of them.

Takes the place of the built-in `timers`. Light; permanent; on the hub only, because it requires the store. Invariant: while
the store has a task for later, either a tick is due or the store is being asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actorq.actors import Actor
from actorq.log import get_logger
from actorq.node.messages import EngineCall, TasksDue, Woken

if TYPE_CHECKING:
    from actorq.actors import NameRef, Outcome, Timer

__all__ = ["WheelTimers"]

WAKE_LIMIT = 2_000  # tasks at once: bounds the length of one transaction
LONGEST_NAP_S = 60.0  # wall clocks step: look again at least this often
STORE_DEADLINE_S = 30.0

log = get_logger(__name__)


class _Tick:
    """Timer: the wheel has come round to something."""


class WheelTimers(Actor):
    """Sleeps until the tick after the next due time, then has the store make those tasks ready."""

    def init(self, *, store: NameRef, broker: NameRef, tick_s: float) -> None:
        """Ask the store what is due first."""
        self.store, self.broker, self.tick_s = store, broker, tick_s
        self.ticks = 0
        self._timer: Timer | None = None
        self._next_due_at: float | None = None
        self._look()

    def on_tasks_due(self, message: TasksDue) -> None:
        """Wake earlier, if this is earlier."""
        if self._next_due_at is None or message.next_due_at < self._next_due_at:
            self._sleep_until(message.next_due_at)

    def on_tick(self, _: _Tick) -> None:
        """Make due tasks ready."""
        self.ticks += 1
        self._look()

    def _look(self) -> None:
        self.ask_then(
            self.store, EngineCall("wake_due", (self.clock.now(), WAKE_LIMIT)), STORE_DEADLINE_S, self._looked
        )

    def _looked(self, outcome: Outcome) -> None:
        queues, next_due_at = outcome.get()  # an error ends this actor; its supervisor starts it anew
        if queues:
            log.info("tasks_woken", queues=queues)
            self.broker.tell(Woken(queues))
        self._sleep_until(next_due_at)

    def _sleep_until(self, due_at: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._next_due_at = due_at
        if due_at is not None:
            now = self.clock.now()
            # Never before the time: the tick that it falls on has passed by then.
            tick_at = max(now, (due_at // self.tick_s + 1) * self.tick_s)
            self._timer = self.timers.after(min(tick_at - now, LONGEST_NAP_S), _Tick())

    def describe(self) -> dict[str, object]:
        """Return what `actorq tree` shows."""
        return {"ticks": getattr(self, "ticks", 0), "next_due_at": getattr(self, "_next_due_at", None)}
