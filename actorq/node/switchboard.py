"""The broker's socket and who is at the other ends of it.

One ROUTER socket on a fresh path for each epoch, one peer for each routing id. A frame is decoded here and handed to the
route for its kind, if the peer may send such frames at all; what can't be read ends the peer, never the broker. ROUTER
sockets don't say when a peer goes, so a pidfd is held for each peer's process: the kernel tells at once when it ends.

Used from the broker's loop only.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec
import zmq

from actorq.log import get_logger
from actorq.messages import wire
from actorq.node.peers import ClientPeer, NodePeer, Peer
from actorq.transport.rendezvous import remove_rendezvous, write_rendezvous

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from actorq.actors.sockets import Sockets
    from actorq.transport.paths import Home

__all__ = ["Route", "Switchboard"]

log = get_logger(__name__)

MAX_FRAME_BYTES: Final = 256 << 20
SOCKET_QUEUE: Final = 10_000  # frames for one peer that doesn't read; beyond, its results wait in the store
HEARTBEAT_MS: Final = 1_000
HEARTBEAT_TIMEOUT_MS: Final = 10_000
_PARTS: Final = 2  # a routing id and one frame


@dataclass(frozen=True, slots=True)
class Route:
    """Where frames of one kind go: what they decode to, who may send them, who takes them."""

    value: type
    sender: type[Peer]
    handler: Callable[[Any, Any], None]


class Switchboard:
    """Sends, receives, and knows who is there. What becomes of peers is decided by whom it reports to."""

    _on_hello: Callable[[bytes, wire.Hello], None]
    _on_ended: Callable[[Peer], None]
    _on_left: Callable[[Peer], None]

    def __init__(self, sockets: Sockets) -> None:
        self.refused_frames = self.unreachable = 0
        self._sockets = sockets
        self._routes: dict[bytes, tuple[msgspec.msgpack.Decoder[Any], Route]] = {}
        self._hello_decoder = msgspec.msgpack.Decoder(wire.Hello)
        self._encoder = msgspec.msgpack.Encoder()
        self._peers: dict[bytes, Peer] = {}
        self._watched: set[Peer] = set()
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None

    def report_to(
        self,
        *,
        on_hello: Callable[[bytes, wire.Hello], None],
        on_ended: Callable[[Peer], None],
        on_left: Callable[[Peer], None],
    ) -> None:
        """Say who is told of whoever connects, of a peer whose process has ended, and of one that can't be reached, sent what
        can't be read, or said goodbye. Once, before anybody is watched.
        """
        self._on_hello, self._on_ended, self._on_left = on_hello, on_ended, on_left

    def open(self, home: Home, epoch: int, node: str, routes: Mapping[bytes, Route]) -> None:
        """Bind a fresh path and tell the world."""
        self._home, self._epoch = home, epoch
        self._routes = {kind: (msgspec.msgpack.Decoder(route.value), route) for kind, route in routes.items()}
        self._context = zmq.Context()
        socket = self._socket = self._context.socket(zmq.ROUTER)
        socket.linger = 0
        socket.router_mandatory = 1
        socket.sndhwm = socket.rcvhwm = SOCKET_QUEUE
        socket.maxmsgsize = MAX_FRAME_BYTES
        socket.heartbeat_ivl, socket.heartbeat_timeout = HEARTBEAT_MS, HEARTBEAT_TIMEOUT_MS
        endpoint = home.endpoint(epoch)
        self._path = endpoint.removeprefix("ipc://")
        socket.bind(endpoint)
        os.chmod(self._path, 0o600)
        self._sockets.add(socket, self._receive)
        write_rendezvous(home, wire.Rendezvous(wire.PROTOCOL, epoch, endpoint, os.getpid(), node, str(home.path)))

    def close(self) -> None:
        """Leave no path, socket or descriptor behind; peers see the connection go and look for the next broker."""
        for peer in list(self._watched):
            self._unwatch(peer)
        if self._context is None:
            return
        self._sockets.remove(self._socket)
        self._socket.close(0)
        self._context.term()
        remove_rendezvous(self._home, self._epoch)
        if os.path.exists(self._path):
            os.unlink(self._path)

    # -- frames --------------------------------------------------------------------------------------------------------

    def send(self, routing_id: bytes, kind: bytes, value: Any) -> bool:
        """Send one frame without waiting; return False where the peer can't be reached or doesn't read."""
        frame = bytearray(kind)
        self._encoder.encode_into(value, frame, 1)
        try:
            self._socket.send_multipart((routing_id, frame), zmq.NOBLOCK)
        except zmq.Again:
            return False
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            self.unreachable += 1
            self._leave(routing_id)
            return False
        return True

    def _receive(self, frames: list[bytes]) -> None:
        routing_id, frame = frames[0], frames[-1]
        kind = frame[:1]
        try:
            if len(frames) != _PARTS:
                raise ValueError(f"expected one frame, got {len(frames) - 1}")
            body = memoryview(frame)[1:]
            if kind == wire.HELLO:
                self._on_hello(routing_id, self._hello_decoder.decode(body))
                return
            if kind == wire.BYE:
                self._leave(routing_id)
                return
            decoder, route = self._routes[kind]
            value = decoder.decode(body)
        except (KeyError, ValueError, RecursionError) as error:
            self.refused_frames += 1
            log.warning("frame_refused", peer=routing_id.hex(), why=f"{type(error).__name__}: {error}"[:200])
            self._leave(routing_id)
            return
        peer = self._peers.get(routing_id)
        if isinstance(peer, route.sender):  # else: never said hello, was given up, or isn't what it should be for this
            route.handler(peer, value)

    def _leave(self, routing_id: bytes) -> None:
        peer = self._peers.get(routing_id)
        if peer is not None:
            self._on_left(peer)

    # -- peers ---------------------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Peer]:
        return iter(list(self._peers.values()))

    def snapshot(self) -> dict[str, Any]:
        """Return who is connected, and what went wrong with frames, as plain data."""
        return {
            "nodes": sorted(peer.name for peer in self if isinstance(peer, NodePeer)),
            "clients": sum(isinstance(peer, ClientPeer) for peer in self),
            "refused_frames": self.refused_frames,
            "unreachable": self.unreachable,
        }

    def connect(self, peer: Peer, routing_id: bytes) -> None:
        """Note that a peer is reached at `routing_id` now, and watch its process."""
        self._peers.pop(peer.routing_id, None)
        peer.routing_id = routing_id
        self._peers[routing_id] = peer
        self.watch(peer)

    def watch(self, peer: Peer) -> None:
        """Tell `on_ended` when the peer's process ends; at once, if it is gone. Idempotent."""
        if peer in self._watched:
            return
        try:
            peer.pidfd = os.pidfd_open(peer.pid)
        except OSError:
            self._on_ended(peer)
            return
        self._watched.add(peer)
        self._sockets.add_fd(peer.pidfd, lambda: self._ended(peer))

    def drop(self, peer: Peer) -> bool:
        """Forget a peer; return whether it was known."""
        self._unwatch(peer)
        return self._peers.pop(peer.routing_id, None) is not None

    def is_watched(self, peer: Peer) -> bool:
        """Return whether the peer's process was alive when last heard of."""
        return peer in self._watched

    def _ended(self, peer: Peer) -> None:
        self._unwatch(peer)
        self._on_ended(peer)

    def _unwatch(self, peer: Peer) -> None:
        if peer in self._watched:
            self._watched.discard(peer)
            self._sockets.remove(peer.pidfd)
            os.close(peer.pidfd)
            peer.pidfd = -1
