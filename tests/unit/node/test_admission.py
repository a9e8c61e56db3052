"""How much of a batch a bounded queue takes."""

from __future__ import annotations

import pytest

from actorq.config import Settings
from actorq.engine.memory import MemoryEngine
from actorq.messages.task import TaskMessage
from actorq.node.admission import Admission
from actorq.node.desks import SlotDesk
from actorq.node.ledger import Ledger

NOW = 1_000.0


@pytest.fixture
def hub():
    engine = MemoryEngine()
    ledger = Ledger(engine.open(), max_tasks=10**6, prefetch_s=0.05)
    settings = Settings().replace("test", {"task_queues": {"mail": {"max": 5}}})
    no, taken = engine.register_outbox(1)
    desk = ledger.open_outbox(1, no, taken)
    return ledger, desk, Admission(ledger, settings)


def tasks(*numbers, queue="mail"):
    return [TaskMessage(number, "t", b"", queue=queue) for number in numbers]


def test_a_batch_is_taken_up_to_the_bound_and_refused_from_there_on(hub):
    ledger, desk, admission = hub
    desk.carries = "mail"
    assert admission.take(desk, tasks(1, 2, 3), NOW) is None
    refused = admission.take(desk, tasks(2, 3, 4, 5, 6, 7), NOW)
    assert (refused.number, refused.error, refused.detail, refused.queue) == (6, "QueueFull", "5", "mail")
    assert (desk.taken, ledger.lanes.length("mail")) == (5, 5)
    assert admission.take(desk, tasks(6, 7), NOW).number == 6
    ledger.draw(SlotDesk("s"), 1, NOW)
    assert admission.take(desk, tasks(6, 7), NOW).number == 7
    assert desk.taken == 6


def test_a_paused_queue_fills_up_as_any_other(hub):
    ledger, desk, admission = hub
    desk.carries = "mail"
    ledger.lanes.pause("mail")
    assert admission.take(desk, tasks(1, 2, 3), NOW) is None
    ledger.release_held()
    assert admission.take(desk, tasks(4, 5, 6), NOW).number == 6


def test_an_outbox_that_carries_anything_is_taken_whole(hub):
    ledger, desk, admission = hub
    assert admission.take(desk, tasks(*range(1, 20)), NOW) is None
    assert ledger.lanes.length("mail") == 19
    desk.carries = "unbounded"
    assert admission.take(desk, tasks(20, queue="unbounded"), NOW) is None
