"""Time the embedded engine beside a straight-line SQLite script doing the same writes, in the same run.

    python benchmarks/bench_engine.py [--tasks 50000] [--rounds 3] [--folder DIR]

Prints microseconds per task (median of the rounds, which alternate) and the ratio to the script. The script has no
leases, tokens, priorities, counts, expiry or mark: it is the price of the disk and of SQLite, the rest is ours.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sqlite3
import statistics
import tempfile
import time
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from actorq.engine import NewTask, Settlement, SqliteEngine, Transaction
from actorq.messages.ids import make_key
from actorq.messages.task import ResultRecord, TaskMessage

if TYPE_CHECKING:
    from collections.abc import Callable

    from actorq.engine.store import Durability

BODY = os.urandom(100)
SUCCESS = 4
DURABILITIES: Final[tuple[Durability, ...]] = ("power", "process")
T = TypeVar("T")
SYNCHRONOUS = {"power": "FULL", "process": "NORMAL"}


def make_messages(count: int) -> list[TaskMessage]:
    return [TaskMessage(number, "shop.add", BODY, sent_at=1.7e9) for number in range(1, count + 1)]


class Straight:
    """The straight line: the same rows, nothing around them."""

    def __init__(self, path: Path, durability: Durability) -> None:
        self.connection = connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {SYNCHRONOUS[durability]}")
        connection.execute("CREATE TABLE tasks (key INTEGER PRIMARY KEY, message BLOB NOT NULL)")
        connection.execute("CREATE TABLE results (key INTEGER PRIMARY KEY, record BLOB NOT NULL)")
        self.encode = msgspec.msgpack.Encoder().encode

    def put(self, messages: list[TaskMessage]) -> None:
        values = list(chain.from_iterable((message.number, self.encode(message)) for message in messages))
        self._write(lambda: self._insert("tasks", values))

    def settle(self, results: list[ResultRecord]) -> None:
        def work() -> None:
            first, last = results[0].key, results[-1].key
            self.connection.execute("DELETE FROM tasks WHERE key BETWEEN ? AND ?", (first, last))
            self._insert("results", values)

        values = list(chain.from_iterable((result.key, self.encode(result)) for result in results))
        self._write(work)

    def straight(self, results: list[ResultRecord]) -> None:
        values = list(chain.from_iterable((result.key, self.encode(result)) for result in results))
        self._write(lambda: self._insert("results", values))

    def close(self) -> None:
        self.connection.close()

    def _insert(self, table: str, values: list[object]) -> None:
        items = ",".join(["(?,?)"] * (len(values) // 2))
        self.connection.execute(f"INSERT INTO {table} VALUES {items}", values)

    def _write(self, work: Callable[[], None]) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        work()
        self.connection.execute("COMMIT")


def time_batches(items: list[T], size: int, act: Callable[[list[T]], object]) -> tuple[float, float]:
    """Return wall and CPU microseconds per item."""
    started, cpu = time.perf_counter(), time.process_time()
    for at in range(0, len(items), size):
        act(items[at : at + size])
    return (time.perf_counter() - started) / len(items) * 1e6, (time.process_time() - cpu) / len(items) * 1e6


def measure_engine(folder: Path, durability: Durability, tasks: int) -> dict[str, tuple[float, float]]:
    engine = SqliteEngine(folder / "store.db", durability=durability)
    engine.open()
    (no, _), (other, _) = engine.register_outbox(1), engine.register_outbox(2)
    times = {}
    messages = make_messages(tasks)
    half = tasks // 2
    news = [NewTask(make_key(no, message.number), message) for message in messages]
    times["put 100"] = time_batches(
        news[:half], 100, lambda batch: engine.commit(Transaction(puts=batch, taken={no: batch[-1].message.number}))
    )
    times["put 1000"] = time_batches(
        news[half:], 1000, lambda batch: engine.commit(Transaction(puts=batch, taken={no: batch[-1].message.number}))
    )
    leased = []
    times["lease 250"] = time_batches(news, 250, lambda _: leased.extend(engine.lease(["default"], 250)))
    settlements = [
        Settlement(task.key, task.token, ResultRecord(task.key, SUCCESS, BODY, 0, 1.7e9, 0.001)) for task in leased
    ]
    times["settle 250"] = time_batches(settlements, 250, lambda batch: engine.commit(Transaction(settled=batch)))
    results = [ResultRecord(make_key(other, number), SUCCESS, BODY, 0, 1.7e9, 0.001) for number in range(1, tasks + 1)]
    times["straight 250"] = time_batches(
        results,
        250,
        lambda batch: engine.commit(Transaction(straight=batch, taken={other: batch[-1].key & 0xFFFFFFFF})),
    )
    engine.close()
    return times


def measure_straight(folder: Path, durability: Durability, tasks: int) -> dict[str, tuple[float, float]]:
    script = Straight(folder / "straight.db", durability)
    times = {}
    messages = make_messages(tasks)
    half = tasks // 2
    times["put 100"] = time_batches(messages[:half], 100, script.put)
    times["put 1000"] = time_batches(messages[half:], 1000, script.put)
    results = [ResultRecord(message.number, SUCCESS, BODY, 0, 1.7e9, 0.001) for message in messages]
    times["settle 250"] = time_batches(results, 250, script.settle)
    more = [ResultRecord(message.number + (1 << 41), SUCCESS, BODY, 0, 1.7e9, 0.001) for message in messages]
    times["straight 250"] = time_batches(more, 250, script.straight)
    script.close()
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", default=None, help="on the disk to measure (default: the temporary folder)")
    options = parser.parse_args()
    print(
        f"{'':8} {'':14} {'engine':>8} {'(cpu)':>8} {'script':>8} {'(cpu)':>8} {'ratio':>6} {'(cpu)':>6}   us per task"
    )
    for durability in DURABILITIES:
        rounds: dict[str, list[dict[str, tuple[float, float]]]] = {"engine": [], "script": []}
        for _ in range(options.rounds):
            for name, measure in (("engine", measure_engine), ("script", measure_straight)):
                folder = Path(tempfile.mkdtemp(dir=options.folder))
                try:
                    rounds[name].append(measure(folder, durability, options.tasks))
                finally:
                    shutil.rmtree(folder)
        for step in rounds["engine"][0]:
            print_row(durability, step, rounds)


def print_row(durability: str, step: str, rounds: dict[str, list[dict[str, tuple[float, float]]]]) -> None:
    wall, cpu = (statistics.median(times[step][at] for times in rounds["engine"]) for at in (0, 1))
    if step not in rounds["script"][0]:
        print(f"{durability:8} {step:14} {wall:8.2f} {cpu:8.2f}")
        return
    script_wall, script_cpu = (statistics.median(times[step][at] for times in rounds["script"]) for at in (0, 1))
    print(
        f"{durability:8} {step:14} {wall:8.2f} {cpu:8.2f} {script_wall:8.2f} {script_cpu:8.2f} "
        f"{wall / script_wall:6.2f} {cpu / script_cpu:6.2f}"
    )


if __name__ == "__main__":
    main()
