"""The tables of the embedded store, and the statements over them.

One row per task under an integer rowid (a random primary key would fall to an eighth of the speed), one blob per
message. Order is one integer, `place = lane << ARRIVAL_BITS | arrival`, in a partial index over the rows without a due
time; leases aren't columns at all (see `actorq.engine.leases`).

Statements over many rows come in a few fixed sizes, so that their texts, and what SQLite compiled from them, are reused.
Never `executemany`: it gives up the interpreter lock for each row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

__all__ = [
    "ADDITIONS",
    "APPLICATION_ID",
    "ARRIVAL_BITS",
    "ARRIVAL_MASK",
    "DELETE_EXPIRING",
    "DELETE_RESULTS",
    "DELETE_TASKS",
    "INSERT_RESULTS",
    "INSERT_TASKS",
    "SCHEMA",
    "SCHEMA_VERSION",
    "TASK_COLUMNS",
    "TaskRow",
    "delete_keys",
    "insert_rows",
    "select_keys",
    "select_tasks",
]

APPLICATION_ID: Final = 0x61637471  # "actq"
SCHEMA_VERSION: Final = 1  # raised when a version before can't use the tables
ARRIVAL_BITS: Final = 44  # 1.7e13 tasks over the life of a store; leaves 19 bits for lanes
ARRIVAL_MASK: Final = (1 << ARRIVAL_BITS) - 1
CHUNKS: Final = (256, 64, 16, 4, 1)  # rows per statement; the largest that fits goes first
RUN_LENGTH: Final = 8  # from so many consecutive keys on, deleting a range is quicker than a list

SCHEMA: Final = f"""
    CREATE TABLE meta (
        id INTEGER PRIMARY KEY CHECK (id = 1), store_id INTEGER NOT NULL,
        seq INTEGER NOT NULL, epoch INTEGER NOT NULL, arrivals INTEGER NOT NULL, last_outbox_no INTEGER NOT NULL
    );
    CREATE TABLE lanes (lane INTEGER PRIMARY KEY, queue TEXT NOT NULL, priority INTEGER NOT NULL);
    CREATE TABLE tasks (
        key INTEGER PRIMARY KEY, place INTEGER NOT NULL, message BLOB NOT NULL,
        due_at REAL, deliveries INTEGER NOT NULL DEFAULT 0, fence INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX ready ON tasks (place) WHERE due_at IS NULL;
    CREATE INDEX due ON tasks (due_at) WHERE due_at IS NOT NULL;
    CREATE TABLE results (key INTEGER PRIMARY KEY, expires_at REAL NOT NULL, record BLOB NOT NULL);
    CREATE INDEX expiry ON results (expires_at);
    CREATE TABLE dead (
        key INTEGER PRIMARY KEY, died_at REAL NOT NULL, deliveries INTEGER NOT NULL,
        cause TEXT NOT NULL, traceback TEXT NOT NULL, message BLOB NOT NULL
    );
    CREATE TABLE aliases (alias TEXT PRIMARY KEY, key INTEGER NOT NULL) WITHOUT ROWID;
    CREATE INDEX alias_keys ON aliases (key);
    CREATE TABLE outboxes (
        outbox_no INTEGER PRIMARY KEY, outbox_id INTEGER NOT NULL UNIQUE, taken INTEGER NOT NULL, touched_at REAL NOT NULL
    );
    CREATE TABLE paused (queue TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE leaders (name TEXT PRIMARY KEY, epoch INTEGER NOT NULL) WITHOUT ROWID;
    PRAGMA application_id = {APPLICATION_ID};
    PRAGMA user_version = {SCHEMA_VERSION};
"""


# Tables that came later. A version before doesn't miss them, so they don't raise the version: made where they are missing.
ADDITIONS: Final = (
    "CREATE TABLE IF NOT EXISTS revoked (id TEXT PRIMARY KEY, expires_at REAL NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS result_groups (id TEXT PRIMARY KEY, expires_at REAL NOT NULL, body BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS expiring (key INTEGER PRIMARY KEY, look_at REAL NOT NULL)",
    "CREATE INDEX IF NOT EXISTS expiring_first ON expiring (look_at)",
)


def _in_sizes(head: str, item: str, tail: str = "") -> tuple[tuple[int, str], ...]:
    return tuple((size, head + ",".join([item] * size) + tail) for size in CHUNKS)


INSERT_TASKS: Final = _in_sizes("INSERT INTO tasks (key, place, message) VALUES ", "(?,?,?)")
INSERT_RESULTS: Final = _in_sizes("INSERT INTO results (key, expires_at, record) VALUES ", "(?,?,?)")
DELETE_TASKS: Final = (
    "DELETE FROM tasks WHERE key BETWEEN ? AND ?",
    _in_sizes("DELETE FROM tasks WHERE key IN (", "?", ")"),
)
DELETE_RESULTS: Final = (
    "DELETE FROM results WHERE key BETWEEN ? AND ?",
    _in_sizes("DELETE FROM results WHERE key IN (", "?", ")"),
)
DELETE_EXPIRING: Final = (
    "DELETE FROM expiring WHERE key BETWEEN ? AND ?",
    _in_sizes("DELETE FROM expiring WHERE key IN (", "?", ")"),
)
TASK_COLUMNS: Final = "key, place, message, due_at, deliveries, fence"
TaskRow: TypeAlias = "tuple[int, int, bytes, float | None, int, int]"  # of TASK_COLUMNS
_SELECTS: Final[dict[str, tuple[tuple[int, str], ...]]] = {}


def insert_rows(
    connection: sqlite3.Connection, statements: tuple[tuple[int, str], ...], values: Sequence[object], width: int
) -> None:
    """Insert rows whose columns, `width` a row, lie flat one after another in `values`."""
    at, end = 0, len(values)
    execute = connection.execute
    for size, sql in statements:
        span = size * width
        while end - at >= span:
            execute(sql, values[at : at + span])
            at += span


def delete_keys(
    connection: sqlite3.Connection, statements: tuple[str, tuple[tuple[int, str], ...]], keys: Iterable[int]
) -> int:
    """Delete rows by key, long runs of consecutive keys as ranges; return how many there were."""
    by_range, by_list = statements
    runs, scattered = _split_runs(sorted(keys))
    execute = connection.execute
    count = sum(execute(by_range, run).rowcount for run in runs)
    at, end = 0, len(scattered)
    for size, sql in by_list:
        while end - at >= size:
            count += execute(sql, scattered[at : at + size]).rowcount
            at += size
    return count


def select_keys(connection: sqlite3.Connection, columns_from: str, keys: Sequence[int]) -> list[Any]:
    """Return the rows of `columns_from` ("key, … FROM table") with these keys, in no particular order."""
    statements = _SELECTS.get(columns_from)
    if statements is None:
        statements = _SELECTS[columns_from] = _in_sizes(f"SELECT {columns_from} WHERE key IN (", "?", ")")
    rows: list[Any] = []
    at, end = 0, len(keys)
    for size, sql in statements:
        while end - at >= size:
            rows += connection.execute(sql, keys[at : at + size]).fetchall()
            at += size
    return rows


def select_tasks(connection: sqlite3.Connection, keys: Sequence[int]) -> list[TaskRow]:
    """Return the rows of tasks with these keys, in no particular order."""
    return select_keys(connection, f"{TASK_COLUMNS} FROM tasks", keys)


def _split_runs(keys: list[int]) -> tuple[list[tuple[int, int]], list[int]]:
    """Split ascending distinct keys into long runs `(first, last)` and the rest."""
    if not keys:
        return [], []
    if keys[-1] - keys[0] == len(keys) - 1:  # the usual batch: neighbours from one outbox
        return [(keys[0], keys[-1])], []
    runs: list[tuple[int, int]] = []
    scattered: list[int] = []
    start = 0
    for at in range(1, len(keys) + 1):
        if at < len(keys) and keys[at] == keys[at - 1] + 1:
            continue
        if at - start >= RUN_LENGTH:
            runs.append((keys[start], keys[at - 1]))
        else:
            scattered += keys[start:at]
        start = at
    return runs, scattered
