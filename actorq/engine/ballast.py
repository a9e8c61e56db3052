"""A reserve on the disk. On a full disk SQLite can't even delete; what was started must still be settled.

The invariant: while the ballast file exists its blocks are really taken. Whoever hits the end of the disk releases it
and has that much room to settle in; it is taken back when there is room again.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["BALLAST_BYTES", "Ballast"]

BALLAST_BYTES: Final = 4 << 20  # a full log before it is folded into the store
SPARE_BYTES: Final = 2 << 20  # room beyond the ballast before it is taken back, so that new work fits as well


class Ballast:
    """The file `path`, either of `size_bytes` real bytes or not there."""

    __slots__ = ("path", "size_bytes")

    def __init__(self, path: Path, size_bytes: int = BALLAST_BYTES) -> None:
        self.path = path
        self.size_bytes = size_bytes

    def take(self) -> bool:
        """Take the reserve if there is room for it; return whether it is there."""
        if self.is_held():
            return True
        disk = os.statvfs(self.path.parent)
        if disk.f_bavail * disk.f_frsize < self.size_bytes + SPARE_BYTES:
            return False
        try:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(fd, 0, self.size_bytes)
            finally:
                os.close(fd)
        except OSError:
            self.release()
            return False
        return True

    def release(self) -> None:
        """Give the reserve to whoever needs it now."""
        try:
            # Deleting frees the blocks only when nobody has the file open; cutting it frees them at once.
            os.truncate(self.path, 0)
            os.unlink(self.path)
        except FileNotFoundError:
            pass

    def is_held(self) -> bool:
        """Whether the reserve is there in full."""
        try:
            return os.stat(self.path).st_size >= self.size_bytes
        except FileNotFoundError:
            return False
