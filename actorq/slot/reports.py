"""The reports of a slot on their way: into the ring, to the broker, and out of mind when they are settled.

Invariant: every report has a sequence number, from 0, without gaps; `line.first` is the number of the oldest one that is
kept here, `line.next` that of the one to come. All from `line.first` on are kept, encoded, until the broker says that it
has committed them, so that all of them can be sent to its successor.

A report is encoded once: the same bytes go into the ring and, joined, into DONE frames.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Final

import msgspec

from actorq.messages.wire import DONE
from actorq.slot.layout import KEY

if TYPE_CHECKING:
    from actorq.messages.task import Report
    from actorq.slot.line import Line

__all__ = ["FLUSH_BYTES", "FLUSH_REPORTS", "ReportLog", "join_done"]

FLUSH_REPORTS: Final = 256  # one DONE frame; more would make the first of them wait too long
FLUSH_BYTES: Final = 256 * 1024
MAX_KEPT_BYTES: Final = 64 * 1024 * 1024  # of reports that the ring has no room for; beyond that the slot waits

_LENGTH_BYTES: Final = 4  # what the ring adds to each record
_encode: Final = msgspec.msgpack.Encoder().encode
_encode_number: Final = msgspec.msgpack.Encoder().encode


class ReportLog:
    """One for each slot, beside its line."""

    __slots__ = ("_kept_bytes", "_line", "_sent", "_too_big", "_unsent", "unsent_bytes", "unsent_since_ns")

    def __init__(self, line: Line) -> None:
        self._line = line
        self._unsent: list[bytes] = []
        self._sent: deque[bytes] = deque()
        self._too_big: set[int] = set()  # sequence numbers of what the ring had no room for
        self._kept_bytes = 0
        self.unsent_bytes = 0
        self.unsent_since_ns = 0  # when the oldest unsent report was made; 0: there is none

    def add(self, report: Report, now_ns: int) -> bool:
        """Keep the report of the run that has just ended. Return whether it is time to send."""
        record = _encode(report)
        size = len(record)
        if not self._line.finish(record):
            self._too_big.add(self._line.next - 1)
            self._kept_bytes += size
            now_ns = 1  # older than anything: the ring doesn't protect it, so it must go now
        unsent = self._unsent
        unsent.append(record)
        size = self.unsent_bytes = self.unsent_bytes + size
        if not self.unsent_since_ns:
            self.unsent_since_ns = now_ns
        return len(unsent) >= FLUSH_REPORTS or size >= FLUSH_BYTES or now_ns == 1

    def next_frame(self) -> bytes | None:
        """Return a DONE frame with the oldest unsent reports, or None. They count as sent only after `mark_sent`."""
        if not self._unsent:
            return None
        first = self._line.next - len(self._unsent)
        return join_done(first, self._unsent[: self._next_count()])

    def mark_sent(self) -> None:
        """The frame that `next_frame` returned is on its way."""
        count = self._next_count()
        gone = self._unsent[:count]
        del self._unsent[:count]
        self._sent.extend(gone)
        self.unsent_bytes -= sum(map(len, gone))
        self.unsent_since_ns = 1 if self._unsent else 0

    def _next_count(self) -> int:
        """Return how many reports go into the next frame: one at least."""
        unsent = self._unsent
        if len(unsent) <= FLUSH_REPORTS and self.unsent_bytes <= FLUSH_BYTES:
            return len(unsent)
        count, size = 1, len(unsent[0])
        for record in islice(unsent, 1, FLUSH_REPORTS):
            size += len(record)
            if size > FLUSH_BYTES:
                break
            count += 1
        return count

    def settle(self, settled: int) -> None:
        """Forget the reports below this sequence number: they are committed. Idempotent; never goes back."""
        line = self._line
        count = min(settled - line.first, len(self._sent))
        if count <= 0:
            return
        take = self._sent.popleft
        records = [take() for _ in range(count)]
        size = sum(map(len, records)) + _LENGTH_BYTES * count
        if self._too_big:
            big = [each for each in self._too_big if each < line.first + count]
            outside = sum(len(records[each - line.first]) for each in big)
            size -= outside + _LENGTH_BYTES * len(big)
            self._kept_bytes -= outside
            self._too_big.difference_update(big)
            if not self._too_big:
                line.words[KEY] = 0  # it may still have declared one of them
        line.free(count, size)

    def is_outside(self) -> bool:
        """Return whether the report that was added last had no room in the ring."""
        return self._line.next - 1 in self._too_big

    def rewind(self) -> None:
        """Send everything that isn't settled once more: there is a new broker, which may know nothing of it."""
        self._unsent = [*self._sent, *self._unsent]
        self._sent.clear()
        self.unsent_bytes = sum(map(len, self._unsent))
        self.unsent_since_ns = 1 if self._unsent else 0

    def is_full(self) -> bool:
        """Return whether work should wait until the broker has settled some; asked between two runs."""
        return self._kept_bytes > MAX_KEPT_BYTES or self._line.words[KEY] != 0


def join_done(first: int, records: list[bytes]) -> bytes:
    """Return the DONE frame of reports that are encoded already: kind, array of 2, number, array of records."""
    count = len(records)
    header = bytes((0x90 | count,)) if count < 16 else b"\xdc" + count.to_bytes(2, "big")
    return b"".join((DONE, b"\x92", _encode_number(first), header, *records))
