"""Huey on SQLite: no server. Polling is tuned to a millisecond; as delivered (0.1 s) one call takes 80 ms."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huey import SqliteHuey

from benchmarks.system import CONCURRENCY, System, Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

POLL_S = 0.001
huey = SqliteHuey("bench", filename=os.environ.get("BENCH_HUEY_FILE", ":memory:"))


@huey.task()
def noop(value: int) -> int:
    return value


@huey.task()
def clock() -> float:
    return time.monotonic()


class HueySqlite(System):
    name = "huey_sqlite"
    title = "Huey + SQLite"
    durability = "power"
    live_note = "polls every 1 ms instead of 100 ms"

    def open(self, *, live: bool) -> None:
        self.file = str(self.folder / "huey.db")
        huey.storage.close()
        huey.storage.filename = self.file
        huey.storage.initialize_schema()

    def start_worker(self) -> None:
        program = Path(sys.executable).with_name("huey_consumer")
        found = str(program) if program.exists() else shutil.which("huey_consumer")
        if found is None:
            raise Unavailable("huey_consumer isn't on the path")
        arguments = ("-w", str(CONCURRENCY), "-k", "process", "-d", str(POLL_S), "-m", str(POLL_S), "-q")
        self.workers.append(
            self.spawn(
                found, "benchmarks.peers.huey_sqlite.huey", *arguments, BENCH_HUEY_FILE=self.file, PYTHONPATH="."
            )
        )

    def call(self, value: int) -> int:
        result: int = noop(value).get(blocking=True, timeout=60, backoff=1, max_delay=POLL_S)
        return result

    def send_loop(self, first: int, count: int) -> list[Any]:
        return [noop(value) for value in range(first, first + count)]

    def send_clock(self) -> Any:
        return clock()

    def collect(self, handles: Sequence[Any]) -> list[Any]:
        return [result.get(blocking=True, timeout=600, backoff=1, max_delay=POLL_S) for result in handles]


SYSTEM = HueySqlite
