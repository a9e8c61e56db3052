"""A home, a broker and a node for each test."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from actorq.slot.orders import AppReady
from actorq.transport.paths import Home
from tests.integration.slot.harness import FakeBroker, Node


@pytest.fixture
def home():
    folder = Path(tempfile.mkdtemp(prefix="aq"))
    yield Home(folder / "home", folder / "run").create()
    shutil.rmtree(folder)


@pytest.fixture
def broker(home):
    fake = FakeBroker(home)
    yield fake
    fake.close()


@pytest.fixture
def node(home):
    made = Node(home)
    made.first(AppReady)
    yield made
    made.close()
