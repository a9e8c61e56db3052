"""The main loop of a slot: TASKS in, run one after the other, DONE out.

Single-threaded, so task code is never interrupted by us and owns the main thread with its signals. All bookkeeping is
done between two runs: declare the run in the line, run, put the report into the ring, now and then send what has gathered
and take in what has come.

Invariant: what is not finished, executing or in the local queue here is not here. The queue is only a copy of what the
broker leased to this slot; it may fence any of it at any time, and what this process loses with its life the line tells.
"""

from __future__ import annotations

import os
import time
from collections import deque
from typing import TYPE_CHECKING, Final

import msgspec

from actorq.log import get_logger
from actorq.messages.task import FLAG_ACK_EARLY, FLAG_TRACK_STARTED
from actorq.messages.wire import RETIRE, STEER, TASKS, Steer, Tasks
from actorq.slot.bell import bell_path, ring
from actorq.slot.layout import BEAT, DEADLINE, EXECUTED, LOOK, ONCE, RSS
from actorq.slot.limits import KnownLimits
from actorq.slot.outcome import TaskRunner, hand_back
from actorq.slot.reports import ReportLog
from actorq.slot.rows import GRANTED, SKIPPED
from actorq.tasks.updates import tell_started

if TYPE_CHECKING:
    from actorq.messages.task import Delivery
    from actorq.slot.line import Line
    from actorq.slot.session import BrokerSession
    from actorq.slot.wear import Gauge

__all__ = ["Slot"]

FLUSH_NS: Final = 5_000_000  # no report waits longer while short tasks run, and none waits for a long one to end
LOOK_TASKS: Final = 64  # a look costs half as much as the shortest task; LOOK_NS bounds the time between two
LOOK_NS: Final = 2_000_000
FULL_WAIT_MS: Final = 250  # between two runs while too many big reports are unsettled: slow, but never stuck
RSS_NS: Final = 250_000_000  # measuring costs 3 µs
WORN_WAIT_MS: Final = 250  # between two reminders that it is to be let go

_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_decode_tasks: Final = msgspec.msgpack.Decoder(Tasks).decode

log: Final = get_logger(__name__)


class Slot:
    """One slot process's loop. `run` returns when the slot has retired. `limits` completes those of messages."""

    def __init__(
        self,
        line: Line,
        session: BrokerSession,
        runner: TaskRunner,
        limits: KnownLimits | None = None,
        gauge: Gauge | None = None,
    ) -> None:
        self._line = line
        self._gauge = gauge
        self._limits = limits or None
        self._session = session
        self._runner = runner
        self._reports = ReportLog(line)
        self._queue: deque[Delivery] = deque()
        self._quick: set[str] = set()  # names of tasks whose last run was shorter than FLUSH_NS
        self._joins_seen = 0
        self._is_retired = False
        self._measure_at_ns = 0
        self._statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        self.is_forked = False  # set in a child that task code forked

    def run(self) -> None:
        """Serve until told to retire."""
        gauge, work = self._gauge, self._work if self._gauge is None else self._work_gauged
        while not self._is_retired:
            if gauge is not None and gauge.is_worn:
                self._rest(WORN_WAIT_MS)
                gauge.remind()
            elif not self._queue:
                self._rest()
            elif self._reports.is_full():
                self._rest(FULL_WAIT_MS)
                self._attend()
                work()
            else:
                work()
            self._attend()
        self._leave()

    def _work_gauged(self) -> None:
        """Work, but not beyond this slot's share."""
        gauge = self._gauge
        assert gauge is not None
        before = time.monotonic_ns()
        self._work(min(LOOK_TASKS, gauge.left))
        after = time.monotonic_ns()
        if gauge.wear.max_rss_bytes:
            self._measure(after)
        gauge.spent(after - before)

    def _work(self, most: int = LOOK_TASKS) -> None:
        """Run some of the queue: one stretch between two looks at what the broker says.

        One piece, because each call in it is paid for every task.
        """
        queue, reports, quick = self._queue, self._reports, self._quick
        begin, run, clock, words = self._line.begin, self._runner.run, time.monotonic_ns, self._line.words
        now = clock()
        look_at = now + LOOK_NS
        for _ in range(min(most, len(queue))):
            delivery = queue.popleft()
            message = delivery.message
            name = message.task
            if name not in quick and reports.unsent_since_ns:
                # It may run for an hour: what is done already must not wait for it.
                self._flush()
                now = clock()
            start = begin(delivery.key, delivery.token, now)
            if start is GRANTED:
                if message.limits is None:
                    report = run(delivery)
                    done = clock()
                else:
                    self._declare(delivery, now)
                    report = run(delivery)
                    done = clock()
                    words[DEADLINE] = 0
                if self.is_forked:
                    os._exit(0)  # a child forked by task code came back from it: there is one slot only
                report.runtime_s = (done - now) / 1e9
                words[EXECUTED] += 1
                if done - now < FLUSH_NS:
                    quick.add(name)
                else:
                    quick.discard(name)
                now = done
            elif start is SKIPPED:
                continue
            else:
                report = hand_back(delivery)
            if reports.add(report, now) or now - reports.unsent_since_ns >= FLUSH_NS:
                self._flush()
                if reports.is_full():
                    return
                now = clock()
            if now >= look_at:
                return

    def _declare(self, delivery: Delivery, now_ns: int) -> None:
        """Tell what others must know of this run: that it has begun, that it may be the only one, and its deadline."""
        message = delivery.message
        if message.flags & FLAG_ACK_EARLY:
            self._line.words[ONCE] = delivery.key
        if message.flags & FLAG_TRACK_STARTED:
            tell_started(delivery)
        limits = message.limits
        hard_s = limits[1] if limits else None
        if not hard_s:
            return
        words = self._line.words
        deadline_ns = words[DEADLINE] = now_ns + int(hard_s * 1e9)
        look_ns = words[LOOK]
        # The clock is read after the deadline was written: see `actorq.node.hard_limits`.
        if not time.monotonic_ns() < look_ns <= deadline_ns:
            ring(bell_path(self._line.path))

    def _rest(self, timeout_ms: int | None = None) -> None:
        """Send what is left, then sleep until something comes."""
        self._flush()
        self._measure(time.monotonic_ns())
        self._session.wait(to_send=self._reports.unsent_since_ns != 0, timeout_ms=timeout_ms)

    def _attend(self) -> None:
        """Take in what has come, without waiting."""
        now = time.monotonic_ns()
        self._line.words[BEAT] = now
        if now >= self._measure_at_ns:
            self._measure(now)
        session = self._session
        frames = session.look(now)
        if session.joins != self._joins_seen:
            self._joins_seen = session.joins
            self._reports.rewind()
            self._flush()
        for frame in frames:
            self._take(frame)

    def _take(self, frame: bytes) -> None:
        kind = frame[:1]
        if kind == TASKS:
            try:
                tasks = _decode_tasks(memoryview(frame)[1:])
            except (msgspec.DecodeError, RecursionError) as error:
                log.error("frame_refused", slot=self._line.path.stem, error=str(error))
                self._session.lose("a frame that can't be read")
                return
            self._reports.settle(tasks.settled)
            if self._limits is not None:
                self._limits.fill(tasks.deliveries)
            self._queue.extend(tasks.deliveries)
        elif kind == STEER:
            steer = msgspec.msgpack.decode(memoryview(frame)[1:], type=Steer)
            self._session.restate(steer.takes)
            self._limits = (self._limits or KnownLimits({}, None)).with_orders(steer.limits)
        elif kind == RETIRE:
            # The broker has fenced what is still in the queue and gives it to others.
            self._queue.clear()
            self._is_retired = True

    def _flush(self) -> None:
        session, reports = self._session, self._reports
        if not session.is_joined:
            return
        while (frame := reports.next_frame()) is not None and session.send(frame):
            reports.mark_sent()

    def _measure(self, now_ns: int) -> None:
        self._measure_at_ns = now_ns + RSS_NS
        self._line.words[RSS] = int(os.pread(self._statm, 128, 0).split()[1]) * _PAGE_BYTES

    def _leave(self) -> None:
        self._flush()
        self._session.close()
        self._runner.close()
        os.close(self._statm)
