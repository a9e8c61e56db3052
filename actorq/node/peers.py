"""Who is connected to the broker: values, one for each connected process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actorq.messages.wire import Steer
    from actorq.node.desks import OutboxDesk, SlotDesk
    from actorq.slot.line_view import LineView

__all__ = ["ClientPeer", "NodePeer", "Peer", "SlotPeer"]


@dataclass(slots=True, eq=False, kw_only=True)
class Peer:
    """One connected process. `routing_id` is empty for a slot that hasn't connected to this broker yet."""

    pid: int
    routing_id: bytes = b""
    pidfd: int = -1


@dataclass(slots=True, eq=False, kw_only=True)
class ClientPeer(Peer):
    """A process that sends tasks (then it has a desk) or only asks."""

    desk: OutboxDesk | None = None


@dataclass(slots=True, eq=False, kw_only=True)
class SlotPeer(Peer):
    """A slot: its desk in the ledger and its line file."""

    desk: SlotDesk
    line: LineView

    @property
    def waits_for_news(self) -> bool:
        """Whether it has nothing to run, or declares what has ended: it doesn't go on until it knows that safe."""
        if self.desk.places > 1:  # too many to look at each time
            return not self.desk.held or self.line.has_unprotected_reports(0)
        running = self.line.executing() if self.desk.held else None
        return not self.desk.held or (running is not None and running[0] not in self.desk.held)


@dataclass(slots=True, eq=False, kw_only=True)
class NodePeer(Peer):
    """A node's link, over which it reports its slots' deaths and is asked things; `steer` is what it ordered its slots last."""

    name: str
    steer: Steer | None = None
