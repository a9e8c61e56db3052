"""Who gets the tasks that wait: every slot that has room, the emptiest first, each its share of what it takes.

A slot that has been at one task for a while gets none: they would wait for its end, or for the balancer to take them back.
Among equally empty ones those that take only some queues go first, so that the others leave them theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actorq.messages import wire
from actorq.node.balance import PATIENCE_S
from actorq.node.credit import fair_share

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from actorq.node.ledger import Ledger
    from actorq.node.peers import SlotPeer

__all__ = ["hand_out"]


def hand_out(ledger: Ledger, slots: Iterable[SlotPeer], send: Callable[[bytes, bytes, Any], bool], now: float) -> None:
    """Lease what waits to slots and send it to them."""
    hungry = [peer for peer in slots if _is_hungry(peer)]
    # The emptiest first: an idle slot must not go without because a busy one was asked before it.
    hungry.sort(key=lambda peer: 2 * len(peer.desk.held) + (peer.desk.takes is None))
    for place, peer in enumerate(hungry):
        desk = peer.desk
        waiting = ledger.waiting if desk.takes is None else ledger.lanes.count_waiting(desk.takes)
        limit = min(desk.credit - len(desk.held), fair_share(waiting, len(hungry) - place))
        if not limit:
            continue
        drawn = ledger.draw(desk, limit, now)
        if drawn and not send(peer.routing_id, wire.TASKS, wire.Tasks(desk.settled, drawn)):
            ledger.undo(desk, drawn)  # gone, and the kernel hasn't said so yet
            desk.closed = True


def _is_hungry(peer: SlotPeer) -> bool:
    desk = peer.desk
    if desk.closed or not peer.routing_id or len(desk.held) > desk.credit // 2:
        return False
    return not desk.held or peer.line.running_s() < PATIENCE_S
