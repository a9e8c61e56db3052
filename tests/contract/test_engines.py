"""Each engine keeps what the protocol promises."""

from __future__ import annotations

import itertools
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from actorq.engine import MemoryEngine, MemoryStorage, SqliteEngine
from actorq.testing.clock import FakeClock
from actorq.testing.engine_contract import EngineContract

if TYPE_CHECKING:
    from pathlib import Path

    from actorq.engine.store import Durability


class MemoryHarness:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.storage = MemoryStorage()

    def make(self) -> MemoryEngine:
        return MemoryEngine(self.storage, clock=self.clock)

    def kill(self, engine: MemoryEngine) -> None:
        self.storage.kill_owner()


class SqliteHarness:
    """A killed engine's files are copied as they are: what a reader finds after a kill is what the kernel has."""

    def __init__(self, folder: Path, durability: Durability) -> None:
        self.clock = FakeClock()
        self.folder = folder
        self.durability = durability
        self.home = folder / "home0"
        self.kills = 0

    def make(self) -> SqliteEngine:
        return SqliteEngine(self.home / "store.db", durability=self.durability, clock=self.clock)

    def kill(self, engine: SqliteEngine) -> None:
        self.kills += 1
        image = self.folder / f"home{self.kills}"
        shutil.copytree(self.home, image)
        engine.close()  # of the copy's original, which nobody looks at any more
        shutil.rmtree(self.home)
        self.home = image


class TestMemoryEngine(EngineContract):
    @pytest.fixture
    def make_harness(self):
        return MemoryHarness


class TestSqliteEngine(EngineContract):
    @pytest.fixture(params=["power", "process"])
    def make_harness(self, request, tmp_path):
        numbers = itertools.count()

        def make() -> SqliteHarness:
            folder = tmp_path / str(next(numbers))
            os.mkdir(folder)
            return SqliteHarness(folder, request.param)

        return make
