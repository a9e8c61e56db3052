"""The broker's ledger against the obvious slow version: a dict of what was accepted and how often each task ended."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from actorq.engine.memory import MemoryEngine
from actorq.engine.values import Change, Settlement, Transaction
from actorq.messages.ids import make_key
from actorq.messages.states import FAILURE, NUMBERS, RETRY, SUCCESS
from actorq.messages.task import Report, ResultRecord, TaskMessage
from actorq.node import lanes as lanes_module
from actorq.node.desks import SlotDesk
from actorq.node.ledger import Ledger

_SUCCESS, _RETRY, _FAILURE = NUMBERS[SUCCESS], NUMBERS[RETRY], NUMBERS[FAILURE]
NOW = 1_000.0


class Hub:
    """A ledger, an engine and what carries messages between them, in one thread and in any order."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.engine = MemoryEngine()
        self.ledger = Ledger(self.engine.open(), max_tasks=10**6, prefetch_s=0.05)
        self.sent: dict[int, int] = {}  # outbox id -> last number
        self.results: Counter[int] = Counter()
        self.revived: Counter[int] = Counter()
        self.expected: set[int] = set()
        self.seq: dict[str, int] = {}

    def send(self, outbox_id: int, count: int) -> None:
        if outbox_id not in self.ledger.outboxes:
            no, taken = self.engine.register_outbox(outbox_id)
            self.ledger.open_outbox(outbox_id, no, taken)
        desk = self.ledger.outboxes[outbox_id]
        first = self.sent.get(outbox_id, 0) + 1
        messages = [
            TaskMessage(
                *(number, "t", b""),
                queue=self.rng.choice("ab"),
                priority=self.rng.choice((0, 0, 5)),
                max_deliveries=self.rng.choice((1, 3)),
            )
            for number in range(max(1, first - 3), first + count)  # some of them again
        ]
        self.sent[outbox_id] = first + count - 1
        self.expected |= {make_key(desk.no, message.number) for message in messages}
        self.ledger.take(desk, messages, NOW)

    def commit(self) -> None:
        sealed = self.ledger.seal()
        if sealed is not None:
            receipt = self.engine.commit(sealed.transaction)
            self.ledger.committed(sealed, receipt)
            assert receipt.refused == []
            self.results.update(record.key for record in sealed.results)

    def refill(self) -> None:
        for queue, limit in self.ledger.lanes.refills():
            tasks = self.engine.lease([queue], limit)
            self.ledger.lanes.refill(queue, tasks, exhausted=len(tasks) < limit)

    def slot(self) -> SlotDesk:
        name = self.rng.choice(("s1", "s2"))
        return self.ledger.slots.setdefault(name, SlotDesk(name))

    def draw(self) -> None:
        self.ledger.draw(self.slot(), self.rng.randint(1, 8), NOW)

    def report(self) -> None:
        slot = self.slot()
        done = list(slot.held.values())[: self.rng.randint(0, 4)]
        reports = [
            Report(each.key, each.token, _RETRY, due_at=self.rng.choice((None, NOW - 1)))
            if self.rng.random() < 0.2
            else Report(each.key, each.token, _SUCCESS)
            for each in done
        ]
        first = slot.reported
        self.ledger.settle(slot, first, reports, NOW)
        assert self.ledger.settle(slot, first, reports, NOW) == 0, "sent again after a reconnect: known, not stale"

    def kill(self) -> None:
        slot = self.slot()
        if slot.held and self.rng.random() < 0.7:
            self.ledger.fail_delivery(slot, next(iter(slot.held)), "SIGKILL", "", NOW)
        self.ledger.hand_back(slot)

    def revive(self) -> None:
        """Requeue some dead letters, as the store and the broker do it."""
        letters = {letter.key: letter for letter in self.engine.dead(3)}
        keys = self.engine.requeue_dead(letters)
        self.ledger.woken(Counter(letters[key].message.queue for key in keys), revived=True)
        self.revived.update(keys)

    def hold(self) -> None:
        self.ledger.lanes.hold("a")

    def free(self) -> None:
        self.ledger.lanes.free("a")

    def withdraw(self) -> None:
        """Have all of queue "a" that doesn't run in the store, where nobody has it leased."""
        self.ledger.lanes.hold("a")
        for slot in self.ledger.slots.values():
            self.ledger.hand_back(slot, keep=list(slot.held)[:1])
        self.ledger.release_held()
        self.commit()

    def purge(self) -> None:
        """End some tasks of queue "a", as the broker does it."""
        self.withdraw()
        tasks = self.engine.peek("a", 4)
        token = next(self.ledger.tokens)
        settled = [Settlement(task.key, token, ResultRecord(task.key, _FAILURE)) for task in tasks]
        assert self.engine.commit(Transaction(settled=settled)).refused == []
        self.ledger.ended_in_store(tasks)
        self.results.update(task.key for task in tasks)

    def move(self) -> None:
        """Move some tasks of queue "a" to "b", as the broker does it."""
        self.withdraw()
        tasks = self.engine.peek("a", 4)
        token = next(self.ledger.tokens)
        changed = [Change(task.key, token, message=replace(task.message, queue="b"), keep_lease=True) for task in tasks]
        assert self.engine.commit(Transaction(changed=changed)).refused == []
        for task in tasks:
            self.ledger.lanes.left_lane("a", task.message.priority)
        self.ledger.woken({"b": len(tasks)})

    def step(self) -> None:
        steps = (
            *(self.commit, self.refill, self.draw, self.report, self.kill, self.revive, lambda: self.send(7, 5)),
            *(self.hold, self.free, self.free, self.purge, self.move),
        )
        self.ledger.release_held()  # as the broker does after each batch
        self.rng.choice(steps)()

    def finish(self) -> None:
        self.free()
        for _ in range(10_000):
            self.commit()
            self.refill()
            slot = self.slot()
            drawn = self.ledger.draw(slot, 50, NOW)
            reports = [Report(each.key, each.token, _SUCCESS) for each in slot.held.values()]
            self.ledger.settle(slot, slot.reported, reports, NOW)
            if not drawn and not reports and not self.ledger.operations and self.ledger.unfinished == 0:
                self.commit()
                return
        raise AssertionError(f"{self.ledger.unfinished} tasks never ended")


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 60), st.booleans())
def test_every_accepted_task_ends_exactly_once(seed: int, steps: int, tight: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if tight:  # windows so small that almost everything goes through the store
            patch.setattr(lanes_module, "WINDOW_TASKS", 4)
            patch.setattr(lanes_module, "REFILL_BELOW", 3)
            patch.setattr(lanes_module, "REFILL_TASKS", 5)
        hub = Hub(random.Random(seed))
        hub.send(1, 10)
        hub.send(2, 3)
        for _ in range(steps):
            hub.step()
        hub.finish()
    assert set(hub.results) == hub.expected
    assert hub.results == Counter(hub.expected) + hub.revived, "once, and once more each time it was requeued"
    assert hub.ledger.accepted == hub.ledger.finished
    assert hub.engine.results(sorted(hub.expected))
    assert all(queue.ready + queue.leased == 0 for queue in hub.engine.stats().queues.values())


def test_a_task_that_comes_due_is_read_and_goes_first_though_a_lower_priority_fills_its_window() -> None:
    hub = Hub(random.Random(1))
    no, taken = hub.engine.register_outbox(1)
    desk = hub.ledger.open_outbox(1, no, taken)
    many = lanes_module.REFILL_BELOW
    first = TaskMessage(1, "t", b"", priority=5)
    hub.ledger.take(desk, [first, *(TaskMessage(number, "t", b"") for number in range(2, many + 3))], NOW)
    late = TaskMessage(many + 3, "t", b"", priority=5, eta=4e9)
    hub.ledger.take(desk, [late], NOW)
    slot = SlotDesk("s")
    assert [each.message.number for each in hub.ledger.draw(slot, 1, NOW)] == [1]
    hub.commit()
    queues, _ = hub.engine.wake_due(4e9 + 1, 10)
    hub.ledger.woken(queues)
    assert hub.ledger.draw(slot, 1, NOW) == [], "what waits in the store may be more urgent"
    hub.refill()
    assert [each.message.number for each in hub.ledger.draw(slot, 2, NOW)] == [many + 3, 2]


def test_tasks_of_a_lane_start_in_the_order_in_which_they_came() -> None:
    hub = Hub(random.Random(1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lanes_module, "WINDOW_TASKS", 4)
        patch.setattr(lanes_module, "REFILL_BELOW", 3)
        patch.setattr(lanes_module, "REFILL_TASKS", 5)
        no, taken = hub.engine.register_outbox(1)
        desk = hub.ledger.open_outbox(1, no, taken)
        started: list[int] = []
        slot = SlotDesk("s")
        for batch in range(8):
            hub.ledger.take(desk, [TaskMessage(batch * 5 + place, "t", b"") for place in range(1, 6)], NOW)
            hub.commit()
            hub.refill()
            started += [each.message.number for each in hub.ledger.draw(slot, 3, NOW)]
        while len(started) < 40:
            hub.refill()
            started += [each.message.number for each in hub.ledger.draw(slot, 3, NOW)]
        assert started == list(range(1, 41))


def test_a_high_priority_goes_before_a_backlog_of_low_ones() -> None:
    hub = Hub(random.Random(1))
    no, taken = hub.engine.register_outbox(1)
    desk = hub.ledger.open_outbox(1, no, taken)
    hub.ledger.take(desk, [TaskMessage(number, "t", b"") for number in range(1, 100)], NOW)
    hub.ledger.take(desk, [TaskMessage(100, "t", b"", priority=9)], NOW)
    assert [each.message.number for each in hub.ledger.draw(SlotDesk("s"), 2, NOW)] == [100, 1]


def test_a_task_that_kills_its_slot_is_a_dead_letter_after_its_deliveries() -> None:
    hub = Hub(random.Random(1))
    no, taken = hub.engine.register_outbox(1)
    desk = hub.ledger.open_outbox(1, no, taken)
    hub.ledger.take(desk, [TaskMessage(1, "poison", b"", max_deliveries=3)], NOW)
    slot, ends = SlotDesk("s"), []
    for _ in range(3):
        (delivery,) = hub.ledger.draw(slot, 5, NOW)
        ends.append(hub.ledger.fail_delivery(slot, delivery.key, "SIGSEGV", "trace", NOW))
        hub.commit()
    assert ends == [False, False, True]
    (dead,) = hub.engine.dead(10, 0)
    assert (dead.cause, dead.traceback, dead.deliveries) == ("SIGSEGV", "trace", 3), "the last time counts, too"
    assert hub.engine.results([make_key(no, 1)])[0].state == _FAILURE


def test_a_requeued_dead_letter_is_unfinished_again_and_comes_behind_what_waits() -> None:
    hub = Hub(random.Random(1))
    no, taken = hub.engine.register_outbox(1)
    desk = hub.ledger.open_outbox(1, no, taken)
    hub.ledger.take(desk, [TaskMessage(1, "poison", b"", max_deliveries=1), TaskMessage(2, "t", b"")], NOW)
    slot = SlotDesk("s")
    (delivery,) = hub.ledger.draw(slot, 1, NOW)
    assert hub.ledger.fail_delivery(slot, delivery.key, "SIGSEGV", "", NOW)
    hub.commit()
    assert hub.ledger.unfinished == 1
    assert hub.engine.requeue_dead([delivery.key]) == [delivery.key]
    hub.ledger.woken({"default": 1}, revived=True)
    assert hub.ledger.unfinished == 2
    hub.refill()
    back = hub.ledger.draw(slot, 5, NOW)
    assert [each.message.number for each in back] == [2, 1]
    assert back[1].deliveries == 0
    assert back[1].token > delivery.token
    hub.ledger.settle(slot, 0, [Report(each.key, each.token, _SUCCESS) for each in back], NOW)
    hub.commit()
    assert (hub.ledger.unfinished, hub.ledger.accepted - hub.ledger.finished) == (0, 0)


def test_a_task_sent_and_ended_between_two_commits_is_written_once() -> None:
    hub = Hub(random.Random(1))
    no, taken = hub.engine.register_outbox(1)
    desk = hub.ledger.open_outbox(1, no, taken)
    hub.ledger.take(desk, [TaskMessage(1, "t", b"")], NOW)
    slot = SlotDesk("s")
    (delivery,) = hub.ledger.draw(slot, 5, NOW)
    hub.ledger.settle(slot, 0, [Report(delivery.key, delivery.token, _SUCCESS, b"x")], NOW)
    sealed = hub.ledger.seal()
    assert sealed is not None
    assert sealed.transaction.puts == []
    assert [record.key for record in sealed.transaction.straight] == [delivery.key]


def test_a_report_kept_in_a_line_ends_a_task_whose_put_comes_only_later() -> None:
    hub = Hub(random.Random(1))
    no, taken = hub.engine.register_outbox(1)
    desk = hub.ledger.open_outbox(1, no, taken)
    hub.ledger.legacy.recover_report(Report(make_key(no, 1), 77, _SUCCESS, b"early"), NOW)
    hub.ledger.take(desk, [TaskMessage(1, "t", b""), TaskMessage(2, "t", b"")], NOW)
    assert [each.message.number for each in hub.ledger.draw(SlotDesk("s"), 5, NOW)] == [2]
    hub.commit()
    assert hub.engine.results([make_key(no, 1)]) == [ResultRecord(make_key(no, 1), _SUCCESS, b"early", 0, NOW, 0.0)]


def test_a_task_that_still_runs_in_a_surviving_slot_is_not_dealt_again() -> None:
    hub = Hub(random.Random(1))
    no, taken = hub.engine.register_outbox(1)
    desk = hub.ledger.open_outbox(1, no, taken)
    slot = hub.ledger.slots["s"] = SlotDesk("s")
    hub.ledger.legacy.adopt(slot, make_key(no, 1), 5, None)
    hub.ledger.take(desk, [TaskMessage(1, "t", b"")], NOW)
    assert hub.ledger.draw(SlotDesk("other"), 5, NOW) == []
    hub.ledger.settle(slot, 0, [Report(make_key(no, 1), 5, _SUCCESS)], NOW)
    hub.commit()
    assert len(hub.engine.results([make_key(no, 1)])) == 1


def test_a_slot_keeps_its_reports_while_they_are_known_in_memory_only() -> None:
    hub = Hub(random.Random(1))
    no, taken = hub.engine.register_outbox(1)
    desk = hub.ledger.open_outbox(1, no, taken)
    slot = hub.ledger.slots["s"] = SlotDesk("s")
    report = Report(make_key(no, 1), 5, _SUCCESS)
    hub.ledger.legacy.adopt(slot, report.key, report.token, None)
    hub.ledger.settle(slot, 0, [report], NOW)
    hub.ledger.legacy.keep(slot, [report])
    hub.commit()
    assert slot.settled == 0, "its task isn't in the store: if this hub dies now, only the slot knows that it ended"
    hub.ledger.take(desk, [TaskMessage(1, "t", b"")], NOW)
    hub.commit()
    assert slot.settled == 1


def test_what_a_held_queue_gives_back_keeps_its_order_before_what_comes_meanwhile() -> None:
    hub = Hub(random.Random(1))
    no, taken = hub.engine.register_outbox(1)
    desk = hub.ledger.open_outbox(1, no, taken)
    slot = hub.ledger.slots["s"] = SlotDesk("s")
    hub.ledger.take(desk, [TaskMessage(number, "t", b"") for number in (1, 2, 3, 4)], NOW)
    hub.commit()
    hub.ledger.take(desk, [TaskMessage(number, "t", b"") for number in (5, 6)], NOW)
    hub.ledger.draw(slot, 3, NOW)
    hub.ledger.lanes.hold("default")
    hub.ledger.release_held()
    hub.ledger.take(desk, [TaskMessage(number, "t", b"") for number in (7, 8)], NOW)
    hub.ledger.release_held()
    assert hub.ledger.hand_back(slot, keep=[make_key(no, 1)]) == 2
    hub.ledger.release_held()
    hub.commit()
    assert (hub.ledger.waiting, hub.ledger.lanes.refills()) == (0, [])
    assert [task.message.number for task in hub.engine.peek("default", 100)] == [2, 3, 4, 5, 6, 7, 8]
    hub.ledger.lanes.free("default")
    hub.refill()
    assert [each.message.number for each in hub.ledger.draw(slot, 100, NOW)] == [2, 3, 4, 5, 6, 7, 8]


def test_a_paused_queue_stays_held_when_a_change_of_it_is_over() -> None:
    hub = Hub(random.Random(1))
    hub.ledger.lanes.pause("default")
    hub.ledger.lanes.hold("default")
    hub.ledger.lanes.free("default")
    assert hub.ledger.lanes.held == {"default"}
    hub.ledger.lanes.resume("default")
    assert hub.ledger.lanes.held == set()
