"""Task code that ends in ways no function should: each has its documented state, and the pool is whole afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from actorq import App
from actorq.errors import SlotLost
from actorq.testing.wait import wait_until
from tests.nodes import NodeProcess, ask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TASKS = """
import ctypes, os, signal, sys
from actorq import App

app = App("shop")

@app.task
def pid():
    return os.getpid()

@app.task
def exits():
    sys.exit(7)

@app.task
def interrupts():
    raise KeyboardInterrupt

@app.task
def recurses():
    return recurses() + 1

@app.task
def hoards():
    return len(bytearray(1 << 60))

@app.task
def leaves():
    os._exit(7)

@app.task
def segfaults():
    ctypes.string_at(0)

@app.task
def aborts():
    os.abort()

@app.task
def kills():
    os.kill(os.getpid(), signal.SIGKILL)

@app.task
def forks():
    if os.fork() == 0:
        return "the child comes back, too"
    os.wait()
    return "once"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("code")
    (path / "tasks.py").write_text(TASKS)
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("node") / "home"


@pytest.fixture(scope="module")
def node(folder: Path, place: Path) -> Iterator[NodeProcess]:
    with NodeProcess("tasks", place, folder) as running:
        yield running
        assert running.stop() == 0


@pytest.fixture
def app(place: Path) -> Iterator[App]:
    with App("shop", home=place) as found:
        yield found


def send(app: App, name: str) -> Any:
    return app.send_task(f"tasks.{name}")


def is_whole(node: NodeProcess, folder: Path, place: Path) -> bool:
    slots = ask(place, folder, "status")["slots"]
    return len(slots) == 2 and {slot["pid"] for slot in slots} == set(node.slot_pids())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("exits", "SystemExit"),
        ("interrupts", "KeyboardInterrupt"),
        ("recurses", "RecursionError"),
        ("hoards", "MemoryError"),
    ],
)
def test_what_python_can_catch_fails_the_task_and_its_process_goes_on(
    node: NodeProcess, folder: Path, place: Path, app: App, *, name: str, said: str
) -> None:
    wait_until(lambda: is_whole(node, folder, place), 20, "both slots")
    before = set(node.slot_pids())
    failed = send(app, name)
    error = failed.get(timeout=20, propagate=False)
    assert failed.state == "FAILURE"
    assert said in repr(error)
    assert set(node.slot_pids()) == before
    assert send(app, "pid").get(timeout=20) in before


@pytest.mark.parametrize(
    ("name", "cause"),
    [("leaves", "exit code 7"), ("segfaults", "SIGSEGV"), ("aborts", "SIGABRT"), ("kills", "SIGKILL")],
)
def test_what_takes_its_process_along_is_given_up_after_its_deliveries_and_the_process_replaced(
    node: NodeProcess, folder: Path, place: Path, app: App, *, name: str, cause: str
) -> None:
    good = [send(app, "pid") for _ in range(5)]
    lost = send(app, name)
    good += [send(app, "pid") for _ in range(5)]
    with pytest.raises(SlotLost) as caught:
        lost.get(timeout=30)
    assert cause in str(caught.value)
    assert "3 times" in str(caught.value), "after as many deliveries as it may have"
    assert lost.state == "FAILURE"
    assert all(result.get(timeout=30) for result in good)
    wait_until(lambda: is_whole(node, folder, place), 20, "the pool to be whole again")


def test_a_child_that_comes_back_from_a_task_is_no_second_slot(
    node: NodeProcess, folder: Path, place: Path, app: App
) -> None:
    assert send(app, "forks").get(timeout=20) == "once"
    wait_until(lambda: is_whole(node, folder, place), 20, "the pool to be as it was")
    assert send(app, "pid").get(timeout=20) in node.slot_pids()
