from __future__ import annotations

import threading
from functools import partial
from typing import Any

import pytest
import structlog.testing

from actorq.actors import Actor, System
from actorq.actors.watchdog import Watchdog
from actorq.testing.wait import wait_until


class Stuck(Actor):
    pinned = True

    def hang_here(self, entered, gate):
        entered.set()
        gate.wait(10)


@pytest.fixture
def gate():
    gate = threading.Event()
    yield gate
    gate.set()


def hang(system, gate):
    entered = threading.Event()
    ref = system.spawn(Stuck)
    ref.proxy().hang_here.defer(entered, gate)
    entered.wait(5)
    return ref


def test_a_stuck_loop_is_logged_once_with_its_stack_and_then_reported_once(gate):
    system = System("watched")
    reasons: list[str] = []
    system.spawn(Stuck)  # idle: well
    ref = hang(system, gate)
    watchdog = Watchdog(system, reasons.append, warn_s=0.01, limit_s=0.05)
    with structlog.testing.capture_logs() as logs:

        def reported():
            watchdog.look()
            return reasons

        wait_until(reported, what="the report")
        watchdog.look()
    assert [entry["event"] for entry in logs] == ["loop_stuck", "system_stuck"]
    assert "hang_here" in logs[0]["stack"]
    assert len(reasons) == 1
    gate.set()
    wait_until(lambda: ref.cell.loop.stuck_for_s() == 0.0)
    system.shutdown()


def test_too_many_zombies_are_reported_by_name(gate):
    system = System("graves")
    reasons: list[str] = []
    for _ in range(2):
        system.kill(hang(system, gate))
    Watchdog(system, reasons.append, warn_s=60.0, grace_s=0.0, limit_s=60.0, zombie_limit=2).look()
    assert reasons == []
    Watchdog(system, reasons.append, warn_s=60.0, grace_s=0.0, limit_s=60.0, zombie_limit=1).look()
    assert reasons[0].startswith("2 killed actors haven't given their threads back: Stuck#")
    gate.set()
    wait_until(lambda: not system.zombies())
    system.shutdown()


def test_its_thread_ends_with_it():
    system = System("quiet")
    watchdog = Watchdog(system, print)
    watchdog.start()
    watchdog.stop()
    assert not watchdog._thread.is_alive()
    system.shutdown()


def test_an_actor_that_waits_for_a_disk_may_take_longer_if_it_says_so(gate):
    class Patient(Stuck):
        patience_s = 60.0

    system = System("patient")
    reasons: list[str] = []
    entered = threading.Event()
    ref = system.spawn(Patient)
    ref.proxy().hang_here.defer(entered, gate)
    entered.wait(5)
    wait_until(lambda: ref.cell.loop.stuck_for_s() > 0.1)
    Watchdog(system, reasons.append, limit_s=0.0).look()
    assert reasons == []
    gate.set()
    system.shutdown()


def test_a_process_that_stood_still_has_no_stuck_loops_for_that(gate):
    system = System("frozen")
    reasons: list[str] = []
    ref = hang(system, gate)
    watchdog = Watchdog(system, reasons.append, warn_s=0.02, limit_s=0.1)
    wait_until(lambda: ref.cell.loop.stuck_for_s() > 0.2)
    watchdog._looked_at -= 60.0  # as if it hadn't been running
    with structlog.testing.capture_logs() as logs:
        watchdog.look()
        assert reasons == []

        def reported():
            watchdog.look()
            return reasons

        wait_until(reported, what="the report of what stays stuck")
    assert [entry["event"] for entry in logs] == ["system_stood_still", "loop_stuck", "system_stuck"]
    gate.set()
    system.shutdown()


class Light(Actor):
    def on_str(self, message):
        return message

    def hang_here(self, entered, gate):
        entered.set()
        gate.wait(10)


def test_a_killed_actor_that_holds_the_shared_loop_is_reported_at_once(gate):
    system = System("shared")
    reasons: list[str] = []
    entered = threading.Event()
    ref = system.spawn(Light)
    ref.proxy().hang_here.defer(entered, gate)
    entered.wait(5)
    watchdog = Watchdog(system, reasons.append, warn_s=60.0, limit_s=60.0, grace_s=0.0, zombie_limit=100)
    watchdog.look()
    assert reasons == []
    system.kill(ref)
    watchdog.look()
    assert len(reasons) == 1
    assert "still holds the shared loop" in reasons[0]
    assert [zombie.shared for zombie in system.zombies()] == [True]
    gate.set()
    wait_until(lambda: not system.zombies(), what="the loop to come back")
    assert system.spawn(Light).ask("well") == "well"
    system.shutdown()


def test_a_killed_actor_within_its_grace_is_no_zombie_yet(gate):
    system = System("grace")
    reasons: list[str] = []
    system.kill(hang(system, gate))
    Watchdog(system, reasons.append, warn_s=60.0, limit_s=60.0, grace_s=60.0, zombie_limit=0).look()
    assert reasons == []
    gate.set()
    wait_until(lambda: not system.zombies())
    system.shutdown()


def test_an_idle_actor_that_is_killed_is_no_zombie():
    system = System("idle")
    system.kill(system.spawn(Light))
    assert system.zombies() == []
    system.kill(system.spawn(Stuck))
    wait_until(lambda: not system.zombies(), what="its thread to end")
    system.shutdown()


@pytest.mark.parametrize("cls", [Light, Stuck])
def test_a_loop_that_is_merely_busy_beats_between_two_items(cls):
    """A batch of many short items is no stall, however long it takes altogether."""
    system = System("busy")
    reasons: list[str] = []
    done = threading.Event()
    ref: Any = system.spawn(type("Busy", (cls,), {"on_int": lambda _, number: done.wait(0.004) or number}))
    watchdog = Watchdog(system, reasons.append, warn_s=0.15, limit_s=0.15)
    with structlog.testing.capture_logs() as logs:
        last = [ref.ask(number, block=False, timeout=30) for number in range(150)][-1]

        def handled():
            watchdog.look()
            return last._is_set

        wait_until(handled, timeout_s=20, what="the batch")
    assert reasons == []
    assert logs == []
    system.shutdown()


def test_a_stall_is_logged_once_and_the_next_one_again(gate):
    system = System("twice")
    watchdog = Watchdog(system, print, warn_s=0.01, limit_s=60.0)
    ref = system.spawn(Stuck)
    with structlog.testing.capture_logs() as logs:

        def warned(times):
            watchdog.look()
            return len(logs) == times

        for times in (1, 2):
            entered, hold = threading.Event(), threading.Event()
            ref.proxy().hang_here.defer(entered, hold)
            entered.wait(5)
            wait_until(partial(warned, times), what="the warning")
            watchdog.look()
            assert len(logs) == times
            hold.set()
            wait_until(lambda: ref.cell.loop.stuck_for_s() == 0.0)
            watchdog.look()
    assert {entry["event"] for entry in logs} == {"loop_stuck"}
    system.shutdown()
