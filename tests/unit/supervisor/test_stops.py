"""How children are stopped, and that stopping, starting and failing without end hold up nobody."""

from __future__ import annotations

import threading

import pytest
import structlog.testing

from actorq.actors import ActorDead
from actorq.messages.reasons import KILLED, NORMAL, SHUTDOWN, Crashed
from actorq.supervisor import Backoff, StartChild, TerminateChild
from actorq.testing.wait import wait_until
from tests.unit.supervisor.members import Member, PinnedMember, crash, fail, leave


def test_a_child_that_ignores_its_stop_is_killed_when_its_time_is_up(harness, system):
    gate = threading.Event()

    class Deaf(PinnedMember):
        def terminate(self, reason):
            gate.wait(10)

    harness.start(harness.spec("deaf", cls=Deaf, shutdown=0.02), harness.spec("z"))
    deaf = harness.child("deaf")
    with structlog.testing.capture_logs() as logs:
        system.exit(harness.ref, SHUTDOWN)
        assert system.wait_down(harness.ref, 2) == SHUTDOWN
    assert deaf.cell.reason == KILLED
    assert [entry["event"] for entry in logs if entry["log_level"] == "warning"] == ["child_killed"]
    gate.set()


def test_brutal_kill_asks_nothing(harness, system):
    harness.start(harness.spec("a", shutdown="brutal_kill"))
    harness.journal.clear()
    system.exit(harness.ref, SHUTDOWN)
    system.wait_down(harness.ref)
    assert harness.journal == []


def test_a_child_that_unlinked_itself_can_neither_hang_its_supervisor_nor_die_unseen(harness, system):
    harness.start(harness.spec("a"))
    parent = harness.ref
    harness.child("a").proxy().do(lambda actor: actor.unlink(parent)).get()
    harness.end("a", crash)
    harness.settle("a")
    harness.child("a").proxy().do(lambda actor: actor.unlink(parent)).get()
    system.exit(harness.ref, SHUTDOWN)
    assert system.wait_down(harness.ref, 2) == SHUTDOWN


def test_a_child_that_crashes_while_stopping_is_reported_and_the_stop_goes_on(harness, system):
    class Clumsy(Member):
        def terminate(self, reason):
            super().terminate(reason)
            raise OSError("while stopping")

    harness.start(harness.spec("z"), harness.spec("a", cls=Clumsy))
    with structlog.testing.capture_logs() as logs:
        system.exit(harness.ref, SHUTDOWN)
        assert system.wait_down(harness.ref) == SHUTDOWN
    assert harness.journal.stops() == ["a", "z"]
    assert [entry["event"] for entry in logs] == ["child_stop_failed"]


def test_twelve_children_that_end_by_themselves_during_the_stop_change_nothing(harness, system):
    harness.start(*(harness.spec(f"c{n}") for n in range(12)), intensity=12)
    children = [info.ref for info in harness.which().values()]
    harness.journal.clear()
    for child in children:
        child.proxy().do.defer(leave(NORMAL))
    # The stop overtakes some of these ends in the signal lane, and comes after the restart of others.
    system.exit(harness.ref, SHUTDOWN)
    assert system.wait_down(harness.ref, 2) == SHUTDOWN
    assert len(harness.journal.stops()) == 12 + len(harness.journal.starts())
    assert [info.class_name for info in system.actors()] == []


def test_the_exit_of_a_stranger_is_ignored(harness, system):
    harness.start(harness.spec("a"))
    stranger = system.spawn(Member, "stranger", [])
    top = harness.ref
    stranger.proxy().do(lambda actor: (actor.link(top), actor.exit(top, Crashed("Odd")))).get()
    system.kill(stranger)
    assert harness.state("a") == "up"


def test_a_supervisor_answers_while_a_child_is_slow_to_start_and_a_shutdown_pre_empts(harness, system):
    gate = threading.Event()
    harness.start(harness.spec("a"))
    slow = harness.spec("slow", cls=PinnedMember, plan=[lambda _: gate.wait(10) and None], shutdown=0.02)
    pending = harness.ref.ask(StartChild(slow), block=False, timeout=10)
    wait_until(lambda: harness.state("slow") == "starting")
    assert harness.state("a") == "up"
    system.exit(harness.ref, SHUTDOWN)
    assert system.wait_down(harness.ref, 2) == SHUTDOWN
    with pytest.raises(ActorDead):
        pending.get()
    gate.set()


def test_a_supervisor_answers_while_a_child_is_slow_to_stop(harness):
    gate = threading.Event()

    class Slow(PinnedMember):
        def terminate(self, reason):
            gate.wait(10)

    harness.start(harness.spec("slow", cls=Slow, shutdown="infinity"), harness.spec("a"))
    pending = harness.ref.ask(TerminateChild("slow"), block=False, timeout=10)
    wait_until(lambda: harness.state("slow") == "stopping")
    assert harness.state("a") == "up"
    gate.set()
    assert pending.get() is None


def test_endless_failing_restarts_leave_the_supervisor_answering_and_stoppable(harness, system):
    harness.start(
        harness.spec("bad", plan=[None] + [fail] * 1_000_000, backoff=Backoff(min_s=0.0, max_s=0.0)),
        harness.spec("good"),
        intensity=1_000_000,
    )
    harness.end("bad", crash)
    wait_until(lambda: len(harness.journal) > 200, what="many retries")
    assert harness.state("good") == "up"
    assert harness.ref.ask(TerminateChild("bad")) is None
    assert harness.state("bad") == "down"
    harness.ref.proxy().restart_child("good")
    system.exit(harness.ref, SHUTDOWN)
    assert system.wait_down(harness.ref, 2) == SHUTDOWN


def test_a_shutdown_ends_endless_failing_restarts(harness, system):
    harness.start(
        harness.spec("bad", plan=[None] + [fail] * 1_000_000, backoff=Backoff(min_s=0.0, max_s=0.0)),
        intensity=1_000_000,
    )
    harness.end("bad", crash)
    wait_until(lambda: len(harness.journal) > 50, what="many retries")
    system.exit(harness.ref, SHUTDOWN)
    assert system.wait_down(harness.ref, 2) == SHUTDOWN
