"""Outboxes whose numbers the store is being asked for, and who waits for the answer. Used from the broker's loop only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from actorq.node.messages import Register

if TYPE_CHECKING:
    from collections.abc import Callable

    from actorq.actors import ActorRef, NameRef
    from actorq.node.broker import Broker
    from actorq.node.messages import Registered, RegisterRefused

__all__ = ["Registrations"]


@dataclass(frozen=True, slots=True)
class _Waiting:
    found: Callable[[Registered], None]
    refused: Callable[[str], None]


def _nothing(_: str) -> None:
    """Whoever asked tries again by itself."""


class Registrations:
    """Asks `store` on behalf of `me`, once for everybody who waits for the same outbox."""

    def __init__(self, store: NameRef, me: ActorRef[Broker]) -> None:
        self._store, self._me = store, me
        self._waiting: dict[int, list[_Waiting]] = {}

    def look_up(
        self, outbox_id: int, found: Callable[[Registered], None], refused: Callable[[str], None] = _nothing
    ) -> None:
        """Call `found` or `refused` when the store has answered.

        Asked of the store each time, also for a known one: it must not be taken for one that nobody needs any more.
        """
        waiting = self._waiting.setdefault(outbox_id, [])
        waiting.append(_Waiting(found, refused))
        if len(waiting) == 1:
            self._store.tell(Register(outbox_id, self._me))

    def registered(self, message: Registered) -> None:
        """Go on with whoever waits for this outbox's number."""
        for waiting in self._waiting.pop(message.outbox_id, ()):
            waiting.found(message)

    def refused(self, message: RegisterRefused) -> None:
        """Turn away who came with a new outbox; it comes again."""
        for waiting in self._waiting.pop(message.outbox_id, ()):
            waiting.refused(message.detail)
