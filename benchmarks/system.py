"""What every measured system has to offer, and how its processes are started, read and stopped.

The client is the process that measures, so its processor time is that process's own; workers and brokers are children
and are read from outside. Whatever was started here is stopped here, by its own process id.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import psutil

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT: Final = Path(__file__).resolve().parent.parent
CONCURRENCY: Final = 2
START_TIMEOUT_S: Final = 30.0
STOP_TIMEOUT_S: Final = 10.0


class Unavailable(Exception):
    """This system, or one of its measures, can't be had here; the text says why."""


class System(ABC):
    """One system in one process's life: made, opened, measured, closed. Arguments of the no-op are `first … first+n-1`."""

    name: ClassVar[str]
    title: ClassVar[str]
    durability: ClassVar[str]  # what survives once the system has said yes
    live_note: ClassVar[str] = ""
    has_backlog: ClassVar[bool] = True  # tasks can wait without a worker
    has_embedded_broker: ClassVar[bool] = False  # there is no running it without
    window: ClassVar[int | None] = None  # most tasks it may have under way before it drops some

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.brokers: list[subprocess.Popen[bytes]] = []
        self.workers: list[subprocess.Popen[bytes]] = []

    @abstractmethod
    def open(self, *, live: bool) -> None:
        """Start the broker and connect. `live`: a worker will run from the start."""

    @abstractmethod
    def start_worker(self) -> None:
        """Start `CONCURRENCY` worker processes; returns at once."""

    @abstractmethod
    def call(self, value: int) -> int:
        """Send one task and wait for its result."""

    @abstractmethod
    def send_loop(self, first: int, count: int) -> list[Any]:
        """Send tasks one call at a time and return what is needed to collect them."""

    def send_clock(self) -> Any:
        """Send a task whose result is `time.monotonic()` at its run: that clock is the same in all processes."""
        raise Unavailable("nothing waits without a worker")

    def send_bulk(self, first: int, count: int) -> list[Any]:
        """Send tasks by the call the system has for many."""
        raise Unavailable("has none")

    def confirm(self) -> None:  # noqa: B027  most systems have confirmed when they return
        """Wait until everything sent is as safe as it gets."""

    @abstractmethod
    def collect(self, handles: Sequence[Any]) -> list[Any]:
        """Wait for all results, in order."""

    def close(self) -> None:
        """Stop what was started."""
        for process in (*self.workers, *self.brokers):
            stop(process)
        self.workers, self.brokers = [], []

    def broker_pids(self) -> list[int]:
        """Return the processes that count as the broker."""
        return [process.pid for process in self.brokers]

    def worker_pids(self) -> list[int]:
        """Return the processes that count as workers."""
        return [pid for process in self.workers for pid in tree_of(process.pid)]

    def spawn(self, *command: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start a process from the repository's root; its output goes into the folder."""
        log = self.folder / f"{Path(command[0]).name}-{time.monotonic_ns()}.log"
        with log.open("wb") as out:
            return subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env={**os.environ, **environment}
            )

    def spawn_python(self, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start `python …` with the interpreter of this process."""
        return self.spawn(sys.executable, *arguments, **environment)

    def logs(self) -> str:
        """Return the ends of the processes' outputs."""
        return "\n".join(
            f"{path.name}: {path.read_text(errors='replace')[-1500:]}" for path in self.folder.glob("*.log")
        )


class OnRedis(System):
    """A system whose broker is a Redis server of our own: loopback, a free port, append-only file, synced every second."""

    durability = "process; power: last second lost"
    url: str

    def open(self, *, live: bool) -> None:
        port = free_port()
        self.url = f"redis://127.0.0.1:{port}/0"
        os.environ["BENCH_REDIS_URL"] = self.url
        self.brokers.append(start_redis(self, port))
        self.connect()

    @abstractmethod
    def connect(self) -> None:
        """Import the peer and connect to `self.url`."""


def start_redis(system: System, port: int) -> subprocess.Popen[bytes]:
    """Start a Redis server for `system` and wait until it answers."""
    program = shutil.which("redis-server")
    if program is None:
        raise Unavailable("redis-server isn't installed (apt-get install redis-server)")
    server = system.spawn(
        program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(system.folder), "--save", "",
        "--appendonly", "yes", "--appendfsync", "everysec", "--daemonize", "no",
    )  # fmt: skip
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.sendall(b"PING\r\n")
            if connection.recv(64).startswith(b"+PONG"):
                return server
        time.sleep(0.02)
    raise Unavailable(f"redis-server didn't answer within {START_TIMEOUT_S:g} s")


def free_port() -> int:
    """Return a loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def tree_of(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    try:
        process = psutil.Process(pid)
        return [pid, *(child.pid for child in process.children(recursive=True))]
    except psutil.NoSuchProcess:
        return []


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process and its descendants: politely, then by force."""
    family = [psutil.Process(pid) for pid in tree_of(process.pid) if psutil.pid_exists(pid)]
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_TIMEOUT_S)
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):  # psutil checks that the number wasn't given to somebody else
            member.kill()
    process.wait()


def cpu_seconds(pids: Sequence[int]) -> float:
    """Return the processor time that these processes have used so far."""
    total = 0.0
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = psutil.Process(pid).cpu_times()
            total += times.user + times.system
    return total


def pss_bytes(pids: Sequence[int]) -> int:
    """Return the memory of these processes, shared pages divided among those that share them."""
    total = 0
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            total += psutil.Process(pid).memory_full_info().pss
    return total
