"""kill -9 at every observation point of the script: each transaction is there or isn't, and confirmed ones are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from actorq.engine import SqliteEngine
from actorq.testing.clock import FakeClock
from actorq.testing.engine_contract import make_oracle
from actorq.testing.engine_script import SCRIPT, make_task, take_picture

PLAYER = Path(__file__).with_name("sigkill_player.py")


@pytest.mark.parametrize("durability", ["power", "process"])
def test_sigkill_anywhere_leaves_whole_transactions(tmp_path, durability):
    subprocess.run(
        [sys.executable, PLAYER, tmp_path, durability], check=True, cwd=PLAYER.parents[2], env={"PYTHONPATH": "."}
    )
    oracle = make_oracle()
    points = sorted(int(path.stem) for path in tmp_path.glob("*.confirmed"))
    assert len(points) > 100
    seen: set[str] = set()
    confirmed: list[str] = []
    for point in points:
        *confirmed, killed = (tmp_path / f"{point}.confirmed").read_text().split("\n")
        step = killed.removeprefix("killed ")
        has_opened = point >= 4  # the four points of the first epoch come before the script
        has_happened = step in {"after_commit", "after_mark"} and has_opened
        engine = SqliteEngine(tmp_path / str(point) / "store.db", durability=durability, clock=FakeClock())
        engine.open()
        assert take_picture(engine) == oracle[len(confirmed) + has_happened], (point, step)
        engine.put([make_task(199)])
        engine.close()
        seen.add(step)
    assert confirmed == [str(number) for number in range(1, len(SCRIPT) + 1)]
    assert seen >= {"before_begin", "after_puts", "after_settled", "before_commit", "after_commit", "after_mark"}
