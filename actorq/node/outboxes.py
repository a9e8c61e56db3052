"""Takes over outboxes whose process is gone, so that what a killed caller had sent still runs.

Light; permanent; one on the hub; requires the broker. An outbox file is locked by its owner for life: a free lock means
that nobody will ship the rest. It is read in pieces, each handed to the broker and confirmed before the next; the file
goes when everything in it is in the store. A second look at the same file is harmless: the store knows how far it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from actorq.actors import IGNORE, Actor
from actorq.client.orphans import find_orphans
from actorq.log import get_logger
from actorq.node.messages import OrphanSafe, OrphanTasks, OutboxLeft

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actorq.actors import Ignored, NameRef
    from actorq.client.orphans import OrphanOutbox
    from actorq.messages.task import TaskMessage
    from actorq.node.hub_lock import HubLock
    from actorq.transport.paths import Home

__all__ = ["Outboxes"]

log = get_logger(__name__)

PIECE_TASKS: Final = 2_000  # read and handed over at once: some 10 ms of this loop
SWEEP_S: Final = 5.0  # a caller that died before it ever connected is noticed by looking
RETRY_S: Final = 2.0  # the store was full, or the broker is new


class _Sweep:
    """Timer: look for outboxes without an owner."""


@dataclass(frozen=True, slots=True)
class _Again:
    """Timer: nothing was confirmed since."""

    outbox_id: int
    number: int


@dataclass(slots=True)
class _Takeover:
    orphan: OrphanOutbox
    chunks: Iterator[list[TaskMessage]]
    sent: list[TaskMessage]
    count: int = 0


class Outboxes(Actor):
    """Empties the outboxes of dead callers into the broker."""

    def init(self, *, broker: NameRef, home: Home, lock: HubLock) -> Ignored | None:
        """Look at once: tasks may have been sent while no node ran."""
        if not lock.held:
            return IGNORE
        self.broker, self.home = broker, home
        self._takeovers: dict[int, _Takeover] = {}
        self._look()
        self.timers.every(SWEEP_S, _Sweep())
        return None

    def terminate(self, reason: object) -> None:
        """Give the locks back; whoever comes next starts over."""
        for takeover in getattr(self, "_takeovers", {}).values():
            takeover.orphan.close()

    def on_sweep(self, _: _Sweep) -> None:
        """Look for outboxes without an owner."""
        self._look()

    def on_outbox_left(self, _: OutboxLeft) -> None:
        """A caller's process ended: look now."""
        self._look()

    def _look(self) -> None:
        for orphan in find_orphans(self.home):
            if orphan.outbox_id in self._takeovers:
                orphan.close()
                continue
            takeover = _Takeover(orphan, orphan.chunks(limit=PIECE_TASKS), [])
            self._takeovers[orphan.outbox_id] = takeover
            self._hand_over(takeover)

    def _hand_over(self, takeover: _Takeover) -> None:
        piece = next(takeover.chunks, [])
        outbox_id = takeover.orphan.outbox_id
        if not piece:
            takeover.orphan.remove()
            del self._takeovers[outbox_id]
            log.info("outbox_emptied", outbox=f"{outbox_id:016x}", tasks=takeover.count)
            return
        takeover.sent = piece
        self._send(outbox_id, takeover)

    def _send(self, outbox_id: int, takeover: _Takeover) -> None:
        self.broker.tell(OrphanTasks(outbox_id, takeover.sent, self.self_ref))
        self.timers.after(RETRY_S, _Again(outbox_id, takeover.sent[-1].number))

    def on_orphan_safe(self, message: OrphanSafe) -> None:
        """Go on with the next piece once this one is in the store."""
        takeover = self._takeovers.get(message.outbox_id)
        if takeover is not None and takeover.sent and message.number >= takeover.sent[-1].number:
            takeover.count += len(takeover.sent)
            takeover.sent = []
            self._hand_over(takeover)

    def on_again(self, message: _Again) -> None:
        """Send a piece again that nobody confirmed; the broker passes over what it has."""
        takeover = self._takeovers.get(message.outbox_id)
        if takeover is not None and takeover.sent and takeover.sent[-1].number == message.number:
            self._send(message.outbox_id, takeover)

    def describe(self) -> dict[str, object]:
        """Return what the tree shows."""
        return {"emptying": len(getattr(self, "_takeovers", ()))}
