"""Many results are waited for as one, and a result tells a function when it has come."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from actorq import App, ResultSet, ResultTimeout, ResultUnknown, TaskRevoked, WouldBlock
from actorq.codec import decode_body, encode_failure
from actorq.messages import wire
from actorq.messages.ids import format_task_id
from actorq.messages.states import FAILURE, NUMBERS, REVOKED
from actorq.messages.task import Delivery, ResultRecord, TaskMessage
from actorq.tasks import Request, pop_request, push_request
from actorq.testing.wait import wait_until
from tests.integration.client.fake_broker import FakeBroker, add_up, never


def odd_ones_fail(message):
    args, _ = decode_body(message.codec_id, message.body)
    if args[0] % 2:
        return ResultRecord(
            message.number, NUMBERS[FAILURE], encode_failure(ValueError(args[0]), "Traceback of the slot")
        )
    return add_up(message)


def only(*wanted):
    """Tasks with these arguments end, the others run for ever."""
    return lambda message: add_up(message) if decode_body(message.codec_id, message.body)[0][0] in wanted else None


def send(app, numbers):
    return ResultSet(app.tasks["tasks.add"].delay_many((n,) for n in numbers))


@pytest.mark.parametrize("wait", ["get", "join", "join_native"])
def test_values_come_in_the_order_of_the_members(app, broker, wait):
    assert getattr(send(app, range(100)), wait)(timeout=5) == [n + 1 for n in range(100)]


def test_many_are_waited_for_with_few_questions(app, broker):
    results = send(app, range(20_000))
    assert results.get(timeout=10) == [n + 1 for n in range(20_000)]
    assert broker.count(wire.WATCH) <= 5
    assert results.completed_count() == 20_000
    assert broker.count(wire.ASK) == 0


def test_results_of_other_processes_are_waited_for_at_once_too(app, broker):
    sent = send(app, range(2_500))
    app.flush()
    with App("shop", home=app.home.path) as other:
        results = ResultSet(other.AsyncResult(each.id) for each in sent)
        asked_before = broker.count(wire.WATCH)
        assert results.get(timeout=10) == [n + 1 for n in range(2_500)]
        assert broker.count(wire.WATCH) - asked_before < 250


def test_one_deadline_is_for_all_and_the_message_says_how_many_are_late(app):
    with FakeBroker(app.home, answer=only(0, 2)):
        results = send(app, range(5))
        started_at = time.monotonic()
        with pytest.raises(ResultTimeout, match=r"3 of 5 tasks haven't ended; this one: ") as caught:
            results.get(timeout=0.3)
        assert time.monotonic() - started_at < 3
        assert caught.value.task_id == results[1].id
        assert not app._session.inbox.has_waiters
        assert (results[0].get(timeout=0), results[2].get(timeout=0)) == (1, 3)


def test_a_timeout_of_nothing_is_a_look(app, broker):
    results = send(app, range(3))
    wait_until(results.ready, what="the results")
    results.get(timeout=5)
    assert results.get(timeout=0) == [1, 2, 3]


@pytest.mark.parametrize("wait", ["get", "join"])
def test_what_a_task_raised_is_raised_or_takes_the_values_place(app, wait):
    with FakeBroker(app.home, answer=odd_ones_fail):
        results = send(app, range(4))
        with pytest.raises(ValueError, match="1"):
            getattr(results, wait)(timeout=5)
        values = getattr(results, wait)(timeout=5, propagate=False)
        assert [values[0], values[2]] == [1, 3]
        assert [repr(values[1]), repr(values[3])] == ["ValueError(1)", "ValueError(3)"]


def test_a_failure_is_raised_while_others_run_but_join_waits_for_its_turn(app):
    def answer(message):
        return odd_ones_fail(message) if message.number == 2 else None

    with FakeBroker(app.home, answer=answer):
        results = send(app, range(2))
        with pytest.raises(ValueError, match="1"):
            results.get(timeout=5)
        with pytest.raises(ResultTimeout):
            results.join(timeout=0.1)


def test_a_callback_gets_each_value_in_its_turn_and_the_list_is_empty(app, broker):
    seen: list[object] = []
    results = send(app, range(50))
    assert results.join(timeout=5, callback=lambda task_id, value: seen.append((task_id, value))) == []
    assert seen == [(each.id, n + 1) for n, each in enumerate(results)]


def test_results_are_iterated_as_they_arrive(app):
    with FakeBroker(app.home, answer=only(3)) as broker:
        results = send(app, range(5))
        found = results.iter_native(timeout=5)
        task_id, facts = next(found)
        assert (task_id, facts["status"], facts["result"]) == (results[3].id, "SUCCESS", 4)
        for key, message in broker.store.tasks.items():
            record = add_up(message)
            assert record is not None
            broker.store.results[key] = record
        broker.poke()
        assert sorted(facts["result"] for _, facts in found) == [1, 2, 3, 5]


def test_an_iteration_that_is_left_leaves_nobody_waiting(app):
    with FakeBroker(app.home, answer=only(0)):
        for _ in send(app, range(5)).iter_native(timeout=5):
            break
        assert not app._session.inbox.has_waiters


def test_an_iteration_tells_failures_as_values(app):
    with FakeBroker(app.home, answer=odd_ones_fail):
        results = send(app, range(2))
        facts = dict(results.iter_native(timeout=5))
        assert repr(facts[results[1].id]["result"]) == "ValueError(1)"
        assert facts[results[1].id]["traceback"] == "Traceback of the slot"
        assert facts[results[0].id]["traceback"] is None


def test_an_unknown_member_is_told_apart_even_behind_a_thousand_others(app):
    with FakeBroker(app.home, answer=never):
        sent = send(app, range(1_500))
        app.flush()
        with App("shop", home=app.home.path) as other:
            results = ResultSet(other.AsyncResult(each.id) for each in sent)
            results.add(other.AsyncResult(format_task_id(12345, 6)))
            with pytest.raises(ResultUnknown):
                results.get(timeout=10)


def test_states_are_counted_by_one_question(app):
    with FakeBroker(app.home, answer=only(0, 1)) as broker:
        results = send(app, range(5))
        app.flush()
        asked_before = broker.count(wire.ASK)
        assert (results.ready(), results.completed_count()) == (False, 2)
        assert broker.count(wire.ASK) - asked_before == 2
        assert (results.waiting(), results.successful(), results.failed()) == (True, False, False)


def test_a_set_with_a_failure_is_ready_and_failed(app):
    with FakeBroker(app.home, answer=odd_ones_fail):
        results = send(app, range(4))
        wait_until(results.ready, what="the results")
        assert (results.waiting(), results.successful(), results.failed()) == (False, False, True)
        assert results.completed_count() == 2


def test_a_set_that_waits_for_nothing_is_done():
    empty: ResultSet[int] = ResultSet()
    assert (empty.get(timeout=0), empty.ready(), empty.successful(), empty.failed()) == ([], True, True, False)


def test_forgetting_a_set_asks_once(app, broker):
    results = send(app, range(1_500))
    results.get(timeout=5)
    asked_before = broker.count(wire.ASK)
    results.forget()
    assert broker.count(wire.ASK) - asked_before == 2
    assert results[0].state == "UNKNOWN"


def test_a_member_is_there_once_and_comes_and_goes_by_its_id(app, broker):
    first, second = app.tasks["tasks.add"].delay(1), app.tasks["tasks.add"].delay(2)
    results = ResultSet([first, second, app.AsyncResult(first.id)])
    assert results.results == [first, second]
    assert (len(results), first in results, second.id in results, results[1] is second) == (2, True, True, True)
    results.remove(first)
    with pytest.raises(KeyError):
        results.remove(first.id)
    results.discard(first)
    assert list(results) == [second]
    assert results == ResultSet([second])
    results.clear()
    assert not len(results)


def test_only_results_can_be_members(app):
    with pytest.raises(TypeError, match=r"expected a result of a task, got 'some-id'; app\.AsyncResult"):
        ResultSet(["some-id"])  # type: ignore[arg-type]


def test_a_set_can_be_awaited(app, broker):
    async def wait():
        return await send(app, range(50))

    assert asyncio.run(asyncio.wait_for(wait(), 10)) == [n + 1 for n in range(50)]


@pytest.mark.parametrize("wait", ["get", "join", "join_native", "iter_native"])
def test_a_task_may_not_wait_for_a_set_unless_it_says_so(app, broker, wait):
    token = push_request(Request.from_delivery(Delivery(1, 1, 0, 99, TaskMessage(7, "tasks.outer", b"")), "s", 0))
    try:
        results = send(app, range(3))
        with pytest.raises(WouldBlock, match=r"tasks\.outer.*disable_sync_subtasks=False") as caught:
            getattr(results, wait)(timeout=5)
        assert isinstance(caught.value, RuntimeError)
        assert len(list(getattr(results, wait)(timeout=5, disable_sync_subtasks=False))) == 3
    finally:
        pop_request(token)


def test_a_task_that_ran_here_is_a_member_like_any_other(app, broker):
    add = app.tasks["tasks.add"]
    results = ResultSet([add.apply((1,)), add.delay(2)])
    assert results.get(timeout=5) == [2, 3]
    assert (results.successful(), results.completed_count()) == (True, 2)


# -- then -----------------------------------------------------------------------------------------------------------------


def test_a_function_is_called_with_the_result_when_it_comes_and_may_wait_itself(app):
    add = app.tasks["tasks.add"]
    seen: list[object] = []
    result = add.delay(1)

    def note(ended):
        seen.append((ended, ended.get(), add.delay(5).get(timeout=5), threading.current_thread().name))

    assert result.then(note) is result
    with FakeBroker(app.home):
        wait_until(lambda: len(seen) == 1, what="the callback")
        assert seen == [(result, 2, 6, "actorq-callbacks")]
        wait_until(lambda: "actorq-callbacks" not in {each.name for each in threading.enumerate()}, what="the thread")


def test_a_function_for_a_result_that_is_here_is_called_at_once(app, broker):
    seen: list[object] = []
    result = app.tasks["tasks.add"].delay(1)
    result.get(timeout=5)
    result.then(seen.append)
    assert seen == [result]


@pytest.mark.parametrize("is_here", [True, False])
def test_a_failure_goes_to_on_error_and_without_one_to_the_callback(app, is_here):
    seen: list[object] = []
    errors: list[BaseException] = []
    with FakeBroker(app.home, answer=odd_ones_fail):
        result = app.tasks["tasks.add"].delay(1)
        if is_here:
            result.get(timeout=5, propagate=False)
        result.then(seen.append, errors.append)
        wait_until(lambda: len(errors) == 1, what="the error")
        assert (repr(errors[0]), seen) == ("ValueError(1)", [])
        result.then(seen.append)
        assert seen == [result]


def test_what_a_callback_raises_goes_to_on_error_or_else_to_the_log(app, capfd):
    errors: list[BaseException] = []
    results = [app.tasks["tasks.add"].delay(n) for n in range(2)]

    def fail(result):
        raise LookupError(result.id)

    results[0].then(fail, errors.append)
    results[1].then(fail)
    with FakeBroker(app.home):
        wait_until(lambda: "callback_failed" in capfd.readouterr().err, what="the log")
        assert [repr(error) for error in errors] == [f"LookupError({results[0].id!r})"]


def test_on_error_hears_of_tasks_that_were_cancelled_or_never_were(app):
    errors: list[BaseException] = []
    with FakeBroker(app.home, answer=lambda m: ResultRecord(m.number, NUMBERS[REVOKED])):
        app.tasks["tasks.add"].delay(1).then(print, errors.append)
        wait_until(lambda: len(errors) == 1, what="the revoked one")
        app.AsyncResult("order-7").then(print, errors.append)
        wait_until(lambda: len(errors) == 2, what="the unknown one")
    assert [type(error) for error in errors] == [TaskRevoked, ResultUnknown]


def test_a_closed_application_calls_nobody(app):
    app.tasks["tasks.add"].delay(1).then(print)
    app.close()
    wait_until(lambda: "actorq-callbacks" not in {each.name for each in threading.enumerate()}, what="the thread")


def test_a_set_calls_once_when_the_last_member_has_ended(app):
    seen: list[object] = []
    errors: list[BaseException] = []
    results = send(app, range(4))
    assert results.then(seen.append) is results
    results.then(seen.append, errors.append)
    with FakeBroker(app.home, answer=odd_ones_fail):
        wait_until(lambda: len(seen) + len(errors) == 2, what="the callbacks")
        assert seen[0] is results
        assert [repr(error) for error in errors] == ["ValueError(1)"]
    ResultSet().then(seen.append)
    assert seen[1] == ResultSet()


def test_a_result_of_a_task_that_ran_here_has_the_same_interface(app):
    seen: list[object] = []
    errors: list[BaseException] = []
    result = app.tasks["tasks.add"].apply((1,))
    assert result.get(callback=lambda *found: seen.append(found), interval=1) == 2
    assert seen == [(result.id, 2)]
    assert (result.task_id, result.info, result == result.id, {result: 1}[result.id]) == (result.id, 2, True, 1)
    assert result.then(seen.append, errors.append) is result
    assert seen[1] is result
    app.tasks["tasks.add"].apply(("x",)).then(seen.append, errors.append)
    assert [type(error) for error in errors] == [TypeError]
