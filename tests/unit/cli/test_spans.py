"""Spans of time as people say them."""

from __future__ import annotations

import pytest

from actorq.cli.spans import tell_ago, tell_span


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-3, "0 ms"),
        (0, "0 ms"),
        (0.0123, "12 ms"),
        (1, "1 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (3600, "1 h"),
        (3661, "1 h 1 min"),
        (90_000, "1 d 1 h"),
        (864_000, "10 d"),
    ],
)
def test_a_span_has_at_most_two_units(seconds, said):
    assert tell_span(seconds) == said


def test_in_a_column_one_unit_is_enough():
    assert tell_span(3661, 1) == "1 h"


def test_what_has_just_been_or_is_said_to_come_is_now():
    assert tell_ago(100.0, 100.4) == "now"
    assert tell_ago(105.0, 100.0) == "now"  # the clocks of two machines differ
    assert tell_ago(97.0, 100.0) == "3 s ago"
