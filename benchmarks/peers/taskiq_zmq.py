"""Taskiq over its ZeroMQ broker, results in Redis.

The broker is a PUB socket in the client: every worker process gets every task, so there can be only one; what is sent
while none listens, or beyond the socket's high-water mark, is lost. So there is no backlog to drain, and at most
`window` tasks are under way at a time.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

from taskiq.brokers.zmq_broker import ZeroMQBroker
from taskiq_redis import RedisAsyncResultBackend

from benchmarks.system import OnRedis, free_port

if TYPE_CHECKING:
    from collections.abc import Sequence

broker = ZeroMQBroker(
    zmq_pub_host=os.environ.get("BENCH_ZMQ_URL", "tcp://127.0.0.1:5555"),
    zmq_sub_host=os.environ.get("BENCH_ZMQ_URL", "tcp://127.0.0.1:5555"),
).with_result_backend(RedisAsyncResultBackend(os.environ.get("BENCH_REDIS_URL", "redis://127.0.0.1:1/0")))


@broker.task(task_name="noop")
async def noop(value: int) -> int:
    return value


class TaskiqZmq(OnRedis):
    name = "taskiq_zmq"
    title = "Taskiq + ZeroMQ (+ Redis results)"
    durability = "none"
    live_note = "one worker process, the broker can't divide tasks between two"
    has_backlog = False
    window = 500

    def connect(self) -> None:
        address = f"tcp://127.0.0.1:{free_port()}"
        os.environ["BENCH_ZMQ_URL"] = address
        broker.pub_host = address
        broker.with_result_backend(RedisAsyncResultBackend(self.url))
        self.loop = asyncio.new_event_loop()
        self.loop.run_until_complete(broker.startup())

    def start_worker(self) -> None:
        arguments = ("worker", "benchmarks.peers.taskiq_zmq:broker", "-w", "1", "--log-level", "ERROR")
        self.workers.append(self.spawn_python("-m", "taskiq", *arguments))

    def call(self, value: int) -> int:
        return self.loop.run_until_complete(self._call(value))

    async def _call(self, value: int) -> int:
        while True:
            task = await noop.kiq(value)
            try:
                # Sent again only while the worker isn't there yet.
                answer = await task.wait_result(check_interval=0.001, timeout=0.1 if value == 0 else 60)
            except Exception as error:
                if value == 0 and "imeout" in type(error).__name__:
                    continue
                raise
            return answer.return_value

    def send_loop(self, first: int, count: int) -> list[Any]:
        return self.loop.run_until_complete(self._send(first, count))

    async def _send(self, first: int, count: int) -> list[Any]:
        return [await noop.kiq(value) for value in range(first, first + count)]

    def collect(self, handles: Sequence[Any]) -> list[Any]:
        return self.loop.run_until_complete(self._collect(handles))

    async def _collect(self, handles: Sequence[Any]) -> list[Any]:
        return [(await task.wait_result(check_interval=0.001, timeout=60)).return_value for task in handles]

    def close(self) -> None:
        super().close()
        if hasattr(self, "loop"):
            self.loop.close()


SYSTEM = TaskiqZmq
