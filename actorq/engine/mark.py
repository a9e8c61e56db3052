"""The high-water mark: a small file beside the store that says what was confirmed last.

SQLite reads its log up to the first frame that doesn't add up and silently forgets the rest; a deleted, truncated or
bit-flipped log looks like a store that is merely a little older. The mark knows better. It is written after each commit
and never before, so the invariant is: what the mark says has been committed.

Without a power-safe store the system may write the mark to the disk before the log, so after a power cut such a mark
proves nothing; it is compared only within the boot that wrote it.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from actorq.errors import StoreDamaged

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Mark", "MarkFile", "read_boot_hash"]

_FORMAT: Final = struct.Struct("<4sIQQB3x")  # magic, store id, seq, boot hash, power safe?
_CRC: Final = struct.Struct("<I")
_MAGIC: Final = b"aqm1"
MARK_BYTES: Final = _FORMAT.size + _CRC.size


@dataclass(frozen=True, slots=True)
class Mark:
    """The last commit that was confirmed: of which store, in which boot, and whether a power cut could undo it."""

    store_id: int
    seq: int
    boot_hash: int
    is_power_safe: bool

    def encode(self) -> bytes:
        """Return the file's content."""
        head = _FORMAT.pack(_MAGIC, self.store_id, self.seq, self.boot_hash, self.is_power_safe)
        return head + _CRC.pack(zlib.crc32(head))


class MarkFile:
    """The open file. `write` costs one system call and never a wait for the disk."""

    __slots__ = ("_fd", "path")

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = -1

    def read(self) -> Mark | None:
        """Return what the file says, None where there is no file.

        Raises:
            StoreDamaged: the file isn't a mark.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        head, crc = content[: _FORMAT.size], content[_FORMAT.size :]
        if len(content) != MARK_BYTES or head[:4] != _MAGIC or crc != _CRC.pack(zlib.crc32(head)):
            raise StoreDamaged(
                f"expected the mark of the last confirmed commit in {self.path}, got {len(content)} bytes that aren't "
                "one; run `actorq doctor`"
            )
        _, store_id, seq, boot_hash, is_power_safe = _FORMAT.unpack(head)
        return Mark(store_id, seq, boot_hash, bool(is_power_safe))

    def create(self, mark: Mark) -> None:
        """Write the first mark so that the file itself survives a power cut; from then on only its content changes."""
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(fd, mark.encode(), 0)
            os.fsync(fd)
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except BaseException:
            os.close(fd)
            raise
        self.close()
        self._fd = fd

    def open(self) -> None:
        """Open the existing file for writing."""
        self._fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)

    def write(self, mark: Mark) -> None:
        """Replace the content."""
        os.pwrite(self._fd, mark.encode(), 0)

    def close(self) -> None:
        """Close the file; twice is fine."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def read_boot_hash() -> int:
    """Return a number that is the same until the machine boots again, 0 where the system doesn't tell."""
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            return int.from_bytes(zlib.crc32(file.read()).to_bytes(4, "little"), "little")
    except OSError:
        return 0
