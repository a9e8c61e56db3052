"""From outboxes to frames: what waits for a node that is up is sent in batches, as far as its link takes it.

Invariant: a letter that was taken out of its outbox is in a frame that was sent, in the peer's `unsent` frame, or was answered.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

import zmq

from actorq.actors.outcome import give_error
from actorq.errors import EncodeError
from actorq.transport import envelope

if TYPE_CHECKING:
    from collections.abc import Callable

    from actorq.actors import System
    from actorq.actors.sockets import Sockets
    from actorq.transport.envelope import Item
    from actorq.transport.outbox import Letter
    from actorq.transport.peer import Peer

__all__ = ["Departures", "send_now"]

BATCH_ITEMS: Final = 256
BATCH_BYTES: Final = 256 * 1024
BATCHES_AT_ONCE: Final = 4  # frames to one node before others get their turn


class Departures:
    """Sends in the gateway's loop; `pump` is called again, from the loop, when a link that was full has room."""

    def __init__(self, system: System, sockets: Sockets, pump: Callable[[Peer], None]) -> None:
        self._system, self._sockets, self._pump = system, sockets, pump

    def send(self, peer: Peer) -> bool:
        """Send what waits for a node that is up; return whether it is others' turn although more may wait."""
        assert peer.link is not None
        for _ in range(BATCHES_AT_ONCE):
            if peer.unsent is None:
                letters = peer.outbox.take(BATCH_ITEMS, BATCH_BYTES)
                if not letters:
                    return False
                items = self._open(peer, letters)
                if not items:
                    continue
                peer.unsent = envelope.encode_items(items), letters
            if not send_now(peer, peer.unsent[0]):
                self._sockets.want_write(peer.link.socket, functools.partial(self._writable, peer))
                return False
            peer.unsent = None
        return True

    def _writable(self, peer: Peer) -> None:
        if peer.link is not None:
            self._sockets.want_write(peer.link.socket, None)
            self._pump(peer)

    def _open(self, peer: Peer, letters: list[Letter]) -> list[Item]:
        """Run errands, and leave out what the other side would cut the link for."""
        items: list[Item] = []
        for letter in letters:
            content = letter.content
            if letter.size > peer.max_bytes:
                self._too_large(peer, letter)
            elif isinstance(content, envelope.ITEMS):
                items.append(content)
            else:
                items.extend(content.run(peer))
        return items

    def _too_large(self, peer: Peer, letter: Letter) -> None:
        content = letter.content
        if isinstance(content, envelope.Ask) and (pending := peer.outbox.answered(content.number)):
            text = f"expected a message of at most {peer.max_bytes} bytes, as {peer.node} takes them, got {letter.size}"
            give_error(pending.reply_to, EncodeError(text))
        elif isinstance(content, envelope.Tell):
            self._system.dead_letters.add(content.target, None, "too large", letter.message_type)


def send_now(peer: Peer, frame: bytes) -> bool:
    """Send a frame if the link takes it."""
    assert peer.link is not None
    try:
        peer.link.socket.send(frame, zmq.NOBLOCK)
    except zmq.ZMQError:  # full; or cut, and then the pulse decides
        return False
    return True
