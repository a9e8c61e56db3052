"""Looks at what waits in an embedded store without leasing it: for people, and for whoever ends or moves it.

Reads only. It leans on the lanes' invariant: a ready task that isn't leased lies beyond its lane's cursor or among the
returned, so what is leased is passed over without being read.
"""

from __future__ import annotations

from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING, Final

from actorq.engine.schema import select_keys
from actorq.engine.values import LaneStats
from actorq.engine.writer import decode_message

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from actorq.engine.lanes import Lane
    from actorq.engine.ledger import Ledger

__all__ = ["list_lanes", "list_waiting"]

CHUNK: Final = 256  # returned tasks that are looked up at once
_READY: Final = "SELECT key FROM tasks INDEXED BY ready WHERE due_at IS NULL AND place > ? AND place < ? ORDER BY place"
_SCHEDULED: Final = (
    "SELECT due_at, key FROM tasks INDEXED BY due WHERE due_at IS NOT NULL AND place > ? AND place < ? "
    "ORDER BY due_at, key"
)


def list_waiting(connection: sqlite3.Connection, ledger: Ledger, queue: str, limit: int) -> list[int]:
    """Return the keys of the first tasks of `queue` that aren't leased; see `Engine.peek`."""
    lanes = sorted((lane for lane in ledger.lanes.values() if lane.queue == queue), key=lambda lane: -lane.priority)
    found: list[int] = []
    for lane in lanes:
        if lane.ready and len(found) < limit:
            found += islice(_list_ready(connection, ledger, lane), limit - len(found))
    if len(found) < limit:
        scheduled = merge(*(_list_scheduled(connection, ledger, lane) for lane in lanes if lane.scheduled))
        found += (key for _, key in islice(scheduled, limit - len(found)))
    return found


def list_lanes(connection: sqlite3.Connection, ledger: Ledger) -> list[LaneStats]:
    """Return what each lane that was ever used holds; see `Engine.lanes`."""
    return [
        LaneStats(lane.queue, lane.priority, lane.ready, lane.scheduled, _find_oldest(connection, ledger, lane))
        for lane in ledger.lanes.values()
    ]


def _find_oldest(connection: sqlite3.Connection, ledger: Ledger, lane: Lane) -> float | None:
    if not lane.ready:
        return None
    for key in _list_ready(connection, ledger, lane):
        rows = select_keys(connection, "key, message FROM tasks", [key])
        return decode_message(rows[0][1], key).sent_at
    return None


def _list_ready(connection: sqlite3.Connection, ledger: Ledger, lane: Lane) -> Iterator[int]:
    """Yield the keys of ready tasks in the order in which they would be leased."""
    leased = ledger.book.by_key
    returned = sorted(set(lane.returned))
    for at in range(0, len(returned), CHUNK):
        part = returned[at : at + CHUNK]
        rows = {
            row[0]: row for row in select_keys(connection, "key, place, due_at FROM tasks", [key for _, key in part])
        }
        for place, key in part:
            # Since it came back it may have been settled, leased, put off, or moved to another lane.
            if key in rows and rows[key][1:] == (place, None) and key not in leased:
                yield key
    for (key,) in connection.execute(_READY, (lane.cursor, lane.end)):
        if key not in leased:
            yield key


def _list_scheduled(connection: sqlite3.Connection, ledger: Ledger, lane: Lane) -> Iterator[tuple[float, int]]:
    leased = ledger.book.by_key
    for due_at, key in connection.execute(_SCHEDULED, (lane.base, lane.end)):
        if key not in leased:
            yield due_at, key
