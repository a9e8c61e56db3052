"""From what a task does to the report about it."""

from __future__ import annotations

import asyncio
import time

import pytest

from actorq.codec import ALL_CODECS, Acceptance, TaskCodec, decode_body, decode_failure, decode_result, encode_body
from actorq.errors import Ignore, NotRegistered, Reject, Retry, TaskRevoked
from actorq.messages import states
from actorq.messages.task import FLAG_IGNORE_RESULT, TO_THE_BACK, Delivery, TaskMessage
from actorq.slot.outcome import MAX_TRACEBACK_CHARS, TaskRunner, format_failure, hand_back
from actorq.tasks.request import current_request


class Job:
    """A task whose body is a function of its arguments."""

    name = "job"
    handlers: frozenset[str] = frozenset()
    throws = ()

    def __init__(self, body):
        self.body = body
        self.is_coroutine = asyncio.iscoroutinefunction(body)
        self.definition = self

    def run_delivery(self, args, kwargs, request):
        return self.body(*args, **kwargs)


ALL = Acceptance(ALL_CODECS)
CODEC = TaskCodec(ALL)


def run(body, *args, codec_id=0, flags=0, codec=CODEC, **fields):
    runner = TaskRunner({"job": Job(body)}, "n", codec)
    message = TaskMessage(3, "job", encode_body(args, {}, codec_id), codec_id, flags=flags, **fields)
    try:
        report = runner.run(Delivery(11, 22, 0, 7, message))
    finally:
        runner.close()
    assert (report.key, report.token) == (11, 22)
    return report


def raiser(error):
    def body():
        raise error

    return body


def state_of(report):
    return states.NAMES[report.state]


def failure_of(report):
    """Return `(exception, traceback text)`."""
    return decode_failure(report.payload)


def test_a_returned_value_is_the_result():
    report = run(lambda x: x + 1, 1)
    assert state_of(report) == "SUCCESS"
    assert decode_result(report.codec_id, report.payload) == 2


def test_the_result_travels_like_the_arguments():
    report = run(lambda x: x, {1, 2}, codec_id=2)
    assert report.codec_id == 2
    assert decode_result(2, report.payload, ALL) == {1, 2}


def test_nothing_is_encoded_for_a_caller_who_ignores_the_result():
    report = run(object, flags=FLAG_IGNORE_RESULT)
    assert (state_of(report), report.payload) == ("SUCCESS", b"")


def test_the_request_is_there_during_the_run_only():
    def body():
        request = current_request()
        return [request.id, request.hostname] if request else None

    report = run(body)
    assert decode_result(0, report.payload) == ["0000000000000007-3", "n"]
    assert current_request() is None


def test_a_retry_names_its_time():
    report = run(raiser(Retry("later", None, 55.5)))
    assert (state_of(report), report.due_at, report.payload) == ("RETRY", 55.5, b"")


def test_a_retry_without_a_time_is_due_now_and_still_a_retry():
    before = time.time()
    assert before <= run(raiser(Retry())).due_at <= time.time()


def test_a_retry_with_other_arguments_brings_the_new_body():
    report = run(raiser(Retry("", None, 1.0, ((5,), {"a": 6}))))
    assert decode_body(report.codec_id, report.payload) == ((5,), {"a": 6})


def test_a_retry_with_arguments_that_cannot_be_sent_is_a_failure():
    assert state_of(run(raiser(Retry("", None, 1.0, ((object(),), {}))))) == "FAILURE"


def test_a_rejected_task_goes_back_or_fails():
    back = run(raiser(Reject("no", requeue=True)))
    assert (state_of(back), back.due_at, back.codec_id) == ("RETRY", None, TO_THE_BACK)
    assert state_of(run(raiser(Reject("no")))) == "REJECTED"


def test_a_delivery_that_was_not_run_goes_back_to_the_front():
    back = hand_back(Delivery(11, 22, 0, 7, TaskMessage(1, "job", b"")))
    assert (state_of(back), back.due_at, back.codec_id) == ("RETRY", None, 0)


def test_an_ignored_run_keeps_its_state_and_nothing_else():
    report = run(raiser(Ignore()))
    assert (state_of(report), report.codec_id, report.payload) == ("IGNORED", 0, b"")


def test_a_revoked_or_expired_task_is_revoked():
    assert state_of(run(raiser(TaskRevoked("enough")))) == "REVOKED"
    started = []
    assert state_of(run(lambda: started.append(1), expires=time.time() - 0.1)) == "REVOKED"
    assert started == []
    assert state_of(run(lambda: None, expires=time.time() + 100)) == "SUCCESS"


@pytest.mark.parametrize("error", [ValueError("v"), SystemExit(3), KeyboardInterrupt(), GeneratorExit(), MemoryError()])
def test_whatever_else_is_raised_is_a_failure(error):
    report = run(raiser(error))
    assert state_of(report) == "FAILURE"
    assert type(error).__name__ in repr(failure_of(report))


def test_a_coroutine_that_raises_or_exits_is_a_failure_and_the_loop_goes_on():
    outcomes = []

    async def body():
        await asyncio.sleep(0)
        outcomes.append(1)
        raise SystemExit(1) if len(outcomes) == 1 else ValueError

    runner = TaskRunner({"job": Job(body)}, "n")
    delivery = Delivery(1, 1, 0, 7, TaskMessage(1, "job", encode_body((), {})))
    assert [state_of(runner.run(delivery)) for _ in range(3)] == ["FAILURE"] * 3
    assert len(outcomes) == 3
    runner.close()


def test_endless_recursion_is_a_failure():
    def body():
        return body()

    report = run(body)
    assert state_of(report) == "FAILURE"
    assert isinstance(failure_of(report)[0], RecursionError)


def test_an_unknown_task_says_what_is_known():
    runner = TaskRunner({"job": Job(None)}, "n")
    report = runner.run(Delivery(1, 1, 0, 7, TaskMessage(1, "jbo", b"")))
    failure, _ = failure_of(report)
    assert isinstance(failure, NotRegistered)
    assert "job" in str(failure)


def test_a_result_that_cannot_be_sent_names_its_type():
    report = run(lambda: [object()])
    assert state_of(report) == "FAILURE"
    assert "EncodeError" in repr(failure_of(report))
    assert "of type list" in str(failure_of(report)[0])


def test_a_result_whose_pickling_raises_is_a_failure():
    class Stubborn:
        def __reduce__(self):
            raise ZeroDivisionError("never")

    report = run(Stubborn, codec_id=2)
    assert state_of(report) == "FAILURE"


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_traceback_begins_where_task_code_does(asynchronous):
    def body():
        raise ValueError("here")

    async def later():
        body()

    _, text = failure_of(run(later if asynchronous else body))
    assert "in body" in text
    assert "outcome.py" not in text.replace("test_outcome.py", "")
    assert "asyncio" not in text


def test_a_huge_traceback_loses_its_middle():
    text = format_failure(ValueError("x" * 200_000))
    assert MAX_TRACEBACK_CHARS < len(text) < MAX_TRACEBACK_CHARS + 100


def test_an_exception_that_breaks_its_own_formatting_is_still_told():
    class Nasty(Exception):
        def __str__(self):
            raise SystemExit

    assert "Nasty" in format_failure(Nasty())
    assert state_of(run(raiser(Nasty()))) == "FAILURE"
