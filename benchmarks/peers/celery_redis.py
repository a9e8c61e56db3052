"""Celery on Redis, as its documentation starts it: prefork, results in the same Redis."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from celery import Celery

from benchmarks.system import CONCURRENCY, OnRedis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from celery.result import AsyncResult

app = Celery("bench")
app.conf.update(
    broker_url=os.environ.get("BENCH_REDIS_URL"),
    result_backend=os.environ.get("BENCH_REDIS_URL"),
    broker_connection_retry_on_startup=True,
)


@app.task(name="noop")
def noop(value: int) -> int:
    return value


@app.task(name="clock")
def clock() -> float:
    return time.monotonic()


class CeleryRedis(OnRedis):
    name = "celery_redis"
    title = "Celery + Redis"

    def connect(self) -> None:
        app.conf.update(broker_url=self.url, result_backend=self.url)

    def start_worker(self) -> None:
        arguments = ("-A", "benchmarks.peers.celery_redis", "worker", "-c", str(CONCURRENCY), "--loglevel=ERROR")
        self.workers.append(self.spawn_python("-m", "celery", *arguments))

    def call(self, value: int) -> int:
        result: int = noop.delay(value).get(timeout=60)
        return result

    def send_loop(self, first: int, count: int) -> list[Any]:
        return [noop.delay(value) for value in range(first, first + count)]

    def send_clock(self) -> Any:
        return clock.delay()

    def collect(self, handles: Sequence[AsyncResult]) -> list[Any]:
        return [result.get(timeout=600) for result in handles]


SYSTEM = CeleryRedis
