"""What a hub expects of an outbox whose owner has forgotten what an earlier hub confirmed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actorq.engine.memory import MemoryEngine
from actorq.messages.task import TaskMessage
from actorq.node.desks import OutboxDesk
from actorq.node.ledger import Ledger

NUMBERS = st.integers(0, 50)


@given(committed=NUMBERS, ahead=NUMBERS, first=NUMBERS)
def test_numbers_only_grow_and_none_that_may_still_come_is_passed_over(committed, ahead, first):
    desk = OutboxDesk(1, 1, committed + ahead, committed, finished=committed)
    desk.pass_over(first)
    assert desk.taken == max(committed + ahead, first - 1)
    assert desk.committed == desk.finished == max(committed, first - 1)
    assert desk.committed <= desk.taken


def test_the_first_task_that_its_owner_still_has_is_taken_and_stored():
    engine = MemoryEngine()
    ledger = Ledger(engine.open(), max_tasks=10**6, prefetch_s=0.05)
    desk = ledger.open_outbox(7, *engine.register_outbox(7))
    desk.pass_over(41)
    ledger.take(desk, [TaskMessage(number, "t", b"") for number in (40, 41, 42)], 1_000.0)
    assert (ledger.unfinished, desk.taken, desk.committed) == (2, 42, 40)


def test_an_outbox_that_the_store_has_dropped_and_registered_anew_gets_a_desk_of_its_new_number():
    ledger = Ledger(MemoryEngine().open(), max_tasks=10**6, prefetch_s=0.05)
    old = ledger.open_outbox(7, 1, 40)
    assert ledger.open_outbox(7, 1, 40) is old
    new = ledger.open_outbox(7, 2, 0)
    assert (new.no, new.taken) == (2, 0)
    assert ledger.by_no == {1: old, 2: new}
