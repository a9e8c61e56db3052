"""Tasks of the far future: they wait in the store, cost the node no memory, delay nobody and survive a restart.

`ACTORQ_CHAOS=long` runs the long form, 200,000 of them; the short form is for every run of the tests.
"""

from __future__ import annotations

import os
import statistics
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from actorq import App
from actorq.engine.sqlite import SqliteEngine
from actorq.messages.states import PENDING
from tests.nodes import ROOT, NodeProcess, home_of

if TYPE_CHECKING:
    from pathlib import Path

LONG = os.environ.get("ACTORQ_CHAOS") == "long"
HOUR_S = 3_600.0
MOST_GROWTH_BYTES = 20 << 20
CALLS = 200

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600 if LONG else 120)]


def call_s(app: App) -> float:
    """Return the median time of a call, in seconds."""
    took = []
    for number in range(CALLS):
        started_at = time.perf_counter()
        assert app.send_task("tests.chaos.chaos_tasks.add", (number, 1)).get(timeout=20) == number + 1
        took.append(time.perf_counter() - started_at)
    return statistics.median(took)


def count_scheduled(home: Path) -> int:
    """Return how many tasks the store, which no node has open, keeps for later."""
    engine = SqliteEngine(home_of(home).store)
    engine.open()
    try:
        return sum(queue.scheduled for queue in engine.stats().queues.values())
    finally:
        engine.close()


def test_tasks_of_the_far_future_cost_no_memory_and_delay_nobody(tmp_path: Path) -> None:
    many = 200_000 if LONG else 10_000
    home = tmp_path / "home"
    environ = {"CHAOS_EVIDENCE": str(tmp_path), "CHAOS_HOME": str(home)}
    with App("chaos", home=home) as app:
        with NodeProcess("tests.chaos.chaos_tasks", home, ROOT, environ=environ) as node:
            call_s(app)
            alone_s, before = call_s(app), psutil.Process(node.pid).memory_info().rss
            eta = time.time() + HOUR_S
            later = [app.send_task("tests.chaos.chaos_tasks.add", (number, 1), eta=eta) for number in range(many)]
            app.flush(timeout=120)
            beside_s, after = call_s(app), psutil.Process(node.pid).memory_info().rss
            assert after - before < MOST_GROWTH_BYTES, f"{(after - before) >> 20} MiB"
            assert beside_s < 4 * alone_s, "they are in nobody's way"
            assert node.stop() == 0, node.output
        assert count_scheduled(home) == many
        with NodeProcess("tests.chaos.chaos_tasks", home, ROOT, environ=environ) as node:
            assert {later[0].state, later[many // 2].state, later[-1].state} == {PENDING}
            assert call_s(app) < 4 * alone_s
            restarted = psutil.Process(node.pid).memory_info().rss
    print(
        f"{many} scheduled: node {before >> 20} MiB, then {after >> 20}, after a restart {restarted >> 20};"
        f" a call {alone_s * 1e3:.2f} ms, then {beside_s * 1e3:.2f}"
    )
