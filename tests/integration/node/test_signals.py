"""Signals to a real node: drain, kill, reload, show; and a node that is PID 1 of a container."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from actorq.testing.wait import wait_until
from tests.nodes import ROOT, NodeProcess, ask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from actorq import App

TASKS = """
import os, subprocess, sys, time
from actorq import App

app = App("shop")

@app.task
def version():
    return 1

@app.task
def nap(seconds, note=None):
    if note is not None:
        with open(note, "a") as file:
            file.write("x")
    time.sleep(seconds)
    return os.getpid()

@app.task
def daemon():
    subprocess.run([sys.executable, "-c", "import os\\nif os.fork() == 0:\\n os.setsid()\\n os._exit(0)"], check=True)
"""


@pytest.fixture
def node(folder: Path, home: Path) -> Iterator[NodeProcess]:
    with NodeProcess("tasks", home, folder) as running:
        yield running


CONFIG = {"max_deliveries": 1}


def send(app: App, name: str, *args: Any) -> Any:
    return app.send_task(f"tasks.{name}", args)


def wait_started(*results: Any) -> None:
    wait_until(lambda: all(result.state == "STARTED" for result in results), 20, "tasks to start")


def wait_reloaded(node: NodeProcess, times: int) -> None:
    wait_until(lambda: node.output.count("code_reloaded") == times, 20, "the import")


# -- stopping ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "numbers", [(signal.SIGQUIT,), (signal.SIGINT, signal.SIGINT), (signal.SIGTERM, signal.SIGINT)]
)
def test_a_node_told_to_end_now_kills_its_slots_and_counts_nothing(
    node: NodeProcess, folder: Path, home: Path, app: App, *, numbers: tuple[int, ...]
) -> None:
    note = folder / "note"
    running = [send(app, "nap", 2, str(note)) for _ in range(2)]
    waiting = [send(app, "nap", 0) for _ in range(3)]
    wait_started(*running)
    before = time.monotonic()
    for number in numbers[:-1]:
        os.kill(node.pid, number)
        wait_until(lambda: "node_draining" in node.output, 10, "the drain")
    assert node.stop(numbers[-1]) == 0
    assert time.monotonic() - before < 2 + 5
    assert "node_killing_slots" in node.output
    with NodeProcess("tasks", home, folder) as second:
        # max_deliveries is 1: a delivery that was counted would be the end of them.
        assert [bool(result.get(timeout=30)) for result in (*running, *waiting)] == [True] * 5
        assert second.stop() == 0
    assert note.read_text() == "xxxx"


def test_a_drain_hands_back_at_once_what_waits_behind_a_running_task(
    node: NodeProcess, folder: Path, home: Path, app: App
) -> None:
    long = [send(app, "nap", 3) for _ in range(2)]
    wait_started(*long)
    with NodeProcess("tasks", home, folder, slots=2) as other:
        short = [send(app, "nap", 0) for _ in range(20)]
        os.kill(node.pid, signal.SIGTERM)
        assert all(result.get(timeout=20) for result in short)
        assert all(result.get(timeout=20) for result in long)
        wait_until(lambda: node.returncode is not None, 20, "the first to end")
        assert node.returncode == 0
        assert other.stop() == 0


def test_a_drain_that_runs_out_of_time_says_so_and_counts_nothing(folder: Path, home: Path, app: App) -> None:
    with NodeProcess("tasks", home, folder, slots=1, options=("--drain-timeout", "0.3")) as node:
        long = send(app, "nap", 1.5)
        wait_started(long)
        assert node.stop() == 6
    with NodeProcess("tasks", home, folder, slots=1) as second:
        assert long.get(timeout=30)
        assert second.stop() == 0


# -- hang-up -----------------------------------------------------------------------------------------------------------


def test_hup_brings_newer_code_slot_by_slot_and_nothing_is_lost(
    node: NodeProcess, folder: Path, home: Path, app: App
) -> None:
    assert send(app, "version").get(timeout=20) == 1
    wait_until(lambda: len(node.slot_pids()) == 2, 20, "the slots")
    old = set(node.slot_pids())
    long = send(app, "nap", 1.5)
    wait_started(long)
    (folder / "tasks.py").write_text(TASKS.replace("return 1", "return 2") + "\n@app.task\ndef fresh(): pass\n")
    os.kill(node.pid, signal.SIGHUP)
    wait_until(lambda: "code_reloaded" in node.output, 20, "the import")
    short = [send(app, "version") for _ in range(50)]
    assert {result.get(timeout=20) for result in short} <= {1, 2}
    assert long.get(timeout=20) in old, "a slot is replaced after its present task"
    wait_until(lambda: len(node.slot_pids()) == 2 and not old & set(node.slot_pids()), 20, "new slots alone")
    assert {send(app, "version").get(timeout=20) for _ in range(10)} == {2}
    assert "tasks.fresh" in next(iter(ask(home, folder, "inspect", "registered").values()))
    (tree,) = ask(home, folder, "tree").values()
    assert "code_not_reloaded" not in node.output
    assert "slot_ended" not in node.output
    assert tree["state"] == "up"
    assert node.stop() == 0


def test_a_hup_with_code_that_can_not_be_imported_keeps_the_old_and_says_so_once(
    node: NodeProcess, folder: Path, app: App
) -> None:
    wait_until(lambda: len(node.slot_pids()) == 2, 20, "the slots")
    slots = set(node.slot_pids())
    (folder / "tasks.py").write_text("import nothing_of_this_name")
    os.kill(node.pid, signal.SIGHUP)
    wait_until(lambda: "code_not_reloaded" in node.output, 20, "the complaint")
    assert send(app, "version").get(timeout=20) == 1
    assert set(node.slot_pids()) == slots
    assert node.output.count("code_not_reloaded") == 1
    assert "nothing_of_this_name" in node.output
    (folder / "tasks.py").write_text(TASKS.replace("return 1", "return 3"))
    os.kill(node.pid, signal.SIGHUP)
    wait_until(lambda: send(app, "version").get(timeout=20) == 3, 20, "the mended code")
    assert node.stop() == 0


def test_two_hups_in_a_row_end_with_the_newest_code(node: NodeProcess, folder: Path, app: App) -> None:
    busy = [send(app, "nap", 1.0) for _ in range(2)]
    wait_started(*busy)
    for number in (2, 3):
        # Of another size each time: Python takes a source of the same second and size for unchanged.
        (folder / "tasks.py").write_text(TASKS.replace("return 1", f"return {number}") + "#" * number)
        os.kill(node.pid, signal.SIGHUP)
        wait_reloaded(node, number - 1)
    assert all(result.get(timeout=20) for result in busy)
    newest = [3] * 10
    wait_until(lambda: [send(app, "version").get(timeout=20) for _ in newest] == newest, 20, "the newest code alone")
    wait_until(lambda: len(node.slot_pids()) == 2, 20, "the pool to have its size")
    assert node.stop() == 0


def test_a_node_whose_terminal_is_closed_ends_in_order(folder: Path, home: Path) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        environ = {**os.environ, "PYTHONPATH": f"{folder}:{ROOT}"}
        command = ["-m", "actorq", "node", "-A", "tasks", "--home", str(home), "-c", "1"]
        os.execve(sys.executable, [sys.executable, *command], environ)
    said = b""
    while b"stop     Ctrl-C" not in said:
        said += os.read(terminal, 4096)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_reloads_and_recycling_at_once_run_every_task_once(folder: Path, home: Path, app: App) -> None:
    note = folder / "note"
    with NodeProcess("tasks", home, folder, options=("--max-tasks-per-child", "20")) as node:
        sent = [send(app, "nap", 0.001, str(note)) for _ in range(400)]
        for number in range(1, 4):
            os.kill(node.pid, signal.SIGHUP)
            wait_reloaded(node, number)
        sent += [send(app, "nap", 0.001, str(note)) for _ in range(400)]
        pids = Counter(result.get(timeout=60) for result in sent)
        assert max(pids.values()) <= 20
        assert note.read_text() == "x" * 800, "nothing is lost, nothing runs twice"
        wait_until(lambda: len(node.slot_pids()) <= 4, 20, "those that were succeeded to leave")
        assert node.stop() == 0
        assert "slot_ended" not in node.output


# -- showing -----------------------------------------------------------------------------------------------------------


def test_usr1_shows_the_stacks_of_node_and_slots_and_the_tree(node: NodeProcess, app: App) -> None:
    long = send(app, "nap", 2)
    wait_started(long)
    os.kill(node.pid, signal.SIGUSR1)
    wait_until(lambda: "tree_shown" in node.output and node.output.count("most recent call first") >= 3, 20, "it all")
    assert "in nap" in node.output, "where the task is"
    assert "in _serve" in node.output, "where the node is"
    assert "zygote up restarts=0" in node.output
    assert long.get(timeout=20)
    assert len(node.slot_pids()) == 2
    assert node.stop() == 0


# -- orphans and PID 1 -------------------------------------------------------------------------------------------------


def zombies_below(pid: int) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return [child for child in psutil.Process(pid).children() if child.status() == psutil.STATUS_ZOMBIE]
    return []


def test_daemons_that_tasks_left_behind_are_reaped(node: NodeProcess, app: App) -> None:
    for result in [send(app, "daemon") for _ in range(5)]:
        result.get(timeout=20)
    wait_until(lambda: not zombies_below(node.pid), 20, "the zombies to be reaped")
    assert node.stop() == 0


CAN_UNSHARE = (
    subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "true"], check=False, capture_output=True).returncode
    == 0
)

CLIENT = """
import sys
from actorq import App
with App("shop", home=sys.argv[1]) as app:
    for _ in range(3):
        app.send_task("tasks.daemon").get(timeout=20)
    print(app.send_task("tasks.nap", (0,)).get(timeout=20))
    last = app.send_task("tasks.nap", (1.0, sys.argv[2]))
    last.confirm(timeout=20)
"""


@pytest.mark.skipif(not CAN_UNSHARE, reason="needs the right to make a PID namespace (unshare --pid)")
def test_as_pid_1_of_a_container_it_reaps_orphans_and_drains_on_term(folder: Path, home: Path, tmp_path: Path) -> None:
    log, note = tmp_path / "node.log", tmp_path / "note"
    environ = {**os.environ, "PYTHONPATH": f"{folder}:{ROOT}"}
    command = [sys.executable, "-m", "actorq", "node", "-A", "tasks", "--home", str(home), "-c", "1"]
    with log.open("w") as output:
        outside = subprocess.Popen(
            ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", *command],
            stdout=output,
            stderr=output,
            cwd=folder,
            env=environ,
        )
    try:
        wait_until(lambda: "stop     Ctrl-C" in log.read_text(), 20, "the node to start")
        assert "(pid 1)" in log.read_text()
        (init,) = psutil.Process(outside.pid).children()
        inside = ["nsenter", "-t", str(init.pid), "-p", "-m", sys.executable, "-c", CLIENT, str(home), str(note)]
        done = subprocess.run(inside, env=environ, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        wait_until(note.exists, 20, "the last task to start")
        wait_until(lambda: not zombies_below(init.pid), 20, "the orphans to be reaped")
        init.send_signal(signal.SIGTERM)
        assert outside.wait(30) == 0, log.read_text()
        assert note.read_text() == "x", "it ran once, to its end"
        assert "node_killing_slots" not in log.read_text()
    finally:
        outside.kill()
        outside.wait(20)
