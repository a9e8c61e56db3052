"""Tasks that misbehave in every way a task can, and one that doesn't."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from typing import Any

from actorq import App

app = App("bad", home=os.environ.get("CHAOS_HOME"))
_grown: list[bytearray] = []


@app.task
def good(number: int) -> int:
    return number


@app.task(soft_time_limit=0.02)
def too_slow(number: int) -> int:
    time.sleep(5)
    return number


@app.task(time_limit=0.03)
def deaf(number: int) -> int:
    while True:
        try:
            time.sleep(5)
        except BaseException:
            pass


@app.task(max_deliveries=1)
def leaves(number: int) -> int:
    os._exit(3)


@app.task(max_deliveries=1)
def segfaults(number: int) -> int:
    ctypes.string_at(0)
    return number


@app.task(max_deliveries=2)
def kills_itself(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


@app.task
def exits(number: int) -> int:
    sys.exit(f"number {number}")


@app.task
def interrupts(number: int) -> int:
    raise KeyboardInterrupt


@app.task
def recurses(number: int) -> int:
    return recurses(number) + 1


@app.task
def returns_a_lock(number: int) -> Any:
    return threading.Lock()


@app.task
def raises_what_cant_travel(number: int) -> int:
    class Odd(Exception):
        def __init__(self, lock: object, number: int) -> None:
            super().__init__(lock, number)

    raise Odd(threading.Lock(), number)


@app.task
def grows(number: int) -> int:
    """Leaks a megabyte, really used, and succeeds."""
    _grown.append(bytearray(os.urandom(1)) * (1 << 20))
    return number
