"""Timers, sockets, descriptors, the drained hook, floods, leaks."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import structlog.testing
import zmq

from actorq.actors import Actor, ActorRef, System
from actorq.messages.reasons import KILLED, SHUTDOWN
from actorq.testing.clock import FakeClock
from actorq.testing.wait import wait_until


def open_fds():
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


class Doer(Actor):
    def init(self):
        self.log = []

    def do(self, function, *args):
        return function(self, *args)

    def on_str(self, message):
        self.log.append(message)


class PinnedDoer(Doer):
    pinned = True


both = pytest.mark.parametrize("cls", [Doer, PinnedDoer])


@pytest.fixture
def context(system):
    context = zmq.Context()
    yield context
    system.shutdown()  # first: nobody but its loop may close an actor's socket
    context.destroy(linger=0)


# -- timers --------------------------------------------------------------------------------------------------------------


@both
def test_timers_fire_in_the_order_of_their_time(system, cls):
    proxy = system.spawn(cls).proxy()
    proxy.do(lambda a: [a.timers.after(delay, str(delay)) for delay in (0.03, 0.01, 0.02, 0.01)]).get()
    wait_until(lambda: len(proxy.log.get()) == 4)
    assert proxy.log.get() == ["0.01", "0.01", "0.02", "0.03"]


def test_a_cancelled_timer_does_not_fire(system):
    proxy = system.spawn(Doer).proxy()

    def order(actor):
        timer = actor.timers.after(0.0, "never")
        actor.timers.after(0.001, "later")
        timer.cancel()
        timer.cancel()
        assert not timer.active

    proxy.do(order).get()
    wait_until(lambda: proxy.log.get() == ["later"])


def test_an_interval_repeats_until_it_is_cancelled(system):
    proxy = system.spawn(Doer).proxy()
    timer = proxy.do(lambda a: a.timers.every(0.001, "tick")).get()
    wait_until(lambda: len(proxy.log.get()) >= 5)
    proxy.do(lambda _: timer.cancel()).get()
    count = len(proxy.log.get())
    proxy.do(lambda a: a.timers.after(0.01, "end")).get()
    wait_until(lambda: "end" in proxy.log.get())
    assert len(proxy.log.get()) == count + 1


def test_ticks_that_were_missed_are_skipped():
    clock = FakeClock()
    system = System(clock=clock)
    proxy = system.spawn(Doer).proxy()
    proxy.do(lambda a: (a.timers.every(10, "tick"), a.timers.after(1_000, "end"))).get()
    clock.advance(1_000)
    wait_until(lambda: "end" in proxy.log.get())
    assert proxy.log.get().count("tick") == 1
    system.shutdown()


def test_an_interval_must_be_positive(system):
    proxy = system.spawn(Doer).proxy()
    with pytest.raises(ValueError, match="expected interval_s to be positive, got 0"):
        proxy.do(lambda a: a.timers.every(0, "tick")).get()


def test_timers_end_with_their_actor_and_cancelled_ones_are_swept_out(system):
    ref = system.spawn(Doer)
    loop = ref.cell.loop
    ref.proxy().do(lambda a: [a.timers.after(3600, "x") for _ in range(500)]).get()
    assert len(loop._timers) == 500
    system.exit(ref, SHUTDOWN)
    wait_until(lambda: len(loop._timers) < 130, what="the heap to be swept")


def test_timers_and_sockets_belong_to_the_actors_own_thread(system):
    holder: list[Doer] = []
    system.spawn(Doer).proxy().do(holder.append).get()
    for use in (lambda a: a.timers.after(1, "x"), lambda a: a.sockets.add_fd(0, lambda: None)):
        with pytest.raises(RuntimeError, match="got another thread"):
            use(holder[0])


# -- sockets and descriptors ---------------------------------------------------------------------------------------------


class Puller(PinnedDoer):
    def init(self, context, endpoint):  # type: ignore[override]
        super().init()
        self.threads = set()
        socket = context.socket(zmq.PULL)
        socket.bind(endpoint)
        self.sockets.add(socket, self.on_frames)
        self.socket = socket

    def on_frames(self, frames):
        self.threads.add(threading.get_ident())
        if frames == [b"boom"]:
            raise ValueError("boom")
        self.log.append(frames)


@pytest.mark.parametrize("pinned", [True, False])
def test_frames_arrive_among_the_messages_in_order_and_in_one_thread(system, context, pinned):
    cls = type("P", (Puller,), {"pinned": pinned})
    ref = system.spawn(cls, context, "inproc://frames")
    with context.socket(zmq.PUSH) as push:
        push.connect("inproc://frames")
        for number in range(500):
            push.send_multipart([b"%d" % number, b"x"])
        wait_until(lambda: len(ref.proxy().log.get()) == 500)
    assert ref.proxy().log.get() == [[b"%d" % number, b"x"] for number in range(500)]
    assert len(ref.proxy().threads.get()) == 1


def test_the_sockets_of_a_crashed_actor_are_closed_before_anybody_hears_of_it(system, context):
    ref = system.spawn(Puller, context, "inproc://crash")
    socket = ref.proxy().socket.get()
    closed: list[bool] = []
    ref.watch(lambda *_: closed.append(socket.closed))
    with context.socket(zmq.PUSH) as push:
        push.connect("inproc://crash")
        push.send(b"boom")
        assert system.wait_down(ref).class_name == "ValueError"
        wait_until(lambda: closed, what="the watcher to be told")
    assert closed == [True]


def test_the_sockets_of_a_killed_actor_are_closed_by_its_own_thread(system, context):
    ref = system.spawn(Puller, context, "inproc://killed")
    socket = ref.proxy().socket.get()
    system.kill(ref)
    wait_until(lambda: socket.closed, what="the loop to close the socket")


def test_a_socket_that_was_closed_but_not_removed_does_not_spin_the_loop(system, context):
    ref = system.spawn(Puller, context, "inproc://closed")
    saved, null = os.dup(0), os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)  # zmq polls descriptor 0 in its place, and this one is always readable
    try:
        with structlog.testing.capture_logs() as logs:
            ref.proxy().do(lambda a: a.socket.close(linger=0)).get()
            wait_until(lambda: logs)
    finally:
        os.dup2(saved, 0)
        os.close(saved)
        os.close(null)
    assert [entry["event"] for entry in logs] == ["closed_socket_removed"]
    assert ref.cell.loop.sources == {}
    ref.proxy().log.get()


@both
def test_a_removed_socket_is_the_actors_again(system, context, cls):
    def use(actor):
        socket = context.socket(zmq.PULL)
        actor.sockets.add(socket, actor.log.append)
        actor.sockets.remove(socket)
        actor.sockets.remove(socket)
        assert not socket.closed
        socket.close(linger=0)

    system.spawn(cls).proxy().do(use).get()


@both
def test_an_eventfd_wakes_the_actor_and_is_closed_with_it(system, cls):
    fd = os.eventfd(0, os.EFD_NONBLOCK)

    def add(actor):
        actor.sockets.add_fd(fd, lambda: actor.log.append(os.eventfd_read(fd)), close=True)

    ref = system.spawn(cls)
    ref.proxy().do(add).get()
    os.eventfd_write(fd, 7)
    wait_until(lambda: ref.proxy().log.get() == [7])
    system.exit(ref, SHUTDOWN)
    system.wait_down(ref)
    with pytest.raises(OSError):
        os.fstat(fd)


def test_a_pidfd_tells_of_the_end_of_a_process(system):
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    fd = os.pidfd_open(process.pid)

    def add(actor):
        def ended():
            actor.sockets.remove(fd, close=True)
            actor.log.append("ended")

        actor.sockets.add_fd(fd, ended)

    proxy = system.spawn(Doer).proxy()
    proxy.do(add).get()
    process.send_signal(signal.SIGKILL)
    wait_until(lambda: proxy.log.get() == ["ended"])
    process.wait()
    assert process.stdin is not None
    process.stdin.close()


def test_a_descriptor_can_be_waited_for_until_it_is_writable(system):
    reading, writing = os.pipe()
    os.set_blocking(writing, False)

    def add(actor):
        def writable():
            actor.log.append("writable")
            actor.sockets.want_write(writing, None)

        actor.sockets.add_fd(writing, None, on_writable=writable, close=True)

    proxy = system.spawn(Doer).proxy()
    proxy.do(add).get()
    wait_until(lambda: proxy.log.get() == ["writable"])
    os.close(reading)


# -- the drained hook ------------------------------------------------------------------------------------------------------


class Batcher(PinnedDoer):
    def init(self):
        super().init()
        self.batch, self.batches, self.calls = 0, [], 0

    def on_int(self, _):
        self.batch += 1

    def on_hold(self, message):
        message.gate.wait(5)

    def on_drained(self):
        self.calls += 1
        if self.batch:
            self.batches.append(self.batch)
            self.batch = 0


class Hold:
    def __init__(self, gate):
        self.gate = gate


@pytest.mark.parametrize("pinned", [True, False])
def test_on_drained_comes_once_after_the_mailbox_was_emptied(system, pinned):
    ref = system.spawn(type("B", (Batcher,), {"pinned": pinned}))
    gate = threading.Event()
    ref.tell(Hold(gate))
    for number in range(50):
        ref.tell(number)
    gate.set()
    wait_until(lambda: ref.proxy().batches.get() == [50])


def test_on_drained_comes_after_a_bounded_number_of_items_in_a_flood(system):
    ref = system.spawn(Batcher)
    gate = threading.Event()
    ref.tell(Hold(gate))
    for number in range(5_000):
        ref.tell(number)
    gate.set()
    wait_until(lambda: sum(ref.proxy().batches.get()) == 5_000)
    batches = ref.proxy().batches.get()
    assert len(batches) > 5
    assert max(batches) <= 1_024


def test_on_drained_follows_frames_and_timers_and_never_an_idle_loop(system, context):
    class Frames(Batcher):
        def init(self):
            super().init()
            socket = context.socket(zmq.PULL)
            socket.bind("inproc://drained")
            self.sockets.add(socket, lambda _: self.on_int(0))

    ref = system.spawn(Frames)
    with context.socket(zmq.PUSH) as push:
        push.connect("inproc://drained")
        push.send(b"x")
        wait_until(lambda: sum(ref.proxy().batches.get()) == 1)
    ref.proxy().do(lambda a: a.timers.after(0.0, 1)).get()
    wait_until(lambda: sum(ref.proxy().batches.get()) == 2)
    calls = ref.proxy().calls.get()
    # Only the two proxy calls around this line were handled in between.
    assert ref.proxy().calls.get() <= calls + 2


def test_a_failing_flush_ends_the_actor(system):
    class Bad(Batcher):
        def on_drained(self):
            raise OSError("disk")

    ref = system.spawn(Bad)
    ref.tell(1)
    assert system.wait_down(ref).class_name == "OSError"


# -- floods, hostile actors, leaks -------------------------------------------------------------------------------------------


class Flooder(Doer):
    """Keeps its own mailbox full."""

    def on_int(self, number):
        self.self_ref.tell(number)


@pytest.mark.parametrize("pinned", [True, False])
def test_a_flooded_actor_can_be_stopped(system, pinned):
    ref = system.spawn(type("F", (Flooder,), {"pinned": pinned}))
    for number in range(2_000):
        ref.tell(number)
    system.exit(ref, SHUTDOWN)
    assert system.wait_down(ref, 2.0) == SHUTDOWN


def test_a_flooded_actor_does_not_starve_its_neighbours_timers_or_sockets(system):
    flooder = system.spawn(Flooder)
    for number in range(2_000):
        flooder.tell(number)
    fd = os.eventfd(1, os.EFD_NONBLOCK)
    proxy = system.spawn(Doer).proxy()
    proxy.do(
        lambda a: (
            a.timers.after(0.001, "timer"),
            a.sockets.add_fd(fd, lambda: os.eventfd_read(fd) and a.log.append("fd"), close=True),
        )
    ).get()
    wait_until(lambda: sorted(proxy.log.get()) == ["fd", "timer"])


def test_a_flood_ends_with_the_system():
    before = threading.active_count()
    system = System("flooded")
    for cls in (Flooder, type("F", (Flooder,), {"pinned": True})):
        ref: ActorRef[Any] = system.spawn(cls)
        for number in range(1_000):
            ref.tell(number)
    system.shutdown(2.0)
    assert threading.active_count() == before


@both
def test_a_thousand_restarts_leak_no_thread_and_no_descriptor(system, cls):
    system.spawn(Doer)
    fds, threads = open_fds(), threading.active_count()
    for _ in range(1_000 if cls is Doer else 300):
        ref = system.spawn(cls, name="again")
        system.exit(ref, SHUTDOWN)
        system.wait_down(ref)
    wait_until(lambda: threading.active_count() <= threads, what="threads to end")
    assert open_fds() <= fds


def test_refs_of_the_dead_hold_no_descriptor(system):
    fds = open_fds()
    refs = [system.spawn(PinnedDoer) for _ in range(20)]
    for ref in refs:
        system.kill(ref)
    wait_until(lambda: not system.zombies() and not system.loops(), what="threads to end")
    assert open_fds() <= fds
    assert len(refs) == 20


def test_a_stuck_loop_shows_and_an_idle_one_does_not(system):
    gate = threading.Event()
    idle, stuck = system.spawn(PinnedDoer), system.spawn(PinnedDoer)
    stuck.proxy().do.defer(lambda _: gate.wait(5))
    wait_until(lambda: stuck.cell.loop.stuck_for_s() > 0.02)
    assert idle.cell.loop.stuck_for_s() == 0.0
    gate.set()


def test_ten_times_the_actors_cost_about_ten_times_the_time():
    def cost(count):
        system = System("many")
        started = time.process_time()  # how long two cores take to wake each other is another matter
        for _ in range(count):
            system.spawn(Doer)
        system.shutdown()
        return time.process_time() - started

    cost(50)
    small = min(cost(100) for _ in range(3))
    assert cost(1_000) < small * 40


def test_killing_the_parent_of_many_takes_them_all(system):
    parent = system.spawn(PinnedDoer)
    children = parent.proxy().do(lambda a: [a.system.spawn(Doer, link=True) for _ in range(50)]).get()
    system.kill(parent)
    assert {system.wait_down(child) for child in children} == {KILLED}
