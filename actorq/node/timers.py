"""Wakes tasks whose time has come: eta, countdown, retries.

Light; permanent; one on the hub. The store keeps every due time; here is only the next one. So a million tasks for
tomorrow cost nothing today, and a task for later is never in a slot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from actorq.actors import IGNORE, Actor
from actorq.log import get_logger
from actorq.node.messages import EngineCall, TasksDue, Woken

if TYPE_CHECKING:
    from actorq.actors import Ignored, NameRef, Outcome, Timer
    from actorq.node.hub_lock import HubLock

__all__ = ["Timers"]

log = get_logger(__name__)

WAKE_LIMIT: Final = 2_000  # tasks at once: bounds the length of one transaction
LONGEST_NAP_S: Final = 60.0  # wall clocks step: look again at least this often
STORE_DEADLINE_S: Final = 30.0
RETRY_S: Final = 1.0  # the disk is full, or the store just ended and this actor will, too


class _Wake:
    """Timer: something is due."""


class Timers(Actor):
    """Sleeps until the next due time, then has the store make those tasks ready."""

    def init(self, *, store: NameRef, broker: NameRef, lock: HubLock) -> Ignored | None:
        """Ask the store what is due first."""
        if not lock.held:
            return IGNORE
        self.store, self.broker = store, broker
        self._timer: Timer | None = None
        self._next_due_at: float | None = None
        self._wake()
        return None

    def on_tasks_due(self, message: TasksDue) -> None:
        """Wake earlier, if this is earlier."""
        if self._next_due_at is None or message.next_due_at < self._next_due_at:
            self._sleep_until(message.next_due_at)

    def on_wake(self, _: _Wake) -> None:
        """Make due tasks ready."""
        self._wake()

    def _wake(self) -> None:
        call = EngineCall("wake_due", (self.clock.now(), WAKE_LIMIT))
        self.ask_then(self.store, call, STORE_DEADLINE_S, self._woken)

    def _woken(self, outcome: Outcome) -> None:
        if not outcome.ok:
            log.warning("tasks_not_woken", why=str(outcome.error), retry_s=RETRY_S)
            self._timer = self.timers.after(RETRY_S, _Wake())
            return
        queues, next_due_at = outcome.value
        if queues:
            self.broker.tell(Woken(queues))
        self._sleep_until(next_due_at)

    def _sleep_until(self, due_at: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._next_due_at = due_at
        if due_at is not None:
            delay_s = min(max(0.0, due_at - self.clock.now()), LONGEST_NAP_S)
            self._timer = self.timers.after(delay_s, _Wake())

    def describe(self) -> dict[str, object]:
        """Return what the tree shows."""
        return {"next_due_at": getattr(self, "_next_due_at", None)}
