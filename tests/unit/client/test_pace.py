from __future__ import annotations

from actorq.client.pace import FULL_BATCH, LOOP_S, Pace


def test_one_task_goes_at_once():
    assert Pace().is_time(1.0, 1, 0)


def test_with_others_on_their_way_a_task_waits_for_a_confirmation_for_company_or_a_millisecond():
    pace = Pace()
    pace.note_shipped(1.0, 1)
    assert not pace.is_time(1.0001, 1, 1)
    assert (pace.plan_wait(1.0001) or (0, 0))[1] == FULL_BATCH
    assert pace.is_time(1.0002, FULL_BATCH, 1)
    assert pace.is_time(1.0012, 1, 1)
    pace.may_ship = True
    assert pace.is_time(1.0002, 1, 1)


def test_in_a_loop_of_sends_the_link_comes_by_less_and_less_often():
    pace, now, periods = Pace(), 1.0, []
    for _ in range(6):
        assert pace.is_time(now, 500, 300)
        pace.note_shipped(now, 500)
        assert not pace.is_time(now + pace.period_s / 2, 500, 300)
        periods.append(pace.period_s)
        now += pace.period_s + 1e-6
    assert periods == sorted(periods)
    assert periods[-1] == LOOP_S[1]


def test_somebody_who_waits_ends_the_waiting():
    pace = Pace()
    pace.note_shipped(1.0, 500)
    assert not pace.is_time(1.0001, 20, 500)
    pace.is_urgent = True
    assert pace.is_time(1.0001, 20, 500)


def test_a_loop_that_stopped_is_forgotten():
    pace = Pace()
    pace.note_shipped(1.0, 500)
    assert not pace.is_time(1.1, 0, 0)
    assert pace.period_s == 0.0
    assert pace.is_time(1.2, 1, 0)
