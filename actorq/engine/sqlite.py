"""The embedded engine: one SQLite file, owned by one process, called from one thread.

Four parts: `Store` owns the file and its commits, `Ledger` what is known without reading, `TransactionWriter` writes
one transaction, and this class is the protocol over them. The invariant is the ledger's: it changes after a commit and
at no other time.
"""

from __future__ import annotations

from heapq import heappop
from math import isnan
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from actorq.clock import SYSTEM_CLOCK
from actorq.engine.faults import decode_result, find_faults
from actorq.engine.leases import Lease
from actorq.engine.ledger import Effects, Ledger
from actorq.engine.schema import (
    ADDITIONS,
    DELETE_EXPIRING,
    DELETE_RESULTS,
    DELETE_TASKS,
    INSERT_RESULTS,
    delete_keys,
    insert_rows,
    select_keys,
)
from actorq.engine.store import Durability, Store
from actorq.engine.values import (
    EXPIRED_AGAIN_S,
    DeadTask,
    EngineStats,
    LaneStats,
    NewTask,
    Opened,
    Receipt,
    StoredTask,
    Transaction,
)
from actorq.engine.waiting import list_lanes, list_waiting
from actorq.engine.writer import TransactionWriter, decode_message, encode_result
from actorq.errors import StoreError
from actorq.messages.ids import NUMBER_BITS
from actorq.messages.states import NUMBERS, REVOKED
from actorq.messages.task import ResultRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from actorq.clock import Clock
    from actorq.engine.lanes import Lane

__all__ = ["SqliteEngine"]

OUTBOX_KEEP_S: Final = 7 * 86400.0  # an outbox that left nothing is remembered this long
OUTBOX_GRACE_S: Final = 3600.0  # and nothing is dropped this soon after opening: its owner may be about to connect
OUTBOX_PRUNE_LIMIT: Final = 100  # outboxes looked at in one prune
MAX_OUTBOX_NO: Final = (1 << 63 - NUMBER_BITS) - 1
PURGE_CHUNK: Final = 10_000  # tasks held in memory at once; all chunks are one transaction

_TASK_COLUMNS: Final = "key, place, message, due_at, deliveries, fence"
_SCAN: Final = (
    f"SELECT {_TASK_COLUMNS} FROM tasks INDEXED BY ready "
    "WHERE due_at IS NULL AND place > ? AND place < ? ORDER BY place LIMIT ?"
)
_SCAN_SCHEDULED: Final = (
    f"SELECT {_TASK_COLUMNS} FROM tasks NOT INDEXED "
    "WHERE key > ? AND due_at IS NOT NULL AND place > ? AND place < ? ORDER BY key LIMIT ?"
)
_INSERT_REVIVED: Final = f"INSERT INTO tasks ({_TASK_COLUMNS}) VALUES (?,?,?,NULL,0,?)"
TaskRow: TypeAlias = "tuple[int, int, bytes, float | None, int, int]"  # of _TASK_COLUMNS


class SqliteEngine:
    """An `Engine` in a SQLite file; see the protocol for what each method promises.

    `durability`: "power" survives a power cut, "process" any kill (a power cut may undo the last commits, never damage
    the store), "none" lives in memory and ends with the engine.
    """

    def __init__(
        self,
        path: Path,
        *,
        durability: Durability = "power",
        clock: Clock = SYSTEM_CLOCK,
        result_expires_s: float = 86400.0,
    ) -> None:
        if durability not in {"power", "process", "none"}:
            raise ValueError(f"expected durability to be one of 'power', 'process', 'none', got {durability!r}")
        self.clock = clock
        self.result_expires_s = result_expires_s
        self._store = Store(path, durability)
        self._ledger = Ledger()
        self._leaders: dict[str, tuple[str, float, int]] = {}  # name -> (holder, deadline, epoch)
        self._registered: set[int] = set()  # outbox numbers
        self._opened_at = 0.0
        self._opened_seq = 0

    @property
    def probe(self) -> Callable[[str], None] | None:
        """Called with the name of each step of a write; see `Engine.probe`."""
        return self._store.probe

    @probe.setter
    def probe(self, probe: Callable[[str], None] | None) -> None:
        self._store.probe = probe

    # ------------------------------------------------------------------------------------------------------- life

    def open(self) -> Opened:
        self._store.open()
        try:
            self._registered.clear()
            self._opened_at = self.clock.monotonic()
            self._opened_seq = self._store.seq
            return self.begin_epoch()
        except BaseException:
            self._store.close()
            raise

    def begin_epoch(self) -> Opened:
        connection = self._store.connection
        self._store.write(self._begin_epoch)
        ledger = self._ledger
        ledger.load(connection)
        self._leaders.clear()
        next_due_at = ledger.find_next_due_at(connection)
        revoked = dict(connection.execute("SELECT id, expires_at FROM revoked").fetchall())
        return Opened(ledger.epoch, ledger.tokens, ledger.list_outboxes(), ledger.count_ready(), next_due_at, revoked)

    def _begin_epoch(self) -> None:
        execute = self._store.connection.execute
        for sql in ADDITIONS:
            execute(sql)
        execute("UPDATE meta SET epoch = epoch + 1 WHERE id = 1")

    def close(self) -> None:
        self._store.close()

    # --------------------------------------------------------------------------------------------------- outboxes

    def register_outbox(self, outbox_id: int) -> tuple[int, int]:
        found = self.find_outbox(outbox_id)
        if found is None:
            outbox_no = self._store.write(lambda: self._add_outbox(outbox_id), is_refusable=True)
            self._ledger.add_outbox(outbox_no, outbox_id, 0)
            found = (outbox_no, 0)
        self._registered.add(found[0])
        return found

    def find_outbox(self, outbox_id: int) -> tuple[int, int] | None:
        outbox_no = self._ledger.outbox_nos.get(outbox_id)
        return None if outbox_no is None else (outbox_no, self._ledger.taken[outbox_no])

    def _add_outbox(self, outbox_id: int) -> int:
        execute = self._store.connection.execute
        outbox_no = 1 + int(execute("SELECT last_outbox_no FROM meta").fetchone()[0])
        if outbox_no > MAX_OUTBOX_NO:
            raise StoreError(f"expected at most {MAX_OUTBOX_NO} outboxes over the life of a store; begin a new one")
        # SQLite's integers are signed; the same 64 bits come back by masking.
        signed = outbox_id - (1 << 64) if outbox_id >> 63 else outbox_id
        execute("INSERT INTO outboxes VALUES (?,?,0,?)", (outbox_no, signed, self.clock.now()))
        execute("UPDATE meta SET last_outbox_no = ? WHERE id = 1", (outbox_no,))
        return outbox_no

    # ----------------------------------------------------------------------------------------------------- writing

    def put(self, tasks: list[NewTask]) -> Receipt:
        return self.commit(Transaction(puts=tasks))

    def commit(self, transaction: Transaction) -> Receipt:
        store = self._store
        connection, now = store.connection, self.clock.now()

        def work() -> Effects:
            return TransactionWriter(connection, self._ledger, now, self.result_expires_s, store.step).write(
                transaction
            )

        effects = store.write(work, is_refusable=bool(transaction.puts))
        self._ledger.apply(effects)
        next_due_at = self._ledger.find_next_due_at(connection)
        return Receipt(store.seq, effects.refused, next_due_at, effects.repeated, effects.expires_at)

    # ------------------------------------------------------------------------------------------------------ leases

    def lease(self, queues: Sequence[str], limit: int, ttl_s: float | None = None) -> list[StoredTask]:
        self._store.connection  # noqa: B018  raises where the store stopped working; empty lanes wouldn't notice
        deadline = None if ttl_s is None else self.clock.monotonic() + ttl_s
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

    def extend(self, leases: Iterable[tuple[int, int]], ttl_s: float) -> list[int]:
        return self._ledger.book.extend(leases, self.clock.monotonic() + ttl_s)

    def release_expired(self, now: float, limit: int) -> list[int]:
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
        if key in self._ledger.book.by_key:
            return None
        found = self._select_tasks([key])
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
        return StoredTask(key, token, row[4], self._outbox_id(key), message, None, row[3], True)

    def wake_due(self, now: float, limit: int) -> tuple[dict[str, int], float | None]:
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

    def expired(self, now: float, limit: int) -> tuple[list[int], float | None]:
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
            rows = {row[0]: row for row in self._select_tasks([key for _, key in dict.fromkeys(batch)])}
            for place, key in batch:
                # Since it came back it may have been settled, adopted, put off, or moved to another lane.
                row = rows.get(key)
                if row is not None and row[1] == place and row[3] is None and key not in self._ledger.book.by_key:
                    self._lease_row(lane, row, deadline, leased)

    def _lease_scanned(self, lane: Lane, limit: int, deadline: float | None, leased: list[StoredTask]) -> None:
        execute, by_key = self._store.connection.execute, self._ledger.book.by_key
        while lane.ready and len(leased) < limit:
            asked = limit - len(leased)
            rows = execute(_SCAN, (lane.cursor, lane.end, asked)).fetchall()
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
        outbox_id = self._outbox_id(key)
        leased.append(StoredTask(key, token, deliveries, outbox_id, message, deadline, None, True))

    def _set_fences(self, fences: list[tuple[int, int]]) -> None:
        for fence in fences:
            self._store.connection.execute("UPDATE tasks SET fence = ? WHERE key = ?", fence)

    def _clear_due_times(self, due: list[tuple[int, int]]) -> None:
        for key, _ in due:
            self._store.connection.execute("UPDATE tasks SET due_at = NULL WHERE key = ?", (key,))

    # ----------------------------------------------------------------------------------------------------- reading

    def load(self, keys: Iterable[int]) -> list[StoredTask]:
        wanted = list(dict.fromkeys(keys))
        rows = {row[0]: row for row in self._select_tasks(wanted)}
        return [self._stored(rows[key]) for key in wanted if key in rows]

    def results(self, keys: Iterable[int]) -> list[ResultRecord]:
        wanted = list(dict.fromkeys(keys))
        found = dict(select_keys(self._store.connection, "key, record FROM results", wanted))
        return [decode_result(found[key], key) for key in wanted if key in found]

    def results_between(self, low_key: int, high_key: int, limit: int) -> list[ResultRecord]:
        sql = "SELECT key, record FROM results WHERE key BETWEEN ? AND ? ORDER BY key LIMIT ?"
        rows = self._store.connection.execute(sql, (low_key, high_key, limit)).fetchall()
        return [decode_result(record, key) for key, record in rows]

    def find_alias(self, alias: str) -> int | None:
        if not self._ledger.has_aliases:
            return None
        found = self._store.connection.execute("SELECT key FROM aliases WHERE alias = ?", (alias,)).fetchone()
        return None if found is None else int(found[0])

    def peek(self, queue: str, limit: int) -> list[StoredTask]:
        return self.load(list_waiting(self._store.connection, self._ledger, queue, limit))

    def scheduled(self, limit: int) -> list[StoredTask]:
        sql = "SELECT key FROM tasks INDEXED BY due WHERE due_at IS NOT NULL ORDER BY due_at, key LIMIT ?"
        leased = len(self._ledger.book.by_key)
        keys = [key for (key,) in self._store.connection.execute(sql, (limit + leased,)).fetchall()]
        return self.load([key for key in keys if key not in self._ledger.book.by_key][:limit])

    def lanes(self) -> list[LaneStats]:
        return list_lanes(self._store.connection, self._ledger)

    def stats(self) -> EngineStats:
        ledger, store = self._ledger, self._store
        return EngineStats(
            ledger.count_queues(),
            ledger.results,
            ledger.dead,
            store.measure_bytes(),
            store.seq - self._opened_seq,
            store.seq,
            ledger.epoch,
            store.is_full,
        )

    def check(self) -> list[str]:
        return find_faults(self._store.connection, self._ledger)

    # ------------------------------------------------------------------------------------------------ dead letters

    def dead(self, limit: int, offset: int = 0) -> list[DeadTask]:
        sql = "SELECT * FROM dead ORDER BY died_at DESC, key DESC LIMIT ? OFFSET ?"
        return [self._dead(row) for row in self._store.connection.execute(sql, (limit, offset)).fetchall()]

    def load_dead(self, keys: Iterable[int]) -> list[DeadTask]:
        wanted = list(dict.fromkeys(keys))
        rows = {row[0]: row for row in select_keys(self._store.connection, "* FROM dead", wanted)}
        return [self._dead(rows[key]) for key in wanted if key in rows]

    def _dead(self, row: tuple[Any, ...]) -> DeadTask:
        key, died_at, deliveries, cause, traceback, message = row
        return DeadTask(key, self._outbox_id(key), deliveries, cause, traceback, died_at, decode_message(message, key))

    def requeue_dead(self, keys: Iterable[int]) -> list[int]:
        found = self._select_dead(keys)
        if found:
            fences = [next(self._ledger.tokens) for _ in found]
            self._ledger.apply(self._store.write(lambda: self._revive(found, fences), is_refusable=True))
        return [key for key, _ in found]

    def purge_dead(self, keys: Iterable[int] | None = None) -> int:
        connection = self._store.connection
        if keys is None:
            keys = [key for (key,) in connection.execute("SELECT key FROM dead").fetchall()]
        found = [key for key, _ in self._select_dead(keys)]
        if found:
            self._ledger.apply(self._store.write(lambda: self._drop_dead(found)))
        return len(found)

    def _select_dead(self, keys: Iterable[int]) -> list[tuple[int, bytes]]:
        wanted = list(dict.fromkeys(keys))
        found = dict(select_keys(self._store.connection, "key, message FROM dead", wanted))
        return [(key, found[key]) for key in wanted if key in found]

    def _revive(self, letters: list[tuple[int, bytes]], fences: list[int]) -> Effects:
        writer = self._writer()
        effects, execute = writer.effects, self._store.connection.execute
        for (key, blob), fence in zip(letters, fences, strict=True):
            message = decode_message(blob, key)
            lane = writer.find_lane(message.queue, message.priority)
            effects.arrivals += 1
            place = lane.base | effects.arrivals
            execute(_INSERT_REVIVED, (key, place, blob, fence))
            execute("DELETE FROM dead WHERE key = ?", (key,))
            effects.results -= execute("DELETE FROM results WHERE key = ?", (key,)).rowcount
            effects.count_ready(lane, 1)
        execute("UPDATE meta SET arrivals = ? WHERE id = 1", (effects.arrivals,))
        effects.dead -= len(letters)
        return effects

    def _drop_dead(self, keys: list[int]) -> Effects:
        writer = self._writer()
        for key in keys:
            self._store.connection.execute("DELETE FROM dead WHERE key = ?", (key,))
        writer.drop_lost_aliases(keys)
        writer.effects.dead -= len(keys)
        return writer.effects

    # ------------------------------------------------------------------------------------------------ housekeeping

    def save_group(self, id: str, body: bytes, expires_at: float) -> None:
        sql = "INSERT OR REPLACE INTO result_groups (id, expires_at, body) VALUES (?,?,?)"
        self._store.write(lambda: self._store.connection.execute(sql, (id, expires_at, body)), is_refusable=True)

    def load_group(self, id: str, now: float) -> bytes | None:
        sql = "SELECT body FROM result_groups WHERE id = ? AND expires_at > ?"
        found = self._store.connection.execute(sql, (id, now)).fetchone()
        return None if found is None else bytes(found[0])

    def drop_group(self, id: str) -> bool:
        sql = "DELETE FROM result_groups WHERE id = ?"
        return self._store.write(lambda: self._store.connection.execute(sql, (id,)).rowcount) > 0

    def purge(self, queue: str) -> int:
        lanes = [lane for lane in self._ledger.lanes_by_number.values() if lane.queue == queue]
        if not any(lane.ready or lane.scheduled for lane in lanes):
            return 0
        effects = self._store.write(lambda: self._purge_lanes(lanes))
        self._ledger.apply(effects)
        return effects.results

    def pause(self, queue: str) -> None:
        self._set_paused(queue, "INSERT INTO paused VALUES (?)", self._ledger.paused | {queue})

    def resume(self, queue: str) -> None:
        self._set_paused(queue, "DELETE FROM paused WHERE queue = ?", self._ledger.paused - {queue})

    def paused(self) -> set[str]:
        return set(self._ledger.paused)

    def leader(self, name: str, holder: str, ttl_s: float) -> int | None:
        now = self.clock.monotonic()
        current, deadline, epoch = self._leaders.get(name, ("", now, 0))
        if deadline <= now:
            epoch = self._store.write(lambda: self._begin_leadership(name))
        elif current != holder:
            return None
        self._leaders[name] = (holder, now + ttl_s, epoch)
        return epoch

    def prune(self, now: float, limit: int) -> int:
        store, ledger = self._store, self._ledger
        if store.is_full:
            store.restore_ballast()
        sql = "SELECT key FROM results WHERE expires_at <= ? ORDER BY expires_at, key LIMIT ?"
        expired: list[int] = [key for (key,) in store.connection.execute(sql, (now, limit)).fetchall()]
        unneeded = self._find_unneeded_outboxes(now)
        is_over = [f"SELECT 1 FROM {table} WHERE expires_at <= ? LIMIT 1" for table in ("revoked", "result_groups")]
        if expired or unneeded or any(store.connection.execute(sql, (now,)).fetchone() for sql in is_over):
            ledger.apply(store.write(lambda: self._drop_expired(expired, unneeded, now)))
            for outbox_no in unneeded:
                ledger.drop_outbox(outbox_no)
        return len(expired)

    def _purge_lanes(self, lanes: list[Lane]) -> Effects:
        writer = self._writer()
        execute = self._store.connection.execute
        for lane in lanes:
            at = lane.base
            while rows := execute(_SCAN, (at, lane.end, PURGE_CHUNK)).fetchall():
                at = rows[-1][1]
                self._revoke(writer.effects, lane, rows)
            at = 0
            while rows := execute(_SCAN_SCHEDULED, (at, lane.base, lane.end, PURGE_CHUNK)).fetchall():
                at = rows[-1][0]
                self._revoke(writer.effects, lane, rows)
        return writer.effects

    def _revoke(self, effects: Effects, lane: Lane, rows: list[TaskRow]) -> None:
        """Replace those of `rows` that aren't leased by results that say REVOKED."""
        by_key, now = self._ledger.book.by_key, self.clock.now()
        values: list[object] = []
        keys: list[int] = []
        for key, _, blob, due_at, _, _ in rows:
            if key in by_key:
                continue
            if due_at is None:
                effects.count_ready(lane, -1)
            else:
                effects.count_scheduled(lane, due_at, -1)
            ttl_s = decode_message(blob, key).result_ttl_s
            result = ResultRecord(key, NUMBERS[REVOKED], finished_at=now)
            ttl_s = self.result_expires_s if ttl_s is None or isnan(ttl_s) else ttl_s
            values += (key, now + ttl_s, encode_result(result))
            keys.append(key)
        effects.results += delete_keys(self._store.connection, DELETE_TASKS, keys)
        insert_rows(self._store.connection, INSERT_RESULTS, values, 3)

    def _set_paused(self, queue: str, sql: str, paused: set[str]) -> None:
        if paused != self._ledger.paused:
            self._store.write(lambda: self._store.connection.execute(sql, (queue,)))
            self._ledger.paused = paused

    def _begin_leadership(self, name: str) -> int:
        sql = "INSERT INTO leaders VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET epoch = epoch + 1 RETURNING epoch"
        return int(self._store.connection.execute(sql, (name,)).fetchone()[0])

    def _find_unneeded_outboxes(self, now: float) -> list[int]:
        """Return outboxes that nobody registered lately, and of which nothing is stored."""
        if self.clock.monotonic() - self._opened_at < OUTBOX_GRACE_S:
            return []
        found = []
        sql = "SELECT outbox_no FROM outboxes WHERE touched_at <= ? ORDER BY touched_at"
        for (outbox_no,) in self._store.connection.execute(sql, (now - OUTBOX_KEEP_S,)).fetchall():
            if outbox_no not in self._registered and not self._is_outbox_used(outbox_no):
                found.append(outbox_no)
                if len(found) == OUTBOX_PRUNE_LIMIT:
                    break
        return found

    def _is_outbox_used(self, outbox_no: int) -> bool:
        span = (outbox_no << NUMBER_BITS, (outbox_no + 1) << NUMBER_BITS)
        execute = self._store.connection.execute
        return any(
            execute(f"SELECT 1 FROM {table} WHERE key >= ? AND key < ? LIMIT 1", span).fetchone()
            for table in ("tasks", "results", "dead")
        )

    def _drop_expired(self, keys: list[int], outbox_nos: list[int], now: float) -> Effects:
        writer = self._writer()
        for table in ("revoked", "result_groups"):
            self._store.connection.execute(f"DELETE FROM {table} WHERE expires_at <= ?", (now,))
        writer.effects.results -= delete_keys(self._store.connection, DELETE_RESULTS, keys)
        writer.drop_lost_aliases(keys)
        for outbox_no in outbox_nos:
            self._store.connection.execute("DELETE FROM outboxes WHERE outbox_no = ?", (outbox_no,))
        return writer.effects

    # ----------------------------------------------------------------------------------------------------- private

    def _writer(self) -> TransactionWriter:
        store = self._store
        return TransactionWriter(store.connection, self._ledger, self.clock.now(), self.result_expires_s, store.step)

    def _select_tasks(self, keys: list[int]) -> list[TaskRow]:
        return select_keys(self._store.connection, f"{_TASK_COLUMNS} FROM tasks", keys)

    def _stored(self, row: TaskRow) -> StoredTask:
        key, _, blob, due_at, deliveries, fence = row
        lease = self._ledger.book.by_key.get(key)
        return StoredTask(
            key,
            lease.token if lease else fence,
            deliveries,
            self._outbox_id(key),
            decode_message(blob, key),
            lease.deadline if lease else None,
            due_at,
            lease is not None,
        )

    def _outbox_id(self, key: int) -> int:
        return self._ledger.outbox_ids.get(key >> NUMBER_BITS, 0)
