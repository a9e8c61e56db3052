from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorq.transport.heartbeat import HeartbeatPolicy, Pulse

POLICY = HeartbeatPolicy(interval_s=1, suspect_s=3, dead_s=6, lost_link_s=0.5)

steps = st.lists(st.tuples(st.sampled_from(["heard", "cut", "look", "look", "look"]), st.floats(0, 2.5)), max_size=60)


@given(steps)
def test_the_verdict_agrees_with_the_whole_history(steps):
    now = 100.0
    pulse, heard_at, cut_at = Pulse.begin(now), now, None
    for what, wait in steps:
        now += wait
        if what == "heard":
            pulse, heard_at = pulse.heard(now), now
        elif what == "cut":
            pulse, cut_at = pulse.cut(now), now if cut_at is None else cut_at
        else:
            away = now - pulse.looked_at >= POLICY.suspect_s
            pulse = pulse.look(now, POLICY)
            heard_at = now if away else heard_at
        silent = now - heard_at
        dead = silent >= POLICY.dead_s or (cut_at is not None and now >= cut_at + POLICY.lost_link_s)
        doubtful = silent >= POLICY.suspect_s or cut_at is not None
        assert pulse.judge(now, POLICY) == ("dead" if dead else "suspect" if doubtful else "alive")


@given(st.floats(0, 50), st.floats(0, 50), st.floats(0, 50))
def test_what_is_heard_never_shortens_the_deadline_and_a_cut_never_lengthens_it(first, second, third):
    pulse = Pulse.begin(0.0).heard(first)
    assert pulse.heard(second).deadline(POLICY) >= pulse.deadline(POLICY)
    assert pulse.cut(second).deadline(POLICY) <= pulse.deadline(POLICY)
    assert pulse.cut(second).cut(third) == pulse.cut(second)
    assert pulse.cut(second).heard(third).deadline(POLICY) <= second + POLICY.lost_link_s


def test_silence_is_doubted_and_then_the_end():
    pulse = Pulse.begin(0.0)
    seen = []
    for now in range(8):
        pulse = pulse.look(float(now), POLICY)
        seen.append(pulse.judge(float(now), POLICY))
    assert seen == ["alive"] * 3 + ["suspect"] * 3 + ["dead"] * 2


def test_who_was_stopped_itself_begins_to_wait_anew():
    pulse = Pulse.begin(0.0).look(1.0, POLICY).look(500.0, POLICY)
    assert pulse.judge(500.0, POLICY) == "alive"


@pytest.mark.parametrize(
    "times",
    [{"interval_s": 0}, {"interval_s": 3}, {"suspect_s": 9}, {"dead_s": 1}, {"lost_link_s": -1}, {"lost_link_s": 9}],
)
def test_times_in_the_wrong_order_are_refused(times):
    with pytest.raises(ValueError, match="expected 0 <"):
        HeartbeatPolicy(**times)
