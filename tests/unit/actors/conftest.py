from __future__ import annotations

import pytest

from actorq.actors import System


@pytest.fixture
def system():
    system = System("test")
    yield system
    system.shutdown()
