"""The main loop of a slot that runs many tasks at once: it keeps the line and the socket, a *crew* runs the tasks.

One thread takes in what the broker sends, gives each free place a delivery, and takes the reports that the crew has left in
`done`. Nobody polls: whoever leaves a report wakes this thread through an eventfd.

Invariant: a place is in use from `Crew.start` until its report is in the ring (or nothing was to be reported). Its row in the
line's table is written by whoever runs the task: what was given to the crew but hasn't begun is never started in the table,
so a broker that recalls it, or buries this slot, hands it back.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

from actorq.messages.task import FLAG_ACK_EARLY, FLAG_TRACK_STARTED
from actorq.slot.bell import bell_path, ring
from actorq.slot.layout import EXECUTED, LOOK
from actorq.slot.outcome import hand_back
from actorq.slot.rows import GRANTED, RECALLED
from actorq.slot.runtime import FULL_WAIT_MS, WORN_WAIT_MS, Slot
from actorq.tasks.updates import tell_started

if TYPE_CHECKING:
    from actorq.messages.task import Delivery, Report
    from actorq.slot.limits import KnownLimits
    from actorq.slot.line import Line
    from actorq.slot.outcome import TaskRunner
    from actorq.slot.session import BrokerSession
    from actorq.slot.wear import Gauge

__all__ = ["Crew", "CrowdSlot", "Desk"]

_WAKE: Final = (1).to_bytes(8, "little")


class Desk:
    """Where a crew finds the line and leaves reports; used from any of its threads."""

    def __init__(self, line: Line, grace_ns: int = 0) -> None:
        """Keep it all; `grace_ns` is how long after a hard limit the node is to wait until it kills the process."""
        self.line = line
        self.grace_ns = grace_ns
        self.done: deque[tuple[int, Report | None]] = deque()
        self.wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.is_forked = False  # in a child that task code forked: there is one slot only
        self._is_awake = False

    def begin(self, place: int, delivery: Delivery) -> int:
        """Declare a run and return when it began, in monotonic nanoseconds; 0: it was taken back, and that is reported."""
        now_ns = time.monotonic_ns()
        once = delivery.message.flags & FLAG_ACK_EARLY != 0
        start = self.line.table.begin(place, delivery.key, delivery.token, now_ns, once=once)
        if start is GRANTED:
            if delivery.message.flags & FLAG_TRACK_STARTED:
                tell_started(delivery)
            limits = delivery.message.limits
            if limits is not None and limits[1]:
                self._set_deadline(place, now_ns, int(limits[1] * 1e9))
            return now_ns
        self.leave(place, hand_back(delivery) if start is RECALLED else None)
        return 0

    def _set_deadline(self, place: int, now_ns: int, limit_ns: int) -> None:
        deadline_ns = now_ns + limit_ns + self.grace_ns
        self.line.table.set_deadline(place, deadline_ns, limit_ns)
        look_ns = self.line.words[LOOK]
        # The clock is read after the deadline was written: see `actorq.node.hard_limits`.
        if not time.monotonic_ns() < look_ns <= deadline_ns:
            ring(bell_path(self.line.path))

    def end(self, place: int, report: Report, began_ns: int) -> None:
        """Leave the report of a run that has ended."""
        if self.is_forked:
            os._exit(0)
        self.line.table.clear_deadline(place)
        report.runtime_s = (time.monotonic_ns() - began_ns) / 1e9
        self.leave(place, report)

    def leave(self, place: int, report: Report | None) -> None:
        """Leave what became of a place, and wake whoever takes it."""
        self.done.append((place, report))
        if not self._is_awake:
            self._is_awake = True
            os.write(self.wake_fd, _WAKE)

    def rouse(self) -> None:
        """Take note of being awake; then look at `done`.

        1. empty the eventfd; 2. say that whoever comes must wake again; 3. look. Who came before 2. and kept quiet left his
        report before 3.; who wakes between 1. and 2. wakes once more than he need. In another order his wake-up would be lost.
        """
        with contextlib.suppress(BlockingIOError):  # nobody has, or is only about to
            os.read(self.wake_fd, 8)
        self._is_awake = False


class Crew(Protocol):
    """What runs the tasks of a crowd slot. Each delivery it is given ends in one `Desk.leave` for its place."""

    def start(self, given: list[tuple[int, Delivery]]) -> None:
        """Run each delivery in its place; returns at once."""
        ...

    def close(self) -> None:
        """Nothing will be started any more, and nothing runs."""
        ...


class CrowdSlot(Slot):
    """One slot process's loop with many places. `run` returns when the slot has retired and the last task has ended."""

    def __init__(  # noqa: PLR0917  one line makes it
        self,
        desk: Desk,
        session: BrokerSession,
        runner: TaskRunner,
        crew: Crew,
        places: int,
        limits: KnownLimits | None = None,
        gauge: Gauge | None = None,
    ) -> None:
        super().__init__(desk.line, session, runner, limits, gauge)
        self._desk, self._crew = desk, crew
        self._free = list(range(places - 1, -1, -1))
        self._places = places
        self._weighed_at_ns = time.monotonic_ns()
        self._big: deque[tuple[int, int]] = deque()  # sequence number after that of a report, and its place

    def run(self) -> None:
        """Serve until told to retire, and until what runs then has ended."""
        while not self._is_retired or len(self._free) < self._places:
            if not self._desk.done and not self._count_startable():
                self._rest(self._plan_wait_ms())
            self._work()
            self._attend()
        self._leave()
        self._crew.close()

    def _count_startable(self) -> int:
        if self._reports.is_full():
            return 0
        count = min(len(self._queue), len(self._free))
        if self._gauge is not None:
            running = self._places - len(self._free)
            count = 0 if self._gauge.is_worn else min(count, self._gauge.left - running)
        return max(0, count)

    def _plan_wait_ms(self) -> int | None:
        """Return how long to sleep where nothing comes and nothing ends."""
        if self._gauge is not None and self._gauge.is_worn:
            self._gauge.remind()
            return WORN_WAIT_MS
        return FULL_WAIT_MS if self._reports.is_full() and self._queue else None

    def _work(self, _most: int = 0) -> None:
        """Take what has ended and start as many as there are places for."""
        self._desk.rouse()
        if self._desk.done:
            self._collect()
            self._weigh()
        count = self._count_startable()
        if count:
            free, queue = self._free, self._queue
            self._crew.start([(free.pop(), queue.popleft()) for _ in range(count)])

    def _take(self, frame: bytes) -> None:
        super()._take(frame)
        big = self._big
        while big and big[0][0] <= self._line.first:
            place = big.popleft()[1]
            self._line.table.end(place)
            self._free.append(place)

    def _weigh(self) -> None:
        """Tell the gauge what ended since the last time; so many run that the time in between is as good as their own."""
        if self._gauge is not None:
            now = time.monotonic_ns()
            if self._gauge.wear.max_rss_bytes:
                self._measure(now)
            self._gauge.spent(now - self._weighed_at_ns)
            self._weighed_at_ns = now

    def _collect(self) -> None:
        done, free, reports, line = self._desk.done, self._free, self._reports, self._line
        now = time.monotonic_ns()
        while done:
            place, report = done.popleft()
            if report is not None:
                line.words[EXECUTED] += 1
                is_time = reports.add(report, now)
                if reports.is_outside():
                    # Nothing protects it but its row, until the broker has it.
                    self._big.append((line.next, place))
                    self._flush()
                    continue
                line.table.end(place)
                if is_time:
                    self._flush()
            free.append(place)
        if reports.unsent_since_ns:
            self._flush()
