"""Outboxes that an embedded store knows: their numbers are given out once, and never used again.

Works on the open connection; the ledger is the engine's to keep in step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from actorq.errors import StoreError
from actorq.messages.ids import NUMBER_BITS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Container

__all__ = ["add_outbox", "find_unneeded"]

OUTBOX_KEEP_S: Final = 7 * 86400.0  # an outbox that left nothing is remembered this long
OUTBOX_PRUNE_LIMIT: Final = 100  # outboxes looked at in one prune
MAX_OUTBOX_NO: Final = (1 << 63 - NUMBER_BITS) - 1


def add_outbox(connection: sqlite3.Connection, outbox_id: int, now: float) -> int:
    """Write down a new outbox; return its number.

    Raises:
        StoreError: the store has given out all its numbers.
    """
    execute = connection.execute
    outbox_no = 1 + int(execute("SELECT last_outbox_no FROM meta").fetchone()[0])
    if outbox_no > MAX_OUTBOX_NO:
        raise StoreError(f"expected at most {MAX_OUTBOX_NO} outboxes over the life of a store; begin a new one")
    # SQLite's integers are signed; the same 64 bits come back by masking.
    signed = outbox_id - (1 << 64) if outbox_id >> 63 else outbox_id
    execute("INSERT INTO outboxes VALUES (?,?,0,?)", (outbox_no, signed, now))
    execute("UPDATE meta SET last_outbox_no = ? WHERE id = 1", (outbox_no,))
    return outbox_no


def find_unneeded(connection: sqlite3.Connection, now: float, registered: Container[int]) -> list[int]:
    """Return the numbers of some outboxes that nobody `registered` lately, and of which nothing is stored."""
    found = []
    sql = "SELECT outbox_no FROM outboxes WHERE touched_at <= ? ORDER BY touched_at"
    for (outbox_no,) in connection.execute(sql, (now - OUTBOX_KEEP_S,)).fetchall():
        if outbox_no not in registered and not _is_used(connection, outbox_no):
            found.append(outbox_no)
            if len(found) == OUTBOX_PRUNE_LIMIT:
                break
    return found


def _is_used(connection: sqlite3.Connection, outbox_no: int) -> bool:
    span = (outbox_no << NUMBER_BITS, (outbox_no + 1) << NUMBER_BITS)
    return any(
        connection.execute(f"SELECT 1 FROM {table} WHERE key >= ? AND key < ? LIMIT 1", span).fetchone()
        for table in ("tasks", "results", "dead")
    )
