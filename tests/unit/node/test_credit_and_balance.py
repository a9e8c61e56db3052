"""How much work lies at a slot's elbow, and when it is taken back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actorq.node.balance import PATIENCE_S, SlotLoad, plan_recalls
from actorq.node.credit import MAX_CREDIT, fair_share, next_mean_s, plan_credit


@given(st.floats(0, 1e4), st.floats(0, 10))
def test_credit_is_bounded_and_a_slow_task_leaves_room_for_itself_only(mean_s: float, prefetch_s: float) -> None:
    credit = plan_credit(mean_s, prefetch_s)
    assert 1 <= credit <= MAX_CREDIT
    if mean_s > prefetch_s * 2:
        assert credit == 1


def test_credit_is_about_the_prefetched_time() -> None:
    assert plan_credit(0.001, 0.05) == 51
    assert plan_credit(2.0, 0.05) == 1


@given(st.integers(0, 10_000), st.integers(1, 64))
def test_fair_shares_cover_what_waits_and_differ_by_one(waiting: int, slots: int) -> None:
    shares, left = [], waiting
    for place in range(slots):
        share = fair_share(left, slots - place)
        shares.append(share)
        left -= share
    assert left == 0
    assert max(shares) - min(shares) <= 1


def test_the_mean_follows_a_change() -> None:
    mean_s = next_mean_s(0.0, 1.0, 1)
    for _ in range(50):
        mean_s = next_mean_s(mean_s, 0.001, 64)
    assert mean_s < 0.01


def test_nothing_is_recalled_while_nobody_is_idle() -> None:
    assert plan_recalls([SlotLoad("a", 9, 5.0, True), SlotLoad("b", 1, 0.0, True)]) == []
    assert plan_recalls([SlotLoad("a", 9, 5.0, True), SlotLoad("b", 0, 0.0, False)]) == [], "closed isn't idle"


def test_the_longest_list_behind_a_long_task_is_recalled_first() -> None:
    loads = [
        SlotLoad("short", 2, 5.0, True),
        SlotLoad("long", 9, 5.0, True),
        SlotLoad("brisk", 50, PATIENCE_S / 2, True),
        SlotLoad("alone", 1, 99.0, True),
        SlotLoad("idle", 0, 0.0, True),
    ]
    assert plan_recalls(loads) == ["long", "short"]
