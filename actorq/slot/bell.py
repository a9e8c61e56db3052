"""How a slot gets its node to look at it: a byte into a named pipe beside its line file.

Only for a deadline that the node doesn't know to look at in time; `actorq.node.hard_limits` has the whole of it. A bell that
nobody hears is no mistake: whoever takes the place of the one that heard it looks before it listens.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

from actorq.log import get_logger

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["bell_path", "ring"]

log = get_logger(__name__)

NOBODY_THERE: Final = (errno.ENOENT, errno.ENXIO)  # yet, or for a moment: whoever comes looks first
FULL: Final = errno.EAGAIN  # it was rung so often already that one more says nothing


def bell_path(line_path: Path) -> Path:
    """Return where the slot of that line rings for its node: a named pipe."""
    return line_path.with_suffix(".bell")


def ring(bell: Path) -> None:
    """Ring; never blocks, never raises."""
    try:
        # Opened each time, seconds apart: a descriptor that is kept would be a closed one in tasks that close them all.
        fd = os.open(bell, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            os.write(fd, b"\0")
        finally:
            os.close(fd)
    except OSError as error:
        if error.errno not in (*NOBODY_THERE, FULL, errno.EPIPE):
            log.error("bell_not_rung", bell=str(bell), why=str(error))
