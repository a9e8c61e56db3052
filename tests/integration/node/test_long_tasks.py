"""A long task keeps one slot; nothing else waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actorq import App
from tests.nodes import NodeProcess

if TYPE_CHECKING:
    from pathlib import Path

TASKS = """
import time
from actorq import App

app = App("shop")

@app.task
def work(seconds: float) -> float:
    time.sleep(seconds)
    return seconds
"""


def test_short_tasks_dealt_out_behind_a_long_one_are_done_by_the_idle_slot(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(TASKS)
    home = tmp_path / "home"
    with NodeProcess("tasks", home, tmp_path), App("shop", home=home) as app:
        with app.pipeline():
            early = [app.send_task("tasks.work", (0.0,)) for _ in range(20)]
            long = app.send_task("tasks.work", (60.0,))
            late = [app.send_task("tasks.work", (0.0,)) for _ in range(200)]
        assert [result.get(timeout=30) for result in early + late] == [0.0] * 220
        assert long.state == "STARTED"
