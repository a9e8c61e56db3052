"""Tasks that put themselves back: who waits how long, and where they come again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actorq.engine.memory import MemoryEngine
from actorq.messages.states import NUMBERS, RETRY, SUCCESS
from actorq.messages.task import TO_THE_BACK, Delivery, Report, TaskMessage
from actorq.node.desks import SlotDesk
from actorq.node.ledger import Ledger
from actorq.node.requeues import FREE_REQUEUES, LONGEST_PAUSE_S, Requeues, plan_requeue_pause

NOW = 4_000_000_000.0  # later than the clock of the engine says: what is put off there is not due


def make(number: int, queue: str = "default", priority: int = 0) -> Delivery:
    return Delivery(number, 1, 0, 7, TaskMessage(number, "t", b"", queue=queue, priority=priority))


@given(st.integers(0, 10_000))
def test_pauses_only_grow_up_to_a_bound(requeues: int) -> None:
    assert 0 <= plan_requeue_pause(requeues) <= plan_requeue_pause(requeues + 1) <= LONGEST_PAUSE_S


def test_the_first_times_are_free_and_what_is_alone_waits_longer_and_longer() -> None:
    requeues, task = Requeues(), make(1)
    pauses = [requeues.plan_pause(task) for _ in range(30)]
    assert pauses[:FREE_REQUEUES] == [0.0] * FREE_REQUEUES
    assert 0 < pauses[FREE_REQUEUES] < 0.1
    assert pauses[-1] == LONGEST_PAUSE_S


def test_a_task_of_the_same_lane_that_ends_makes_the_next_time_free_one_of_another_lane_does_not() -> None:
    requeues, task = Requeues(), make(1)
    paused = [requeues.plan_pause(task) for _ in range(10)][-1]
    assert paused > 0
    requeues.note_end(make(2, queue="other"))
    requeues.note_end(make(3, priority=5))
    assert requeues.plan_pause(task) > paused
    requeues.note_end(make(4))
    assert requeues.plan_pause(task) == 0.0


def test_nothing_is_kept_of_tasks_that_have_ended() -> None:
    requeues = Requeues()
    for number in range(100):
        requeues.plan_pause(make(number, queue=f"q{number % 7}"))
    assert requeues
    for number in range(100):
        requeues.note_end(make(number, queue=f"q{number % 7}"))
    assert not requeues
    assert not requeues._ended


def test_a_task_that_puts_itself_back_comes_after_the_others_of_its_lane_and_is_not_counted() -> None:
    engine = MemoryEngine()
    ledger = Ledger(engine.open(), max_tasks=100, prefetch_s=0.05)
    slot = ledger.slots["s"] = SlotDesk("s")
    outbox = ledger.open_outbox(7, *engine.register_outbox(7))
    ledger.take(outbox, [TaskMessage(n, "t", b"", priority=9 if n == 4 else 0) for n in range(1, 5)], NOW)
    order = []
    back = NUMBERS[RETRY]
    for seq in range(6):
        (delivery,) = ledger.draw(slot, 1, NOW)
        order.append(delivery.message.number)
        goes_back = delivery.message.number in {1, 4} and order.count(delivery.message.number) == 1
        report = Report(delivery.key, delivery.token, back if goes_back else NUMBERS[SUCCESS])
        report.codec_id = TO_THE_BACK if goes_back else 0
        ledger.settle(slot, seq, [report], NOW)
        assert delivery.deliveries == delivery.message.retries == 0
    assert order == [4, 4, 1, 2, 3, 1], "its priority is kept, and within it, it goes to the end"
    assert ledger.unfinished == 0


def test_a_task_alone_waits_in_the_store_until_its_pause_is_over() -> None:
    engine = MemoryEngine()
    ledger = Ledger(engine.open(), max_tasks=100, prefetch_s=0.05)
    slot = ledger.slots["s"] = SlotDesk("s")
    outbox = ledger.open_outbox(7, *engine.register_outbox(7))
    ledger.take(outbox, [TaskMessage(1, "t", b"")], NOW)
    runs = 0
    while drawn := ledger.draw(slot, 1, NOW):
        report = Report(drawn[0].key, drawn[0].token, NUMBERS[RETRY], b"", TO_THE_BACK)
        ledger.settle(slot, runs, [report], NOW)
        runs += 1
        sealed = ledger.seal()
        if sealed is not None:
            ledger.committed(sealed, engine.commit(sealed.transaction))
    assert runs == FREE_REQUEUES + 1
    (stored,) = engine.load([drawn_key := next(iter(ledger._requeues._in_a_row))])
    assert stored.key == drawn_key
    assert stored.due_at is not None
    assert NOW < stored.due_at < NOW + 1
    assert not stored.leased
    assert ledger.unfinished == 1
