"""The table in a line file: many deliveries executing at once, each in a row of its own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorq.codec import decode_failure
from actorq.errors import SlotLost, TimeLimitExceeded
from actorq.messages.task import Report
from actorq.node.verdicts import judge
from actorq.slot.layout import FENCE, RING_BYTES, WORDS_BYTES
from actorq.slot.line import Line
from actorq.slot.line_view import LineView
from actorq.slot.rows import GRANTED, RECALLED, SKIPPED, Condemned, table_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NS = 1_000_000_000
PLACES = 100
Pair = tuple[Line, LineView]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    line = Line.create(tmp_path / "s.line", os.getpid(), "node", PLACES, pool=2)
    view = LineView.attach(line.path)
    assert view is not None
    yield line, view
    view.close()
    line.close()


def running(view: LineView) -> list[tuple[int, int]]:
    return [(each.key, each.token) for each in view.executions()]


def test_a_line_of_one_place_has_no_table_and_its_old_size(tmp_path: Path) -> None:
    line = Line.create(tmp_path / "one.line", os.getpid())
    view = LineView.attach(line.path)
    assert view is not None
    assert (view.places, view.pool) == (1, 0)
    assert line.path.stat().st_size == WORDS_BYTES + RING_BYTES
    view.close()
    line.close()


@given(st.integers(2, 10_000))
def test_a_table_is_whole_pages_and_holds_a_row_of_64_bytes_for_each_place(places: int) -> None:
    assert table_bytes(places) % 4096 == 0
    assert 0 <= table_bytes(places) - places * 64 < 4096


def test_the_table_says_which_deliveries_run_and_since_when(pair: Pair) -> None:
    line, view = pair
    assert (view.places, view.pool) == (PLACES, 2)
    assert view.executions() == []
    assert view.executing() is None
    assert line.table.begin(0, 7, 70, 5) is GRANTED
    assert line.table.begin(PLACES - 1, 8, 71, 6) is GRANTED
    assert running(view) == [(7, 70), (8, 71)]
    assert [each.started_ns for each in view.executions()] == [5, 6]
    line.table.end(0)
    assert running(view) == [(8, 71)]


def test_each_row_takes_part_in_the_fence_by_itself(pair: Pair) -> None:
    line, view = pair
    line.table.begin(0, 7, 70, 5)
    view.set_fence(80)
    assert line.table.begin(1, 8, 71, 6) is SKIPPED
    assert line.table.begin(2, 9, 80, 7) is GRANTED
    assert running(view) == [(7, 70), (9, 80)], "what ran before goes on"


def test_a_delivery_that_is_fenced_while_it_begins_is_recalled_aloud(pair: Pair) -> None:
    line, view = pair

    class FencedBetweenTheLooks:
        """The line's words, with a broker that is quicker than the slot between its two looks at the fence."""

        looks = 0

        def __getitem__(self, place: int) -> int:
            assert place == FENCE
            self.looks += 1
            if self.looks == 2:
                view.set_fence(100)
            return line.words[place]

    line.table._header = FencedBetweenTheLooks()  # type: ignore[assignment]
    assert line.table.begin(3, 7, 70, 5) is RECALLED
    assert running(view) == [(7, 70)], "the broker may have seen it"


def test_a_reported_delivery_is_done_though_its_row_still_stands(pair: Pair) -> None:
    line, view = pair
    line.table.begin(0, 7, 70, 5)
    line.table.begin(1, 8, 70, 5)
    report = Report(7, 70, 5)
    line.finish(msgspec.msgpack.encode(report))
    assert view.remains() == ([report], [(8, 70)])


def test_the_first_deadline_of_all_rows_counts_and_every_overdue_one_is_condemned(pair: Pair) -> None:
    line, view = pair
    for place, (start_s, limit_s) in enumerate([(1, 5), (1, 2), (2, 1), (1, 0)]):
        line.table.begin(place, 10 + place, 70, start_s * NS)
        if limit_s:
            line.table.set_deadline(place, (start_s + limit_s) * NS, limit_s * NS)
    assert view.deadline_ns == 3 * NS
    overdue = view.find_overdue(3 * NS)
    assert overdue == [Condemned(11, 70, 2 * NS), Condemned(12, 70, NS)]
    line.table.clear_deadline(1)
    assert view.find_overdue(3 * NS) == [Condemned(12, 70, NS)]
    view.condemn(*overdue)
    assert view.condemned() == overdue


def test_neighbours_of_a_condemned_task_are_handed_back_and_it_fails_by_its_limit(pair: Pair) -> None:
    line, view = pair
    for place in range(3):
        line.table.begin(place, place + 1, 70, NS)
    line.table.set_deadline(1, 3 * NS, 2 * NS)
    view.condemn(*view.find_overdue(3 * NS))
    reports, executing = judge(view, "SIGKILL")
    assert executing == []
    assert [(report.key, report.token) for report in reports] == [(2, 70)]
    error, _ = decode_failure(reports[0].payload)
    assert isinstance(error, TimeLimitExceeded)


def test_one_that_must_not_begin_again_ends_with_its_process_and_its_neighbours_dont(pair: Pair) -> None:
    line, view = pair
    line.table.begin(0, 7, 70, NS, once=True)
    line.table.set_deadline(0, 9 * NS, 2 * NS)
    line.table.begin(1, 8, 70, NS)
    assert view.executions()[0].limit_ns == 2 * NS
    reports, executing = judge(view, "SIGKILL")
    assert [report.key for report in reports] == [7]
    assert isinstance(decode_failure(reports[0].payload)[0], SlotLost)
    assert executing == [(8, 70)]


@pytest.mark.parametrize("size", [WORDS_BYTES + RING_BYTES, WORDS_BYTES + RING_BYTES + table_bytes(PLACES) - 1])
def test_a_file_that_is_too_short_for_its_table_is_nobodys(pair: Pair, tmp_path: Path, size: int) -> None:
    torn = tmp_path / "torn.line"
    torn.write_bytes(pair[0].path.read_bytes()[:size])
    assert LineView.attach(torn) is None
