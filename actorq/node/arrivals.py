"""Who connects to the broker, and who goes: outboxes, slots, nodes, and those who only ask.

A part of the broker; used from its loop only. Each has a peer at the switchboard, outboxes and slots a desk in the ledger as
well. Invariant: a client is given up with its connection, a slot only with its process, which may be running something.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from actorq.actors.signals import Invoke
from actorq.log import get_logger
from actorq.messages import wire
from actorq.node.desks import SlotDesk
from actorq.node.messages import OutboxLeft
from actorq.node.peers import ClientPeer, NodePeer, SlotPeer
from actorq.node.recovery import NODE_ENDED
from actorq.slot.line_view import LineView

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from pathlib import Path

    from actorq.actors import Actor
    from actorq.node.burials import Burials
    from actorq.node.helm import Helm
    from actorq.node.inquiries import Inquiries
    from actorq.node.ledger import Ledger
    from actorq.node.messages import Registered
    from actorq.node.peers import Peer
    from actorq.node.recovery import FoundLine
    from actorq.node.registrations import Registrations
    from actorq.node.switchboard import Switchboard

__all__ = ["Arrivals"]

log = get_logger(__name__)

DEATH_NOTE_S: Final = 0.25  # how long a slot's node may take to say what killed it


class Arrivals:
    """Welcomes for the actor `owner`. `clients` are those with an outbox, by its number; `slots` all slots, by name."""

    def __init__(
        self,
        owner: Actor,
        ledger: Ledger,
        slots: MutableMapping[str, SlotPeer],
        *,
        registrations: Registrations,
        switchboard: Switchboard,
        helm: Helm,
        burials: Burials,
        inquiries: Inquiries,
        lines: Path,
        broadcasts: tuple[str, ...],
    ) -> None:
        self.clients: dict[int, ClientPeer] = {}
        self._timers, self._outboxes = owner.timers, owner.system.ref("outboxes")
        self._ledger, self._slots, self._lines, self._broadcasts = ledger, slots, lines, broadcasts
        self._registrations, self._switchboard, self._helm = registrations, switchboard, helm
        self._burials, self._inquiries = burials, inquiries
        switchboard.report_to(on_hello=self._hello, on_ended=self._process_ended, on_left=self._forget)

    def claim(self, found: FoundLine) -> None:
        """Give a desk to the living slot of a line, which will connect again; a dead one's line goes when all of it is safe."""
        view = found.view
        if not found.alive:
            self._burials.add(view)
            return
        desk = self._ledger.slots[view.name] = SlotDesk(view.name, view.node, view.pid, places=view.places)
        self._slots[desk.name] = SlotPeer(routing_id=b"", pid=view.pid, desk=desk, line=view)

    def _hello(self, routing_id: bytes, hello: wire.Hello) -> None:
        if hello.protocol != wire.PROTOCOL:
            error = f"expected protocol {wire.PROTOCOL}, got {hello.protocol}: run one version of actorq on a home"
            self._welcome(routing_id, error=error)
        elif hello.role == "slot":
            self._hello_slot(routing_id, hello)
        elif hello.role == "node":
            for other in self._switchboard:
                if isinstance(other, NodePeer) and (other.name, other.pid) == (hello.name, hello.pid):
                    self._switchboard.drop(other)  # an earlier link of the same process
            self._switchboard.connect(NodePeer(pid=hello.pid, name=hello.name), routing_id)
            self._welcome(routing_id)
        elif hello.outbox_id == 0:
            self._switchboard.connect(ClientPeer(pid=hello.pid), routing_id)
            self._welcome(routing_id)
        else:
            self._registrations.look_up(
                hello.outbox_id,
                lambda found: self._hello_client(routing_id, hello, found),
                lambda detail: self._welcome(routing_id, error=detail),
            )

    def _welcome(self, routing_id: bytes, taken: int = 0, outbox_no: int = 0, error: str = "") -> None:
        self._switchboard.send(
            routing_id, wire.WELCOME, wire.Welcome(wire.PROTOCOL, self._ledger.epoch, taken, outbox_no, error)
        )

    def _hello_client(self, routing_id: bytes, hello: wire.Hello, found: Registered) -> None:
        desk = self._ledger.open_outbox(found.outbox_id, found.no, found.taken)
        desk.carries = hello.carries
        desk.pass_over(hello.first)
        earlier = self.clients.get(desk.no)
        if earlier is not None:
            self._forget(earlier)  # a connection that its owner has given up
        peer = self.clients[desk.no] = ClientPeer(pid=hello.pid, desk=desk)
        self._switchboard.connect(peer, routing_id)
        # What is taken but not committed comes again and is passed over; its sender must keep it until then.
        self._welcome(routing_id, desk.committed, desk.no)

    def _hello_slot(self, routing_id: bytes, hello: wire.Hello) -> None:
        peer = self._slots.get(hello.name)
        if peer is None:
            is_plain = hello.name.isprintable() and "/" not in hello.name
            line = LineView.attach(self._lines / f"{hello.name}.line") if is_plain else None
            if line is None:
                log.warning("slot_refused", slot=hello.name)
                self._welcome(routing_id, error=f"expected a line file for slot {hello.name!r}, got none")
                return
            desk = self._ledger.slots[hello.name] = SlotDesk(hello.name, places=line.places)
            peer = self._slots[hello.name] = SlotPeer(pid=hello.pid, desk=desk, line=line)
        peer.pid, peer.desk.node, peer.desk.pid = hello.pid, hello.node, hello.pid
        peer.desk.broadcasts = self._broadcasts
        peer.desk.choose(hello.takes)
        peer.desk.after, peer.desk.max_tasks = hello.after, hello.max_tasks
        peer.desk.closed = peer.desk.closed or bool(hello.after)
        self._switchboard.connect(peer, routing_id)
        self._welcome(routing_id)
        self._helm.greet(peer)

    def _process_ended(self, peer: Peer) -> None:
        if isinstance(peer, SlotPeer):
            peer.desk.closed, peer.desk.after = True, ()
            self._timers.after(DEATH_NOTE_S, Invoke(self._burials.bury, peer.desk.name, NODE_ENDED))
        else:
            self._forget(peer)

    def _forget(self, peer: Peer) -> None:
        """Give a peer up. Not a slot, whose process may be running something: it is given up when that has ended."""
        if isinstance(peer, SlotPeer) or not self._switchboard.drop(peer):
            return
        if isinstance(peer, ClientPeer):
            self._inquiries.drop(peer)
            if peer.desk is not None:
                if self.clients.get(peer.desk.no) is peer:
                    del self.clients[peer.desk.no]
                self._outboxes.tell(OutboxLeft(peer.desk.outbox_id))
