"""Everything the hub knows of one task, and of what it waits for, as plain data: for `actorq task show`, `why` and `get()`.

Pure: from the ledger, the slots' lines and what the store found. Sentences are made of it elsewhere (`actorq.client.why`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actorq.codec.serializers import name_codec
from actorq.messages.ids import NUMBER_MASK, format_task_id, parse_task_id
from actorq.messages.states import NAMES, PENDING, RECEIVED, RETRY, STARTED, SUCCESS, UNKNOWN
from actorq.messages.updates import LAST_UPDATE, read_update
from actorq.node.questions import count_ahead, task_id_of
from actorq.node.updates import describe_update

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actorq.messages.task import ResultRecord, TaskMessage
    from actorq.node.ledger import Ledger
    from actorq.node.messages import Found
    from actorq.node.peers import SlotPeer

__all__ = ["gather_facts"]

MAX_BODY_BYTES = 65_536  # of arguments that are shown


def gather_facts(
    ledger: Ledger, slots: Mapping[str, SlotPeer], task_id: str, found: Found, *, body: bool = False
) -> dict[str, Any]:
    """Return what is known of the task `task_id`, of which the store says `found`. With `body` its arguments, still encoded."""
    key = found.key if found.key is not None else _find_key(ledger, task_id)
    held = None if key is None or found.record is not None else ledger.find(key)
    if held is not None:
        delivery, desk = held
        facts = _describe_message(delivery.message, delivery.outbox_id, body=body)
        facts |= {"deliveries": delivery.deliveries, **_describe_wait(ledger, slots, delivery.message.queue)}
        if desk is None:
            return {**facts, "state": PENDING, "where": "window", "ahead": count_ahead(ledger, delivery)}
        return facts | _describe_slot(ledger, slots[desk.name], delivery.key)
    if found.record is not None:
        facts = {} if found.dead is None else _describe_message(found.dead.message, found.dead.outbox_id, body=body)
        if found.dead is not None:
            facts |= {"deliveries": found.dead.deliveries, "cause": found.dead.cause}
        return facts | _describe_end(found.record, is_dead=found.dead is not None)
    if found.task is not None:
        task = found.task
        facts = _describe_message(task.message, task.outbox_id, body=body)
        facts |= {"deliveries": task.deliveries, **_describe_wait(ledger, slots, task.message.queue)}
        state = RETRY if task.message.retries and task.due_at else PENDING
        waiting = ledger.lanes.lengths().get(task.message.queue, 0)
        return {**facts, "state": state, "where": "store", "eta": task.due_at, "waiting": waiting}
    return {"state": UNKNOWN, "where": "nowhere", **_describe_stranger(ledger, task_id)}


def _find_key(ledger: Ledger, task_id: str) -> int | None:
    key = ledger.find_key(task_id)
    return ledger.find_aliases([task_id]).get(task_id) if key is None else key


def _describe_message(message: TaskMessage, outbox_id: int, *, body: bool) -> dict[str, Any]:
    shown = {
        "id": format_task_id(outbox_id, message.number),
        "alias": message.alias,
        "task": message.task,
        "queue": message.queue,
        "priority": message.priority,
        "sent_at": message.sent_at or None,
        "eta": message.eta,
        "expires": message.expires,
        "retries": message.retries,
        "max_deliveries": message.max_deliveries,
        "soft_time_limit": message.limits[0] if message.limits else None,
        "time_limit": message.limits[1] if message.limits else None,
        "root": message.root or None,
        "parent": message.parent or None,
        "headers": message.headers or {},
        "arguments_bytes": len(message.body),
        "serializer": name_codec(message.codec_id),
    }
    return {**shown, "codec": message.codec_id, "body": message.body[: MAX_BODY_BYTES + 1]} if body else shown


def _describe_wait(ledger: Ledger, slots: Mapping[str, SlotPeer], queue: str) -> dict[str, Any]:
    """Return who takes tasks of this queue and what they do."""
    takers = [
        peer
        for peer in slots.values()
        if not peer.desk.retiring and (peer.desk.takes is None or peer.desk.takes.takes(queue))
    ]
    free = [peer for peer in takers if len(peer.desk.held) < peer.desk.places]
    busy = max((peer for peer in takers if peer.desk.held), key=lambda peer: peer.line.running_s(), default=None)
    return {
        "paused": queue in ledger.lanes.paused,
        "slots": len(slots),
        "leaving": sum(peer.desk.retiring for peer in slots.values()),
        "takers": len(takers),
        "free": len(free),
        "longest": None if busy is None else _describe_running(ledger, busy),
    }


def _describe_running(ledger: Ledger, peer: SlotPeer) -> dict[str, Any]:
    """Return what a slot has been running longest."""
    longest = max(peer.line.executions(), key=lambda each: each.running_s(), default=None)
    facts: dict[str, Any] = {"slot": peer.desk.name, "node": peer.desk.node, "running_s": 0.0}
    if longest is not None and longest.key in peer.desk.held:
        task = peer.desk.held[longest.key].message.task
        facts |= {"id": task_id_of(ledger, longest.key), "task": task, "running_s": longest.running_s()}
    return facts


def _describe_slot(ledger: Ledger, peer: SlotPeer, key: int) -> dict[str, Any]:
    running_s = next((each.running_s() for each in peer.line.executions() if each.key == key), None)
    facts = {"slot": peer.desk.name, "node": peer.desk.node, "pid": peer.pid, "where": "slot"}
    if running_s is not None:
        facts |= {"state": STARTED, "running_s": running_s, "terminating": peer.desk.doomed}
        live = peer.desk.updates.get(key)
        return facts if live is None else facts | describe_update(live.update)
    return {**facts, "state": RECEIVED, "behind": _describe_running(ledger, peer), "is_leaving": peer.desk.retiring}


def _describe_end(record: ResultRecord, *, is_dead: bool) -> dict[str, Any]:
    """Return how a task ended; what it raised stays bytes."""
    facts = {
        "state": NAMES[record.state],
        "where": "dead" if is_dead else "ended",
        "finished_at": record.finished_at,
        "runtime_s": record.runtime_s,
        "started_at": record.finished_at - record.runtime_s if record.runtime_s else None,
        "result_bytes": len(record.payload),
    }
    if record.codec_id == LAST_UPDATE:
        return facts | describe_update(read_update(record.payload))
    return facts if NAMES[record.state] == SUCCESS else {**facts, "failure": record.payload}


def _describe_stranger(ledger: Ledger, task_id: str) -> dict[str, Any]:
    """Return what the id alone says of a task that isn't here."""
    parsed = parse_task_id(task_id)
    outbox = ledger.outboxes.get(parsed[0]) if parsed else None
    return {
        "is_chosen": parsed is None,
        "taken": None if outbox is None else outbox.taken,
        "number": parsed[1] & NUMBER_MASK if parsed else None,
        "is_revoked": (parsed or task_id) in ledger.cancellations.revoked.names,
    }
