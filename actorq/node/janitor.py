"""Drops what has expired: results after their time, and tasks that nobody took in time.

Light; permanent; one on the hub. Sweeps are idempotent and bounded; while there is a backlog the next one follows at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from actorq.actors import IGNORE, Actor
from actorq.log import get_logger
from actorq.node.messages import EngineCall, TasksExpire, TasksExpired

if TYPE_CHECKING:
    from actorq.actors import Ignored, NameRef, Outcome, Timer
    from actorq.node.hub_lock import HubLock

__all__ = ["Janitor"]

log = get_logger(__name__)

SWEEP_LIMIT: Final = 5_000  # results a sweep; bounds the length of one transaction
INTERVAL_S: Final = 5.0  # how much longer than it should a result may stay; a sweep that finds nothing costs 0.1 ms
EXPIRED_LIMIT: Final = 1_000  # tasks at once: bounds the transaction in which they end
FIRST_LOOK_S: Final = 0.5  # by then the broker is open, and has heard what slots still run
RETRY_S: Final = 1.0
STORE_DEADLINE_S: Final = 30.0


class _Sweep:
    """Timer: look for what has expired."""


class _LookExpired:
    """Timer: a task expires now."""


class Janitor(Actor):
    """Sweeps results every `INTERVAL_S`, sooner while there is a backlog; looks for tasks when the next one expires."""

    def init(self, *, store: NameRef, lock: HubLock) -> Ignored | None:
        """Wait, then sweep."""
        if not lock.held:
            return IGNORE
        self.store = store
        self.timers.after(INTERVAL_S, _Sweep())
        self._timer: Timer | None = None
        self._look_at: float | None = None
        self._look_later(self.clock.now() + FIRST_LOOK_S)
        return None

    # -- tasks that wait longer than they may --------------------------------------------------------------------------

    def on_tasks_expire(self, message: TasksExpire) -> None:
        """Look earlier, if this is earlier."""
        if self._look_at is None or message.expires_at < self._look_at:
            self._look_later(message.expires_at)

    def on_look_expired(self, _: _LookExpired) -> None:
        """Ask what has expired."""
        self._look_at = None
        call = EngineCall("expired", (self.clock.now(), EXPIRED_LIMIT))
        self.ask_then(self.store, call, STORE_DEADLINE_S, self._told_expired)

    def _told_expired(self, outcome: Outcome) -> None:
        if not outcome.ok:
            log.warning("tasks_not_expired", why=str(outcome.error), retry_s=RETRY_S)
            self._look_later(self.clock.now() + RETRY_S)
            return
        keys, look_at = outcome.value
        if keys:
            self.system.ref("broker").tell(TasksExpired(keys))
        if look_at is not None and (self._look_at is None or look_at < self._look_at):
            self._look_later(look_at)

    def _look_later(self, look_at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._look_at = look_at
        # Wall clocks step: look again at least now and then.
        self._timer = self.timers.after(min(max(0.0, look_at - self.clock.now()), INTERVAL_S), _LookExpired())

    # -- results -------------------------------------------------------------------------------------------------------

    def on_sweep(self, _: _Sweep) -> None:
        """Have the store drop expired results."""
        call = EngineCall("prune", (self.clock.now(), SWEEP_LIMIT))
        self.ask_then(self.store, call, STORE_DEADLINE_S, self._swept)

    def _swept(self, outcome: Outcome) -> None:
        if not outcome.ok:
            log.warning("results_not_expired", why=str(outcome.error), retry_s=INTERVAL_S)
            self.timers.after(INTERVAL_S, _Sweep())
            return
        dropped = outcome.value
        if dropped:
            log.info("results_expired", count=dropped)
        # A full sweep means more are waiting: don't make them wait an interval.
        self.timers.after(0.0 if dropped >= SWEEP_LIMIT else INTERVAL_S, _Sweep())
