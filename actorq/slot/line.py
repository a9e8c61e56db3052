"""The line file of a slot: what it runs now and what it has finished, readable after any death.

One file of shared memory for each slot process. The slot writes it (`Line`), broker and node read and fence it
(`LineView`). A store into the mapping costs 40 ns and no system call, and survives `kill -9` of everybody.

Invariant: at every instruction of the slot, a delivery it was given is in exactly one of three places: its report is in
the ring (finished), its key is in word 2 (executing), or neither (never started). Between the append of a report and
the store of 0 in word 2 it is in both; the ring wins (`LineView.remains`).

The fence is Dekker's handshake with a pause in place of the memory barrier: the slot writes token and key, then reads
the fence; the broker writes the fence, waits 2 ms (a store leaves the CPU's store buffer within microseconds), then reads
token and key. Either the slot sees the fence, or the broker sees the key.
1. broker writes the fence; 2. slot declares key; 3. broker reads the key and takes the delivery for executing; 4. slot
sees the fence. Here both see each other: the slot must not keep quiet, it hands the delivery back (`Start.RECALLED`).

Layout: little-endian 64-bit words in the first page, then the ring. `head` and `tail` are byte counts since the start,
so they never wrap; the place in the ring is the count modulo its size. A record is a 32-bit length and that many bytes
of an encoded Report. Half-way through the first page is the name of the slot's node, zero bytes behind it.

The file appears under its name only when it is complete and locked (link of a temporary file), so an unlocked line is
that of a dead slot, never that of one which is starting.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from actorq.messages.task import Report
from actorq.slot.bell import bell_path
from actorq.slot.rows import GRANTED, RECALLED, SKIPPED, Rows, Start, Table, table_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from actorq.slot.rows import Condemned

__all__ = ["RING_BYTES", "Line", "LineView", "Remains", "trace_path"]

MAGIC: Final = 0x6163746F_00000001  # "acto", then the layout's version

# The words, in order. `_OUTSIDE` is the sequence number after that of the newest report that isn't in the ring.
_MAGIC, _PID, KEY, _TOKEN, _STARTED, FENCE, _HEAD, _TAIL, _FIRST, _NEXT, EXECUTED, RSS, BEAT, DEADLINE, _OUTSIDE = (
    range(15)
)
# By the slot's node: when it looks at the deadline next, and whom it kills the process for. Then, by the slot: `slot.wear`, the
# key of the last delivery that must not run again once it has begun, the places of its table (0: none), the number of its pool's kind.
LOOK, _CONDEMNED_KEY, _CONDEMNED_TOKEN, _CONDEMNED_LIMIT, WEAR, ONCE, _PLACES, _POOL = range(15, 23)

WORDS_BYTES: Final = 4096  # one page, so that the ring is aligned and there is room for more words
_NODE_AT: Final = WORDS_BYTES // 2  # in the words' page
RING_BYTES: Final = 256 * 1024
_FILE_BYTES: Final = WORDS_BYTES + RING_BYTES
_LENGTH: Final = struct.Struct("<I")
_LENGTH_BYTES: Final = _LENGTH.size
_pack_length: Final = _LENGTH.pack
_READ_ATTEMPTS: Final = 100  # a reader and a living slot disagree for nanoseconds

_decoder: Final = msgspec.msgpack.Decoder(Report)


class Remains(NamedTuple):
    """What a dead slot left: reports to apply (oldest first), and `(key, token)` of the deliveries that died with it."""

    reports: list[Report]
    executing: list[tuple[int, int]]


def trace_path(line_path: Path) -> Path:
    """Return where the slot of that line writes its stacks when a fatal signal hits it."""
    return line_path.with_suffix(".trace")


class Line:
    """The slot's own side. One thread, one process; a forked child must call `abandon`.

    A slot of more than one place declares its runs in `table`, not by `begin`; `finish` is for the report alone then.
    """

    __slots__ = ("_free_below", "_lock_fd", "_map", "_ring", "_tail", "first", "next", "path", "table", "words")

    def __init__(self, path: Path, lock_fd: int, mapped: mmap.mmap) -> None:
        self.path = path
        self._lock_fd = lock_fd
        self._map = mapped
        self.words = memoryview(mapped)[:WORDS_BYTES].cast("Q")
        self._ring = memoryview(mapped)[WORDS_BYTES:_FILE_BYTES]
        self.table = Table(self.words, FENCE, memoryview(mapped)[_FILE_BYTES:].cast("Q"))
        self._tail = 0
        self._free_below = RING_BYTES  # the byte count at which a record has to end
        self.first = 0  # sequence number of the oldest report that isn't settled
        self.next = 0  # sequence number of the next report

    @classmethod
    def create(cls, path: Path, pid: int, node: str = "", places: int = 0, pool: int = 0) -> Line:
        """Make the file, lock it for the life of this process, and let it appear under its name.

        `node` is the name of the slot's node, `pool` the number of its pool's kind; whoever finds the line learns them
        without asking. `places` are those of its table; 0: it has none, and executes one delivery at a time.

        Raises:
            FileExistsError: another incarnation used the name; its reports must not be overwritten.
        """
        fresh = path.with_suffix(f".new{pid}")
        lock_fd = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            size = _FILE_BYTES + table_bytes(places)
            os.ftruncate(lock_fd, size)
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Mapped through a second open: the lock belongs to the first, which a forked child can simply close.
            map_fd = os.open(fresh, os.O_RDWR | os.O_CLOEXEC)
            try:
                mapped = mmap.mmap(map_fd, size)
            finally:
                os.close(map_fd)
            line = cls(path, lock_fd, mapped)
            line.words[_PID] = pid
            line.words[_PLACES], line.words[_POOL] = places, pool
            name = node.encode()[: WORDS_BYTES - _NODE_AT]
            mapped[_NODE_AT : _NODE_AT + len(name)] = name
            line.words[_MAGIC] = MAGIC
            os.link(fresh, path)
        except BaseException:
            os.close(lock_fd)
            raise
        finally:
            fresh.unlink()
        return line

    def begin(self, key: int, token: int, started_ns: int) -> Start:
        """Declare that this delivery starts, unless it was recalled. `started_ns` is monotonic."""
        words = self.words
        if token < words[FENCE]:
            return SKIPPED
        words[_TOKEN] = token
        words[KEY] = key
        words[_STARTED] = started_ns
        if token < words[FENCE]:
            return RECALLED  # declared already; `finish` clears it together with the report that hands it back
        return GRANTED

    def finish(self, record: bytes) -> int:
        """Put an encoded report into the ring and end the run that `begin` declared. Return the bytes it took.
        0: it doesn't fit in what is free of the ring. The run has ended all the same; the caller keeps the record and sends
        it at once, without the ring's protection: if this process dies before the broker has it, the task is delivered again.
        One that must run `ONCE` stays declared then, until it is settled or another begins.
        """
        words = self.words
        tail = self._tail
        number = self.next + 1
        size = _LENGTH_BYTES + len(record)
        if tail + size > self._free_below:
            size = 0
            words[_OUTSIDE] = number
        else:
            at = tail % RING_BYTES
            data = _pack_length(size - _LENGTH_BYTES) + record
            if at + size <= RING_BYTES:
                self._ring[at : at + size] = data
            else:
                room = RING_BYTES - at
                self._ring[at:] = data[:room]
                self._ring[: size - room] = data[room:]
            self._tail = words[_TAIL] = tail + size
        self.next = words[_NEXT] = number
        if size or words[KEY] != words[ONCE]:
            words[KEY] = 0
        return size

    def free(self, reports: int, size_bytes: int) -> None:
        """Give up the oldest `reports` reports, which took `size_bytes` of the ring: they are settled."""
        self.first += reports
        self._free_below += size_bytes
        # Head last: a reader that sees the old one still finds the old bytes, they are overwritten only later.
        self.words[_FIRST] = self.first
        self.words[_HEAD] = self._free_below - RING_BYTES

    def abandon(self) -> None:
        """Give up the lock in a forked child, which must not make its dead parent look alive."""
        os.close(self._lock_fd)

    def close(self) -> None:
        """Unmap and unlock; the file stays for whoever settles what is in it."""
        self.table.release()
        self.words.release()
        self._ring.release()
        self._map.close()
        os.close(self._lock_fd)


class LineView:
    """Somebody else's line. Cheap to read as often as one likes; never blocks the slot."""

    __slots__ = ("_bytes", "_fd", "_map", "_rows", "_words", "executions", "path", "places", "running_keys")

    def __init__(self, path: Path, fd: int, mapped: mmap.mmap) -> None:
        self.path = path
        self._fd = fd
        self._map = mapped
        self._words = memoryview(mapped)[:WORDS_BYTES].cast("Q")
        self._bytes = memoryview(mapped)[WORDS_BYTES:_FILE_BYTES]
        self.places = max(1, self._words[_PLACES])  # how many deliveries the slot executes at once
        self._rows = self._find_rows()
        self.executions = self._rows.executions  # each run that goes on
        # The keys alone: where a slot runs many, that is much quicker.
        self.running_keys = self._rows.running_keys

    def _find_rows(self) -> Rows:
        if self._words[_PLACES]:
            return Rows.of_table(memoryview(self._map)[_FILE_BYTES:].cast("Q"), self.places)
        key, token, started, deadline, *condemned = (
            self._words[at : at + 1]
            for at in (KEY, _TOKEN, _STARTED, DEADLINE, _CONDEMNED_KEY, _CONDEMNED_TOKEN, _CONDEMNED_LIMIT)
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
            if size < _FILE_BYTES:
                os.close(fd)
                return None
            mapped = mmap.mmap(fd, size)
        except (OSError, ValueError):
            os.close(fd)
            return None
        magic, places = (int.from_bytes(mapped[8 * at : 8 * at + 8], "little") for at in (_MAGIC, _PLACES))
        if magic != MAGIC or size != _FILE_BYTES + table_bytes(places):
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
        return self._words[_PID]

    @property
    def node(self) -> str:
        """The name of the slot's node; empty where the slot didn't say."""
        return self._map[_NODE_AT:WORDS_BYTES].rstrip(b"\0").decode(errors="replace")

    @property
    def pool(self) -> int:
        """The number of the kind of its pool; see `actorq.pools`."""
        return self._words[_POOL]

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
            head = self._words[_HEAD]
            records = self._records(head, self._words[_TAIL])
            if self._words[_HEAD] == head:
                break  # else the slot may have overwritten what was read
        return [_decoder.decode(record) for record in records or ()]

    def running_s(self) -> float:
        """Return for how long the latest of the present runs has been going on; 0.0 while nothing runs."""
        return self._rows.running_s()

    def has_unprotected_reports(self, received: int) -> bool:
        """Return whether a report from the sequence number `received` on was too big for the ring: only frames have it."""
        return self._words[_OUTSIDE] > received

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
            size = int.from_bytes(ring[offset : offset + _LENGTH_BYTES], "little")
            offset += _LENGTH_BYTES
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
