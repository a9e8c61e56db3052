"""What running tasks say of themselves, and who follows it: in the broker's memory only.

Invariant: an update is kept with the desk of the slot that runs its task, one for each, and goes with the task, or with the slot:
a retry or another delivery starts without. After a new hub has come, a task is STARTED until it says something again.

Whoever follows a task asks for what comes after what it has seen, and is answered when there is such a thing. So nobody polls, a
follower that is slow sees the newest and not all, and one that asks a new hub goes on there.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from actorq.codec import decode_result
from actorq.errors import DecodeError
from actorq.messages import wire
from actorq.messages.ids import format_task_id, make_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from actorq.messages.task import Delivery
    from actorq.messages.updates import Update
    from actorq.node.desks import SlotDesk
    from actorq.node.ledger import Ledger
    from actorq.node.peers import ClientPeer

__all__ = ["LiveUpdate", "LiveUpdates", "describe_update", "drop_ended"]


@dataclass(slots=True, frozen=True)
class LiveUpdate:
    """`seq` tells two updates apart, also those of two hubs."""

    seq: int
    update: Update


def drop_ended(desk: SlotDesk) -> None:
    """Forget the updates of tasks that this slot no longer has."""
    for key in [key for key in desk.updates if key not in desk.held]:
        del desk.updates[key]


def describe_update(update: Update) -> dict[str, Any]:
    """Return it as facts: `state`; `packed_meta` as it came, and `meta` for people where to decode it runs nobody's code."""
    facts = {"state": update.state, "packed_meta": [update.codec_id, update.meta]}
    try:
        meta = decode_result(update.codec_id, update.meta)
        msgspec.msgpack.encode(meta)  # it has to travel once more
    except (DecodeError, TypeError, ValueError, OverflowError, RecursionError):
        return facts
    return {**facts, "meta": meta}


class LiveUpdates:
    """Takes updates from slots and hands them to those who follow. Used from the broker's loop only."""

    def __init__(self, ledger: Ledger, reply: Callable[[bytes, wire.Answer], None]) -> None:
        self._ledger, self._reply = ledger, reply
        self._numbers = itertools.count((ledger.epoch << 32) + 1)
        self._followers: dict[
            str, set[tuple[bytes, int]]
        ] = {}  # task id, as asked for -> who asked, and by which request

    def take(self, _: ClientPeer, message: wire.Updates) -> None:
        """Keep what tasks of a slot say, as far as it has them still, and tell who follows."""
        desk = self._ledger.slots.get(message.slot)
        if desk is None:
            return
        for update in message.updates:
            outbox = self._ledger.outboxes.get(update.outbox_id)
            key = make_key(outbox.no, update.number) if outbox is not None else 0
            delivery = desk.held.get(key)
            if delivery is None or delivery.message.retries != update.retries:
                continue  # its run is over
            live = desk.updates[key] = LiveUpdate(next(self._numbers), update)
            if self._followers:
                self._tell(delivery, live)

    def _tell(self, delivery: Delivery, live: LiveUpdate) -> None:
        names = (format_task_id(delivery.outbox_id, delivery.message.number), delivery.message.alias)
        for name in names:
            for routing_id, request in self._followers.pop(name or "", ()):
                self._answer(routing_id, request, live)

    def _answer(self, routing_id: bytes, request: int, live: LiveUpdate) -> None:
        update = live.update
        data = {"seq": live.seq, "state": update.state, "packed_meta": [update.codec_id, update.meta]}
        self._reply(routing_id, wire.Answer(request, data))

    def follow(self, peer: ClientPeer, ask: wire.Ask) -> None:
        """Answer with the update of a task that isn't the one already seen, now or when it comes."""
        task_id, seen = str(ask.arguments["id"]), int(ask.arguments["seen"])
        live = self._find(task_id)
        if live is not None and live.seq != seen:
            self._answer(peer.routing_id, ask.request, live)
        else:
            self._followers.setdefault(task_id, set()).add((peer.routing_id, ask.request))

    def unfollow(self, peer: ClientPeer, ask: wire.Ask) -> None:
        """Answer nothing more to the request `request` about a task."""
        task_id = str(ask.arguments["id"])
        following = self._followers.get(task_id, set())
        following.discard((peer.routing_id, int(ask.arguments["request"])))
        if not following:
            self._followers.pop(task_id, None)
        self._reply(peer.routing_id, wire.Answer(ask.request))

    def drop(self, routing_id: bytes) -> None:
        """Forget what a client that has gone followed."""
        for task_id, following in list(self._followers.items()):
            left = {each for each in following if each[0] != routing_id}
            if left:
                self._followers[task_id] = left
            else:
                del self._followers[task_id]

    def _find(self, task_id: str) -> LiveUpdate | None:
        for desk in self._ledger.slots.values():
            for key, live in desk.updates.items():
                delivery = desk.held.get(key)
                if delivery is not None and task_id in (
                    delivery.message.alias,
                    format_task_id(delivery.outbox_id, delivery.message.number),
                ):
                    return live
        return None
