"""The gateway's counter: what refs of this process hand over goes from here into the outbox of its node.

It encodes in the sender's thread, so a message that can't travel is the sender's error, at once, and nothing that is changed
afterwards is changed on its way. When its gateway ends it closes: what waits is answered, and whatever comes later is lost at
once with `noconnection`, until the next incarnation of the gateway puts a counter of its own in this one's place.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final

from actorq.actors.outcome import give_error
from actorq.errors import ActorDead, EncodeError, MailboxFull
from actorq.messages.reasons import NOCONNECTION
from actorq.transport import envelope
from actorq.transport.outbox import Letter, Outbox, Pending
from actorq.transport.stand_in import StandIn

if TYPE_CHECKING:
    from collections.abc import Callable

    from actorq.actors import RemoteRef, System
    from actorq.actors.cell import Cell
    from actorq.actors.loop import Loop
    from actorq.actors.outcome import ReplyTo
    from actorq.transport.outbox import Drained
    from actorq.transport.vocabulary import Vocabulary

__all__ = ["Post"]

MAX_NODES: Final = 1_000  # nodes that one process may have spoken to


class Post:
    """The `Carrier` of one life of a gateway. Any thread may use it."""

    def __init__(
        self, system: System, loop: Loop, vocabulary: Vocabulary, max_bytes: int, wake: Callable[[str], None]
    ) -> None:
        self.system, self.loop, self.vocabulary, self.max_bytes = system, loop, vocabulary, max_bytes
        self.outboxes: dict[str, Outbox] = {}
        self.closed = False
        self._wake = wake
        self._lock = threading.RLock()
        self._numbers = itertools.count(envelope.first_number())
        self._stand_ins: weakref.WeakValueDictionary[str, StandIn] = weakref.WeakValueDictionary()

    # -- what refs use; see `Carrier` ------------------------------------------------------------------------------------

    def tell(self, ref: RemoteRef, message: Any) -> None:
        """Send a message."""
        if ref.address.node == self.system.name:
            self.system.local_ref(ref.address, ref.wait_s).tell(message)
            return
        item = envelope.Tell(ref.text, self._encode(message), ref.wait_s)
        kind = type(message).__name__
        if not self.outbox(ref.address.node).put(Letter(item, len(item.body), kind)):
            self.system.dead_letters.add(ref.text, message, NOCONNECTION)

    def ask(self, ref: RemoteRef, message: Any, reply_to: ReplyTo, timeout_s: float) -> None:
        """Send a message that is answered to `reply_to`."""
        if ref.address.node == self.system.name:
            self.system.local_ref(ref.address, ref.wait_s).post(message, reply_to, timeout_s)
            return
        number = next(self._numbers)
        item = envelope.Ask(number, ref.text, self._encode(message), ref.wait_s)
        self._ask(ref, Letter(item, len(item.body), type(message).__name__), number, reply_to, timeout_s)

    def is_alive(self, ref: RemoteRef, reply_to: ReplyTo, timeout_s: float) -> None:
        """Ask whether somebody is there."""
        if ref.address.node == self.system.name:
            reply_to.set(self.system.local_ref(ref.address).is_alive())
            return
        number = next(self._numbers)
        self._ask(ref, Letter(envelope.Alive(number, ref.text)), number, reply_to, timeout_s)

    def stand_in(self, ref: RemoteRef) -> Cell:
        """Return who stands for the actor, the same one until its end."""
        if ref.address.node == self.system.name:
            return self.system.local_ref(ref.address).target()
        return self.stand_in_for(ref)

    def _ask(self, ref: RemoteRef, letter: Letter, number: int, reply_to: ReplyTo, timeout_s: float) -> None:
        deadline = self.system.clock.monotonic() + timeout_s
        pending = Pending(ref.text, reply_to, timeout_s, deadline)
        if not self.outbox(ref.address.node).put(letter, number, pending):
            give_error(reply_to, ActorDead(ref.text, NOCONNECTION))

    def _encode(self, message: Any) -> bytes:
        body = self.vocabulary.encode(message)
        if len(body) > self.max_bytes:
            raise EncodeError(
                f"expected a message of at most {self.max_bytes} bytes, got {type(message).__qualname__} with {len(body)}; "
                "send it in parts, or give both gateways a larger max_message_bytes"
            )
        return body

    # -- what the gateway uses -------------------------------------------------------------------------------------------

    def outbox(self, node: str) -> Outbox:
        """Return the outbox of a node; made at its first use."""
        found = self.outboxes.get(node)
        if found is not None:
            return found
        with self._lock:
            found = self.outboxes.get(node)
            if found is None:
                if len(self.outboxes) >= MAX_NODES:
                    raise MailboxFull("the gateway", MAX_NODES)
                found = self.outboxes[node] = Outbox(node, self._wake)
                found.closed = self.closed
        return found

    def stand_in_for(self, ref: RemoteRef) -> StandIn:
        """Return who stands for a remote actor."""
        with self._lock:
            found = self._stand_ins.get(ref.text)
            if found is None or found.is_dead:
                found = StandIn(self.system, self.loop, ref, self.outbox(ref.address.node))
                self._stand_ins[ref.text] = found
                if self.closed:
                    found.finish(NOCONNECTION)
        return found

    def close(self) -> None:
        """Answer everything, and be closed; in whichever thread ends the gateway."""
        with self._lock:
            self.closed = True
            outboxes, stand_ins = list(self.outboxes.values()), list(self._stand_ins.values())
        for outbox in outboxes:
            self.lose(outbox.drain(close=True))
        for stand_in in stand_ins:
            stand_in.finish(NOCONNECTION)

    def lose(self, drained: Drained) -> None:
        """Let everybody know who counted on what a lost node would have got."""
        letters, pending = drained
        self.lose_letters(letters)
        for each in pending:
            give_error(each.reply_to, ActorDead(each.label, NOCONNECTION))

    def lose_letters(self, letters: list[Letter]) -> None:
        """Count the messages among `letters` as dead, and drop the errands."""
        for letter in letters:
            content = letter.content
            if isinstance(content, envelope.Tell):
                self.system.dead_letters.add(content.target, None, NOCONNECTION, letter.message_type)
            elif hasattr(content, "lose"):
                content.lose()
