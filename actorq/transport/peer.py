"""One other node, as the gateway knows it: the link to it, where the handshake stands, its pulse, and who watches whom.

Used in the gateway's loop only, except `served`, whose watches the end of the gateway takes back from any thread.

Invariant: `keys` has the stand-ins here whose end the other node will tell, `served` the actors here whose end it wants to be
told; both belong to the present conversation and are empty when it is over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actorq.messages.reasons import NOCONNECTION
from actorq.transport.handshake import Handshake

if TYPE_CHECKING:
    from actorq.actors.cell import Cell
    from actorq.transport.broker_socket import BrokerSocket
    from actorq.transport.heartbeat import Pulse
    from actorq.transport.outbox import Letter, Outbox
    from actorq.transport.stand_in import StandIn

__all__ = ["Peer"]


class Peer:
    """See the module."""

    def __init__(self, node: str, outbox: Outbox) -> None:
        self.node, self.outbox = node, outbox
        self.boot = ""
        self.handshake = Handshake()
        self.link: BrokerSocket | None = None
        self.route = b""  # the routing id of the other side's link
        self.pulse: Pulse | None = None  # while anybody here has an interest in it
        self.unsent: tuple[bytes, list[Letter]] | None = None  # a frame that didn't fit, and what is in it
        self.max_bytes = 0
        self.session = object()  # another one for each conversation
        self.keys: dict[int, StandIn] = {}
        self.served: dict[int, tuple[Cell, int]] = {}

    @property
    def is_up(self) -> bool:
        """Return whether items may be sent to it."""
        return self.link is not None and self.handshake.is_up

    @property
    def state(self) -> str:
        """Return how it looks to an operator."""
        if self.is_up:
            return "up"
        return "idle" if self.link is None else "connecting"

    @property
    def is_interesting(self) -> bool:
        """Return whether somebody here would miss it."""
        connecting = self.link is not None and not self.handshake.is_up
        cut = self.pulse is not None and self.pulse.cut_at is not None
        return connecting or cut or bool(self.keys or self.outbox.pending)

    def adopt(self, stand_in: StandIn, key: int) -> None:
        """Take note that the other node will tell of `stand_in`'s end by `key`."""
        stand_in.keys.add(key)
        self.keys[key] = stand_in

    def release(self, stand_in: StandIn) -> list[int]:
        """Forget a stand-in; return its keys."""
        keys = sorted(stand_in.keys)
        stand_in.keys.clear()
        for key in keys:
            self.keys.pop(key, None)
        return keys

    def unserve(self, key: int) -> None:
        """Stop watching an actor for the other node. Idempotent."""
        served = self.served.pop(key, None)
        if served is not None:
            cell, watch_id = served
            cell.unwatch(watch_id)

    def end_conversation(self) -> None:
        """Let go of all that belonged to it."""
        self.handshake = self.handshake.next()
        self.session = object()
        self.pulse = None
        self.route = b""
        keys, self.keys = self.keys, {}
        for stand_in in keys.values():
            stand_in.keys.clear()
            stand_in.finish(NOCONNECTION)
        for key in list(self.served):
            self.unserve(key)
