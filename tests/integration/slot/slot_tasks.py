"""Tasks that do to their slot what tasks do."""

from __future__ import annotations

import ctypes
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from actorq.app import App
from actorq.errors import Ignore, Reject, Retry, SoftTimeLimitExceeded

app = App("slots", config={"accept_content": ["msgpack", "json", "pickle", "cloudpickle"]})


@app.task(name="add")
def add(x, y):
    return x + y


@app.task(name="nothing")
def nothing():
    return None


@app.task(name="append")
def append(path, text):
    """Evidence outside of actorq: one line, one write."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(fd, f"{text}\n".encode())
    os.close(fd)


@app.task(name="hold")
def hold(started, gate):
    """Run from when `started` appears until `gate` does."""
    Path(started).touch()
    while not os.path.exists(gate):
        time.sleep(0.001)
    return "held"


@app.task(name="die")
def die(number=signal.SIGKILL):
    os.kill(os.getpid(), number)


@app.task(name="leave")
def leave(code):
    os._exit(code)


@app.task(name="segfault")
def segfault():
    ctypes.string_at(0)


@app.task(name="draw")
def draw():
    return os.getpid(), random.getrandbits(64)


@app.task(name="big")
def big(size):
    return "x" * size


@app.task(name="fork_and_return")
def fork_and_return():
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
    return os.getpid()


@app.task(name="terminate_a_child")
def terminate_a_child():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    child.terminate()
    return child.wait(30)


@app.task(name="signal_self")
def signal_self():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(os.getpid(), number)
    return "still here"


@app.task(name="say")
def say(text):
    print(text)


@app.task(name="retry_at")
def retry_at(due_at):
    raise Retry("later", None, due_at)


@app.task(name="reject")
def reject(requeue):
    raise Reject("no", requeue)


@app.task(name="ignore")
def ignore():
    raise Ignore


@app.task(name="orphan")
def orphan():
    """Leave a process behind that outlives its parent's run."""
    return subprocess.Popen(["sleep", "60"], start_new_session=False).pid


@app.task(name="coroutine")
async def coroutine(x):
    import asyncio

    await asyncio.sleep(0)
    return x + 1, id(asyncio.get_running_loop())


@app.task(name="overrun")
def overrun():
    while True:
        time.sleep(10)


@app.task(name="overrun_and_catch")
def overrun_and_catch():
    try:
        while True:
            pass
    except SoftTimeLimitExceeded:
        return "cleaned up"


@app.task(name="overrun_in_a_coroutine")
async def overrun_in_a_coroutine():
    import asyncio

    await asyncio.sleep(60)


@app.task(name="recurse")
def recurse():
    def deeper(level):
        return deeper(level + 1)

    return deeper(0)


@app.task(name="exhaust")
def exhaust():
    raise MemoryError


@app.task(name="exit")
def leave_by_exception():
    sys.exit(3)


@app.task(name="interrupt")
def interrupt():
    raise KeyboardInterrupt


@app.task(name="where")
def where():
    return str(app.home.path)
