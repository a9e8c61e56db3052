"""The conformance suite of the Engine protocol: its docstrings as tests, and a kill at every step.

An engine passes if a subclass of `EngineContract` that gives it a harness passes:

    class TestMine(EngineContract):
        @pytest.fixture
        def make_harness(self, tmp_path):
            return lambda: MyHarness()

The suite uses nothing but the protocol, the harness and a clock that stands still.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Protocol

import pytest

from actorq.engine.memory import MemoryEngine, MemoryStorage
from actorq.engine.protocol import Engine
from actorq.engine.values import Change, DeadLetter, QueueStats, Settlement, StoredTask, Transaction
from actorq.errors import ActorqError, StoreLocked
from actorq.messages.ids import make_key
from actorq.messages.states import FAILURE, NUMBERS, REVOKED
from actorq.messages.task import TaskMessage
from actorq.testing.clock import FakeClock
from actorq.testing.engine_script import (
    OTHER_OUTBOX,
    OUTBOX,
    SCRIPT,
    WRITE_STEPS,
    make_result,
    make_task,
    settle,
    take_picture,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["EngineContract", "EngineHarness", "Killed", "make_oracle"]


class Killed(BaseException):
    """Raised by the suite's probe: the process is gone here."""


class EngineHarness(Protocol):
    """How the suite makes, kills and reopens one store of an engine."""

    clock: FakeClock

    def make(self) -> Engine:
        """Return an engine, not yet open, on this harness's store, as it was left."""
        ...

    def kill(self, engine: Engine) -> None:
        """Act as if the process of `engine` had been killed; its store may be opened again, what was confirmed stays."""
        ...


def make_oracle() -> list[dict[str, object]]:
    """Return what a store holds after 0, 1, 2 … steps of the script and a restart, as the memory engine sees it."""
    pictures = []
    for steps in range(len(SCRIPT) + 1):
        storage, clock = MemoryStorage(), FakeClock()
        engine = MemoryEngine(storage, clock=clock)
        engine.open()
        for step in SCRIPT[:steps]:
            step(engine, clock)
        storage.kill_owner()
        reopened = MemoryEngine(storage, clock=clock)
        reopened.open()
        pictures.append(take_picture(reopened))
    return pictures


def numbers(tasks: list[StoredTask]) -> list[int]:
    """Return the tasks' numbers in their outboxes."""
    return [task.message.number for task in tasks]


class EngineContract:
    """Subclass it with a `make_harness` fixture; every test begins with an empty store."""

    @pytest.fixture
    def make_harness(self) -> Callable[[], EngineHarness]:
        """Return a function that makes harnesses over stores of their own."""
        raise NotImplementedError

    @pytest.fixture
    def harness(self, make_harness: Callable[[], EngineHarness]) -> EngineHarness:
        return make_harness()

    @pytest.fixture
    def clock(self, harness: EngineHarness) -> FakeClock:
        return harness.clock

    @pytest.fixture
    def engine(self, harness: EngineHarness) -> Iterator[Engine]:
        """An open engine that knows outbox number 1."""
        engine = harness.make()
        engine.open()
        engine.register_outbox(OUTBOX)
        yield engine
        engine.close()

    # ------------------------------------------------------------------------------------------------------- life

    def test_it_is_an_engine(self, engine: Engine) -> None:
        assert isinstance(engine, Engine)

    def test_each_epoch_is_larger_and_mints_larger_tokens(self, harness: EngineHarness) -> None:
        engine = harness.make()
        first = engine.open()
        tokens = [next(first.tokens) for _ in range(3)]
        second = engine.begin_epoch()
        tokens += [next(second.tokens) for _ in range(3)]
        engine.close()
        again = harness.make()
        third = again.open()
        tokens += [next(third.tokens)]
        again.close()
        assert first.epoch < second.epoch < third.epoch
        assert tokens == sorted(set(tokens))
        assert [token >> 32 for token in tokens] == [first.epoch] * 3 + [second.epoch] * 3 + [third.epoch]

    def test_opening_a_store_that_is_open_is_refused(self, harness: EngineHarness, engine: Engine) -> None:
        with pytest.raises(StoreLocked):
            harness.make().open()
        engine.put([make_task(1)])  # the first owner isn't disturbed

    def test_a_closed_engine_refuses_and_closes_again(self, engine: Engine) -> None:
        engine.close()
        engine.close()
        with pytest.raises(ActorqError):
            engine.put([make_task(1)])

    def test_opening_tells_what_is_there(self, harness: EngineHarness, engine: Engine, clock: FakeClock) -> None:
        engine.register_outbox(OTHER_OUTBOX)
        puts = [make_task(1), make_task(2, priority=9), make_task(3, queue="b"), make_task(4, eta=clock.now() + 60)]
        engine.commit(Transaction(puts=puts, taken={1: 4}))
        engine.lease(["default"], 1)
        engine.close()
        again = harness.make()
        opened = again.open()
        assert opened.outboxes == {OUTBOX: (1, 4), OTHER_OUTBOX: (2, 0)}
        assert opened.ready == {"default": 2, "b": 1}
        assert opened.next_due_at == clock.now() + 60
        again.close()

    # --------------------------------------------------------------------------------------------------- outboxes

    def test_an_outbox_keeps_its_number(self, harness: EngineHarness, engine: Engine) -> None:
        assert engine.find_outbox(OTHER_OUTBOX) is None
        assert engine.register_outbox(OTHER_OUTBOX) == (2, 0)
        engine.commit(Transaction(taken={1: 5}))
        seq = engine.stats().seq
        assert engine.register_outbox(OUTBOX) == (1, 5)
        assert engine.stats().seq == seq
        harness.kill(engine)
        again = harness.make()
        again.open()
        assert again.find_outbox(OUTBOX) == (1, 5)
        assert again.register_outbox(OTHER_OUTBOX) == (2, 0)
        assert again.register_outbox(9) == (3, 0)
        again.close()

    def test_taken_never_goes_down(self, engine: Engine) -> None:
        engine.commit(Transaction(taken={1: 5}))
        engine.commit(Transaction(taken={1: 3}))
        assert engine.find_outbox(OUTBOX) == (1, 5)

    def test_taken_of_an_unknown_outbox_is_a_mistake(self, engine: Engine) -> None:
        with pytest.raises(ValueError, match="outbox"):
            engine.commit(Transaction(puts=[make_task(1)], taken={99: 1}))
        assert engine.load([make_key(1, 1)]) == []
        assert engine.put([make_task(1)]).refused == []

    def test_what_was_taken_before_is_left_out(self, engine: Engine) -> None:
        engine.commit(Transaction(puts=[make_task(1), make_task(2)], taken={1: 2}))
        settled = engine.lease(["default"], 2)
        engine.commit(Transaction(settled=[settle(task) for task in settled]))
        again = Transaction(puts=[make_task(1), make_task(3)], straight=[make_result(make_key(1, 2))], taken={1: 3})
        assert engine.commit(again).repeated == [make_key(1, 1), make_key(1, 2)]
        assert numbers(engine.lease(["default"], 5)) == [3]
        assert engine.stats().results == 2

    def test_outboxes_nobody_needs_are_dropped_after_a_week(
        self, harness: EngineHarness, engine: Engine, clock: FakeClock
    ) -> None:
        for outbox_id in (OTHER_OUTBOX, 8):
            engine.register_outbox(outbox_id)
        engine.put([make_task(1, 2)])  # outbox 2 left a task, outbox 3 nothing
        engine.close()
        again = harness.make()
        again.open()
        again.register_outbox(OUTBOX)  # outbox 1 left nothing, but its owner is here
        clock.advance(3000)
        again.prune(clock.now() + 8 * 86400, 10)
        assert again.find_outbox(8) == (3, 0)  # too soon: its owner may be about to connect
        clock.advance(1000)
        again.prune(clock.now() + 8 * 86400, 10)
        found = [again.find_outbox(outbox_id) for outbox_id in (OUTBOX, OTHER_OUTBOX, 8)]
        assert found == [(1, 0), (2, 0), None]
        assert again.register_outbox(8) == (4, 0)  # numbers are for good
        again.close()

    # ------------------------------------------------------------------------------------------------ puts and order

    def test_a_lane_is_first_in_first_out_over_all_outboxes(self, engine: Engine) -> None:
        engine.register_outbox(OTHER_OUTBOX)
        engine.put([make_task(1, 2), make_task(1, 1)])
        engine.put([make_task(2, 1), make_task(2, 2)])
        leased = engine.lease(["default"], 10)
        assert [task.key for task in leased] == [make_key(2, 1), make_key(1, 1), make_key(1, 2), make_key(2, 2)]
        assert [task.outbox_id for task in leased] == [OTHER_OUTBOX, OUTBOX, OUTBOX, OTHER_OUTBOX]

    def test_priorities_go_first_over_all_queues_then_queues_as_given(self, engine: Engine) -> None:
        engine.put(
            [
                make_task(1),
                make_task(2, queue="b", priority=5),
                make_task(3, priority=9),
                make_task(4, queue="b", priority=9),
                make_task(5, queue="c", priority=9),
                make_task(6, priority=5),
            ]
        )
        assert numbers(engine.lease(["b", "default", "b"], 10)) == [4, 3, 2, 6, 1]

    def test_priorities_are_brought_into_their_range(self, engine: Engine) -> None:
        engine.put([make_task(1, priority=-3), make_task(2, priority=40), make_task(3, priority=9), make_task(4)])
        assert numbers(engine.lease(["default"], 10)) == [2, 3, 1, 4]

    def test_a_limit_is_kept_and_nothing_is_leased_twice(self, engine: Engine) -> None:
        engine.put([make_task(number) for number in range(1, 301)])
        seen = []
        for limit in (1, 7, 130, 0, 500, 500):
            batch = engine.lease(["default"], limit)
            assert len(batch) <= limit
            seen += numbers(batch)
        assert seen == list(range(1, 301))

    def test_a_leased_task_says_all_about_itself(self, engine: Engine, clock: FakeClock) -> None:
        message = TaskMessage(
            1, "t", b"\x00\xff", 3, "default", 4, 1, None, clock.now() + 1, 9, 2, "first", (1.0, None)
        )
        task = make_task(1)
        task.message, task.deliveries = message, 2
        engine.put([task])
        (leased,) = engine.lease(["default"], 1, ttl_s=30)
        assert leased.message == message
        assert (leased.deliveries, leased.outbox_id, leased.leased) == (2, OUTBOX, True)
        assert leased.deadline == clock.monotonic() + 30
        assert engine.load([task.key]) == [leased]

    def test_a_task_born_leased_is_its_putters(self, engine: Engine) -> None:
        token = next(engine.begin_epoch().tokens)
        engine.put([make_task(1, token=token), make_task(2)])
        assert numbers(engine.lease(["default"], 5)) == [2]
        assert engine.load([make_key(1, 1)])[0].token == token
        receipt = engine.commit(Transaction(settled=[Settlement(make_key(1, 1), token, make_result(make_key(1, 1)))]))
        assert receipt.refused == []
        assert engine.stats().queues == {"default": QueueStats(0, 1, 0)}

    def test_a_task_born_leased_is_ready_in_the_next_epoch(self, harness: EngineHarness, engine: Engine) -> None:
        engine.put([make_task(1, token=5 << 32), make_task(2)])
        harness.kill(engine)
        again = harness.make()
        assert again.open().ready == {"default": 2}
        assert numbers(again.lease(["default"], 5)) == [1, 2]
        again.close()

    def test_a_key_that_is_stored_is_not_put_again(self, engine: Engine) -> None:
        engine.put([make_task(1)])
        with pytest.raises(ValueError, match="stored already"):
            engine.put([make_task(2), make_task(1)])
        with pytest.raises(ValueError, match="stored already"):
            engine.put([make_task(3), make_task(3)])
        assert engine.stats().queues == {"default": QueueStats(1, 0, 0)}
        assert numbers(engine.lease(["default"], 5)) == [1]

    def test_receipts_count_the_writes(self, engine: Engine) -> None:
        first = engine.put([make_task(1)]).seq
        engine.lease(["default"], 1)
        assert engine.put([make_task(2)]).seq == first + 1
        assert engine.stats().seq == first + 1

    def test_an_empty_transaction_is_fine(self, engine: Engine) -> None:
        assert engine.commit(Transaction()).refused == []

    # ---------------------------------------------------------------------------------------------------------- eta

    def test_a_task_is_never_leased_before_its_eta(self, engine: Engine, clock: FakeClock) -> None:
        due_at = clock.now() + 10
        receipt = engine.put([make_task(1, eta=due_at), make_task(2), make_task(3, eta=clock.now() - 1)])
        assert receipt.next_due_at == due_at
        assert engine.wake_due(clock.now(), 10) == ({}, due_at)
        assert numbers(engine.lease(["default"], 5)) == [2, 3]
        assert engine.stats().queues == {"default": QueueStats(0, 2, 1)}
        clock.advance(10)
        assert engine.wake_due(clock.now(), 10) == ({"default": 1}, None)
        assert numbers(engine.lease(["default"], 5)) == [1]

    def test_waking_goes_by_due_time_in_bounded_batches(self, engine: Engine, clock: FakeClock) -> None:
        now = clock.now()
        engine.put([make_task(number, eta=now + 10 - number, queue=f"q{number % 2}") for number in range(1, 7)])
        clock.advance(20)
        assert engine.wake_due(clock.now(), 4) == ({"q0": 2, "q1": 2}, now + 8)
        assert engine.wake_due(clock.now(), 4) == ({"q0": 1, "q1": 1}, None)
        assert numbers(engine.lease(["q0", "q1"], 10)) == [2, 4, 6, 1, 3, 5]  # places are by arrival

    def test_a_woken_task_stays_awake(self, harness: EngineHarness, engine: Engine, clock: FakeClock) -> None:
        engine.put([make_task(1, eta=clock.now() + 1)])
        clock.advance(2)
        engine.wake_due(clock.now(), 10)
        harness.kill(engine)
        again = harness.make()
        assert again.open().ready == {"default": 1}
        again.close()

    # ---------------------------------------------------------------------------------------- settlements and fences

    def test_a_settlement_replaces_the_task_by_its_result(self, engine: Engine) -> None:
        engine.put([make_task(number) for number in range(1, 6)])
        leased = engine.lease(["default"], 4)
        settled = [settle(task) for task in leased[:3]]
        settled[1].result = None
        assert engine.commit(Transaction(settled=settled)).refused == []
        keys = [make_key(1, number) for number in range(1, 6)]
        assert numbers(engine.load(keys)) == [4, 5]
        assert engine.results(keys) == [make_result(keys[0]), make_result(keys[2])]
        assert engine.results(reversed(keys)) == [make_result(keys[2]), make_result(keys[0])]
        assert engine.results_between(keys[0], keys[2], 10) == [make_result(keys[0]), make_result(keys[2])]
        assert engine.results_between(keys[0], keys[2], 1) == [make_result(keys[0])]
        assert engine.results_between(keys[1], keys[1], 10) == []
        stats = engine.stats()
        assert (stats.results, stats.queues) == (2, {"default": QueueStats(1, 1, 0)})

    def test_only_the_newest_lease_settles(self, engine: Engine, clock: FakeClock) -> None:
        engine.put([make_task(1), make_task(2)])
        old = engine.lease(["default"], 2, ttl_s=1)
        clock.advance(2)
        assert engine.release_expired(clock.monotonic(), 10) == [task.key for task in old]
        new = engine.lease(["default"], 2)
        assert [task.token for task in new] > [task.token for task in old]
        late = engine.commit(Transaction(settled=[settle(task) for task in old]))
        assert late.refused == [task.key for task in old]
        assert engine.commit(Transaction(settled=[settle(task) for task in new])).refused == []
        assert engine.commit(Transaction(settled=[settle(new[0])])).refused == [new[0].key]
        assert engine.stats().results == 2

    def test_one_refusal_does_not_hold_back_the_rest(self, engine: Engine) -> None:
        engine.put([make_task(1), make_task(2)])
        first, second = engine.lease(["default"], 2)
        unknown = make_key(1, 77)
        transaction = Transaction(
            settled=[settle(first), settle(first), Settlement(unknown, 1 << 60)],
            changed=[Change(first.key, first.token), Change(unknown, 1 << 60)],
            dead=[DeadLetter(second.key, second.token - 1, "", "", 0.0, make_result(second.key))],
        )
        assert engine.commit(transaction).refused == [first.key, unknown, first.key, unknown, second.key]
        assert engine.results([first.key, second.key]) == [make_result(first.key)]

    def test_a_holder_may_settle_after_its_lease_expired_until_the_next_one(
        self, engine: Engine, clock: FakeClock
    ) -> None:
        engine.put([make_task(1)])
        (first,) = engine.lease(["default"], 1, ttl_s=1)
        clock.advance(1)
        engine.release_expired(clock.monotonic(), 10)
        assert engine.commit(Transaction(settled=[settle(first)])).refused == []
        assert engine.lease(["default"], 1) == []
        assert engine.stats().queues == {}

    def test_a_fence_outlives_the_process(self, harness: EngineHarness, engine: Engine, clock: FakeClock) -> None:
        engine.put([make_task(1)])
        (first,) = engine.lease(["default"], 1, ttl_s=1)
        clock.advance(1)
        engine.release_expired(clock.monotonic(), 10)
        (second,) = engine.lease(["default"], 1)
        engine.commit(Transaction(changed=[Change(second.key, second.token)]))
        harness.kill(engine)
        again = harness.make()
        again.open()
        assert again.commit(Transaction(settled=[settle(first)])).refused == [first.key]
        assert again.commit(Transaction(settled=[settle(second)])).refused == []
        again.close()

    def test_a_survivor_settles_across_a_restart(self, harness: EngineHarness, engine: Engine) -> None:
        engine.put([make_task(1), make_task(2)])
        first, second = engine.lease(["default"], 2)
        harness.kill(engine)
        again = harness.make()
        again.open()
        assert again.commit(Transaction(settled=[settle(first)])).refused == []
        (leased,) = again.lease(["default"], 5)
        assert leased.key == second.key
        assert again.commit(Transaction(settled=[settle(second)])).refused == [second.key]
        again.close()

    def test_a_task_nobody_leased_can_be_cancelled(self, engine: Engine, clock: FakeClock) -> None:
        engine.put([make_task(1), make_task(2, eta=clock.now() + 9), make_task(3)])
        tasks = engine.load([make_key(1, 1), make_key(1, 2)])
        receipt = engine.commit(Transaction(settled=[settle(task, REVOKED) for task in tasks]))
        assert (receipt.refused, receipt.next_due_at) == ([], None)
        assert numbers(engine.lease(["default"], 5)) == [3]
        assert engine.stats().queues == {"default": QueueStats(0, 1, 0)}

    def test_a_task_put_and_settled_in_one_transaction(self, engine: Engine) -> None:
        engine.put([make_task(9)])
        key = make_key(1, 1)
        transaction = Transaction(
            puts=[make_task(1, token=7 << 32), make_task(2)],
            settled=[Settlement(key, 6 << 32), Settlement(key, 7 << 32, make_result(key))],
        )
        assert engine.commit(transaction).refused == [key]
        assert engine.results([key]) == [make_result(key)]
        assert engine.stats().queues == {"default": QueueStats(2, 0, 0)}

    # ------------------------------------------------------------------------------------------------------- changes

    def test_what_is_handed_back_takes_its_old_place(self, engine: Engine) -> None:
        engine.put([make_task(number) for number in range(1, 7)])
        leased = engine.lease(["default"], 4)
        back = [Change(task.key, task.token) for task in (leased[3], leased[1])]
        assert engine.commit(Transaction(changed=back)).refused == []
        assert numbers(engine.lease(["default"], 3)) == [2, 4, 5]
        engine.commit(Transaction(changed=[Change(leased[0].key, leased[0].token)]))
        assert numbers(engine.lease(["default"], 3)) == [1, 6]

    def test_places_survive_a_restart(self, harness: EngineHarness, engine: Engine) -> None:
        engine.put([make_task(number) for number in range(1, 5)])
        leased = engine.lease(["default"], 3)
        engine.commit(Transaction(changed=[Change(leased[1].key, leased[1].token, deliveries=1)]))
        harness.kill(engine)
        again = harness.make()
        again.open()
        tasks = again.lease(["default"], 9)
        assert numbers(tasks) == [1, 2, 3, 4]
        assert [task.deliveries for task in tasks] == [0, 1, 0, 0]
        again.close()

    def test_a_retry_waits_for_its_time(self, engine: Engine, clock: FakeClock) -> None:
        engine.put([make_task(1), make_task(2)])
        first, second = engine.lease(["default"], 2)
        message = TaskMessage(1, "shop.add", b"other", retries=1)
        receipt = engine.commit(
            Transaction(
                changed=[
                    Change(first.key, first.token, message=message, due_at=clock.now() + 5),
                    Change(second.key, second.token, due_at=clock.now() - 5),
                ]
            )
        )
        assert receipt.next_due_at == clock.now() + 5
        assert numbers(engine.lease(["default"], 5)) == [2]
        clock.advance(5)
        engine.wake_due(clock.now(), 10)
        (again,) = engine.lease(["default"], 5)
        assert again.message == message
        assert again.token > first.token

    def test_a_change_can_move_a_task_to_another_lane(self, engine: Engine) -> None:
        engine.put([make_task(1), make_task(2, queue="b"), make_task(3, queue="b", priority=3)])
        engine.lease(["b"], 1)
        (first,) = engine.lease(["default"], 1)
        message = TaskMessage(1, "shop.add", b"", queue="b")
        engine.commit(Transaction(changed=[Change(first.key, first.token, message=message)]))
        assert engine.lease(["default"], 5) == []
        assert engine.stats().queues == {"b": QueueStats(2, 1, 0)}
        assert numbers(engine.lease(["b"], 5)) == [1, 2]

    def test_a_change_can_keep_the_lease(self, engine: Engine) -> None:
        engine.put([make_task(1)])
        (task,) = engine.lease(["default"], 1)
        message = TaskMessage(1, "shop.add", b"progress")
        change = Change(task.key, task.token, deliveries=1, message=message, due_at=1e12, keep_lease=True)
        engine.commit(Transaction(changed=[change]))
        (stored,) = engine.load([task.key])
        assert (stored.leased, stored.token, stored.deliveries, stored.due_at) == (True, task.token, 1, None)
        assert stored.message == message
        assert engine.lease(["default"], 1) == []
        assert engine.commit(Transaction(settled=[settle(task)])).refused == []

    def test_a_task_nobody_leased_can_be_changed(self, engine: Engine, clock: FakeClock) -> None:
        engine.put([make_task(1), make_task(2, eta=clock.now() + 5), make_task(3)])
        first, second = engine.load([make_key(1, 1), make_key(1, 2)])
        put_off = Change(first.key, first.token, due_at=clock.now() + 9)
        receipt = engine.commit(Transaction(changed=[put_off, Change(second.key, second.token)]))
        assert (receipt.refused, receipt.next_due_at) == ([], clock.now() + 9)
        assert engine.stats().queues == {"default": QueueStats(2, 0, 1)}
        assert numbers(engine.lease(["default"], 5)) == [2, 3]

    def test_no_time_in_a_message_can_stop_a_commit(self, engine: Engine, clock: FakeClock) -> None:
        nan = float("nan")
        puts = [make_task(1, eta=nan, result_ttl_s=nan), make_task(2, result_ttl_s=nan), make_task(3, eta=float("inf"))]
        engine.put(puts)
        assert engine.stats().queues == {"default": QueueStats(2, 0, 1)}
        (task,) = engine.lease(["default"], 1)
        result = make_result(task.key, finished_at=nan)
        straight = make_result(make_key(1, 9), finished_at=nan)
        engine.commit(Transaction(settled=[Settlement(task.key, task.token, result)], straight=[straight]))
        assert engine.purge("default") == 2
        assert engine.prune(clock.now() + 86399, 10) == 0
        assert engine.prune(clock.now() + 86400, 10) == 4

    def test_changes_of_one_task_in_one_transaction_follow_each_other(self, engine: Engine) -> None:
        engine.put([make_task(1)])
        (task,) = engine.lease(["default"], 1)
        transaction = Transaction(
            changed=[Change(task.key, task.token, deliveries=1), Change(task.key, task.token - 1, deliveries=9)],
            dead=[DeadLetter(task.key, task.token, "SIGKILL", "", 1.0, make_result(task.key))],
        )
        assert engine.commit(transaction).refused == [task.key]
        assert engine.dead(1)[0].deliveries == 1
        assert engine.stats().queues == {}

    # -------------------------------------------------------------------------------------------------------- leases

    def test_leases_end_by_monotonic_time_only(self, engine: Engine, clock: FakeClock) -> None:
        engine.put([make_task(number) for number in range(1, 4)])
        engine.lease(["default"], 1, ttl_s=10)
        engine.lease(["default"], 1, ttl_s=5)
        engine.lease(["default"], 1)  # ends with the epoch
        clock.step_wall(3600)
        assert engine.release_expired(clock.monotonic(), 10) == []
        clock.advance(10)
        clock.step_wall(-7200)
        assert engine.release_expired(clock.monotonic(), 1) == [make_key(1, 2)]
        assert engine.release_expired(clock.monotonic(), 10) == [make_key(1, 1)]
        assert engine.release_expired(clock.monotonic() + 1e9, 10) == []
        assert engine.stats().queues == {"default": QueueStats(2, 1, 0)}

    def test_an_extended_lease_lives_on(self, engine: Engine, clock: FakeClock) -> None:
        engine.put([make_task(1), make_task(2)])
        first, second = engine.lease(["default"], 2, ttl_s=5)
        wrong = (second.key, second.token + 1)
        assert engine.extend([(first.key, first.token), wrong, (99, 1)], 20) == [second.key, 99]
        clock.advance(10)
        assert engine.release_expired(clock.monotonic(), 10) == [second.key]
        assert engine.extend([(second.key, second.token)], 20) == [second.key]
        clock.advance(9.5)
        engine.extend([(first.key, first.token)], 1)
        clock.advance(1)
        assert engine.release_expired(clock.monotonic(), 10) == [first.key]
        assert numbers(engine.lease(["default"], 5)) == [1, 2]

    def test_a_lease_without_a_deadline_can_get_one(self, engine: Engine, clock: FakeClock) -> None:
        engine.put([make_task(1)])
        (task,) = engine.lease(["default"], 1)
        engine.extend([(task.key, task.token)], 5)
        clock.advance(5)
        assert engine.release_expired(clock.monotonic(), 10) == [task.key]

    def test_a_new_epoch_ends_all_leases(self, engine: Engine, clock: FakeClock) -> None:
        engine.put([make_task(number) for number in range(1, 4)])
        old = engine.lease(["default"], 2, ttl_s=5)
        assert engine.begin_epoch().ready == {"default": 3}
        clock.advance(10)
        assert engine.release_expired(clock.monotonic(), 10) == []
        assert engine.extend([(old[0].key, old[0].token)], 5) == [old[0].key]
        assert numbers(engine.lease(["default"], 5)) == [1, 2, 3]

    def test_a_survivor_is_adopted_under_its_token(self, engine: Engine, clock: FakeClock) -> None:
        engine.put([make_task(number) for number in range(1, 4)])
        old = engine.lease(["default"], 1)[0]
        engine.begin_epoch()
        adopted = engine.adopt(old.key, old.token)
        assert adopted is not None
        assert (adopted.key, adopted.token, adopted.deadline, adopted.leased) == (old.key, old.token, None, True)
        assert adopted.message == old.message
        assert engine.adopt(old.key, old.token) is None
        assert engine.adopt(make_key(1, 50), old.token) is None
        assert numbers(engine.lease(["default"], 5)) == [2, 3]
        assert engine.commit(Transaction(settled=[settle(old)])).refused == []
        assert engine.stats().queues == {"default": QueueStats(0, 2, 0)}

    def test_whoever_is_below_the_fence_is_not_adopted(self, engine: Engine) -> None:
        engine.put([make_task(1)])
        (old,) = engine.lease(["default"], 1)
        engine.commit(Transaction(changed=[Change(old.key, old.token)]))
        assert engine.adopt(old.key, old.token - 1) is None
        assert engine.adopt(old.key, old.token) is not None

    def test_a_released_survivor_can_be_leased(self, engine: Engine, clock: FakeClock) -> None:
        engine.put([make_task(1), make_task(2)])
        old = engine.lease(["default"], 1)[0]
        engine.begin_epoch()
        engine.adopt(old.key, old.token)
        engine.extend([(old.key, old.token)], 1)
        clock.advance(1)
        assert engine.release_expired(clock.monotonic(), 10) == [old.key]
        assert numbers(engine.lease(["default"], 5)) == [1, 2]

    # ------------------------------------------------------------------------------------------------------- results

    def test_tasks_that_expire_are_told_in_turn_until_they_have_ended(
        self, harness: EngineHarness, engine: Engine, clock: FakeClock
    ) -> None:
        now = clock.now()
        tasks = [make_task(number, expires=now + number) for number in (3, 1, 2)]
        tasks += [make_task(4, expires=now + 4, eta=now + 100), make_task(5), make_task(6, expires=float("nan"))]
        assert engine.put(tasks).expires_at == now + 1
        assert engine.expired(now, 10) == ([], now + 1)
        assert engine.expired(now + 2, 1) == ([make_key(1, 1)], now + 2)
        [leased] = engine.lease(["default"], 1)  # the first to arrive, which expires in 3 s
        engine.commit(Transaction(settled=[settle(leased)]))
        assert engine.expired(now + 4, 10) == ([make_key(1, 2), make_key(1, 4)], now + 62)
        harness.kill(engine)
        again = harness.make()
        again.open()
        assert again.expired(now + 63, 10) == ([make_key(1, 1)], now + 64)
        again.purge("default")
        assert again.expired(now + 1000, 10) == ([], None)
        again.close()

    def test_scheduled_tasks_of_all_queues_are_listed_by_due_time(self, engine: Engine, clock: FakeClock) -> None:
        now = clock.now()
        dues = ((1, 30, "a"), (2, 10, "b"), (3, 20, "a"))
        engine.put([make_task(number, eta=now + due, queue=queue) for number, due, queue in dues])
        engine.put([make_task(4), make_task(5, eta=now + 5, token=1 << 40)])
        assert [task.key for task in engine.scheduled(2)] == [make_key(1, 2), make_key(1, 3)]
        assert [task.due_at for task in engine.scheduled(10)] == [now + 10, now + 20, now + 30]

    def test_ids_that_must_not_start_are_remembered_until_they_expire(
        self, harness: EngineHarness, engine: Engine, clock: FakeClock
    ) -> None:
        now = clock.now()
        engine.commit(Transaction(revoked={"a-1": now + 10, "mine": now + 20, "b-2": now + 30}))
        engine.commit(Transaction(revoked={"b-2": None, "a-1": now + 15, "unheard": None}))
        engine.prune(now + 10, 100)
        harness.kill(engine)
        again = harness.make()
        assert again.open().revoked == {"a-1": now + 15, "mine": now + 20}
        again.prune(now + 15, 100)
        assert again.begin_epoch().revoked == {"mine": now + 20}
        again.close()

    def test_a_group_is_kept_under_its_id_until_it_expires_or_is_dropped(
        self, harness: EngineHarness, engine: Engine, clock: FakeClock
    ) -> None:
        now = clock.now()
        engine.save_group("g", b"old", now + 10)
        engine.save_group("g", b"new", now + 20)
        engine.save_group("h", b"other", now + 5)
        assert (engine.load_group("g", now), engine.load_group("nobody", now)) == (b"new", None)
        assert engine.load_group("h", now + 5) is None, "its time is over, though nobody has swept"
        engine.prune(now + 5, 100)
        harness.kill(engine)
        again = harness.make()
        again.open()
        assert (again.load_group("g", now), again.load_group("h", now)) == (b"new", None)
        assert (again.drop_group("g"), again.drop_group("g"), again.load_group("g", now)) == (True, False, None)
        again.close()

    def test_results_expire_by_their_own_time_to_live(self, engine: Engine, clock: FakeClock) -> None:
        now = clock.now()
        engine.put([make_task(1, result_ttl_s=10.0), make_task(2), make_task(3, token=1 << 40, result_ttl_s=30.0)])
        leased = [*engine.lease(["default"], 2), *engine.load([make_key(1, 3)])]
        straight = [make_result(make_key(1, number)) for number in (4, 5)]
        engine.commit(
            Transaction(settled=[settle(task) for task in leased], straight=straight, ttls={straight[0].key: 5})
        )
        remaining = []
        for passed in (4.0, 5.0, 10.0, 29.0, 30.0, 86399.0, 86400.0):
            engine.prune(now + passed, 100)
            remaining.append(len(engine.results(make_key(1, number) for number in range(1, 6))))
        assert remaining == [5, 4, 3, 3, 2, 2, 0]
        assert engine.stats().results == 0

    def test_pruning_is_bounded_and_takes_the_oldest_first(self, engine: Engine) -> None:
        straight = [make_result(make_key(1, number), finished_at=100.0 - number) for number in range(1, 6)]
        engine.commit(Transaction(straight=straight))
        assert engine.prune(1e9, 2) == 2
        assert [result.key for result in engine.results_between(0, 1 << 62, 10)] == [make_key(1, n) for n in (1, 2, 3)]
        assert engine.prune(1e9, 10) == 3
        assert engine.prune(1e9, 10) == 0

    def test_what_is_forgotten_is_gone(self, engine: Engine) -> None:
        keys = [make_key(1, number) for number in range(1, 30)]
        engine.commit(Transaction(straight=[make_result(key) for key in keys]))
        engine.commit(Transaction(forgotten=[*keys[:20], keys[25], 99]))
        assert [result.key for result in engine.results(keys)] == keys[20:25] + keys[26:]
        assert engine.stats().results == 8

    def test_a_task_has_one_result(self, engine: Engine) -> None:
        engine.commit(Transaction(straight=[make_result(make_key(1, 1))]))
        with pytest.raises(ValueError, match="result"):
            engine.commit(Transaction(straight=[make_result(make_key(1, 2)), make_result(make_key(1, 1))]))
        assert engine.stats().results == 1

    # ------------------------------------------------------------------------------------------------------- aliases

    def test_an_alias_leads_to_its_task_as_long_as_anything_is_known(self, engine: Engine) -> None:
        key, straight = make_key(1, 1), make_key(1, 2)
        engine.put([make_task(1, alias="mine")])
        engine.commit(Transaction(straight=[make_result(straight)], aliases=[("straight", straight)]))
        assert (engine.find_alias("mine"), engine.find_alias("straight")) == (key, straight)
        assert engine.find_alias("nobody's") is None
        engine.commit(Transaction(settled=[settle(task) for task in engine.lease(["default"], 1)]))
        assert engine.find_alias("mine") == key
        engine.prune(1e12, 100)
        assert (engine.find_alias("mine"), engine.find_alias("straight")) == (None, None)

    def test_aliases_of_dropped_tasks_are_dropped(self, engine: Engine) -> None:
        engine.put([make_task(1, alias="a"), make_task(2, alias="b"), make_task(3, alias="c")])
        first, second, third = engine.lease(["default"], 3)
        letter = DeadLetter(third.key, third.token, "", "", 1.0, make_result(third.key))
        engine.commit(Transaction(settled=[Settlement(first.key, first.token), settle(second)], dead=[letter]))
        assert [engine.find_alias(alias) for alias in "abc"] == [None, second.key, third.key]
        engine.commit(Transaction(forgotten=[second.key, third.key]))
        assert [engine.find_alias(alias) for alias in "abc"] == [None, None, third.key]
        engine.purge_dead()
        assert engine.find_alias("c") is None

    def test_of_equal_aliases_the_later_counts(self, engine: Engine) -> None:
        engine.put([make_task(1, alias="mine")])
        engine.put([make_task(2, alias="mine")])
        assert engine.find_alias("mine") == make_key(1, 2)

    # -------------------------------------------------------------------------------------------------- dead letters

    def test_a_dead_letter_keeps_the_task_and_tells_its_state(self, engine: Engine) -> None:
        engine.put([make_task(1), make_task(2)])
        first, second = engine.lease(["default"], 2)
        for died_at, task in ((5.0, first), (7.0, second)):
            letter = DeadLetter(task.key, task.token, "SIGSEGV", "Traceback …", died_at, make_result(task.key, FAILURE))
            assert engine.commit(Transaction(dead=[letter])).refused == []
        assert engine.results([first.key])[0].state == NUMBERS[FAILURE]
        assert engine.load([first.key]) == []
        newest, oldest = engine.dead(10)
        assert (newest.key, oldest.key) == (second.key, first.key)
        assert (newest.cause, newest.traceback, newest.died_at, newest.outbox_id) == (
            "SIGSEGV",
            "Traceback …",
            7.0,
            OUTBOX,
        )
        assert newest.message == second.message
        assert engine.dead(1, 1) == [oldest]
        assert engine.load_dead([first.key, 99, second.key, first.key]) == [oldest, newest]
        assert engine.load_dead([]) == []
        assert engine.stats().dead == 2

    def test_a_requeued_dead_letter_starts_afresh_at_the_back(self, engine: Engine) -> None:
        engine.put([make_task(1), make_task(2)])
        first = engine.lease(["default"], 1)[0]
        letter = DeadLetter(first.key, first.token, "SIGSEGV", "", 5.0, make_result(first.key, FAILURE))
        engine.commit(Transaction(changed=[Change(first.key, first.token, deliveries=3)], dead=[letter]))
        assert engine.requeue_dead([first.key, 99, first.key]) == [first.key]
        assert engine.requeue_dead([first.key]) == []
        assert engine.results([first.key]) == []
        assert engine.commit(Transaction(settled=[settle(first)])).refused == [first.key]
        tasks = engine.lease(["default"], 5)
        assert numbers(tasks) == [2, 1]
        assert tasks[1].deliveries == 0
        stats = engine.stats()
        assert (stats.dead, stats.results, stats.queues) == (0, 0, {"default": QueueStats(0, 2, 0)})

    def test_dead_letters_are_purged_and_their_results_stay(self, engine: Engine) -> None:
        engine.put([make_task(number) for number in range(1, 4)])
        letters = [
            DeadLetter(task.key, task.token, "SIGKILL", "", 5.0, make_result(task.key, FAILURE))
            for task in engine.lease(["default"], 3)
        ]
        engine.commit(Transaction(dead=letters))
        assert engine.purge_dead([letters[0].key, 99]) == 1
        assert engine.purge_dead() == 2
        assert engine.purge_dead() == 0
        assert len(engine.results([letter.key for letter in letters])) == 3

    # -------------------------------------------------------------------------------------------------- housekeeping

    def test_a_purge_revokes_what_is_not_leased(self, engine: Engine, clock: FakeClock) -> None:
        engine.put([make_task(number, priority=number % 3) for number in range(1, 10)])
        engine.put([make_task(10, eta=clock.now() + 5), make_task(11, queue="b"), make_task(12, result_ttl_s=1.0)])
        (leased,) = engine.lease(["default"], 1)
        assert engine.purge("default") == 10
        assert engine.purge("default") == 0
        assert engine.purge("never heard of") == 0
        results = engine.results_between(0, 1 << 62, 100)
        assert {(result.state, result.payload, result.finished_at) for result in results} == {
            (NUMBERS[REVOKED], b"", clock.now())
        }
        assert engine.stats().queues == {"default": QueueStats(0, 1, 0), "b": QueueStats(1, 0, 0)}
        assert engine.commit(Transaction(settled=[settle(leased)])).next_due_at is None
        assert engine.prune(clock.now() + 2, 100) == 1

    def test_a_peek_shows_what_would_be_leased_and_then_what_is_due_first(
        self, engine: Engine, clock: FakeClock
    ) -> None:
        engine.put([make_task(number, priority=number % 2) for number in range(1, 7)])
        engine.put([make_task(7, eta=clock.now() + 9), make_task(8, priority=3, eta=clock.now() + 5)])
        engine.put([make_task(9, queue="b")])
        leased = engine.lease(["default"], 2)
        assert numbers(leased) == [1, 3]
        assert numbers(engine.peek("default", 100)) == [5, 2, 4, 6, 8, 7]
        assert numbers(engine.peek("default", 3)) == [5, 2, 4]
        assert engine.peek("never heard of", 5) == []
        assert not any(task.leased for task in engine.peek("default", 100))
        engine.commit(Transaction(changed=[Change(leased[1].key, leased[1].token)]))
        engine.pause("default")
        assert numbers(engine.peek("default", 2)) == [3, 5]
        engine.resume("default")
        assert numbers(engine.lease(["default"], 9)) == [3, 5, 2, 4, 6]

    def test_lanes_are_counted_by_priority(self, engine: Engine, clock: FakeClock) -> None:
        engine.put([make_task(1, sent_at=10.0), make_task(2, sent_at=20.0), make_task(3, priority=9, sent_at=30.0)])
        engine.put([make_task(4, priority=9, eta=clock.now() + 5), make_task(5, queue="b", sent_at=50.0)])
        engine.lease(["default"], 2)
        assert sorted(
            (lane.queue, lane.priority, lane.ready, lane.scheduled, lane.oldest_at) for lane in engine.lanes()
        ) == [
            ("b", 0, 1, 0, 50.0),
            ("default", 0, 1, 0, 20.0),
            ("default", 9, 0, 1, None),
        ]

    def test_a_paused_queue_takes_but_gives_nothing(self, harness: EngineHarness, engine: Engine) -> None:
        engine.pause("default")
        engine.pause("default")
        engine.pause("other")
        engine.put([make_task(1), make_task(2, queue="b")])
        assert numbers(engine.lease(["default", "b"], 5)) == [2]
        assert engine.stats().queues["default"] == QueueStats(1, 0, 0, True)
        harness.kill(engine)
        again = harness.make()
        again.open()
        assert again.paused() == {"default", "other"}
        again.resume("default")
        again.resume("default")
        assert again.paused() == {"other"}
        assert numbers(again.lease(["default"], 5)) == [1]
        again.close()

    def test_there_is_one_leader_at_a_time(self, harness: EngineHarness, engine: Engine, clock: FakeClock) -> None:
        first = engine.leader("scheduler", "one", 10)
        assert first is not None
        assert engine.leader("scheduler", "two", 10) is None
        assert engine.leader("another job", "two", 10) is not None
        clock.advance(6)
        assert engine.leader("scheduler", "one", 10) == first
        clock.advance(6)
        clock.step_wall(3600)
        assert engine.leader("scheduler", "two", 10) is None
        clock.advance(4)
        second = engine.leader("scheduler", "two", 10)
        assert second is not None
        assert second > first
        harness.kill(engine)
        again = harness.make()
        again.open()
        third = again.leader("scheduler", "one", 10)
        assert third is not None
        assert third > second
        again.close()

    def test_counts_are_those_of_a_recount(self, engine: Engine, clock: FakeClock) -> None:
        for step in SCRIPT:
            step(engine, clock)
            assert engine.check() == []

    # --------------------------------------------------------------------------------------------------------- kills

    def test_every_step_of_a_commit_can_be_observed(self, engine: Engine) -> None:
        seen: list[str] = []
        engine.probe = seen.append
        engine.put([make_task(1)])
        assert tuple(seen) == WRITE_STEPS

    def test_a_script_leaves_what_the_oracle_says(self, make_harness: Callable[[], EngineHarness]) -> None:
        for steps, expected in enumerate(make_oracle()):
            harness = make_harness()
            engine = harness.make()
            engine.open()
            for step in SCRIPT[:steps]:
                step(engine, harness.clock)
            engine.close()
            again = harness.make()
            again.open()
            assert take_picture(again) == expected
            again.close()

    def test_a_kill_at_any_step_leaves_whole_transactions(self, make_harness: Callable[[], EngineHarness]) -> None:
        oracle = make_oracle()
        for kill_at in itertools.count():
            harness = make_harness()
            confirmed, killed_at = self._play_until(harness, kill_at)
            again = harness.make()
            again.open()
            has_happened = killed_at in {"after_commit", "after_mark"}
            assert take_picture(again) == oracle[confirmed + has_happened], (confirmed, killed_at)
            again.put([make_task(199)])
            again.close()
            if not killed_at:
                assert confirmed == len(SCRIPT)
                return

    def _play_until(self, harness: EngineHarness, kill_at: int) -> tuple[int, str]:
        """Play the script and kill the engine at the probe's call number `kill_at`; return (steps done, probe's step)."""
        engine = harness.make()
        engine.open()
        seen: list[str] = []

        def probe(step: str) -> None:
            seen.append(step)
            if len(seen) > kill_at:
                raise Killed

        engine.probe = probe
        confirmed = 0
        try:
            for step in SCRIPT:
                step(engine, harness.clock)
                confirmed += 1
        except Killed:
            harness.kill(engine)
            return confirmed, seen[-1]
        harness.kill(engine)
        return confirmed, ""
