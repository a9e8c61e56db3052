"""Agrees with the obvious slow version: two sets of numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actorq.client.coverage import AHEAD, MAX_RANGES, Coverage

numbers = st.integers(1, 60)


@given(st.lists(st.tuples(st.sampled_from(["watch", "mark", "forget"]), numbers), max_size=80))
def test_a_number_is_asked_for_exactly_when_its_result_isnt_on_its_way(steps):
    coverage = Coverage()
    asked: set[int] = set()
    arrived: set[int] = set()
    for step, number in steps:
        if step == "watch":
            planned = coverage.plan_watch(number, 60)
            if number in asked and number not in arrived:
                assert planned is None
                continue
            assert planned is not None
            low, high = planned
            assert low <= number <= high <= 60
            if number in arrived:
                assert (low, high) == (number, number)
            else:
                fresh = set(range(low, high + 1))
                assert not fresh & asked
                asked |= fresh
        elif step == "mark":
            coverage.mark([number])
            if number in asked:
                arrived.add(number)
        else:
            before = [(each.low, each.high) for each in coverage._ranges]
            coverage.forget(number)
            for low, high in set(before) - {(each.low, each.high) for each in coverage._ranges}:
                asked -= set(range(low, high + 1))
                arrived -= set(range(low, high + 1))


def test_sending_and_getting_in_turn_costs_one_range():
    coverage = Coverage()
    for number in range(1, 5_000):
        assert coverage.plan_watch(number, number) == (number, number)
        coverage.mark([number])
    assert len(coverage._ranges) == 1


def test_a_range_is_bounded_and_so_are_the_ranges():
    coverage = Coverage()
    assert coverage.plan_watch(5, 1_000_000) == (5, 5 + AHEAD - 1)
    for number in range(100_000, 200_000, 7):
        coverage.plan_watch(number, number)
    assert len(coverage._ranges) <= MAX_RANGES


def test_collecting_backwards_asks_for_a_range_below():
    coverage = Coverage()
    assert coverage.plan_watch(100_000, 100_000) == (100_000, 100_000)
    coverage.mark([100_000])
    assert coverage.plan_watch(99_999, 100_000) == (99_999 - AHEAD + 1, 99_999)


@given(st.lists(st.tuples(numbers, numbers), max_size=6), st.lists(st.sets(numbers, max_size=30), max_size=6))
def test_marking_a_frame_is_marking_each_of_its_numbers(watched, frames):
    at_once, one_by_one = Coverage(), Coverage()
    for low, last in watched:
        at_once.plan_watch(low, max(low, last))
        one_by_one.plan_watch(low, max(low, last))
    for frame in frames:
        at_once.mark(frame)
        for number in frame:
            one_by_one.mark([number])
    asked = [number for pair in watched for number in pair] + [number for frame in frames for number in frame]
    for number in asked:
        assert at_once.plan_watch(number, number) == one_by_one.plan_watch(number, number)
