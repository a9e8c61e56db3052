"""Hard time limits, with a real node: what is killed, what isn't, and what the pool is like afterwards."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from actorq.errors import SoftTimeLimitExceeded, TimeLimitExceeded
from actorq.testing.wait import wait_until
from tests.nodes import NodeProcess, actorq, ask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from actorq import App

TASKS = """
import asyncio, os, time
from actorq import App, SoftTimeLimitExceeded

app = App("shop")

@app.task
def nap(seconds, note=None):
    if note is not None:
        with open(note, "a") as file:
            file.write("x")
    time.sleep(seconds)
    return os.getpid()

@app.task(time_limit=0.4)
def short(seconds):
    time.sleep(seconds)
    return "in time"

@app.task(time_limit=0.4)
def in_c():
    sum(range(10**13))

@app.task(soft_time_limit=0.1, time_limit=0.4)
def stubborn(note):
    while True:
        try:
            time.sleep(60)
        except SoftTimeLimitExceeded:
            with open(note, "a") as file:
                file.write("soft")

@app.task(time_limit=0.4)
async def coroutine():
    await asyncio.sleep(60)

@app.task(time_limit=0.4)
async def blocking_coroutine():
    time.sleep(60)

@app.task(bind=True)
def limits(self):
    return list(self.request.timelimit)

@app.task(bind=True, time_limit=9, soft_time_limit=8)
def own_limits(self):
    return list(self.request.timelimit)

@app.task(soft_time_limit=0.2)
def soft_only():
    time.sleep(60)
"""


@pytest.fixture
def node(folder: Path, home: Path) -> Iterator[NodeProcess]:
    with NodeProcess("tasks", home, folder) as running:
        yield running
        assert running.stop() == 0
        assert not list(home.rglob("*.bell"))


def slots_of(home: Path, folder: Path) -> list[dict[str, Any]]:
    return list(ask(home, folder, "status")["slots"])


def test_whatever_a_task_does_it_ends_within_a_second_after_its_limit(node: NodeProcess, app: App) -> None:
    app.send_task("tasks.nap", [0]).get(timeout=20)
    for task, args in (("short", [60]), ("in_c", []), ("coroutine", []), ("blocking_coroutine", [])):
        began = time.monotonic()
        with pytest.raises(TimeLimitExceeded) as caught:
            app.send_task(f"tasks.{task}", args).get(timeout=20)
        assert 0.4 <= time.monotonic() - began < 1.4, task
        assert caught.value.limit_s == 0.4
        assert "hard limit of 0.4 s" in str(caught.value)
    assert app.send_task("tasks.short", [0]).get(timeout=20) == "in time"


def test_a_task_that_catches_its_soft_limit_and_goes_on_meets_the_hard_one(
    node: NodeProcess, app: App, tmp_path: Path
) -> None:
    note = tmp_path / "note"
    with pytest.raises(TimeLimitExceeded):
        app.send_task("tasks.stubborn", [str(note)]).get(timeout=20)
    assert note.read_text() == "soft"


def test_a_task_over_its_limit_is_run_once_and_is_no_dead_letter(
    node: NodeProcess, app: App, folder: Path, home: Path, tmp_path: Path
) -> None:
    note = tmp_path / "note"
    result = app.send_task("tasks.nap", [60, str(note)], time_limit=0.3)
    with pytest.raises(TimeLimitExceeded):
        result.get(timeout=20)
    assert [app.send_task("tasks.nap", [0]).get(timeout=20) > 0 for _ in range(20)] == [True] * 20
    assert note.read_text() == "x"
    assert result.state == "FAILURE"
    (letters,) = ask(home, folder, "inspect", "dead-letters").values()
    assert not letters


def test_what_the_slot_held_besides_is_handed_back_uncounted_and_others_notice_nothing(
    folder: Path, home: Path, app: App
) -> None:
    with NodeProcess("tasks", home, folder, slots=2) as node:
        beside = app.send_task("tasks.nap", [2.0])
        wait_until(lambda: beside.state == "STARTED", 20, "the task beside")
        limited = app.send_task("tasks.nap", [60], time_limit=0.5)
        behind = [app.send_task("tasks.nap", [0], max_deliveries=1) for _ in range(50)]
        assert all(result.get(timeout=20) for result in behind), "one counted delivery would make them dead letters"
        with pytest.raises(TimeLimitExceeded):
            limited.get(timeout=20)
        assert beside.get(timeout=20) in node.slot_pids()


def test_a_task_that_ends_at_the_very_moment_has_one_end_and_its_neighbours_theirs(node: NodeProcess, app: App) -> None:
    results = [
        (
            app.send_task("tasks.nap", [0.05 + step / 1000], time_limit=0.07),
            app.send_task("tasks.nap", [0], max_deliveries=1),
        )
        for step in range(40)
    ]
    ended = {"in time": 0, "killed": 0}
    for limited, neighbour in results:
        try:
            assert isinstance(limited.get(timeout=30), int)
            ended["in time"] += 1
        except TimeLimitExceeded:
            ended["killed"] += 1
        assert isinstance(neighbour.get(timeout=30), int)
    assert min(ended.values()) >= 1, ended


def test_fifty_tasks_over_their_limit_leave_the_pool_as_it_was_and_cost_no_quota(
    node: NodeProcess, app: App, folder: Path, home: Path
) -> None:
    app.send_task("tasks.nap", [0]).get(timeout=20)
    results = [app.send_task("tasks.nap", [60], time_limit=0.05) for _ in range(50)]
    for result in results:
        with pytest.raises(TimeLimitExceeded):
            result.get(timeout=60)
    wait_until(lambda: len(node.slot_pids()) == 2, 10, "a full pool")
    (tree,) = ask(home, folder, "tree").values()
    assert sum(entry["restarts"] for entry in walk(tree)) == 0
    assert node.output.count("hard_limit_enforced") == 50
    assert app.send_task("tasks.nap", [0]).get(timeout=20)


def walk(entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield entry
    for child in entry["children"]:
        yield from walk(child)


def test_a_short_limit_is_kept_behind_a_long_one(folder: Path, home: Path, app: App) -> None:
    with NodeProcess("tasks", home, folder, slots=1):
        assert app.send_task("tasks.nap", [0], time_limit=3600).get(timeout=20)
        began = time.monotonic()
        with pytest.raises(TimeLimitExceeded):
            app.send_task("tasks.nap", [60], time_limit=0.3).get(timeout=20)
        assert time.monotonic() - began < 1.3


def test_limits_of_the_command_line_are_for_tasks_that_say_nothing(folder: Path, home: Path, app: App) -> None:
    with NodeProcess("tasks", home, folder, options=("--time-limit", "0.5", "--soft-time-limit", "0.25")):
        assert app.send_task("tasks.limits").get(timeout=20) == [0.5, 0.25]
        assert app.send_task("tasks.own_limits").get(timeout=20) == [9, 8]
        assert app.send_task("tasks.limits", time_limit=0.1).get(timeout=20) == [0.1, None]
        with pytest.raises(SoftTimeLimitExceeded):
            app.send_task("tasks.nap", [60]).get(timeout=20)
        with pytest.raises(TimeLimitExceeded):
            app.send_task("tasks.in_c", time_limit=0.5).get(timeout=20)  # the soft one can't interrupt it


def test_limits_of_the_environment_and_the_application_are_the_nodes_too(folder: Path, home: Path, app: App) -> None:
    with NodeProcess("tasks", home, folder, environ={"ACTORQ_TASK_TIME_LIMIT": "0.3"}):
        with pytest.raises(TimeLimitExceeded):
            app.send_task("tasks.nap", [60]).get(timeout=20)


def test_limits_of_an_applications_config_hold_for_its_tasks_that_say_nothing(
    folder: Path, home: Path, app: App
) -> None:
    config = 'App("shop", config={"task_time_limit": 3, "task_soft_time_limit": 0.3})'
    (folder / "tasks.py").write_text(TASKS.replace('App("shop")', config))
    with NodeProcess("tasks", home, folder) as node:
        assert app.send_task("tasks.limits").get(timeout=20) == [3, 0.3]
        assert app.send_task("tasks.own_limits").get(timeout=20) == [9, 8]
        with pytest.raises(SoftTimeLimitExceeded):
            app.send_task("tasks.nap", [60]).get(timeout=20)
        with pytest.raises(TimeLimitExceeded):
            app.send_task("tasks.stubborn", [str(folder / "note")]).get(timeout=20)
        assert node.stop() == 0


@pytest.mark.parametrize("value", ["soon", -1, 0])
def test_a_limit_in_a_config_that_is_no_time_is_refused_at_start(folder: Path, home: Path, value: object) -> None:
    (folder / "tasks.py").write_text(
        TASKS.replace('App("shop")', f'App("shop", config={{"task_time_limit": {value!r}}})')
    )
    done = actorq("node", "-A", "tasks", "--home", str(home), cwd=folder)
    assert done.returncode == 3
    assert "expected task_time_limit to be a number" in done.stderr


def test_a_killed_hub_leaves_the_verdict_to_its_successor(folder: Path, home: Path, app: App) -> None:
    with NodeProcess("tasks", home, folder, slots=0) as hub:
        with NodeProcess("tasks", home, folder, slots=1) as worker:
            limited = app.send_task("tasks.nap", [60], time_limit=1.0)
            wait_until(lambda: limited.state == "STARTED", 20, "the task to run")
            hub.kill()
            with pytest.raises(TimeLimitExceeded):
                limited.get(timeout=30)
            assert worker.returncode is None


def test_a_soft_limit_above_the_hard_one_is_refused_at_start(folder: Path, home: Path) -> None:
    options = ("--time-limit", "1", "--soft-time-limit", "2")
    done = actorq("node", "-A", "tasks", "--home", str(home), *options, cwd=folder)
    assert done.returncode == 3
    assert "expected task_soft_time_limit to be at most task_time_limit, got 2 > 1 (from command line)" in done.stderr


def test_a_limit_is_enforced_while_the_node_ends(folder: Path, home: Path, app: App) -> None:
    with NodeProcess("tasks", home, folder, slots=1) as node:
        limited = app.send_task("tasks.nap", [60], time_limit=1.0)
        wait_until(lambda: limited.state == "STARTED", 20, "the task to run")
        assert node.stop() == 0
    with NodeProcess("tasks", home, folder, slots=1):
        with pytest.raises(TimeLimitExceeded):
            limited.get(timeout=20)


def test_killing_for_a_limit_leaves_no_descriptor_behind(node: NodeProcess, app: App) -> None:
    def enforce(times: int) -> int:
        for _ in range(times):
            with pytest.raises(TimeLimitExceeded):
                app.send_task("tasks.nap", [60], time_limit=0.05).get(timeout=20)
        # A slot that has run something is known to the hub and to its actor.
        assert len({app.send_task("tasks.nap", [0.1]).get(timeout=20) for _ in range(6)}) <= 2
        wait_until(lambda: len(node.slot_pids()) == 2, 10, "a full pool")
        return len(os.listdir(f"/proc/{node.pid}/fd"))

    before = enforce(2)
    assert enforce(8) <= before + 2


def test_a_node_that_can_make_no_bell_enforces_limits_all_the_same(folder: Path, home: Path, app: App) -> None:
    (folder / "sitecustomize.py").write_text(
        "import os\n\ndef refuse(*_):\n    raise OSError(28, 'No space left')\n\nos.mkfifo = refuse\n"
    )
    with NodeProcess("tasks", home, folder) as node:
        began = time.monotonic()
        with pytest.raises(TimeLimitExceeded):
            app.send_task("tasks.short", [60]).get(timeout=20)
        assert time.monotonic() - began < 5
        assert "bell_not_made" in node.output
