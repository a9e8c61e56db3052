"""The arithmetic of the kernel's table, and that each measure runs at all."""

from __future__ import annotations

import os

import pytest

from benchmarks import bench_kernel
from benchmarks.bench_kernel import Line, Target


@pytest.mark.parametrize(
    ("target", "figure", "share"),
    [(Target(10), 5, 2.0), (Target(10), 20, 0.5), (Target(10, least=True), 20, 2.0), (Target(10, least=True), 5, 0.5)],
)
def test_a_share_of_one_or_more_means_that_the_target_was_met(target, figure, share):
    assert target.share(figure) == share


def test_the_table_tells_median_worst_target_and_how_many_times_better_than_pykka():
    lines = [
        Line("tell", "/s", (300.0, 100.0, 200.0), Target(100, least=True), beside=50.0),
        Line("start", "s", (0.3, 0.1, 0.2), Target(0.1), beside=0.8),
        Line("floor", "µs", (1.0,)),
    ]
    rows = [line.split() for line in bench_kernel.render(lines).splitlines()]
    assert rows[1] == ["tell", "200", "100", "/s", "≥", "100", "2.00", "✓", "50", "4.00"]
    assert rows[2] == ["start", "0.2", "0.3", "s", "≤", "0.1", "0.50", "✗", "0.8", "4.00"]
    assert rows[3] == ["floor", "1", "1", "µs"]


def test_one_core_is_given_back():
    before = os.sched_getaffinity(0)
    with bench_kernel.one_core():
        assert len(os.sched_getaffinity(0)) == 1
    assert os.sched_getaffinity(0) == before


@pytest.mark.parametrize("timed", [bench_kernel.time_dynamic, bench_kernel.time_static, bench_kernel.time_spawned])
def test_starts_and_stops_are_timed(timed):
    start_s, stop_s = timed(20)
    assert start_s > 0
    assert stop_s > 0


def test_a_restart_is_timed_from_the_crash_to_the_first_message_of_the_next():
    assert bench_kernel.time_restarts(bench_kernel.Restless, 3) > 0


def test_a_light_actor_weighs_a_few_thousand_bytes():
    assert 500 < bench_kernel.weigh(200) < 6_000
