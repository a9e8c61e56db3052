from __future__ import annotations

import pytest

from actorq.actors import System
from tests.unit.supervisor.members import Gated, Harness


@pytest.fixture
def system():
    system = System("test")
    yield system
    system.shutdown()


@pytest.fixture
def harness(system):
    return Harness(system)


@pytest.fixture
def gated():
    gated = Gated()
    yield gated
    gated.gate.set()
