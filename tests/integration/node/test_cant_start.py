"""A component that can't start is named with its cause, once for each attempt, at the pace of the back-off; nothing spins."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING, Any

import pytest
import structlog.testing

from actorq import App
from actorq.config import Settings
from actorq.errors import ActorqError
from actorq.messages.reasons import Crashed
from actorq.node import launch
from actorq.node.broker import Broker
from actorq.node.janitor import Janitor
from actorq.node.node import Node
from actorq.node.store import Store
from actorq.slot.zygote_process import ZygoteProcess
from actorq.supervisor import Tree
from actorq.testing.wait import wait_until
from tests.integration.node.conftest import start_node
from tests.nodes import NodeProcess, actorq, ask, home_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GIVES_UP_S = 60.0  # it takes some 17 s; more where the machine has other things to do
CPU_SHARE = 0.5  # of one processor; what spins takes all of it


@pytest.fixture
def strict_node(folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    """A node in this process, with the patience of a real one."""
    monkeypatch.setenv("PYTHONPATH", str(folder))
    running = start_node(home)
    yield running
    running.stop()
    wait_until(lambda: running.has_ended, 20, "the node to end")
    running.finish()


def refuse(*_: Any, **__: Any) -> None:
    raise OSError("the disk is gone")


def crash(node: Node, name: str) -> None:
    ref = node.system.whereis(name)
    assert ref is not None
    ref.cell.exit(None, Crashed("InjectedError", "for a test"))
    wait_until(lambda: not ref.is_alive(), 10, f"{name} to end")


def test_a_required_component_ends_the_node_with_the_chain_of_causes(
    strict_node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Store, "init", refuse)
    with structlog.testing.capture_logs() as logs:
        began, cpu = time.monotonic(), time.process_time()
        crash(strict_node, "store")
        wait_until(lambda: strict_node.has_ended, GIVES_UP_S, "the node to give up")
        used, took_s = time.process_time() - cpu, time.monotonic() - began
        assert strict_node.finish() == 1
    failures = [each for each in logs if each["event"] == "child_restart_failed"]
    assert {each["child_id"] for each in failures} == {"store"}, "who waits for it isn't blamed"
    assert {each["reason"] for each in failures} == {"OSError: the disk is gone"}
    assert 5 <= len(failures) <= 12, "one event for each attempt, at the pace of the back-off"
    assert used < took_s * CPU_SHARE
    (last,) = [each for each in logs if each["event"] == "node_gave_up"]
    assert last["reason"] == "shutdown: gave up on 'store': OSError: the disk is gone"


def test_an_optional_component_is_parked_and_the_node_says_that_it_is_degraded(
    strict_node: Node, folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Janitor, "init", refuse)
    with App("shop", home=home) as app:
        assert app.ask("status")["degraded"] == {}
        crash(strict_node, "janitor")
        root = strict_node.system.ref("node")

        def state() -> str:
            children = {each["id"]: each for each in root.ask(Tree(), timeout=5)["children"]}
            return str(children["janitor"]["state"])

        wait_until(lambda: state() in ("restarting", "parked"), 20, "the janitor to fail")
        assert "OSError: the disk is gone" in app.ask("status")["degraded"]["janitor"]
        assert app.send_task("tasks.add", [1, 1]).get(timeout=10) == 2, "everything else works"
        wait_until(lambda: state() == "parked", GIVES_UP_S, "the janitor to be parked")
    shown = actorq("status", "--home", str(home), cwd=folder)
    assert "DEGRADED: janitor is parked: OSError: the disk is gone" in shown.stdout
    assert not strict_node.has_ended


def test_an_application_that_broke_meanwhile_costs_no_running_slot_and_no_processor(
    strict_node: Node, folder: Path, home: Path
) -> None:
    wait_until(lambda: len(strict_node.roster.processes) == 2, 20, "both slots")
    (folder / "tasks.py").write_text("import no_such_module\n")
    pids = {place: process.pid for place, process in strict_node.roster.processes.items()}
    crash(strict_node, "zygote")
    with App("shop", home=home) as app:
        wait_until(
            lambda: "no_such_module" in app.ask("status")["degraded"].get("zygote", ""), 30, "the cause to be shown"
        )
        assert app.send_task("tasks.add", [1, 1]).get(timeout=10) == 2
    assert {place: process.pid for place, process in strict_node.roster.processes.items()} == pids


def test_a_component_that_fails_at_boot_undoes_the_boot_and_is_named(
    folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setattr(Broker, "init", refuse)
    zygote = ZygoteProcess("tasks")
    zygote.start()
    node = Node(home_of(home).create(), Settings(concurrency=1), launch.wait_for_app(zygote), "node@test", zygote)
    with pytest.raises(
        ActorqError, match=r"^the node can't start: while starting child 'broker' of node.*: OSError: the disk"
    ):
        node.start()
    assert node.system.actors() == []
    assert not node.lock.held
    zygote.close()


def test_a_store_whose_folder_is_gone_ends_the_node_with_one_and_says_so(folder: Path, home: Path) -> None:
    with NodeProcess("tasks", home, folder) as node, App("shop", home=home) as app:
        app.send_task("tasks.add", [1, 1]).get(timeout=10)
        assert ask(home, folder, "status")["degraded"] == {}
        node.stop()
    shutil.rmtree(home)
    home.write_text("in the way")
    done = actorq("node", "-A", "tasks", "--home", str(home), cwd=folder)
    assert done.returncode == 4, done.stderr
    assert str(home) in done.stderr.strip().splitlines()[-1]
