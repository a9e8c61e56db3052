"""Each actor of a running node crashes at random, a thousand times, under a load: nothing is lost, run twice, killed or leaked.

The crash is an exception in the actor's own loop (see `fire_node`). `ACTORQ_CHAOS=long` does 1,000 of them.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, Self

import pytest

from actorq.messages.states import SUCCESS
from actorq.testing.wait import wait_until
from tests.chaos.campaign import Campaign
from tests.chaos.evidence import check_attempts, count_events, read_attempts
from tests.nodes import ROOT, NodeProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LONG = os.environ.get("ACTORQ_CHAOS") == "long"
SEED = int(os.environ.get("ACTORQ_CHAOS_SEED", "1"))
CRASHES = 1_000 if LONG else 90
WHOLE_S: Final = 15.0  # a bound for the machine at its busiest; what is measured is printed
LOOKS: Final = 20
LOOK_EVERY_S: Final = 0.05
HOWS: Final = ("message", "signal", "timer")
CALLER_EVERY: Final = 20  # crashes between two callers that are killed
MEMORY_BYTES: Final = 48 << 20  # allowed growth; what a node keeps of finished tasks doesn't grow with crashes
WELL: Final = {"up", "ignored"}

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1800 if LONG else 180)]


class Fire:
    """The socket of a `fire_node`."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(30)
        self._socket.connect(path)
        self._lines = self._socket.makefile("rw")

    def order(self, *words: str) -> Any:
        self._lines.write(json.dumps(words) + "\n")
        self._lines.flush()
        reply = json.loads(self._lines.readline())
        assert "error" not in reply, reply
        return reply["ok"]

    def actors(self) -> dict[str, dict[str, Any]]:
        """Return every actor of the tree below the root by its id."""
        found: dict[str, dict[str, Any]] = {}
        entries = list(self.order("tree")["children"])
        while entries:
            entry = entries.pop()
            assert entry["id"] not in found, f"two actors with the id {entry['id']}"
            found[entry["id"]] = entry
            entries += entry["children"]
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._socket.close()


def is_whole(actors: dict[str, dict[str, Any]], names: set[str]) -> bool:
    """Return whether everybody is there and up, and answers for itself."""
    return set(actors) == names and all(each["state"] in WELL for each in actors.values())


def crash(fire: Fire, name: str, how: str, names: set[str]) -> float:
    """Crash one actor; return how long the tree took to be whole again with a new incarnation of it."""
    before = fire.actors()[name]["pid"]
    assert fire.order("crash", name, how)
    started_at = time.monotonic()
    actors: dict[str, dict[str, Any]] = {}

    def is_back() -> bool:
        nonlocal actors
        actors = fire.actors()
        return is_whole(actors, names) and actors[name]["pid"] != before

    try:
        wait_until(is_back, WHOLE_S, f"the tree to be whole after a crash of {name}")
    except AssertionError as error:
        unwell = {id: (each["state"], each["last_error"]) for id, each in actors.items() if each["state"] not in WELL}
        raise AssertionError(f"{error}; missing {names - set(actors)}, not well {unwell}") from None
    return time.monotonic() - started_at


@pytest.fixture
def campaign(tmp_path: Path) -> Iterator[Campaign]:
    with Campaign(tmp_path, SEED) as running:
        yield running


def start_fire_node(campaign: Campaign, path: str) -> NodeProcess:
    environ = {**campaign.environ, "CHAOS_FIRE": path}
    node = NodeProcess(
        *("tests.chaos.chaos_tasks", campaign.home, ROOT, 2),
        options=("--loglevel", "error"),
        environ=environ,
        module="tests.chaos.fire_node",
    )
    node.start().wait_ready()
    campaign.nodes.append(node)
    wait_until(lambda: os.path.exists(path), 10, "the fire's socket")
    return node


def start_stoker(campaign: Campaign, stop: Path) -> subprocess.Popen[bytes]:
    log = campaign.folder / "sent-stoker.log"
    log.touch()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.stoker", "1", str(log), str(stop)],
        cwd=ROOT,
        env={**os.environ, **campaign.environ},
    )
    campaign.senders.append(process)
    return process


def test_a_thousand_crashes_of_components_lose_nothing_and_leave_nothing(campaign: Campaign, tmp_path: Path) -> None:
    path = str(tmp_path / "fire")
    node = start_fire_node(campaign, path)
    stop = tmp_path / "stop"
    stoker = start_stoker(campaign, stop)
    took: defaultdict[str, list[float]] = defaultdict(list)
    with Fire(path) as fire:
        wait_until(lambda: "slot-1" in fire.actors() and len(node.slot_pids()) == 2, 20, "both slots")
        names = set(fire.actors())
        assert {"store", "broker", "timers", "outboxes", "janitor", "link", "control", "membership"} < names
        assert {"pool", "zygote", "slots", "sizer", "slot-0", "slot-1"} < names
        wait_until(lambda: is_whole(fire.actors(), names), WHOLE_S, "the tree to be whole")
        pids = sorted(node.slot_pids())
        for name in sorted(names):
            crash(fire, name, "message", names)  # what is made once, at the first crash, isn't a leak
            assert sorted(node.slot_pids()) == pids, f"a crash of {name} cost a slot its process"
        wait_until(lambda: campaign.progress() > 0, 20, "some work")
        before = find_most_resources(fire)
        turns: list[str] = []
        for number in range(CRASHES):
            if not turns:  # everybody takes its turn, in an order of chance
                turns = sorted(names)
                campaign.rng.shuffle(turns)
            name, how = turns.pop(), campaign.rng.choice(HOWS)
            took[name].append(crash(fire, name, how, names))
            assert sorted(node.slot_pids()) == pids, f"a crash of {name} cost a slot its process"
            if number % CALLER_EVERY == CALLER_EVERY - 1:
                kill_a_caller(campaign, number)
            time.sleep(campaign.rng.uniform(0.0, 0.03))
        assert stoker.poll() is None, "the caller got all its results so far"
        stop.touch()
        assert stoker.wait(60) == 0, "a result was wrong, or didn't come"
        states = campaign.wait_finished(120)
        after = wait_for_rest(fire, before)
    check_evidence(campaign, states, 2 + len(took["store"]) + len(took["broker"]))
    grown = after["rss_bytes"] - before["rss_bytes"]
    print_figures(took, len(states), grown)
    assert grown < MEMORY_BYTES, f"{grown >> 20} MiB more resident memory after {CRASHES} crashes"
    assert node.stop() == 0, node.output
    campaign.nodes.remove(node)


def kill_a_caller(campaign: Campaign, number: int) -> None:
    """Let a caller die in the middle of its loop: its outbox is taken over while components crash."""
    first = 10**6 + number * 10**4
    sender = campaign.start_sender(10**4, first, 0.0005)
    log = campaign.folder / f"sent-{first}.log"
    wait_until(lambda: log.stat().st_size > 1_000, 30, "the caller to send")
    sender.kill()
    sender.wait(10)
    campaign.kills["sender"] += 1


def find_most_resources(fire: Fire) -> dict[str, Any]:
    """Return what is there when everybody is connected: some come back only now after the last crash."""
    most: dict[str, Any] = fire.order("resources")
    for _ in range(LOOKS):
        time.sleep(LOOK_EVERY_S)
        now = fire.order("resources")
        for key in ("threads", "children", "actors"):
            most[key] = max(most[key], now[key])
        most["descriptors"] = {
            kind: max(count, most["descriptors"].get(kind, 0)) for kind, count in now["descriptors"].items()
        }
    return most


def wait_for_rest(fire: Fire, before: dict[str, Any]) -> dict[str, Any]:
    """Wait until no more threads, descriptors, children and actors are there than `before`; return what is there."""
    after: dict[str, Any] = {}

    def is_at_rest() -> bool:
        after.update(fire.order("resources"))
        grown = {
            kind: count for kind, count in after["descriptors"].items() if count > before["descriptors"].get(kind, 0)
        }
        after["more"] = {
            key: after[key] for key in ("threads", "children", "actors") if after[key] > before[key]
        } | grown
        return not after["more"]

    try:
        wait_until(is_at_rest, 30, "the resources to be what they were")
    except AssertionError:
        raise AssertionError(f"before {before}, more than that: {after['more']}") from None
    return after


def check_evidence(campaign: Campaign, states: dict[str, str], hub_crashes: int) -> None:
    attempts = read_attempts(campaign.evidence)
    # Nothing was killed, so nothing may have run twice.
    counts = check_attempts(attempts, killed=())
    assert set(states.values()) == {SUCCESS}
    assert set(states) == set(campaign.sent)
    assert set(campaign.sent) <= set(attempts), "tasks succeeded without ever having run"
    # One exception: a run that asked for a retry. Nothing has ended by it, so a new hub lets it run again. Each crash of a
    # hub finds at most what two slots have in hand.
    again = sum(count - 1 for count in count_events(campaign.evidence, "first").values())
    assert again <= hub_crashes, (
        f"{again} runs that asked for a retry were repeated by {hub_crashes} crashes of the hub"
    )
    assert all(found[-1].ended for found in attempts.values())
    assert not counts["repeated"]


def print_figures(took: dict[str, list[float]], tasks: int, grown_bytes: int) -> None:
    total = sum(len(each) for each in took.values())
    print(f"\n{total} crashes, {tasks} tasks, memory {grown_bytes / (1 << 20):+.1f} MiB; whole again after (ms):")
    for name, each in sorted(took.items()):
        ordered = sorted(each)
        print(
            f"  {name:12} {len(each):4} times, median {ordered[len(each) // 2] * 1e3:6.1f}, longest {ordered[-1] * 1e3:7.1f}"
        )
