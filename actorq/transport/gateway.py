"""Makes a System reachable from other processes of this machine, and reaches theirs.

Put it under a supervisor, one for each System: `ChildSpec("gateway", Gateway, kwargs={"folder": ...}, name="gateway")`. Gateways
that share a folder reach each other; a node's name is the name of its System.

Each gateway binds one ROUTER socket and reads everything from it; to each node it speaks to it has a link of its own (a DEALER
that never reconnects, with a random routing id). Both sides say hello over their own link before anything else (`handshake`).
A conversation with a node ends when its pulse does (`heartbeat`), when it says goodbye or begins anew, or when it sends what no
gateway would; then every ask that waits fails with `noconnection`, and whoever is linked to or monitors its actors is told.
The next thing that is sent begins another conversation, with fresh links: what a link sends that was given up counts as
fenced, isn't read, and is answered so, that its sender may notice.

Light, permanent. Invariant: nothing here waits; what can't be sent stays in the outbox of its node, which is bounded. The
gateway's end, in whatever way, closes its counter (`post`), so nobody waits for a gateway that is gone.
"""

from __future__ import annotations

import functools
import itertools
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import zmq
from pykka._envelope import Envelope

from actorq.actors import Actor
from actorq.actors.outcome import give_error
from actorq.actors.signals import Invoke
from actorq.errors import AskTimeout, DecodeError, MailboxFull
from actorq.log import get_logger
from actorq.messages.address import Address
from actorq.transport import envelope
from actorq.transport.arrivals import Arrivals
from actorq.transport.broker_socket import BrokerSocket
from actorq.transport.departures import Departures, send_now
from actorq.transport.directory import Directory
from actorq.transport.heartbeat import HeartbeatPolicy, Pulse
from actorq.transport.peer import Peer
from actorq.transport.post import Post
from actorq.transport.router import LINK_OPTIONS, get_context, open_router
from actorq.transport.vocabulary import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actorq.actors import Timer

__all__ = ["Gateway"]

log = get_logger(__name__)

MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
MAX_PEERS: Final = 256
LAST_WORDS_MS: Final = 500  # that ZeroMQ may take to deliver what was sent before an end in good order
GOODBYE: Final = "it said goodbye"
WARN_EVERY_S: Final = 10.0  # one line for each node whose frames are malformed


@dataclass(frozen=True, slots=True)
class _Beat:
    """Timer: look after the pulses."""


@dataclass(frozen=True, slots=True)
class _LinkCut:
    """Timer: the time after a cut is over."""

    node: str


class Gateway(Actor):
    """See the module."""

    capacity = 1_000_000  # it is only told of outboxes, once for each that isn't empty

    def init(
        self,
        *,
        folder: str | os.PathLike[str],
        messages: Iterable[type] = (),
        pickle: bool = False,
        heartbeat: HeartbeatPolicy | None = None,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
    ) -> None:
        """Listen, and let others know where.

        `messages` are the classes that may travel by name; `pickle` lets this gateway unpickle what others send.

        Raises:
            ConfigError: the folder isn't private, or the name of this System is taken in it.
            ValueError, TypeError: an argument, or the name of this System, can't be used.
        """
        Address(self.system.name, "gateway")  # raises where the node's name can't be part of an address
        if max_message_bytes < 1:
            raise ValueError(f"expected max_message_bytes to be positive, got {max_message_bytes!r}")
        self.node = self.system.name
        self._policy = heartbeat or HeartbeatPolicy()
        self._boot = os.urandom(8).hex()
        self._serials = itertools.count(1)
        self._peers: dict[str, Peer] = {}
        self._by_route: dict[bytes, Peer] = {}
        self._timer: Timer | None = None
        self._strays = self._malformed = 0
        self._warned_at: dict[str, float] = {}
        self._directory = Directory(folder)
        vocabulary = Vocabulary(self.system, messages, pickle=pickle)
        self._post = Post(self.system, self._cell.loop, vocabulary, max_message_bytes, self._woken)
        self._arrivals = Arrivals(self.system, self._post)
        self._departures = Departures(self.system, self.sockets, self._pump)
        self._entry = self._directory.claim(self.node, self._boot, self.system.boot)
        self._router = open_router(self._entry.endpoint, max_message_bytes)
        self.sockets.add(self._router, self._on_frames)
        self._cell.watch(self._ended)
        self._directory.publish(self._entry)
        self.system.carrier = self._post
        log.info("gateway_opened", node=self.node, endpoint=self._entry.endpoint)

    # -- the end ---------------------------------------------------------------------------------------------------------

    def terminate(self, reason: object) -> None:
        """Send what is left, and say goodbye."""
        for peer in self._peers.values():
            link = peer.link
            if link is None:
                continue
            if peer.is_up:
                self._pump(peer)
                send_now(peer, envelope.BYE)
            self.sockets.remove(link.monitor)
            self.sockets.remove(link.socket)
            link.close(LAST_WORDS_MS)

    def _ended(self, *_: object) -> None:
        """Let nobody count on this gateway any more; in whichever thread ends it."""
        self._directory.withdraw(self._entry)
        self._post.close()
        for peer in list(self._peers.values()):
            for key in list(peer.served):
                peer.unserve(key)

    # -- sending ---------------------------------------------------------------------------------------------------------

    def _woken(self, node: str) -> None:
        """Take note, in any thread, that something waits for `node`."""
        self._cell.mailbox.put_unbounded(Envelope(Invoke(self._serve, node)))

    def _serve(self, node: str) -> None:
        peer = self._peers.get(node) or self._make_peer(node)
        if peer.is_up:
            self._pump(peer)
        elif peer.link is None:
            self._connect(peer)

    def _make_peer(self, node: str) -> Peer:
        """Return a new peer; one that is idle makes room where there are too many."""
        if len(self._peers) >= MAX_PEERS:
            idle = next((each for each in self._peers.values() if each.link is None and not each.served), None)
            if idle is not None:
                del self._peers[idle.node]
        peer = self._peers[node] = Peer(node, self._post.outbox(node))
        return peer

    def _pump(self, peer: Peer) -> None:
        """Send what waits for a node that is up, as far as it goes."""
        if self._departures.send(peer):
            self._woken(peer.node)
        self._mind(peer)

    # -- conversations ---------------------------------------------------------------------------------------------------

    def _connect(self, peer: Peer) -> None:
        """Open our link to a node and say hello."""
        entry = self._directory.find(peer.node)
        if entry is None or (peer.handshake.theirs and entry.boot != peer.boot):
            self._lose(peer, "it isn't there")
            return
        if entry.boot != peer.boot:
            peer.boot, peer.handshake = entry.boot, type(peer.handshake)()
        try:
            peer.link = link = BrokerSocket(get_context(), entry.endpoint, b"g", LINK_OPTIONS)
        except zmq.ZMQError as error:
            self._lose(peer, f"its endpoint can't be used: {error}")
            return
        self.sockets.add(link.monitor, functools.partial(self._on_cut, peer, link))
        self.sockets.add(link.socket, functools.partial(self._on_notice, peer, link))
        peer.handshake.opened(next(self._serials))
        peer.pulse = Pulse.begin(self.clock.monotonic())
        self._greet(peer)
        self._mind(peer)

    def _greet(self, peer: Peer) -> None:
        serial, echo = peer.handshake.mine, peer.handshake.greet()
        limit = self._post.max_bytes
        hello = envelope.Hello(envelope.PROTOCOL, self.node, self._boot, serial, echo, limit)
        send_now(peer, envelope.encode_hello(hello))

    def _on_hello(self, route: bytes, frame: bytes) -> None:
        hello = envelope.decode_hello(frame)
        entry = self._directory.find(hello.node)
        if hello.protocol != envelope.PROTOCOL or hello.node == self.node or entry is None or entry.boot != hello.boot:
            raise DecodeError(f"expected a hello of a node of this folder, got {hello!r:.200}")
        peer = self._peers.get(hello.node) or self._make_peer(hello.node)
        if peer.boot and peer.boot != hello.boot:
            self._lose(peer, "it has begun a new life")
        if peer.boot != hello.boot:
            peer.boot, peer.handshake = hello.boot, type(peer.handshake)()
        reaction = peer.handshake.hear(hello.serial, hello.echo)
        if reaction == "anew":
            self._lose(peer, "it has begun anew")
            reaction = peer.handshake.hear(hello.serial, hello.echo)
        if reaction == "stale":
            self._fence(route)
            return
        if peer.route != route:
            self._by_route.pop(peer.route, None)
        peer.route, peer.max_bytes = route, hello.max_bytes
        self._by_route[route] = peer
        self._heard(peer)
        if peer.handshake.must_open:
            self._connect(peer)
        elif peer.handshake.must_greet:
            self._greet(peer)
        if peer.is_up:
            self._pump(peer)

    def _lose(self, peer: Peer, why: str) -> None:
        """End the conversation: answer and tell whoever counted on it."""
        if peer.is_up or peer.keys or peer.served:
            say = log.info if why == GOODBYE else log.warning
            say("peer_lost", node=self.node, peer=peer.node, why=why)
        self._close_link(peer)
        self._by_route.pop(peer.route, None)
        unsent, peer.unsent = peer.unsent, None
        peer.end_conversation()
        if unsent is not None:
            self._post.lose_letters(unsent[1])
        self._post.lose(peer.outbox.drain())

    def _close_link(self, peer: Peer) -> None:
        link, peer.link = peer.link, None
        if link is not None:
            self.sockets.remove(link.monitor)
            self.sockets.remove(link.socket)
            link.close()

    def _fence(self, route: bytes) -> None:
        """Tell whoever sends over a link that is given up; it may not listen any more."""
        try:
            self._router.send_multipart([route, envelope.FENCED], zmq.NOBLOCK)
        except zmq.ZMQError:
            return

    # -- receiving -------------------------------------------------------------------------------------------------------

    def _on_frames(self, frames: list[bytes]) -> None:
        route, frame = frames[0], frames[-1]
        peer = self._by_route.get(route)
        kind = frame[:1]
        try:
            if len(frames) != 2:
                raise DecodeError(f"expected a message of one frame, got {len(frames) - 1}")
            if kind == envelope.HELLO:
                self._on_hello(route, frame)
            elif peer is None:
                self._strays += 1
                self._fence(route)
            else:
                self._heard(peer)
                self._on_frame(peer, kind, frame)
        except (DecodeError, MailboxFull) as error:
            self._on_malformed(route, peer, error)

    def _on_frame(self, peer: Peer, kind: bytes, frame: bytes) -> None:
        if kind == envelope.DATA:
            session = peer.session
            for item in envelope.decode_items(frame):
                self._arrivals.handle(peer, item)
                if peer.session is not session:
                    return
        elif kind == envelope.PING:
            if peer.is_up:
                send_now(peer, envelope.PONG)
        elif kind == envelope.BYE:
            self._lose(peer, GOODBYE)
        elif kind != envelope.PONG:
            raise DecodeError(f"expected a frame of a gateway, got {frame[:16]!r}")

    def _on_malformed(self, route: bytes, peer: Peer | None, error: Exception) -> None:
        """Drop whoever sends such things, and say so now and then."""
        self._malformed += 1
        name = "" if peer is None else peer.node
        now = self.clock.monotonic()
        if now - self._warned_at.get(name, -WARN_EVERY_S) >= WARN_EVERY_S:
            self._warned_at[name] = now
            log.warning("frame_refused", node=self.node, peer=name, why=str(error)[:500], malformed=self._malformed)
        self._fence(route)
        if peer is not None:
            self._lose(peer, "it sent a malformed frame")

    def _on_notice(self, peer: Peer, link: BrokerSocket, frames: list[bytes]) -> None:
        """Hear what comes back over our own link: only that it is fenced."""
        if frames != [envelope.FENCED] or peer.link is not link:
            return
        if peer.handshake.reopen():
            self._close_link(peer)
            self._connect(peer)
        else:
            self._lose(peer, "it has given us up")

    def _on_cut(self, peer: Peer, link: BrokerSocket, _: list[bytes]) -> None:
        """Give a node whose end of the link is gone the time for its last words (K7)."""
        if peer.link is link:
            now = self.clock.monotonic()
            peer.pulse = (peer.pulse or Pulse.begin(now)).cut(now)
            self.sockets.remove(link.monitor)
            self.timers.after(self._policy.lost_link_s, _LinkCut(peer.node))

    # -- pulses ----------------------------------------------------------------------------------------------------------

    def _heard(self, peer: Peer) -> None:
        if peer.pulse is not None:
            peer.pulse = peer.pulse.heard(self.clock.monotonic())

    def _mind(self, peer: Peer) -> None:
        """See to it that the pulse of a node in which somebody is interested is looked after."""
        if peer.is_interesting:
            if peer.pulse is None:
                peer.pulse = Pulse.begin(self.clock.monotonic())
            if self._timer is None:
                self._timer = self.timers.every(self._policy.interval_s, _Beat())

    def on_beat(self, _: _Beat) -> None:
        """Look after every pulse; stop when nobody is interested in any."""
        for peer in list(self._peers.values()):
            self._look(peer)
        if self._timer is not None and not any(peer.pulse for peer in self._peers.values()):
            self._timer.cancel()
            self._timer = None

    def on_link_cut(self, cut: _LinkCut) -> None:
        """Look again at a node whose link was cut."""
        peer = self._peers.get(cut.node)
        if peer is not None:
            self._look(peer)

    def _look(self, peer: Peer) -> None:
        now = self.clock.monotonic()
        for late in peer.outbox.expire(now):
            give_error(late.reply_to, AskTimeout(late.label, late.timeout_s))
        for stand_in in {*peer.keys.values()}:
            if not stand_in.is_cared_for:  # whoever cared has ended
                stand_in.check()
        if peer.pulse is None or not peer.is_interesting:
            peer.pulse = None
            return
        peer.pulse = peer.pulse.look(now, self._policy)
        if peer.pulse.judge(now, self._policy) == "dead":
            self._lose(peer, "its link is cut" if peer.pulse.cut_at is not None else "it is silent")
        elif peer.is_up:
            send_now(peer, envelope.PING)
        elif peer.link is not None:
            self._greet(peer)  # it may have given this link up, and says so then

    def describe(self) -> dict[str, object]:
        """Return what the tree shows."""
        peers = {
            peer.node: {
                "state": peer.state,
                "waiting": len(peer.outbox),
                "asks": len(peer.outbox.pending),
                "watching": len(peer.keys),
                "watched": len(peer.served),
                "rejected": peer.outbox.rejected,
            }
            for peer in self._peers.values()
        }
        return {
            "node": self.node,
            "endpoint": self._entry.endpoint,
            "peers": peers,
            "refused": sum(self._arrivals.refused.values()),
            "malformed": self._malformed,
            "fenced": self._strays,
        }
