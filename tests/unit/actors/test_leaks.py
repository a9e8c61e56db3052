"""What a thousand restarts leave behind: nothing (K5)."""

from __future__ import annotations

import gc
import os
import threading
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import structlog.testing
import zmq

from actorq.actors import Actor, System
from actorq.actors.answers import Answers
from actorq.actors.context import fenced
from actorq.actors.loop import Loop
from actorq.actors.mailbox import Mailbox
from actorq.actors.sockets import Source
from actorq.actors.waker import Waker
from actorq.messages.reasons import KILL
from actorq.supervisor import ChildSpec, Supervisor
from actorq.testing.wait import wait_until

KINDS = (Actor, Answers, Loop, Mailbox, Source, Waker)


class Peer(Actor):
    trap_exit = True

    def on_str(self, message):
        return message


class Laden(Actor):
    """Holds one of everything that could leak."""

    def init(self, context, peer):
        self.socket = context.socket(zmq.PULL)
        self.socket.bind(f"inproc://laden-{id(self)}-{self.self_ref.id}")
        self.sockets.add(self.socket, print)
        self.sockets.add_fd(os.eventfd(0, os.EFD_NONBLOCK), lambda: None, close=True)
        self.timers.after(3600, "later")
        self.timers.every(3600, "again")
        self.monitor(peer)
        self.monitor(self.system.ref("peer"))
        self.link(peer)
        self.ask_then(peer, "hello", 60, self.note)

    def note(self, outcome):
        self.noted = outcome

    def on_int(self, way):
        if way == 0:
            raise ValueError("again")
        if way == 1:
            self.exit(self.self_ref, KILL)
        else:
            self.stop()


class PinnedLaden(Laden):
    pinned = True


def counts():
    gc.collect()
    found = Counter(kind.__name__ for thing in gc.get_objects() for kind in KINDS if isinstance(thing, kind))
    return found, len(list(Path("/proc/self/fd").iterdir())), threading.active_count()


def restart(system, number):
    """End the present incarnation in one of three ways and wait for the next."""
    before = system.whereis("laden")
    before.tell(number % 3)
    wait_until(lambda: system.whereis("laden") not in {None, before}, what="the next incarnation")


@pytest.mark.parametrize("cls", [Laden, PinnedLaden])
def test_a_thousand_restarts_leave_no_thread_descriptor_socket_cell_timer_or_table_entry(cls):
    system, context = System("leaks"), zmq.Context()
    peer = system.spawn(Peer, name="peer")
    spec = ChildSpec("laden", cls, args=(context, peer), name="laden")
    with structlog.testing.capture_logs() as logs:
        top = system.spawn(Supervisor, [spec], strategy="one_for_one", intensity=1_000_000, period_s=0.001)
        for number in range(30):  # what is made once
            restart(system, number)
        settle(system)
        before, fds, threads = counts()
        tracemalloc.start()
        base = tracemalloc.get_traced_memory()[0]
        for number in range(1_000):
            restart(system, number)
            logs.clear()
        settle(system)
        wait_until(lambda: counts()[0] <= before, what="the last thread to let go")
        _, fds_after, threads_after = counts()
        grown = tracemalloc.get_traced_memory()[0] - base
        tracemalloc.stop()
    assert fds_after <= fds
    assert threads_after <= threads
    assert grown < 300_000  # a cell alone is 2 kB
    living = system.whereis("laden")
    assert living is not None
    assert peer.cell.links == {living.cell}
    assert len(peer.cell.monitors) == 2
    assert peer.cell.pending_exits == set()
    assert {watched for watched in top.cell.monitoring.values() if watched is not None} == {living.cell}
    assert top.cell.links == {living.cell}
    assert len(system.actors()) == 3
    assert not fenced
    assert system.zombies() == []
    assert len(living.cell.loop.sources) == 2
    assert len(living.cell.loop._timers) < 200  # cancelled ones are swept out by the dozen
    assert len([entry for entry in living.cell.loop._timers if entry[2].active]) == 2
    system.shutdown()
    assert threading.active_count() <= threads
    context.term()  # hangs where a socket is still open


def settle(system):
    """Let the last restart come to rest."""

    def at_rest():
        living = system.whereis("laden")
        return living is not None and not fenced and not system.zombies() and hasattr(living.cell.actor, "noted")

    wait_until(at_rest, what="the last incarnation to be up")
    wait_until(lambda: all(loop.is_running() for loop in system.loops()))
    system.whereis("peer").ask("hello")


def test_the_eventfd_is_closed_by_its_last_owner_never_by_the_loop(system):
    ref = system.spawn(type("Pinned", (Peer,), {"pinned": True}))
    loop = ref.cell.loop
    poster: Any = loop._waker  # as a thread in the middle of a wake-up holds it
    fd = poster.fd
    system.kill(ref)
    wait_until(lambda: not loop.is_running(), what="the thread to end")
    os.fstat(fd)
    poster.write()  # into our own descriptor, not into somebody else's
    assert os.eventfd_read(fd) >= 1
    del poster
    with pytest.raises(OSError):
        os.fstat(fd)
    loop.wake()
    loop.stop()


def test_a_hundred_systems_leave_nothing():
    System("first").shutdown()
    before, fds, threads = counts()
    for _ in range(100):
        system = System("short")
        system.spawn(Peer)
        system.spawn(type("Pinned", (Peer,), {"pinned": True}))
        system.shutdown()
        del system
    wait_until(lambda: counts()[0] <= before, what="the last thread to let go")
    _, fds_after, threads_after = counts()
    assert fds_after <= fds
    assert threads_after <= threads
