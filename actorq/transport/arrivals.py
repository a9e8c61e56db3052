"""What is done with what comes from another node.

The receiver decides: a message it can't or won't read is refused, to the asker with one clear error, as a dead letter where
nobody asked. That is an everyday thing and harms nobody. Items that a gateway would never send are something else: they end
the conversation (`DecodeError`), never the gateway.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from pykka._envelope import Envelope

from actorq.actors.outcome import give, give_error
from actorq.actors.remote import RemoteRef
from actorq.codec import decode_failure, encode_failure
from actorq.errors import ActorDead, DecodeError, EncodeError, MailboxFull, RemoteError
from actorq.log import get_logger
from actorq.messages.address import Address
from actorq.messages.reasons import NOPROC, ExitReason, as_reason
from actorq.transport import envelope
from actorq.transport.outbox import Letter
from actorq.transport.stand_in import News, incarnation_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from actorq.actors import System
    from actorq.actors.cell import Cell
    from actorq.transport.peer import Peer
    from actorq.transport.post import Post
    from actorq.transport.stand_in import StandIn

__all__ = ["Arrivals"]

log = get_logger(__name__)

MAX_SERVED: Final = 100_000  # actors here that one node may watch
LONGEST_WAIT_S: Final = 60.0  # that a message from elsewhere may wait for a name
FIRST_WARNINGS: Final = 3  # refusals of one node that are logged one by one; later ones are counted

parse: Final = lru_cache(4096)(Address.parse)


class Arrivals:
    """Handles items in the gateway's loop."""

    def __init__(self, system: System, post: Post) -> None:
        self._system, self._post = system, post
        self.refused: dict[str, int] = {}  # node -> messages that weren't read
        self._handlers: dict[type, Callable[[Peer, Any], None]] = {
            envelope.Tell: self._tell,
            envelope.Ask: self._ask,
            envelope.Alive: self._alive,
            envelope.Answer: self._answer,
            envelope.Failure: self._failure,
            envelope.Dead: self._dead,
            envelope.Watch: self._watch,
            envelope.Watched: self._watched,
            envelope.Unwatch: lambda peer, item: peer.unserve(item.key),
            envelope.Down: self._down,
            envelope.Link: self._link,
            envelope.Unlink: self._unlink,
            envelope.Exit: self._exit,
        }

    def handle(self, peer: Peer, item: envelope.Item) -> None:
        """Do what an item says.

        Raises:
            DecodeError: no gateway would say that.
        """
        try:
            self._handlers[type(item)](peer, item)
        except ValueError as error:  # an address that isn't one
            raise DecodeError(str(error)) from error

    # -- messages --------------------------------------------------------------------------------------------------------

    def _tell(self, peer: Peer, item: envelope.Tell) -> None:
        address = parse(item.target)
        dead_letters = self._system.dead_letters
        try:
            message = self._post.vocabulary.decode(item.body)
        except DecodeError as error:
            self._refuse(peer, item.target, error)
            dead_letters.add(item.target, None, "refused", "a message that was refused")
            return
        try:
            if item.wait_s > 0 and address.is_name and address.node == self._system.name:
                self._system.held.post(address.path, message, None, min(item.wait_s, LONGEST_WAIT_S))
                return
            cell = self._find(address)
            if cell is None:
                dead_letters.add(item.target, message, NOPROC)
            else:
                cell.mailbox.put(Envelope(message))
        except MailboxFull:
            dead_letters.add(item.target, message, "full")

    def _ask(self, peer: Peer, item: envelope.Ask) -> None:
        reply_to = _WireReply(peer, self._post, item.number)
        address = parse(item.target)
        try:
            message = self._post.vocabulary.decode(item.body)
            if item.wait_s > 0 and address.is_name and address.node == self._system.name:
                self._system.held.post(address.path, message, reply_to, min(item.wait_s, LONGEST_WAIT_S))
                return
            cell = self._find(address)
            if cell is None:
                give_error(reply_to, ActorDead(item.target, NOPROC))
            else:
                cell.mailbox.put(Envelope(message, reply_to))  # type: ignore[arg-type]
        except MailboxFull as error:
            give_error(reply_to, error)
        except DecodeError as error:
            self._refuse(peer, item.target, error)
            give_error(reply_to, error)

    def _alive(self, peer: Peer, item: envelope.Alive) -> None:
        _WireReply(peer, self._post, item.number).set(self._find(parse(item.target)) is not None)

    def _refuse(self, peer: Peer, target: str, error: DecodeError) -> None:
        count = self.refused[peer.node] = self.refused.get(peer.node, 0) + 1
        if count <= FIRST_WARNINGS:
            log.warning("message_refused", peer=peer.node, target=target, why=str(error), count=count)

    def _find(self, address: Address) -> Cell | None:
        """Return the living actor at an address of this node."""
        system = self._system
        if address.node != system.name:
            return None
        cell = system.find_named(address.path) if address.is_name else system.find_incarnation(address)
        return None if cell is None or cell.is_dead else cell

    # -- answers ---------------------------------------------------------------------------------------------------------

    def _answer(self, peer: Peer, item: envelope.Answer) -> None:
        pending = peer.outbox.answered(item.number)
        if pending is None:  # it came too late, and was told so
            return
        try:
            value = self._post.vocabulary.decode(item.body)
        except DecodeError as error:
            self._refuse(peer, pending.label, error)
            give_error(pending.reply_to, error)
        else:
            give(pending.reply_to, value)

    def _failure(self, peer: Peer, item: envelope.Failure) -> None:
        pending = peer.outbox.answered(item.number)
        try:
            error, traceback = decode_failure(item.failure)
        except DecodeError as unreadable:
            if pending is not None:
                give_error(pending.reply_to, unreadable)
            raise
        if pending is not None:
            if traceback and not isinstance(error, RemoteError):
                error.add_note(f"on node {peer.node}:\n{traceback}")
            give_error(pending.reply_to, error)

    def _dead(self, peer: Peer, item: envelope.Dead) -> None:
        pending = peer.outbox.answered(item.number)
        if pending is not None:
            give_error(pending.reply_to, ActorDead(pending.label, item.reason))

    # -- fates -----------------------------------------------------------------------------------------------------------

    def _watch(self, peer: Peer, item: envelope.Watch) -> None:
        if item.key <= 0 or item.key in peer.served or len(peer.served) >= MAX_SERVED:
            raise DecodeError(f"expected a watch with a new key, got {item.key}")
        address = parse(item.target)
        cell = self._find(address)
        if cell is None:
            peer.outbox.put_always(Letter(envelope.Down(item.key, NOPROC)))
            return
        if address.is_name:
            peer.outbox.put_always(Letter(envelope.Watched(item.key, incarnation_of(cell))))
        peer.served[item.key] = (cell, cell.watch(News(peer.outbox, item.key)))

    def _watched(self, peer: Peer, item: envelope.Watched) -> None:
        stand_in = peer.keys.get(item.key)
        if stand_in is not None:
            stand_in.incarnation = item.address

    def _down(self, peer: Peer, item: envelope.Down) -> None:
        stand_in = peer.keys.get(item.key)
        if stand_in is not None:
            others = [envelope.Unwatch(key) for key in peer.release(stand_in) if key != item.key]
            for each in others:
                peer.outbox.put_always(Letter(each))
            stand_in.finish(item.reason)

    def _link(self, peer: Peer, item: envelope.Link) -> None:
        source = self._source(peer, item.source)
        if item.offer >= 0 or item.offer in peer.keys:
            raise DecodeError(f"expected a link with a new offer, got {item.offer}")
        cell, _ = peer.served.get(item.key, (None, 0))
        if cell is None or source.is_dead or not source.tie(cell):
            peer.outbox.put_always(Letter(envelope.Unwatch(item.offer)))  # its end is on its way to them
            return
        peer.adopt(source, item.offer)

    def _unlink(self, peer: Peer, item: envelope.Unlink) -> None:
        cell, _ = peer.served.get(item.key, (None, 0))
        if cell is not None:
            for stand_in in {*peer.keys.values()}:
                if stand_in.incarnation == item.source:
                    stand_in.untie(cell)

    def _exit(self, peer: Peer, item: envelope.Exit) -> None:
        source = self._source(peer, item.source)
        cell = self._find(parse(item.target))
        if cell is not None:
            cell.exit(source, item.reason)

    def _source(self, peer: Peer, text: str) -> StandIn:
        address = parse(text)
        if address.node != peer.node:
            raise DecodeError(f"expected an actor of node {peer.node!r} to be the source, got {text[:200]}")
        return self._post.stand_in_for(RemoteRef(address, self._system))


class _WireReply:
    """Stands where a future would: takes the answer of a local actor to the other node, in whichever thread it is given."""

    __slots__ = ("_number", "_peer", "_post", "_session")

    def __init__(self, peer: Peer, post: Post, number: int) -> None:
        self._peer, self._post, self._number, self._session = peer, post, number, peer.session

    def set(self, value: Any | None = None) -> None:
        try:
            body = self._post.vocabulary.encode(value)
            if len(body) > (self._peer.max_bytes or self._post.max_bytes):
                raise EncodeError(f"expected an answer of at most {self._peer.max_bytes} bytes, got {len(body)}")
        except EncodeError as error:
            self.set_exception((type(error), error, None))
        else:
            self._send(envelope.Answer(self._number, body), len(body))

    def set_exception(self, exc_info: Any = None) -> None:
        error = exc_info[1]
        if isinstance(error, ActorDead):
            reason: ExitReason = envelope.wire_reason(as_reason(error.reason))
            self._send(envelope.Dead(self._number, reason))
            return
        crash = as_reason(error)
        text = getattr(crash, "traceback_text", "") if error.__traceback__ is not None else ""
        self._send(envelope.Failure(self._number, encode_failure(error, text)))

    def _send(self, item: envelope.Item, size: int = 0) -> None:
        if self._peer.session is self._session:  # else nobody waits any more
            self._peer.outbox.put_always(Letter(item, size))
