"""Time what users feel beside throughput, through a real node with two slots: who waits for whom, and who answers when.

    python -m benchmarks.bench_tasks [--rounds 5] [--short] [--json]

- *short beside long*: 200 short tasks are sent in one batch, alone, and with one that runs for a second in their midst, so
  that some are dealt out behind it. How long each takes from its sending to its result; the tail is what a long task costs.
- *control*: a question to the hub while every slot is busy and tasks wait.
- *limits*: the same task without limits, with a soft one, and with a hard one, called and collected.

Rounds alternate; figures are medians of the rounds.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from actorq.transport.paths import find_home
from benchmarks.felt_tasks import app, hardly_limited, softly_limited, work
from benchmarks.system import CONCURRENCY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actorq import Task

SHORTS: Final = 200
LONG_S: Final = 1.0
QUESTIONS: Final = 100
BUSY_S: Final = 0.02  # of each task that keeps a slot busy meanwhile
GET_S: Final = 60.0


def latencies(place: int | None) -> list[float]:
    """Send short tasks in one batch, with a long one at this place; return how long each short one took, in seconds."""
    took: list[float] = []
    done = threading.Event()

    def note(_: Any) -> None:
        took.append(time.perf_counter() - sent_at)
        if len(took) == SHORTS:
            done.set()

    seconds = [0.0] * SHORTS
    if place is not None:
        seconds.insert(place, LONG_S)
    sent_at = time.perf_counter()
    results = list(work.delay_many((each,) for each in seconds))
    for result, each in zip(results, seconds, strict=True):
        if not each:
            result.then(note)
    done.wait(GET_S)
    for result in results:
        result.get(timeout=GET_S)
    return took


def ask_times(count: int) -> list[float]:
    """Ask `count` questions while all slots are busy and tasks wait; return how long each answer took, in seconds."""
    busy = list(work.delay_many((BUSY_S,) for _ in range(CONCURRENCY * count)))
    took: list[float] = []
    while len(took) < count and not busy[-1].ready():
        started_at = time.perf_counter()
        app.ask("active", timeout=10.0)
        took.append(time.perf_counter() - started_at)
    for result in busy:
        result.get(timeout=GET_S)
    return took


def collect_per_s(task: Task[Any, Any], count: int) -> float:
    """Return tasks/s for calling and collecting `count` of a task."""
    started_at = time.perf_counter()
    for result in list(task.delay_many((0.0,) for _ in range(count))):
        result.get(timeout=GET_S)
    return count / (time.perf_counter() - started_at)


def at(values: Sequence[float], share: float) -> float:
    """Return the value below which this share of the values lies."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def measure(rounds: int, tasks: int, questions: int) -> dict[str, list[float]]:
    """Return every round's figures: seconds, or tasks/s."""
    found: dict[str, list[float]] = {}
    rng = random.Random(1)

    def note(name: str, value: float) -> None:
        found.setdefault(name, []).append(value)

    collect_per_s(work, tasks)
    for _ in range(rounds):
        for title, place in (("alone", None), ("beside a long one", rng.randrange(SHORTS // 4))):
            took = latencies(place)
            note(f"short tasks {title}, p50", at(took, 0.5))
            note(f"short tasks {title}, p99", at(took, 0.99))
        answers = ask_times(questions)
        note("answer while all slots are busy, p50", at(answers, 0.5))
        note("answer while all slots are busy, slowest", max(answers))
        for title, task in (("without", work), ("with a soft", softly_limited), ("with a hard", hardly_limited)):
            note(f"tasks {title} limit", collect_per_s(task, tasks))
    return found


def render(found: dict[str, list[float]]) -> str:
    """Return the medians as a Markdown table."""
    lines = ["| measure | median |", "| --- | ---: |"]
    for name, values in found.items():
        value = statistics.median(values)
        shown = f"{value:,.0f} /s" if name.endswith("limit") else f"{value * 1e3:.2f} ms"
        lines.append(f"| {name} | {shown} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tasks", type=int, default=20_000)
    parser.add_argument("--short", action="store_true", help="one round of a little: does it run at all")
    parser.add_argument("--json", action="store_true", help="print every round as JSON instead of the table")
    options = parser.parse_args()
    if options.short:
        options.rounds, options.tasks = 1, 500
    with tempfile.TemporaryDirectory(prefix="felt-") as folder:
        app.use_home(find_home(app.name, home=Path(folder) / "home"))
        with app.node(concurrency=CONCURRENCY):
            found = measure(options.rounds, options.tasks, QUESTIONS // (5 if options.short else 1))
        app.close()
    print(json.dumps({"rounds": found, "table": render(found)}) if options.json else render(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
