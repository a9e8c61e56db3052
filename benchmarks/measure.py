"""Measure one phase of one system in a process and a folder of its own: `python -m benchmarks.measure SYSTEM PHASE`.

Prints one JSON object. The process is the client. Sizes adapt: a small pilot says how fast the system is, the round takes
about `--seconds`. Phases:

- `live`: a worker from the start: cold start, idle memory, latency of single calls, call and collect, processor time;
- `enqueue`, `bulk`: no worker, the client sends;
- `drain`: `--tasks` tasks wait, then a worker starts: from the run of the first, which tells the time, to the last result.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.system import System, Unavailable, cpu_seconds, pss_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

PILOT: Final = 100
MAX_TASKS: Final = 300_000
MAX_CALLS: Final = 2_000
WARM_CALLS: Final = 10
SETTLE_S: Final = 1.0  # quiet time before memory is read
TAIL: Final = 64  # a worker may finish the last tasks in another order


def size_for(rate: float, seconds: float) -> int:
    """Return how many tasks take about `seconds` at `rate`."""
    return int(min(max(rate * seconds, 2 * PILOT), MAX_TASKS))


def timed(action: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds an action took, and what it returned."""
    started_at = time.perf_counter()
    answer = action()
    return time.perf_counter() - started_at, answer


def own_cpu_s() -> float:
    """Return this process's processor time, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def call_and_collect(system: System, first: int, count: int) -> None:
    """Send `count` tasks and check that each result is its argument."""
    window = system.window or count
    for begin in range(first, first + count, window):
        size = min(window, first + count - begin)
        got = system.collect(system.send_loop(begin, size))
        if got != list(range(begin, begin + size)):
            raise Unavailable("gave wrong results")


def live(system: System, options: argparse.Namespace) -> dict[str, float]:
    system.open(live=True)
    started_at = time.perf_counter()
    system.start_worker()
    if system.call(0) != 0:
        raise Unavailable("gave a wrong result")
    found = {"cold_start_s": time.perf_counter() - started_at}
    call_and_collect(system, 1, PILOT)
    time.sleep(SETTLE_S)
    workers, brokers = pss_bytes(system.worker_pids()), pss_bytes(system.broker_pids())
    found |= {"idle_bytes": float(workers), "idle_with_broker_bytes": float(workers + brokers)}
    if system.has_embedded_broker:
        found["idle_bytes"] = found["idle_with_broker_bytes"]
    for _ in range(WARM_CALLS):  # some workers sleep longer the longer nothing came
        system.call(1)
    took = [timed(lambda: system.call(1))[0]]
    while len(took) < MAX_CALLS and sum(took) < options.seconds:
        took.append(timed(lambda: system.call(1))[0])
    cuts = statistics.quantiles(took, n=100) if len(took) > 1 else took * 99
    found |= {"call_p50_s": cuts[49], "call_p99_s": cuts[98]}
    pilot_s, _ = timed(lambda: call_and_collect(system, 1, PILOT))
    # A fast system shows its speed only with more in flight.
    pilot = size_for(PILOT / pilot_s, options.seconds / 8)
    pilot_s, _ = timed(lambda: call_and_collect(system, 1, pilot))
    count = size_for(pilot / pilot_s, options.seconds)
    before = own_cpu_s(), cpu_seconds(system.worker_pids()), cpu_seconds(system.broker_pids())
    took_s, _ = timed(lambda: call_and_collect(system, 1, count))
    after = own_cpu_s(), cpu_seconds(system.worker_pids()), cpu_seconds(system.broker_pids())
    found |= {"collect_per_s": count / took_s, "collect_tasks": float(count)}
    roles = ("cpu_client_us", "cpu_worker_us", "cpu_broker_us")
    return found | {role: (end - start) / count * 1e6 for role, start, end in zip(roles, before, after, strict=True)}


def enqueue(system: System, options: argparse.Namespace) -> dict[str, float]:
    found = send(system, options, system.send_loop)
    return {"enqueue_per_s": found[0], "enqueue_confirmed_per_s": found[1], "enqueue_tasks": found[2]}


def bulk(system: System, options: argparse.Namespace) -> dict[str, float]:
    found = send(system, options, system.send_bulk)
    return {"bulk_per_s": found[0], "bulk_confirmed_per_s": found[1], "bulk_tasks": found[2]}


def send(
    system: System, options: argparse.Namespace, how: Callable[[int, int], list[Any]]
) -> tuple[float, float, float]:
    """Return tasks/s until the calls returned, tasks/s until all were confirmed, and how many there were."""
    system.open(live=False)
    if not system.has_backlog:
        system.start_worker()
        system.call(0)
    rate = 0.0
    for pilot in (PILOT, PILOT * 10):
        started_at = time.perf_counter()
        how(1, pilot)
        system.confirm()
        rate = pilot / (time.perf_counter() - started_at)
    count = size_for(rate, options.seconds)
    sent_s, _ = timed(lambda: how(1, count))
    confirmed_s, _ = timed(system.confirm)
    return count / sent_s, count / (sent_s + confirmed_s), float(count)


def drain(system: System, options: argparse.Namespace) -> dict[str, float]:
    if not system.has_backlog:
        raise Unavailable("nothing waits without a worker")
    system.open(live=False)
    clock = system.send_clock()
    try:
        handles = system.send_bulk(0, options.tasks)
    except Unavailable:
        handles = system.send_loop(0, options.tasks)
    system.confirm()
    system.start_worker()
    tail = handles[-TAIL:]
    last = system.collect(tail)
    took_s = time.monotonic() - system.collect([clock])[0]
    if last != list(range(options.tasks - len(tail), options.tasks)):
        raise Unavailable("gave wrong results")
    return {"drain_per_s": options.tasks / took_s, "drain_tasks": float(options.tasks)}


PHASES: Final = {"live": live, "enqueue": enqueue, "bulk": bulk, "drain": drain}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("system")
    parser.add_argument("phase", choices=PHASES)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--tasks", type=int, default=1_000)
    options = parser.parse_args()
    # A short path: the name of an ipc socket may not exceed 107 bytes.
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        try:
            system: System = importlib.import_module(options.system).SYSTEM(Path(folder))
        except ImportError as error:
            return answer({"unavailable": f"can't be imported: {error}"})
        try:
            return answer(dict(PHASES[options.phase](system, options)))
        except Unavailable as error:
            return answer({"unavailable": str(error)})
        except Exception as error:
            print(system.logs(), file=sys.stderr)
            return answer({"unavailable": f"failed: {type(error).__name__}: {error}"})
        finally:
            system.close()


def answer(found: dict[str, Any]) -> int:
    """Print what was found as the last line."""
    print(json.dumps(found), flush=True)
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # A peer's background thread must not keep the process; everything it started is stopped by now.
    os._exit(code)
