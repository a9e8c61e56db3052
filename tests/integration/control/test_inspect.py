"""Questions to real nodes: each is answered by node, at once, whatever the slots do."""

from __future__ import annotations

import time

import pytest

from actorq import ActorqError, App, BrokerUnavailable
from actorq.testing.wait import wait_until
from tests.nodes import NodeProcess, actorq, ask

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

ANSWER_S = 1.0  # ten times what is promised, for machines that are busy with other things


def occupy(app, seconds=60.0):
    running = [app.send_task("tasks.nap", (seconds,)) for _ in range(2)]
    wait_until(lambda: [each.state for each in running] == ["STARTED"] * 2, 20, "both slots to be busy")
    return running


def test_every_question_is_answered_by_node_while_all_slots_are_busy(app, node):
    running = {each.id for each in occupy(app)}
    inspect = app.control.inspect()
    assert inspect.ping() == {"shop-1": {"ok": "pong"}}
    assert {each["id"] for each in inspect.active()["shop-1"]} == running
    assert {each["task"] for each in inspect.active()["shop-1"]} == {"tasks.nap"}
    assert inspect.reserved() == {"shop-1": []}
    assert inspect.registered() == {"shop-1": ["tasks.add", "tasks.nap"]}
    assert inspect.stats()["shop-1"]["pid"] == node.pid
    assert inspect.conf()["shop-1"]["concurrency"] == 2
    assert inspect.report()["shop-1"]["app"] == "shop"
    assert inspect.tree()["shop-1"]["id"] == "node"
    assert inspect.active_queues() == {"shop-1": [{"name": "default", "waiting": 0}]}
    assert abs(inspect.clock()["shop-1"]["clock"] - time.time()) < 60
    assert app.control.ping() == [{"shop-1": {"ok": "pong"}}]
    first, *_ = running
    ((where, facts),) = inspect.query_task(first, "0" * 16 + "-7")["shop-1"].values()
    assert (where, facts["task"]) == ("active", "tasks.nap")


def test_a_question_doesnt_wait_for_busy_slots_nor_for_a_flood_of_tasks(app):
    occupy(app)
    app.control.ping()  # connects
    app.send_task("tasks.add", (1, 1))
    for question in ("ping", "active", "stats", "active_queues"):
        started_at = time.monotonic()
        assert app.control.inspect().ask(question)
        assert time.monotonic() - started_at < ANSWER_S, question
    task = app.task(name="tasks.add")(lambda x, y: x + y)
    task.delay_many((n, 1) for n in range(50_000))
    for question in ("ping", "active"):
        started_at = time.monotonic()
        assert app.control.inspect().ask(question)
        assert time.monotonic() - started_at < ANSWER_S, question


def test_only_the_nodes_that_are_named_are_asked(app, node, folder):
    with NodeProcess("tasks", node.home, folder, options=("-n", "other@here", "-Q", "a,b")):
        wait_until(lambda: len(app.ask("status")["slots"]) == 4, 20, "both nodes and their slots")
        both = {"shop-1", "other@here"}
        assert app.control.inspect().ping().keys() == both
        assert app.control.inspect(["other"]).ping().keys() == {"other@here"}, "the part before the @ is enough"
        assert app.control.inspect("shop-1").active().keys() == {"shop-1"}
        assert app.control.inspect(["shop-1", "other@here"]).stats().keys() == both
        queues = app.control.inspect().active_queues()
        assert [each["name"] for each in queues["other@here"]] == ["a", "b"]
        told = ask(node.home, folder, "inspect", "ping", "-d", "other")
        assert told.keys() == {"other@here"}


def test_a_node_that_isnt_there_is_an_error_with_a_suggestion(app, node, folder):
    for question in ("ping", "active"):
        with pytest.raises(ActorqError, match="expected one of the nodes shop-1, got 'shop-2'; did you mean 'shop-1'"):
            app.control.inspect(["shop-2"]).ask(question)
    done = actorq("inspect", "active", "-d", "shop-2", "--home", str(node.home), cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean 'shop-1'" in done.stderr
    done = actorq("inspect", "actve", "--home", str(node.home), cwd=folder)
    assert done.returncode == 2
    assert "did you mean 'active'" in done.stderr


def test_nobody_answers_where_no_node_runs(home, folder):
    with App("shop", home=home) as app, pytest.raises(BrokerUnavailable):
        app.control.inspect(timeout=0.2).ping()
    done = actorq("inspect", "ping", "--home", str(home), "--timeout", "0.2", cwd=folder)
    assert done.returncode == 69


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"timeout": 0}, "expected timeout to be seconds above 0, got 0"),
        ({"timeout": "1"}, "expected timeout to be seconds above 0, got '1'"),
        ({"destination": []}, "expected destination to name 1 to 1000 nodes, got 0"),
        ({"destination": [3]}, r"expected destination to be names of nodes, got \[3\]"),
    ],
)
def test_what_is_no_time_and_no_name_is_refused_before_anybody_is_asked(tmp_path, arguments, said):
    with App("shop", home=tmp_path / "home") as app, pytest.raises((TypeError, ValueError), match=said):
        app.control.inspect(**arguments)


def test_a_question_about_no_task_is_refused(tmp_path):
    with App("shop", home=tmp_path / "home") as app, pytest.raises(ValueError, match="1 to 1000 ids of tasks, got 0"):
        app.control.inspect().query_task()
