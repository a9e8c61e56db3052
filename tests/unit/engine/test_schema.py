"""Statements over many rows touch the rows they are given and no others."""

from __future__ import annotations

import sqlite3

import hypothesis.strategies as st
from hypothesis import given, settings

from actorq.engine.schema import DELETE_RESULTS, INSERT_RESULTS, delete_keys, insert_rows, select_keys

KEYS = st.sets(st.integers(0, 400), max_size=400)


@given(stored=KEYS, deleted=KEYS, run=st.integers(0, 60))
@settings(max_examples=60, deadline=None)
def test_rows_are_inserted_selected_and_deleted_by_key(stored, deleted, run):
    deleted |= set(range(100, 100 + run))
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("CREATE TABLE results (key INTEGER PRIMARY KEY, expires_at REAL, record BLOB)")
    insert_rows(connection, INSERT_RESULTS, [value for key in stored for value in (key, 0.5, b"x")], 3)
    selected = [key for key, _ in select_keys(connection, "key, record FROM results", list(deleted))]
    assert sorted(selected) == sorted(stored & deleted)
    assert delete_keys(connection, DELETE_RESULTS, deleted) == len(stored & deleted)
    assert {key for (key,) in connection.execute("SELECT key FROM results")} == stored - deleted
    connection.close()
