"""Arrays of 8 MiB through a real node and back: out of band beside pickled in band, over the same path.

`python -m benchmarks.bench_arrays` prints MiB a second (both ways count), the medians of interleaved rounds, and the ratio; before
that what encoding and decoding alone take. It needs numpy; without, its table says so.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from actorq.codec import decode_result, encode_result
from actorq.testing.wait import wait_until
from actorq.transport.paths import find_home
from actorq.transport.rendezvous import read_rendezvous

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT: Final = Path(__file__).resolve().parent.parent
MIB: Final = 1 << 20
ARRAY_BYTES: Final = 8 * MIB
ARRAYS: Final = 4  # under way at once
WAIT_S: Final = 60.0
ROUNDS: Final = 5


def take_turns(rounds: int, runs: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Return the median seconds of each, one round of all after another."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - started)
    return {name: statistics.median(found) for name, found in times.items()}


def compare(what: str, found: dict[str, float], mib: float) -> str:
    """Return a row of the table."""
    out, inside = found["out of band"], found["in band"]
    return f"| {what} | {mib / out:,.0f} MiB/s | {mib / inside:,.0f} MiB/s | {inside / out:.2f} |"


def measure_codec(array: Any, rounds: int) -> list[str]:
    packed, pickled = encode_result(array), encode_result(pickle.dumps(array, protocol=4))
    encode: dict[str, Callable[[], Any]] = {
        "out of band": lambda: encode_result(array),
        "in band": lambda: encode_result(pickle.dumps(array, protocol=4)),
    }
    decode: dict[str, Callable[[], Any]] = {
        "out of band": lambda: decode_result(*packed),
        "in band": lambda: pickle.loads(decode_result(*pickled)),
    }
    return [
        compare("encode", take_turns(rounds, encode), ARRAY_BYTES / MIB),
        compare("decode", take_turns(rounds, decode), ARRAY_BYTES / MIB),
    ]


def measure_path(home: Path, array: Any, rounds: int) -> str:
    os.environ["ACTORQ_HOME"] = str(home)
    from benchmarks.array_tasks import app, echo, echo_pickled

    def send(make: Callable[[], Any]) -> list[Any]:
        return [result.get(WAIT_S) for result in [make() for _ in range(ARRAYS)]]

    def out_of_band() -> None:
        found = send(lambda: echo.delay(array))
        assert found[0].shape == array.shape
        app.flush(WAIT_S)

    def in_band() -> None:
        found = [pickle.loads(data) for data in send(lambda: echo_pickled.delay(pickle.dumps(array, protocol=4)))]
        assert found[0].shape == array.shape
        app.flush(WAIT_S)

    with app:
        take_turns(1, {"out of band": out_of_band, "in band": in_band})  # warm
        found = take_turns(rounds, {"out of band": out_of_band, "in band": in_band})
    return compare("there and back", found, 2 * ARRAYS * ARRAY_BYTES / MIB)


def measure(rounds: int, durability: str) -> str:
    """Return the table."""
    try:
        import numpy
    except ImportError:
        return "Arrays need numpy, which isn't installed here."
    array = numpy.random.default_rng(1).random(ARRAY_BYTES // 8)
    rows = [
        f"8 MiB arrays, durability `{durability}`, numpy {numpy.__version__}:\n",
        "| | as a buffer | pickled in band | ratio |",
        "| --- | --- | --- | --- |",
        *measure_codec(array, 4 * rounds),
    ]
    with tempfile.TemporaryDirectory(prefix="aq") as folder:
        home = Path(folder) / "home"
        command = [
            sys.executable,
            "-m",
            "actorq",
            "node",
            "-A",
            "benchmarks.array_tasks",
            "--home",
            str(home),
            "-c",
            "2",
        ]
        environment = {**os.environ, "ACTORQ_DURABILITY": durability, "PYTHONPATH": str(ROOT)}
        quiet = subprocess.DEVNULL
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=quiet, stderr=quiet) as node:
            try:
                wait_until(lambda: read_rendezvous(find_home("arrays", home=home)) is not None, WAIT_S, "the node")
                rows.append(measure_path(home, array, rounds))
            finally:
                node.terminate()
    return "\n".join(rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="one round")
    parser.add_argument("--json", action="store_true", help="print the table in one line of JSON")
    parser.add_argument("--durability", default="process")
    options = parser.parse_args()
    table = measure(1 if options.short else ROUNDS, options.durability)
    print(json.dumps({"table": table}) if options.json else table)


if __name__ == "__main__":
    main()
