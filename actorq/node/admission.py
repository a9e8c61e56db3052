"""Whether a bounded queue takes more: the hub's side of its bound.

A sender ships tasks of a bounded queue from an outbox that carries nothing else (its HELLO says so). So a batch can be taken
up to the bound and refused from there on, and nothing of another queue waits behind it. What counts is what is ready to start:
not what is scheduled, nor what slots have. Tasks that come otherwise are taken beyond the bound: retries and what slots hand
back, moved and requeued ones, and those of senders that don't know of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from actorq.messages.wire import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actorq.config import Settings
    from actorq.messages.task import TaskMessage
    from actorq.node.desks import OutboxDesk
    from actorq.node.ledger import Ledger

__all__ = ["Admission"]

RETRY_S: Final = 0.1  # after which a sender tries again


class Admission:
    """Takes batches of bounded queues into the ledger, as far as there is room."""

    def __init__(self, ledger: Ledger, settings: Settings) -> None:
        self._ledger, self._settings = ledger, settings

    def take(self, desk: OutboxDesk, messages: Sequence[TaskMessage], now: float) -> Refused | None:
        """Take what there is room for; return what to tell the sender of the rest, None: there is none."""
        limit = self._settings.rule_of(desk.carries).max if desk.carries else None
        refused = None
        if limit is not None:
            room = max(0, limit - self._ledger.lanes.length(desk.carries))
            new = [message for message in messages if message.number > desk.taken]
            if len(new) > room:
                refused = Refused(new[room].number, "QueueFull", str(limit), RETRY_S, desk.carries)
                messages = new[:room]
        self._ledger.take(desk, messages, now)
        return refused
