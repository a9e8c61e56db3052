"""Priorities that grow with waiting, against sorting all tasks each time; and that nothing changes where they don't."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actorq.messages.task import Delivery, TaskMessage
from actorq.node.ageing import find_level, find_next
from actorq.node.lanes import Lanes

TASKS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 50)), max_size=30)


def fill(tasks, ageing_s):
    lanes = Lanes({})
    lanes.ageing_s = ageing_s
    for key, (priority, sent_at) in enumerate(sorted(tasks, key=lambda task: task[1]), 1):
        message = TaskMessage(key, "t", b"", priority=priority, sent_at=float(sent_at))
        lanes.append(lanes.get_lane("default", priority), Delivery(key, 0, 0, 1, message))
    return lanes


@given(TASKS, st.integers(1, 20), st.integers(50, 200), st.integers(1, 7))
def test_the_order_is_by_level_and_then_by_age(tasks, ageing_s, now, limit):
    lanes, drawn = fill(tasks, float(ageing_s)), []
    held: dict[int, Delivery] = {}
    while lanes.waiting:
        drawn += lanes.draw(held, 1, limit, float(now))[0]
    got = [(each.message.priority, each.message.sent_at) for each in drawn]
    left = [(priority, float(sent_at)) for priority, sent_at in tasks]
    for each in got:
        ranks = {(find_level(priority, now - sent, ageing_s), -sent) for priority, sent in left}
        assert (find_level(each[0], now - each[1], ageing_s), -each[1]) == max(ranks)
        left.remove(each)
    assert left == []
    assert list(held) == [each.key for each in drawn]


@given(TASKS)
def test_without_ageing_the_order_is_strict(tasks):
    drawn = fill(tasks, None).draw({}, 1, 100, 1e9)[0]
    assert [each.message.priority for each in drawn] == sorted((priority for priority, _ in tasks), reverse=True)


def test_a_priority_whose_first_is_on_its_way_keeps_lower_ones_waiting_but_not_higher_ones():
    assert find_next([(9, 100.0), (5, None), (0, 0.0)], 100.0, 10.0) == 0
    assert find_next([None, (5, None), (0, 0.0)], 100.0, 10.0) is None
    assert find_next([(9, 99.0), None, (0, 0.0)], 100.0, 10.0) == 2


def test_a_clock_that_went_back_ages_nobody():
    assert find_level(3, -50.0, 1.0) == 3
    assert find_level(3, 1e9, 1.0) == 9


def test_what_has_expired_is_told_apart_and_what_is_unknown_keeps_the_order_strict():
    lanes = fill([(0, 0), (9, 50)], 1.0)
    lanes.get_lane("default", 0).window[0].message.expires = 60.0
    drawn, expired = lanes.draw({}, 1, 5, 100.0)
    assert ([each.message.priority for each in drawn], [each.message.priority for each in expired]) == ([9], [0])
    lanes = fill([(0, 0), (9, 50)], 1.0)
    lanes.woken({"default": 1})
    assert [each.message.priority for each in lanes.draw({}, 1, 5, 100.0)[0]] == [9]
