"""Measure actorq beside its peers and print the table: `make bench`, or `python -m benchmarks.run --help`.

Every system does the same work: a task that returns its argument, two worker processes. Rounds are interleaved
(A B C A B C …), so a machine that gets slower gets slower for all; the figures are medians. One measure runs at a time, in
a process and a folder of its own. A system that can't be had is a row that says why.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.system import CONCURRENCY, ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

RESULTS: Final = ROOT / "benchmarks" / "results"
PHASES: Final = ("live", "enqueue", "bulk", "drain")
MAX_DRAIN: Final = 300_000
MIN_DRAIN: Final = 500
REFERENCE: Final = "actorq"


@dataclass(frozen=True, slots=True)
class Entry:
    """One row: which module, and what a reader has to know about it."""

    module: str
    title: str
    survives: str
    note: str = ""

    @property
    def name(self) -> str:
        """Return the name used on the command line and in the JSON."""
        return self.module.rpartition(".")[2].removesuffix("_bench")


SYSTEMS: Final = (
    Entry("benchmarks.actorq_bench", "actorq", "kill and power loss"),
    Entry(
        "benchmarks.peers.celery_redis",
        "Celery + Redis",
        "kill; power: 1 s lost",
        "as delivered it acknowledges before the run: a killed process loses its task",
    ),
    Entry(
        "benchmarks.peers.dramatiq_redis", "Dramatiq + Redis", "kill; power: 1 s lost", "two processes of eight threads"
    ),
    Entry("benchmarks.peers.huey_sqlite", "Huey + SQLite", "kill and power loss", "polls every 1 ms, not 100 ms"),
    Entry("benchmarks.peers.taskiq_zmq", "Taskiq + ZeroMQ", "nothing", "one worker process; results in Redis"),
    Entry("benchmarks.peers.process_pool", "ProcessPoolExecutor", "nothing", "standard library"),
    Entry(
        "benchmarks.peers.straight_line",
        "straight line",
        "kill and power loss",
        "the limit: pyzmq + SQLite, no features",
    ),
)


@dataclass(frozen=True, slots=True)
class Measure:
    """One column. `is_rate`: more is better."""

    key: str
    title: str
    show: Callable[[float], str]
    is_rate: bool = False


def show_rate(value: float) -> str:
    """Return tasks/s to three figures."""
    whole_digits = len(str(int(value)))
    return f"{round(value, 3 - whole_digits):,.{max(0, 3 - whole_digits)}f}"


MEASURES: Final = (
    Measure("enqueue_per_s", "enqueue loop /s", show_rate, is_rate=True),
    Measure("enqueue_confirmed_per_s", "… confirmed /s", show_rate, is_rate=True),
    Measure("bulk_per_s", "enqueue bulk /s", show_rate, is_rate=True),
    Measure("bulk_confirmed_per_s", "… confirmed /s", show_rate, is_rate=True),
    Measure("drain_per_s", "drain /s", show_rate, is_rate=True),
    Measure("collect_per_s", "call+collect /s", show_rate, is_rate=True),
    Measure("call_p50_s", "call p50 ms", lambda value: f"{value * 1e3:.2f}"),
    Measure("call_p99_s", "call p99 ms", lambda value: f"{value * 1e3:.2f}"),
    Measure("idle_bytes", "idle MiB", lambda value: f"{value / 2**20:.0f}"),
    Measure("idle_with_broker_bytes", "… with broker", lambda value: f"{value / 2**20:.0f}"),
    Measure("cold_start_s", "cold start s", lambda value: f"{value:.2f}"),
    Measure("cpu_client_us", "CPU µs client", lambda value: f"{value:.1f}"),
    Measure("cpu_worker_us", "worker", lambda value: f"{value:.1f}"),
    Measure("cpu_broker_us", "broker", lambda value: f"{value:.1f}"),
)


@dataclass(slots=True)
class Row:
    """What was measured of one system: every round's value of each measure, and what couldn't be had."""

    entry: Entry
    values: dict[str, list[float]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)  # phase -> reason

    def median(self, key: str) -> float | None:
        """Return the median of a measure over the rounds."""
        found = self.values.get(key)
        return statistics.median(found) if found else None

    def add(self, phase: str, found: dict[str, Any]) -> None:
        """Take in what one phase of one round gave."""
        if reason := found.pop("unavailable", ""):
            self.missing[phase] = reason
        for key, value in found.items():
            self.values.setdefault(key, []).append(value)


def measure(entry: Entry, phase: str, seconds: float, tasks: int) -> dict[str, Any]:
    """Run one phase of one system in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.measure", entry.module, phase]
    command += ["--seconds", str(seconds), "--tasks", str(tasks)]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    limit_s = 120 + 40 * seconds
    try:
        out, err = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # a session of its own: only what this measure started
        process.communicate()
        return {"unavailable": f"took longer than {limit_s:.0f} s"}
    except KeyboardInterrupt:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    try:
        found: dict[str, Any] = json.loads(out.splitlines()[-1])
    except (IndexError, ValueError):
        lines = err.strip().splitlines() or ["nothing was said"]
        return {"unavailable": f"ended with code {process.returncode}: {lines[-1]}"}
    if found.get("unavailable", "").startswith("failed"):
        sys.stderr.write(err)
    return found


def run(entries: Sequence[Entry], rounds: int, seconds: float) -> list[Row]:
    """Measure all systems, interleaved, each round in an order that starts one further."""
    rows = [Row(entry) for entry in entries]
    for number in range(rounds):
        for row in rows[number % len(rows) :] + rows[: number % len(rows)]:
            for phase in PHASES:
                if phase in row.missing:
                    continue
                rate = row.median("collect_per_s") or MIN_DRAIN
                tasks = int(min(max(rate * seconds, MIN_DRAIN), MAX_DRAIN))
                started_at = time.monotonic()
                row.add(phase, measure(row.entry, phase, seconds, tasks))
                took_s = time.monotonic() - started_at
                said = row.missing.get(phase, f"{took_s:.1f} s")
                print(f"round {number + 1}/{rounds}  {row.entry.title:<22} {phase:<8} {said}", file=sys.stderr)
    return rows


def table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table with aligned columns, numbers to the right."""
    rows = [list(header), *map(list, lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    rows.insert(1, rule)
    aligned = [
        [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))] for row in rows
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in aligned)


def figures(rows: Sequence[Row]) -> str:
    """Return the table of medians, systems down, measures across."""
    lines = []
    for row in rows:
        medians = [row.median(column.key) for column in MEASURES]
        shown = [
            column.show(value) if value is not None else "–" for column, value in zip(MEASURES, medians, strict=True)
        ]
        lines.append([row.entry.title, row.entry.survives, *shown])
    return table(["", "survives", *(column.title for column in MEASURES)], lines)


def ratios(rows: Sequence[Row]) -> str:
    """Return how many times better than each other system actorq is: above 1, actorq wins."""
    reference = next((row for row in rows if row.entry.name == REFERENCE), None)
    if reference is None or not reference.values:
        return "No ratios: actorq wasn't measured."
    lines = []
    for row in rows:
        if row is not reference:
            shown = []
            for column in MEASURES:
                ours, theirs = reference.median(column.key), row.median(column.key)
                better = (ours, theirs) if column.is_rate else (theirs, ours)
                shown.append(f"{better[0] / better[1]:.3g}" if better[0] and better[1] else "–")
            lines.append([f"actorq : {row.entry.title}", *shown])
    return table(["times better", *(column.title for column in MEASURES)], lines)


def machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    model = ""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "cores": len(os.sched_getaffinity(0)),
        "processor": model,
        "load_before": os.getloadavg()[0],
        "concurrency": CONCURRENCY,
    }


def notes(rows: Sequence[Row]) -> str:
    """Return what a reader has to know, one line each."""
    found = [f"- {row.entry.title}: {row.entry.note}." for row in rows if row.entry.note]
    found += [f"- {row.entry.title}, {phase}: {why}." for row in rows for phase, why in row.missing.items()]
    return "\n".join(found)


OWN_MEASURES: Final = {
    "kernel": ("benchmarks.bench_kernel", "The kernel, beside Pykka"),
    "tasks": ("benchmarks.bench_tasks", "Who waits for whom, and who answers when"),
    "arrays": ("benchmarks.bench_arrays", "Arrays as buffers, beside pickles in band"),
}


def measure_own(module: str, *, short: bool) -> dict[str, Any]:
    """Return what a benchmark of actorq alone found in a process of its own: its table and rounds, or why there are none."""
    command = [sys.executable, "-m", module, "--json", *(["--short"] if short else [])]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    try:
        found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        sys.stderr.write(ran.stderr)
        return {"table": f"{module} gave nothing: code {ran.returncode}."}
    return found


def write(rows: Sequence[Row], about: dict[str, Any], own: dict[str, dict[str, Any]]) -> Path:
    """Write everything that was measured, every round, as JSON."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    systems = {row.entry.name: {"title": row.entry.title, "values": row.values, "missing": row.missing} for row in rows}
    path.write_text(json.dumps({"machine": about, "systems": systems, **own}, indent=2) + "\n")
    return path


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__.partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="one round of a fraction of a second: does it run at all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="about how long one measure of one round takes")
    names = [entry.name for entry in SYSTEMS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="SYSTEM", help=", ".join(names))
    parser.add_argument("--only-peers", action="store_true", help="leave out what is measured of actorq alone")
    options = parser.parse_args()
    if options.short:
        options.rounds, options.seconds = 1, 0.3
    about = machine()
    rows = run([entry for entry in SYSTEMS if entry.name in options.only], options.rounds, options.seconds)
    own = (
        {}
        if options.only_peers
        else {name: measure_own(module, short=options.short) for name, (module, _) in OWN_MEASURES.items()}
    )
    path = write(rows, about | {"rounds": options.rounds, "seconds": options.seconds}, own)
    said = ", ".join(f"{key} {value}" for key, value in about.items())
    print(f"\n{said}; medians of {options.rounds}\n\n{figures(rows)}\n\n{ratios(rows)}\n\n{notes(rows)}\n")
    for name, found in own.items():
        print(f"{OWN_MEASURES[name][1]}\n\n{found['table']}\n")
    print(path)
    return 1 if all(not row.values for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
