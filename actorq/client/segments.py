"""The files of one outbox: appended to, rotated, locked while their writer lives, gone when all in them is confirmed.

Invariant: a segment is visible under its name only while its writer holds the lock on it, from the first moment on, so a
free lock means that the writer is gone. (It is made under another name, locked, then renamed.)
The names are `<outbox id in 16 hex digits>.<segment in 6 decimal digits>`.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections import deque
from typing import TYPE_CHECKING, Final

from actorq.errors import StoreFull

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SEGMENT_BYTES", "Segments", "segment_name"]

SEGMENT_BYTES: Final = 4 << 20
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def segment_name(outbox_id: int, segment: int) -> str:
    """Return the file name of a segment."""
    return f"{outbox_id:016x}.{segment:06d}"


class Segments:
    """Append-only storage of one outbox; not thread-safe, its outbox holds a lock. Nothing exists before `append`."""

    __slots__ = ("_closed", "_count", "_fd", "_folder", "_limit", "_outbox_id", "_path", "_size")

    def __init__(self, folder: Path, outbox_id: int, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._folder, self._outbox_id, self._limit = str(folder), outbox_id, segment_bytes
        self._fd, self._path, self._size, self._count = -1, "", 0, 0
        self._closed: deque[tuple[int, str, int]] = deque()  # (fd, path, last number), oldest first; still locked

    def append(self, data: bytes | tuple[bytes, ...], last_before: int) -> None:
        """Write whole records with one system call; `last_before` is the last number that is in the files already.

        A tuple is a record in parts, which aren't worth joining.

        Raises:
            StoreFull: no room; nothing was written.
            OSError: anything else that keeps the file from being written.
        """
        if self._fd < 0 or self._size >= self._limit:
            self._rotate(last_before)
        try:
            if isinstance(data, tuple):
                written, size = os.writev(self._fd, data), sum(map(len, data))
            else:
                written, size = os.write(self._fd, data), len(data)
        except OSError as error:
            raise self._translate(error) from error
        if written != size:
            self._cut_back()
        self._size += written

    def drop(self, confirmed: int, *, is_empty: bool) -> None:
        """Remove segments whose tasks are all confirmed; `is_empty` says that no task at all is unconfirmed."""
        while self._closed and self._closed[0][2] <= confirmed:
            fd, path, _ = self._closed.popleft()
            _unlink(path)
            os.close(fd)
        if is_empty and self._size:
            # Whoever takes over, or looks for a task that nobody knows, finds only what is still to be done.
            os.ftruncate(self._fd, 0)
            self._size = 0

    def close(self, *, keep: bool) -> None:
        """Close all, which frees the locks; remove the files first unless they are to be kept."""
        for fd, path in self._all():
            if not keep:
                _unlink(path)
            os.close(fd)
        self._fd = -1
        self._closed.clear()

    def abandon(self) -> None:
        """After a fork, in the child: close what the parent holds, or its lock would outlive it in us."""
        self.close(keep=True)

    def _all(self) -> list[tuple[int, str]]:
        current = [(self._fd, self._path)] if self._fd >= 0 else []
        return [(fd, path) for fd, path, _ in self._closed] + current

    def _rotate(self, last_before: int) -> None:
        name = segment_name(self._outbox_id, self._count)
        fresh, path = os.path.join(self._folder, f".{name}"), os.path.join(self._folder, name)
        try:
            fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._translate(error) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.rename(fresh, path)
        except OSError:
            os.close(fd)
            _unlink(fresh)
            raise
        if self._fd >= 0:
            self._closed.append((self._fd, self._path, last_before))
        self._fd, self._path, self._size = fd, path, 0
        self._count += 1

    def _cut_back(self) -> None:
        """Undo a short write, so that nothing half-written lies before the next record.

        Raises:
            StoreFull: always; a short write to a file means that there is no room.
        """
        os.ftruncate(self._fd, self._size)
        raise StoreFull(self._folder)

    def _translate(self, error: OSError) -> Exception:
        return StoreFull(self._folder) if error.errno in _FULL else error


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
