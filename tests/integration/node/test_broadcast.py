"""Broadcast queues: every node runs each task once, and whoever comes later doesn't. Real nodes on one home."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from actorq import App, TaskRevoked
from actorq.testing.wait import wait_until
from tests.nodes import NodeProcess, hub_pid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TASKS = """
from pathlib import Path

from actorq import App

app = App("shop", config={"task_queues": {"config": {"broadcast": True}}})

@app.task(bind=True, queue="config")
def reload(self, folder, number):
    node = self.request.hostname.partition("/")[0]
    with (Path(folder) / "ran").open("a") as ran:
        ran.write(f"{number} {node}\\n")
    return number, self.request.parent_id

@app.task
def plain(number):
    return number
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def start(folder: Path, home: Path) -> Iterator[Callable[..., NodeProcess]]:
    nodes: list[NodeProcess] = []

    def begin(name: str, *options: str) -> NodeProcess:
        nodes.append(NodeProcess("tasks", home, folder, 2, ("-n", name, *options)).start().wait_ready())
        return nodes[-1]

    yield begin
    for node in nodes:
        node.kill()


def ran(folder: Path) -> list[tuple[int, str]]:
    file = folder / "ran"
    lines = file.read_text().splitlines() if file.exists() else []
    return sorted((int(line.split()[0]), line.split()[1].split("@")[0]) for line in lines)


def wait_for_slots(app: App, count: int) -> None:
    wait_until(lambda: len([slot for slot in app.ask("status")["slots"] if slot["open"]]) == count, 20, "the slots")


def broadcast(app: App, folder: Path, number: int, **options):
    return app.send_task("tasks.reload", (str(folder), number), queue="config", **options)


def test_every_node_runs_each_task_once_and_one_that_joins_later_does_not(app, start, folder):
    start("first")
    start("second")
    wait_for_slots(app, 4)
    sent = [broadcast(app, folder, number) for number in range(20)]
    ids = [result.get(timeout=20) for result in sent]
    assert all(sorted(each) == ["first", "second"] for each in ids)
    for number, (result, each) in enumerate(zip(sent, ids, strict=True)):
        assert {node: app.AsyncResult(id).get(timeout=20) for node, id in each.items()} == {
            "first": [number, result.id],
            "second": [number, result.id],
        }
    start("third")
    wait_for_slots(app, 6)
    last = broadcast(app, folder, 99, countdown=0.5).get(timeout=20)
    assert sorted(last) == ["first", "second", "third"]
    assert [app.AsyncResult(id).get(timeout=20)[0] for id in last.values()] == [99] * 3
    expected = [(number, node) for number in range(20) for node in ("first", "second")]
    assert ran(folder) == [*expected, (99, "first"), (99, "second"), (99, "third")]
    assert app.send_task("tasks.plain", (1,)).get(timeout=20) == 1
    wait_until(lambda: app.ask("status")["unfinished"] == 0, 20, "nothing to be unfinished")


def test_it_goes_to_nodes_that_take_the_queue_and_waits_for_the_first(app, start, folder):
    start("first", "-X", "config")
    waiting = broadcast(app, folder, 1)
    assert app.send_task("tasks.plain", (1,)).get(timeout=20) == 1
    assert waiting.state == "PENDING"
    start("second", "-Q", "config")
    assert list(waiting.get(timeout=20)) == ["second"]
    wait_until(lambda: ran(folder) == [(1, "second")], 20, "it to run there")


def test_a_paused_broadcast_waits_and_a_kept_one_survives_its_hub(app, start, folder):
    hub = start("first")
    start("second")
    wait_for_slots(app, 4)
    app.queues.pause("config")
    sent = broadcast(app, folder, 7, confirm=True)
    quiet = broadcast(app, folder, 8, confirm=True, ignore_result=True)
    hub.kill()
    wait_until(lambda: hub_pid(app.home.path) not in (None, hub.pid), 20, "the other node to be the hub")
    assert ran(folder) == []
    start("third")
    wait_for_slots(app, 4)
    app.queues.resume("config", timeout=20)
    assert sorted(sent.get(timeout=20)) == ["second", "third"]
    assert quiet.get(timeout=20) is None
    expected = [(7, "second"), (7, "third"), (8, "second"), (8, "third")]
    wait_until(lambda: ran(folder) == expected, 20, "both to run on both")


def test_what_was_for_a_node_that_has_gone_is_revoked(app, start, folder):
    start("first")
    second = start("second")
    wait_for_slots(app, 4)
    app.queues.pause("config@second")
    ids = broadcast(app, folder, 3).get(timeout=20)
    assert app.AsyncResult(ids["first"]).get(timeout=20)[0] == 3
    second.kill()
    began = time.monotonic()
    with pytest.raises(TaskRevoked, match="config@second"):
        app.AsyncResult(ids["second"]).get(timeout=40)
    assert time.monotonic() - began > 5, "a node may come back"
    assert ran(folder) == [(3, "first")]
