"""A real node in its own process, from the first task to the last signal."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from actorq import App, ResultTimeout
from actorq.testing.wait import wait_until
from tests.nodes import NodeProcess, actorq, ask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def node(folder: Path, home: Path) -> Iterator[NodeProcess]:
    with NodeProcess("tasks", home, folder) as running:
        yield running


def test_a_task_runs_and_its_result_comes_back(node: NodeProcess, app: App) -> None:
    assert app.send_task("tasks.add", [2, 3]).get(timeout=10) == 5


def test_a_coroutine_is_a_task_too_and_a_result_can_be_awaited(node: NodeProcess, app: App) -> None:
    async def wait() -> object:
        return await app.send_task("tasks.ping", ["example"])

    assert asyncio.run(asyncio.wait_for(wait(), 10)) == "pong example"


def test_what_a_task_raises_comes_back_with_its_traceback(node: NodeProcess, app: App) -> None:
    sent = app.send_task("tasks.fail", ["no such thing"])
    with pytest.raises(ValueError, match="no such thing"):
        sent.get(timeout=10)
    assert sent.state == "FAILURE"
    assert "in fail" in (sent.traceback or "")
    assert "actorq/slot" not in (sent.traceback or "")


def test_a_task_that_asks_for_a_retry_runs_again(node: NodeProcess, app: App) -> None:
    assert app.send_task("tasks.flaky").get(timeout=10) == 2


def test_a_task_for_later_runs_later(node: NodeProcess, app: App) -> None:
    sent_at = time.time()
    sent = app.send_task("tasks.add", [1, 1], countdown=0.5)
    assert sent.state == "PENDING"
    assert sent.get(timeout=10) == 2
    assert time.time() - sent_at >= 0.5


def test_many_results_come_back_in_bulk(node: NodeProcess, app: App) -> None:
    sent = [app.send_task("tasks.add", [number, 1]) for number in range(5_000)]
    assert [each.get(timeout=60) for each in sent] == list(range(1, 5_001))


def test_a_large_result_comes_back_whole(node: NodeProcess, app: App) -> None:
    assert len(app.send_task("tasks.big", [3_000_000]).get(timeout=20)) == 3_000_000


def test_results_are_there_for_another_process_too(node: NodeProcess, app: App, home: Path) -> None:
    sent = app.send_task("tasks.add", [20, 22], task_id="my-own-id")
    assert sent.get(timeout=10) == 42
    with App("other", home=home) as other:
        assert other.AsyncResult("my-own-id").get(timeout=10) == 42
        assert other.AsyncResult("0123456789abcdef-1").state == "UNKNOWN"


def test_an_idle_slot_gets_what_waits_behind_a_long_task(node: NodeProcess, app: App) -> None:
    app.send_task("tasks.add", [0, 0]).get(timeout=10)
    long = app.send_task("tasks.nap", [3.0])
    started_at = time.monotonic()
    quick = [app.send_task("tasks.add", [number, 0]) for number in range(40)]
    assert [each.get(timeout=10) for each in quick] == list(range(40))
    assert time.monotonic() - started_at < 2.0, "quick tasks waited behind the long one"
    assert long.get(timeout=10)


def test_a_slot_that_is_killed_is_replaced_and_its_task_runs_again(node: NodeProcess, app: App) -> None:
    sent = app.send_task("tasks.nap", [3.0])
    wait_until(lambda: sent.state == "STARTED", 10, "the task to start")
    busy = [each for each in app.ask("status")["slots"] if each["active"]]
    os.kill(busy[0]["pid"], signal.SIGKILL)
    assert sent.get(timeout=20) != busy[0]["pid"]
    wait_until(lambda: len(node.slot_pids()) == 2, 10, "two slots again")


def test_a_task_that_kills_its_slot_each_time_is_a_dead_letter_with_the_signal(node: NodeProcess, app: App) -> None:
    error = app.send_task("tasks.poison").get(timeout=30, propagate=False)
    assert type(error).__name__ == "SlotLost"
    assert "SIGSEGV" in str(error)
    assert app.send_task("tasks.add", [1, 2]).get(timeout=10) == 3


def test_get_says_what_is_known_when_it_times_out(node: NodeProcess, app: App) -> None:
    sent = app.send_task("tasks.nap", [2.0])
    with pytest.raises(ResultTimeout, match="running"):
        sent.get(timeout=0.5)


def test_eight_threads_may_send_and_wait(node: NodeProcess, app: App) -> None:
    found: list[int] = []

    def work(first: int) -> None:
        sent = [app.send_task("tasks.add", [first + number, 0]) for number in range(200)]
        found.extend(each.get(timeout=30) for each in sent)

    threads = [threading.Thread(target=work, args=(place * 1_000,)) for place in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(found) == sorted(place * 1_000 + number for place in range(8) for number in range(200))


def test_term_lets_running_tasks_finish(node: NodeProcess, app: App) -> None:
    sent = app.send_task("tasks.nap", [1.0])
    wait_until(lambda: sent.state == "STARTED", 10, "the task to start")
    assert node.stop(signal.SIGTERM) == 0, node.output
    with NodeProcess("tasks", app.home.path, node.folder):
        assert sent.get(timeout=10)
    attempts = [line for line in node.output.splitlines() if "slot_died" in line]
    assert not attempts


def test_a_drain_that_takes_too_long_ends_with_its_own_code_and_loses_nothing(
    folder: Path, home: Path, app: App
) -> None:
    with NodeProcess("tasks", home, folder, options=("--drain-timeout", "0.3")) as node:
        sent = app.send_task("tasks.nap", [5.0])
        wait_until(lambda: sent.state == "STARTED", 10, "the task to start")
        assert node.stop(signal.SIGTERM) == 6, node.output
    quick = app.send_task("tasks.add", [1, 1])
    with NodeProcess("tasks", home, folder):
        assert quick.get(timeout=10) == 2
        assert sent.get(timeout=20)


def test_a_node_leaves_nothing_behind(node: NodeProcess, app: App) -> None:
    app.send_task("tasks.add", [1, 1]).get(timeout=10)
    children = [child.pid for child in psutil.Process(node.pid).children(recursive=True)]
    assert node.stop() == 0, node.output
    wait_until(lambda: not any(psutil.pid_exists(pid) for pid in children), 5, "its processes to be gone")
    assert not list(app.home.runtime.glob("*.sock"))
    assert not list(app.home.lines.iterdir())
    assert not app.home.rendezvous.exists()


def test_the_command_line_answers_while_all_slots_are_busy(
    node: NodeProcess, app: App, folder: Path, home: Path
) -> None:
    busy = [app.send_task("tasks.nap", [4.0]) for _ in range(2)]
    wait_until(lambda: all(each.state == "STARTED" for each in busy), 10, "both to start")
    active = ask(home, folder, "inspect", "active")
    assert [task["task"] for tasks in active.values() for task in tasks] == ["tasks.nap"] * 2
    assert [each["ok"] for each in ask(home, folder, "inspect", "ping").values()] == ["pong"]
    assert ask(home, folder, "health")["ok"]
    (root,) = ask(home, folder, "tree").values()
    names = {child["id"] for child in root["children"]}
    assert {"store", "broker", "link", "control", "pool"} <= names
    called = actorq("call", "tasks.add", "-a", "[2, 3]", "-A", "tasks", "--home", str(home), "--no-wait", cwd=folder)
    assert called.returncode == 0, called.stderr
    printed = actorq("result", called.stdout.strip(), "--home", str(home), "--timeout", "15", cwd=folder)
    assert printed.stdout.strip() == "5"
