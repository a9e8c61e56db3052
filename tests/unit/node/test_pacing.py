"""When to commit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actorq.node.pacing import COMMIT_PAUSE_S, FULL_COMMIT, LINGER_S, plan_pause

seconds = st.floats(0, 10)


@given(st.integers(1, 10_000), st.integers(0, 10_000), seconds, seconds, st.booleans())
def test_a_pause_is_short_and_ends(pending: int, last: int, since_s: float, waited_s: float, all_out: bool) -> None:
    pause_s = plan_pause(pending, last=last, since_commit_s=since_s, waited_s=waited_s, all_out=all_out)
    assert 0.0 <= pause_s <= COMMIT_PAUSE_S
    late_s = 1.0
    assert plan_pause(pending, last=last, since_commit_s=late_s, waited_s=late_s, all_out=all_out) == 0.0


def test_a_lone_task_in_a_slots_hands_is_given_a_moment_to_end() -> None:
    assert plan_pause(1, last=1, since_commit_s=5.0, waited_s=0.0, all_out=True) == LINGER_S


def test_what_has_ended_is_committed_at_once() -> None:
    assert plan_pause(1, last=1, since_commit_s=0.0, waited_s=0.0, all_out=False) == 0.0


def test_a_full_batch_is_committed_at_once_and_a_small_one_in_a_rush_waits() -> None:
    assert plan_pause(FULL_COMMIT, last=500, since_commit_s=0.0, waited_s=0.0, all_out=True) == 0.0
    assert plan_pause(FULL_COMMIT - 1, last=500, since_commit_s=0.001, waited_s=0.0, all_out=True) > 0.0
