"""What this process has sent and no broker has confirmed yet: on disk for whoever comes after us, in memory for the link.

Invariant: when `append` has returned a number, the task is in the file; it stays there until `confirm` was told a number
at least as large. Numbers have no gaps. One lock guards it all; nothing slow happens under it but the one `write`.

Where the home can't be written the tasks are in memory only, and a warning says so.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final
from zlib import crc32

import msgspec

from actorq.client.orphans import OrphanOutbox, find_orphans, holds, read_outbox
from actorq.client.records import pack_header, pack_records
from actorq.client.segments import SEGMENT_BYTES, Segments
from actorq.errors import QueueFull, StoreLocked, WouldBlock
from actorq.log import get_logger
from actorq.messages.ids import new_outbox_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from actorq.messages.task import TaskMessage
    from actorq.transport.paths import Home

__all__ = ["OrphanOutbox", "Outbox", "find_orphans", "holds", "read_outbox"]

log = get_logger(__name__)

MAX_TASKS: Final = 1_000_000
MAX_BYTES: Final = 256 << 20
PARTS_BYTES: Final = 64 * 1024  # a larger record is written beside its header, not joined with it
NEVER: Final = 1 << 62  # a number that no outbox reaches
_encode: Final = msgspec.msgpack.Encoder().encode
_HINT: Final = "nobody has confirmed them; start a node with: actorq node -A yourmodule"


class Outbox:
    """One per process and application. `append*` is for callers' threads, `take*`, `confirm`, `rewind` for the link's."""

    def __init__(
        self,
        home: Home,
        *,
        wake: Callable[[], None] = lambda: None,
        max_tasks: int = MAX_TASKS,
        max_bytes: int = MAX_BYTES,
        segment_bytes: int = SEGMENT_BYTES,
        carries: str = "",
    ) -> None:
        self.home, self.outbox_id = home, new_outbox_id()
        self.carries = carries  # tasks of this queue only
        self.last = 0  # the highest number given out
        self.sent = 0  # the highest number that was shipped to the present broker
        self.confirmed = 0  # the highest number that is committed
        self.wake_at = 1  # appending this number or a larger one calls `wake`
        self.inflight_bytes = 0
        self.is_in_memory = False
        self._wake, self._max_tasks, self._max_bytes = wake, max_tasks, max_bytes
        # Reentrant, so that a signal handler which interrupts a send gets an error and doesn't wait for itself for ever.
        self._lock = threading.RLock()
        self._is_appending = False
        self._unsent: deque[bytes] = deque()  # oldest first
        self._inflight: deque[bytes] = deque()  # shipped, not confirmed, oldest first
        self._bytes = 0  # of both
        self._segments = Segments(home.outboxes, self.outbox_id, segment_bytes)
        self._write: Callable[[bytes | tuple[bytes, ...], int], None] = (
            self._open
        )  # `(records, last number before them)`

    # -- callers ------------------------------------------------------------------------------------------------------

    def append(self, template: TaskMessage, body: bytes, root: str = "", parent: str = "") -> int:
        """Number the task, write it, and return the number.

        Raises:
            QueueFull: the outbox is at its bound. StoreFull: the disk is. In both cases nothing was accepted.
            WouldBlock: a signal handler interrupted another send of this thread.
        """
        with self._lock:
            if self._is_appending:
                raise self._interrupted()
            self._is_appending = True
            try:
                number = self.last + 1
                template.number, template.body = number, body
                template.sent_at, template.root, template.parent = time.time(), root, parent
                record = _encode(template)
                size = self._bytes + len(record)
                if number - self.confirmed > self._max_tasks or size > self._max_bytes:
                    raise self._full()
                try:
                    header = pack_header(len(record), crc32(record))
                    self._write(header + record if len(record) < PARTS_BYTES else (header, record), self.last)
                except (OSError, StoreLocked) as error:
                    self._keep_in_memory(error)
                self._unsent.append(record)
                self._bytes = size
                self.last = number
            finally:
                self._is_appending = False
            if number >= self.wake_at:
                self.wake_at = NEVER
                self._wake()
            return number

    def append_batch(self, template: TaskMessage, bodies: list[bytes], root: str = "", parent: str = "") -> range:
        """Append one task for each body, all or none, with one system call; return their numbers.

        Raises:
            QueueFull, StoreFull: see `append`.
        """
        with self._lock:
            if self._is_appending:
                raise self._interrupted()
            self._is_appending = True
            try:
                first, count = self.last + 1, len(bodies)
                template.sent_at, template.root, template.parent = time.time(), root, parent
                batch: list[bytes] = []
                for template.number, template.body in enumerate(bodies, first):
                    batch.append(_encode(template))
                size = self._bytes + sum(map(len, batch))
                if self.last + count - self.confirmed > self._max_tasks or size > self._max_bytes:
                    raise self._full()
                try:
                    self._write(pack_records(batch), self.last)
                except (OSError, StoreLocked) as error:
                    self._keep_in_memory(error)
                self._unsent.extend(batch)
                self._bytes = size
                self.last += count
            finally:
                self._is_appending = False
            if self.last >= self.wake_at:
                self.wake_at = NEVER
                self._wake()
            return range(first, first + count)

    def _open(self, data: bytes | tuple[bytes, ...], last_before: int) -> None:
        """Make the home at the first write, which is the last that comes this way."""
        self.home.create()
        self._write = self._segments.append
        self._write(data, last_before)

    def _keep_in_memory(self, error: Exception) -> None:
        self.is_in_memory, self._write = True, _write_nothing
        log.warning(
            "outbox_kept_in_memory",
            home=str(self.home.path),
            reason=str(error),
            consequence="tasks that no node has confirmed are lost if this process is killed",
        )

    def _interrupted(self) -> WouldBlock:
        return WouldBlock(
            "expected no send to be under way in this thread: a signal handler or a finalizer interrupted one and tried "
            "to send, too; have the handler set a flag, and send from outside of it"
        )

    def _full(self) -> QueueFull:
        if self.carries:
            where = f"the outbox for queue {self.carries!r} in {self.home.path}"
            return QueueFull(self.carries, self._max_tasks, hint="the queue is, too, or " + _HINT, named=where)
        if self.last + 1 - self.confirmed > self._max_tasks:
            return QueueFull(f"the outbox in {self.home.path}", self._max_tasks, hint=_HINT)
        return QueueFull(f"the outbox in {self.home.path}", self._max_bytes, "bytes", hint=_HINT)

    # -- the link -----------------------------------------------------------------------------------------------------

    @property
    def unsent(self) -> int:
        """How many tasks wait to be shipped."""
        return len(self._unsent)

    @property
    def unconfirmed(self) -> int:
        """How many tasks are not known to be committed."""
        return self.last - self.confirmed

    def take(self, max_tasks: int, max_bytes: int) -> list[bytes]:
        """Move the oldest unsent records in flight and return them: at least one if there are any."""
        with self._lock:
            unsent, size = self._unsent, self._bytes - self.inflight_bytes
            if len(unsent) <= max_tasks and size <= max_bytes:
                taken = list(unsent)
                unsent.clear()
            else:
                taken, size = [], 0
                while unsent and len(taken) < max_tasks and (not taken or size + len(unsent[0]) <= max_bytes):
                    taken.append(unsent.popleft())
                    size += len(taken[-1])
            self._inflight.extend(taken)
            self.inflight_bytes += size
            self.sent += len(taken)
            return taken

    def arm(self, ahead: int) -> bool:
        """Have `wake` called at the append that makes `ahead` tasks unsent; False if there are as many already."""
        with self._lock:
            if len(self._unsent) >= ahead:
                return False
            self.wake_at = self.sent + ahead
            return True

    def disarm(self) -> None:
        """Have nobody woken by `append`."""
        self.wake_at = NEVER

    def confirm(self, number: int) -> int:
        """Forget all tasks up to and including `number`; return how many were forgotten."""
        with self._lock:
            gone = min(number, self.last) - self.confirmed
            if gone <= 0:
                return 0
            self.confirmed += gone
            shipped, inflight = min(gone, len(self._inflight)), self._inflight
            size = sum([len(inflight.popleft()) for _ in range(shipped)])
            self.inflight_bytes -= size
            # The rest was taken by the broker before a reconnect, and isn't sent again yet.
            size += sum([len(self._unsent.popleft()) for _ in range(gone - shipped)])
            self.sent += gone - shipped
            self._bytes -= size
            self._segments.drop(self.confirmed, is_empty=self.confirmed == self.last)
            return gone

    def rewind(self, first: int = 0) -> None:
        """Take back what is in flight from number `first` on, to be sent again."""
        with self._lock:
            while self._inflight and self.sent >= first:
                record = self._inflight.pop()
                self._unsent.appendleft(record)
                self.inflight_bytes -= len(record)
                self.sent -= 1

    def close(self) -> None:
        """Leave what isn't confirmed to whoever opens the home next; remove the files if all is."""
        with self._lock:
            self._segments.close(keep=self.confirmed < self.last)

    def abandon(self) -> None:
        """In a forked child: let go of the parent's files, without its lock (another thread may have held it)."""
        self._segments.abandon()


def _write_nothing(_data: bytes | tuple[bytes, ...], _last_before: int) -> None:
    """What an outbox in memory does in place of a write."""
