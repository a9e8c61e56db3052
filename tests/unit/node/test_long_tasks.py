"""What waits isn't put behind a long task, and what lies there is taken back as soon as somebody is idle."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from actorq.node.balance import PATIENCE_S
from actorq.node.balancer import LOOK_S, Balancer
from tests.unit.node.test_queues import FakePeer, deal


class FakeTimers:
    """Remembers the timers that are set."""

    def __init__(self):
        self.set = []

    def after(self, delay_s, _):
        self.set.append([delay_s, True])
        entry = self.set[-1]
        return SimpleNamespace(cancel=lambda: entry.__setitem__(1, False))

    @property
    def pending(self):
        return [delay_s for delay_s, is_active in self.set if is_active]


def balancer(*peers):
    timers = FakeTimers()
    slots = {str(place): peer for place, peer in enumerate(peers)}
    return timers, Balancer(
        cast("Any", None), cast("Any", slots), cast("Any", None), cast("Any", timers), cast("Any", None)
    )


def test_a_slot_at_a_long_task_is_given_nothing():
    busy = FakePeer("busy", held=[(9, "a")], running_s=PATIENCE_S)
    brisk = FakePeer("brisk", held=[(8, "a")], running_s=PATIENCE_S / 2)
    assert deal([("a", 0)] * 4, [busy, brisk]) == [[], ["a"] * 4]


def test_an_idle_slot_whose_line_still_shows_a_run_is_given_tasks():
    assert deal([("a", 0)] * 2, [FakePeer("done", running_s=5.0)]) == [["a", "a"]]


def test_a_slot_that_becomes_idle_brings_the_next_look_forward():
    first, second = FakePeer("a", held=[(1, "a"), (2, "a")]), FakePeer("b", held=[(3, "a")])
    timers, looks = balancer(first, second)
    looks.arm()
    assert timers.pending == [LOOK_S], "nobody is idle"
    second.desk.held.clear()
    looks.arm()
    looks.arm()
    assert timers.pending == [PATIENCE_S]


def test_nobody_looks_while_all_are_idle():
    timers, looks = balancer(FakePeer("a"), FakePeer("b"))
    looks.arm()
    assert timers.pending == []
