"""An application in a temporary folder, and its home."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actorq.config import Settings
from actorq.node import components, launch, slot_actor
from actorq.node import node as node_module
from actorq.node.node import Node
from actorq.slot.zygote_process import ZygoteProcess
from actorq.supervisor.backoff import NO_BACKOFF
from actorq.testing.wait import wait_until
from tests.nodes import home_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TASKS = """
import asyncio, os, signal, time
from actorq import App

app = App("shop")

@app.task
def add(x: int, y: int) -> int:
    return x + y

@app.task
async def ping(host: str) -> str:
    await asyncio.sleep(0)
    return "pong " + host

@app.task
def fail(text: str) -> None:
    raise ValueError(text)

@app.task
def nap(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()

@app.task
def big(size: int) -> str:
    return "x" * size

@app.task(max_deliveries=3)
def poison() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)

@app.task(bind=True, max_retries=3)
def flaky(self) -> int:
    if self.request.retries < 2:
        raise self.retry(countdown=0.05)
    return self.request.retries
"""


@pytest.fixture
def source(request: pytest.FixtureRequest) -> str:
    return str(getattr(request.module, "TASKS", TASKS))


@pytest.fixture
def node(folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    """A node in this process, whose supervisors put up with any number of crashes."""
    monkeypatch.setenv("PYTHONPATH", str(folder))
    for module in (components, node_module):
        for name in ("ROOT_INTENSITY", "POOL_INTENSITY"):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, 10**6)
    monkeypatch.setattr(components, "ZYGOTE_BACKOFF", NO_BACKOFF)
    monkeypatch.setattr(slot_actor, "QUICK_DEATHS", 10**6)  # slots that are killed for a test don't earn a pause
    running = start_node(home)
    yield running
    running.stop()
    wait_until(lambda: running.has_ended, 20, "the node to end")
    assert running.finish() == 0


def start_node(home: Path) -> Node:
    """Start a node in this process; whoever does so ends it."""
    zygote = ZygoteProcess("tasks")
    zygote.start()
    info = launch.wait_for_app(zygote)
    running = Node(home_of(home).create(), Settings(concurrency=2), info, "node@test", zygote)
    running.start()
    return running
