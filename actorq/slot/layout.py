"""Where things are in a line file.

Little-endian 64-bit words in the first page, then the ring. `HEAD` and `TAIL` are byte counts since the start, so they never
wrap; the place in the ring is the count modulo its size. A record is a 32-bit length and that many bytes of an encoded Report. Half-way through the first page is the name of the slot's node, zero bytes behind it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "BEAT",
    "CONDEMNED_KEY",
    "CONDEMNED_LIMIT",
    "CONDEMNED_TOKEN",
    "DEADLINE",
    "EXECUTED",
    "FENCE",
    "FILE_BYTES",
    "FIRST",
    "HEAD",
    "KEY",
    "LENGTH_BYTES",
    "LOOK",
    "MAGIC",
    "MAGIC_WORD",
    "NEXT",
    "NODE_AT",
    "ONCE",
    "OUTSIDE",
    "PID",
    "PLACES",
    "POOL",
    "RING_BYTES",
    "RSS",
    "STARTED",
    "TAIL",
    "TOKEN",
    "WEAR",
    "WORDS_BYTES",
    "trace_path",
]

MAGIC: Final = 0x6163746F_00000001  # "acto", then the layout's version

# The words, in order. `OUTSIDE` is the sequence number after that of the newest report that isn't in the ring.
MAGIC_WORD, PID, KEY, TOKEN, STARTED, FENCE, HEAD, TAIL, FIRST, NEXT, EXECUTED, RSS, BEAT, DEADLINE, OUTSIDE = range(15)
# By the slot's node: when it looks at the deadline next, and whom it kills the process for. Then, by the slot: `slot.wear`, the
# key of the last delivery that must not run again once it has begun, the places of its table (0: none), the number of its pool's kind.
LOOK, CONDEMNED_KEY, CONDEMNED_TOKEN, CONDEMNED_LIMIT, WEAR, ONCE, PLACES, POOL = range(15, 23)

WORDS_BYTES: Final = 4096  # one page, so that the ring is aligned and there is room for more words
NODE_AT: Final = WORDS_BYTES // 2  # in the words' page
RING_BYTES: Final = 256 * 1024
FILE_BYTES: Final = WORDS_BYTES + RING_BYTES
LENGTH_BYTES: Final = 4  # of a record's length


def trace_path(line_path: Path) -> Path:
    """Return where the slot of that line writes its stacks when a fatal signal hits it."""
    return line_path.with_suffix(".trace")
