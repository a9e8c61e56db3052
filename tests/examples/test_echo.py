"""The echo server as a real program: it goes on when its worker crashes, gives up when it must, and ends when told to."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import zmq

from actorq import Supervisor, System
from actorq.supervisor import CountChildren, Tree, WhichChildren
from actorq.testing.wait import wait_until
from examples import echo_client, echo_server

ROOT = Path(__file__).resolve().parent.parent.parent
ANYWHERE = "tcp://127.0.0.1:*"
END_S = 10  # for a program that takes a fraction of a second


class Program:
    """The server in a process of its own."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "examples.echo_server", ANYWHERE]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
        )
        self.told: list[str] = []
        self.endpoint = self.read_until(r"server is up at (\S+)")

    def read_until(self, pattern: str) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.told.append(line.rstrip())
            if found := re.search(pattern, line):
                return found[1] if found.groups() else found[0]
        raise AssertionError(f"expected {pattern!r}, got {self.told}, then the end")

    def ask(self, *texts: str) -> tuple[int, list[str]]:
        command = [sys.executable, "-m", "examples.echo_client", "--at", self.endpoint, *texts]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
        return done.returncode, [line for line in done.stdout.splitlines() if line.startswith("<")]

    def end(self) -> int:
        told, _ = self.process.communicate(timeout=END_S)
        self.told += told.splitlines()
        return self.process.returncode


@pytest.fixture
def program():
    started = Program()
    yield started
    started.process.kill()
    started.process.communicate()


@pytest.mark.slow
def test_the_worker_crashes_and_the_server_goes_on_until_a_signal_ends_it(program):
    code, answers = program.ask("hello", "again", "crash", "hello again")
    assert code == 0
    assert re.fullmatch(r"< hello \(echo 1 of worker #\d+\)", answers[0])
    assert answers[1].startswith("< again (echo 2 of ")
    assert answers[2] == "< no echo: this text is a bug in the worker"
    assert answers[3].startswith("< hello again (echo 1 of ")
    program.process.send_signal(signal.SIGINT)
    assert program.end() == 0
    assert program.told[-1] == "ended by a signal"
    assert program.told[-3].startswith("server ends: shutdown; 3 answered, 1 failed")
    assert sum(line.endswith("is up") for line in program.told) == 2  # two workers


@pytest.mark.slow
def test_more_bugs_than_the_supervisor_puts_up_with_end_the_program_with_1(program):
    asked = threading.Thread(target=program.ask, args=["crash"] * 6)
    asked.start()
    assert program.end() == 1
    assert program.told[-1].startswith("gave up: ")
    asked.join()


@pytest.fixture
def served():
    """The same tree in this process."""
    threads, descriptors = set(threading.enumerate()), len(os.listdir("/proc/self/fd"))
    with zmq.Context() as context, System("echo") as system:
        tree = echo_server.plan_tree(context, ANYWHERE)
        system.spawn(Supervisor, name="root", **tree)
        yield system
    wait_until(lambda: set(threading.enumerate()) <= threads, what="the threads to be gone")
    wait_until(lambda: len(os.listdir("/proc/self/fd")) <= descriptors, what="the descriptors to be closed")


def test_nothing_is_left_of_the_tree_when_it_was_shut_down(served):
    assert served.ref("root").ask(CountChildren()).active == 2


def test_only_the_worker_is_another_one_after_a_crash_and_the_tree_shows_why(served):
    root, worker = served.ref("root"), served.ref("worker", wait_s=5.0)
    before = {child.id: child.ref for child in root.ask(WhichChildren())}
    with pytest.raises(ValueError, match="a bug in the worker"):
        worker.ask(echo_server.Echo("crash"))
    wait_until(lambda: served.whereis("worker") not in (None, before["worker"]), what="a fresh worker")
    assert worker.ask(echo_server.Echo("x")).startswith("x (echo 1 of")
    after = {child.id: child.ref for child in root.ask(WhichChildren())}
    assert after["server"] == before["server"]
    assert after["worker"] != before["worker"]
    shown = {child["id"]: child for child in root.ask(Tree())["children"]}
    assert shown["worker"]["restarts"] == 1
    assert "a bug in the worker" in shown["worker"]["last_error"]


def test_the_server_survives_strangers_and_clients_that_leave(served):
    endpoint = served.whereis("server").proxy().socket.get().getsockopt_string(zmq.LAST_ENDPOINT)
    with zmq.Context() as context:
        with context.socket(zmq.DEALER) as stranger:
            stranger.setsockopt(zmq.LINGER, 0)
            stranger.connect(endpoint)
            stranger.send(b"only one frame")
            stranger.send_multipart([b"1", b"\xff\xfe"])
        with context.socket(zmq.DEALER) as socket:
            socket.setsockopt(zmq.LINGER, 0)
            socket.connect(endpoint)
            answer = echo_client.request(socket, 1, "still there?")
    assert answer is not None
    assert answer.startswith("still there? (echo ")
