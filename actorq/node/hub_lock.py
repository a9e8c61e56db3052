"""The lock that makes a node the hub of its home.

An flock on one file of the home: the kernel frees it when the process ends, however it ends, so a dead hub never blocks
its successor and two hubs are impossible on one machine. It belongs to the process, not to an actor: the store may crash
and restart without another node slipping in.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from actorq.errors import StoreLocked

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["HubLock"]


class HubLock:
    """Acquired at most once, held until the process ends or `release`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None

    @property
    def held(self) -> bool:
        """Whether this process is the hub."""
        return self._fd is not None

    def acquire(self) -> bool:
        """Try to become the hub; return whether this process is it now. Never waits.

        Raises:
            StoreLocked: the lock file can't be used at all.
        """
        if self._fd is not None:
            return True
        try:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise StoreLocked(f"expected to be able to open {self.path}, got: {error.strerror}") from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        with contextlib.suppress(OSError):  # a full disk: others then find the owner by trying, not by its number
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd
        return True

    def owner(self) -> int | None:
        """Return the process id that the present owner wrote into the file, or None."""
        try:
            return int(self.path.read_text())
        except (OSError, ValueError):
            return None

    def release(self) -> None:
        """Let another node become the hub."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
