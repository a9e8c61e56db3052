"""Life, death and parenthood of processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from actorq.slot.process import (
    BETWEEN,
    become_subreaper,
    count_threads,
    die_at_end_of,
    die_with_parent,
    find_life_pipe,
    reap,
    reap_strays,
    set_process_name,
    wait_for_parent,
)
from actorq.testing.wait import wait_until


def fork(body):
    """Run `body` in a child that never comes back; return its pid."""
    pid = os.fork()
    if pid == 0:
        try:
            body()
        finally:
            os._exit(99)
    return pid


def end_of(pid):
    pidfd = os.pidfd_open(pid)
    causes: list[str] = []

    def is_dead():
        cause = reap(pidfd)
        if cause is not None:
            causes.append(cause)
        return causes

    wait_until(is_dead)
    assert reap(pidfd) == "unknown"  # it is told once
    os.close(pidfd)
    return causes[0]


@pytest.mark.parametrize("code", [0, 3])
def test_an_exit_is_told_by_its_code(code):
    assert end_of(fork(lambda: os._exit(code))) == f"exit code {code}"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGRTMIN + 3])
def test_a_signal_is_told_by_its_name(number):
    expected = "signal 37" if number == signal.SIGRTMIN + 3 else signal.Signals(number).name
    assert end_of(fork(lambda: os.kill(os.getpid(), number))) == expected


def test_a_living_child_has_no_cause_yet():
    child = subprocess.Popen(["sleep", "60"])
    pidfd = os.pidfd_open(child.pid)
    assert reap(pidfd) is None
    child.kill()
    child.wait()
    os.close(pidfd)


def test_the_end_of_a_life_pipe_kills_even_a_process_that_never_looks():
    read_fd, write_fd = os.pipe()
    ready_fd, tell_fd = os.pipe()

    def body():
        os.close(write_fd)
        die_at_end_of(read_fd)
        os.write(tell_fd, b"!")
        while True:
            pass

    pids = [fork(body), fork(body)]
    os.close(read_fd)
    for _ in pids:
        os.read(ready_fd, 1)
    os.close(write_fd)
    assert [end_of(pid) for pid in pids] == ["SIGKILL", "SIGKILL"]
    os.close(ready_fd)
    os.close(tell_fd)


def test_a_life_pipe_that_has_ended_already_ends_us_at_once():
    read_fd, write_fd = os.pipe()
    os.close(write_fd)
    assert end_of(fork(lambda: die_at_end_of(read_fd))) == "exit code 1"
    os.close(read_fd)


def test_a_process_has_one_life_pipe_and_its_forks_have_none_of_it():
    fd = find_life_pipe()
    assert find_life_pipe() == fd

    def body():
        try:
            os.fstat(fd)
        except OSError:
            os._exit(0)

    assert end_of(fork(body)) == "exit code 0"


def test_a_child_is_not_tied_to_a_stranger():
    assert end_of(fork(lambda: os._exit(die_with_parent(1) + wait_for_parent(1, 0.01)))) == "exit code 0"


def test_a_child_is_killed_with_its_parent():
    program = (
        "import os, time; from actorq.slot.process import die_with_parent\n"
        "parent = os.getpid(); pid = os.fork()\n"
        "if pid == 0:\n    assert die_with_parent(parent); print(os.getpid(), flush=True); time.sleep(60)\n"
        "time.sleep(60)"
    )
    become_subreaper()
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    assert end_of(pid) == "SIGKILL"


def test_only_strays_are_reaped():
    def vanish_halfway():
        set_process_name(BETWEEN)
        os._exit(0)

    fork(vanish_halfway)
    other = fork(lambda: os._exit(0))
    wait_until(lambda: reap_strays(set()) == 1)
    assert reap_strays(set()) == 0
    assert end_of(other) == "exit code 0"


def test_threads_are_counted_by_the_kernel():
    assert count_threads() >= 1
