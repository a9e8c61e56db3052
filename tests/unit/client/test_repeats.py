from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from actorq.client.repeats import INTERVAL_S, Repeats


def test_the_first_is_told_at_once_and_the_next_line_stands_for_all_since():
    repeats = Repeats()
    assert repeats.note(100.0) == 1
    assert [repeats.note(100.0 + n * 0.025) for n in range(1, 100)] == [0] * 99
    assert repeats.note(100.0 + INTERVAL_S) == 100


def test_after_a_quiet_time_one_alone_is_told_as_one():
    repeats = Repeats()
    repeats.note(0.0)
    assert repeats.note(1000.0) == 1


@given(st.lists(st.floats(0.0, 5.0), max_size=200))
def test_lines_are_an_interval_apart_and_count_everything_before_them(gaps):
    repeats, now = Repeats(), 0.0
    told: list[float] = []
    counted = 0
    for happened, gap in enumerate(gaps, 1):
        now += gap
        count = repeats.note(now)
        if count:
            counted += count
            told.append(now)
            assert counted == happened
    assert all(later - earlier >= INTERVAL_S for earlier, later in itertools.pairwise(told))
