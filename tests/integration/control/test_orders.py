"""Orders for real nodes: each is carried out, remembered by slots to come, and refused with its reason where it can't be."""

from __future__ import annotations

import json

import pytest

from actorq import ActorqError, App, SoftTimeLimitExceeded, TimeLimitExceeded
from actorq.testing.wait import wait_until
from tests.nodes import NodeProcess, actorq

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def count_slots(app):
    return len(app.ask("status")["slots"])


def test_a_pool_grows_and_shrinks_and_no_running_task_is_cut_short(app):
    running = [app.send_task("tasks.nap", (1.5,)) for _ in range(2)]
    wait_until(lambda: [each.state for each in running] == ["STARTED"] * 2, 20, "both slots to be busy")
    assert app.control.pool_grow(2, reply=True) == [{"shop-1": {"ok": "4 slots"}}]
    wait_until(lambda: count_slots(app) == 4, 20, "two slots more")
    assert app.control.pool_shrink(3) is None
    wait_until(lambda: count_slots(app) == 1, 20, "one slot to be left")
    pids = {each.get(timeout=20) for each in running}
    assert len(pids) == 2
    assert app.send_task("tasks.nap", (0.0,)).get(timeout=20) in pids, "a busy one stayed, idle ones went first"
    assert app.control.inspect().tree()["shop-1"]["restarts"] == 0
    app.control.pool_shrink()
    wait_until(lambda: count_slots(app) == 0, 20, "no slot to be left")
    waiting = app.send_task("tasks.add", (1, 2))
    app.control.pool_grow()
    assert waiting.get(timeout=20) == 3


def test_time_limits_are_given_to_running_slots_and_to_slots_to_come(app):
    app.send_task("tasks.add", (1, 1)).get(timeout=20)
    app.control.time_limit("tasks.nap", hard=0.3)
    with pytest.raises(TimeLimitExceeded):
        app.send_task("tasks.nap", (30.0,)).get(timeout=20)
    with pytest.raises(TimeLimitExceeded):  # the killed slot's successor, perhaps
        app.send_task("tasks.nap", (30.0,)).get(timeout=20)
    app.control.time_limit("tasks.nap", 0.2, 30)
    results = [app.send_task("tasks.nap", (30.0,)) for _ in range(4)]
    for result in results:
        with pytest.raises(SoftTimeLimitExceeded):
            result.get(timeout=20)
    app.control.time_limit("tasks.nap")
    assert app.send_task("tasks.nap", (0.5,), soft_time_limit=0.1).get(timeout=20), "the order is above the call"


def test_a_queue_is_taken_and_left_at_run_time(app):
    wait_until(lambda: count_slots(app) == 2, 20, "the slots")
    app.control.cancel_consumer("default")
    left = app.send_task("tasks.add", (1, 2))
    assert app.send_task("tasks.add", (3, 4), queue="other").get(timeout=20) == 7
    app.control.pool_grow()  # a slot to come goes by it, too
    wait_until(lambda: count_slots(app) == 3, 20, "a slot more")
    assert app.send_task("tasks.add", (3, 5), queue="other").get(timeout=20) == 8
    assert left.state == "PENDING"
    assert app.control.add_consumer("default", reply=True) == [{"shop-1": {"ok": "takes tasks of all queues"}}]
    assert left.get(timeout=20) == 3


def test_what_was_ordered_outlives_the_broker(app, node, folder):
    app.control.cancel_consumer("default")
    assert actorq("control", "restart", "broker", "--home", str(node.home), cwd=folder).returncode == 0
    left = app.send_task("tasks.add", (1, 2))
    assert app.send_task("tasks.add", (3, 4), queue="other").get(timeout=20) == 7
    assert left.state == "PENDING"
    app.control.add_consumer("default")
    assert left.get(timeout=20) == 3


def test_a_rate_limit_is_kept_and_says_that_it_isnt_enforced(app):
    (answer,) = app.control.rate_limit("tasks.add", "10/m", reply=True)
    assert answer == {"shop-1": {"ok": "rate limit of tasks.add kept: 10/m; not enforced yet"}}


def test_a_node_is_shut_down_in_order_and_only_the_one_that_was_meant(app, node, folder):
    with NodeProcess("tasks", node.home, folder, options=("-n", "other")) as other:
        wait_until(lambda: count_slots(app) == 4, 20, "both nodes and their slots")
        app.control.shutdown(destination=["other"])
        wait_until(lambda: other.returncode is not None, 20, "the node to end")
        assert other.returncode == 0
        assert app.send_task("tasks.add", (1, 2)).get(timeout=20) == 3
        assert node.returncode is None


REFUSED = [
    ("pool_grow", {"n": 0}, "expected n to be a whole number from 1 up, got 0"),
    ("pool_grow", {"n": "two"}, "expected n to be a whole number from 1 up, got 'two'"),
    ("pool_grow", {"n": 5_000}, "0 to 1024 slots, got 5002"),
    ("pool_shrink", {"n": 3}, "0 to 1024 slots, got -1"),
    ("time_limit", {"task": "tasks.nip", "hard": 1}, "did you mean 'tasks.nap'"),
    ("time_limit", {"task": "tasks.nap", "hard": -1}, "expected hard to be seconds above 0, or nothing, got -1"),
    ("time_limit", {"task": "tasks.nap", "soft": 2, "hard": 1}, "2 > 1"),
    ("time_limit", {}, "missing 1 required"),
    ("time_limit", {"task": "tasks.nap", "firm": 1}, "unexpected keyword argument 'firm'"),
    ("rate_limit", {"task": "tasks.nap", "rate": "often"}, "expected rate_limit to read like '10/s'"),
    ("add_consumer", {"queue": ""}, "expected the name of a queue, got ''"),
    ("pool_grw", {}, "did you mean 'pool_grow'"),
]


def test_an_order_that_makes_no_sense_is_refused_with_its_reason(app, node, folder):
    wait_until(lambda: count_slots(app) == 2, 20, "the slots")
    for name, arguments, said in REFUSED:
        with pytest.raises(ActorqError) as raised:
            app.control.broadcast(name, arguments)
        assert said in str(raised.value), name
        ((answer),) = app.control.broadcast(name, arguments, reply=True)
        assert said in answer["shop-1"]["error"]
    assert count_slots(app) == 2
    with pytest.raises(ActorqError, match="expected one of the nodes shop-1, got 'shop-2'"):
        app.control.pool_grow(destination=["shop-2"])
    assert node.returncode is None
    with (
        NodeProcess("tasks", node.home, folder, options=("-n", "b", "-Q", "only")),
        pytest.raises(ActorqError, match="expected a queue to be left, got 'only'"),
    ):
        wait_until(lambda: "b" in app.control.inspect().ping(), 20, "the other node")
        app.control.cancel_consumer("only", destination=["b"])


def test_the_command_line_gives_the_same_orders(node, folder):
    where = ("--home", str(node.home))

    def control(*arguments):
        done = actorq("control", *arguments, *where, cwd=folder)
        return done.returncode, done.stdout.split("\n")[1:2], done.stderr

    assert control("pool_grow", "2") == (0, ["shop-1  4 slots"], "")
    assert control("pool_shrink") == (0, ["shop-1  3 slots"], "")
    assert control("time_limit", "tasks.nap", "1", "2") == (
        0,
        ["shop-1  time limits of tasks.nap: soft 1 s and hard 2 s"],
        "",
    )
    assert control("cancel_consumer", "slow", "-d", "shop-1") == (0, ["shop-1  takes tasks of all but slow"], "")
    assert control("rate_limit", "tasks.nap", "often")[0] == 1
    assert control("pool_grow", "none")[0] == 2
    assert control("pool_grow", "-d", "shop-2")[0] == 2
    done = actorq("control", "shutdown", "--json", *where, cwd=folder)
    assert json.loads(done.stdout) == {"shop-1": {"ok": "stops when what runs has ended"}}
    wait_until(lambda: node.returncode is not None, 20, "the node to end")
    assert node.returncode == 0
    assert actorq("control", "pool_grow", "--timeout", "0.3", *where, cwd=folder).returncode == 69


def test_an_order_nobody_hears_is_an_error(home):
    from actorq import BrokerUnavailable

    with App("shop", home=home) as app, pytest.raises(BrokerUnavailable):
        app.control.pool_grow(timeout=0.2)


def test_a_restarted_pool_runs_the_code_of_today(app, node, folder):
    assert app.send_task("tasks.add", (1, 2)).get(timeout=20) == 3
    running = app.send_task("tasks.nap", (1.0,))
    wait_until(lambda: running.state == "STARTED", 20, "a task to run")
    code = (folder / "tasks.py").read_text().replace("return x + y", "return x * y * 100")
    (folder / "tasks.py").write_text(code)
    app.control.pool_restart()
    wait_until(lambda: app.send_task("tasks.add", (3, 4)).get(timeout=20) == 1200, 20, "the new code")
    assert running.get(timeout=20)
    assert node.returncode is None
