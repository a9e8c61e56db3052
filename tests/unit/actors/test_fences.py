"""What a killed actor's code still does when its thread is in the middle of it (K2)."""

from __future__ import annotations

import os
import threading
from functools import partial
from typing import Any

import pytest
import zmq

from actorq.actors import Actor, ActorDead, Exit, System
from actorq.actors.context import fenced
from actorq.messages.reasons import KILL, KILLED, SHUTDOWN
from actorq.testing.wait import wait_until


class Ghost(Actor):
    """Is killed in the middle of `haunt`, and then goes on with what it was given."""

    def init(self):
        self.raised: list[BaseException | None] = []
        self.log: list[Any] = []

    def haunt(self, entered, gate, deed):
        entered.set()
        gate.wait(10)
        try:
            deed(self)
        except BaseException as error:
            self.raised.append(error)
        else:
            self.raised.append(None)

    def later(self):
        self.reply = self.defer()

    def on_str(self, message):
        self.log.append(message)


class PinnedGhost(Ghost):
    pinned = True


class Listener(Actor):
    pinned = True
    trap_exit = True

    def init(self):
        self.heard = []

    def on_str(self, message):
        self.heard.append(message)
        return message

    def peek(self):
        return [*self.heard]


both = pytest.mark.parametrize("cls", [Ghost, PinnedGhost])


@pytest.fixture
def listener(system):
    return system.spawn(Listener, name="listener")


def kill_within(system, cls, deed):
    """Return the actor that was killed in the middle of its code, once that code has done `deed`."""
    entered, gate = threading.Event(), threading.Event()
    ref = system.spawn(cls)
    actor = ref.cell.actor
    ref.proxy().haunt.defer(entered, gate, deed)
    assert entered.wait(5)
    system.kill(ref)
    gate.set()
    wait_until(lambda: actor.raised, what="its code to go on")
    wait_until(lambda: ref.cell not in fenced, what="its loop to take note")
    return actor


DEEDS: dict[str, Any] = {
    "tell": lambda _, listener: listener.tell("boo"),
    "tell by name": lambda a, _: a.system.ref("listener").tell("boo"),
    "ask": lambda _, listener: listener.ask("boo", block=False).get(),
    "ask by name": lambda a, _: a.system.ref("listener").ask("boo", block=False).get(),
    "ask_then": lambda a, listener: a.ask_then(listener, "boo", 5, print),
    "a proxy": lambda _, listener: listener.proxy().on_str("boo"),
    "a timer": lambda a, _: a.timers.after(0, "boo"),
    "an interval": lambda a, _: a.timers.every(1, "boo"),
    "a socket": lambda a, _: a.sockets.add_fd(0, lambda: None),
    "a spawn": lambda a, _: a.system.spawn(Listener, name="spawned"),
    "a link": lambda a, listener: a.link(listener),
    "a monitor": lambda a, listener: a.monitor(listener),
    "an exit signal": lambda a, listener: a.exit(listener, KILL),
    "a kill": lambda a, listener: a.system.kill(listener),
    "an exit in the system's name": lambda a, listener: a.system.exit(listener, SHUTDOWN),
    "a deferred answer": lambda a, _: a.defer(),
}


@pytest.mark.parametrize("cls", [PinnedGhost])
@pytest.mark.parametrize("deed", DEEDS)
def test_what_a_killed_actors_code_still_does_is_refused(system, listener, cls, deed):
    ghost = kill_within(system, cls, lambda actor: DEEDS[deed](actor, listener))
    assert isinstance(ghost.raised[0], Exit)
    assert ghost.raised[0].reason == KILLED
    assert listener.proxy().peek().get() == []
    assert listener.is_alive()
    assert system.whereis("spawned") is None
    assert listener.cell.links == set()
    assert listener.cell.monitors == {}


def test_a_killed_light_actor_is_fenced_while_it_runs_and_its_neighbours_are_not(system, listener):
    ghost = kill_within(system, Ghost, lambda _: listener.tell("boo"))
    assert isinstance(ghost.raised[0], Exit)
    neighbour = system.spawn(Ghost)
    neighbour.proxy().haunt(threading.Event(), _set(), lambda _: listener.tell("well")).get()
    assert listener.proxy().peek().get() == ["well"]


def _set():
    event = threading.Event()
    event.set()
    return event


@both
def test_a_killed_actor_cannot_change_the_answer_its_asker_got(system, cls):
    entered, gate = threading.Event(), threading.Event()
    ref = system.spawn(cls)
    asked = ref.ask(threading.Event(), block=False, timeout=5)  # unknown: refused, to show that it works
    with pytest.raises(Exception, match="doesn't know"):
        asked.get()
    later, now = ref.proxy().later(), ref.proxy().haunt(entered, gate, lambda actor: actor.reply.set("too late"))
    assert entered.wait(5)
    system.kill(ref)
    for future in (later, now):
        with pytest.raises(ActorDead):
            future.get(timeout=1)
    gate.set()
    wait_until(lambda: ref.cell not in fenced)
    with pytest.raises(ActorDead):
        later.get(timeout=1)


@both
def test_a_killed_actors_timers_and_frames_are_never_handled(system, cls):
    reading, writing = os.pipe()
    handled = []

    def prepare(actor):
        actor.timers.every(0.001, "tick")
        actor.sockets.add_fd(reading, lambda: handled.append(os.read(reading, 1)), close=True)
        actor.log.clear()
        os.write(writing, b"x")

    entered, gate = threading.Event(), threading.Event()
    ref = system.spawn(cls)
    actor = ref.cell.actor

    def deed(me):
        prepare(me)
        entered.set()
        gate.wait(5)

    ref.proxy().haunt.defer(threading.Event(), _set(), deed)
    assert entered.wait(5)
    system.kill(ref)
    gate.set()
    wait_until(lambda: ref.cell not in fenced)
    other = system.spawn(Ghost)
    other.proxy().haunt(threading.Event(), _set(), lambda _: None).get()
    assert handled == []
    assert actor.log == []
    with pytest.raises(BrokenPipeError):  # nobody holds the other end any more
        os.write(writing, b"x")
    os.close(writing)


def test_an_actor_that_kills_itself_is_fenced_from_that_moment_on(system, listener):
    def deed(actor):
        actor.exit(actor.self_ref, KILL)
        listener.tell("boo")

    ref = system.spawn(PinnedGhost)
    actor = ref.cell.actor
    ref.proxy().haunt.defer(threading.Event(), _set(), deed)
    wait_until(lambda: actor.raised)
    assert isinstance(actor.raised[0], Exit)
    assert system.wait_down(ref) == KILLED
    assert listener.proxy().peek().get() == []


def test_an_ending_actor_may_still_tell_others_of_it(system, listener):
    class Polite(Actor):
        def terminate(self, reason):
            listener.tell("bye")

    system.exit(system.spawn(Polite), SHUTDOWN)
    wait_until(lambda: listener.proxy().peek().get() == ["bye"])


def test_no_fence_is_left_behind(system):
    refs = [system.spawn(cls) for cls in (Ghost, PinnedGhost) * 50]
    for ref in refs:
        system.kill(ref)
        system.kill(ref)
    wait_until(lambda: not fenced, what="the loops to take note")
    wait_until(lambda: not system.zombies(), what="the threads to end")


def test_threads_of_an_actor_cannot_use_its_timers_or_sockets_nor_link_it_after_its_end(system, listener):
    ref = system.spawn(PinnedGhost)
    actor = ref.cell.actor
    system.exit(ref, SHUTDOWN)
    system.wait_down(ref)
    raised: list[Exception] = []

    def use():
        for deed in ("a timer", "a socket", "a link", "a monitor", "an exit signal", "a deferred answer"):
            try:
                DEEDS[deed](actor, listener)
            except (Exit, RuntimeError) as error:
                raised.append(error)
        try:
            actor.self_ref.tell("boo")
        except ActorDead as error:
            raised.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join(5)
    assert len(raised) == 7
    assert listener.cell.links == set()
    assert listener.cell.monitors == {}
    assert listener.is_alive()


def test_a_zombie_keeps_its_socket_until_its_code_returns_and_then_loses_it(system):
    context = zmq.Context()
    sockets = []

    def deed(actor):
        socket = context.socket(zmq.PULL)
        sockets.append(socket)
        actor.sockets.add(socket, print)

    entered, gate = threading.Event(), threading.Event()
    ref = system.spawn(PinnedGhost)

    def hold(actor):
        deed(actor)
        entered.set()
        gate.wait(5)

    ref.proxy().haunt.defer(threading.Event(), _set(), hold)
    assert entered.wait(5)
    system.kill(ref)
    assert [zombie.label for zombie in system.zombies()] == [str(ref)]
    assert not sockets[0].closed  # nobody but its own thread may close it
    gate.set()
    wait_until(lambda: sockets[0].closed)
    context.destroy(linger=0)


def test_linking_and_monitoring_while_being_killed_leaves_nothing_in_the_others_tables():
    """Both in a tight race: the table entry is refused, or taken out by the end; never left."""
    system = System("race")
    target = system.spawn(Listener)
    for _ in range(150):
        ref = system.spawn(PinnedGhost)
        actor: Any = ref.cell.actor
        go = threading.Event()

        def bind(me, go=go):
            go.set()
            for _ in range(200):
                me.link(target)
                me.monitor(target)

        ref.proxy().haunt.defer(threading.Event(), _set(), bind)
        go.wait(5)
        system.kill(ref)
        wait_until(partial(bool, actor.raised), what="the code to end")
        assert target.cell.links == set()
        assert target.cell.monitors == {}
        assert target.is_alive()
    system.shutdown()
