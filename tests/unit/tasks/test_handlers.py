"""The handlers of a task's class: who is called, in which order, with what."""

from __future__ import annotations

from typing import Any

import pytest
import structlog

from actorq import App, Ignore, Reject, Task
from actorq.codec import encode_body
from actorq.messages.task import Delivery, TaskMessage
from actorq.slot.outcome import TaskRunner

ID = "0000000000000063-7"


class Told(Task[..., Any]):
    """Notes whom it is told of."""

    def __init__(self):
        self.calls: list[tuple[Any, ...]] = []

    def before_start(self, task_id, args, kwargs):
        self.calls.append(("before_start", task_id, args, kwargs))

    def on_success(self, retval, task_id, args, kwargs):
        self.calls.append(("on_success", retval, task_id, args, kwargs))

    def on_retry(self, exc, task_id, args, kwargs, einfo):
        self.calls.append(("on_retry", repr(exc), task_id, args, kwargs))

    def on_failure(self, exc, task_id, args, kwargs, einfo):
        self.calls.append(("on_failure", repr(exc), task_id, args, kwargs))
        assert isinstance(exc, einfo.type)
        assert "Traceback" in str(einfo)

    def after_return(self, status, retval, task_id, args, kwargs, einfo):  # noqa: PLR0917  Celery's
        self.calls.append(("after_return", status, retval if status == "SUCCESS" else type(retval).__name__))
        assert self.request.id == task_id


@pytest.fixture
def app(tmp_path):
    with App("shop", home=tmp_path) as made:
        yield made


@pytest.fixture(params=["slot", "apply", "eager"])
def run(app, request):
    """Run a task each way there is; returns the names of the handlers that were called, and their arguments."""
    if request.param == "eager":
        app.use_settings(app.conf.replace("test", {"task_always_eager": True}))

    def run(task, *args, **kwargs):
        if request.param == "slot":
            message = TaskMessage(7, task.name, encode_body(args, kwargs))
            runner = TaskRunner(app.tasks, "n")
            runner.run(Delivery(1, 1, 0, 99, message))
            runner.close()
        else:
            (task.apply if request.param == "apply" else task.apply_async)(args, kwargs)
        return [tuple("ID" if value == ID else value for value in call) for call in task.calls]

    return run


def strip(calls):
    return [(name, *(value for value in rest if not isinstance(value, (str, tuple, dict)))) for name, *rest in calls]


@pytest.mark.parametrize("is_async", [False, True])
def test_a_success_is_told_with_its_value(app, run, is_async):
    if is_async:

        @app.task(base=Told)
        async def double(x):
            return 2 * x
    else:

        @app.task(base=Told)
        def double(x):
            return 2 * x

    calls = run(double, 4)
    assert [call[0] for call in calls] == ["before_start", "on_success", "after_return"]
    assert calls[1][1] == 8
    assert tuple(calls[1][3]) == (4,)
    assert calls[2] == ("after_return", "SUCCESS", 8)


def test_a_failure_is_told_with_its_exception(app, run):
    @app.task(base=Told)
    def fail(text):
        raise ValueError(text)

    calls = run(fail, text="x")
    assert [call[0] for call in calls] == ["before_start", "on_failure", "after_return"]
    assert calls[1][1] == "ValueError('x')"
    assert calls[1][4] == {"text": "x"}
    assert calls[2] == ("after_return", "FAILURE", "ValueError")


def test_a_retry_is_told_with_its_cause(app, run):
    @app.task(base=Told, autoretry_for=(OSError,), max_retries=1, default_retry_delay=0)
    def flaky():
        raise OSError("down")

    calls = run(flaky)
    assert [call[0] for call in calls][:3] == ["before_start", "on_retry", "after_return"]
    assert calls[1][1] == "OSError('down')"
    assert calls[2] == ("after_return", "RETRY", "Retry")


@pytest.mark.parametrize("steer", [Ignore, Reject])
def test_nobody_is_told_of_a_run_that_was_ignored_or_rejected(app, run, steer):
    @app.task(base=Told)
    def work():
        raise steer

    assert [call[0] for call in run(work)] == ["before_start"]


def test_what_before_start_raises_is_how_the_run_ends(app, run):
    class Guarded(Told):
        def before_start(self, task_id, args, kwargs):
            raise PermissionError("not you")

    @app.task(base=Guarded)
    def work():
        raise AssertionError

    assert next(call[:2] for call in run(work)) == ("on_failure", "PermissionError('not you')")


@pytest.mark.parametrize("error", [RuntimeError("broken"), SystemExit(3), KeyboardInterrupt()])
def test_what_a_handler_raises_is_logged_and_changes_nothing(app, error):
    class Broken(Told):
        def on_success(self, *arguments):
            raise error

    @app.task(base=Broken, name="broken")
    def work():
        return 5

    with structlog.testing.capture_logs() as logged:
        result = work.apply()
    assert (result.state, result.get()) == ("SUCCESS", 5)
    assert [call[0] for call in work.calls] == ["before_start", "after_return"]
    assert [(each["event"], each["handler"]) for each in logged] == [("task_handler_failed", "on_success")]


def test_a_handler_that_nobody_would_await_is_refused(app):
    class Wrong(Task[..., Any]):
        async def on_success(self, *arguments):  # type: ignore[override]
            pass

    with pytest.raises(TypeError, match="to be a plain method"):
        app.task(base=Wrong)(lambda: None)


def test_a_task_without_handlers_is_never_looked_at(app):
    assert app.task(name="t")(print).handlers == frozenset()
