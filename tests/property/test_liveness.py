"""Who is taken for stuck, for any course of things."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actorq.node.liveness import GAP_S, SlotSign, Suspicions

LOOK_S = 0.5
courses = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 1), st.integers(0, 2)), max_size=40
)  # held, executing, steps of progress


@given(courses)
def test_a_slot_is_silent_for_as_long_as_it_held_tasks_ran_none_and_did_not_move(
    course: list[tuple[int, int, int]],
) -> None:
    suspicions, progress, since = Suspicions(), 0, None
    for number, (held, executing, steps) in enumerate(course):
        now = 100 + number * LOOK_S
        progress += steps
        found = suspicions.look([SlotSign("s", held, executing, (progress, 0))], now)
        if not held or executing:
            since = None
        elif since is None or steps:
            since = now
        assert found == ({} if since is None else {"s": now - since})


@given(courses, st.floats(GAP_S * 1.01, 1000))
def test_after_a_gap_in_which_nobody_looked_everybody_starts_anew(
    course: list[tuple[int, int, int]], gap_s: float
) -> None:
    suspicions, now = Suspicions(), 100.0
    for held, executing, _ in course:
        now += LOOK_S
        suspicions.look([SlotSign("s", held, executing, (0, 0))], now)
    assert suspicions.look([SlotSign("s", 1, 0, (0, 0))], now + gap_s) == {"s": 0.0}


def test_slots_are_judged_each_by_itself() -> None:
    suspicions, found = Suspicions(), {}
    for number in range(5):
        signs = [SlotSign("moves", 1, 0, (number, 0)), SlotSign("sticks", 1, 0, (0, 0)), SlotSign("runs", 1, 1, (0, 0))]
        found = suspicions.look(signs, number * LOOK_S)
    assert found == {"moves": 0.0, "sticks": 4 * LOOK_S}
