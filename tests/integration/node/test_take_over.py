"""Another node becomes the hub: who is there is known again at once."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from actorq import App
from actorq.testing.wait import wait_until
from tests.nodes import NodeProcess, hub_pid

if TYPE_CHECKING:
    from pathlib import Path


def test_after_a_take_over_nodes_and_slots_have_their_names_while_their_tasks_still_run(
    folder: Path, home: Path
) -> None:
    with NodeProcess("tasks", home, folder, options=("-n", "first")) as first, App("shop", home=home) as app:
        with NodeProcess("tasks", home, folder, options=("-n", "second")) as second:
            wait_until(lambda: len(app.ask("status")["slots"]) == 4, 20, "the slots of both")
            long = [app.send_task("tasks.nap", [4.0]) for _ in range(4)]
            wait_until(lambda: all(each.state == "STARTED" for each in long), 20, "all to start")
            first.kill()
            wait_until(lambda: hub_pid(home) == second.pid, 10, "the other to be the hub")
            status = app.ask("status", timeout=5)
            busy = [each for each in status["slots"] if each["active"]]
            assert {each["node"] for each in busy} == {"second"}, "its line says whose it is; it hasn't connected yet"
            wait_until(lambda: app.ask("status")["nodes"] == ["second"], 5, "the node to say hello")
            assert len({each.get(timeout=30) for each in long}) == 2


def test_a_joined_node_that_stood_still_comes_back_to_the_same_hub(folder: Path, home: Path) -> None:
    options = ("-n", "second", "-c", "1")
    with NodeProcess("tasks", home, folder, options=("-n", "first")), App("shop", home=home) as app:
        with NodeProcess("tasks", home, folder, options=options) as second:
            wait_until(lambda: len(app.ask("status")["nodes"]) == 2, 20, "both nodes")
            os.kill(second.pid, signal.SIGSTOP)
            wait_until(lambda: "second" not in app.ask("ping") or "error" in app.ask("ping")["second"], 10, "silence")
            os.kill(second.pid, signal.SIGCONT)
            wait_until(lambda: app.ask("ping").get("second") == {"ok": "pong"}, 20, "the node to answer again")
            assert second.returncode is None
