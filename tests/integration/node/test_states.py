"""How tasks end that don't simply return or fail, with a real node: nothing hangs, nothing spins, no id becomes unknown."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from actorq import App, Reject, SlotLost, TaskIgnored
from actorq.testing.wait import wait_until
from tests.nodes import NodeProcess, actorq, ask, hub_pid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TASKS = """
import os, time
from actorq import App, Ignore, Reject

app = App("shop")

def note(path, text):
    with open(path, "a") as file:
        file.write(text)

@app.task
def ignored():
    raise Ignore()

@app.task(ignore_result=True)
def ignored_twice():
    raise Ignore("nobody")

@app.task
def rejected(reason):
    raise Reject(reason)

@app.task
def until(path, log):
    note(log, "r")
    if not os.path.exists(path):
        raise Reject("not yet", requeue=True)
    return "done"

@app.task(acks_late=False)
def once(path, seconds=0.0, ending=None):
    note(path, "r")
    if ending == "die":
        os.kill(os.getpid(), 9)
    time.sleep(seconds)
    return ending and "x" * ending

@app.task(acks_late=False, bind=True, default_retry_delay=0)
def once_retried(self, path):
    note(path, "r")
    if self.request.retries < 2:
        raise self.retry()
    return self.request.retries

@app.task
def add(x, y):
    return x + y
"""


@pytest.fixture
def node(folder: Path, home: Path) -> Iterator[NodeProcess]:
    with NodeProcess("tasks", home, folder, slots=1) as running:
        yield running


@pytest.fixture
def app(node: NodeProcess) -> Iterator[App]:
    with App("shop", home=node.home) as app:
        yield app


def send(app: App, name: str, *args: Any) -> Any:
    return app.send_task(f"tasks.{name}", args)


@pytest.mark.parametrize("name", ["ignored", "ignored_twice"])
def test_a_task_that_raises_ignore_ends_as_ignored_and_nobody_waits_for_it_in_vain(app: App, name: str) -> None:
    result = send(app, name)
    with pytest.raises(TaskIgnored, match="raised Ignore"):
        result.get(timeout=20)
    assert (result.state, result.ready(), result.successful(), result.failed()) == ("IGNORED", True, False, False)
    assert isinstance(result.get(propagate=False), TaskIgnored)
    assert result.traceback is None
    with App("shop", home=app.home.path) as other:
        again = other.AsyncResult(result.id)
        assert again.state == "IGNORED", "an accepted id never looks unknown"
        with pytest.raises(TaskIgnored):
            asyncio.run(_await(again))


async def _await(result: Any) -> Any:
    return await asyncio.wait_for(result, 20)


def test_the_command_line_says_that_a_task_was_ignored(app: App, node: NodeProcess) -> None:
    result = send(app, "ignored")
    result.get(timeout=20, propagate=False)
    done = actorq("result", result.id, "--home", str(node.home), "--json", cwd=node.folder)
    assert '"IGNORED"' in done.stdout
    assert "TaskIgnored" in done.stdout
    assert done.returncode == 1


def test_a_rejected_task_is_rejected_with_its_reason(app: App) -> None:
    result = send(app, "rejected", "no room")
    with pytest.raises(Reject) as caught:
        result.get(timeout=20)
    assert (caught.value.reason, caught.value.requeue) == ("no room", False)
    assert result.state == "REJECTED"


def test_a_task_that_puts_itself_back_lets_others_by_does_not_spin_and_goes_on_when_it_can(
    app: App, tmp_path: Path
) -> None:
    gate, log = tmp_path / "gate", tmp_path / "log"
    result = send(app, "until", str(gate), str(log))
    others = [send(app, "add", n, n) for n in range(20)]
    assert [other.get(timeout=20) for other in others] == [n + n for n in range(20)]
    wait_until(lambda: len(log.read_text()) >= 6, 20, "it to be run again and again")
    assert result.state == "PENDING"
    before = len(log.read_text())
    assert send(app, "add", 1, 1).get(timeout=20) == 2
    gate.touch()
    assert result.get(timeout=30) == "done"
    runs = len(log.read_text())
    assert before <= runs < 60, "it waits longer and longer while nothing else ends"


def test_ten_tasks_that_put_themselves_back_all_end_and_none_becomes_a_dead_letter(
    app: App, node: NodeProcess, tmp_path: Path
) -> None:
    gate, log = tmp_path / "gate", tmp_path / "log"
    results = [send(app, "until", str(gate), str(log)) for _ in range(10)]
    wait_until(lambda: log.exists() and len(log.read_text()) >= 30, 20, "each to be put back")
    gate.touch()
    assert [result.get(timeout=30) for result in results] == ["done"] * 10
    assert ask(node.home, node.folder, "dead", "ls") == {"letters": [], "total": 0}


# -- acks_late=False ---------------------------------------------------------------------------------------------------


def test_a_task_acknowledged_early_that_kills_its_slot_fails_at_once_and_only_once(
    app: App, node: NodeProcess, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    result = send(app, "once", str(log), 0.0, "die")
    behind = send(app, "once", str(log))
    with pytest.raises(SlotLost, match="isn't run again, as acks_late=False says"):
        result.get(timeout=20)
    assert behind.get(timeout=20) is None
    assert (result.state, log.read_text()) == ("FAILURE", "rr")
    assert ask(node.home, node.folder, "dead", "ls") == {"letters": [], "total": 0}


def test_a_task_acknowledged_early_may_ask_for_a_retry_itself(app: App, tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert send(app, "once_retried", str(log)).get(timeout=20) == 2
    assert log.read_text() == "rrr"


def test_big_results_of_tasks_acknowledged_early_come_like_any(app: App, tmp_path: Path) -> None:
    results = [send(app, "once", str(tmp_path / "log"), 0.0, 1_000_000) for _ in range(5)]
    assert [len(result.get(timeout=20)) for result in results] == [1_000_000] * 5


def test_a_task_acknowledged_early_that_ran_when_its_whole_node_was_killed_has_failed_for_the_next(
    app: App, node: NodeProcess, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    result = send(app, "once", str(log), 60.0)
    wait_until(log.exists, 20, "it to begin")
    behind = send(app, "once", str(log))
    behind.confirm()
    node.kill()
    with NodeProcess("tasks", node.home, node.folder, slots=1):
        with pytest.raises(SlotLost):
            result.get(timeout=20)
        assert behind.get(timeout=20) is None, "it had never begun"
    assert log.read_text() == "rr"


def test_a_task_acknowledged_early_goes_on_in_its_slot_when_another_node_becomes_the_hub(
    node: NodeProcess, app: App, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with NodeProcess("tasks", node.home, node.folder, slots=1) as second:
        wait_until(lambda: len(app.ask("status")["slots"]) == 2, 20, "both slots")
        results = [send(app, "once", str(log), 3.0) for _ in range(2)]
        wait_until(lambda: log.exists() and log.read_text() == "rr", 20, "both to begin")
        node.kill()
        wait_until(lambda: hub_pid(node.home) == second.pid, 20, "the other to be the hub")
        ends = sorted(type(result.get(timeout=30, propagate=False)).__name__ for result in results)
    assert ends == ["NoneType", "SlotLost"], "one died with its node, the other is done"
    assert log.read_text() == "rr"
