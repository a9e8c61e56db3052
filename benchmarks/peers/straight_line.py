"""The limit to be close to: the same path in straight-line Python, without leases, retries, routing or recovery.

client DEALER → broker ROUTER + SQLite (a row a task, power-safe) → worker DEALER, frames of 256 tasks. A batch is
confirmed after its commit, a result is pushed after its commit, and whatever arrived by then shares that commit.

    client → broker   P [id, …]      broker → client   C [count]   R [[id, value], …]
    worker → broker   H []   D [[id, value], …]         broker → worker   T [[id, value], …]
"""

from __future__ import annotations

import sqlite3
import sys
import time
from collections import deque
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import zmq

from benchmarks.system import CONCURRENCY, System

if TYPE_CHECKING:
    from collections.abc import Sequence

BATCH: Final = 256
CREDIT: Final = 2  # batches at a worker: one that runs, one that waits
encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder().decode
Pair = tuple[int, float]


CLOCK: Final = -1  # the argument of the one task that tells the time


def noop(value: int) -> float:
    return value if value != CLOCK else time.monotonic()


class Broker:
    """One thread, one transaction a turn."""

    def __init__(self, folder: str) -> None:
        self.database = sqlite3.connect(str(Path(folder, "line.db")), isolation_level=None)
        for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL"):
            self.database.execute(f"PRAGMA {pragma}")
        self.database.execute("CREATE TABLE task (id INTEGER PRIMARY KEY, body BLOB)")
        self.database.execute("CREATE TABLE result (id INTEGER PRIMARY KEY, body BLOB)")
        self.socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.ROUTER)
        self.socket.set_hwm(0)
        self.socket.bind(f"ipc://{folder}/line.sock")
        self.waiting: deque[list[Pair]] = deque()
        self.credit: dict[bytes, int] = {}
        self.out: list[tuple[bytes, bytes]] = []
        self.client = b""

    def run(self) -> None:
        while True:
            self.socket.poll()
            self.database.execute("BEGIN")
            dirty = False
            for _ in range(64):
                try:
                    peer, frame = self.socket.recv_multipart(zmq.NOBLOCK)
                except zmq.Again:
                    break
                dirty |= self.take(peer, frame[:1], decode(frame[1:]))
            self.database.execute("COMMIT" if dirty else "ROLLBACK")
            for peer, frame in self.out:
                self.socket.send_multipart((peer, frame))
            self.out.clear()
            self.dispatch()

    def take(self, peer: bytes, kind: bytes, pairs: list[Pair]) -> bool:
        if kind == b"H":
            self.credit[peer] = CREDIT
            return False
        if kind == b"P":
            self.client = peer
            self.insert("task", pairs)
            self.waiting.append(pairs)
            self.out.append((peer, b"C" + encode(len(pairs))))
            return True
        # A worker's batch came from one client's batch: its ids are neighbours.
        self.database.execute("DELETE FROM task WHERE id BETWEEN ? AND ?", (pairs[0][0], pairs[-1][0]))
        self.insert("result", pairs)
        self.credit[peer] += 1
        self.out.append((self.client, b"R" + encode(pairs)))
        return True

    def insert(self, table: str, pairs: list[Pair]) -> None:
        rows = ",".join(["(?,?)"] * len(pairs))
        self.database.execute(f"INSERT INTO {table} VALUES {rows}", list(chain.from_iterable(pairs)))

    def dispatch(self) -> None:
        while self.waiting:
            peer = max(self.credit, key=lambda peer: self.credit[peer], default=b"")
            if not peer or not self.credit[peer]:
                return
            self.credit[peer] -= 1
            self.socket.send_multipart((peer, b"T" + encode(self.waiting.popleft())))


def work(folder: str) -> None:
    """Run tasks for ever."""
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
    socket.connect(f"ipc://{folder}/line.sock")
    socket.send(b"H" + encode([]))
    while True:
        pairs = decode(socket.recv()[1:])
        socket.send(b"D" + encode([(number, noop(value)) for number, value in pairs]))


class StraightLine(System):
    name = "straight_line"
    title = "straight-line pyzmq + SQLite"
    durability = "power"

    def open(self, *, live: bool) -> None:
        self.brokers.append(self.spawn_python("-m", "benchmarks.peers.straight_line", "broker", str(self.folder)))
        self.socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.set_hwm(0)
        self.socket.connect(f"ipc://{self.folder}/line.sock")
        self.next_id = 1
        self.unconfirmed = 0
        self.results: dict[int, float] = {}

    def start_worker(self) -> None:
        for _ in range(CONCURRENCY):
            self.workers.append(self.spawn_python("-m", "benchmarks.peers.straight_line", "worker", str(self.folder)))

    def call(self, value: int) -> int:
        handle = self.next_id
        self._put([(handle, value)])
        while handle not in self.results:
            self._receive()
        return int(self.results.pop(handle))

    def send_loop(self, first: int, count: int) -> list[Any]:
        batch: list[Pair] = []
        begin = self.next_id
        for value in range(first, first + count):
            batch.append((begin + value - first, value))
            if len(batch) == BATCH:
                self._put(batch)
                batch = []
        if batch:
            self._put(batch)
        return list(range(begin, begin + count))

    def send_clock(self) -> Any:
        return self.send_loop(CLOCK, 1)[0]

    def _put(self, batch: list[Pair]) -> None:
        self.socket.send(b"P" + encode(batch))
        self.next_id += len(batch)
        self.unconfirmed += len(batch)

    def _receive(self) -> None:
        frame = self.socket.recv()
        if frame[:1] == b"C":
            self.unconfirmed -= decode(frame[1:])
        else:
            self.results.update(decode(frame[1:]))

    def confirm(self) -> None:
        while self.unconfirmed:
            self._receive()

    def collect(self, handles: Sequence[int]) -> list[Any]:
        while any(handle not in self.results for handle in handles[-BATCH * CREDIT * CONCURRENCY :]):
            self._receive()
        while any(handle not in self.results for handle in handles):
            self._receive()
        return [self.results.pop(handle) for handle in handles]


SYSTEM = StraightLine

if __name__ == "__main__":
    if sys.argv[1] == "broker":
        Broker(sys.argv[2]).run()
    else:
        work(sys.argv[2])
