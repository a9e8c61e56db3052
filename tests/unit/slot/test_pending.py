"""Which updates are told when."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from actorq.messages.updates import Update
from actorq.slot.pending import PERIOD_NS, PendingUpdates


def make(number: int, said: int) -> Update:
    return Update("PROGRESS", 0, str(said).encode(), 7, number)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, PERIOD_NS // 2)), max_size=200))
def test_a_flood_is_told_once_a_period_and_the_last_of_each_task_is_never_lost(steps: list[tuple[int, int]]) -> None:
    pending, now_ns = PendingUpdates(), 10**12
    said: dict[int, Update] = {}
    told: dict[int, Update] = {}
    times = []

    def look() -> None:
        if pending and not pending.plan_wait_ns(now_ns):
            updates = pending.take(now_ns)
            assert len({update.number for update in updates}) == len(updates)
            told.update((update.number, update) for update in updates)
            times.append(now_ns)

    for count, (number, pause_ns) in enumerate(steps):
        said[number] = make(number, count)
        pending.add(said[number])
        look()
        now_ns += pause_ns
    now_ns += PERIOD_NS  # as long as a task may have to wait that says nothing more
    look()
    assert told == said
    assert not pending
    assert all(later - earlier >= PERIOD_NS for earlier, later in itertools.pairwise(times))


def test_the_first_update_goes_at_once() -> None:
    assert PendingUpdates().plan_wait_ns(0) == 0


def test_what_could_not_be_told_comes_again_unless_its_task_has_said_more() -> None:
    pending = PendingUpdates()
    pending.add(make(1, 1))
    pending.add(make(2, 1))
    lost = pending.take(0)
    pending.add(make(2, 2))
    pending.put_back(lost)
    assert {update.number: update.meta for update in pending.take(1)} == {1: b"1", 2: b"2"}
