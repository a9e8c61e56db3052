"""Play the engine script once for each observation point, killing the process with SIGKILL there.

    python sigkill_player.py FOLDER DURABILITY

Single-threaded: forks a child for each point, which plays in FOLDER/<point>, writes the number of each step that
returned to FOLDER/<point>.confirmed, and kills itself. The first point that is never reached ends it.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from actorq.engine import SqliteEngine
from actorq.testing.clock import FakeClock
from actorq.testing.engine_script import SCRIPT


def play(home: Path, durability: str, kill_at: int, evidence: int) -> None:
    clock = FakeClock()
    engine = SqliteEngine(home / "store.db", durability=durability, clock=clock)  # type: ignore[arg-type]
    calls = 0

    def probe(step: str) -> None:
        nonlocal calls
        calls += 1
        if calls > kill_at:
            os.write(evidence, b"killed " + step.encode())
            os.kill(os.getpid(), signal.SIGKILL)

    engine.probe = probe  # opening is observed, too
    engine.open()
    for number, step in enumerate(SCRIPT, 1):
        step(engine, clock)
        os.write(evidence, b"%d\n" % number)


def main() -> None:
    folder, durability = Path(sys.argv[1]), sys.argv[2]
    for kill_at in range(10_000):
        child = os.fork()
        if not child:
            evidence = os.open(folder / f"{kill_at}.confirmed", os.O_WRONLY | os.O_CREAT)
            play(folder / str(kill_at), durability, kill_at, evidence)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status == 0:
            return
        assert os.WIFSIGNALED(status), status
        assert os.WTERMSIG(status) == signal.SIGKILL, status


if __name__ == "__main__":
    main()
