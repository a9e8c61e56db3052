"""The line file of a slot: what it runs now and what it has finished, readable after any death.

One file of shared memory for each slot process. The slot writes it (`Line`), broker and node read and fence it
(`slot.line_view`). A store into the mapping costs 40 ns and no system call, and survives `kill -9` of everybody.

Invariant: at every instruction of the slot, a delivery it was given is in exactly one of three places: its report is in
the ring (finished), its key is in word 2 (executing), or neither (never started). Between the append of a report and
the store of 0 in word 2 it is in both; the ring wins (`LineView.remains`); `slot.layout` says what is where.

The fence is Dekker's handshake with a pause in place of the memory barrier: the slot writes token and key, then reads
the fence; the broker writes the fence, waits 2 ms (a store leaves the CPU's store buffer within microseconds), then reads
token and key. Either the slot sees the fence, or the broker sees the key.
1. broker writes the fence; 2. slot declares key; 3. broker reads the key and takes the delivery for executing; 4. slot
sees the fence. Here both see each other: the slot must not keep quiet, it hands the delivery back (`Start.RECALLED`).

The file appears under its name only when it is complete and locked (link of a temporary file), so an unlocked line is
that of a dead slot, never that of one which is starting.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from typing import TYPE_CHECKING, Final

from actorq.slot.layout import (
    FENCE,
    FILE_BYTES,
    FIRST,
    HEAD,
    KEY,
    LENGTH_BYTES,
    MAGIC,
    MAGIC_WORD,
    NEXT,
    NODE_AT,
    ONCE,
    OUTSIDE,
    PID,
    PLACES,
    POOL,
    RING_BYTES,
    STARTED,
    TAIL,
    TOKEN,
    WORDS_BYTES,
)
from actorq.slot.rows import GRANTED, RECALLED, SKIPPED, Start, Table, table_bytes

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Line"]

_pack_length: Final = struct.Struct("<I").pack


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
        self._ring = memoryview(mapped)[WORDS_BYTES:FILE_BYTES]
        self.table = Table(self.words, FENCE, memoryview(mapped)[FILE_BYTES:].cast("Q"))
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
            size = FILE_BYTES + table_bytes(places)
            os.ftruncate(lock_fd, size)
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Mapped through a second open: the lock belongs to the first, which a forked child can simply close.
            map_fd = os.open(fresh, os.O_RDWR | os.O_CLOEXEC)
            try:
                mapped = mmap.mmap(map_fd, size)
            finally:
                os.close(map_fd)
            line = cls(path, lock_fd, mapped)
            line.words[PID] = pid
            line.words[PLACES], line.words[POOL] = places, pool
            name = node.encode()[: WORDS_BYTES - NODE_AT]
            mapped[NODE_AT : NODE_AT + len(name)] = name
            line.words[MAGIC_WORD] = MAGIC
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
        words[TOKEN] = token
        words[KEY] = key
        words[STARTED] = started_ns
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
        size = LENGTH_BYTES + len(record)
        if tail + size > self._free_below:
            size = 0
            words[OUTSIDE] = number
        else:
            at = tail % RING_BYTES
            data = _pack_length(size - LENGTH_BYTES) + record
            if at + size <= RING_BYTES:
                self._ring[at : at + size] = data
            else:
                room = RING_BYTES - at
                self._ring[at:] = data[:room]
                self._ring[: size - room] = data[room:]
            self._tail = words[TAIL] = tail + size
        self.next = words[NEXT] = number
        if size or words[KEY] != words[ONCE]:
            words[KEY] = 0
        return size

    def free(self, reports: int, size_bytes: int) -> None:
        """Give up the oldest `reports` reports, which took `size_bytes` of the ring: they are settled."""
        self.first += reports
        self._free_below += size_bytes
        # Head last: a reader that sees the old one still finds the old bytes, they are overwritten only later.
        self.words[FIRST] = self.first
        self.words[HEAD] = self._free_below - RING_BYTES

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
