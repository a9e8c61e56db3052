"""A real node with two slots, and an application that asks it."""

from __future__ import annotations

import pytest

from actorq import App
from tests.nodes import NodeProcess

TASKS = """
import os, time
from actorq import App

app = App("shop")


@app.task
def add(x: int, y: int) -> int:
    return x + y


@app.task
def nap(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()
"""


@pytest.fixture
def source(request: pytest.FixtureRequest) -> str:
    return str(getattr(request.module, "TASKS", TASKS))


@pytest.fixture
def node(folder, home):
    with NodeProcess("tasks", home, folder, options=("-n", "shop-1")) as started:
        yield started


@pytest.fixture
def app(node):
    with App("shop", home=node.home) as made:
        yield made
