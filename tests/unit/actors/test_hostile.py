"""Actors that do their worst end, alone; whoever lives beside them on the shared loop doesn't notice (K1)."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import structlog.testing

from actorq.actors import DEFER, Actor, ActorDead, Refusal, System, WouldBlock
from actorq.messages.reasons import SHUTDOWN, Crashed
from actorq.testing.wait import wait_until


class Quiet(Actor):
    """The neighbour."""

    def on_str(self, message):
        return message

    def do(self, function):
        return function(self)


class PinnedQuiet(Quiet):
    pinned = True


both = pytest.mark.parametrize("cls", [Quiet, PinnedQuiet])


class Unspeakable(Exception):
    def __str__(self):
        raise SystemExit("no text")

    def __repr__(self):
        raise SystemExit("no text")


class UnspeakableRefusal(Refusal):
    __str__ = Unspeakable.__str__
    __repr__ = Unspeakable.__repr__


def recurse(depth=0):
    return recurse(depth + 1)


def raising(error):
    def throw(*_args, **_kwargs):
        if error is RecursionError:
            recurse()
        raise error

    return throw


ERRORS: list[Any] = [
    BaseException, SystemExit, KeyboardInterrupt, GeneratorExit, StopIteration, RecursionError, MemoryError, Unspeakable,
]  # fmt: skip


def register(actor, what):
    """Have code of the actor called from that place of the loop."""
    reading, writing = os.pipe()
    if what == "on_readable":
        actor.sockets.add_fd(reading, actor.bad, close=True)
        os.write(writing, b"x")
    else:
        actor.sockets.add_fd(writing, None, on_writable=actor.bad, close=True)
        os.close(reading)
    actor.kept = writing


def let(kind, system, cls, error, victim):
    """Have code of `kind` raise `error`; return the ref of the actor, or None where there never was one."""
    bad = raising(error)
    hooks = {
        "terminate": {"terminate": bad},
        "on_down": {"on_down": bad},
        "on_exit": {"on_exit": bad, "trap_exit": True},
        "on_drained": {"on_drained": bad},
        "on_failure": {"on_failure": bad},
        "trap_exit": {"trap_exit": property(bad)},
        "stop_requested": {"stop_requested": bad},
    }
    ref = system.spawn(type("Hostile", (cls,), {"bad": bad, **hooks.get(kind, {})}))
    do = ref.proxy().do.defer
    match kind:
        case "a tell":
            do(bad)
        case "an ask":
            with pytest.raises(BaseException):
                ref.proxy().do(bad).get()
        case "a timer" | "an interval":
            do(lambda a: a.timers.after(0, Call()) if kind == "a timer" else a.timers.every(0.001, Call()))
        case "on_readable" | "on_writable":
            do(lambda a: register(a, kind))
        case "terminate" | "stop_requested" | "trap_exit":
            system.exit(ref, SHUTDOWN)
        case "on_down":
            do(lambda a: a.monitor(victim))
            system.kill(victim)
        case "on_exit":
            do(lambda a: a.link(victim))
            system.kill(victim)
        case "on_drained":
            ref.tell("x")
        case "on_failure":
            do(raising(ValueError))
        case "an answer to an ask_then":
            do(lambda a: a.ask_then(victim, "x", 5, bad))
    return ref


class Call:
    pass


Quiet.on_call = lambda self, _: self.bad()  # type: ignore[attr-defined]

PLACES = [
    "a tell", "an ask", "a timer", "an interval", "on_readable", "on_writable", "terminate", "stop_requested", "trap_exit",
    "on_down", "on_exit", "on_drained", "on_failure", "an answer to an ask_then",
]  # fmt: skip


@both
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("error", ERRORS)
def test_whatever_is_raised_anywhere_ends_that_actor_and_nobody_else(system, cls, place, error):
    neighbour, victim = system.spawn(Quiet), system.spawn(Quiet)
    with structlog.testing.capture_logs():
        ref = let(place, system, cls, error, victim)
        reason = system.wait_down(ref)
    assert reason is not None, "the actor hangs"
    assert isinstance(reason, Crashed)
    assert neighbour.ask("well") == "well"
    assert system.spawn(cls).ask("new") == "new"


@both
@pytest.mark.parametrize("error", ERRORS)
def test_whatever_init_raises_fails_the_start_and_nothing_else(system, cls, error):
    neighbour = system.spawn(Quiet)
    with structlog.testing.capture_logs(), pytest.raises((BaseException,)):
        system.spawn(type("Hostile", (cls,), {"init": raising(error)}), name="hostile")
    assert system.whereis("hostile") is None
    assert neighbour.ask("well") == "well"


@both
@pytest.mark.parametrize("error", ERRORS)
def test_whatever_describe_raises_is_shown_in_the_tree_and_the_actor_lives_on(system, cls, error):
    ref = system.spawn(type("Hostile", (cls,), {"describe": raising(error)}))
    seen: list[dict[str, Any]] = []
    ref.cell.post_call(ref.cell.actor._inspect, 0.0, seen.append)
    wait_until(lambda: seen)
    assert "error" in seen[0]["facts"]
    assert ref.ask("well") == "well"


@both
def test_a_refusal_without_a_text_is_a_refusal(system, cls):
    ref = system.spawn(cls)
    ref.proxy().do.defer(raising(UnspeakableRefusal))
    with pytest.raises(UnspeakableRefusal):
        ref.proxy().do(raising(UnspeakableRefusal)).get()
    assert ref.ask("well") == "well"


def test_a_finalizer_that_fails_or_uses_the_system_harms_nobody(system):
    """`__del__` runs wherever the collector happens to, also under the system's lock."""
    peer = system.spawn(Quiet)

    class Restless(Quiet):
        def __del__(self):
            self._cell.system.whereis("x")
            self._cell.unlink(peer.cell)
            self._cell.demonitor(1)
            self._cell.stopped()

    threshold = gc.get_threshold()
    gc.set_threshold(1)  # the collector runs at nearly every allocation
    try:
        for _ in range(50):
            system.kill(system.spawn(Restless))
    finally:
        gc.set_threshold(*threshold)
    assert peer.ask("well") == "well"


@both
def test_an_actor_that_closes_its_descriptors_behind_the_loops_back_goes_on(system, cls):
    ref = system.spawn(cls)
    reading, writing = os.pipe()
    with structlog.testing.capture_logs() as logs:
        ref.proxy().do(lambda a: a.sockets.add_fd(reading, lambda: None)).get()
        ref.proxy().do(lambda _: os.close(reading)).get()
        wait_until(lambda: not ref.cell.loop.sources, what="the loop to forget it")
    assert "closed_socket_removed" in [entry["event"] for entry in logs]
    assert ref.ask("well") == "well"
    os.close(writing)


@both
def test_a_loop_whose_eventfd_was_closed_gets_another(system, cls):
    ref = system.spawn(cls)
    loop = ref.cell.loop
    fd = loop._waker.fd
    with structlog.testing.capture_logs() as logs:
        ref.proxy().do(lambda _: os.close(fd)).get()
        ref.ask("wake up", timeout=5)
        wait_until(lambda: logs, what="the loop to notice")
    assert [entry["event"] for entry in logs] == ["wake_up_restored"]
    assert [ref.ask(str(number), timeout=5) for number in range(5)] == list("01234")


def test_shutdown_from_a_handler_would_wait_for_itself_and_is_refused():
    system, other = System("own"), System("other")
    for cls in (Quiet, PinnedQuiet):
        ref = system.spawn(cls)
        with pytest.raises(WouldBlock):
            ref.proxy().do(lambda a: a.system.shutdown()).get()
    assert not other.actors()
    owner = system.spawn(PinnedQuiet)
    owner.proxy().do(lambda _: other.shutdown()).get()  # of another system: that is somebody who may wait
    with pytest.raises(ActorDead):
        other.spawn(Quiet)
    system.shutdown()


def test_an_actor_may_confirm_its_start_twice_and_after_its_end(system):
    class Eager(Quiet):
        def init(self):
            self.confirm_start()
            self.confirm_start()
            return DEFER

    ref = system.spawn(Eager)
    actor = ref.cell.actor
    system.exit(ref, SHUTDOWN)
    system.wait_down(ref)
    actor.confirm_start()
    assert not ref.is_alive()


def test_a_watcher_that_fails_keeps_the_news_from_nobody(system):
    ref, heard = system.spawn(Quiet), []
    ref.watch(raising(SystemExit))
    ref.watch(lambda *news: heard.append(news))
    with structlog.testing.capture_logs() as logs:
        system.kill(ref)
    assert len(heard) == 1
    assert "watcher_failed" in [entry["event"] for entry in logs]


FORK = """
import os, sys, time
sys.path.insert(0, {root!r})
from actorq.actors import Actor, ActorDead, System

class Forker(Actor):
    pinned = {pinned}
    handled = 0
    def on_str(self, message):
        self.handled += 1
        return self.handled
    def fork(self):
        self.timers.every(0.001, "tick")
        pid = os.fork()
        if pid == 0:
            os.write(1, b"child\\n")
            try:
                neighbour.ask("x", block=False).get(timeout=5)
            except ActorDead:
                os.write(1, b"dead\\n")
            neighbour.tell("x")
        return pid

system = System("forks")
neighbour = system.spawn(Forker)
ref = system.spawn(Forker)
for number in range(100):
    ref.tell("before")
fork = ref.proxy().fork()
for number in range(100):
    ref.tell("after")
pid = fork.get()
_, status = os.waitpid(pid, 0)
print("exit", os.waitstatus_to_exitcode(status))
print("well" if ref.ask("x") >= 201 and neighbour.ask("x") == 1 else "broken")
pid = os.fork()
if pid == 0:
    try:
        ref.ask("x", timeout=5)
    except ActorDead:
        os.write(1, b"dead in the child\\n")
    system.shutdown()
    fresh = System("fresh")
    os.write(1, b"fresh %d\\n" % fresh.spawn(Forker).ask("x"))
    fresh.shutdown()
    os._exit(0)
os.waitpid(pid, 0)
system.shutdown()
print("done")
"""


@pytest.mark.parametrize("pinned", [True, False])
def test_a_fork_inside_a_handler_leaves_a_child_without_the_parents_actors(pinned):
    root = str(Path(__file__).parents[3])
    program = FORK.format(root=root, pinned=pinned)
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.stderr == ""
    assert ran.stdout.split("\n")[:-1] == [
        "child", "dead", "exit 70", "well", "dead in the child", "fresh 1", "done",
    ]  # fmt: skip


def test_a_thread_that_cannot_be_started_is_a_failed_start_and_leaves_nothing(system, monkeypatch):
    from actorq.actors.loop import Loop

    fds = len(os.listdir("/proc/self/fd"))

    def no_more(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Loop, "start", no_more)
    with structlog.testing.capture_logs():
        for _ in range(20):
            with pytest.raises((ActorDead, RuntimeError)):
                system.spawn(PinnedQuiet, name="unlucky")
    monkeypatch.undo()
    assert system.loops() == []
    assert len(os.listdir("/proc/self/fd")) <= fds
    assert system.spawn(PinnedQuiet, name="unlucky").ask("x") == "x"


def test_a_taken_name_holds_no_descriptor(system):
    system.spawn(PinnedQuiet, name="one")
    fds = len(os.listdir("/proc/self/fd"))
    gc.disable()
    try:
        for _ in range(20):
            with pytest.raises(Exception, match="is taken"):
                system._register_probe() if hasattr(system, "_register_probe") else system.spawn(
                    PinnedQuiet, name="one"
                )
        assert len(os.listdir("/proc/self/fd")) <= fds
    finally:
        gc.enable()


def test_a_storm_of_threads_that_use_one_actor_after_its_end_harms_nobody(system):
    neighbour, ref = system.spawn(type("Calm", (Quiet,), {"trap_exit": True})), system.spawn(Quiet)
    actor = ref.cell.actor
    stop, errors = threading.Event(), []

    def use():
        while not stop.is_set():
            for deed in (lambda: actor.timers.after(0, "x"), lambda: ref.tell("x"), lambda: actor.link(neighbour)):
                try:
                    deed()
                except Exception as error:
                    errors.append(type(error).__name__)

    threads = [threading.Thread(target=use) for _ in range(3)]
    for thread in threads:
        thread.start()
    wait_until(lambda: errors)
    system.kill(ref)
    wait_until(lambda: "ActorDead" in errors and "Exit" in errors)
    stop.set()
    for thread in threads:
        thread.join(5)
    assert neighbour.ask("well") == "well"
    assert ref.cell not in neighbour.cell.links
