"""Drops what has expired: results after their time.

Light; permanent; one on the hub. Sweeps are idempotent and bounded; while there is a backlog the next one follows at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from actorq.actors import IGNORE, Actor
from actorq.log import get_logger
from actorq.node.messages import EngineCall

if TYPE_CHECKING:
    from actorq.actors import Ignored, NameRef, Outcome
    from actorq.node.hub_lock import HubLock

__all__ = ["Janitor"]

log = get_logger(__name__)

SWEEP_LIMIT: Final = 5_000  # results a sweep; bounds the length of one transaction
INTERVAL_S: Final = 5.0  # how much longer than it should a result may stay; a sweep that finds nothing costs 0.1 ms
STORE_DEADLINE_S: Final = 30.0


class _Sweep:
    """Timer: look for what has expired."""


class Janitor(Actor):
    """Sweeps every `INTERVAL_S`, sooner while there is a backlog."""

    def init(self, *, store: NameRef, lock: HubLock) -> Ignored | None:
        """Wait, then sweep."""
        if not lock.held:
            return IGNORE
        self.store = store
        self.timers.after(INTERVAL_S, _Sweep())
        return None

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
