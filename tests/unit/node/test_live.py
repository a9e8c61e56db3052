"""What orders make of a node's queues and places."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorq.messages.queues import QueueChoice
from actorq.node.live import add_queue, cancel_queue
from actorq.node.sizer import plan_places

NAMES = st.sampled_from("abcd")
CHOICES = st.one_of(
    st.none(),
    st.sets(NAMES, min_size=1).map(lambda names: QueueChoice(only=tuple(names))),
    st.sets(NAMES, min_size=1).map(lambda names: QueueChoice(but=tuple(names))),
)


def taken(choice):
    return {name for name in "abcde" if choice is None or choice.takes(name)}


@given(CHOICES, NAMES)
def test_a_queue_that_was_added_is_taken_and_no_other_changes(choice, name):
    assert taken(add_queue(choice, name)) == taken(choice) | {name}


@given(CHOICES, NAMES)
def test_a_queue_that_was_cancelled_is_left_and_no_other_changes(choice, name):
    if choice is not None and choice.only == (name,):
        with pytest.raises(ValueError, match="expected a queue to be left"):
            cancel_queue(choice, name)
    else:
        assert taken(cancel_queue(choice, name)) == taken(choice) - {name}


@given(st.sets(st.integers(0, 9)), st.sets(st.integers(0, 9)), st.integers(0, 12))
def test_busy_places_stay_before_idle_ones_and_the_size_is_as_asked(places, busy, size):
    busy &= places
    found = plan_places(sorted(places), sorted(busy), size)
    assert len(found) == len(set(found)) == size
    assert len(set(found) & places) == min(size, len(places))
    assert len(set(found) & busy) == min(size, len(busy))
