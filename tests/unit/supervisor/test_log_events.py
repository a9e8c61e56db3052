"""What a supervisor tells the log: one event for each thing that happened, with who, why and how long."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import structlog.testing

from actorq.actors import System
from actorq.messages.reasons import NORMAL, SHUTDOWN
from actorq.supervisor import Backoff, DynamicSupervisor, Recycle, RestartChild, StartChild, TerminateChild
from actorq.testing.clock import FakeClock
from actorq.testing.wait import wait_until
from tests.unit.supervisor.members import Harness, Member, crash, fail, leave

ROOT = Path(__file__).resolve().parents[3]
QUICK = Backoff(min_s=0.001, max_s=0.001)


@pytest.fixture
def logs():
    with structlog.testing.capture_logs() as logs:
        yield logs


def events(logs, *levels):
    return [entry["event"] for entry in logs if not levels or entry["log_level"] in levels]


def test_a_crash_is_one_error_and_the_healing_one_warning_with_restarts_and_down_time(harness, logs):
    harness.start(harness.spec("a"))
    harness.end("a", crash)
    wait_until(lambda: len(logs) == 2)
    failed, restarted = logs
    assert (failed["event"], failed["log_level"]) == ("child_failed", "error")
    assert (restarted["event"], restarted["log_level"]) == ("child_restarted", "warning")
    assert restarted["supervisor"].startswith("top")
    assert (restarted["child_id"], restarted["restarts"], restarted["strategy"]) == ("a", 1, "one_for_one")
    assert restarted["reason"] == "RuntimeError: oops"
    assert 0 <= restarted["down_s"] < 5


def test_those_that_were_restarted_along_are_told_apart_by_because(harness, logs):
    harness.start(harness.spec("a"), harness.spec("b"), strategy="one_for_all")
    harness.end("a", crash)
    wait_until(lambda: len(logs) == 3)
    assert [(entry["child_id"], entry.get("because"), entry["log_level"]) for entry in logs[1:]] == [
        ("a", None, "warning"),
        ("b", "a", "info"),
    ]


def test_each_failed_restart_is_named_once_with_its_cause_and_the_down_time_covers_them_all(harness, logs):
    harness.start(harness.spec("a", plan=[None, fail, fail], backoff=QUICK), intensity=5)
    harness.end("a", crash)
    wait_until(lambda: "child_restarted" in events(logs))
    assert events(logs) == ["child_failed", "child_restart_failed", "child_restart_failed", "child_restarted"]
    assert {entry["reason"] for entry in logs[1:3]} == {"LookupError: no"}
    assert all("LookupError" in entry["traceback"] for entry in logs[1:3])
    assert logs[-1]["down_s"] >= 0.001


def test_a_clean_end_is_information(harness, logs):
    harness.start(harness.spec("a", restart="transient"))
    harness.end("a", leave(NORMAL))
    wait_until(lambda: harness.state("a") == "down")
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [("child_ended", "info")]


def test_giving_up_names_the_child_its_reason_and_the_limit(harness, system, logs):
    harness.start(harness.spec("a"), intensity=0, period_s=7.0)
    harness.end("a", crash)
    system.wait_down(harness.ref)
    (event,) = [entry for entry in logs if entry["event"] == "supervisor_gave_up"]
    assert event["log_level"] == "error"
    assert (event["child_id"], event["reason"]) == ("a", "RuntimeError: oops")
    assert (event["intensity"], event["period_s"]) == (0, 7.0)


def test_parking_and_its_end_are_warnings(harness, logs):
    harness.start(harness.spec("a", plan=[fail, fail], exhausted="park"), park_retry_s=0.01)
    harness.settle("a")
    assert events(logs) == [
        "child_start_failed", "child_parked", "child_restart_failed", "child_parked", "child_unparked",
    ]  # fmt: skip
    assert events(logs, "warning") == ["child_parked", "child_parked", "child_unparked"]
    assert logs[1]["retry_s"] == 0.01
    assert logs[1]["reason"] == "LookupError: no"


def test_what_is_done_by_request_is_information(harness, logs):
    harness.start(harness.spec("a"))
    harness.ref.ask(TerminateChild("a"))
    harness.ref.ask(RestartChild("a"))
    harness.ref.ask(Recycle("a"))
    harness.ref.ask(StartChild(harness.spec("b")))
    assert events(logs, "info") == ["child_terminated", "child_started", "child_recycled", "child_started"]
    assert len(logs) == 4


def test_a_dynamic_supervisor_uses_the_same_words(harness, system, logs):
    top = system.spawn(DynamicSupervisor, intensity=1, period_s=60.0)
    ref = top.ask(StartChild(harness.spec("a")))
    ref.proxy().do.defer(crash)
    wait_until(lambda: "child_restarted" in events(logs))
    assert logs[1]["strategy"] == "dynamic"
    assert top.ask(Recycle("a")).is_alive()
    system.whereis("top")
    assert events(logs) == ["child_failed", "child_restarted", "child_recycled"]


def test_a_child_that_can_not_start_is_reported_at_the_pace_of_its_back_off(logs):
    """On a clock that stands still nothing is tried, and each step of it allows one attempt."""
    clock = FakeClock()
    system = System("test", clock=clock)
    try:
        harness = Harness(system)
        harness.start(
            harness.spec("a", plan=[None] + [fail] * 100, backoff=Backoff(min_s=1.0, max_s=4.0, jitter=0.0)),
            intensity=100,
        )
        harness.end("a", crash)
        wait_until(lambda: harness.state("a") == "restarting" and len(harness.journal.starts()) == 2)
        attempts = 2
        for delay_s in (1.0, 2.0, 4.0, 4.0):
            clock.advance(delay_s - 0.01)
            for _ in range(20):
                assert harness.state("a") == "restarting"
            assert len(harness.journal.starts()) == attempts
            clock.advance(0.02)
            attempts += 1
            wait_until(lambda: len(harness.journal.starts()) == attempts)  # noqa: B023  asked at once
            wait_until(lambda: harness.state("a") == "restarting")
        assert events(logs).count("child_restart_failed") == attempts - 1
    finally:
        system.shutdown()


def test_a_stop_for_another_reason_than_asked_is_an_event(harness, system, logs):
    class Clumsy(Member):
        def terminate(self, reason):
            raise OSError("while stopping")

    harness.start(harness.spec("a", cls=Clumsy))
    system.exit(harness.ref, SHUTDOWN)
    system.wait_down(harness.ref)
    assert events(logs) == ["child_stop_failed"]


def test_the_table_of_events_in_the_documentation_is_that_of_the_code():
    """Names, and the level each is logged at."""
    source = "".join(path.read_text() for path in (ROOT / "actorq" / "supervisor").glob("*.py"))
    logged = set(re.findall(r'log\.(\w+)\(\s*"(\w+)"', source))
    logged |= {("error", name) for name in re.findall(r'_note_failure_of\(\s*"(\w+)"', source)}
    logged |= {("error", name) for name in re.findall(r'"(child_\w+_failed)" if', source)}
    logged |= {("error", name) for name in re.findall(r'_note_end\(\s*"(\w+)"', source)}
    logged |= {("info", name) for name in re.findall(r'_note_up_by_hand\(\s*"(\w+)"', source)}
    logged |= {("info", name) for name in re.findall(r'_answer_start\(\s*"(\w+)"', source)}
    page = (ROOT / "docs" / "concepts" / "supervision.md").read_text()
    documented = set()
    for line in page.splitlines():
        row = re.match(r"\| `(\w+)` \| ((?:error|warning|info)(?:, info)?) \|", line)
        if row:
            documented |= {(level, row[1]) for level in row[2].split(", ")}
    assert documented == logged
