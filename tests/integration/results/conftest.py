"""A real node whose tasks send tasks, and an application that sends to it."""

from __future__ import annotations

import importlib
import sys

import pytest

from tests.nodes import NodeProcess

TASKS = """
import time
from actorq import App

app = App("shop")


@app.task
def add(x: int, y: int) -> int:
    return x + y


@app.task
def divide(x: int, y: int) -> float:
    return x / y


@app.task
def nap(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


@app.task
def family(depth: int) -> int:
    if depth:
        family.delay(depth - 1)
        app.send_task("tasks.family", (depth - 1,), task_id=f"chosen-{depth}-{time.time_ns()}")
    return depth


@app.task
def many(count: int) -> int:
    return len(add.delay_many((n, 1) for n in range(count)))


@app.task
def fails(count: int) -> None:
    add.delay(1, 1)
    raise ValueError("after sending")
"""


@pytest.fixture
def source(request: pytest.FixtureRequest) -> str:
    return str(getattr(request.module, "TASKS", TASKS))


@pytest.fixture
def node(folder, tmp_path):
    with NodeProcess("tasks", tmp_path / "home", folder) as started:
        yield started


@pytest.fixture
def tasks(node, monkeypatch):
    """The module with the tasks, whose application sends to the node."""
    monkeypatch.syspath_prepend(str(node.folder))
    monkeypatch.setenv("ACTORQ_HOME", str(node.home))
    yield importlib.import_module("tasks")
    sys.modules.pop("tasks").app.close()
