"""Time the kernel beside Pykka's own ThreadingActor, in the same run.

    python -m benchmarks.bench_kernel [--tells 100000] [--asks 3000] [--rounds 5]

Rounds alternate between the systems; figures are medians. An ask is two thread switches and nearly nothing else, so its
figure says more about the machine than about the code: read the ratio. Restarts and starts have no counterpart in Pykka.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import TYPE_CHECKING, Any, ClassVar

import pykka

from actorq.actors import Actor, System
from actorq.supervisor import ChildSpec, DynamicSupervisor, StartChild, Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable


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


def time_tells(ref: Any, tells: int) -> float:
    """Return tells per second, all of them handled."""
    started = time.perf_counter()
    for _ in range(tells - 1):
        ref.tell(None)
    ref.ask(None, timeout=60)
    return tells / (time.perf_counter() - started)


def time_asks(ref: Any, asks: int) -> float:
    """Return the median ask in µs."""
    taken = []
    for _ in range(asks):
        started = time.perf_counter()
        ref.ask(None)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken) * 1e6


class Restless(Actor):
    """Ends by itself when told, so that its supervisor restarts it; says when it is up."""

    def init(self, note: Callable[[float], None]) -> None:
        note(time.perf_counter())

    def on_receive(self, message: Any) -> None:
        message.append(time.perf_counter())
        raise RuntimeError("again")


class RestlessPinned(Restless):
    pinned: ClassVar[bool] = True


def time_restarts(actor_class: type[Actor], restarts: int) -> float:
    """Return the median time from a crash to the `init` of the next incarnation, in ms."""
    from structlog.testing import capture_logs

    system = System("restarts")
    ups: list[float] = []
    crashes: list[float] = []
    spec = ChildSpec("restless", actor_class, args=(ups.append,), name="restless")
    with capture_logs():  # printing a traceback takes longer than a restart
        system.spawn(Supervisor, [spec], strategy="one_for_one", intensity=restarts + 1, period_s=60.0)
        for number in range(restarts):
            system.ref("restless").tell(crashes)
            while len(ups) < number + 2 or system.whereis("restless") is None:
                time.sleep(0.0001)
        system.shutdown()
    return statistics.median(up - crash for crash, up in zip(crashes, ups[1:], strict=True)) * 1e3


def time_starts(count: int) -> float:
    """Return the seconds that starting `count` supervised light actors takes."""
    system = System("starts")
    top = system.spawn(DynamicSupervisor, intensity=1, period_s=5.0)
    spec = ChildSpec("light", Light)
    started = time.perf_counter()
    futures = [top.ask(StartChild(spec), block=False, timeout=60) for _ in range(count)]
    for future in futures:
        future.get()
    taken = time.perf_counter() - started
    system.shutdown(30)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tells", type=int, default=100_000)
    parser.add_argument("--asks", type=int, default=3_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--restarts", type=int, default=300)
    parser.add_argument("--starts", type=int, default=10_000)
    options = parser.parse_args()

    system = System("bench")
    refs = {"actorq light": system.spawn(Light), "actorq pinned": system.spawn(Pinned), "pykka": Stock.start()}
    tells: dict[str, list[float]] = {name: [] for name in refs}
    asks: dict[str, list[float]] = {name: [] for name in refs}
    for _ in range(options.rounds):
        for name, ref in refs.items():
            tells[name].append(time_tells(ref, options.tells))
            asks[name].append(time_asks(ref, options.asks))
    print(f"{'':16}{'tell/s':>12}{'×':>7}{'ask p50 µs':>12}{'×':>7}")
    for name in refs:
        tell, ask = statistics.median(tells[name]), statistics.median(asks[name])
        tell_ratio = tell / statistics.median(tells["pykka"])
        ask_ratio = ask / statistics.median(asks["pykka"])
        print(f"{name:16}{tell:12,.0f}{tell_ratio:7.2f}{ask:12.1f}{ask_ratio:7.2f}")
    pykka.ActorRegistry.stop_all()
    system.shutdown()
    print(f"restart p50: light {time_restarts(Restless, options.restarts):.3f} ms,", end=" ")
    print(f"pinned {time_restarts(RestlessPinned, options.restarts):.3f} ms")
    print(f"start of {options.starts:,} light actors: {time_starts(options.starts):.2f} s")


if __name__ == "__main__":
    main()
