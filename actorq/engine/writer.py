"""Writes a `Transaction` into the open SQL transaction.

The invariant: only the database changes here. What the ledger must learn goes into `Effects`, so a transaction that
fails, or is tried a second time on a full disk, leaves no trace in memory.
"""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, Final

import msgspec

from actorq.engine.lanes import Lane
from actorq.engine.leases import Lease
from actorq.engine.ledger import Effects
from actorq.engine.schema import (
    ARRIVAL_BITS,
    ARRIVAL_MASK,
    DELETE_EXPIRING,
    DELETE_RESULTS,
    DELETE_TASKS,
    INSERT_RESULTS,
    INSERT_TASKS,
    delete_keys,
    insert_rows,
)
from actorq.errors import StoreDamaged
from actorq.messages.ids import NUMBER_BITS
from actorq.messages.task import TaskMessage

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable

    from actorq.engine.ledger import Ledger
    from actorq.engine.values import Change, DeadLetter, NewTask, Settlement, Transaction
    from actorq.messages.task import ResultRecord

__all__ = ["Row", "TransactionWriter", "decode_message", "encode_message", "encode_result"]

encode_message: Final = msgspec.msgpack.Encoder().encode
encode_result: Final = encode_message
_message_decoder: Final = msgspec.msgpack.Decoder(TaskMessage)

_DOCTOR: Final = "run `actorq doctor`"
_INSERT_TASK: Final = "INSERT INTO tasks (key, place, message, due_at, deliveries, fence) VALUES (?,?,?,?,?,?)"
_FIND_TASK: Final = "SELECT place, message, due_at, deliveries, fence FROM tasks WHERE key = ?"
_CHANGE_TASK: Final = (
    "UPDATE tasks SET fence = max(fence, ?), deliveries = coalesce(?, deliveries), message = coalesce(?, message), "
    "place = ?, due_at = ? WHERE key = ?"
)
_DROP_ALIASES: Final = (
    "DELETE FROM aliases WHERE key = ?1 AND NOT EXISTS (SELECT 1 FROM tasks WHERE key = ?1) "
    "AND NOT EXISTS (SELECT 1 FROM results WHERE key = ?1) AND NOT EXISTS (SELECT 1 FROM dead WHERE key = ?1)"
)


class Row(msgspec.Struct, gc=False):
    """A task's row as it is now, within the transaction."""

    place: int
    message: bytes
    due_at: float | None
    deliveries: int
    fence: int


class TransactionWriter:
    """One transaction on its way into the database. Use each once."""

    __slots__ = ("_connection", "_ledger", "_now", "_step", "_ttl_s", "effects")

    def __init__(
        self, connection: sqlite3.Connection, ledger: Ledger, now: float, ttl_s: float, step: Callable[[str], None]
    ) -> None:
        self._connection = connection
        self._ledger = ledger
        self._now = now
        self._ttl_s = ttl_s
        self._step = step
        self.effects = Effects(ledger)

    def write(self, transaction: Transaction) -> Effects:
        """Write all of it, in the order of the fields."""
        aliases = list(transaction.aliases)
        suspects: list[int] = []
        if transaction.puts:
            self._put(transaction.puts, aliases)
        self._step("after_puts")
        if transaction.settled:
            self._settle(transaction.settled, suspects)
        self._step("after_settled")
        if transaction.straight:
            self._put_results(transaction.straight, transaction.ttls)
        self._step("after_straight")
        for change in transaction.changed:
            self._change(change)
        self._step("after_changed")
        for letter in transaction.dead:
            self._bury(letter)
        self._step("after_dead")
        if transaction.taken:
            self._take(transaction.taken)
        if transaction.forgotten:
            self.effects.results -= delete_keys(self._connection, DELETE_RESULTS, set(transaction.forgotten))
            suspects += transaction.forgotten
        if aliases:
            self.add_aliases(aliases)
            suspects += [key for _, key in aliases]
        if suspects:
            self.drop_lost_aliases(suspects)
        if transaction.revoked:
            self._revoke(transaction.revoked)
        self._step("after_taken")
        return self.effects

    # -------------------------------------------------------------------------------------------------------- puts

    def _put(self, puts: list[NewTask], aliases: list[tuple[str, int]]) -> None:
        """Insert new tasks; most have neither an eta nor deliveries and go in many at a time."""
        effects, lanes, taken = self.effects, self._ledger.lanes, self._ledger.taken
        encode, now, born = encode_message, self._now, effects.born
        arrival = effects.arrivals
        values: list[object] = []
        outbox_no, floor = -1, 0
        lane: Lane | None = None
        queue, priority, base, ready = "", -1, 0, 0
        expiring: list[tuple[int, float]] = []
        for put in puts:
            key, message, token = put.key, put.message, put.token
            if key >> NUMBER_BITS != outbox_no:
                outbox_no = key >> NUMBER_BITS
                floor = outbox_no << NUMBER_BITS | taken.get(outbox_no, 0)
            if key <= floor:
                effects.repeated.append(key)
                continue
            if lane is None or message.priority != priority or message.queue != queue:
                if ready and lane is not None:
                    effects.count_ready(lane, ready)
                    ready = 0
                queue, priority = message.queue, message.priority
                lane = lanes.get((queue, priority)) or self.find_lane(queue, priority)
                base = lane.base
            arrival += 1
            place = base | arrival
            due_at = message.eta
            if due_at is not None and not due_at > now:  # not a number counts as no eta: SQLite would store NULL
                due_at = None
            if due_at is None and put.deliveries == 0:
                values += (key, place, encode(message))
            else:
                row = (key, place, encode(message), due_at, put.deliveries, 0)
                self._connection.execute(_INSERT_TASK, row)
            if token:
                born[key] = Lease(token, None, place, due_at, message.result_ttl_s)
                if due_at is not None:
                    effects.note_due(due_at, 1)
            elif due_at is None:
                ready += 1
            else:
                effects.count_scheduled(lane, due_at, 1)
            if message.alias is not None:
                aliases.append((message.alias, key))
            if message.expires is not None:
                expiring.append((key, message.expires))
        if expiring:
            self._expire(expiring)
        if ready and lane is not None:
            effects.count_ready(lane, ready)
        effects.arrivals = arrival
        insert_rows(self._connection, INSERT_TASKS, values, 3)
        self._connection.execute("UPDATE meta SET arrivals = ? WHERE id = 1", (arrival,))

    def _expire(self, tasks: list[tuple[int, float]]) -> None:
        """Note when tasks expire."""
        timed = [(key, expires) for key, expires in tasks if not isnan(expires)]
        if timed:
            self._connection.executemany("INSERT OR REPLACE INTO expiring VALUES (?,?)", timed)
            self.effects.note_expiry(min(expires for _, expires in timed))

    def find_lane(self, queue: str, priority: int) -> Lane:
        """Return the lane for a queue and a priority, which is brought into 0..9; make it where it's missing."""
        name = (queue, min(9, max(0, priority)))
        lane = self._ledger.lanes.get(name) or self.effects.lanes.get(name)
        if lane is None:
            number = 1 + len(self._ledger.lanes_by_number) + len(self.effects.lanes)
            self._connection.execute("INSERT INTO lanes (lane, queue, priority) VALUES (?,?,?)", (number, *name))
            lane = self.effects.lanes[name] = Lane(number, *name)
        return lane

    # ------------------------------------------------------------------------------------------------- settlements

    def _settle(self, settled: list[Settlement], suspects: list[int]) -> None:
        """Delete tasks and insert their results. With a matching lease in the ledger no row is read."""
        ended, leases, default_ttl_s = self.effects.ended, self._ledger.book.by_key, self._ttl_s
        encode = encode_result
        gone: list[int] = []
        values: list[object] = []
        for settlement in settled:
            key, result = settlement.key, settlement.result
            lease = leases.get(key)
            if lease is not None and settlement.token >= lease.token and key not in ended:
                ttl_s = lease.ttl_s
                if lease.due_at is not None:
                    self.effects.note_due(lease.due_at, -1)
            else:
                row = None if key in ended else self._find_acceptable(key, settlement.token)
                if row is None:
                    self.effects.refused.append(key)
                    continue
                ttl_s = decode_message(row.message, key).result_ttl_s
                self._uncount(key, row)
            ended.add(key)
            gone.append(key)
            if result is None:
                suspects.append(key)
            else:
                expires_at = result.finished_at + (default_ttl_s if ttl_s is None else ttl_s)
                if isnan(expires_at):
                    expires_at = self._now + default_ttl_s
                values += (key, expires_at, encode(result))
        self._delete_tasks(gone)
        if self._ledger.has_expiring or self.effects.expires_at is not None:
            delete_keys(self._connection, DELETE_EXPIRING, gone)
        insert_rows(self._connection, INSERT_RESULTS, values, 3)
        self.effects.results += len(values) // 3

    def _put_results(self, straight: list[ResultRecord], ttls: dict[int, float]) -> None:
        default_ttl_s, taken, encode = self._ttl_s, self._ledger.taken, encode_result
        values: list[object] = []
        outbox_no, floor = -1, 0
        for result in straight:
            key = result.key
            if key >> NUMBER_BITS != outbox_no:
                outbox_no = key >> NUMBER_BITS
                floor = outbox_no << NUMBER_BITS | taken.get(outbox_no, 0)
            if key <= floor:
                self.effects.repeated.append(key)
                continue
            expires_at = result.finished_at + (ttls.get(key, default_ttl_s) if ttls else default_ttl_s)
            if isnan(expires_at):
                expires_at = self._now + default_ttl_s
            values += (key, expires_at, encode(result))
        insert_rows(self._connection, INSERT_RESULTS, values, 3)
        self.effects.results += len(values) // 3

    def _delete_tasks(self, keys: list[int]) -> None:
        count = delete_keys(self._connection, DELETE_TASKS, keys)
        if count != len(keys):
            raise StoreDamaged(f"expected {len(keys)} leased tasks in the store, got {count}; run `actorq doctor`")

    # ------------------------------------------------------------------------------------- changes and dead letters

    def _change(self, change: Change) -> None:
        key = change.key
        row = self._accept(key, change.token)
        if row is None:
            return
        effects = self.effects
        place = row.place
        message = None
        if change.message is not None:
            message = encode_message(change.message)
            if change.message.expires is not None:
                self._expire([(key, change.message.expires)])
            lane = self.find_lane(change.message.queue, change.message.priority)
            place = lane.base | row.place & ARRIVAL_MASK
        lane = self._lane_at(place)
        if change.keep_lease:
            due_at = row.due_at
            self._keep_lease(key, change, row, place)
        else:
            due_at = change.due_at if change.due_at is not None and change.due_at > self._now else None
            self._uncount(key, row)
            effects.ended.add(key)
            if due_at is None:
                effects.count_ready(lane, 1)
                effects.returned.append((lane, place, key))
            else:
                effects.count_scheduled(lane, due_at, 1)
        values = (change.token, change.deliveries, message, place, due_at, key)
        self._connection.execute(_CHANGE_TASK, values)

    def _keep_lease(self, key: int, change: Change, row: Row, place: int) -> None:
        """Carry a lease, or the count of a task without one, over to what the row says now."""
        effects, lease = self.effects, self._find_lease(key)
        if change.message is None:
            return
        if lease is not None:
            effects.born[key] = Lease(lease.token, lease.deadline, place, lease.due_at, change.message.result_ttl_s)
        elif place != row.place:
            self._uncount(key, row)
            lane = self._lane_at(place)
            if row.due_at is None:
                effects.count_ready(lane, 1)
                effects.returned.append((lane, place, key))
            else:
                effects.count_scheduled(lane, row.due_at, 1)

    def _bury(self, letter: DeadLetter) -> None:
        key = letter.key
        row = self._accept(key, letter.token)
        if row is None:
            return
        self._uncount(key, row)
        self.effects.ended.add(key)
        self._delete_tasks([key])
        values = (key, letter.died_at, row.deliveries, letter.cause, letter.traceback, row.message)
        self._connection.execute("INSERT INTO dead VALUES (?,?,?,?,?,?)", values)
        self.effects.dead += 1
        ttl_s = decode_message(row.message, key).result_ttl_s
        self.add_result(key, letter.result, ttl_s)

    def add_result(self, key: int, result: ResultRecord, ttl_s: float | None) -> None:
        """Insert one result."""
        expires_at = result.finished_at + (self._ttl_s if ttl_s is None else ttl_s)
        if isnan(expires_at):
            expires_at = self._now + self._ttl_s
        insert_rows(self._connection, INSERT_RESULTS, (key, expires_at, encode_result(result)), 3)
        self.effects.results += 1

    # ------------------------------------------------------------------------------------------ outboxes and aliases

    def _take(self, taken: dict[int, int]) -> None:
        for outbox_no, number in taken.items():
            known = self._ledger.taken.get(outbox_no)
            if known is None:
                raise ValueError(f"expected the number of a registered outbox, got {outbox_no}")
            highest = max(known, number)
            values = (highest, self._now, outbox_no)
            self._connection.execute("UPDATE outboxes SET taken = ?, touched_at = ? WHERE outbox_no = ?", values)
            self.effects.taken[outbox_no] = highest

    def _revoke(self, revoked: dict[str, float | None]) -> None:
        execute = self._connection.execute
        for task_id, expires_at in revoked.items():
            if expires_at is None:
                execute("DELETE FROM revoked WHERE id = ?", (task_id,))
            else:
                execute("INSERT OR REPLACE INTO revoked VALUES (?,?)", (task_id, expires_at))

    def add_aliases(self, aliases: Iterable[tuple[str, int]]) -> None:
        """Let aliases lead to keys; of two equal ones the later counts."""
        for alias, key in aliases:
            self._connection.execute("INSERT OR REPLACE INTO aliases VALUES (?,?)", (alias, key))
        self.effects.aliases = True

    def drop_lost_aliases(self, keys: Iterable[int]) -> None:
        """Drop the aliases of those keys that aren't stored any more."""
        if self._ledger.has_aliases or self.effects.aliases:
            for key in keys:
                self._connection.execute(_DROP_ALIASES, (key,))

    # ------------------------------------------------------------------------------------------------------ private

    def _find_lease(self, key: int) -> Lease | None:
        if key in self.effects.ended:
            return None
        return self.effects.born.get(key) or self._ledger.book.by_key.get(key)

    def _accept(self, key: int, token: int) -> Row | None:
        """Return the row if `token` may still end it, else note the refusal."""
        row = self._find_acceptable(key, token)
        if row is None:
            self.effects.refused.append(key)
        return row

    def _find_acceptable(self, key: int, token: int) -> Row | None:
        found = self._connection.execute(_FIND_TASK, (key,)).fetchone()
        if found is None:
            return None
        row = Row(*found)
        lease = self._find_lease(key)
        return row if token >= (row.fence if lease is None else lease.token) else None

    def _uncount(self, key: int, row: Row) -> None:
        """Take a task that goes, or changes, out of the counts it is in. Leased tasks are in none."""
        effects = self.effects
        if self._find_lease(key) is not None:
            if row.due_at is not None:
                effects.note_due(row.due_at, -1)
        elif row.due_at is None:
            effects.count_ready(self._lane_at(row.place), -1)
        else:
            effects.count_scheduled(self._lane_at(row.place), row.due_at, -1)

    def _lane_at(self, place: int) -> Lane:
        lane = self._ledger.lanes_by_number.get(place >> ARRIVAL_BITS)
        if lane is not None:
            return lane
        return next(lane for lane in self.effects.lanes.values() if lane.base >> ARRIVAL_BITS == place >> ARRIVAL_BITS)


def decode_message(blob: bytes, key: int) -> TaskMessage:
    """Return the stored message of a task.

    Raises:
        StoreDamaged: the bytes aren't one.
    """
    try:
        return _message_decoder.decode(blob)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise StoreDamaged(
            f"expected the message of task {key}, got bytes that aren't one: {error}; {_DOCTOR}"
        ) from error
