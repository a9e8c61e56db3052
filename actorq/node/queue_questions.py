"""What people ask about queues, checked; and what they are told, as plain data. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec

from actorq.messages.ids import NUMBER_MASK, format_task_id

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from actorq.engine.protocol import LaneStats, StoredTask
    from actorq.messages.queues import QueueChoice
    from actorq.node.desks import SlotDesk

__all__ = ["MAX_PEEK", "QueueQuestion", "describe_queues", "describe_waiting", "read_question"]

MAX_PEEK: Final = 1_000  # tasks in one answer; their arguments may be large
_Name = Annotated[str, msgspec.Meta(max_length=255)]


class QueueQuestion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`ls` means all queues, the others the one named `queue`; `move` takes up to `limit` tasks `to` another.

    `bodies`: a peek shows the encoded arguments, too.
    """

    verb: Literal["ls", "peek", "pause", "resume", "purge", "move"]
    queue: _Name = ""
    to: _Name = ""
    limit: Annotated[int, msgspec.Meta(ge=1)] | None = None
    bodies: bool = False


def read_question(arguments: Mapping[str, Any]) -> QueueQuestion:
    """Return the question a caller asked.

    Raises:
        ValueError: it isn't one; says what was expected where.
    """
    try:
        question = msgspec.convert(arguments, QueueQuestion)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
    if question.verb != "ls" and not question.queue:
        raise ValueError(f"expected the name of a queue to {question.verb}, got none")
    if question.verb == "move":
        if not question.to:
            raise ValueError("expected the name of a queue to move tasks to, got none")
        if question.to == question.queue:
            raise ValueError(f"expected another queue to move tasks to, got {question.queue!r} itself")
    return question


def describe_queues(
    known: Iterable[str],
    *,
    stored: Iterable[LaneStats],
    in_memory: Mapping[tuple[str, int], int],
    slots: Collection[SlotDesk],
    running: Collection[int],
    paused: Collection[str],
) -> list[dict[str, Any]]:
    """Return one entry for each queue, by name.

    `stored` is what the store has alone, `in_memory` what waits at the hub; `running` are keys of tasks in slots' hands.
    """
    queues: dict[str, dict[str, Any]] = {}

    def entry(name: str) -> dict[str, Any]:
        if name not in queues:
            blank = {"queue": name, "ready": 0, "priorities": {}, "scheduled": 0, "reserved": 0, "running": 0}
            consumers = sum(1 for slot in slots if _takes(slot.takes, name))
            queues[name] = {**blank, "oldest_at": None, "paused": name in paused, "consumers": consumers}
        return queues[name]

    for name in (*known, *paused):
        entry(name)
    ready: Counter[tuple[str, int]] = Counter(in_memory)
    for lane in stored:
        ready[lane.queue, lane.priority] += lane.ready
        of = entry(lane.queue)
        of["scheduled"] += lane.scheduled
        of["oldest_at"] = _earlier(of["oldest_at"], lane.oldest_at)
    for (name, priority), count in sorted(ready.items(), reverse=True):
        of = entry(name)
        of["ready"] += count
        if count:
            of["priorities"][str(priority)] = count
    for slot in slots:
        for key, delivery in slot.held.items():
            entry(delivery.message.queue)["running" if key in running else "reserved"] += 1
    return [queues[name] for name in sorted(queues)]


def describe_waiting(task: StoredTask, *, body: bool) -> dict[str, Any]:
    """Return a task that waits; its arguments stay bytes."""
    message = task.message
    shown = {
        "id": format_task_id(task.outbox_id, task.key & NUMBER_MASK),
        "alias": message.alias,
        "task": message.task,
        "priority": message.priority,
        "sent_at": message.sent_at or None,
        "eta": task.due_at,
        "expires": message.expires,
        "retries": message.retries,
        "deliveries": task.deliveries,
        "headers": message.headers or {},
    }
    return {**shown, "codec": message.codec_id, "body": message.body} if body else shown


def _takes(choice: QueueChoice | None, queue: str) -> bool:
    return choice is None or choice.takes(queue) or (queue in choice.broadcasts and choice.chooses(queue))


def _earlier(one: float | None, other: float | None) -> float | None:
    found = [each for each in (one, other) if each]
    return min(found, default=None)
