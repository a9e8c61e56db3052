"""Hooks of plugins around sends and runs."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import msgspec
import pytest
import structlog

from actorq import App, BrokerUnavailable, Plugin, PluginError, Retry
from actorq.client.orphans import read_outbox
from actorq.codec import decode_body
from actorq.messages import states
from actorq.messages.task import Delivery, TaskMessage
from actorq.plugins.hooks import HookedTasks
from actorq.slot.outcome import TaskRunner


class Recorder(Plugin):
    """Notes when its hooks are entered and left, and with what."""

    def __init__(self, name: str, seen: list[str]) -> None:
        self.name, self.seen = name, seen

    @contextmanager
    def sending(self, call):
        self.seen.append(f"{self.name} before send of {call.task}")
        try:
            yield
        except BaseException as error:
            self.seen.append(f"{self.name} {type(error).__name__} in send")
            raise
        self.seen.append(f"{self.name} after send {call.result.id is not None}")

    @contextmanager
    def running(self, run):
        self.seen.append(f"{self.name} before run {dict(run.headers)}")
        try:
            yield
        except BaseException as error:
            self.seen.append(f"{self.name} {type(error).__name__} in run")
            raise
        self.seen.append(f"{self.name} after run {run.result}")


def blow(error: BaseException) -> Any:
    """Raise it: for generators that would never come to their yield."""
    raise error


def make_hooked(sending=None, running=None, name="hooked") -> Plugin:
    """Return a plugin with hooks that are these generator functions."""
    members = {"name": name}
    if sending is not None:
        members["sending"] = lambda self, call: contextmanager(sending)(call)  # noqa: ARG005
    if running is not None:
        members["running"] = lambda self, run: contextmanager(running)(run)  # noqa: ARG005
    made: Plugin = type("Made", (Plugin,), members)()
    return made


@pytest.fixture
def app(tmp_path):
    with App("hooked", home=tmp_path / "home") as made:

        @made.task(name="add")
        def add(x, y=0):
            return x + y

        @made.task(name="aadd")
        async def aadd(x, y=0):
            await asyncio.sleep(0)
            return x + y

        @made.task(name="fail")
        def fail():
            raise KeyError("lost")

        yield made


def sent_messages(app: App) -> list[TaskMessage]:
    return list(read_outbox(path for path in sorted(app.home.outboxes.rglob("*")) if path.is_file()))


def run_in_slot(app: App, name: str, *args, headers=None, **changes):
    from actorq.codec import encode_body

    tasks: Any = HookedTasks(app.tasks, app.plugins.hooks.running)
    runner = TaskRunner(tasks, "node")
    body = encode_body(args, {})
    try:
        return runner.run(Delivery(1, 1, 0, 7, TaskMessage(1, name, body, headers=headers, **changes)))
    finally:
        runner.close()


def test_hooks_of_several_plugins_nest_in_the_order_of_their_names_whatever_the_order_they_came_in(app):
    seen: list[str] = []
    for name in ("b", "c", "a"):
        app.plugins.add(Recorder(name, seen))
    app.tasks["add"].delay(1)
    assert seen == [
        *(f"{name} before send of add" for name in "abc"),
        *(f"{name} after send True" for name in "cba"),
    ]


def test_every_way_to_send_passes_the_hooks(app):
    seen: list[str] = []
    app.plugins.add(Recorder("a", seen))
    add = app.tasks["add"]
    add.delay(1)
    add.apply_async((1,))
    add.delay_many([(1,), (2,)])
    app.send_task("add", (1,))
    app.send_task("unknown.here")
    with pytest.raises(BrokerUnavailable), app.pipeline(timeout=0.01):
        add.delay(1)
    assert [line for line in seen if "before send" in line] == [
        *["a before send of add"] * 5,
        "a before send of unknown.here",
        "a before send of add",
    ]


def test_what_a_hook_changes_is_what_is_sent(app):
    def change(call):
        call.args = (*call.args, 5)
        call.options["queue"] = "elsewhere"
        call.headers["who"] = "me"
        yield

    app.plugins.add(make_hooked(change))
    app.tasks["add"].apply_async((1,), headers={"given": True})
    (message,) = sent_messages(app)
    assert decode_body(message.codec_id, message.body) == ((1, 5), {})
    assert message.queue == "elsewhere"
    assert message.headers == {"given": True, "who": "me"}


def test_arguments_are_checked_as_the_hooks_have_left_them(app):
    def spoil(call):
        call.kwargs["nobody"] = 1
        yield

    app.plugins.add(make_hooked(spoil))
    with pytest.raises(TypeError, match="nobody"):
        app.tasks["add"].delay(1)


def test_a_hook_that_raises_before_a_send_prevents_it_and_is_named(app):
    def refuse(call):
        blow(PermissionError("not now"))
        yield

    seen: list[str] = []
    app.plugins.add(Recorder("a", seen))
    app.plugins.add(make_hooked(refuse, name="b"))
    app.plugins.add(Recorder("c", seen))
    with pytest.raises(PermissionError) as caught:
        app.tasks["add"].delay(1)
    assert "plugin 'b'" in caught.value.__notes__[0]
    assert seen == ["a before send of add", "a PermissionError in send"]
    assert not sent_messages(app)


def test_a_hook_that_raises_after_a_send_is_logged_and_the_caller_has_the_result(app):
    def late(call):
        yield
        raise OSError("disk")

    app.plugins.add(make_hooked(late))
    with structlog.testing.capture_logs() as logs:
        assert app.tasks["add"].delay(1).id
    assert [(log["event"], log["plugin"], log["hook"]) for log in logs] == [("plugin_hook_failed", "hooked", "sending")]
    assert len(sent_messages(app)) == 1


def test_ctrl_c_in_a_hook_after_a_send_is_raised_when_the_other_hooks_are_left(app):
    def interrupted(call):
        yield
        raise KeyboardInterrupt

    seen: list[str] = []
    app.plugins.add(Recorder("a", seen))
    app.plugins.add(make_hooked(interrupted, name="b"))
    with pytest.raises(KeyboardInterrupt):
        app.tasks["add"].delay(1)
    assert seen == ["a before send of add", "a after send True"]
    assert len(sent_messages(app)) == 1


def test_a_method_that_is_set_on_the_instance_is_a_hook_as_well(app):
    seen: list[str] = []

    class Late(Plugin):
        name = "late"

        def __init__(self):
            self.sending = lambda call: seen.append(call.task)  # type: ignore[method-assign]

    app.plugins.add(Late)
    app.tasks["add"].delay(1)
    assert seen == ["add"]


def test_a_hook_cannot_swallow_what_a_send_raises(app):
    def swallow(call):
        try:
            yield
        except TypeError:
            return

    app.plugins.add(make_hooked(swallow))
    with pytest.raises(TypeError):
        app.tasks["add"].delay(1, 2, 3)


@pytest.mark.parametrize("task", ["add", "aadd"])
def test_hooks_around_a_run_see_headers_and_result(app, task):
    seen: list[str] = []
    app.plugins.add(Recorder("a", seen))
    report = run_in_slot(app, task, 1, 2, headers={"k": [1]})
    assert report.state == states.NUMBERS[states.SUCCESS]
    assert seen == ["a before run {'k': [1]}", "a after run 3"]


def test_an_exception_of_the_task_passes_through_all_hooks_and_is_its_report(app):
    def swallow(run):
        try:
            yield
        except KeyError:
            return

    seen: list[str] = []
    app.plugins.add(Recorder("a", seen))
    app.plugins.add(make_hooked(running=swallow, name="b"))
    report = run_in_slot(app, "fail")
    assert report.state == states.NUMBERS[states.FAILURE]
    assert b"KeyError" in report.payload
    assert seen[-1] == "a KeyError in run"


@pytest.mark.parametrize("error", [OSError("disk"), SystemExit(3), KeyboardInterrupt()])
@pytest.mark.parametrize("task", ["add", "aadd"])
def test_a_hook_that_raises_after_a_run_does_not_lose_its_report(app, task, error):
    def late(run):
        yield
        raise error

    app.plugins.add(make_hooked(running=late))
    with structlog.testing.capture_logs() as logs:
        report = run_in_slot(app, task, 1)
    assert report.state == states.NUMBERS[states.SUCCESS]
    assert [log["event"] for log in logs] == ["plugin_hook_failed"]


def test_a_hook_may_raise_what_a_task_may_raise(app):
    def later(run):
        blow(Retry(due_at=5.0))
        yield

    app.plugins.add(make_hooked(running=later))
    report = run_in_slot(app, "add", 1)
    assert (report.state, report.due_at) == (states.NUMBERS[states.RETRY], 5.0)


def test_a_hook_that_raises_before_a_run_is_how_it_ends_and_its_traceback_names_the_plugin(app):
    def broken(run):
        blow(RuntimeError("no database"))
        yield

    app.plugins.add(make_hooked(running=broken))
    report = run_in_slot(app, "add", 1)
    assert report.state == states.NUMBERS[states.FAILURE]
    assert b"no database" in report.payload
    assert b"raised by plugin 'hooked', in running()" in report.payload


def test_an_eager_run_passes_both_hooks_and_headers_get_from_one_to_the_other(app):
    def mark(call):
        assert call.is_eager
        call.headers["marked"] = 1
        yield

    seen: list[str] = []
    app.plugins.add(make_hooked(mark, name="z"))
    app.plugins.add(Recorder("a", seen))
    assert app.tasks["add"].apply((1,)).get() == 1
    assert app.tasks["aadd"].apply((1,)).get() == 1
    assert seen[:4] == ["a before send of add", "a before run {'marked': 1}", "a after run 1", "a after send True"]
    assert len(seen) == 8


def test_a_hook_that_returns_no_context_is_an_error_that_says_so(app):
    class Forgot(Plugin):
        name = "forgot"

        def sending(self, call):
            yield

    app.plugins.add(Forgot)
    with pytest.raises(PluginError, match=r"plugin 'forgot' \(application\): expected sending\(\) to return a context"):
        app.tasks["add"].delay(1)


def test_a_hook_may_leave_out_a_call(app):
    class Some(Plugin):
        name = "some"

        def sending(self, call) -> AbstractContextManager[object] | None:
            return None

    app.plugins.add(Some)
    assert app.tasks["add"].delay(1).id


def test_a_plugin_that_is_added_or_disabled_after_a_send_counts_from_then_on(app):
    seen: list[str] = []
    add = app.tasks["add"]
    add.delay(1)
    app.plugins.add(Recorder("late", seen))
    add.delay(1)
    app.plugins.disable("late")
    add.delay(1)
    assert seen == ["late before send of add", "late after send True"]


def test_a_message_that_was_written_before_there_were_headers_can_be_read():
    fields = msgspec.msgpack.decode(msgspec.msgpack.encode(TaskMessage(1, "add", b"")))
    old = msgspec.msgpack.encode(fields[:-1])
    assert msgspec.msgpack.decode(old, type=TaskMessage) == TaskMessage(1, "add", b"")


def test_headers_must_be_plain_data(app):
    with pytest.raises(TypeError, match="expected headers"):
        app.tasks["add"].apply_async((1,), headers={1: 2})
    with pytest.raises(Exception, match="a header"):
        app.tasks["add"].apply_async((1,), headers={"x": object()})
    with pytest.raises(ValueError, match="at most"):
        app.tasks["add"].apply_async((1,), headers={"x": "y" * 100_000})
