"""What a caller pays: one `delay()`, a loop of them, many at once, and collecting results that are there.

The broker is a stand-in in a process of its own that takes and confirms everything, so the figures are the client's alone.
Run it with `python benchmarks/bench_client.py [tasks]`; it prints microseconds per task, best of three rounds.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from actorq import App  # noqa: E402
from actorq.codec import decode_body, encode_body  # noqa: E402
from actorq.testing.wait import wait_until  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS: Final = 3
TASKS: Final = 20_000


def make_app(home: str) -> tuple[App, Any]:
    app = App("bench", home=home)

    @app.task
    def add(x: int, y: int) -> int:
        return x + y

    return app, add


def measure(name: str, count: int, run: Callable[[], Any], after: Callable[[], Any] | None = None) -> None:
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - started)
        if after is not None:
            after()
    print(f"{name:<52}{best / count * 1e6:8.2f} us/task")


def collect(results: list[Any]) -> None:
    for result in results:
        result.get(timeout=30)


def main(count: int) -> None:
    measure("encode arguments", count, lambda: [encode_body((2, 3), {}) for _ in range(count)])
    body = encode_body((2, 3), {})
    measure("decode arguments", count, lambda: [decode_body(0, body) for _ in range(count)])
    with tempfile.TemporaryDirectory() as home:
        app, add = make_app(home)
        measure("delay() in a loop, no node", count, lambda: [add.delay(2, 3) for _ in range(count)])
        measure("delay_many(), no node", count, lambda: add.delay_many((2, 3) for _ in range(count)))
        app.close()
    with tempfile.TemporaryDirectory() as home:
        app, add = make_app(home)
        broker = subprocess.Popen([sys.executable, __file__, "--broker", home], env=os.environ)
        try:
            wait_until(app.home.rendezvous.exists, 10)
            add.delay(1, 1).get(timeout=10)
            flush = functools.partial(app.flush, 60)
            measure("delay() in a loop, broker confirms", count, lambda: [add.delay(2, 3) for _ in range(count)], flush)
            measure("delay_many(), broker confirms", count, lambda: add.delay_many((2, 3) for _ in range(count)), flush)
            results = add.delay_many((2, 3) for _ in range(count))
            app.flush(60)
            started = time.perf_counter()
            collect(results)
            print(f"{'get() of results, in order':<52}{(time.perf_counter() - started) / count * 1e6:8.2f} us/task")
            measure("one call, there and back", 200, lambda: [add.delay(2, 3).get(timeout=10) for _ in range(200)])
        finally:
            broker.terminate()
            broker.wait()
            app.close()


def serve(home: str) -> None:
    from actorq.transport.paths import find_home
    from tests.integration.client.fake_broker import FakeBroker

    FakeBroker(find_home("bench", home=home)).start()
    import signal

    signal.pause()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--broker"]:
        serve(sys.argv[2])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else TASKS)
