"""Tells slots what their nodes have ordered: which queues to take tasks from, and other time limits.

A part of the broker. A node says over its link what is to be; the slots of it that are there hear it at once, those that come
later with their welcome. So an order reaches a slot before any task that is handed out after the order was answered: answers
come through this broker, too, behind what they answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actorq.messages import wire
from actorq.node.peers import NodePeer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actorq.node.messages import SteerOwn
    from actorq.node.peers import SlotPeer
    from actorq.node.switchboard import Switchboard

__all__ = ["Helm"]


class Helm:
    """`slots` by name; frames go out over `switchboard`."""

    def __init__(self, slots: Mapping[str, SlotPeer], switchboard: Switchboard) -> None:
        self._slots, self._switchboard = slots, switchboard
        self._own: SteerOwn | None = None

    def steer(self, node: NodePeer, steer: wire.Steer) -> None:
        """Pass on what a node has ordered."""
        node.steer = steer
        self._tell_all(node.name, steer)

    def steer_own(self, message: SteerOwn) -> None:
        """Pass on what this very node has ordered; its link, which may not be here yet, says it again."""
        self._own = message
        self._tell_all(message.node, message.steer)

    def greet(self, slot: SlotPeer) -> None:
        """Tell a slot that has just been welcomed what its node has ordered since its start."""
        node = slot.desk.node
        if self._own is not None and self._own.node == node:
            self._tell(slot, self._own.steer)
            return
        for peer in self._switchboard:
            if isinstance(peer, NodePeer) and peer.name == node and peer.steer is not None:
                self._tell(slot, peer.steer)

    def _tell_all(self, node: str, steer: wire.Steer) -> None:
        for slot in self._slots.values():
            if slot.desk.node == node:
                self._tell(slot, steer)

    def _tell(self, slot: SlotPeer, steer: wire.Steer) -> None:
        if slot.desk.takes is not None and slot.desk.takes.of_pool:
            steer = wire.Steer(slot.desk.takes, steer.limits)
        slot.desk.choose(steer.takes)
        if slot.routing_id:
            self._switchboard.send(slot.routing_id, wire.STEER, steer)
