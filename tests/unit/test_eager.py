"""Sends that run where they are made: what a test needs to hear of before a node does."""

from __future__ import annotations

import asyncio
import inspect

import pytest

from actorq import (
    App,
    AsyncResult,
    ContentDisallowed,
    EncodeError,
    MessageTooLarge,
    NotRegistered,
    Reject,
    RemoteError,
    TaskRevoked,
    WouldBlock,
)
from actorq.errors import ConfigError, Ignore
from actorq.results import EagerResult


class UnregisteredError(Exception):
    pass


@pytest.fixture
def app(tmp_path):
    app = App("eager", home=tmp_path / "home", config={"task_always_eager": True})
    yield app
    assert not (tmp_path / "home").exists(), "nothing was to be sent"


def make_eager(tmp_path, **config):
    return App("eager", home=tmp_path / "home", config={"task_always_eager": True, **config})


def test_a_send_runs_the_task_here_and_gives_a_result_that_has_ended(app):
    @app.task
    def add(x, y):
        return x + y

    for result in (add.delay(2, 3), add.apply_async((2,), {"y": 3}), app.send_task(add.name, (2, 3))):
        assert isinstance(result, EagerResult)
        assert (result.get(timeout=1), result.state, result.ready(), result.successful()) == (5, "SUCCESS", True, True)
    assert [result.get() for result in add.delay_many([(1, 2), (3, 4)])] == [3, 7]


def test_arguments_arrive_as_they_would_in_a_slot(app):
    @app.task
    def grow(items):
        items.append(len(items))
        return items

    mine = [1]
    assert grow.delay(mine).get() == [1, 1]
    assert mine == [1]


@pytest.mark.parametrize("bad", [object(), [{1, object}], lambda: None])
def test_an_argument_that_would_not_travel_is_refused_by_the_send(app, bad):
    @app.task
    def take(value):
        raise AssertionError("it must not run")

    with pytest.raises(EncodeError, match="expected"):
        take.delay(bad)
    assert take.apply_async  # `apply` is a call and takes anything


def test_apply_is_a_call_and_hands_over_the_very_object(tmp_path):
    app = make_eager(tmp_path)

    @app.task
    def same(value):
        return value

    thing = object()
    assert same.apply((thing,)).get() is thing


def test_a_result_that_would_not_travel_makes_the_task_fail(app):
    @app.task
    def make():
        return object()

    result = make.delay()
    assert result.state == "FAILURE"
    with pytest.raises(EncodeError):
        result.get()


def test_the_serializer_of_the_call_decides_what_travels(tmp_path):
    @make_eager(tmp_path, accept_content=["json", "pickle"]).task
    def echo(value):
        return value

    assert echo.apply_async(((1, 2),), serializer="pickle").get() == (1, 2)
    assert echo.apply_async(([1, 2],), serializer="json").get() == [1, 2]
    with pytest.raises(ContentDisallowed, match=r"\(json, pickle\), got msgpack"):
        echo.delay(1).get()


def test_what_is_compressed_or_too_large_is_so_here_too(tmp_path):
    @make_eager(tmp_path, task_compression="zlib", result_compression="zlib", message_max_bytes=10_000).task
    def echo(value, times=1):
        return value * times

    assert echo.delay("x" * 9_000).get() == "x" * 9_000
    with pytest.raises(MessageTooLarge):
        echo.delay("x" * 10_000)
    with pytest.raises(MessageTooLarge, match="the result"):
        echo.delay("x" * 6_000, 2).get()


def test_an_exception_comes_back_as_it_would_from_a_node(app):
    @app.task
    def fail(known):
        raise ValueError("bad") if known else UnregisteredError("odd")

    with pytest.raises(ValueError, match="bad"):
        fail.delay(True).get()
    with pytest.raises(RemoteError, match="odd"):
        fail.delay(False).get()
    result = fail.delay(True)
    assert isinstance(result.get(propagate=False), ValueError)
    assert "in fail" in (result.traceback or "")


def test_with_propagation_the_send_itself_raises(tmp_path):
    app = make_eager(tmp_path, task_eager_propagates=True)

    @app.task
    def fail():
        raise UnregisteredError("odd")

    with pytest.raises(UnregisteredError):
        fail.delay()


def test_every_end_of_a_task_has_its_state(app):
    @app.task
    def end(how):
        raise {"ignore": Ignore, "reject": Reject, "revoke": TaskRevoked, "exit": SystemExit}[how]

    found = {how: end.delay(how).state for how in ("ignore", "reject", "revoke", "exit")}
    assert found == {"ignore": "IGNORED", "reject": "REJECTED", "revoke": "REVOKED", "exit": "FAILURE"}
    assert end.apply_async(("reject",), expires=-1).state == "REVOKED"


def test_retries_run_at_once_and_count(app):
    @app.task(bind=True, max_retries=2)
    def stubborn(self, left):
        if left:
            raise self.retry(args=(left - 1,), countdown=3600)
        return self.request.retries

    assert stubborn.delay(2).get() == 2
    assert stubborn.delay(3).failed()


def test_a_result_that_is_ignored_is_not_there(app):
    @app.task(ignore_result=True)
    def quiet():
        return 1

    assert quiet.delay().get() is None


def test_the_request_says_what_the_call_said(app):
    @app.task(bind=True)
    def inner(self):
        request = self.request
        return [request.parent_id, request.root_id]

    @app.task(bind=True)
    def outer(self):
        request = self.request
        child = inner.delay()
        below = child.get(disable_sync_subtasks=False)
        return [request.id, request.is_eager, request.headers["who"], below]

    result = outer.apply_async(task_id="mine", headers={"who": "me"})
    assert result.id == result.task_id == str(result) == "mine"
    assert result.get() == ["mine", True, "me", ["mine", "mine"]]


def test_get_inside_a_task_is_refused_as_in_a_slot(app):
    @app.task
    def inner():
        return 1

    @app.task
    def outer():
        return inner.delay().get()

    with pytest.raises(WouldBlock, match="outside of tasks"):
        outer.delay().get()


def test_coroutine_tasks_run_with_and_without_a_running_loop(app):
    @app.task
    async def double(x):
        await asyncio.sleep(0)
        return 2 * x

    async def main():
        return await double.delay(3)

    assert double.delay(2).get() == 4
    assert asyncio.run(main()) == 6


def test_mistakes_in_a_call_are_found_as_by_a_real_send(app):
    @app.task
    def add(x, y):
        return x + y

    with pytest.raises(TypeError, match="missing 1 required"):
        add.delay(1)
    with pytest.raises(TypeError, match="unknown option 'quue' for a call"):
        app.send_task(add.name, (1, 2), quue="x")
    with pytest.raises(NotRegistered, match="no task is registered as 'nobody'"):
        app.send_task("nobody")


@pytest.mark.parametrize(("text", "value"), [("1", True), ("true", True), ("0", False), ("False", False)])
def test_the_environment_turns_it_on_and_off(tmp_path, monkeypatch, text, value):
    monkeypatch.setenv("ACTORQ_TASK_ALWAYS_EAGER", text)
    assert App("eager", home=tmp_path).conf.task_always_eager is value


@pytest.mark.parametrize("bad", ["yes please", 2, None])
def test_a_switch_is_true_or_false(tmp_path, bad):
    with pytest.raises(ConfigError, match="expected task_always_eager to be True or False"):
        make_eager(tmp_path, task_always_eager=bad)


def test_an_eager_result_has_every_name_and_parameter_of_a_result():
    names = [name for name in dir(AsyncResult) if not name.startswith("_")]
    assert [name for name in names if name not in dir(EagerResult("id", "SUCCESS", 1))] == []
    for name in names:
        ours, theirs = (getattr(owner, name, None) for owner in (EagerResult, AsyncResult))
        if inspect.isfunction(theirs):
            assert ours is not None
            assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters), name


def test_a_callback_is_called_with_id_and_value(app):
    @app.task
    def one():
        return 1

    seen = []
    result = one.delay()
    result.get(callback=lambda *found: seen.append(found))
    assert seen == [(result.id, 1)]
    assert result == result.id
    assert {result: 1}[result] == 1
