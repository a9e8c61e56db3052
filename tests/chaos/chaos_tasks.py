"""Tasks that leave evidence outside of actorq: a log for each slot process, one line at each start and each end."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from actorq import App
from actorq.tasks.request import current

app = App("chaos", home=os.environ.get("CHAOS_HOME"))
_logs: dict[int, int] = {}


def note(event: str) -> None:
    """Append one line in one write; it survives the death of this process."""
    pid = os.getpid()
    if pid not in _logs:
        path = os.path.join(os.environ["CHAOS_EVIDENCE"], f"slot-{pid}.log")
        _logs[pid] = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    request = current.get()
    assert request is not None
    os.write(_logs[pid], f"{request.id} {pid} {event} {time.monotonic_ns()}\n".encode())


@app.task
def work(number: int, seconds: float = 0.0) -> int:
    note("start")
    if seconds:
        time.sleep(seconds)
    note("end")
    return number


@app.task(bind=True, max_retries=2)
def stutter(self: Any, number: int) -> int:
    if not self.request.retries:
        note("first")
        raise self.retry(countdown=0.05)
    note("start")
    note("end")
    return number


@app.task(max_deliveries=3)
def poison(number: int) -> int:
    note("start")
    os.kill(os.getpid(), signal.SIGKILL)
    return number


@app.task
def add(x: int, y: int) -> int:
    return x + y
