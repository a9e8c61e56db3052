"""A cell that stands here for an actor that lives elsewhere, so that links and monitors need to know no difference.

Local actors link to it and monitor it as they would any cell; when the remote actor ends, or its node is lost, it ends with
that reason, and the kernel tells whoever is concerned. It runs no code and is in no table of the system. What changes in
its own tables is told to the other node as errands in the outbox, in the order in which it happened:

    local A links to remote B:   here  A ⇄ stand-in of B   and there  stand-in of A ⇄ B

so each side learns of an end from the watch behind its stand-in, and a link is two watches.

Invariant: a stand-in that somebody cares for has a key at the other node, or an errand that will get it one, or has ended.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from actorq.actors.cell import RUNNING, Cell
from actorq.actors.mailbox import Mailbox
from actorq.messages.address import Address
from actorq.messages.reasons import NOCONNECTION
from actorq.transport import envelope
from actorq.transport.outbox import Letter

if TYPE_CHECKING:
    from actorq.actors import RemoteRef, System
    from actorq.actors.fates import Fates
    from actorq.actors.loop import Loop
    from actorq.messages.reasons import ExitReason
    from actorq.transport.outbox import Outbox
    from actorq.transport.peer import Peer

__all__ = ["News", "StandIn", "incarnation_of"]

_keys = itertools.count(envelope.first_number())


class StandIn(Cell):
    """Stands for whoever is at `remote.address`; `incarnation` is the text of its address once that is known."""

    __slots__ = ("incarnation", "keys", "outbox", "remote")

    def __init__(self, system: System, loop: Loop, remote: RemoteRef, outbox: Outbox) -> None:
        super().__init__(system, loop, remote.text, remote.name, None)
        self.id, self.remote, self.outbox = remote.id, remote, outbox
        self.ref = remote  # type: ignore[assignment]
        self.keys: set[int] = set()
        self.incarnation = "" if remote.address.is_name else remote.text
        self.state = RUNNING
        self.supervised = True  # its end is reported where the actor is
        self.mailbox = Mailbox()
        self.mailbox.attach(self, loop, 1, "reject")

    @property
    def is_cared_for(self) -> bool:
        """Return whether anybody here would be told of its end."""
        return bool(self.links or self.monitors)

    def bond_changed(self, other: Fates, *, linked: bool | None = None) -> None:
        """Tell the other node; from any thread."""
        if linked is False and isinstance(
            other, Cell
        ):  # before the key, by which the other node knows it, is given back
            self.outbox.put_always(Letter(_Unbond(self, other)))
        if not self.outbox.put_always(Letter(_Care(self))):  # the gateway is gone; so is everybody it reached
            self.finish(NOCONNECTION)
        elif linked and isinstance(other, Cell):
            self.outbox.put_always(Letter(_Bond(self, other)))

    def check(self) -> None:
        """Ask for a key, or give it back, as it is needed by now."""
        self.outbox.put_always(Letter(_Care(self)))

    def tie(self, cell: Cell) -> bool:
        """Link a local actor because the other side did; return whether it still lives."""
        with self.system.lock:
            if cell.is_dead or self.is_dead:
                return False
            self.links.add(cell)  # type: ignore[arg-type]
            cell.links.add(self)
            return True

    def untie(self, cell: Cell) -> None:
        """Unlink a local actor because the other side did."""
        with self.system.lock:
            self.links.discard(cell)
            cell.links.discard(self)
            cell.pending_exits.discard(self.id)
        self.check()

    def exit(self, source: Cell | None, reason: ExitReason) -> None:
        """Send an exit signal there; from any thread."""
        sender = incarnation_of(self.system.nobody if source is None else source)
        self.outbox.put_always(Letter(envelope.Exit(sender, self.remote.text, envelope.wire_reason(reason))))

    def kill(self) -> None:
        """Be done with it: nothing of it arrives here any more."""
        self.finish(NOCONNECTION)

    def handle_signal(self, signal: Any) -> None:
        """Do nothing: the other node hears of a linked actor's end through its own watch."""


def incarnation_of(cell: Cell) -> str:
    """Return the text of a local actor's address; without its name, where that can't be part of one."""
    if isinstance(cell, StandIn):
        return cell.incarnation or cell.remote.text
    try:
        return str(cell.address)
    except ValueError:
        return str(Address(cell.system.name, "", cell.system.boot, cell.id))


class _Care:
    """Errand: watch at the other node if somebody cares, and stop if nobody does any more."""

    __slots__ = ("_stand_in",)

    def __init__(self, stand_in: StandIn) -> None:
        self._stand_in = stand_in

    def run(self, peer: Peer) -> list[envelope.Item]:
        stand_in = self._stand_in
        with stand_in.system.lock:
            cared_for = stand_in.is_cared_for and not stand_in.is_dead
        if cared_for and not stand_in.keys:
            return [_watch(stand_in, peer)]
        if not cared_for and stand_in.keys:
            return [envelope.Unwatch(key) for key in peer.release(stand_in)]
        return []

    def lose(self) -> None:
        self._stand_in.finish(NOCONNECTION)


def _watch(stand_in: StandIn, peer: Peer) -> envelope.Watch:
    key = next(_keys)
    peer.adopt(stand_in, key)
    return envelope.Watch(key, stand_in.remote.text)


class _Bond:
    """Errand: a local actor linked to it; from now on its own end is offered to the other node."""

    __slots__ = ("_offer", "_source", "_stand_in", "_watch_id")

    def __init__(self, stand_in: StandIn, source: Cell) -> None:
        self._stand_in, self._source, self._offer = stand_in, source, -next(_keys)
        # Watched from this moment: it may end before the errand is run, and its reason counts.
        self._watch_id = source.watch(News(stand_in.outbox, self._offer))

    def run(self, peer: Peer) -> list[envelope.Item]:
        if self._stand_in.is_dead:
            self.lose()
            return []
        # Also if the source has ended by now and nobody here cares any more: the other side hears why it ended.
        items: list[envelope.Item] = [] if self._stand_in.keys else [_watch(self._stand_in, peer)]
        peer.served[self._offer] = (self._source, self._watch_id)
        key = next(iter(self._stand_in.keys))
        return [*items, envelope.Link(key, incarnation_of(self._source), self._offer)]

    def lose(self) -> None:
        self._source.unwatch(self._watch_id)


class _Unbond:
    """Errand: a local actor unlinked from it."""

    __slots__ = ("_source", "_stand_in")

    def __init__(self, stand_in: StandIn, source: Cell) -> None:
        self._stand_in, self._source = stand_in, source

    def run(self, peer: Peer) -> list[envelope.Item]:
        source = incarnation_of(self._source)
        return [envelope.Unlink(key, source) for key in sorted(self._stand_in.keys)[-1:]]

    def lose(self) -> None:
        pass


class News:
    """Watches a local actor for the other node; when it ends, becomes the errand that says so."""

    __slots__ = ("_key", "_outbox", "_reason")

    _reason: ExitReason

    def __init__(self, outbox: Outbox, key: int) -> None:
        self._outbox, self._key = outbox, key

    def __call__(self, _watch_id: int, _ref: object, reason: ExitReason) -> None:
        self._reason = reason
        self._outbox.put_always(Letter(self))

    def run(self, peer: Peer) -> list[envelope.Item]:
        """Tell, if the other node still wants to know."""
        if peer.served.pop(self._key, None) is None:
            return []
        return [envelope.Down(self._key, envelope.wire_reason(self._reason))]

    def lose(self) -> None:
        """Nobody wants to know."""
