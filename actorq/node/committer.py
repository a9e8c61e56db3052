"""When what happened is written down: seals the ledger's batches and hands them to the store, one at a time.

While one transaction is being written the next one gathers, so batches grow with the load by themselves. `pacing` decides
whether to wait a moment. Used from the broker's loop only.

Invariant: at most one transaction is on its way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from actorq.actors.signals import Invoke
from actorq.log import get_logger
from actorq.node.messages import Commit, CommitRefused, Committed
from actorq.node.pacing import plan_pause

if TYPE_CHECKING:
    from collections.abc import Callable

    from actorq.actors import Actor, NameRef
    from actorq.actors.timers import Timer
    from actorq.engine.protocol import Receipt
    from actorq.node.batch import Sealed
    from actorq.node.burials import Burials
    from actorq.node.ledger import Ledger

__all__ = ["FULL_RETRY_S", "Committer"]

log = get_logger(__name__)

FULL_RETRY_S: Final = 1.0


class Committer:
    """Writes for the actor `owner`, to whom the store answers; `on_safe` is told of each transaction."""

    def __init__(
        self, owner: Actor, ledger: Ledger, store: NameRef, burials: Burials, on_safe: Callable[[Sealed, Receipt], None]
    ) -> None:
        self._timers, self._clock, self._me = owner.timers, owner.clock, owner.self_ref
        self._ledger, self._store, self._burials, self._on_safe = ledger, store, burials, on_safe
        self._is_writing = False
        self._last_operations = 0
        self._last_commit_at = 0.0
        self._pending_since: float | None = None
        self._timer: Timer | None = None
        self._full_since: float | None = None
        self._waiting: list[Callable[[], object]] = []  # for what isn't sealed yet
        self._sealed_for: list[Callable[[], object]] = []

    def when_written(self, then: Callable[[], object]) -> None:
        """Call `then` when everything that has happened until now was written, or the disk is full."""
        self._waiting.append(then)

    @property
    def is_full(self) -> bool:
        """Whether the last transaction found no room."""
        return self._full_since is not None

    def look(self) -> None:
        """Hand over to the store what waits, now or after the pause that `pacing` finds right."""
        if self._is_writing:
            return
        pending = self._ledger.operations
        if pending and self._has_to_wait(pending):
            return
        sealed = self._ledger.seal()
        self._burials.seal()
        self._sealed_for, self._waiting = self._waiting, []
        if sealed is None:
            self._burials.committed()
            self._tell_written()
            return
        self._pending_since = None
        self._is_writing = True
        self._last_operations = sealed.operations
        self._store.tell(Commit(sealed, self._me))

    def _has_to_wait(self, pending: int) -> bool:
        now = self._clock.monotonic()
        if self._pending_since is None:
            self._pending_since = now
        pause_s = plan_pause(
            pending,
            last=self._last_operations,
            since_commit_s=now - self._last_commit_at,
            waited_s=now - self._pending_since,
            all_out=self._ledger.is_all_out,
        )
        if not pause_s:
            return False
        if self._timer is None:
            self._timer = self._timers.after(pause_s, Invoke(self._pause_over))
        return True

    def _pause_over(self) -> None:
        self._timer = None  # the owner's `on_drained` follows, and with it a look

    def committed(self, message: Committed) -> None:
        """Go on after a transaction that is safe."""
        self._full_since = None
        self._is_writing = False
        self._finish(message.sealed, message.receipt)

    def refused(self, message: CommitRefused) -> None:
        """No room: what ended is safe, new tasks stay in memory and in their outboxes until there is room again."""
        if self._full_since is None:
            self._full_since = self._clock.monotonic()
            log.error("store_full", detail=message.detail)
        self._ledger.unseal_puts(message.sealed)
        self._finish(message.sealed, message.receipt)
        # Until then `_is_writing` stays: to try at once would spin.
        self._timers.after(FULL_RETRY_S, Invoke(self._retry))

    def _retry(self) -> None:
        self._is_writing = False

    def _finish(self, sealed: Sealed, receipt: Receipt) -> None:
        self._last_commit_at = self._clock.monotonic()
        self._ledger.committed(sealed, receipt)
        if receipt.refused:
            strange = [key for key in receipt.refused if not self._ledger.cancellations.is_settling(key)]
            if strange:
                log.warning("settlements_refused", count=len(strange))
        self._on_safe(sealed, receipt)
        self._burials.committed()
        self._tell_written()

    def _tell_written(self) -> None:
        waiting, self._sealed_for = self._sealed_for, []
        for then in waiting:
            then()
