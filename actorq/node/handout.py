"""Who gets the tasks that wait: every slot that has room, the emptiest first, each its share of what it takes.

A slot that has been at one task for a while gets none: they would wait for its end, or for the balancer to take them back.
Among equally empty ones those that take only some queues go first, so that the others leave them theirs. A slot that is to
take the place of another gets nothing before that one is through, and one with a share of work no more than that. What a
slot of many places gets is in proportion to them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actorq.messages import wire
from actorq.node.balance import PATIENCE_S
from actorq.node.credit import fair_share, is_hungry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from actorq.node.ledger import Ledger
    from actorq.node.peers import SlotPeer

__all__ = ["hand_out"]


def hand_out(
    ledger: Ledger, slots: Mapping[str, SlotPeer], send: Callable[[bytes, bytes, Any], bool], now: float
) -> None:
    """Lease what waits to slots and send it to them."""
    hungry = [peer for peer in slots.values() if _is_hungry(peer, slots)]
    # The emptiest first: an idle slot must not go without because a busy one was asked before it.
    hungry.sort(key=lambda peer: 2 * len(peer.desk.held) / peer.desk.places + (peer.desk.takes is None))
    places = sum(peer.desk.places for peer in hungry)
    for peer in hungry:
        desk = peer.desk
        waiting = ledger.waiting if desk.takes is None else ledger.lanes.count_waiting(desk.takes)
        limit = min(desk.credit - len(desk.held), fair_share(waiting, places, desk.places))
        places -= desk.places
        if desk.max_tasks:
            limit = min(limit, _count_left(peer))
        if limit <= 0:
            continue
        drawn = ledger.draw(desk, limit, now)
        if drawn and not send(peer.routing_id, wire.TASKS, wire.Tasks(desk.settled, drawn)):
            ledger.undo(desk, drawn)  # gone, and the kernel hasn't said so yet
            desk.closed = True


def _is_hungry(peer: SlotPeer, slots: Mapping[str, SlotPeer]) -> bool:
    desk = peer.desk
    if desk.closed and not (desk.after and _takes_over(peer, slots)):
        return False
    held = len(desk.held)
    if not peer.routing_id or not is_hungry(held, desk.credit, desk.places):
        return False
    return held < desk.places or peer.line.running_s() < PATIENCE_S


def _count_left(peer: SlotPeer) -> int:
    """Return how many more this slot may be given; one that has had its share is closed."""
    # What ended and wasn't reported yet counts twice: too few for a moment, never too many.
    left = peer.desk.max_tasks - peer.line.executed - len(peer.desk.held)
    if left <= 0 and not peer.desk.held:
        peer.desk.closed = True
    return left


def _takes_over(peer: SlotPeer, slots: Mapping[str, SlotPeer]) -> bool:
    """Open a slot whose predecessors are gone, or run nothing and get nothing any more."""
    before = [slots[name] for name in peer.desk.after if name in slots]
    if not all(_is_through(each) for each in before):
        return False
    peer.desk.after, peer.desk.closed = (), False
    return True


def _is_through(peer: SlotPeer) -> bool:
    desk = peer.desk
    return not desk.held and (desk.retiring or 0 < desk.max_tasks <= peer.line.executed)
