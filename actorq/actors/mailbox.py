"""The bounded queue in front of one actor; Pykka's `ActorInbox` in its outer form.

Invariant: an envelope that was put is handled, or answered with ActorDead or MailboxFull; it is never forgotten. The race
between asking "is it alive?" and putting is closed without a lock:

1. `put` appends, then looks at `closed`; if set, it empties the queue itself.
2. `close` sets `closed`, then empties the queue.

Whichever comes first, the other one sees it, and taking an envelope out is atomic, so each is answered exactly once.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, Literal

from pykka.messages import _ActorStop

from actorq.actors.outcome import give, give_error
from actorq.actors.signals import Invoke
from actorq.errors import ActorDead, MailboxFull

if TYPE_CHECKING:
    from pykka._envelope import Envelope

    from actorq.actors.cell import Cell
    from actorq.actors.loop import Loop

__all__ = ["DEFAULT_CAPACITY", "Mailbox", "OnFull"]

OnFull = Literal["reject", "drop_new", "drop_old"]
DEFAULT_CAPACITY: Final = 100_000


class Mailbox:
    """Any thread puts; only the owner's loop takes, except where `drop_old` makes room."""

    __slots__ = ("capacity", "cell", "closed", "dropped", "loop", "on_full", "queue", "rejected", "scheduled")

    cell: Cell
    loop: Loop

    def __init__(self) -> None:
        self.queue: deque[Envelope[Any]] = deque()
        self.closed = False
        self.scheduled = False  # whether the loop knows that something is here
        self.capacity = DEFAULT_CAPACITY
        self.on_full: OnFull = "reject"
        self.dropped = 0
        self.rejected = 0

    def attach(self, cell: Cell, loop: Loop, capacity: int, on_full: OnFull) -> None:
        """Give the mailbox its owner; before that nobody knows it."""
        self.cell, self.loop, self.capacity, self.on_full = cell, loop, capacity, on_full

    def put(self, envelope: Envelope[Any], /) -> None:
        """Add a message; from any thread.

        Raises:
            MailboxFull: the mailbox is at its capacity and says so to senders.
        """
        queue = self.queue
        if len(queue) >= self.capacity and not self._make_room(envelope):
            return
        try:
            queue.append(envelope)
        finally:  # a signal handler (KeyboardInterrupt) comes after a call: it must not leave a message that nobody knows
            if self.closed:
                self.fail_all()
            elif not self.scheduled:
                self.scheduled = True
                loop = self.loop
                loop.ready.append(self.cell)
                if loop.sleeping:
                    loop.wake()

    def put_unbounded(self, envelope: Envelope[Any]) -> None:
        """Add what the actor itself asked for (an answer); bounded by what it asked."""
        self.queue.append(envelope)
        if self.closed:
            self.fail_all()
        elif not self.scheduled:
            self.scheduled = True
            loop = self.loop
            loop.ready.append(self.cell)
            if loop.sleeping:
                loop.wake()

    def get(self) -> Envelope[Any]:
        """Refuse: the loop takes messages, nobody else does."""
        raise NotImplementedError("expected the loop to take messages out, got a call of get()")

    def empty(self) -> bool:
        """Return whether nothing waits."""
        return not self.queue

    def __len__(self) -> int:
        return len(self.queue)

    def close(self) -> None:
        """Take no more; answer what waits. Idempotent, from any thread."""
        self.closed = True
        self.fail_all()

    def fail_all(self) -> None:
        """Answer every waiting ask with ActorDead, count every waiting tell as a dead letter."""
        queue = self.queue
        while True:
            try:
                envelope = queue.popleft()
            except IndexError:
                return
            self.fail(envelope)

    def fail(self, envelope: Envelope[Any]) -> None:
        """Answer one message that nobody will handle."""
        cell = self.cell
        if isinstance(envelope.message, Invoke):
            return  # an answer to an ask of this actor; nobody misses it
        if envelope.reply_to is None:
            cell.system.dead_letters.add(cell.label, envelope.message, cell.reason)
        elif isinstance(envelope.message, _ActorStop):
            give(envelope.reply_to, None)  # as Pykka: it was being stopped, and now it is
        else:
            give_error(envelope.reply_to, ActorDead(cell.label, cell.reason))

    def _make_room(self, envelope: Envelope[Any]) -> bool:
        """Return whether `envelope` may be added to a full mailbox."""
        if self.closed:
            return True
        full = MailboxFull(self.cell.label, self.capacity)
        if self.on_full == "reject":
            self.rejected += 1
            raise full
        self.dropped += 1
        if self.on_full == "drop_new":
            _refuse(envelope, full)
            return False
        try:
            oldest = self.queue.popleft()
        except IndexError:
            return True
        _refuse(oldest, full)
        return True


def _refuse(envelope: Envelope[Any], error: MailboxFull) -> None:
    if envelope.reply_to is not None:
        give_error(envelope.reply_to, error)
