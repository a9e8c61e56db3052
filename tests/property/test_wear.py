"""When a slot has had its share, for any share, any count and any memory; and who waits for whom."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from actorq.slot.layout import EXECUTED, RSS
from actorq.slot.line import Line
from actorq.slot.line_view import LineView
from actorq.slot.wear import LEAD_NS, NEAR, THROUGH, TOO_BIG, Gauge, Wear, plan_wear

if TYPE_CHECKING:
    from pathlib import Path

counts = st.integers(0, 10_000)
sizes = st.integers(0, 1 << 40)
means = st.floats(0, 1e12)


@given(counts, sizes, means)
def test_without_a_share_nothing_wears_out(executed: int, rss: int, mean_ns: float) -> None:
    assert plan_wear(Wear(), executed, rss, mean_ns) == 0


@given(st.integers(1, 10_000), counts, sizes, means)
def test_a_slot_is_through_exactly_from_its_last_task_on(most: int, executed: int, rss: int, mean_ns: float) -> None:
    assert (plan_wear(Wear(most), executed, rss, mean_ns) == THROUGH) == (executed >= most)


@given(st.integers(1, 1 << 40), counts, sizes, means)
def test_memory_counts_only_after_a_run(most: int, executed: int, rss: int, mean_ns: float) -> None:
    found = plan_wear(Wear(0, most), executed, rss, mean_ns)
    assert found == (TOO_BIG if executed and rss > most else 0)


@given(st.integers(1, 10_000), counts, means)
def test_a_successor_is_ordered_while_less_is_left_than_it_needs_to_start(
    most: int, executed: int, mean_ns: float
) -> None:
    if executed < most:
        assert (plan_wear(Wear(most), executed, 0, mean_ns) == NEAR) == ((most - executed) * mean_ns <= LEAD_NS)


@given(st.integers(1, 100), st.integers(1, 1000), st.lists(st.tuples(counts, sizes), max_size=20))
def test_how_far_a_slot_is_never_goes_back_while_its_runs_take_as_long(
    most: int, mean_ms: int, seen: list[tuple[int, int]]
) -> None:
    steps = sorted(seen)
    largest = 0
    found = []
    for executed, rss in steps:
        largest = max(largest, rss)
        found.append(plan_wear(Wear(most, 1 << 30), executed, largest, mean_ms * 1e6))
    reached = [min(each, THROUGH) for each in found]
    assert reached == sorted(reached)


def test_a_gauge_writes_into_the_line_what_the_node_is_to_see(tmp_path: Path) -> None:
    line = Line.create(tmp_path / "s.line", os.getpid())
    view = LineView.attach(line.path)
    assert view is not None
    gauge = Gauge(Wear(max_tasks=1_000, max_rss_bytes=5_000), line)
    assert (view.wear, gauge.is_worn, gauge.left) == (0, False, 1_000)
    line.words[EXECUTED] = 990
    gauge.spent(990 * 1_000_000)
    assert (view.wear, gauge.is_worn, gauge.left) == (NEAR, False, 10)
    line.words[RSS] = 6_000
    gauge.spent(0)
    assert (view.wear, gauge.is_worn) == (TOO_BIG, True)
    line.words[EXECUTED] = 1_000
    gauge.spent(10_000_000)
    assert (view.wear, gauge.is_worn, gauge.left) == (THROUGH, True, 0)
    view.close()
    line.close()


def test_a_slot_of_few_tasks_wants_its_successor_from_the_first_moment(tmp_path: Path) -> None:
    line = Line.create(tmp_path / "s.line", os.getpid())
    view = LineView.attach(line.path)
    assert view is not None
    Gauge(Wear(max_tasks=10), line)
    assert view.wear == NEAR
    view.close()
    line.close()
