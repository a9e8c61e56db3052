"""What people ask about queues, and what they are told."""

from __future__ import annotations

import pytest

from actorq.engine.values import LaneStats, StoredTask
from actorq.messages.queues import QueueChoice
from actorq.messages.task import Delivery, TaskMessage
from actorq.node.desks import SlotDesk
from actorq.node.queue_questions import describe_queues, describe_waiting, read_question


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({}, "verb"),
        ({"verb": "burn"}, "burn"),
        ({"verb": "pause"}, "name of a queue to pause"),
        ({"verb": "purge", "queue": 3}, "str"),
        ({"verb": "move", "queue": "a"}, "to move tasks to"),
        ({"verb": "move", "queue": "a", "to": "a"}, "'a' itself"),
        ({"verb": "move", "queue": "a", "to": "b", "limit": 0}, ">= 1"),
        ({"verb": "peek", "queue": "a" * 256}, "255"),
        ({"verb": "ls", "unheard": 1}, "unheard"),
    ],
)
def test_what_is_no_question_is_refused(arguments, told):
    with pytest.raises(ValueError, match=told):
        read_question(arguments)


def held(key, queue):
    return key, Delivery(key, 1, 0, 1, TaskMessage(key, "t", b"", queue=queue))


def test_each_task_is_counted_once_wherever_it_is():
    slots = [SlotDesk("s1", held=dict([held(1, "a"), held(2, "a")])), SlotDesk("s2", takes=QueueChoice(only=("b",)))]
    a, b, c = describe_queues(
        {"a"},
        stored=[LaneStats("a", 0, 5, 2, 10.0), LaneStats("a", 9, 1, 0, 7.0), LaneStats("b", 0, 0, 3)],
        in_memory={("a", 0): 4, ("a", 5): 0},
        slots=slots,
        running={1, 99},
        paused={"c"},
    )
    assert a == {
        "queue": "a",
        "ready": 10,
        "priorities": {"9": 1, "0": 9},
        "scheduled": 2,
        "reserved": 1,
        "running": 1,
        "oldest_at": 7.0,
        "paused": False,
        "consumers": 1,
    }
    assert (b["ready"], b["scheduled"], b["consumers"], b["oldest_at"]) == (0, 3, 2, None)
    assert (c["queue"], c["paused"], c["ready"]) == ("c", True, 0)


def test_a_task_shows_its_arguments_only_when_asked():
    task = StoredTask(1 << 40 | 7, 0, 1, 3, TaskMessage(7, "t", b"body", headers={"a": 1}), due_at=5.0)
    shown = describe_waiting(task, body=False)
    assert (shown["task"], shown["eta"], shown["headers"], "body" in shown) == ("t", 5.0, {"a": 1}, False)
    assert describe_waiting(task, body=True)["body"] == b"body"
