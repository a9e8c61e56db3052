"""The line file: its words, its ring, its fence and its lock."""

from __future__ import annotations

import os
import time
from collections import deque

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actorq.messages.task import Report
from actorq.slot.layout import FENCE, RING_BYTES, trace_path
from actorq.slot.line import Line
from actorq.slot.line_view import LineView
from actorq.slot.rows import GRANTED, RECALLED, SKIPPED


@pytest.fixture
def line(tmp_path):
    made = Line.create(tmp_path / "s1.line", os.getpid())
    yield made
    made.close()


@pytest.fixture
def view(line):
    attached = attach(line)
    yield attached
    attached.close()


def attach(line):
    attached = LineView.attach(line.path)
    assert attached is not None
    return attached


def record(number, size=10):
    return msgspec.msgpack.encode(Report(number, number, 5, b"x" * size))


def test_a_line_is_private_and_has_no_other_name(line):
    assert line.path.stat().st_mode & 0o777 == 0o600
    assert list(line.path.parent.iterdir()) == [line.path]


def test_a_name_that_was_used_is_never_taken_again(line):
    with pytest.raises(FileExistsError):
        Line.create(line.path, os.getpid())
    assert list(line.path.parent.iterdir()) == [line.path]


def test_a_delivery_executes_from_begin_to_finish(line, view):
    assert view.executing() is None
    assert line.begin(7, 3, 99) is GRANTED
    assert view.executing() == (7, 3)
    assert view.executions()[0].started_ns == 99
    line.finish(record(7))
    assert view.executing() is None
    assert [report.key for report in view.unsettled_reports()] == [7]


def test_a_token_behind_the_fence_does_not_begin(line, view):
    view.set_fence(5)
    assert line.begin(7, 4, 0) is SKIPPED
    assert view.executing() is None
    assert line.begin(7, 5, 0) is GRANTED


def test_a_fence_never_goes_back(view):
    view.set_fence(5)
    view.set_fence(3)
    assert view.fence == 5


def test_a_delivery_that_is_fenced_while_it_begins_is_recalled_aloud(line, view):
    class FencedBetweenTheLooks:
        """The words, with a broker that is quicker than the slot between its two looks at the fence."""

        def __init__(self, words):
            self.words, self.looks = words, 0

        def __getitem__(self, place):
            if place == FENCE:
                self.looks += 1
                if self.looks == 2:
                    view.set_fence(100)
            return self.words[place]

        def __setitem__(self, place, value):
            self.words[place] = value

    words = line.words
    line.words = FencedBetweenTheLooks(words)
    try:
        assert line.begin(7, 4, 0) is RECALLED
    finally:
        line.words = words
    assert view.executing() == (7, 4)  # the broker may have seen it, so the slot must say what became of it


def test_a_report_written_by_a_slot_that_died_before_the_key_was_cleared_counts_as_done(line, view):
    line.begin(7, 3, 1)
    line.finish(record(3))
    line.words[2] = 3
    assert view.executing() == (3, 3)
    assert view.remains().executing == []
    assert len(view.remains().reports) == 1


def test_a_line_is_alive_as_long_as_it_is_locked(tmp_path):
    line = Line.create(tmp_path / "s1.line", os.getpid())
    view = attach(line)
    other = attach(line)
    assert view.is_alive()
    assert other.is_alive()
    line.close()
    assert not view.is_alive()
    assert not other.is_alive()
    view.close()
    other.close()


def test_a_forked_child_does_not_keep_its_parent_alive(tmp_path):
    line = Line.create(tmp_path / "s1.line", os.getpid())
    view = attach(line)
    read_fd, write_fd = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(write_fd)
        line.abandon()
        os.read(read_fd, 1)
        os._exit(0)
    os.close(read_fd)
    try:
        deadline = time.monotonic() + 5
        os.close(line._lock_fd)
        while view.is_alive() and time.monotonic() < deadline:
            os.sched_yield()
        assert not view.is_alive()
    finally:
        os.close(write_fd)
        os.waitpid(child, 0)
        view.close()


@pytest.mark.parametrize("size", [0, 1, 4096, 4096 + RING_BYTES - 1])
def test_a_file_torn_at_its_creation_is_nobodys(tmp_path, size):
    path = tmp_path / "s1.line"
    path.write_bytes(bytes(size))
    assert LineView.attach(path) is None


def test_a_file_of_the_right_size_without_the_mark_is_nobodys(tmp_path):
    path = tmp_path / "s1.line"
    path.write_bytes(bytes(4096 + RING_BYTES))
    assert LineView.attach(path) is None
    assert LineView.attach(tmp_path / "missing.line") is None


def test_a_symbolic_link_is_not_followed(line, tmp_path):
    planted = tmp_path / "s2.line"
    planted.symlink_to(line.path)
    assert LineView.attach(planted) is None


def test_a_ring_full_of_rubbish_is_read_as_empty(line, view):
    line.finish(record(1))
    line.words[7] = RING_BYTES * 9
    assert view.unsettled_reports() == []
    line.words[7] = 3
    assert view.unsettled_reports() == []


def test_remove_takes_the_trace_along(line, view):
    trace_path(line.path).touch()
    view.remove()
    view.remove()
    assert list(line.path.parent.iterdir()) == []


def test_a_record_that_does_not_fit_is_not_written_but_its_run_has_ended(line, view):
    assert line.finish(record(1, 200_000)) > 0
    assert not view.has_unprotected_reports(0)
    assert line.begin(2, 2, 0) is GRANTED
    assert line.finish(record(2, 200_000)) == 0
    assert view.executing() is None
    assert line.next == 2
    assert line.finish(record(3, 10_000)) > 0
    assert [report.key for report in view.unsettled_reports()] == [1, 3]
    assert view.has_unprotected_reports(1)
    assert not view.has_unprotected_reports(2)


_steps = st.lists(
    st.one_of(
        st.integers(0, 60_000).map(lambda size: ("finish", size)), st.integers(0, 12).map(lambda count: ("free", count))
    ),
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(_steps)
def test_the_ring_agrees_with_a_queue(tmp_path_factory, steps):
    line = Line.create(tmp_path_factory.mktemp("line") / "s1.line", os.getpid())
    view = attach(line)
    kept: deque[tuple[int | None, int]] = deque()  # (number or None for too big, bytes taken), oldest first
    for number, (step, amount) in enumerate(steps):
        if step == "finish":
            data = record(number, amount)
            taken = line.finish(data)
            assert taken in (0, len(data) + 4)
            kept.append((number if taken else None, taken))
        else:
            gone = [kept.popleft() for _ in range(min(amount, len(kept)))]
            line.free(len(gone), sum(taken for _, taken in gone))
        assert [report.key for report in view.unsettled_reports()] == [key for key, _ in kept if key is not None]
        assert line.next - line.first == len(kept)
    view.close()
    line.close()
