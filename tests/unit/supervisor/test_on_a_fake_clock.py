"""Quota, back-off and parking on a clock that moves only when told to."""

from __future__ import annotations

import pytest

from actorq.actors import System
from actorq.supervisor import Backoff, DynamicSupervisor, StartChild, Tree
from actorq.testing.clock import FakeClock
from actorq.testing.wait import wait_until
from tests.unit.supervisor.members import Harness, crash, fail


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def system(clock):
    system = System("test", clock=clock)
    yield system
    system.shutdown()


@pytest.fixture
def harness(system):
    return Harness(system)


def quota(harness):
    return harness.ref.ask(Tree())["quota"]


def test_the_quota_comes_back_when_the_period_is_over(harness, clock, system):
    harness.start(harness.spec("a"), intensity=2, period_s=10.0)
    for left in (1, 0):
        harness.end("a", crash)
        harness.settle("a")
        assert quota(harness) == {"left": left, "intensity": 2, "period_s": 10.0}
        clock.advance(4.0)
    clock.advance(2.5)  # the first was 10.5 s ago, the second 6.5 s
    assert quota(harness)["left"] == 1
    harness.end("a", crash)
    harness.settle("a")
    assert quota(harness)["left"] == 0
    harness.end("a", crash)
    assert str(system.wait_down(harness.ref)).startswith("shutdown")


@pytest.mark.parametrize(("apart_s", "left"), [(10.0, None), (10.001, 0)])
def test_an_incident_exactly_one_period_old_still_counts(harness, clock, system, apart_s, left):
    harness.start(harness.spec("a"), intensity=1, period_s=10.0)
    harness.end("a", crash)
    harness.settle("a")
    clock.advance(apart_s)
    harness.end("a", crash)
    if left is None:
        assert str(system.wait_down(harness.ref)).startswith("shutdown")
    else:
        harness.settle("a")
        assert quota(harness)["left"] == left


def test_a_dynamic_supervisor_has_the_same_window(harness, clock, system):
    harness.ref = system.spawn(DynamicSupervisor, intensity=1, period_s=10.0)
    harness.ref.ask(StartChild(harness.spec("a")))
    for _ in range(3):
        harness.end("a", crash)
        wait_until(lambda: harness.state("a") == "up")
        assert quota(harness)["left"] == 0
        clock.advance(10.01)
        assert quota(harness)["left"] == 1


def test_the_first_restart_comes_at_once_and_then_the_wait_doubles_up_to_its_bound(harness, clock):
    backoff = Backoff(min_s=1.0, max_s=4.0, jitter=0.0, reset_after_s=100.0)
    harness.start(harness.spec("a", backoff=backoff), intensity=100)
    for delay_s in (0.0, 1.0, 2.0, 4.0, 4.0):
        starts = len(harness.journal.starts())
        harness.end("a", crash)
        if delay_s:
            wait_until(lambda: harness.state("a") == "restarting")
            clock.advance(delay_s - 0.01)
            assert harness.state("a") == "restarting"
            assert len(harness.journal.starts()) == starts
            clock.advance(0.02)
        harness.settle("a")


def test_a_child_that_was_up_long_enough_starts_anew(harness, clock):
    harness.start(
        harness.spec("a", backoff=Backoff(min_s=60.0, max_s=60.0, reset_after_s=100.0, jitter=0.0)), intensity=100
    )
    for _ in range(3):
        harness.end("a", crash)
        harness.settle("a")  # at once, or this would wait for ever
        clock.advance(100.0)


def test_jitter_stays_within_its_share(harness, clock):
    harness.start(
        harness.spec("a", plan=[None, fail], backoff=Backoff(min_s=10.0, max_s=10.0, jitter=0.2)), intensity=100
    )
    harness.end("a", crash)
    wait_until(lambda: harness.state("a") == "restarting" and len(harness.journal.starts()) == 2)
    clock.advance(7.99)
    assert harness.state("a") == "restarting"
    clock.advance(4.02)
    harness.settle("a")


def test_a_parked_child_is_tried_again_at_its_slow_pace_and_those_that_wait_use_no_quota(harness, clock):
    harness.start(
        harness.spec("a", plan=[fail, fail], exhausted="park"),
        harness.spec("b", requires=("a",)),
        strategy="dependents",
        intensity=0,
        park_retry_s=30.0,
    )
    assert (harness.state("a"), harness.state("b")) == ("parked", "waiting")
    clock.advance(29.9)
    assert harness.journal.starts() == ["a"]
    clock.advance(0.2)
    wait_until(lambda: harness.journal.starts() == ["a", "a"])
    wait_until(lambda: harness.state("a") == "parked")
    clock.advance(30.1)
    harness.settle("a", "b")
    assert harness.journal.starts() == ["a", "a", "a", "b"]
    assert harness.ref.ask(Tree())["facts"]["incidents"] == 0
