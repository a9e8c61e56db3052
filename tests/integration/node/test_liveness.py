"""Slots and hubs that are there and do nothing, with real nodes."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from actorq.errors import TimeLimitExceeded
from actorq.testing.wait import wait_until
from tests.nodes import NodeProcess, actorq, ask

if TYPE_CHECKING:
    from pathlib import Path

    from actorq import App

TASKS = """
import os, time
from actorq import App

app = App("shop")

@app.task
def nap(seconds):
    time.sleep(seconds)
    return os.getpid()
"""


CONFIG = {"max_deliveries": 1}


def send(app: App, seconds: float, **options: Any) -> Any:
    return app.send_task("tasks.nap", (seconds,), **options)


def test_a_stopped_slot_that_was_given_tasks_is_replaced_and_they_run_elsewhere(
    folder: Path, home: Path, app: App
) -> None:
    with NodeProcess("tasks", home, folder, slots=1) as node:
        stopped = send(app, 0).get(timeout=20)
        os.kill(stopped, signal.SIGSTOP)
        # max_deliveries is 1: a delivery that was counted would be the end of them.
        waiting = [send(app, 0) for _ in range(5)]
        wait_until(lambda: "hasn't moved" in str(ask(home, folder, "status")["degraded"]), 20, "the suspicion to show")
        assert len({result.get(timeout=30) for result in waiting} - {stopped}) == 1
        assert '"slot_stuck"' in node.output
        assert not psutil.pid_exists(stopped)
        assert "DEGRADED: slot " in actorq("status", "--home", str(home), cwd=folder).stdout
        assert "replaced: it was stuck" in str(ask(home, folder, "status")["degraded"])
        assert node.stop() == 0
        assert "slot_died" not in node.output


def test_a_slot_that_runs_a_long_task_or_waits_for_one_is_not_stuck(folder: Path, home: Path, app: App) -> None:
    with NodeProcess("tasks", home, folder, slots=2) as node:
        wait_until(lambda: len(node.slot_pids()) == 2, 20, "the slots")
        before = set(node.slot_pids())
        assert send(app, 7).get(timeout=30) in before  # the other one is idle for as long
        assert set(node.slot_pids()) == before
        assert ask(home, folder, "status")["degraded"] == {}
        assert node.stop() == 0
        assert "slot_stuck" not in node.output


def test_a_slot_stopped_in_the_middle_of_a_task_is_left_alone_until_the_tasks_hard_limit(
    folder: Path, home: Path, app: App
) -> None:
    with NodeProcess("tasks", home, folder, slots=1) as node:
        pid = send(app, 0).get(timeout=20)
        limited = send(app, 60, time_limit=7)
        wait_until(lambda: limited.state == "STARTED", 20, "the task to start")
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(TimeLimitExceeded):
            limited.get(timeout=30)
        assert "slot_stuck" not in node.output
        assert send(app, 0).get(timeout=20) != pid
        assert node.stop() == 0


def test_a_node_that_stood_still_with_its_slots_blames_nobody(folder: Path, home: Path, app: App) -> None:
    with NodeProcess("tasks", home, folder, slots=1) as node:
        pid = send(app, 0).get(timeout=20)
        for each in (pid, node.pid):
            os.kill(each, signal.SIGSTOP)
        waiting = [send(app, 0) for _ in range(5)]
        wait_until(lambda: psutil.Process(node.pid).status() == psutil.STATUS_STOPPED, 10, "it to stand still")
        for each in (node.pid, pid):
            os.kill(each, signal.SIGCONT)
        assert {result.get(timeout=30) for result in waiting} == {pid}
        assert "slot_stuck" not in node.output
        assert node.stop() == 0


def test_slots_resume_with_the_next_hub_as_often_as_theirs_is_gone(folder: Path, home: Path, app: App) -> None:
    with NodeProcess("tasks", home, folder, slots=0) as hub, NodeProcess("tasks", home, folder, slots=1) as node:
        pid = send(app, 0).get(timeout=20)
        hub.kill()
        assert send(app, 0).get(timeout=30) == pid, "the node takes over, its slot goes on"
        with NodeProcess("tasks", home, folder, slots=0) as third:
            node.kill()
            with NodeProcess("tasks", home, folder, slots=1) as fourth:
                assert send(app, 0).get(timeout=30)
                assert fourth.stop() == 0
            assert third.stop() == 0


STUCK_NODE = """
import sys, time
from actorq.actors import Watchdog
from actorq.cli.main import run
from actorq.node import node
from actorq.node.broker import Broker

take = Broker._take

def take_for_ever(self, peer, put):
    if any(message.queue == "tar" for message in put.messages):
        time.sleep(3600)
    take(self, peer, put)

Broker._take = take_for_ever
node.Watchdog = lambda system, on_stuck: Watchdog(system, on_stuck, warn_s=0.5, limit_s=2.0)
if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
"""


def test_a_hub_whose_broker_is_stuck_ends_says_why_and_another_node_goes_on(folder: Path, home: Path, app: App) -> None:
    (folder / "stuck_node.py").write_text(STUCK_NODE)
    with NodeProcess("tasks", home, folder, slots=1, module="stuck_node") as hub:
        assert send(app, 0).get(timeout=20)
        with NodeProcess("tasks", home, folder, slots=1) as node:
            tarred = send(app, 0, queue="tar")
            wait_until(lambda: hub.returncode is not None, 20, "the watchdog to end it")
            assert hub.returncode == 1
            assert "node_stuck" in hub.output
            assert "take_for_ever" in hub.output, "the stack of what it was stuck in"
            assert tarred.get(timeout=30)
            assert node.stop() == 0
