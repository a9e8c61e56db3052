"""Slots that are replaced after so many tasks, or when they have grown: with a real node."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from actorq.testing.wait import wait_until
from tests.nodes import NodeProcess, actorq, ask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from actorq import App

TASKS = """
import os, time
from actorq import App

app = App("shop")
kept = []

@app.task
def who(seconds=0.0, note=None):
    if note is not None:
        with open(note, "a") as file:
            file.write("start\\n")
    time.sleep(seconds)
    if note is not None:
        with open(note, "a") as file:
            file.write("end\\n")
    return os.getpid()

@app.task
def grow(mebibytes, seconds=0.0):
    kept.append(bytearray(os.urandom(1)) * (mebibytes << 20))
    time.sleep(seconds)
    return os.getpid()

@app.task
def crash():
    os.kill(os.getpid(), 9)
"""


def send(app: App, name: str, *args: Any) -> Any:
    return app.send_task(f"tasks.{name}", args)


def children(entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for child in entry["children"]:
        yield child
        yield from children(child)


def test_no_process_runs_more_tasks_than_it_may_and_each_task_once(folder: Path, home: Path, app: App) -> None:
    with NodeProcess("tasks", home, folder, options=("--max-tasks-per-child", "5")) as node:
        pids = [each.get(timeout=60) for each in [send(app, "who", 0.001) for _ in range(100)]]
        assert max(Counter(pids).values()) == 5
        assert len(set(pids)) >= 20
        (tree,) = ask(home, folder, "tree").values()
        assert not [child["id"] for child in children(tree) if child["restarts"]]
        wait_until(lambda: len(ask(home, folder, "status")["slots"]) >= 2, 10, "the pool to be full")
        assert node.stop() == 0
        assert "slot_ended" not in node.output
        assert "slot_died" not in node.output


def test_the_successor_is_there_before_the_old_process_leaves(folder: Path, home: Path, app: App) -> None:
    with NodeProcess("tasks", home, folder, slots=1, options=("--max-tasks-per-child", "2")) as node:
        first = send(app, "who").get(timeout=20)
        wait_until(lambda: len(node.slot_pids()) == 2, 10, "the successor")
        last = send(app, "who", 0.5)
        wait_until(lambda: last.state == "STARTED", 10, "the last task to start")
        waiting = set(node.slot_pids()) - {first}
        assert waiting
        assert last.get(timeout=20) == first
        assert send(app, "who").get(timeout=20) in waiting
        wait_until(lambda: not psutil.pid_exists(first), 10, "the old one to leave")
        assert node.stop() == 0


def test_a_pool_of_one_runs_one_task_at_a_time_while_its_processes_change(
    folder: Path, home: Path, app: App, tmp_path: Path
) -> None:
    note = str(tmp_path / "note")
    with NodeProcess("tasks", home, folder, slots=1, options=("--max-tasks-per-child", "1")) as node:
        pids = [each.get(timeout=60) for each in [send(app, "who", 0.005, note) for _ in range(30)]]
        assert len(set(pids)) == 30
        assert (tmp_path / "note").read_text() == "start\nend\n" * 30
        assert node.stop() == 0


def test_a_process_that_grows_is_replaced_after_the_task_in_which_it_grew(folder: Path, home: Path, app: App) -> None:
    with NodeProcess("tasks", home, folder, slots=1, options=("--max-memory-per-child", "120M")) as node:
        small = send(app, "who").get(timeout=20)
        big = send(app, "grow", 150, 0.7)
        behind = [send(app, "who") for _ in range(20)]
        assert big.get(timeout=20) == small, "the task in which it grows finishes first"
        others = {each.get(timeout=20) for each in behind}
        assert len(others) == 1
        assert small not in others
        wait_until(lambda: not psutil.pid_exists(small), 10, "the old one to leave")
        assert node.stop() == 0
        assert "slot_ended" not in node.output


def test_what_waits_behind_a_process_that_has_grown_keeps_its_order_and_its_count(
    folder: Path, home: Path, app: App
) -> None:
    with NodeProcess("tasks", home, folder, slots=1, options=("--max-memory-per-child", "100M")) as node:
        grown = [send(app, "grow", 120) for _ in range(5)]
        assert len({each.get(timeout=60) for each in grown}) == 5
        assert node.stop() == 0
        assert "slot_died" not in node.output


def test_a_crash_in_the_middle_of_a_share_and_a_killed_successor_leave_the_pool_full(
    folder: Path, home: Path, app: App
) -> None:
    with NodeProcess("tasks", home, folder, slots=1, options=("--max-tasks-per-child", "3")) as node:
        first = send(app, "who").get(timeout=20)
        wait_until(lambda: len(node.slot_pids()) == 2, 10, "the successor")
        for pid in set(node.slot_pids()) - {first}:
            os.kill(pid, signal.SIGKILL)
        pids = [each.get(timeout=60) for each in [send(app, "who") for _ in range(10)]]
        assert max(Counter([first, *pids]).values()) <= 3
        lost = app.send_task("tasks.crash")
        assert [each.get(timeout=60) for each in [send(app, "who") for _ in range(10)]]
        wait_until(lambda: lost.state == "FAILURE", 20, "the task that crashes to be given up")
        assert node.stop() == 0


def test_shares_of_the_environment_hold_too_and_a_stop_finds_all_processes(folder: Path, home: Path, app: App) -> None:
    environ = {"ACTORQ_MAX_TASKS_PER_CHILD": "2"}
    with NodeProcess("tasks", home, folder, slots=2, environ=environ) as node:
        pids = [each.get(timeout=60) for each in [send(app, "who") for _ in range(10)]]
        assert max(Counter(pids).values()) == 2
        children = [child.pid for child in psutil.Process(node.pid).children(recursive=True)]
        before = time.monotonic()
        assert node.stop() == 0
        assert time.monotonic() - before < 15
        assert not any(psutil.pid_exists(pid) for pid in children)
    assert not list(home.rglob("*.bell"))


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--max-tasks-per-child", "0", "0 is not in the range x>=1"),
        ("--max-memory-per-child", "lots", "expected max_memory_per_child to be a size in bytes of 1 up, or a text"),
    ],
)
def test_a_share_that_makes_no_sense_is_refused(folder: Path, home: Path, option: str, value: str, said: str) -> None:
    done = actorq("node", "-A", "tasks", "--home", str(home), option, value, cwd=folder)
    assert done.returncode in (2, 3)
    assert said in done.stderr
