"""Time remote refs over ipc beside local ones: two processes, each with a System and a gateway.

    python -m benchmarks.bench_remote [--tells 100000] [--asks 3000] [--rounds 5]

Rounds alternate; figures are medians. A remote ask is four thread switches, two of them between processes: on a machine whose
cores are busy its figure says more about the machine than about the code, so read the ratio to the local one.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any, ClassVar

from actorq.actors import Actor, System
from actorq.errors import MailboxFull
from actorq.transport.gateway import Gateway


class Counting(Actor):
    """The work: count what arrives, answer with the count."""

    count = 0

    def on_receive(self, _: Any) -> int:
        self.count += 1
        return self.count


class PinnedGateway(Gateway):
    """What a thread of its own would change."""

    pinned: ClassVar[bool] = True


GATEWAYS = {"light": Gateway, "pinned": PinnedGateway}


def serve(node: str, folder: str, kind: str) -> None:
    """Be the other process, until our parent is gone."""
    system = System(node)
    system.spawn(GATEWAYS[kind], folder=folder, name="gateway")
    system.spawn(Counting, name="counting")
    print("ready", flush=True)
    sys.stdin.read()
    system.shutdown()


def time_tells(ref: Any, tells: int) -> float:
    """Return tells per second, all of them handled. A full outbox makes the sender wait."""
    before = ref.ask(None, timeout=60)
    started = time.perf_counter()
    for _ in range(tells - 1):
        while True:
            try:
                ref.tell(None)
                break
            except MailboxFull:
                time.sleep(0.001)
    after = _ask_patiently(ref)
    taken = time.perf_counter() - started
    assert after - before == tells, (before, after)
    return tells / taken


def _ask_patiently(ref: Any) -> int:
    while True:
        try:
            answer: int = ref.ask(None, timeout=60)
        except MailboxFull:
            time.sleep(0.001)
        else:
            return answer


def time_asks(ref: Any, asks: int) -> float:
    """Return the median ask in µs."""
    taken = []
    for _ in range(asks):
        started = time.perf_counter()
        ref.ask(None)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tells", type=int, default=100_000)
    parser.add_argument("--asks", type=int, default=3_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--serve", nargs=3, metavar=("NODE", "FOLDER", "KIND"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(*options.serve)
        return

    folder = tempfile.mkdtemp(prefix="aq-bench-")
    others, systems, refs = [], [], {}
    for kind, gateway in GATEWAYS.items():
        command = [sys.executable, "-m", "benchmarks.bench_remote", "--serve", f"there-{kind}", folder, kind]
        other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert other.stdout is not None
        other.stdout.readline()
        others.append(other)
        system = System(f"here-{kind}")
        systems.append(system)
        system.spawn(gateway, folder=folder, name="gateway")
        refs[f"ipc, {kind} gateway"] = system.ref_to(f"actorq://there-{kind}/counting")
    refs["in process"] = systems[0].spawn(Counting)

    tells: dict[str, list[float]] = {name: [] for name in refs}
    asks: dict[str, list[float]] = {name: [] for name in refs}
    for _ in range(options.rounds):
        for name, ref in refs.items():
            tells[name].append(time_tells(ref, options.tells))
            asks[name].append(time_asks(ref, options.asks))
    local_tell = statistics.median(tells["in process"])
    local_ask = statistics.median(asks["in process"])
    print(f"{'':22}{'tell/s':>12}{'×':>7}{'ask p50 µs':>12}{'×':>7}")
    for name in refs:
        tell, ask = statistics.median(tells[name]), statistics.median(asks[name])
        print(f"{name:22}{tell:12,.0f}{tell / local_tell:7.2f}{ask:12.1f}{ask / local_ask:7.2f}")
    for other in others:
        assert other.stdin is not None
        other.stdin.close()
        other.wait()
    for system in systems:
        system.shutdown()


if __name__ == "__main__":
    main()
