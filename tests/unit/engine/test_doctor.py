"""The doctor looks without harm, and accepts a loss only when asked."""

from __future__ import annotations

import os
import shutil

import pytest

from actorq.engine import SqliteEngine, Transaction
from actorq.engine.doctor import accept_losses, describe_sqlite, examine_store
from actorq.errors import StoreDamaged, StoreLocked
from actorq.testing.engine_script import OTHER_OUTBOX, OUTBOX, make_task, settle


@pytest.fixture
def torn(tmp_path):
    """A store whose log lost its end: 20 confirmed tasks, a part of them gone."""
    engine = SqliteEngine(tmp_path / "origin" / "store.db")
    engine.open()
    engine.register_outbox(OUTBOX)
    engine.put([make_task(number) for number in range(1, 11)])
    engine.begin_epoch()
    engine.put([make_task(number) for number in range(11, 21)])
    shutil.copytree(tmp_path / "origin", tmp_path / "home")
    engine.close()
    log = tmp_path / "home" / "store.db-wal"
    os.truncate(log, log.stat().st_size - 100)
    return tmp_path / "home" / "store.db"


def test_nothing_is_wrong_with_nothing(tmp_path):
    assert examine_store(tmp_path / "store.db") == []
    assert list(tmp_path.iterdir()) == []


def test_a_sound_store_has_no_faults(tmp_path):
    engine = SqliteEngine(tmp_path / "store.db")
    engine.open()
    engine.put([make_task(number) for number in range(1, 11)])
    with pytest.raises(StoreLocked):
        examine_store(tmp_path / "store.db")
    engine.close()
    assert examine_store(tmp_path / "store.db") == []


def test_a_torn_store_is_described_and_can_be_accepted_as_it_is(torn):
    for _ in range(2):
        (fault,) = examine_store(torn)
        assert "1 confirmed commits are missing" in fault
    assert accept_losses(torn) == 1
    assert examine_store(torn) == []
    engine = SqliteEngine(torn)
    opened = engine.open()
    assert opened.ready == {"default": 10}
    assert opened.epoch > 1000  # above every token that a lost epoch minted
    assert engine.register_outbox(OTHER_OUTBOX)[0] > 1000  # and no number that was given out
    engine.commit(Transaction(settled=[settle(task) for task in engine.lease(["default"], 10)]))
    engine.close()
    assert any("mark.refused" in path.name for path in torn.parent.iterdir())


def test_a_store_that_is_damaged_itself_is_not_accepted(torn):
    os.unlink(torn.with_name("store.db-wal"))
    torn.write_bytes(b"nothing of a database" * 1000)
    with pytest.raises(StoreDamaged):
        accept_losses(torn)


def test_the_version_of_sqlite_is_told():
    assert describe_sqlite().startswith("SQLite 3.")
