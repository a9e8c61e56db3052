"""Ends all that waits of some lanes, in the open SQL transaction; what is leased goes on."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, Final

from actorq.engine.leasing import SCAN_READY
from actorq.engine.ledger import Effects
from actorq.engine.schema import DELETE_TASKS, INSERT_RESULTS, TASK_COLUMNS, delete_keys, insert_rows
from actorq.engine.writer import decode_message, encode_result
from actorq.messages.states import NUMBERS, REVOKED
from actorq.messages.task import ResultRecord

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from actorq.engine.lanes import Lane
    from actorq.engine.ledger import Ledger
    from actorq.engine.schema import TaskRow

__all__ = ["purge_lanes"]

PURGE_CHUNK: Final = 10_000  # tasks held in memory at once; all chunks are one transaction
_SCAN_SCHEDULED: Final = (
    f"SELECT {TASK_COLUMNS} FROM tasks NOT INDEXED "
    "WHERE key > ? AND due_at IS NOT NULL AND place > ? AND place < ? ORDER BY key LIMIT ?"
)


def purge_lanes(
    connection: sqlite3.Connection, ledger: Ledger, lanes: Iterable[Lane], *, now: float, result_expires_s: float
) -> Effects:
    """Replace tasks that nobody has leased by results that say REVOKED, kept for `result_expires_s` where a task doesn't say."""
    effects, execute = Effects(ledger), connection.execute

    def revoke(lane: Lane, rows: list[TaskRow]) -> None:
        values: list[object] = []
        keys: list[int] = []
        for key, _, blob, due_at, _, _ in rows:
            if key in ledger.book.by_key:
                continue
            if due_at is None:
                effects.count_ready(lane, -1)
            else:
                effects.count_scheduled(lane, due_at, -1)
            ttl_s = decode_message(blob, key).result_ttl_s
            result = ResultRecord(key, NUMBERS[REVOKED], finished_at=now)
            ttl_s = result_expires_s if ttl_s is None or isnan(ttl_s) else ttl_s
            values += (key, now + ttl_s, encode_result(result))
            keys.append(key)
        effects.results += delete_keys(connection, DELETE_TASKS, keys)
        insert_rows(connection, INSERT_RESULTS, values, 3)

    for lane in lanes:
        at = lane.base
        while rows := execute(SCAN_READY, (at, lane.end, PURGE_CHUNK)).fetchall():
            at = rows[-1][1]
            revoke(lane, rows)
        at = 0
        while rows := execute(_SCAN_SCHEDULED, (at, lane.base, lane.end, PURGE_CHUNK)).fetchall():
            at = rows[-1][0]
            revoke(lane, rows)
    return effects
