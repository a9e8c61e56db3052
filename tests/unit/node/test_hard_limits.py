"""When to look at a deadline, and what follows from what a killed slot left."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorq.codec import decode_failure
from actorq.errors import SlotLost, TimeLimitExceeded
from actorq.messages.states import FAILURE, NUMBERS, REVOKED, SUCCESS
from actorq.messages.task import Delivery, Report, TaskMessage
from actorq.node.hard_limits import plan_look
from actorq.node.verdicts import NOBODY, judge
from actorq.slot.layout import DEADLINE, ONCE
from actorq.slot.line import Line
from actorq.slot.line_view import LineView
from actorq.slot.rows import Condemned

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NS = 1_000_000_000
Pair = tuple[Line, LineView]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    line = Line.create(tmp_path / "s.line", os.getpid())
    view = LineView.attach(line.path)
    assert view is not None
    yield line, view
    view.close()
    line.close()


def start(line: Line, key: int, token: int, hard_s: int | None = None) -> None:
    line.begin(key, token, NS)
    if hard_s is not None:
        line.words[DEADLINE] = NS + hard_s * NS


def finish(line: Line, key: int, token: int) -> Report:
    report = Report(key, token, NUMBERS[SUCCESS], b"\x01")
    line.words[DEADLINE] = 0
    line.finish(msgspec.msgpack.encode(report))
    return report


def test_a_task_is_overdue_from_its_deadline_on(pair: Pair) -> None:
    line, view = pair
    assert view.find_overdue(99 * NS) == []
    start(line, 7, 70, hard_s=2)
    assert view.find_overdue(3 * NS - 1) == []
    assert view.find_overdue(3 * NS) == [Condemned(7, 70, 2 * NS)]
    finish(line, 7, 70)
    start(line, 8, 71)
    assert view.find_overdue(99 * NS) == [], "the next one has no limit"


def test_the_task_that_its_slot_was_killed_for_fails_by_its_limit(pair: Pair) -> None:
    line, view = pair
    start(line, 1, 10)
    done = finish(line, 1, 10)
    start(line, 7, 70, hard_s=2)
    view.condemn(*view.find_overdue(3 * NS))
    reports, executing = judge(view, "SIGKILL")
    assert executing == []
    assert reports[0] == done
    assert (reports[1].key, reports[1].token, reports[1].state) == (7, 70, NUMBERS[FAILURE])
    error, _ = decode_failure(reports[1].payload)
    assert isinstance(error, TimeLimitExceeded)
    assert error.limit_s == 2


def test_a_task_that_ended_just_before_the_kill_keeps_its_result_and_the_next_isnt_blamed(pair: Pair) -> None:
    line, view = pair
    start(line, 7, 70, hard_s=2)
    view.condemn(*view.find_overdue(3 * NS))
    done = finish(line, 7, 70)
    start(line, 8, 71)
    assert view.remains() == ([done], [(8, 71)])
    assert judge(view, "SIGKILL") == ([done], [])


def test_a_report_that_was_written_while_the_key_still_stood_wins(pair: Pair) -> None:
    line, view = pair
    start(line, 7, 70, hard_s=2)
    view.condemn(Condemned(7, 70, 2 * NS))
    done = finish(line, 7, 70)
    line.begin(7, 70, NS)  # as it is between the append and the store of 0
    assert judge(view, "SIGKILL") == ([done], [])


def test_a_run_that_was_terminated_ends_as_revoked_and_the_next_one_isnt_blamed(pair: Pair) -> None:
    line, view = pair
    start(line, 7, 70)
    view.condemn(Condemned(7, 70, 0, 15))
    [report], executing = judge(view, "SIGTERM")
    assert (report.key, report.state, executing) == (7, NUMBERS[REVOKED], [])
    assert "terminated by SIGTERM" in str(decode_failure(report.payload)[0])
    done = finish(line, 7, 70)
    start(line, 8, 71)
    assert judge(view, "SIGTERM") == ([done], [])
    view.acquit()
    assert judge(view, "SIGTERM") == ([done], [(8, 71)])


def test_a_slot_that_was_killed_for_nobody_leaves_what_it_leaves(pair: Pair) -> None:
    line, view = pair
    start(line, 7, 70, hard_s=2)
    assert judge(view, "SIGKILL") == view.remains() == ([], [(7, 70)])


@given(st.integers(0, 50), st.integers(0, 50), st.integers(1, 50))
def test_a_promised_look_is_never_put_off_and_no_deadline_is_passed_by(deadline: int, promised: int, now: int) -> None:
    look = plan_look(deadline, promised, now)
    assert look == 0 or look > now
    if promised > now:
        assert 0 < look <= promised
    if deadline:
        assert 0 < look <= max(deadline, now + 1)
    if not deadline and promised <= now:
        assert look == 0


@pytest.mark.parametrize("condemned", [None, Condemned(7, 70, 2 * NS), NOBODY])
def test_a_task_that_may_begin_only_once_is_over_whoever_its_slot_was_killed_for(
    pair: Pair, condemned: Condemned | None
) -> None:
    line, view = pair
    start(line, 8, 71)
    line.words[ONCE] = 8
    if condemned is not None:
        view.condemn(condemned)
    message = TaskMessage(1, "charge", b"")
    reports, executing = judge(view, "SIGKILL", "a trace", {8: Delivery(8, 71, 0, 7, message)})
    assert (executing, [report.key for report in reports]) == ([], [8])
    error, text = decode_failure(reports[0].payload)
    assert isinstance(error, SlotLost)
    assert (error.task, error.cause, error.deliveries, error.acked_early, text) == (
        "charge",
        "SIGKILL",
        1,
        True,
        "a trace",
    )
