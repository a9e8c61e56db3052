"""Threads, coroutines and processes in real nodes: how many at once, what ends them, who is to blame when a process dies."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from actorq.errors import SlotLost, SoftTimeLimitExceeded, TimeLimitExceeded
from actorq.testing.wait import wait_until
from tests.nodes import NodeProcess, actorq, ask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actorq import App
    from actorq.results import AsyncResult

TASKS = """
import asyncio, os, pathlib, threading, time
from actorq import App

app = App("shop")

@app.task
async def nap(seconds, note=None):
    if note is not None:
        with open(note, "a") as file:
            file.write("x")
    await asyncio.sleep(seconds)
    return os.getpid()

@app.task
def plain_nap(seconds):
    time.sleep(seconds)
    return os.getpid(), threading.get_ident()

@app.task(bind=True)
async def who(self, seconds):
    before = self.request.id
    await asyncio.sleep(seconds)
    await asyncio.gather(asyncio.sleep(0), asyncio.create_task(asyncio.sleep(0)))
    return [before, self.request.id]

@app.task(bind=True)
def plain_who(self, seconds):
    before = self.request.id
    time.sleep(seconds)
    return [before, self.request.id]

@app.task(time_limit=0.3)
async def long():
    await asyncio.sleep(60)

@app.task(time_limit=0.3)
async def stubborn():
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass

@app.task(time_limit=0.3)
async def blocking():
    time.sleep(60)

@app.task(soft_time_limit=0.2)
async def soft():
    await asyncio.sleep(60)

@app.task(soft_time_limit=0.2, time_limit=60)
def plain_soft(seconds):
    time.sleep(seconds)
    return "not interrupted"

@app.task(time_limit=0.5)
def plain_long():
    time.sleep(60)

@app.task
async def leave():
    async def later():
        raise SystemExit(3)
    asyncio.get_running_loop().create_task(later())
    await asyncio.sleep(0.05)
    raise SystemExit(4)
"""


@pytest.fixture
def start(folder: Path, home: Path) -> Iterator[Any]:
    """Start nodes with these pools; they are ended in order."""
    started: list[NodeProcess] = []

    def begin(*pools: str, options: tuple[str, ...] = ()) -> NodeProcess:
        node = NodeProcess("tasks", home, folder, options=(*(f"-P{pool}" for pool in pools), *options))
        started.append(node)
        node.start().wait_ready()
        wait_until(lambda: len(node.slot_pids()) >= len(pools), 20, "the slots")
        return node

    yield begin
    for node in started:
        assert node.stop() == 0 or node.returncode == -signal.SIGKILL


def wait_started(results: list[AsyncResult[Any]]) -> None:
    wait_until(lambda: all(each.state == "STARTED" for each in results), 20, "all to run")


def test_a_thousand_coroutines_run_at_once_in_one_process(start: Any, app: App) -> None:
    node = start("async:1000")
    (pid,) = node.slot_pids()
    app.send_task("tasks.nap", [0]).get(timeout=20)
    began = time.monotonic()
    results = [app.send_task("tasks.nap", [1.0]) for _ in range(1000)]
    assert {each.get(timeout=30) for each in results} == {pid}
    assert time.monotonic() - began < 10, "one after the other they take a thousand seconds"


def test_threads_run_at_once_in_one_process_and_coroutines_in_them_too(start: Any, app: App) -> None:
    start("thread:8")
    results = [app.send_task("tasks.plain_nap", [0.5]) for _ in range(8)]
    found = [each.get(timeout=20) for each in results]
    assert len({pid for pid, _ in found}) == 1
    assert len({thread for _, thread in found}) == 8
    assert app.send_task("tasks.nap", [0]).get(timeout=20) == found[0][0]


@pytest.mark.parametrize(("pool", "task"), [("async:50", "who"), ("thread:20", "plain_who"), ("async:50", "plain_who")])
def test_each_of_many_finds_its_own_request(start: Any, app: App, pool: str, task: str) -> None:
    start(pool)
    results = [app.send_task(f"tasks.{task}", [0.02]) for _ in range(100)]
    for result in results:
        assert result.get(timeout=30) == [result.id, result.id]


@pytest.mark.parametrize(("pool", "task"), [("async:4", "nap"), ("thread:4", "plain_nap")])
def test_when_the_process_dies_what_ran_is_counted_and_the_rest_handed_back(
    start: Any, app: App, pool: str, task: str
) -> None:
    node = start(pool)
    done = app.send_task(f"tasks.{task}", [0])
    done.get(timeout=20)
    ran = [app.send_task(f"tasks.{task}", [2.0], max_deliveries=1) for _ in range(3)]
    again = app.send_task(f"tasks.{task}", [2.0], max_deliveries=2)
    wait_started([*ran, again])
    behind = [app.send_task(f"tasks.{task}", [0], max_deliveries=1) for _ in range(10)]
    app.flush()
    (pid,) = node.slot_pids()
    os.kill(pid, signal.SIGKILL)
    for result in ran:
        with pytest.raises(SlotLost):
            result.get(timeout=20)
    assert again.get(timeout=20) != pid
    assert all(result.get(timeout=20) for result in behind), "one counted delivery would make them dead letters"
    assert done.state == "SUCCESS"


def test_what_runs_in_a_surviving_process_is_taken_over_by_the_next_hub_and_runs_once(
    start: Any, folder: Path, home: Path, app: App, tmp_path: Path
) -> None:
    note = tmp_path / "note"
    with NodeProcess("tasks", home, folder, slots=0) as hub:
        start("async:20")
        results = [app.send_task("tasks.nap", [3.0, str(note)]) for _ in range(20)]
        wait_started(results)
        hub.kill()
        assert len({each.get(timeout=30) for each in results}) == 1
    assert note.read_text() == "x" * 20


def test_a_coroutine_is_cancelled_at_its_limits_and_its_neighbours_notice_nothing(start: Any, app: App) -> None:
    node = start("async:10")
    beside = app.send_task("tasks.nap", [2.0], max_deliveries=1)
    wait_started([beside])
    with pytest.raises(TimeLimitExceeded, match="it was cancelled"):
        app.send_task("tasks.long").get(timeout=20)
    with pytest.raises(SoftTimeLimitExceeded):
        app.send_task("tasks.soft").get(timeout=20)
    assert beside.get(timeout=20) in node.slot_pids()


@pytest.mark.parametrize(
    ("pool", "task"),
    [("async:10", "stubborn"), ("async:10", "blocking"), ("async:10", "plain_long"), ("thread:10", "plain_long")],
)
def test_where_nothing_else_helps_the_process_is_killed_and_neighbours_start_again_uncounted(
    start: Any, app: App, pool: str, task: str
) -> None:
    node = start(pool)
    (pid,) = node.slot_pids()
    beside = app.send_task("tasks.plain_nap", [2.5], max_deliveries=1)
    wait_started([beside])
    with pytest.raises(TimeLimitExceeded, match="its process was killed"):
        app.send_task(f"tasks.{task}").get(timeout=20)
    assert beside.get(timeout=20)[0] != pid
    assert "hard_limit_enforced" in node.output


def test_limits_that_a_pool_cant_enforce_are_said_once_at_the_start(start: Any, app: App) -> None:
    node = start("thread:2")
    said = [line for line in node.output.splitlines() if "limit_not_enforced" in line]
    assert sum("tasks.plain_soft" in line and "soft_time_limit" in line for line in said) == 1
    assert sum("tasks.plain_long" in line for line in said) == 1
    assert not any("tasks.plain_nap" in line for line in said)
    assert app.send_task("tasks.plain_soft", [0.4]).get(timeout=20) == "not interrupted"


def test_a_node_can_refuse_tasks_whose_limits_it_cant_enforce(folder: Path, home: Path) -> None:
    done = actorq("node", "-A", "tasks", "--home", str(home), "-Pthread", cwd=folder, ACTORQ_UNENFORCED_LIMITS="refuse")
    assert done.returncode == 3
    assert "expected pools that enforce every limit, got" in done.stderr


def test_several_pools_take_their_own_queues_and_show_in_status_and_tree(
    start: Any, app: App, folder: Path, home: Path
) -> None:
    node = start("process:2@cpu", "async:100@io", "thread:3@files")
    wait_until(lambda: len(app.ask("status")["slots"]) == 4, 20, "all slots")
    slots = {each["slot"]: (each["pool"], each["places"]) for each in ask(home, folder, "status")["slots"]}
    assert sorted(slots.values()) == [("async", 100), ("process", 1), ("process", 1), ("thread", 3)]
    pids = {
        queue: {app.send_task("tasks.plain_nap", [0.1], queue=queue).get(timeout=20)[0] for _ in range(6)}
        for queue in ("cpu", "io", "files")
    }
    assert not pids["cpu"] & pids["io"]
    assert len(pids["io"]) == len(pids["files"]) == 1
    assert "async pool of 100 in 1 process (queues io)" in node.output
    shown = actorq("status", "--home", str(home), cwd=folder).stdout
    assert "async:100" in shown
    assert "process x 2" in str(ask(home, folder, "tree"))


def test_idle_places_of_one_process_dont_wait_for_another_that_holds_a_list(start: Any, app: App) -> None:
    start("async:2", "async:2")
    wait_until(lambda: len(app.ask("status")["slots"]) == 2, 20, "both slots")
    results = [app.send_task("tasks.nap", [1.0]) for _ in range(4)]
    began = time.monotonic()
    assert len({each.get(timeout=20) for each in results}) == 2
    assert time.monotonic() - began < 1.9


def test_a_stopping_node_lets_all_that_runs_finish(folder: Path, home: Path, app: App) -> None:
    with NodeProcess("tasks", home, folder, options=("-Pasync:20",)) as node:
        results = [app.send_task("tasks.nap", [1.0]) for _ in range(20)]
        wait_started(results)
        assert node.stop() == 0
    with NodeProcess("tasks", home, folder, slots=0):
        assert len({each.get(timeout=20) for each in results}) == 1


def test_an_exit_of_a_coroutine_or_of_what_it_leaves_behind_ends_nobody_else(start: Any, app: App) -> None:
    node = start("async:10")
    (pid,) = node.slot_pids()
    beside = app.send_task("tasks.nap", [0.5])
    with pytest.raises(Exception, match="4"):
        app.send_task("tasks.leave").get(timeout=20)
    assert beside.get(timeout=20) == pid


def test_a_pool_that_isnt_one_is_a_usage_error(folder: Path, home: Path) -> None:
    done = actorq("node", "-A", "tasks", "--home", str(home), "-Pfibres:4", cwd=folder)
    assert done.returncode == 2
    assert "expected kind:concurrency@queues with a kind of process, thread, async" in done.stderr


def test_a_solo_pool_has_the_terminal_so_a_breakpoint_works(folder: Path, home: Path, app: App) -> None:
    with (folder / "tasks.py").open("a") as file:
        file.write("\n@app.task\ndef stop_here(number):\n    breakpoint()\n    return number\n")
    terminal, theirs = os.openpty()
    try:
        with NodeProcess("tasks", home, folder, slots=1, options=("-Psolo",), stdin=theirs) as node:
            result = app.send_task("tasks.stop_here", [7])
            wait_until(lambda: "(Pdb)" in node.output, 20, "the debugger's prompt")
            assert result.state == "STARTED"
            os.write(terminal, b"p 'seen: %d' % number\nnumber = 42\nc\n")
            assert result.get(timeout=20) == 42
            assert "seen: 7" in node.output
            (pid,) = node.slot_pids()
            assert "actorq.slot.zygote" in Path(f"/proc/{pid}/cmdline").read_text(), "a fresh interpreter"
            assert app.send_task("tasks.plain_nap", [0]).get(timeout=20)[0] == pid
            assert node.stop() == 0
    finally:
        os.close(terminal)
        os.close(theirs)


def test_a_solo_slot_that_dies_is_replaced_and_its_limits_are_kept(folder: Path, home: Path, app: App) -> None:
    with NodeProcess("tasks", home, folder, slots=1, options=("-Psolo",)) as node:
        with pytest.raises(TimeLimitExceeded):
            app.send_task("tasks.plain_long").get(timeout=20)
        assert app.send_task("tasks.nap", [0]).get(timeout=20) in node.slot_pids()
        assert "limit_not_enforced" not in node.output


@pytest.mark.parametrize("pool", ["thread:1", "async:1"])
def test_a_pool_of_one_place_is_a_pool(start: Any, app: App, pool: str) -> None:
    node = start(pool)
    pid, _ = app.send_task("tasks.plain_nap", [0]).get(timeout=20)
    assert node.slot_pids() == [pid]
    results = [app.send_task("tasks.plain_nap", [0.01]) for _ in range(20)]
    assert {result.get(timeout=20)[0] for result in results} == {pid}


def test_a_solo_pool_of_several_is_refused(folder: Path, home: Path) -> None:
    done = actorq("node", "-A", "tasks", "--home", str(home), "-Psolo", "-c4", cwd=folder)
    assert done.returncode == 3
    assert "expected concurrency of a pool 'solo' to be at most 1, got 4" in done.stderr


def test_stats_say_which_limits_each_pool_enforces(start: Any, folder: Path, home: Path) -> None:
    start("process:1@cpu", "thread:3")
    (stats,) = ask(home, folder, "inspect", "stats").values()
    shown = [(each["pool"], each["concurrency"], each["queues"], each["soft_time_limit"]) for each in stats["pools"]]
    assert shown == [("process", 1, ["cpu"], "raised in the task"), ("thread", 3, [], "not enforced")]
