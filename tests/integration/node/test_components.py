"""A crash of any component restarts it and its dependents; running task code isn't touched and nothing is lost."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from actorq.errors import TimeLimitExceeded
from actorq.messages.reasons import Crashed
from actorq.testing.wait import wait_until

if TYPE_CHECKING:
    from actorq import App
    from actorq.actors import ActorRef
    from actorq.node.node import Node

LONG = os.environ.get("ACTORQ_CHAOS") == "long"
ROUNDS = 1_000 if LONG else 40
COMPONENTS = (
    *("store", "broker", "timers", "outboxes", "janitor", "link", "control", "membership"),
    *("zygote", "slots", "sizer", "pool"),
)

pytestmark = pytest.mark.timeout(1200 if LONG else 180)


def crash(node: Node, name: str) -> None:
    """End an actor as a bug of its own would, and wait until another bears its name."""
    before = find(node, name)
    before.cell.exit(None, Crashed("InjectedError", "for a test"))
    wait_until(lambda: not before.is_alive(), 10, f"{name} to end")
    wait_until(lambda: (now := node.system.whereis(name)) is not None and now.id != before.id, 20, f"{name} to be back")


_strangers: set[int] = set()


@pytest.fixture(autouse=True)
def strangers() -> None:
    """Remember which children are there already: what killed nodes of other tests left becomes this process's."""
    _strangers.clear()
    _strangers.update(child.pid for child in psutil.Process().children(recursive=True))


def count_resources() -> Counter[str]:
    """Count this process's threads, descriptors by what they lead to, and children by name."""
    me = psutil.Process()
    counts = Counter({"threads": me.num_threads()})
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            counts[re.sub(r"\d+|/.*/|.*-(?=.*line)|[0-9a-f]{2,}", "", os.readlink(f"/proc/self/fd/{fd}"))] += 1
    for child in me.children(recursive=True):
        if child.pid not in _strangers:
            with contextlib.suppress(psutil.NoSuchProcess):
                counts[child.name()[:9]] += 1
    return counts


def find(node: Node, name: str) -> ActorRef[Any]:
    wait_until(lambda: node.system.whereis(name) is not None, 20, f"{name} to be there")
    ref = node.system.whereis(name)
    assert ref is not None
    return ref


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_crashed_component_comes_back_and_the_running_task_goes_on(node: Node, app: App, name: str) -> None:
    long = app.send_task("tasks.nap", [1.5])
    wait_until(lambda: long.state == "STARTED", 20, "the task to start")
    (pid,) = [each["pid"] for each in app.ask("status")["slots"] if each["active"]]
    crash(node, name)
    quick = [app.send_task("tasks.add", [number, 1]) for number in range(50)]
    assert [each.get(timeout=30) for each in quick] == list(range(1, 51))
    assert long.get(timeout=30) == pid, "the task ran to its end where it was"
    assert app.ask("ping", timeout=10.0)
    wait_until(lambda: len(node.roster.processes) == 2, 10, "two slots")


@pytest.mark.parametrize("name", ["slot-0", "slots", "zygote"])
def test_a_hard_limit_is_kept_once_and_in_time_though_who_watches_it_crashes(node: Node, app: App, name: str) -> None:
    wait_until(lambda: len(node.roster.processes) == 2, 20, "two slots")
    limited = [app.send_task("tasks.nap", [60], time_limit=2.0) for _ in range(2)]
    wait_until(lambda: all(each.state == "STARTED" for each in limited), 20, "the tasks to start")
    started = time.monotonic()
    before = {process.pid for process in node.roster.processes.values()}
    for _ in range(3):
        crash(node, name)
    for each in limited:
        with pytest.raises(TimeLimitExceeded):
            each.get(timeout=20)
    assert time.monotonic() - started < 2.0 + 3
    wait_until(lambda: len(node.roster.processes) == 2, 10, "two slots")
    after = {process.pid for process in node.roster.processes.values()}
    assert not before & after
    assert app.send_task("tasks.nap", [0.0]).get(timeout=20) in after, "those were killed once, not their successors"


def test_restarts_leave_nothing_behind(node: Node, app: App) -> None:
    for name in COMPONENTS:
        crash(node, name)
    app.send_task("tasks.add", [1, 1]).get(timeout=30)
    wait_until(lambda: len(app.ask("status")["slots"]) == 2, 20, "both slots to be connected")
    # Slots outlive their zygote, so they say nothing of whether the new one has come far enough to bear its name.
    wait_until(lambda: count_resources()["actorq:zy"] == 1, 20, "the zygote to have its name")
    # The hub answers for itself before its own link is there: that one's sockets belong to the baseline, too.
    wait_until(lambda: find(node, "link").proxy().is_connected.get() is True, 20, "the link to be connected")
    before = count_resources()
    for place in range(ROUNDS):
        crash(node, COMPONENTS[place % len(COMPONENTS)])
    for place in range(ROUNDS):
        wait_until(lambda: node.roster.processes.get(place % 2) is not None, 20, "the slot to be there")  # noqa: B023
        process = node.roster.processes[place % 2]
        process.kill()
        wait_until(lambda: node.roster.processes.get(place % 2) not in (None, process), 20, "another slot")  # noqa: B023
    assert app.send_task("tasks.add", [1, 1]).get(timeout=30) == 2
    give_up_at = time.monotonic() + 20
    while more := count_resources() - before:
        assert time.monotonic() < give_up_at, f"before {before}, more than that: {more}"
        time.sleep(0.1)
    assert len(list(app.home.runtime.glob("*.sock"))) == 1
    wait_until(lambda: len(list(app.home.lines.glob("*.line"))) == 2, 10, "the lines of the dead to be cleared away")


def test_a_node_whose_tree_gives_up_says_so_with_its_exit_code(node: Node) -> None:
    root = find(node, "node")
    root.cell.exit(None, Crashed("InjectedError", "for a test"))
    wait_until(lambda: node.has_ended, 20, "the tree to end")
    assert node.finish() == 1
