"""A campaign: senders send, a node runs, and processes are killed at random until the dust settles."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Self

from actorq import App
from actorq.messages.states import READY_STATES
from actorq.testing.wait import wait_until
from tests.chaos.evidence import read_sent
from tests.nodes import ROOT, NodeProcess

if TYPE_CHECKING:
    from pathlib import Path

STATES_AT_ONCE = 2_000


class Campaign:
    """One home, its nodes and senders, and the evidence about them. Repeatable by its seed, as far as machines are."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.evidence = folder / "evidence"
        self.evidence.mkdir()
        self.rng = random.Random(seed)
        self.environ = {"CHAOS_EVIDENCE": str(self.evidence), "CHAOS_HOME": str(self.home)}
        self.nodes: list[NodeProcess] = []
        self.senders: list[subprocess.Popen[bytes]] = []
        self.killed: set[int] = set()
        self.kills = {"slot": 0, "node": 0, "sender": 0}

    # -- processes -----------------------------------------------------------------------------------------------------

    def start_node(self, slots: int = 2) -> NodeProcess:
        node = NodeProcess("tests.chaos.chaos_tasks", self.home, ROOT, slots, environ=self.environ).start().wait_ready()
        self.nodes.append(node)
        return node

    def start_sender(self, count: int, first: int, seconds: float = 0.0) -> subprocess.Popen[bytes]:
        log = self.folder / f"sent-{first}.log"
        log.touch()
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.sender", str(count), str(first), str(log), str(seconds)],
            cwd=ROOT,
            env={**os.environ, **self.environ},
        )
        self.senders.append(process)
        return process

    def kill_slot(self, node: NodeProcess | None = None) -> None:
        pids = (node or self.rng.choice(self.nodes)).slot_pids()
        if pids:
            self._kill(self.rng.choice(pids))
            self.kills["slot"] += 1

    def kill_node(self, node: NodeProcess) -> None:
        slots = node.slot_pids()
        self.killed.update(slots)  # they die with it
        node.kill()
        self.nodes.remove(node)
        self.kills["node"] += 1
        wait_until(lambda: not any(is_running(pid) for pid in slots), 10, "the slots to die with their node")

    def _kill(self, pid: int) -> None:
        self.killed.add(pid)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for sender in self.senders:
            if sender.poll() is None:
                sender.kill()
            sender.wait(10)
        for node in self.nodes:
            if node.returncode is None:
                node.kill()

    # -- evidence ------------------------------------------------------------------------------------------------------

    @property
    def sent(self) -> dict[str, int]:
        return read_sent(self.folder.glob("sent-*.log"))

    def progress(self) -> int:
        """Return a number that grows while tasks run: bytes of evidence. Cheap, so that it doesn't pace the campaign."""
        return sum(path.stat().st_size for path in self.evidence.glob("slot-*.log"))

    def wait_finished(self, timeout_s: float) -> dict[str, str]:
        """Wait until each task that was sent has a terminal state; return `{task_id: state}`."""
        states: dict[str, str] = {}
        give_up_at = time.monotonic() + timeout_s
        waiting = list(self.sent)
        with App("chaos-driver", home=self.home) as app:
            while waiting:
                part = waiting[:STATES_AT_ONCE]
                answer = app.ask("task_state", {"ids": part}, timeout=30.0)
                finished = {task_id: each["state"] for task_id, each in answer.items() if each["state"] in READY_STATES}
                states |= finished
                left = [task_id for task_id in part if task_id not in finished]
                assert time.monotonic() < give_up_at, (
                    f"{len(waiting)} tasks without an end, e.g. {[(each, answer[each]) for each in left[:3]]}"
                )
                waiting = waiting[len(part) :] + left
                if left:
                    time.sleep(0.2)
        return states


def is_running(pid: int) -> bool:
    """Return whether the process runs; a zombie doesn't."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return stat.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False
