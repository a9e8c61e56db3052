"""What else a node can be told, where a slot runs many tasks at once: recycling, terminating, once-only tasks, another size."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from actorq.errors import SlotLost, TaskRevoked
from actorq.testing.wait import wait_until
from tests.nodes import NodeProcess, ask

if TYPE_CHECKING:
    from pathlib import Path

    from actorq import App

TASKS = """
import asyncio, os
from actorq import App

app = App("shop")

@app.task
async def nap(seconds, note=None):
    if note is not None:
        with open(note, "a") as file:
            file.write("x")
    await asyncio.sleep(seconds)
    return os.getpid()

@app.task(acks_late=False)
async def once(seconds, note):
    with open(note, "a") as file:
        file.write("x")
    await asyncio.sleep(seconds)
    return "x" * 1_000_000
"""


def start(folder: Path, home: Path, *options: str) -> NodeProcess:
    return NodeProcess("tasks", home, folder, options=options)


def wait_started(results: list[Any]) -> None:
    wait_until(lambda: all(each.state == "STARTED" for each in results), 20, "all to run")


def test_a_process_is_replaced_after_so_many_tasks_and_none_is_run_twice(
    folder: Path, home: Path, app: App, tmp_path: Path
) -> None:
    note = tmp_path / "note"
    with start(folder, home, "-Pasync:10", "--max-tasks-per-child=20") as node:
        results = [app.send_task("tasks.nap", [0.05, str(note)], max_deliveries=1) for _ in range(100)]
        pids = [each.get(timeout=30) for each in results]
        assert max(pids.count(pid) for pid in set(pids)) <= 20
        assert note.read_text() == "x" * 100
        assert node.stop() == 0


def test_a_task_that_may_begin_only_once_is_over_and_its_neighbours_start_again(
    folder: Path, home: Path, app: App, tmp_path: Path
) -> None:
    note, once_note = tmp_path / "note", tmp_path / "once"
    with start(folder, home, "-Pasync:10") as node:
        once = app.send_task("tasks.once", [60, str(once_note)])
        beside = app.send_task("tasks.nap", [1.0, str(note)])
        wait_started([once, beside])
        (pid,) = node.slot_pids()
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(SlotLost):
            once.get(timeout=20)
        assert beside.get(timeout=20) != pid
    assert (once_note.read_text(), note.read_text()) == ("x", "xx")


def test_results_too_big_for_the_line_free_their_places_when_they_are_safe(
    folder: Path, home: Path, app: App, tmp_path: Path
) -> None:
    with start(folder, home, "-Pasync:2"):
        results = [app.send_task("tasks.once", [0, str(tmp_path / "note")]) for _ in range(12)]
        assert {len(each.get(timeout=30)) for each in results} == {1_000_000}


def test_one_of_many_isnt_terminated_with_the_process_of_all_but_the_last_one_is(
    folder: Path, home: Path, app: App
) -> None:
    with start(folder, home, "-Pasync:10") as node:
        wanted = app.send_task("tasks.nap", [60])
        beside = app.send_task("tasks.nap", [1.5], max_deliveries=1)
        wait_started([wanted, beside])
        (pid,) = node.slot_pids()
        wanted.revoke(terminate=True)
        assert beside.get(timeout=20) == pid
        assert wanted.state == "STARTED"
        wanted.revoke(terminate=True)
        with pytest.raises(TaskRevoked):
            wanted.get(timeout=20)
        assert app.send_task("tasks.nap", [0]).get(timeout=20) != pid


def test_a_pool_that_grows_gets_another_process_of_its_kind(folder: Path, home: Path, app: App) -> None:
    with start(folder, home, "-Pthread:3") as node:
        wait_until(lambda: len(node.slot_pids()) == 1, 20, "the slot")
        app.control.pool_grow(1)
        wait_until(lambda: len(app.ask("status")["slots"]) == 2, 20, "another slot")
        slots = ask(home, folder, "status")["slots"]
        assert [(each["pool"], each["places"]) for each in slots] == [("thread", 3)] * 2


def test_orders_to_a_node_leave_a_pool_its_own_queues(folder: Path, home: Path, app: App) -> None:
    with start(folder, home, "-Pprocess:1", "-Pasync:5@io"):
        wait_until(lambda: len(app.ask("status")["slots"]) == 2, 20, "both slots")
        app.control.add_consumer("extra")
        app.control.cancel_consumer("io")

        def find() -> dict[str, Any]:
            return {each["pool"]: each["takes"] for each in app.ask("status")["slots"]}

        wait_until(lambda: bool(find()["process"]), 10, "the order to arrive")
        assert list(find()["process"]["but"]) == ["io"]
        assert list(find()["async"]["only"]) == ["io"]
        assert app.send_task("tasks.nap", [0], queue="io").get(timeout=20)


def test_newer_code_comes_into_a_pool_of_coroutines_without_losing_any(folder: Path, home: Path, app: App) -> None:
    with start(folder, home, "-Pasync:10") as node:
        running = [app.send_task("tasks.nap", [1.5], max_deliveries=1) for _ in range(5)]
        wait_started(running)
        (pid,) = node.slot_pids()
        (folder / "tasks.py").write_text(TASKS.replace("return os.getpid()", "return 'new'"))
        os.kill(node.pid, signal.SIGHUP)
        wait_until(lambda: "code_reloaded" in node.output, 20, "the new code")
        assert {each.get(timeout=20) for each in running} == {pid}
        wait_until(lambda: app.send_task("tasks.nap", [0]).get(timeout=20) == "new", 20, "a slot of the new code")
