"""Who waits for which result."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from actorq.messages.ids import make_key
from actorq.messages.task import ResultRecord
from actorq.node.subscriptions import BYTES_PER_FRAME, RECORDS_PER_FRAME, Ranges, Subscriptions, split_results

spans = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12)), max_size=20)


@given(spans)
def test_ranges_hold_what_a_plain_set_holds(added: list[tuple[int, int]]) -> None:
    ranges, plain = Ranges(), set()
    for low, length in added:
        ranges.add(low, low + length - 1)
        plain |= set(range(low, low + length))
    assert {number for number in range(80) if number in ranges} == plain
    found = list(ranges)
    assert found == sorted(found)
    assert all(high + 1 < low for (_, high), (low, _) in itertools.pairwise(found)), "ranges that touch are one"


def test_a_result_goes_to_the_owner_of_its_outbox_only() -> None:
    subscriptions = Subscriptions()
    subscriptions.watch(1, b"a", 1, 10)
    subscriptions.watch(2, b"b", 1, 10)
    sends = subscriptions.match([ResultRecord(make_key(1, 5), 4), ResultRecord(make_key(2, 11), 4)])
    assert [(peer, [record.key for record in results.records]) for peer, results in sends] == [(b"a", [make_key(1, 5)])]


def test_a_foreign_task_is_told_once_under_the_id_it_was_asked_for() -> None:
    subscriptions = Subscriptions()
    subscriptions.watch_foreign(make_key(9, 1), b"a", "my-id")
    record = ResultRecord(make_key(9, 1), 4)
    assert [(peer, results.foreign) for peer, results in subscriptions.match([record])] == [(b"a", [("my-id", record)])]
    assert subscriptions.match([record]) == []


def test_a_client_that_reconnected_is_told_at_its_new_address() -> None:
    subscriptions = Subscriptions()
    subscriptions.watch(1, b"old", 1, 10)
    subscriptions.watch(1, b"new", 3, 4)
    subscriptions.drop(b"old", 1)
    peers = [
        peer for peer, _ in subscriptions.match([ResultRecord(make_key(1, 3), 4), ResultRecord(make_key(1, 9), 4)])
    ]
    assert peers == [b"new"]


def test_results_are_cut_into_bounded_frames() -> None:
    many = [ResultRecord(number, 4) for number in range(RECORDS_PER_FRAME * 2 + 1)]
    assert [len(part) for part in split_results(many)] == [RECORDS_PER_FRAME, RECORDS_PER_FRAME, 1]
    large = [ResultRecord(number, 4, b"x" * (BYTES_PER_FRAME - 1)) for number in range(3)]
    assert [len(part) for part in split_results(large)] == [1, 1, 1]
