"""Who waits for an answer of an actor: the asker of the message in hand, those put off, those who wait for its end.

Invariant: at any moment an asker is in exactly one place where the end of the actor finds it. Everything here runs in the
actor's loop except `answer_all`, which a kill calls from any thread; the state is DEAD before it looks. So whoever moves
an asker does it in this order, and none is lost between two places:

1. put it into the new place, 2. take it out of the old one, 3. look whether the actor is dead by now, and if so answer.

Answering twice is harmless: the first answer counts (`outcome.give`).
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from actorq.actors.fates import Fates
from actorq.actors.outcome import Reply, give, give_error
from actorq.errors import ActorDead, Exit

if TYPE_CHECKING:
    from actorq.actors.mailbox import Mailbox
    from actorq.actors.outcome import ReplyTo
    from actorq.messages.reasons import ExitReason

__all__ = ["Answers"]


class Answers(Fates):
    """The side of a `Cell` that owes answers."""

    __slots__ = ("_stopped", "asking", "deferred", "stop_replies")

    # What a cell brings along.
    label: str
    mailbox: Mailbox

    def __init__(self) -> None:
        super().__init__()
        self.asking: ReplyTo | None = None  # who waits for the message that is being handled
        self.deferred: dict[Reply, ReplyTo] = {}
        self.stop_replies: tuple[ReplyTo, ...] = ()
        self._stopped: threading.Event | None = None  # made for whoever asks

    def take_reply(self) -> Reply:
        """Return the asker of the message in hand, to be answered later."""
        asking = self.asking
        reply = Reply(self, asking)
        if asking is not None:
            self.deferred[reply] = asking
            self.asking = None
        if self.is_dead:
            self.answer_all(self.reason)
            raise Exit(self.reason)
        return reply

    def wait_for_end(self) -> None:
        """Let the asker of the message in hand wait until the actor is gone."""
        asking = self.asking
        if asking is not None:
            self.stop_replies = (*self.stop_replies, asking)
            self.asking = None
        if self.is_dead:
            self.answer_all(self.reason)

    def stopped(self) -> threading.Event:
        """Return an event that is set when this incarnation has ended."""
        with self.system.lock:
            if self._stopped is None:
                self._stopped = threading.Event()
                if self.is_dead:
                    self._stopped.set()
            return self._stopped

    def answer_all(self, reason: ExitReason) -> None:
        """Let nobody wait for this actor, which is dead. Idempotent, from any thread."""
        self.mailbox.close()
        asking, self.asking = self.asking, None
        if asking is not None:
            give_error(asking, ActorDead(self.label, reason))
        if self.deferred:
            for reply_to in list(self.deferred.values()):
                give_error(reply_to, ActorDead(self.label, reason))
            self.deferred.clear()
        if self._stopped is not None:
            self._stopped.set()
        if self.stop_replies:
            waiting, self.stop_replies = self.stop_replies, ()
            for reply_to in waiting:
                give(reply_to, None)
