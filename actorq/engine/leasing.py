"""Which tasks of an embedded store are ready, and who gets them: leases, what becomes due, and what expires.

The part of the SQLite engine that looks at tasks before they end. A lease is memory only: it isn't written, and a new epoch
begins without any. Invariant: what is leased is in the ledger's book, and isn't counted as ready in its lane.
"""

from __future__ import annotations

from heapq import heappop
from typing import TYPE_CHECKING, Final

from actorq.engine.leases import Lease
from actorq.engine.ledger import Effects
from actorq.engine.schema import DELETE_EXPIRING, TASK_COLUMNS, delete_keys, select_keys, select_tasks
from actorq.engine.values import EXPIRED_AGAIN_S, StoredTask
from actorq.engine.writer import decode_message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actorq.clock import Clock
    from actorq.engine.lanes import Lane
    from actorq.engine.ledger import Ledger
    from actorq.engine.schema import TaskRow
    from actorq.engine.store import Store

__all__ = ["SCAN_READY", "Leasing"]

SCAN_READY: Final = (
    f"SELECT {TASK_COLUMNS} FROM tasks INDEXED BY ready "
    "WHERE due_at IS NULL AND place > ? AND place < ? ORDER BY place LIMIT ?"
)


class Leasing:
    """Belongs to an engine, whose `store` and `ledger` these are."""

    def __init__(self, store: Store, ledger: Ledger, clock: Clock) -> None:
        self._store, self._ledger, self._clock = store, ledger, clock

    def lease(self, queues: Sequence[str], limit: int, ttl_s: float | None = None) -> list[StoredTask]:
        """Lease tasks that are ready, highest priority first; see `Engine.lease`."""
        self._store.connection  # noqa: B018  raises where the store stopped working; empty lanes wouldn't notice
        deadline = None if ttl_s is None else self._clock.monotonic() + ttl_s
        lanes, paused = self._ledger.lanes, self._ledger.paused
        names = [queue for queue in dict.fromkeys(queues) if queue not in paused]
        leased: list[StoredTask] = []
        for priority in range(9, -1, -1):
            for queue in names:
                lane = lanes.get((queue, priority))
                if lane is None or not lane.ready:
                    continue
                self._lease_returned(lane, limit, deadline, leased)
                self._lease_scanned(lane, limit, deadline, leased)
                if len(leased) >= limit:
                    return leased
        return leased

    def release_expired(self, now: float, limit: int) -> list[int]:
        """Give back what was leased until a time that has passed; see `Engine.release_expired`."""
        book = self._ledger.book
        keys = book.find_expired(now, limit)
        if keys:
            fences = [(book.by_key[key].token, key) for key in keys]
            self._store.write(lambda: self._set_fences(fences))
            for key in keys:
                lease = book.by_key.pop(key)
                lane = self._ledger.get_lane(lease.place)
                if lease.due_at is None:
                    lane.ready += 1
                    lane.give_back(lease.place, key)
                else:
                    lane.scheduled += 1
        return keys

    def adopt(self, key: int, token: int) -> StoredTask | None:
        """Lease a task to whoever has its delivery already; see `Engine.adopt`."""
        if key in self._ledger.book.by_key:
            return None
        found = select_tasks(self._store.connection, [key])
        if not found or token < found[0][5]:
            return None
        row = found[0]
        message = decode_message(row[2], key)
        lane = self._ledger.get_lane(row[1])
        if row[3] is None:
            lane.ready -= 1
        else:
            lane.scheduled -= 1
        self._ledger.book.add(key, Lease(token, None, row[1], row[3], message.result_ttl_s))
        return StoredTask(key, token, row[4], self._ledger.get_outbox_id(key), message, None, row[3], True)

    def wake_due(self, now: float, limit: int) -> tuple[dict[str, int], float | None]:
        """Make tasks ready whose time has come; see `Engine.wake_due`."""
        connection, ledger = self._store.connection, self._ledger
        next_due_at = ledger.find_next_due_at(connection)
        if next_due_at is None or next_due_at > now:
            return {}, next_due_at
        sql = "SELECT key, place FROM tasks INDEXED BY due WHERE due_at <= ? ORDER BY due_at, key LIMIT ?"
        due: list[tuple[int, int]] = connection.execute(sql, (now, limit)).fetchall()
        self._store.write(lambda: self._clear_due_times(due))
        woken: dict[str, int] = {}
        effects = Effects(ledger)
        effects.is_due_stale = True
        for key, place in due:
            lease = ledger.book.by_key.get(key)
            if lease is not None:
                lease.due_at = None
                continue
            lane = ledger.get_lane(place)
            lane.scheduled -= 1
            lane.ready += 1
            lane.give_back(place, key)
            woken[lane.queue] = woken.get(lane.queue, 0) + 1
        ledger.apply(effects)
        return woken, ledger.find_next_due_at(connection)

    def find_expired(self, now: float, limit: int) -> tuple[list[int], float | None]:
        """Return tasks that are still here after the time until which they were to start; see `Engine.expired`."""
        execute = self._store.connection.execute
        sql = "SELECT key FROM expiring WHERE look_at <= ? ORDER BY look_at, key LIMIT ?"
        due: list[int] = [key for (key,) in execute(sql, (now, limit)).fetchall()]
        there = {key for (key,) in select_keys(self._store.connection, "key FROM tasks", due)}
        if due:
            self._store.write(lambda: self._look_later([key for key in due if key in there], set(due) - there, now))
        (first,) = execute("SELECT min(look_at) FROM expiring").fetchone()
        self._ledger.has_expiring = first is not None
        return [key for key in due if key in there], first

    def _look_later(self, expired: list[int], gone: set[int], now: float) -> None:
        delete_keys(self._store.connection, DELETE_EXPIRING, gone)
        later = [(now + EXPIRED_AGAIN_S, key) for key in expired]
        self._store.connection.executemany("UPDATE expiring SET look_at = ? WHERE key = ?", later)

    def _lease_returned(self, lane: Lane, limit: int, deadline: float | None, leased: list[StoredTask]) -> None:
        """Lease what came back; all of it lies before the cursor and so goes first."""
        returned = lane.returned
        while returned and len(leased) < limit:
            batch = [heappop(returned) for _ in range(min(len(returned), limit - len(leased)))]
            rows = {
                row[0]: row for row in select_tasks(self._store.connection, [key for _, key in dict.fromkeys(batch)])
            }
            for place, key in batch:
                # Since it came back it may have been settled, adopted, put off, or moved to another lane.
                row = rows.get(key)
                if row is not None and row[1] == place and row[3] is None and key not in self._ledger.book.by_key:
                    self._lease_row(lane, row, deadline, leased)

    def _lease_scanned(self, lane: Lane, limit: int, deadline: float | None, leased: list[StoredTask]) -> None:
        execute, by_key = self._store.connection.execute, self._ledger.book.by_key
        while lane.ready and len(leased) < limit:
            asked = limit - len(leased)
            rows = execute(SCAN_READY, (lane.cursor, lane.end, asked)).fetchall()
            for row in rows:
                lane.cursor = row[1]
                if row[0] not in by_key:
                    self._lease_row(lane, row, deadline, leased)
            if len(rows) < asked:
                return

    def _lease_row(
        self,
        lane: Lane,
        row: TaskRow,
        deadline: float | None,
        leased: list[StoredTask],
    ) -> None:
        key, place, blob, _, deliveries, _ = row
        message = decode_message(blob, key)
        token = next(self._ledger.tokens)
        self._ledger.book.add(key, Lease(token, deadline, place, None, message.result_ttl_s))
        lane.ready -= 1
        outbox_id = self._ledger.get_outbox_id(key)
        leased.append(StoredTask(key, token, deliveries, outbox_id, message, deadline, None, True))

    def _set_fences(self, fences: list[tuple[int, int]]) -> None:
        for fence in fences:
            self._store.connection.execute("UPDATE tasks SET fence = ? WHERE key = ?", fence)

    def _clear_due_times(self, due: list[tuple[int, int]]) -> None:
        for key, _ in due:
            self._store.connection.execute("UPDATE tasks SET due_at = NULL WHERE key = ?", (key,))
