"""What `actorq doctor` does with a store that nobody has open: look at it, and on request accept what was lost.

The invariant: looking changes nothing that counts (the log may be folded in; a refused one is kept beside the store).
Accepting a loss is never done on the way to something else: a person has to ask for it.
"""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING, Final

from actorq.engine.mark import MarkFile
from actorq.engine.sqlite import SqliteEngine
from actorq.engine.store import Store
from actorq.errors import StoreDamaged, StoreError, StoreFull

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["accept_losses", "describe_sqlite", "examine_store"]

SOUND_SQLITE: Final = (3, 51, 3)  # below, two connections to one store can corrupt its log; we never have two
EPOCH_LEAP: Final = 1 << 16  # epochs that may have been lost: tokens minted in them must stay below the new ones


def examine_store(path: Path) -> list[str]:
    """Open the store at `path`, read all of it, and return one line for each thing that is wrong.

    Raises:
        StoreLocked: somebody has it open; ask the node instead.
    """
    if not path.exists() and not path.with_name("store.mark").exists():
        return []
    engine = SqliteEngine(path)
    try:
        engine.open()
        return engine.check()
    except (StoreDamaged, StoreFull) as error:
        return [str(error)]
    finally:
        engine.close()


def describe_sqlite() -> str:
    """Return SQLite's version, with a warning where it has the log-reset bug."""
    if sqlite3.sqlite_version_info >= SOUND_SQLITE:
        return f"SQLite {sqlite3.sqlite_version}"
    sound = ".".join(map(str, SOUND_SQLITE))
    return f"SQLite {sqlite3.sqlite_version}: open the store with nothing but actorq, other readers may harm it below {sound}"


def accept_losses(path: Path) -> int:
    """Make a store usable that was refused because it misses confirmed commits; return how many it misses (-1: unknown).

    What is missing stays missing. The old mark is kept beside the store. Only the difference to the mark is accepted: a
    database that is itself damaged is still refused.

    Raises:
        StoreError: the store is open elsewhere, or is no store, or its structure is damaged.
    """
    mark_path = path.with_name("store.mark")
    try:
        mark = MarkFile(mark_path).read()
    except StoreError:
        mark = None
    if mark_path.exists():
        os.replace(mark_path, path.with_name(f"store.mark.refused-{os.urandom(3).hex()}"))
    store = Store(path, "power")
    store.open(is_loss_accepted=True)
    try:
        # Lost epochs minted tokens that somebody may still hold, lost registrations gave out outbox numbers.
        connection = store.connection
        sql = "UPDATE meta SET epoch = epoch + ?, last_outbox_no = last_outbox_no + 1000"
        store.write(lambda: connection.execute(sql, (EPOCH_LEAP,)))
        return -1 if mark is None else max(0, mark.seq - store.seq + 1)
    finally:
        store.close()
