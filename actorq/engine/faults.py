"""What can be wrong inside a store that opens: found by reading all of it, for `actorq doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from actorq.engine.schema import ARRIVAL_BITS
from actorq.engine.writer import decode_message
from actorq.errors import StoreDamaged
from actorq.messages.task import ResultRecord

if TYPE_CHECKING:
    import sqlite3

    from actorq.engine.ledger import Ledger

__all__ = ["decode_result", "find_faults"]

_result_decoder: Final = msgspec.msgpack.Decoder(ResultRecord)


def find_faults(connection: sqlite3.Connection, ledger: Ledger) -> list[str]:
    """Return one line for each thing that is wrong in an open store."""
    execute = connection.execute
    faults = [f"structure: {line}" for (line,) in execute("PRAGMA integrity_check").fetchall() if line != "ok"]
    for table in ("tasks", "dead"):
        for key, blob in execute(f"SELECT key, message FROM {table}"):
            try:
                decode_message(blob, key)
            except StoreDamaged as error:
                faults.append(f"{table}: {error}")
    for key, blob in execute("SELECT key, record FROM results"):
        try:
            decode_result(blob, key)
        except StoreDamaged as error:
            faults.append(f"results: {error}")
    both = "SELECT count(*) FROM tasks JOIN results USING (key)"
    if count := execute(both).fetchone()[0]:
        faults.append(f"tasks: {count} have a result already")
    stored = execute("SELECT count(*) FROM tasks").fetchone()[0]
    counted = sum(queue.ready + queue.leased + queue.scheduled for queue in ledger.count_queues().values())
    if stored != counted:
        faults.append(f"counts: expected {counted} tasks, got {stored}")
    for table, expected in (("results", ledger.results), ("dead", ledger.dead)):
        found = execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        if found != expected:
            faults.append(f"counts: expected {expected} {table}, got {found}")
    nowhere = "SELECT count(*) FROM tasks WHERE place >> ? NOT IN (SELECT lane FROM lanes)"
    lost = execute(nowhere, (ARRIVAL_BITS,)).fetchone()[0]
    if lost:
        faults.append(f"tasks: {lost} are in a lane that doesn't exist")
    return faults


def decode_result(blob: bytes, key: int) -> ResultRecord:
    """Return a stored result.

    Raises:
        StoreDamaged: the bytes aren't one.
    """
    try:
        return _result_decoder.decode(blob)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise StoreDamaged(f"expected the result of task {key}, got bytes that aren't one: {error}") from error
