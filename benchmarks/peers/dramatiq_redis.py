"""Dramatiq on Redis with results in the same Redis; two processes with the eight threads each that it starts by itself.

With one thread a process it fetches two messages at a time and drains a fifth as fast.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

from benchmarks.system import CONCURRENCY, OnRedis

if TYPE_CHECKING:
    from collections.abc import Sequence

_URL = os.environ.get("BENCH_REDIS_URL", "redis://127.0.0.1:1/0")
broker = RedisBroker(url=_URL)
backend = RedisBackend(url=_URL)
broker.add_middleware(Results(backend=backend))
dramatiq.set_broker(broker)


@dramatiq.actor(store_results=True)
def noop(value: int) -> int:
    return value


@dramatiq.actor(store_results=True)
def clock() -> float:
    return time.monotonic()


class DramatiqRedis(OnRedis):
    name = "dramatiq_redis"
    title = "Dramatiq + Redis"

    def connect(self) -> None:
        import redis

        broker.client = redis.Redis.from_url(self.url)
        backend.client = redis.Redis.from_url(self.url)
        # The broker's scripts were registered on the first client and are sent again by the new one when missing.
        broker.scripts = {name: broker.client.register_script(script.script) for name, script in broker.scripts.items()}

    def start_worker(self) -> None:
        arguments = ("-m", "dramatiq", "benchmarks.peers.dramatiq_redis", "-p", str(CONCURRENCY))
        self.workers.append(self.spawn_python(*arguments))

    def call(self, value: int) -> int:
        result: int = noop.send(value).get_result(block=True, timeout=60_000)
        return result

    def send_loop(self, first: int, count: int) -> list[Any]:
        return [noop.send(value) for value in range(first, first + count)]

    def send_clock(self) -> Any:
        return clock.send()

    def collect(self, handles: Sequence[dramatiq.Message]) -> list[Any]:
        return [message.get_result(block=True, timeout=600_000) for message in handles]


SYSTEM = DramatiqRedis
