"""actorq, by its public interface and command line only.

Live: one node with two slots, its main process counted as the broker, the slots and their zygote as workers. For a
backlog: a node without slots takes the tasks, then a second node with two slots joins the same home.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from actorq import App
from benchmarks.system import CONCURRENCY, System, tree_of

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence
    from pathlib import Path

CONFIRM_TIMEOUT_S = 120.0


def noop(value: int) -> int:
    return value


def clock() -> float:
    return time.monotonic()


app = App("bench")  # the node's; the client has one on the home of its measure
app.task(name="noop")(noop)
app.task(name="clock")(clock)


class Actorq(System):
    name = "actorq"
    title = "actorq"
    durability = "power"
    has_embedded_broker = True

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.home = str(folder / "home")
        self.app = App("bench", home=self.home)
        self.noop = self.app.task(name="noop")(noop)
        self.clock = self.app.task(name="clock")(clock)

    def open(self, *, live: bool) -> None:
        if not live:
            self.brokers.append(self._start_node(0))
            self.noop.delay(0).confirm(timeout=CONFIRM_TIMEOUT_S)

    def start_worker(self) -> None:
        self.workers.append(self._start_node(CONCURRENCY))

    def _start_node(self, slots: int) -> subprocess.Popen[bytes]:
        arguments = ("node", "-A", "benchmarks.actorq_bench:app", "-c", str(slots), "--home", self.home)
        return self.spawn_python("-m", "actorq", *arguments)

    def call(self, value: int) -> int:
        return self.noop.delay(value).get(timeout=60)

    def send_loop(self, first: int, count: int) -> list[Any]:
        delay = self.noop.delay
        return [delay(value) for value in range(first, first + count)]

    def send_clock(self) -> Any:
        return self.clock.delay()

    def send_bulk(self, first: int, count: int) -> list[Any]:
        return list(self.noop.delay_many((value,) for value in range(first, first + count)))

    def confirm(self) -> None:
        self.app.flush(timeout=CONFIRM_TIMEOUT_S)

    def collect(self, handles: Sequence[Any]) -> list[Any]:
        return [result.get(timeout=600) for result in handles]

    def broker_pids(self) -> list[int]:
        return [process.pid for process in (*self.brokers, *self.workers)]

    def worker_pids(self) -> list[int]:
        mains = self.broker_pids()
        return [pid for main in mains for pid in tree_of(main) if pid not in mains]

    def close(self) -> None:
        self.app.close()
        super().close()


SYSTEM = Actorq
