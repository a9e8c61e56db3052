"""The embedded engine: one SQLite file, owned by one process, called from one thread.

Five parts: `Store` owns the file and its commits, `Ledger` what is known without reading, `Leasing` gives tasks out,
`TransactionWriter` writes one transaction, and this class is the protocol over them. The invariant is the ledger's: it
changes after a commit and at no other time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from actorq.clock import SYSTEM_CLOCK
from actorq.engine.faults import decode_result, find_faults
from actorq.engine.leasing import Leasing
from actorq.engine.ledger import Effects, Ledger
from actorq.engine.outboxes import add_outbox, find_unneeded
from actorq.engine.purging import purge_lanes
from actorq.engine.schema import (
    ADDITIONS,
    DELETE_RESULTS,
    TASK_COLUMNS,
    delete_keys,
    select_keys,
    select_tasks,
)
from actorq.engine.store import Durability, Store
from actorq.engine.values import (
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
from actorq.engine.writer import TransactionWriter, decode_message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from actorq.clock import Clock
    from actorq.engine.schema import TaskRow
    from actorq.messages.task import ResultRecord

__all__ = ["SqliteEngine"]

OUTBOX_GRACE_S: Final = 3600.0  # after opening, for which no outbox is dropped
_INSERT_REVIVED: Final = f"INSERT INTO tasks ({TASK_COLUMNS}) VALUES (?,?,?,NULL,0,?)"


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
        self._leasing = Leasing(self._store, self._ledger, clock)
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
            outbox_no = self._store.write(
                lambda: add_outbox(self._store.connection, outbox_id, self.clock.now()), is_refusable=True
            )
            self._ledger.add_outbox(outbox_no, outbox_id, 0)
            found = (outbox_no, 0)
        self._registered.add(found[0])
        return found

    def find_outbox(self, outbox_id: int) -> tuple[int, int] | None:
        outbox_no = self._ledger.outbox_nos.get(outbox_id)
        return None if outbox_no is None else (outbox_no, self._ledger.taken[outbox_no])

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
        return self._leasing.lease(queues, limit, ttl_s)

    def extend(self, leases: Iterable[tuple[int, int]], ttl_s: float) -> list[int]:
        return self._ledger.book.extend(leases, self.clock.monotonic() + ttl_s)

    def release_expired(self, now: float, limit: int) -> list[int]:
        return self._leasing.release_expired(now, limit)

    def adopt(self, key: int, token: int) -> StoredTask | None:
        return self._leasing.adopt(key, token)

    def wake_due(self, now: float, limit: int) -> tuple[dict[str, int], float | None]:
        return self._leasing.wake_due(now, limit)

    def expired(self, now: float, limit: int) -> tuple[list[int], float | None]:
        return self._leasing.find_expired(now, limit)

    # ----------------------------------------------------------------------------------------------------- reading

    def load(self, keys: Iterable[int]) -> list[StoredTask]:
        wanted = list(dict.fromkeys(keys))
        rows = {row[0]: row for row in select_tasks(self._store.connection, wanted)}
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
        return DeadTask(
            key, self._ledger.get_outbox_id(key), deliveries, cause, traceback, died_at, decode_message(message, key)
        )

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
        now, expires_s = self.clock.now(), self.result_expires_s
        effects = self._store.write(
            lambda: purge_lanes(self._store.connection, self._ledger, lanes, now=now, result_expires_s=expires_s)
        )
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
        # Nothing is dropped soon after opening: its owner may be about to connect.
        is_settled = self.clock.monotonic() - self._opened_at >= OUTBOX_GRACE_S
        unneeded = find_unneeded(store.connection, now, self._registered) if is_settled else []
        is_over = [f"SELECT 1 FROM {table} WHERE expires_at <= ? LIMIT 1" for table in ("revoked", "result_groups")]
        if expired or unneeded or any(store.connection.execute(sql, (now,)).fetchone() for sql in is_over):
            ledger.apply(store.write(lambda: self._drop_expired(expired, unneeded, now)))
            for outbox_no in unneeded:
                ledger.drop_outbox(outbox_no)
        return len(expired)

    def _set_paused(self, queue: str, sql: str, paused: set[str]) -> None:
        if paused != self._ledger.paused:
            self._store.write(lambda: self._store.connection.execute(sql, (queue,)))
            self._ledger.paused = paused

    def _begin_leadership(self, name: str) -> int:
        sql = "INSERT INTO leaders VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET epoch = epoch + 1 RETURNING epoch"
        return int(self._store.connection.execute(sql, (name,)).fetchone()[0])

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

    def _stored(self, row: TaskRow) -> StoredTask:
        key, _, blob, due_at, deliveries, fence = row
        lease = self._ledger.book.by_key.get(key)
        return StoredTask(
            key,
            lease.token if lease else fence,
            deliveries,
            self._ledger.get_outbox_id(key),
            decode_message(blob, key),
            lease.deadline if lease else None,
            due_at,
            lease is not None,
        )
