"""The standard library's ProcessPoolExecutor: no broker, nothing durable, the parent is client and dispatcher in one."""

from __future__ import annotations

import os
from concurrent.futures import Future, ProcessPoolExecutor
from typing import TYPE_CHECKING, Any

from benchmarks.system import CONCURRENCY, System, tree_of

if TYPE_CHECKING:
    from collections.abc import Sequence


def noop(value: int) -> int:
    return value


class ProcessPool(System):
    name = "process_pool"
    title = "ProcessPoolExecutor"
    durability = "none"
    has_backlog = False
    pool: ProcessPoolExecutor | None = None

    def open(self, *, live: bool) -> None:
        """Nothing to start before the workers."""

    def start_worker(self) -> None:
        self.pool = ProcessPoolExecutor(CONCURRENCY)

    def _pool(self) -> ProcessPoolExecutor:
        if self.pool is None:
            self.start_worker()
        assert self.pool is not None
        return self.pool

    def call(self, value: int) -> int:
        return self._pool().submit(noop, value).result(60)

    def send_loop(self, first: int, count: int) -> list[Any]:
        submit = self._pool().submit
        return [submit(noop, value) for value in range(first, first + count)]

    def collect(self, handles: Sequence[Future[int]]) -> list[Any]:
        return [future.result(600) for future in handles]

    def worker_pids(self) -> list[int]:
        return [pid for pid in tree_of(os.getpid()) if pid != os.getpid()]

    def close(self) -> None:
        if self.pool is not None:
            self.pool.shutdown(wait=True, cancel_futures=True)


SYSTEM = ProcessPool
