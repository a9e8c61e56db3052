"""Time the kernel beside Pykka's own ThreadingActor, in the same run, against what it is meant to do.

    python -m benchmarks.bench_kernel [--rounds 5] [--short] [--json]

Rounds alternate between the systems; figures are medians. Where a figure has a target, the table says whether it was met
and by how much. An ask between two threads is two wake-ups and little else, and what a wake-up costs depends on whether
the machine lets both threads share a core: so it is measured with the process on one core as well, and beside two bare
threads that hand a lock to and fro, which nothing in Python beats. On a machine that is busy, read the ratios.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import statistics
import sys
import threading
import time
import tracemalloc
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

import pykka

from actorq.actors import Actor, System
from actorq.supervisor import ChildSpec, DynamicSupervisor, StartChild, Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

STOP_S: Final = 60.0


# -- the work --------------------------------------------------------------------------------------------------------------


class Counting:
    """The work: count what arrives, answer with the count."""

    count = 0

    def on_receive(self, _: Any) -> int:
        self.count += 1
        return self.count


class Light(Counting, Actor):
    pass


class Pinned(Counting, Actor):
    pinned: ClassVar[bool] = True


class Stock(Counting, pykka.ThreadingActor):
    use_daemon_thread: ClassVar[bool] = True


class Restless(Actor):
    """Crashes when told to; notes when its next incarnation has handled its first message."""

    def init(self, ups: list[float]) -> None:
        self.ups = ups
        self.self_ref.tell("first")

    def on_str(self, _: str) -> None:
        self.ups.append(time.perf_counter())

    def on_list(self, crashes: list[float]) -> None:
        crashes.append(time.perf_counter())
        raise RuntimeError("again")


class RestlessPinned(Restless):
    pinned: ClassVar[bool] = True


# -- measures: each returns one round's value -------------------------------------------------------------------------------


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """Keep all threads of this process that run meanwhile on one core."""
    before = os.sched_getaffinity(0)
    tasks = [int(name) for name in os.listdir("/proc/self/task")]
    try:
        for task in tasks:
            os.sched_setaffinity(task, {min(before)})
        yield
    finally:
        for task in tasks:
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(task, before)


def time_tells(ref: Any, tells: int) -> float:
    """Return tells per second, all of them handled."""
    started = time.perf_counter()
    for _ in range(tells - 1):
        ref.tell(None)
    ref.ask(None, timeout=60)
    return tells / (time.perf_counter() - started)


def time_asks(ref: Any, asks: int) -> float:
    """Return the median ask in µs."""
    return _median_us(lambda: ref.ask(None), asks)


def time_bare_threads(trips: int) -> float:
    """Return the median round trip between two threads that do nothing else, in µs."""
    there, back = threading.Lock(), threading.Lock()
    there.acquire()
    back.acquire()

    def answer() -> None:
        for _ in range(trips):
            there.acquire()
            back.release()

    def trip() -> None:
        there.release()
        back.acquire()

    thread = threading.Thread(target=answer)
    thread.start()
    taken = _median_us(trip, trips)
    thread.join()
    return taken


def _median_us(action: Callable[[], Any], times: int) -> float:
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        action()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken) * 1e6


def time_restarts(actor_class: type[Actor], restarts: int) -> float:
    """Return the median time from a crash to the first message the next incarnation has handled, in ms."""
    from structlog.testing import capture_logs

    system = System("restarts")
    ups: list[float] = []
    crashes: list[float] = []
    spec = ChildSpec("restless", actor_class, args=(ups,), name="restless")
    with capture_logs():  # printing a traceback takes longer than a restart
        system.spawn(Supervisor, [spec], strategy="one_for_one", intensity=restarts + 1, period_s=60.0)
        for number in range(restarts + 1):
            while len(ups) <= number:
                time.sleep(0.0001)
            if number < restarts:
                system.ref("restless").tell(crashes)
        system.shutdown()
    return statistics.median(up - crash for crash, up in zip(crashes, ups[1:], strict=True)) * 1e3


def time_dynamic(count: int) -> tuple[float, float]:
    """Return the seconds that starting and stopping `count` light actors takes under a dynamic supervisor."""
    system = System("dynamic")
    top = system.spawn(DynamicSupervisor, intensity=1, period_s=5.0)
    spec = ChildSpec("light", Light)

    def start() -> None:
        futures = [top.ask(StartChild(spec), block=False, timeout=STOP_S) for _ in range(count)]
        for future in futures:
            future.get()

    return _seconds(start), _seconds(lambda: system.shutdown(STOP_S))


def time_static(count: int) -> tuple[float, float]:
    """Return the same under a supervisor that has them all in its list."""
    system = System("static")
    specs = [ChildSpec(f"light-{number}", Light) for number in range(count)]

    def start() -> None:
        system.spawn(Supervisor, specs, strategy="one_for_one", intensity=1, period_s=5.0)

    return _seconds(start), _seconds(lambda: system.shutdown(STOP_S))


def time_spawned(count: int) -> tuple[float, float]:
    """Return the same for actors that a plain thread spawns one after the other, waiting for each."""
    system = System("spawned")

    def start() -> None:
        for _ in range(count):
            system.spawn(Light)

    return _seconds(start), _seconds(lambda: system.shutdown(STOP_S))


def time_stock(count: int) -> tuple[float, float]:
    """Return the same for Pykka's actors."""

    def start() -> None:
        for ref in [Stock.start() for _ in range(count)]:
            ref.ask(None)

    return _seconds(start), _seconds(pykka.ActorRegistry.stop_all)


def _seconds(action: Callable[[], Any]) -> float:
    gc.collect()
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def weigh(count: int) -> float:
    """Return the bytes that Python allocates for a light actor, ref and mailbox included."""
    system = System("weights")
    system.spawn(Light)
    gc.collect()
    tracemalloc.start()
    refs = [system.spawn(Light) for _ in range(count)]
    gc.collect()
    weight = tracemalloc.get_traced_memory()[0] / len(refs)
    tracemalloc.stop()
    system.shutdown(STOP_S)
    return weight


# -- the table ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure is meant to be: at most, or with `least` at least, `value`."""

    value: float
    least: bool = False

    def share(self, figure: float) -> float:
        """Return how far the figure is on the good side: 1 or more is met."""
        if not figure:
            return 0.0
        return figure / self.value if self.least else self.value / figure


@dataclass(frozen=True, slots=True)
class Line:
    """One measure: what each round gave, for whom, and what it is compared with."""

    title: str
    unit: str
    rounds: tuple[float, ...]
    target: Target | None = None
    beside: float | None = None  # the same of Pykka, median

    @property
    def median(self) -> float:
        """Return the median of the rounds."""
        return statistics.median(self.rounds)


def show(value: float) -> str:
    """Return a figure with as many digits as mean something."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def render(lines: Sequence[Line]) -> str:
    """Return the table as text."""
    rows = [["", "median", "worst", "unit", "target", "met", "Pykka", "× Pykka"]]
    for line in lines:
        target = line.target
        is_rate = target is not None and target.least
        better = (line.beside / line.median) if line.beside else 0.0
        better = 1 / better if better and is_rate else better
        rows.append([
            line.title,
            show(line.median),
            show((min if is_rate else max)(line.rounds)),
            line.unit,
            "" if target is None else f"{'≥' if target.least else '≤'} {show(target.value)}",
            "" if target is None else f"{target.share(line.median):.2f} {'✓' if target.share(line.median) >= 1 else '✗'}",
            "" if line.beside is None else show(line.beside),
            f"{better:.2f}" if better else "",
        ])  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def measure_messages(options: argparse.Namespace) -> list[Line]:
    """Return the lines about tells and asks."""
    system = System("bench")
    refs = {"light": system.spawn(Light), "pinned": system.spawn(Pinned), "Pykka": Stock.start()}
    tells: dict[str, list[float]] = {name: [] for name in refs}
    asks: dict[str, list[float]] = {name: [] for name in refs}
    on_one: dict[str, list[float]] = {name: [] for name in refs}
    bare: list[float] = []
    bare_on_one: list[float] = []
    for _ in range(options.rounds):
        bare.append(time_bare_threads(options.asks))
        for name, ref in refs.items():
            tells[name].append(time_tells(ref, options.tells))
            asks[name].append(time_asks(ref, options.asks))
        with one_core():
            bare_on_one.append(time_bare_threads(options.asks))
            for name, ref in refs.items():
                on_one[name].append(time_asks(ref, options.asks))
    system.shutdown()
    pykka.ActorRegistry.stop_all()
    stock = {key: statistics.median(found["Pykka"]) for key, found in (("t", tells), ("a", asks), ("o", on_one))}
    fast, quick = Target(300_000, least=True), Target(30)
    lines = [Line(f"tell, {who}", "/s", tuple(tells[who]), fast, stock["t"]) for who in ("light", "pinned")]
    lines += [
        Line(f"ask p50, one core, {who}", "µs", tuple(on_one[who]), quick, stock["o"]) for who in ("light", "pinned")
    ]
    lines += [Line("… two bare threads", "µs", tuple(bare_on_one))]
    lines += [
        Line(f"ask p50, any core, {who}", "µs", tuple(asks[who]), None, stock["a"]) for who in ("light", "pinned")
    ]
    return [*lines, Line("… two bare threads", "µs", tuple(bare))]


def measure_lives(options: argparse.Namespace) -> list[Line]:
    """Return the lines about starts, stops, restarts and memory."""
    ways = {"dynamic supervisor": time_dynamic, "supervisor": time_static, "spawned one by one": time_spawned}
    starts: dict[str, list[float]] = {way: [] for way in ways}
    stops: dict[str, list[float]] = {way: [] for way in ways}
    stock: list[tuple[float, float]] = []
    light: list[float] = []
    pinned: list[float] = []
    for _ in range(options.rounds):
        for way, timed in ways.items():
            start_s, stop_s = timed(options.starts)
            starts[way].append(start_s)
            stops[way].append(stop_s)
        stock.append(time_stock(options.threads))
        light.append(time_restarts(Restless, options.restarts))
        pinned.append(time_restarts(RestlessPinned, options.restarts))
    # Pykka has a thread for each: as many would be another measure, so a tenth of them, times ten.
    scale = options.starts / options.threads
    started = statistics.median(start_s for start_s, _ in stock) * scale
    stopped = statistics.median(stop_s for _, stop_s in stock) * scale
    share = options.starts / 10_000
    lines = [Line(f"start {options.starts:,}, {way}", "s", tuple(starts[way]), Target(share), started) for way in ways]
    lines += [
        Line(f"stop {options.starts:,}, {way}", "s", tuple(stops[way]), Target(share / 2), stopped) for way in ways
    ]
    lines += [
        Line("restart p50, light", "ms", tuple(light), Target(0.5)),
        Line("restart p50, pinned", "ms", tuple(pinned)),
    ]
    return [*lines, Line("memory of a light actor", "bytes", (weigh(options.starts // 5),))]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tells", type=int, default=100_000)
    parser.add_argument("--asks", type=int, default=3_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--restarts", type=int, default=300)
    parser.add_argument("--starts", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=1_000, help="actors of Pykka to start, a thread each")
    parser.add_argument("--short", action="store_true", help="one round of a little: does it run at all")
    parser.add_argument("--json", action="store_true", help="print every round as JSON instead of the table")
    options = parser.parse_args()
    if options.short:
        options.rounds, options.tells, options.asks = 1, 5_000, 200
        options.restarts, options.starts, options.threads = 20, 500, 50
    load_before = os.getloadavg()[0]
    lines = [*measure_messages(options), *measure_lives(options)]
    if options.json:
        found = [
            {"title": line.title, "unit": line.unit, "rounds": line.rounds, "pykka": line.beside} for line in lines
        ]
        print(json.dumps({"load_before": load_before, "lines": found, "table": render(lines)}))
    else:
        print(f"kernel; medians of {options.rounds}, load before {load_before:.2f}\n\n{render(lines)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
