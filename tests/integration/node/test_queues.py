"""Nodes that take tasks of some queues only: real nodes on one home."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from actorq import App
from actorq.testing.wait import wait_until
from tests.nodes import NodeProcess, actorq

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TASKS = """
import time
from actorq import App

app = App("shop", config={"task_routes": {"who.*": "a"}})

@app.task(bind=True, name="who.am_i")
def who(self, seconds: float = 0.0):
    started_at = time.monotonic()
    time.sleep(seconds)
    return self.request.hostname, self.request.delivery_info["queue"], started_at
"""


CONFIG = {"task_routes": {"who.*": "a"}}


@pytest.fixture
def start(folder: Path, home: Path) -> Iterator[object]:
    nodes: list[NodeProcess] = []

    def begin(name: str, *options: str, slots: int = 1) -> NodeProcess:
        nodes.append(NodeProcess("tasks", home, folder, slots, ("-n", name, *options)).start().wait_ready())
        return nodes[-1]

    yield begin
    for node in nodes:
        node.kill()


def send(app: App, queue: str, count: int, seconds: float = 0.0):
    return [app.send_task("who.am_i", (seconds,), queue=queue) for _ in range(count)]


def runners(results):
    """Return the names of the nodes that ran these tasks."""
    return {result.get(timeout=20)[0].partition("/")[0] for result in results}


def test_two_joined_nodes_take_their_own_queues_only(app, start, home, folder):
    start("first", "-Q", "a,b")
    start("second", "-X", "a,b")
    wait_until(lambda: len(app.ask("status")["slots"]) == 2, 20, "both slots")
    sent = {queue: send(app, queue, 200) for queue in ("a", "c", "b", "d")}
    for queue, node in (("a", "first"), ("b", "first"), ("c", "second"), ("d", "second")):
        assert all(node in name for name in runners(sent[queue])), queue
    told = actorq("status", "--home", str(home), cwd=folder).stdout
    assert "first takes only a, b" in told
    assert "second takes all but a, b" in told
    assert "NO SLOT" not in told


def test_a_route_and_a_node_for_it_meet(app, start):
    start("first", "-Q", "b")
    start("second", "-Q", "a")
    (result,) = [app.send_task("who.am_i")]
    name, queue, _ = result.get(timeout=20)
    assert ("second" in name, queue) == (True, "a")


def test_a_queue_that_nobody_takes_waits_until_somebody_does(app, start, home, folder):
    start("first", "-Q", "a")
    unheard = send(app, "lonely", 50)
    assert all("first" in name for name in runners(send(app, "a", 50)))
    assert {result.state for result in unheard} == {"PENDING"}
    assert "NO SLOT takes tasks of lonely" in actorq("status", "--home", str(home), cwd=folder).stdout
    assert app.ask("status")["queues"]["lonely"] == 50
    start("second", "-Q", "lonely")
    assert all("second" in name for name in runners(unheard))


def test_a_choice_outlives_the_hub(app, start):
    hub = start("first", "-Q", "a")
    start("second", "-Q", "b")
    assert runners(send(app, "b", 1)) != set()
    hub.kill()
    late, good = send(app, "a", 5), send(app, "b", 5)
    assert all("second" in name for name in runners(good))
    assert {result.state for result in late} == {"PENDING"}
    start("third", "-Q", "a")
    assert all("third" in name for name in runners(late))


def test_a_long_task_keeps_nothing_from_an_idle_slot_that_takes_it(app, start):
    start("both")
    long = send(app, "a", 1, 30.0)
    wait_until(lambda: long[0].state == "STARTED", 20, "the long task to start")
    held = send(app, "a", 5) + send(app, "b", 5)
    app.flush(10)
    start("only", "-Q", "b")
    assert all("only" in name for name in runners(held[5:]))
    assert {result.state for result in held[:5]} == {"PENDING"}  # a slot that is busy for long is given nothing


def test_priorities_are_strict_in_a_queue_that_one_node_takes(app, start):
    low = [app.send_task("who.am_i", queue="a", priority=1) for _ in range(5)]
    high = [app.send_task("who.am_i", queue="a", priority=9) for _ in range(5)]
    app.send_task("who.am_i", queue="other")
    start("first", "-Q", "a")
    starts = [[result.get(timeout=20)[2] for result in results] for results in (high, low)]
    assert max(starts[0]) < min(starts[1])


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (("-Q", ""), 2, "expected names of queues"),
        (("-X", "a,,b"), 2, "expected names of queues"),
        (("-Q", "a", "-X", "b,a"), 3, "all of queues (a) are in exclude_queues"),
    ],
)
def test_a_choice_of_nothing_is_refused(options, code, told, folder, home):
    done = actorq("node", "-A", "tasks", "--home", str(home), *options, cwd=folder)
    assert done.returncode == code
    assert told in done.stderr


def test_children_inherit_the_priority_of_their_parent_through_a_node(home, folder):
    (folder / "tasks.py").write_text("""
from actorq import App

app = App("shop", config={"task_inherit_parent_priority": True, "task_default_priority": 2})

@app.task(bind=True)
def leaf(self):
    return self.request.delivery_info["priority"]

@app.task(bind=True)
def child(self, depth):
    if depth:
        return child.delay(depth - 1).id
    return [leaf.delay().id, leaf.apply_async(priority=1).id, leaf.delay_many([()])[0].id]
""")
    with App("shop", home=home) as app, NodeProcess("tasks", home, folder):
        first = app.send_task("tasks.child", (1,), priority=8)
        second = app.AsyncResult(first.get(timeout=20))
        leaves = [app.AsyncResult(each).get(timeout=20) for each in second.get(timeout=20)]
        assert leaves == [8, 1, 8]
        assert app.send_task("tasks.leaf").get(timeout=20) == 0, "the caller's settings hold for whoever isn't a task"


def test_a_low_priority_gets_its_turn_where_tasks_age(app, start, folder):
    (folder / "tasks.py").write_text(
        TASKS.replace('config={"task_routes"', 'config={"queue_ageing_s": 0.1, "task_routes"')
    )
    start("first", "-Q", "other")
    old = app.send_task("who.am_i", queue="a", priority=0, confirm=True)
    wait_until(lambda: time.time() - app.queues.peek("a")[0].sent_at > 1.5, 20, "it to have waited")
    young = [app.send_task("who.am_i", queue="a", priority=9) for _ in range(5)]
    app.flush(20)
    start("second", "-Q", "a")
    first = old.get(timeout=20)[2]
    assert first < min(result.get(timeout=20)[2] for result in young)
