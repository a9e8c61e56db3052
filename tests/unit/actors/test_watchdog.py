from __future__ import annotations

import threading

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
