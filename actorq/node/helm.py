"""Tells slots what their nodes have ordered: which queues to take tasks from, and other time limits.

A part of the broker. A node says over its link what is to be; the slots of it that are there hear it at once, those that come
later with their welcome. So an order reaches a slot before any task that is handed out after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actorq.messages import wire
from actorq.node.peers import NodePeer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actorq.node.peers import SlotPeer
    from actorq.node.switchboard import Switchboard

__all__ = ["Helm"]


class Helm:
    """`slots` by name; frames go out over `switchboard`."""

    def __init__(self, slots: Mapping[str, SlotPeer], switchboard: Switchboard) -> None:
        self._slots, self._switchboard = slots, switchboard

    def steer(self, node: NodePeer, steer: wire.Steer) -> None:
        """Pass on what a node has ordered."""
        node.steer = steer
        for slot in self._slots.values():
            if slot.desk.node == node.name:
                self._tell(slot, steer)

    def greet(self, slot: SlotPeer) -> None:
        """Tell a slot that has just been welcomed what its node has ordered since its start."""
        for peer in self._switchboard:
            if isinstance(peer, NodePeer) and peer.name == slot.desk.node and peer.steer is not None:
                self._tell(slot, peer.steer)

    def _tell(self, slot: SlotPeer, steer: wire.Steer) -> None:
        slot.desk.takes = steer.takes
        if slot.routing_id:
            self._switchboard.send(slot.routing_id, wire.STEER, steer)
