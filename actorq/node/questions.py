"""What the broker can say about tasks and slots from memory, as plain data. Slow paths: for people, not per task."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from actorq.messages.ids import NUMBER_BITS, NUMBER_MASK, format_task_id
from actorq.messages.states import NAMES, PENDING, RECEIVED, RETRY, STARTED
from actorq.messages.updates import LAST_UPDATE, read_update
from actorq.node.updates import describe_update
from actorq.pools import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from actorq.engine.protocol import StoredTask
    from actorq.messages.task import Delivery, ResultRecord
    from actorq.node.ledger import Ledger
    from actorq.node.peers import SlotPeer

__all__ = ["count_ahead", "describe_record", "describe_slot", "describe_stored", "describe_task", "task_id_of"]


TOLD_TASKS: Final = 100  # of those that a slot runs, and of those that it holds
POOLS: Final = {kind.number: kind.name for kind in KINDS.values()}


def task_id_of(ledger: Ledger, key: int) -> str:
    """Return the id people know a key by."""
    outbox = ledger.by_no.get(key >> NUMBER_BITS)
    return format_task_id(outbox.outbox_id if outbox else 0, key & NUMBER_MASK)


def describe_task(ledger: Ledger, slots: Mapping[str, SlotPeer], key: int) -> dict[str, Any] | None:
    """Return the state of an unfinished task that is in memory, else None."""
    found = ledger.find(key)
    if found is None:
        return None
    delivery, desk = found
    facts = _header(delivery)
    if desk is None:
        return {"state": PENDING, "ahead": count_ahead(ledger, delivery), **facts}
    running = slots[desk.name].line.executions() if desk.name in slots else ()
    since = next((each.running_s() for each in running if each.key == key), None)
    state = RECEIVED if since is None else STARTED
    facts |= {"state": state, "slot": desk.name, "node": desk.node, "running_s": since}
    if key in desk.updates:
        facts |= describe_update(desk.updates[key].update)
    return facts


def describe_stored(task: StoredTask) -> dict[str, Any]:
    """Return the state of an unfinished task that only the store has."""
    message = task.message
    state = RETRY if message.retries else PENDING
    return {
        "state": state,
        "task": message.task,
        "queue": message.queue,
        "eta": task.due_at or message.eta,
        "parent": message.parent,
    }


def describe_record(record: ResultRecord) -> dict[str, Any]:
    """Return the state of a finished task; its result stays bytes."""
    facts: dict[str, Any] = {"state": NAMES[record.state]}
    if record.codec_id == LAST_UPDATE:
        facts = describe_update(read_update(record.payload))
    facts |= {"finished_at": record.finished_at, "runtime_s": record.runtime_s}
    return {**facts, "parent": record.parent, "children": record.children}


def describe_slot(ledger: Ledger, peer: SlotPeer) -> dict[str, Any]:
    """Return what a slot does: what it runs, what it holds, how much it has done."""
    takes = peer.desk.takes
    held, updates = peer.desk.held, peer.desk.updates
    running = {each.key: each.running_s() for each in peer.line.executions() if each.key in held}
    active = [
        {"id": task_id_of(ledger, key), "running_s": running_s, **_header(held[key])}
        | ({"said": updates[key].update.state} if key in updates else {})
        for key, running_s in islice(running.items(), TOLD_TASKS)
    ]
    reserved = [
        {"id": task_id_of(ledger, key), **_header(delivery)}
        for key, delivery in islice(held.items(), TOLD_TASKS)
        if key not in running
    ]
    return {
        "slot": peer.desk.name,
        "node": peer.desk.node,
        "takes": None if not takes or not (takes.only or takes.but) else {"only": takes.only, "but": takes.but},
        "pid": peer.pid,
        "pool": POOLS.get(peer.line.pool, "?"),
        "places": peer.desk.places,
        "active": active[0] if active else None,
        "all_active": active,
        "running": len(running),
        "reserved": reserved,
        "held": len(held),
        "done": peer.desk.done,
        "credit": peer.desk.credit,
        "open": not peer.desk.closed,
    }


def _header(delivery: Delivery) -> dict[str, Any]:
    message = delivery.message
    return {
        "task": message.task,
        "queue": message.queue,
        "priority": message.priority,
        "retries": message.retries,
        "deliveries": delivery.deliveries,
        "parent": message.parent,
    }


def count_ahead(ledger: Ledger, delivery: Delivery) -> int:
    """Return how many tasks in the windows of its queue run before this one."""
    return sum(_before(window, delivery) for window in ledger.lanes.windows(delivery.message.queue))


def _before(window: tuple[int, Iterable[Delivery]], delivery: Delivery) -> int:
    priority, tasks = window
    if priority > delivery.message.priority:
        return sum(1 for _ in tasks)
    if priority < delivery.message.priority:
        return 0
    return next((place for place, each in enumerate(tasks) if each.key == delivery.key), 0)
