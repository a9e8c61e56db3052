"""Real nodes for tests: processes that are started in a temporary home and ended by their ids."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psutil

from actorq.testing.wait import wait_until
from actorq.transport.paths import Home, find_home
from actorq.transport.rendezvous import read_rendezvous

ROOT = Path(__file__).resolve().parents[1]
START_S = 20.0


@dataclass
class NodeProcess:
    """One `actorq node` of a test. `app` is what comes after -A; `folder` is where its module is."""

    app: str
    home: Path
    folder: Path
    slots: int = 2
    options: tuple[str, ...] = ()
    environ: dict[str, str] = field(default_factory=dict)
    module: str = "actorq"
    stdin: int = subprocess.DEVNULL
    process: subprocess.Popen[str] | None = None

    def start(self) -> Self:
        """Start it and return at once."""
        log = self.home.parent / f"node-{os.urandom(3).hex()}.log"
        self.log = log
        with log.open("w") as output:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", self.module, "node", "-A", self.app, "--home", str(self.home)),
                    *("-c", str(self.slots), *self.options),
                ],
                stdout=output,
                stderr=output,
                stdin=self.stdin,
                text=True,
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": os.pathsep.join((str(self.folder), str(ROOT))), **self.environ},
            )
        return self

    def wait_ready(self) -> Self:
        """Wait until the node says that it is up."""
        wait_until(lambda: "actorq node" in self.output or self.returncode is not None, START_S, "the node to start")
        assert self.returncode is None, self.output
        return self

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def returncode(self) -> int | None:
        assert self.process is not None
        return self.process.poll()

    @property
    def output(self) -> str:
        """Everything it has printed so far."""
        return self.log.read_text()

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Return what it and its slots have logged under this name, oldest first."""
        lines = [line for line in self.output.splitlines() if line.startswith("{") and event in line]
        found: list[dict[str, Any]] = [json.loads(line) for line in lines if line.endswith("}")]
        return [each for each in found if each["event"] == event]

    def slot_pids(self) -> list[int]:
        """Return its slots' processes: children that aren't the zygote and run."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return [
                child.pid
                for child in psutil.Process(self.pid).children()
                if child.status() != psutil.STATUS_ZOMBIE
                and child.name().startswith("actorq:")
                and child.name() != "actorq:zygote"
            ]
        return []

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(20)

    def stop(self, number: int = signal.SIGTERM, timeout_s: float = 30.0) -> int:
        """End it in order and return its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout_s)

    def __enter__(self) -> Self:
        if self.process is None:
            self.start()
        return self.wait_ready()

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(20)


def home_of(path: Path) -> Home:
    return find_home("test", home=path)


def hub_pid(path: Path) -> int | None:
    """Return the process of the broker of this home, if one lives."""
    found = read_rendezvous(home_of(path))
    return found.pid if found else None


def actorq(*arguments: str, cwd: Path, timeout_s: float = 60.0, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    return subprocess.run(
        [sys.executable, "-m", "actorq", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        timeout=timeout_s,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(cwd), str(ROOT))), **environ},
    )


def ask(home: Path, cwd: Path, *arguments: str) -> Any:
    """Run an asking verb with --json and return what it printed."""
    done = actorq(*arguments, "--home", str(home), "--json", cwd=cwd)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
