"""Ten thousand tasks that misbehave among ten thousand that don't: each ends as documented, and the pool is whole again.

`ACTORQ_CHAOS=long` runs the long form; the short form is for every run of the tests.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from actorq import App, AsyncResult, ResultSet
from actorq.messages.states import FAILURE, SUCCESS
from actorq.testing.wait import wait_until
from tests.chaos.campaign import is_running
from tests.nodes import ROOT, NodeProcess

if TYPE_CHECKING:
    from pathlib import Path

LONG = os.environ.get("ACTORQ_CHAOS") == "long"
SEED = int(os.environ.get("ACTORQ_CHAOS_SEED", "1"))
SLOTS = 2
ROUNDS = 5  # memory is read after each
MOST_GROWTH_BYTES = 24 << 20  # of the node, from the first round to the last
SLOT_BYTES = 120 << 20  # the slots are replaced at this size

ENDS: dict[str, tuple[str, str]] = {
    "good": (SUCCESS, "int"),
    "grows": (SUCCESS, "int"),
    "too_slow": (FAILURE, "SoftTimeLimitExceeded"),
    "deaf": (FAILURE, "TimeLimitExceeded"),
    "leaves": (FAILURE, "SlotLost"),
    "segfaults": (FAILURE, "SlotLost"),
    "kills_itself": (FAILURE, "SlotLost"),
    "exits": (FAILURE, "RemoteError"),  # raised as itself it would end the caller
    "interrupts": (FAILURE, "RemoteError"),
    "recurses": (FAILURE, "RecursionError"),
    "returns_a_lock": (FAILURE, "EncodeError"),
    "raises_what_cant_travel": (FAILURE, "RemoteError"),
}
BAD = [name for name in ENDS if name != "good"]

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1800 if LONG else 240)]


def send(app: App, name: str, number: int) -> AsyncResult[Any]:
    return app.send_task(f"tests.chaos.bad_tasks.{name}", (number,))


def ends_of(results: list[tuple[str, Any]]) -> Counter[tuple[str, str, str]]:
    """Return how often a task of a name ended in a state with a type of result."""
    found: Counter[tuple[str, str, str]] = Counter()
    for name, result in results:
        value = result.get(timeout=120, propagate=False)
        found[name, result.state, type(value).__name__] += 1
    return found


def test_whatever_tasks_do_the_good_ones_succeed_and_the_bad_ones_end_as_documented(tmp_path: Path) -> None:
    bad, good = (10_000, 10_000) if LONG else (330, 1_000)
    rng = random.Random(SEED)
    home = tmp_path / "home"
    options = ("--max-memory-per-child", str(SLOT_BYTES))
    node = NodeProcess("tests.chaos.bad_tasks", home, ROOT, SLOTS, options=options, environ={"CHAOS_HOME": str(home)})
    with node, App("bad", home=home) as app:
        sizes = []
        started_at = time.monotonic()
        for _ in range(ROUNDS):
            names = ["good"] * (good // ROUNDS) + [BAD[place % len(BAD)] for place in range(bad // ROUNDS)]
            rng.shuffle(names)
            results = [(name, send(app, name, number)) for number, name in enumerate(names)]
            found = ends_of(results)
            wanted = Counter((name, *ENDS[name]) for name in names)
            assert found == wanted, {"more": found - wanted, "fewer": wanted - found}
            ResultSet(result for _, result in results).forget()
            sizes.append(psutil.Process(node.pid).memory_info().rss)
        took_s = time.monotonic() - started_at
        wait_until(lambda: len(node.slot_pids()) == SLOTS, 20, "the pool to be whole")
        assert [send(app, "good", number).get(timeout=20) for number in range(20)] == list(range(20))
        children = [each.pid for each in psutil.Process(node.pid).children(recursive=True)]
        assert len(children) <= SLOTS + 2, "nothing is left behind by slots that died"
        assert sizes[-1] - sizes[0] < MOST_GROWTH_BYTES, sizes
        assert node.stop() == 0, node.output
        assert not any(is_running(pid) for pid in children)
    print(f"{bad} bad and {good} good in {took_s:.0f} s, node {[size >> 20 for size in sizes]} MiB")
