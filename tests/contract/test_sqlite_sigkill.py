"""kill -9 at every observation point of the script: each transaction is there or isn't, and confirmed ones are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from actorq.engine import SqliteEngine
from actorq.testing.clock import FakeClock
from actorq.testing.engine_contract import make_oracle
from actorq.testing.engine_script import OUTBOX, SCRIPT, make_task, take_picture

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


COMMITTER = """
import os, sys, pathlib
from actorq.engine import SqliteEngine, Transaction
from actorq.testing.engine_script import OUTBOX, make_task, settle
engine = SqliteEngine(pathlib.Path(sys.argv[1]), durability=sys.argv[2])
engine.open()
_, taken = engine.register_outbox(OUTBOX)
while True:
    puts = [make_task(number) for number in range(taken + 1, taken + 51)]
    taken += 50
    engine.commit(Transaction(puts=puts, settled=[settle(task) for task in engine.lease(["default"], 40)], taken={1: taken}))
    os.write(1, b"%d\\n" % taken)
"""


@pytest.mark.parametrize("durability", ["power", "process"])
def test_sigkill_at_any_moment_keeps_what_was_confirmed(tmp_path, durability):
    """The probe's points are between SQLite's calls; here the kill lands within them. Seeded by the round."""
    path = tmp_path / "store.db"
    arguments = [sys.executable, "-c", COMMITTER, str(path), durability]
    for commits in (1, 2, 3, 17, 60, 61, 150, 151):
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, cwd=PLAYER.parents[2]) as process:
            assert process.stdout is not None
            for _ in range(commits):
                process.stdout.readline()
            process.kill()
            lines = process.stdout.read().split(b"\n")
            confirmed = max([int(line) for line in lines[:-1]], default=0)
        engine = SqliteEngine(path, durability=durability)
        engine.open()
        stats, outbox = engine.stats(), engine.find_outbox(OUTBOX)
        assert outbox is not None
        assert outbox[1] >= confirmed
        assert sum(queue.ready for queue in stats.queues.values()) + stats.results == outbox[1]
        assert engine.check() == []
        engine.close()
