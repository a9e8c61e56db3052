"""Broadcast queues: each of their tasks runs once on every node that is there when its turn comes.

A task that was sent to one is never given to a slot. It is replaced, in one transaction, by one task for each node, in a queue
of that node's own (`config@first`); its result says which: `dict[node, task id]`. Those tasks are numbered in an outbox of the
store itself and are given out only once they are stored, so no number is ever used for two. Whoever joins later finds nothing.

What is for a node that has gone would wait for ever: it is purged once the node has been away for `GRACE_S`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from actorq.actors.signals import Invoke
from actorq.codec import encode_result
from actorq.log import get_logger
from actorq.messages.ids import NUMBER_MASK, format_task_id
from actorq.messages.queues import QueueChoice, split_address
from actorq.messages.states import NUMBERS, SUCCESS
from actorq.messages.task import FLAG_IGNORE_RESULT, Report
from actorq.messages.wire import Ask
from actorq.node.desks import SlotDesk

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from actorq.actors import Actor
    from actorq.messages.task import Delivery
    from actorq.messages.wire import Answer
    from actorq.node.desks import OutboxDesk
    from actorq.node.ledger import Ledger
    from actorq.node.peers import SlotPeer

__all__ = ["OUTBOX_ID", "Broadcasts", "find_lost", "find_nodes"]

log = get_logger(__name__)

OUTBOX_ID: Final = 0xB0AD_CA57_0000_0001  # of every store: no process owns it
AT_ONCE: Final = 1_000  # tasks that are replaced in one turn
LOOK_S: Final = 2.0
GRACE_S: Final = 10.0  # a node that restarts under its name, or comes back to a new hub, is there again by then


class Broadcasts:
    """Belongs to the broker `owner`; `ask` carries out a question about queues."""

    def __init__(
        self,
        owner: Actor,
        ledger: Ledger,
        slots: Mapping[str, SlotPeer],
        desk: OutboxDesk,
        *,
        queues: tuple[str, ...],
        ask: Callable[[Ask, Callable[[Answer], object]], object],
    ) -> None:
        self._owner, self._ledger, self._slots, self._desk = owner, ledger, slots, desk
        self._queues, self._ask = queues, ask
        self._lost_since: dict[str, float] = {}
        owner.timers.every(LOOK_S, Invoke(self._look))

    def spread(self, now: float) -> None:
        """Replace what waits in broadcast queues by one task for each node; where there is no node, it goes on waiting."""
        ledger = self._ledger
        for queue in self._queues:
            if not any(window for _, window in ledger.lanes.windows(queue)):
                continue
            nodes = find_nodes(queue, (peer.desk for peer in self._slots.values()))
            if nodes:
                nobody = SlotDesk("", takes=QueueChoice(only=(queue,)))
                for delivery in ledger.draw(nobody, AT_ONCE, now):
                    self._replace(delivery, nodes, now)

    def _replace(self, delivery: Delivery, nodes: Collection[str], now: float) -> None:
        message, ids = delivery.message, {}
        sent_as = format_task_id(delivery.outbox_id, delivery.key & NUMBER_MASK)
        for node in nodes:
            own = msgspec.structs.replace(
                message,
                queue=f"{message.queue}@{node}",
                eta=None,
                alias=None,
                root=message.root or sent_as,
                parent=sent_as,
            )
            ids[node] = format_task_id(OUTBOX_ID, self._ledger.put(self._desk, own))
        codec_id, payload = (0, b"") if message.flags & FLAG_IGNORE_RESULT else encode_result(ids)
        self._ledger.end(delivery, Report(delivery.key, delivery.token, NUMBERS[SUCCESS], payload, codec_id), now)

    def _look(self) -> None:
        now = self._owner.clock.monotonic()
        lengths = self._ledger.lanes.lengths()
        lost = find_lost(self._queues, lengths, {peer.desk.node for peer in self._slots.values()})
        self._lost_since = {queue: self._lost_since.get(queue, now) for queue in lost}
        for queue, since in self._lost_since.items():
            if now - since >= GRACE_S:
                log.warning("broadcast_node_gone", queue=queue, tasks=lengths[queue])
                self._ask(Ask(0, "queue", {"verb": "purge", "queue": queue}), lambda _: None)


def find_nodes(queue: str, slots: Iterable[SlotDesk]) -> list[str]:
    """Return the nodes that have a slot which takes this queue."""
    takers = (slot for slot in slots if slot.node and not slot.retiring)
    return sorted({slot.node for slot in takers if slot.takes is None or slot.takes.chooses(queue)})


def find_lost(broadcasts: Collection[str], lengths: Mapping[str, int], nodes: Collection[str]) -> list[str]:
    """Return the queues of nodes that aren't there, in which something waits."""
    return [
        queue
        for queue, length in lengths.items()
        if length and (address := split_address(queue, broadcasts)) is not None and address[1] not in nodes
    ]
