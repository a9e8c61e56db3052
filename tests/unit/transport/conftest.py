from __future__ import annotations

import pytest

from actorq.actors import System
from actorq.transport.gateway import Gateway
from actorq.transport.heartbeat import HeartbeatPolicy
from tests.unit.transport.players import MESSAGES

QUICK = HeartbeatPolicy(interval_s=0.05, suspect_s=0.2, dead_s=0.5, lost_link_s=0.05)


@pytest.fixture
def make_node(tmp_path):
    """Return a function that makes a System with a gateway; nodes of one test share a folder."""
    systems = []

    def make(name, **kwargs):
        system = System(name)
        systems.append(system)
        kwargs = {"folder": tmp_path / "nodes", "messages": MESSAGES, "heartbeat": QUICK, **kwargs}
        system.spawn(Gateway, name="gateway", **kwargs)
        return system

    yield make
    for system in reversed(systems):
        system.shutdown()


@pytest.fixture
def nodes(make_node):
    return make_node("a"), make_node("b")
