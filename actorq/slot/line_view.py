"""Somebody else's line file, as broker and node read and fence it; see `actorq.slot.line` for what it promises."""

from __future__ import annotations

import fcntl
import mmap
import os
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from actorq.messages.task import Report
from actorq.slot.bell import bell_path
from actorq.slot.layout import (
    BEAT,
    CONDEMNED_KEY,
    CONDEMNED_LIMIT,
    CONDEMNED_TOKEN,
    DEADLINE,
    EXECUTED,
    FENCE,
    FILE_BYTES,
    HEAD,
    KEY,
    LENGTH_BYTES,
    LOOK,
    MAGIC,
    MAGIC_WORD,
    NODE_AT,
    ONCE,
    OUTSIDE,
    PID,
    PLACES,
    POOL,
    RING_BYTES,
    RSS,
    STARTED,
    TAIL,
    TOKEN,
    WEAR,
    WORDS_BYTES,
    trace_path,
)
from actorq.slot.rows import Rows, table_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from actorq.slot.rows import Condemned

__all__ = ["LineView", "Remains"]

_READ_ATTEMPTS: Final = 100  # a reader and a living slot disagree for nanoseconds

_decoder: Final = msgspec.msgpack.Decoder(Report)


class Remains(NamedTuple):
    """What a dead slot left: reports to apply (oldest first), and `(key, token)` of the deliveries that died with it."""

    reports: list[Report]
    executing: list[tuple[int, int]]


class LineView:
    """Somebody else's line. Cheap to read as often as one likes; never blocks the slot."""

    __slots__ = ("_bytes", "_fd", "_map", "_rows", "_words", "executions", "path", "places", "running_keys")

    def __init__(self, path: Path, fd: int, mapped: mmap.mmap) -> None:
        self.path = path
        self._fd = fd
        self._map = mapped
        self._words = memoryview(mapped)[:WORDS_BYTES].cast("Q")
        self._bytes = memoryview(mapped)[WORDS_BYTES:FILE_BYTES]
        self.places = max(1, self._words[PLACES])  # how many deliveries the slot executes at once
        self._rows = self._find_rows()
        self.executions = self._rows.executions  # each run that goes on
        # The keys alone: where a slot runs many, that is much quicker.
        self.running_keys = self._rows.running_keys

    def _find_rows(self) -> Rows:
        if self._words[PLACES]:
            return Rows.of_table(memoryview(self._map)[FILE_BYTES:].cast("Q"), self.places)
        key, token, started, deadline, *condemned = (
            self._words[at : at + 1]
            for at in (KEY, TOKEN, STARTED, DEADLINE, CONDEMNED_KEY, CONDEMNED_TOKEN, CONDEMNED_LIMIT)
        )
        return Rows(key, token, started, deadline, None, (condemned[0], condemned[1], condemned[2]))

    @classmethod
    def attach(cls, path: Path) -> LineView | None:
        """Return a view, or None where no slot ever finished making that file (it may be missing or torn)."""
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return None
        try:
            size = os.fstat(fd).st_size
            if size < FILE_BYTES:
                os.close(fd)
                return None
            mapped = mmap.mmap(fd, size)
        except (OSError, ValueError):
            os.close(fd)
            return None
        magic, places = (int.from_bytes(mapped[8 * at : 8 * at + 8], "little") for at in (MAGIC_WORD, PLACES))
        if magic != MAGIC or size != FILE_BYTES + table_bytes(places):
            mapped.close()
            os.close(fd)
            return None
        return cls(path, fd, mapped)

    @property
    def name(self) -> str:
        """The slot's name."""
        return self.path.stem

    @property
    def pid(self) -> int:
        """The slot's process."""
        return self._words[PID]

    @property
    def node(self) -> str:
        """The name of the slot's node; empty where the slot didn't say."""
        return self._map[NODE_AT:WORDS_BYTES].rstrip(b"\0").decode(errors="replace")

    @property
    def pool(self) -> int:
        """The number of the kind of its pool; see `actorq.pools`."""
        return self._words[POOL]

    @property
    def deadline_ns(self) -> int:
        """When the first of the executing tasks must be over, monotonic; 0: none has a hard limit."""
        return self._rows.deadline_ns()

    @property
    def beat_ns(self) -> int:
        """When the slot's loop last came by, monotonic; stands still during a run and while it is idle."""
        return self._words[BEAT]

    @property
    def executed(self) -> int:
        """How many runs have ended."""
        return self._words[EXECUTED]

    @property
    def rss_bytes(self) -> int:
        """Resident memory when it was last measured: between runs, at most four times a second."""
        return self._words[RSS]

    @property
    def fence(self) -> int:
        """Deliveries with a smaller token don't start."""
        return self._words[FENCE]

    @property
    def look_ns(self) -> int:
        """When the slot's node looks at the deadline next, monotonic; 0: not before the slot rings."""
        return self._words[LOOK]

    @property
    def wear(self) -> int:
        """How near the slot is to the end of its share of work; see `slot.wear`."""
        return self._words[WEAR]

    def set_look(self, look_ns: int) -> None:
        """Promise the slot to look at its deadline then."""
        self._words[LOOK] = look_ns

    def find_overdue(self, now_ns: int) -> list[Condemned]:
        """Return the deliveries that are executing although their deadlines have passed."""
        return self._rows.find_overdue(now_ns)

    def condemn(self, *condemned: Condemned) -> None:
        """Write down whom the process is about to be killed for; whoever buries it needs nobody else to know."""
        self._rows.condemn(condemned)

    def acquit(self) -> None:
        """Undo `condemn`: the process lives on, and whatever it dies of later is something else."""
        self._rows.acquit()

    def condemned(self) -> list[Condemned]:
        """Return whom the process was killed for."""
        return self._rows.condemned()

    def set_fence(self, token: int) -> None:
        """Recall deliveries with smaller tokens that haven't started (2 ms later `executing` knows); it never goes back."""
        self._words[FENCE] = max(token, self._words[FENCE])

    def is_alive(self) -> bool:
        """Return whether the slot's process still holds its lock."""
        try:
            # Shared, so that two who ask at the same moment don't take each other for the slot.
            fcntl.flock(self._fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(self._fd, fcntl.LOCK_UN)
        return False

    def executing(self) -> tuple[int, int] | None:
        """Return `(key, token)` of the delivery that is running, of one of them where many are; None where none is."""
        return self._rows.executing()

    def executes(self, key: int, token: int) -> bool:
        """Return whether this very delivery is running."""
        return (key, token) in (each[:2] for each in self.executions())

    def runs_once(self, key: int) -> bool:
        """Return whether this delivery, which it declares, must not run again."""
        return self._words[ONCE] == key or any(each.key == key and each.once for each in self.executions())

    def unsettled_reports(self) -> list[Report]:
        """Return what the slot has finished and doesn't know to be committed, oldest first; also while it is alive."""
        records: list[bytes] | None = None
        for _ in range(_READ_ATTEMPTS):
            head = self._words[HEAD]
            records = self._records(head, self._words[TAIL])
            if self._words[HEAD] == head:
                break  # else the slot may have overwritten what was read
        return [_decoder.decode(record) for record in records or ()]

    def running_s(self) -> float:
        """Return for how long the latest of the present runs has been going on; 0.0 while nothing runs."""
        return self._rows.running_s()

    def has_unprotected_reports(self, received: int) -> bool:
        """Return whether a report from the sequence number `received` on was too big for the ring: only frames have it."""
        return self._words[OUTSIDE] > received

    def remains(self) -> Remains:
        """Return what a dead slot left; one that is both reported and executing counts as reported."""
        reports = self.unsettled_reports()
        reported = {(report.key, report.token) for report in reports}
        return Remains(reports, [each[:2] for each in self.executions() if each[:2] not in reported])

    def _records(self, head: int, tail: int) -> list[bytes] | None:
        """Return the records between two byte counts; None where they aren't a chain of records."""
        if not 0 <= tail - head <= RING_BYTES:
            return None
        at = head % RING_BYTES
        ring = bytes(self._bytes[at : at + tail - head])
        ring += bytes(self._bytes[: tail - head - len(ring)])
        records, offset = [], 0
        while offset < len(ring):
            size = int.from_bytes(ring[offset : offset + LENGTH_BYTES], "little")
            offset += LENGTH_BYTES
            if offset + size > len(ring):
                return None
            records.append(ring[offset : offset + size])
            offset += size
        return records

    def remove(self) -> None:
        """Delete the line and what is beside it: everything in them was taken over."""
        self.path.unlink(missing_ok=True)
        bell_path(self.path).unlink(missing_ok=True)
        trace_path(self.path).unlink(missing_ok=True)

    def close(self) -> None:
        """Unmap; the file stays."""
        self._rows.release()
        self._words.release()
        self._bytes.release()
        self._map.close()
        os.close(self._fd)
