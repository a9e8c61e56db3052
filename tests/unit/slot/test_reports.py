"""Reports on their way: frames, numbers, and what is kept until it is settled."""

from __future__ import annotations

import os

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actorq.messages.task import Report
from actorq.messages.wire import DONE, Done
from actorq.slot.layout import KEY, ONCE
from actorq.slot.line import Line
from actorq.slot.reports import FLUSH_REPORTS, ReportLog, join_done


@pytest.fixture
def line(tmp_path):
    made = Line.create(tmp_path / "s1.line", os.getpid())
    yield made
    made.close()


@pytest.fixture
def log(line):
    return ReportLog(line)


def add(log, key, size=5, now_ns=1_000):
    return log.add(Report(key, key, 5, b"x" * size), now_ns)


def read(frame):
    assert frame[:1] == DONE
    return msgspec.msgpack.decode(frame[1:], type=Done)


def sent(log):
    frames = []
    while (frame := log.next_frame()) is not None:
        log.mark_sent()
        frames.append(read(frame))
    return frames


@given(st.integers(0, 2**40), st.integers(0, 70) | st.just(FLUSH_REPORTS))
def test_a_joined_frame_reads_like_an_encoded_one(first, count):
    reports = [Report(number, number + 1, 5, b"x" * number) for number in range(count)]
    assert join_done(first, list(map(msgspec.msgpack.encode, reports))) == DONE + msgspec.msgpack.encode(
        Done(first, reports)
    )


def test_a_frame_is_due_at_its_number_of_reports(log):
    assert [add(log, key) for key in range(FLUSH_REPORTS)] == [False] * (FLUSH_REPORTS - 1) + [True]


def test_a_frame_is_due_at_its_size(log):
    assert not add(log, 1, 150_000)
    assert add(log, 2, 150_000)


def test_the_oldest_report_sets_the_time(log):
    add(log, 1, now_ns=1_000)
    add(log, 2, now_ns=2_000)
    assert log.unsent_since_ns == 1_000
    sent(log)
    assert log.unsent_since_ns == 0


def test_frames_are_numbered_without_gaps(log):
    count = 2 * FLUSH_REPORTS + 10
    for key in range(count):
        add(log, key)
    frames = sent(log)
    assert [frame.first for frame in frames] == [0, FLUSH_REPORTS, 2 * FLUSH_REPORTS]
    assert [report.key for frame in frames for report in frame.reports] == list(range(count))


def test_a_frame_that_could_not_be_sent_is_made_again(log):
    add(log, 1)
    first = log.next_frame()
    add(log, 2)
    assert first is not None
    assert [report.key for report in read(log.next_frame()).reports] == [1, 2]


def test_a_new_broker_gets_everything_that_is_not_settled_in_order(log, line):
    for key in range(10):
        add(log, key)
    sent(log)
    log.settle(4)
    add(log, 10)
    log.rewind()
    (frame,) = sent(log)
    assert frame.first == 4 == line.first
    assert [report.key for report in frame.reports] == list(range(4, 11))


def test_settling_twice_or_what_was_never_sent_changes_nothing(log, line):
    for key in range(10):
        add(log, key)
    log.settle(10)
    assert line.first == 0
    sent(log)
    log.settle(6)
    log.settle(6)
    log.settle(2)
    log.settle(-1)
    assert line.first == 6
    log.settle(99)
    assert line.first == 10


def test_a_report_too_big_for_the_ring_is_due_at_once_and_kept_until_settled(log, line):
    add(log, 0)
    assert add(log, 1, 1_000_000)
    sent(log)
    log.rewind()
    assert [len(report.payload) for frame in sent(log) for report in frame.reports] == [5, 1_000_000]
    log.settle(2)
    assert line.words[6] == line.words[7]  # head has caught up with tail


def test_too_much_outside_of_the_ring_stops_the_slot_until_it_is_settled(log):
    for key in range(7):
        assert not log.is_full()
        add(log, key, 10_000_000)
    assert log.is_full()
    sent(log)
    log.settle(7)
    assert not log.is_full()


_steps = st.lists(
    st.one_of(
        st.integers(0, 100_000).map(lambda size: ("add", size)),
        st.just(("send", 0)),
        st.just(("rewind", 0)),
        st.integers(0, 40).map(lambda number: ("settle", number)),
    ),
    max_size=50,
)


@settings(max_examples=60, deadline=None)
@given(_steps)
def test_no_report_is_forgotten_before_it_is_settled(tmp_path_factory, steps):
    line = Line.create(tmp_path_factory.mktemp("line") / "s1.line", os.getpid())
    log = ReportLog(line)
    heard: dict[int, int] = {}
    settled = 0
    for step, amount in steps:
        if step == "add":
            add(log, line.next, amount)
        elif step == "send":
            heard.update(
                (frame.first + place, report.key) for frame in sent(log) for place, report in enumerate(frame.reports)
            )
        elif step == "rewind":
            log.rewind()
            heard = {}
        else:
            # A broker settles only what it heard.
            settled = max(settled, min(amount, max(heard, default=-1) + 1))
            log.settle(settled)
        assert line.first == settled
    log.rewind()
    keys = [report.key for frame in sent(log) for report in frame.reports]
    assert keys == list(range(settled, line.next))
    log.settle(line.next)
    assert line.words[6] == line.words[7]
    line.close()


def test_a_run_that_must_not_be_repeated_stays_declared_while_only_frames_have_its_report(log, line):
    line.words[ONCE] = 7
    line.begin(7, 70, 1)
    add(log, 7, 300_000)
    assert log.is_full(), "nothing else is to run now"
    assert (line.words[KEY], len(sent(log))) == (7, 1)
    log.settle(1)
    assert (line.words[KEY], log.is_full()) == (0, False)


def test_a_run_that_must_not_be_repeated_is_over_as_soon_as_the_ring_has_its_report(log, line):
    line.words[ONCE] = 7
    line.begin(7, 70, 1)
    add(log, 7)
    assert (line.words[KEY], log.is_full()) == (0, False)
    line.begin(8, 80, 1)
    add(log, 8, 300_000)
    assert (line.words[KEY], log.is_full()) == (0, False), "another may be"
