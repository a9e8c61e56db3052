"""What ends a loop's sleep: an eventfd.

Invariant: it is closed by whoever lets go of it last, never by the loop: a late poster would otherwise write into a
descriptor that belongs to somebody else by now (K5).
"""

from __future__ import annotations

import os

__all__ = ["Waker"]


class Waker:
    """Any thread writes; the loop polls `fd` and reads."""

    __slots__ = ("fd",)

    def __init__(self) -> None:
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def write(self) -> None:
        """End the sleep."""
        try:
            os.eventfd_write(self.fd, 1)
        except OSError:  # an actor closed it, which the loop notices when it sleeps again
            return

    def acknowledge(self) -> bool:
        """Take note of what was written; return whether the descriptor is still there."""
        try:
            os.eventfd_read(self.fd)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True

    def abandon(self) -> None:
        """Never close it: its number may be somebody else's by now."""
        self.fd = -1

    def __del__(self) -> None:
        if self.fd >= 0:
            try:
                os.close(self.fd)
            except OSError:  # an actor closed it and nobody has noticed yet
                return
