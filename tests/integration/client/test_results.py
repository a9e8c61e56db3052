"""Results come to whoever waits, however they wait."""

from __future__ import annotations

import asyncio
import threading

import pytest

from actorq import App, RemoteError, ResultTimeout, ResultUnknown, TaskRevoked, WouldBlock
from actorq.client.coverage import AHEAD
from actorq.codec import encode_failure
from actorq.messages import wire
from actorq.messages.ids import format_task_id
from actorq.messages.states import FAILURE, NUMBERS, REVOKED
from actorq.messages.task import Delivery, ResultRecord, TaskMessage
from actorq.tasks import Request, pop_request, push_request
from actorq.testing.wait import wait_until
from tests.integration.client.fake_broker import FakeBroker, FakeStore, add_up, never


def fail(message):
    error = ValueError("no", message.number)
    return ResultRecord(message.number, NUMBERS[FAILURE], encode_failure(error, "Traceback of the slot"))


def test_ten_thousand_results_are_collected_with_few_questions(app, broker):
    results = app.tasks["tasks.add"].delay_many((n,) for n in range(20_000))
    assert [result.get(timeout=10) for result in results] == [n + 1 for n in range(20_000)]
    assert broker.count(wire.WATCH) <= 2 * (20_000 // AHEAD + 1) + 2


def test_results_are_collected_backwards_too(app, broker):
    results = app.tasks["tasks.add"].delay_many((n,) for n in range(2_000))
    assert [result.get(timeout=10) for result in reversed(results)] == [n + 1 for n in reversed(range(2_000))]
    assert broker.count(wire.WATCH) <= 5


def test_a_result_can_be_had_twice_and_by_another_object(app, broker):
    result = app.tasks["tasks.add"].delay(4)
    assert (result.get(timeout=5), result.get(timeout=5)) == (5, 5)
    assert app.AsyncResult(result.id).get(timeout=5) == 5
    assert app.AsyncResult(result.id) == result
    assert {result: 1}[app.AsyncResult(result.id)] == 1
    assert result == result.id


def test_a_result_sent_by_another_process_is_found_by_id(app, broker, tmp_path):
    result = app.tasks["tasks.add"].delay(4)
    result.confirm()
    with App("shop", home=app.home.path) as other:
        assert other.AsyncResult(result.id).get(timeout=5) == 5
        assert other.AsyncResult(result.id).state == "SUCCESS"
    assert [hello.outbox_id != 0 for hello in broker.helloes] == [True, False]


def test_a_chosen_id_finds_the_task(app, broker):
    result = app.tasks["tasks.add"].apply_async((1,), task_id="order-1")
    assert result.id == "order-1"
    assert result.get(timeout=5) == 2
    assert app.AsyncResult("order-1").get(timeout=5) == 2


def test_an_unknown_id_is_told_apart(app, broker):
    for task_id in ("nonsense", format_task_id(12345, 6), "order-7"):
        with pytest.raises(ResultUnknown):
            app.AsyncResult(task_id).get(timeout=5)
        assert app.AsyncResult(task_id).state == "UNKNOWN"


def test_a_task_that_waits_in_anothers_outbox_is_pending(app, broker):
    with App("shop", home=app.home.path) as other:
        broker.takes = False
        result = other.task(name="t")(print).delay()
        assert app.AsyncResult(result.id).state == "PENDING"
        with pytest.raises(ResultTimeout):
            app.AsyncResult(result.id).get(timeout=0.1)


def test_a_failure_comes_back_as_it_was_with_the_slots_traceback(app):
    with FakeBroker(app.home, answer=fail):
        result = app.tasks["tasks.add"].delay(1)
        with pytest.raises(ValueError, match="no") as caught:
            result.get(timeout=5)
        assert caught.value.args == ("no", 1)
        assert "Traceback of the slot" in caught.value.__notes__[0]
        assert isinstance(result.get(propagate=False), ValueError)
        assert (result.state, result.failed(), result.successful(), result.ready()) == ("FAILURE", True, False, True)
        assert result.traceback == "Traceback of the slot"
        assert isinstance(result.result, ValueError)


def test_a_revoked_task_raises_even_without_a_record_of_why(app):
    with FakeBroker(app.home, answer=lambda m: ResultRecord(m.number, NUMBERS[REVOKED])):
        with pytest.raises(TaskRevoked):
            app.tasks["tasks.add"].delay(1).get(timeout=5)


def test_an_ignored_failure_is_still_a_failure(app):
    with FakeBroker(app.home, answer=lambda m: ResultRecord(m.number, NUMBERS[FAILURE])):
        with pytest.raises(RemoteError, match="ignore_result"):
            app.tasks["tasks.add"].delay(1).get(timeout=5)


def test_states_are_told_before_and_after(app):
    result = app.tasks["tasks.add"].delay(1)
    assert (result.state, result.ready(), result.result, result.traceback) == ("PENDING", False, None, None)
    with FakeBroker(app.home, answer=add_up) as broker:
        app.flush()
        wait_until(result.ready, what="the result")
        assert (result.status, result.result, result.successful()) == ("SUCCESS", 2, True)
        result.forget()
        assert result.state == "UNKNOWN"
        assert broker.count(wire.WATCH) == 1


def test_a_timeout_says_what_is_known(app):
    result = app.tasks["tasks.add"].delay(1)
    with pytest.raises(
        ResultTimeout,
        match=r"nobody answers at .*; it is kept in the outbox; start one with: actorq node -A tasks --home /",
    ):
        result.get(timeout=0.02)
    with FakeBroker(app.home, answer=never) as broker:
        app.flush()
        with pytest.raises(ResultTimeout, match="it is queued in"):
            result.get(timeout=0.05)
        broker.confirms = False
        with pytest.raises(ResultTimeout, match="has not confirmed it yet"):
            app.tasks["tasks.add"].delay(1).get(timeout=0.05)


def test_a_waiter_outlives_a_restart_of_the_broker(app):
    store, results = FakeStore(), []
    task = app.tasks["tasks.add"].delay(1)
    waiter = threading.Thread(target=lambda: results.append(task.get(timeout=10)))
    with FakeBroker(app.home, store, answer=never):
        waiter.start()
        app.flush()
        wait_until(lambda: app._session.inbox.has_waiters)
    store.results.update({key: record for key, message in store.tasks.items() if (record := add_up(message))})
    with FakeBroker(app.home, store):
        waiter.join(10)
    assert results == [2]


def test_a_waiter_without_news_asks_again(app, broker, monkeypatch):
    monkeypatch.setattr("actorq.client.link.STALL_S", 0.05)
    monkeypatch.setattr("actorq.client.link.RECHECK_S", 0.05)
    broker.pushes = False
    task = app.tasks["tasks.add"].delay(1)
    results = []
    waiter = threading.Thread(target=lambda: results.append(task.get(timeout=10)))
    waiter.start()
    wait_until(lambda: broker.count(wire.WATCH) >= 2, what="a second WATCH")
    broker.pushes = True
    waiter.join(10)
    assert results == [2]


def test_a_waiter_for_a_forgotten_result_is_told(app, broker, monkeypatch):
    monkeypatch.setattr("actorq.client.link.STALL_S", 0.05)
    monkeypatch.setattr("actorq.client.link.RECHECK_S", 0.05)
    broker.answer = never
    task = app.tasks["tasks.add"].delay(1)
    task.confirm()
    broker.store.tasks.clear()
    with pytest.raises(ResultUnknown):
        task.get(timeout=10)


def test_unclaimed_results_are_bounded_and_come_again(app, broker, monkeypatch):
    monkeypatch.setattr("actorq.client.inbox.MAX_RESULTS", 100)
    results = app.tasks["tasks.add"].delay_many((n,) for n in range(1_000))
    app.flush()
    assert results[0].get(timeout=5) == 1
    assert len(app._session.inbox.results) <= 1_000
    assert [result.get(timeout=5) for result in results] == [n + 1 for n in range(1_000)]
    assert len(app._session.inbox.results) <= 100


def test_coroutines_await_results(app, broker):
    async def main():
        results = [app.tasks["tasks.add"].delay(n) for n in range(500)]
        return await asyncio.gather(*[collect(result) for result in results])

    async def collect(result):
        return await result

    assert asyncio.run(main()) == [n + 1 for n in range(500)]


def test_a_cancelled_await_leaves_nobody_waiting(app):
    async def main():
        result = app.tasks["tasks.add"].delay(1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await result

    with FakeBroker(app.home, answer=never):
        asyncio.run(main())
        assert not app._session.inbox.has_waiters


def test_get_inside_a_running_loop_works(app, broker):
    async def main():
        return app.tasks["tasks.add"].delay(1).get(timeout=5)

    assert asyncio.run(main()) == 2


def test_waiting_inside_a_task_is_refused_unless_allowed(app, broker):
    result = app.tasks["tasks.add"].delay(1)
    message = TaskMessage(7, "tasks.outer", b"")
    token = push_request(Request.from_delivery(Delivery(1, 1, 0, 99, message), "host", 1))
    try:
        with pytest.raises(WouldBlock, match=r"tasks\.outer"):
            result.get(timeout=5)
        assert result.get(timeout=5, disable_sync_subtasks=False) == 2
        child = app.tasks["tasks.add"].delay(2)
        child.confirm()
    finally:
        pop_request(token)
    sent = broker.store.tasks[app._session.outbox_id, 2]
    assert (sent.parent, sent.root) == (format_task_id(99, 7), format_task_id(99, 7))


def test_a_callback_gets_id_and_value(app, broker):
    seen = []
    result = app.tasks["tasks.add"].delay(1)
    result.get(timeout=5, callback=lambda task_id, value: seen.append((task_id, value)))
    assert seen == [(result.id, 2)]


def test_eight_threads_wait_at_once(app, broker):
    add, seen = app.tasks["tasks.add"], [None] * 8

    def work(index):
        seen[index] = [add.delay(n, index).get(timeout=10) for n in range(50)]

    threads = [threading.Thread(target=work, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [[n + index for n in range(50)] for index in range(8)]
