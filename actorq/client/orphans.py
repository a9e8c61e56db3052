"""Outboxes whose writer is gone: found by their free locks, read by whoever opens the home, then removed.

Invariant: whoever reads one holds the locks of all its segments, so two nodes never take over the same outbox, and an
outbox whose writer lives is never touched.
"""

from __future__ import annotations

import fcntl
import os
import re
from typing import TYPE_CHECKING, Any, Final, Self

import msgspec

from actorq.client.records import iterate_records
from actorq.messages.ids import parse_task_id
from actorq.messages.task import TaskMessage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from types import TracebackType

    from actorq.transport.paths import Home

__all__ = ["OrphanOutbox", "find_orphans", "find_outbox", "holds", "read_outbox"]

CHUNK: Final = 1000  # tasks that a take-over commits at a time
STALE_S: Final = 60.0  # a segment that was made but never named: its writer died in between
_NAME: Final = re.compile(r"([0-9a-f]{16})\.(\d{6,})")
_decode: Final = msgspec.msgpack.Decoder(TaskMessage).decode


class OrphanOutbox:
    """The files of one outbox, locked by us until `close` or `remove`."""

    def __init__(self, outbox_id: int, paths: list[Path], fds: list[int]) -> None:
        self.outbox_id, self._paths, self._fds = outbox_id, paths, fds

    def chunks(self, above: int = 0, limit: int = CHUNK) -> Iterator[list[TaskMessage]]:
        """Yield the tasks with a number larger than `above`, ascending, at most `limit` at a time."""
        chunk: list[TaskMessage] = []
        for message in read_outbox(self._paths):
            if message.number <= above:
                continue
            chunk.append(message)
            if len(chunk) >= limit:
                yield chunk
                chunk = []
        if chunk:
            yield chunk

    def remove(self) -> None:
        """Delete the files: everything in them is committed elsewhere."""
        for path in self._paths:
            path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Let go of the files and leave them where they are."""
        while self._fds:
            os.close(self._fds.pop())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def find_orphans(home: Home) -> list[OrphanOutbox]:
    """Return the outboxes of this home whose writers are gone, locked for us."""
    found = [_lock(outbox_id, paths) for outbox_id, paths in _list_outboxes(home).items()]
    return [orphan for orphan in found if orphan is not None]


def read_outbox(paths: Iterable[Path]) -> Iterator[TaskMessage]:
    """Yield the tasks in the segments `paths`, given in order; a torn tail ends its segment."""
    for path in paths:
        try:
            data = path.read_bytes()
        except FileNotFoundError:  # confirmed and removed since it was listed
            continue
        for record in iterate_records(data):
            yield _decode(record)


def holds(home: Home, outbox_id: int, number: int) -> bool:
    """Return whether the task is in an outbox file of this home: accepted, and perhaps not yet taken by a broker."""
    paths = sorted(home.outboxes.glob(f"{outbox_id:016x}.*"))
    return any(message.number == number for message in read_outbox(paths))


def find_outbox(home: Home, task_id: str) -> dict[str, Any] | None:
    """Return what is known of the outbox file that holds this task: `pid` of its process, None where that is gone.

    None: it is in no outbox of this home.
    """
    parsed = parse_task_id(task_id)
    if parsed is None or not holds(home, *parsed):
        return None
    for path in sorted(home.outboxes.glob(f"{parsed[0]:016x}.*"), reverse=True):
        pid = find_lock_holder(path)
        if pid is not None:
            return {"pid": pid}
    return {"pid": None}


def find_lock_holder(path: Path) -> int | None:
    """Return the process that has the lock of a file, 0 where it can't be told which; None: nobody has it."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        inode = os.fstat(fd).st_ino
        return next((pid for pid, locked in _list_locks() if locked == inode), 0)
    finally:
        os.close(fd)
    return None


def _list_locks() -> list[tuple[int, int]]:
    """Return `(pid, inode)` of every lock on this machine, as far as its kernel tells."""
    try:
        with open("/proc/locks", encoding="ascii") as table:
            rows = [line.split() for line in table]
    except OSError:
        return []
    return [(int(row[4]), int(row[5].rpartition(":")[2])) for row in rows if len(row) > 5 and row[1] == "FLOCK"]


def _list_outboxes(home: Home) -> dict[int, list[Path]]:
    """Return the segments of each outbox, oldest first, and remove what was never named."""
    outboxes: dict[int, list[Path]] = {}
    try:
        paths = sorted(home.outboxes.iterdir())
    except OSError:
        return {}
    for path in paths:
        if match := _NAME.fullmatch(path.name):
            outboxes.setdefault(int(match[1], 16), []).append(path)
        elif path.name.startswith("."):
            _remove_stale(path)
    return outboxes


def _lock(outbox_id: int, paths: list[Path]) -> OrphanOutbox | None:
    fds: list[int] = []
    orphan = OrphanOutbox(outbox_id, paths, fds)
    try:
        for path in paths:
            fds.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW))
            fcntl.flock(fds[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # its writer lives, another node was faster, or it is gone
        orphan.close()
        return None
    return orphan


def _remove_stale(path: Path) -> None:
    import time  # noqa: PLC0415

    try:
        if time.time() - path.stat().st_mtime > STALE_S:
            path.unlink()
    except OSError:
        return
