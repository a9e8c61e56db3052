"""Time how many tasks one process runs at once, through a real node with one pool after the other.

    python -m benchmarks.bench_pools [--rounds 3] [--short]

- *waiting*: as many coroutines as the pool has places each wait for a second, all sent at once; until the last result.
- *no-op*: coroutines, or plain functions, that return at once, called and collected.

Figures are medians of the rounds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from actorq.transport.paths import find_home
from benchmarks.felt_tasks import app, rest, work

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actorq import Task

GET_S: Final = 60.0
PLACES: Final = 1_000


def collect_s(task: Task[[float], None], seconds: Sequence[float]) -> float:
    """Return how long it takes until all of these have ended."""
    started_at = time.perf_counter()
    for result in list(task.delay_many((each,) for each in seconds)):
        result.get(timeout=GET_S)
    return time.perf_counter() - started_at


def measure(pool: str, rounds: int, tasks: int) -> dict[str, float]:
    """Return the medians of a node with this pool, seconds or tasks/s."""
    task = rest if pool.startswith("async") else work
    found: dict[str, list[float]] = {}
    with app.node(pools=[pool]):
        collect_s(task, [0.0])
        for _ in range(rounds):
            if pool.startswith("async"):
                waiting = f"{PLACES:,} coroutines of a second, s"
                found.setdefault(waiting, []).append(collect_s(rest, [1.0] * PLACES))
            found.setdefault("no-op, /s", []).append(tasks / collect_s(task, [0.0] * tasks))
    return {name: statistics.median(values) for name, values in found.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tasks", type=int, default=20_000)
    parser.add_argument("--short", action="store_true", help="one round of a little: does it run at all")
    options = parser.parse_args()
    if options.short:
        options.rounds, options.tasks = 1, 500
    print("| pool | measure | median |\n| --- | --- | ---: |")
    with tempfile.TemporaryDirectory(prefix="pools-") as folder:
        app.use_home(find_home(app.name, home=Path(folder) / "home"))
        for pool in ("process:1", "thread:8", f"async:{PLACES}"):
            for name, value in measure(pool, options.rounds, options.tasks).items():
                print(f"| `{pool}` | {name} | {value:,.2f} |")
        app.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
