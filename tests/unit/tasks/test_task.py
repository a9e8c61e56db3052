from __future__ import annotations

import asyncio
import datetime
from typing import Any

import pytest

from actorq import App, MaxRetriesExceeded, Reject, Request, Retry, Task
from actorq.messages.ids import format_task_id
from actorq.messages.task import FLAG_ACK_EARLY, FLAG_IGNORE_RESULT, FLAG_TRACK_STARTED, Delivery, TaskMessage
from actorq.tasks import pop_request, push_request
from actorq.tasks.moments import find_due_at
from actorq.tasks.sending import apply_call_options


@pytest.fixture
def app(tmp_path):
    with App("shop", home=tmp_path) as made:
        yield made


def deliver(task, *args, retries=0, deliveries=0, **kwargs):
    """Run a task as a slot does."""
    message = TaskMessage(7, task.name, b"", retries=retries, queue="q", priority=3, limits=(1, 2))
    request = Request.from_delivery(Delivery(1, 1, deliveries, 99, message), "node@host", 4242)
    token = push_request(request)
    try:
        value = task.run_delivery(args, kwargs, request)
        return asyncio.run(value) if task.is_coroutine else value
    finally:
        pop_request(token)


def test_a_task_is_still_the_function_it_was(app):
    @app.task
    def add(x, y=1):
        """Add."""
        return x + y

    assert (add(1), add(1, y=5), add.__name__, add.__doc__) == (2, 6, "add", "Add.")
    assert add.name == f"{__name__}.{add.__wrapped__.__qualname__}"
    assert app.tasks[add.name] is add
    assert not add.is_coroutine


def test_arguments_are_checked_at_the_call_and_worded_as_for_any_call(app):
    @app.task
    def work(a, b, /, c, d=1, *, e, f=2):
        return a, b, c, d, e, f

    for args, kwargs in [((1,), {}), ((1, 2, 3), {}), ((1, 2, 3), {"e": 1, "g": 2}), ((1, 2, 3, 4, 5), {"e": 1})]:
        with pytest.raises(TypeError) as ours:
            work.delay(*args, **kwargs)
        with pytest.raises(TypeError) as theirs:
            work.__wrapped__(*args, **kwargs)
        assert str(ours.value).split("()")[1] == str(theirs.value).split("()")[1]
    work.delay(1, 2, c=3, e=4)
    work.delay(1, 2, 3, 4, e=5, f=6)


@pytest.mark.parametrize(
    "function",
    [lambda *args: args, lambda **kwargs: kwargs, lambda a, *args, k=1, **kw: (a, args, k, kw), lambda *, k: k, lambda a, /: a, lambda: 0, print],
)  # fmt: skip
def test_any_signature_can_be_checked(app, function):
    app.task(name="t")(function)


def test_unchecked_arguments_are_sent_as_they_are(app):
    app.task(name="t", typing=False)(lambda a: a).delay(1, 2, 3)


def test_a_bound_task_gets_itself(app):
    @app.task(bind=True)
    def who(self, x):
        return self.name, x, self.request.called_directly

    assert who(3) == (who.name, 3, True)
    assert deliver(who, 3) == (who.name, 3, False)
    with pytest.raises(TypeError, match="missing 1 required"):
        who.delay()


def test_a_coroutine_is_a_task_too(app):
    @app.task
    async def ping(host):
        return host * 2

    assert ping.is_coroutine
    assert asyncio.run(ping("a")) == "aa"
    assert deliver(ping, "b") == "bb"
    assert ping.apply(("c",)).get() == "cc"


def test_a_class_can_be_a_task(app):
    class Adder(Task[..., Any]):
        queue = "sums"
        max_retries = 7

        def __init__(self):
            self.calls = 0

        def run(self, x, y):
            self.calls += 1
            return x + y

    adder = app.register_task(Adder)
    assert (adder(1, 2), deliver(adder, 3, 4), adder.calls) == (3, 7, 2)
    assert adder.name.endswith("Adder")
    assert adder.get_plan().message.queue == "sums"
    with pytest.raises(TypeError):
        adder.delay(1)
    with pytest.raises(TypeError, match=r"subclass"):
        app.register_task(int)

    class Wrong(Adder):
        name = "wrong"
        soft_time_limit = 5
        time_limit = 1

    with pytest.raises(ValueError, match="soft_time_limit"):
        app.register_task(Wrong())


def test_a_base_class_gives_its_tasks_its_options(app):
    class Base(Task[..., Any]):
        autoretry_for = (OSError,)
        extra = 5

    @app.task(base=Base, bind=True)
    def work(self):
        return self.extra

    assert isinstance(work, Base)
    assert work() == 5
    assert work.autoretry_for == (OSError,)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"soft_time_limit": 10, "time_limit": 5}, ValueError, "soft_time_limit"),
        ({"max_retrys": 3}, TypeError, "did you mean 'max_retries'"),
        ({"rate_limit": "10/d"}, ValueError, "10/s"),
        ({"priority": 10}, ValueError, "0 to 9"),
        ({"serializer": "yaml"}, ValueError, "serializer"),
        ({"max_deliveries": 0}, ValueError, "from 1 up"),
        ({"queue": ""}, ValueError, "empty"),
        ({"autoretry_for": ("OSError",)}, ValueError, "exception classes"),
        ({"time_limit": True}, ValueError, "number"),
        ({"base": int}, TypeError, "subclass"),
        ({"retry_kwargs": {"max_retry": 5}}, ValueError, "did you mean 'max_retries'"),
        ({"retry_kwargs": 5}, TypeError, "a mapping of arguments"),
    ],
)
def test_an_option_that_doesnt_fit_is_refused_where_it_is_given(app, options, error, text):
    with pytest.raises(error, match=text):
        app.task(**options)(lambda: None)


def test_options_reach_the_message(app):
    task = app.task(
        name="t", queue="q", priority=9, ignore_result=True, acks_late=False, track_started=True, max_deliveries=1,
        soft_time_limit=1, time_limit=2, result_expires=60, serializer="json",
    )(print)  # fmt: skip
    message = task.get_plan().message
    assert (message.queue, message.priority, message.max_deliveries) == ("q", 9, 1)
    assert message.flags == FLAG_IGNORE_RESULT | FLAG_ACK_EARLY | FLAG_TRACK_STARTED
    assert (message.limits, message.result_ttl_s, message.codec_id) == ((1, 2), 60, 1)


def test_the_settings_are_what_a_task_doesnt_say(tmp_path):
    app = App("s", home=tmp_path, config={"default_queue": "work", "default_priority": 4, "task_serializer": "pickle"})
    message = app.task(name="t")(print).get_plan().message
    assert (message.queue, message.priority, message.codec_id) == ("work", 4, 2)


def test_a_request_tells_about_its_delivery(app):
    @app.task(bind=True, name="t")
    def look(self, x):
        r = self.request
        return (r.id, r.task, r.args, r.kwargs, r.retries, r.hostname, r.delivery_info, r.root_id, r.parent_id,
                r.timelimit, r.is_eager, r.eta, r.expires, r.correlation_id)  # fmt: skip

    mine = format_task_id(99, 7)
    info = {"queue": "q", "priority": 3, "redelivered": True, "deliveries": 2}
    expected: tuple[Any, ...] = (mine, "t", (1,), {}, 4, "node@host", info, mine, None, (2, 1), False, None, None, mine)
    assert deliver(look, 1, retries=4, deliveries=2) == expected


def test_a_retry_keeps_its_cause_and_says_when(app):
    @app.task(bind=True, default_retry_delay=60)
    def work(self, x):
        try:
            raise OSError("down")
        except OSError as error:
            raise self.retry(exc=error, countdown=5, args=(x + 1,)) from error

    with pytest.raises(Retry) as caught:
        deliver(work, 1)
    assert isinstance(caught.value.cause, OSError)
    assert caught.value.arguments == ((2,), {})
    assert caught.value.due_at == pytest.approx(datetime.datetime.now().timestamp() + 5, abs=2)


def test_retries_run_out(app):
    @app.task(bind=True, max_retries=2)
    def work(self, cause):
        raise self.retry(exc=cause)

    with pytest.raises(Retry):
        deliver(work, None, retries=1)
    with pytest.raises(MaxRetriesExceeded, match="2 retries"):
        deliver(work, None, retries=2)
    with pytest.raises(OSError, match="x"):
        deliver(work, OSError("x"), retries=2)


def test_a_direct_call_raises_the_cause_instead_of_retrying(app):
    @app.task(bind=True)
    def work(self):
        try:
            raise OSError("down")
        except OSError:
            self.retry()

    with pytest.raises(OSError, match="down"):
        work()


@pytest.mark.parametrize("is_async", [False, True])
def test_listed_exceptions_are_retried_by_themselves(app, is_async):
    options = {"autoretry_for": (OSError,), "dont_autoretry_for": (FileNotFoundError,), "max_retries": 1,
               "retry_backoff": 2, "retry_jitter": False}  # fmt: skip
    errors = {"a": OSError("a"), "b": FileNotFoundError("b"), "c": ValueError("c"), "d": Reject("d")}
    if is_async:

        @app.task(**options)
        async def work(kind):
            raise errors[kind]
    else:

        @app.task(**options)
        def work(kind):
            raise errors[kind]

    with pytest.raises(Retry) as caught:
        deliver(work, "a")
    assert caught.value.due_at == pytest.approx(datetime.datetime.now().timestamp() + 2, abs=1)
    for kind, retries in (("a", 1), ("b", 0), ("c", 0), ("d", 0)):
        with pytest.raises(type(errors[kind])) as raised:
            deliver(work, kind, retries=retries)
        assert raised.value is errors[kind]


def test_apply_runs_here_with_its_retries(app):
    runs = []

    @app.task(bind=True, max_retries=3)
    def work(self, x):
        runs.append(self.request.retries)
        if len(runs) < 3:
            raise self.retry(countdown=1000)
        return x

    result = work.apply((5,))
    assert (result.get(), result.state, runs, result.ready()) == (5, "SUCCESS", [0, 1, 2], True)
    assert not app._session


def test_apply_keeps_the_failure_for_get(app):
    task = app.task(name="t")(lambda: 1 / 0)
    result = task.apply()
    assert (result.state, result.failed()) == ("FAILURE", True)
    assert "ZeroDivisionError" in result.traceback
    with pytest.raises(ZeroDivisionError):
        result.get()
    assert isinstance(result.get(propagate=False), ZeroDivisionError)
    with pytest.raises(ZeroDivisionError):
        task.apply(throw=True)


def test_times_need_a_zone_and_only_one_of_two(app):
    with pytest.raises(ValueError, match="time zone"):
        find_due_at(None, datetime.datetime(2026, 1, 1))
    with pytest.raises(ValueError, match="got both"):
        find_due_at(1, 2.0)
    template = TaskMessage(0, "t", b"")
    with pytest.raises(ValueError, match="expires with a time zone"):
        apply_call_options(template, None, {"expires": datetime.datetime(2026, 1, 1)})
    with pytest.raises(ValueError, match="soft_time_limit"):
        apply_call_options(TaskMessage(0, "t", b"", limits=(None, 3)), None, {"soft_time_limit": 4})
    for wrong in ("", "x" * 256, 7):
        with pytest.raises(ValueError, match="task_id"):
            apply_call_options(template, None, {"task_id": wrong})


def test_the_options_of_one_call_dont_change_the_next(app):
    template = TaskMessage(0, "t", b"", priority=1)
    changed = apply_call_options(template, 5.0, {"priority": 9, "queue": "x", "ignore_result": True})
    assert (changed.priority, changed.queue, changed.flags) == (9, "x", FLAG_IGNORE_RESULT)
    assert changed.expires is not None
    assert (template.priority, template.queue, template.flags, template.expires) == (1, "default", 0, None)
