"""On a full disk new work is refused, what was started is settled, and when there is room again all is as before."""

from __future__ import annotations

import os
import subprocess

import pytest

from actorq.engine import SqliteEngine, Transaction
from actorq.engine.ballast import BALLAST_BYTES, Ballast
from actorq.errors import QueueFull, StoreFull
from actorq.messages.ids import make_key
from actorq.testing.engine_script import OUTBOX, make_result, make_task, settle

DISK_BYTES = 24 << 20


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 24 MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=700", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"mounting isn't allowed here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def engine(small_disk):
    engine = SqliteEngine(small_disk / "store.db")
    engine.open()
    engine.register_outbox(OUTBOX)
    yield engine
    engine.close()


def fill(path, leave_bytes=0):
    """Write a file until the disk has no room, then cut it."""
    with open(path, "wb", buffering=0) as file:
        written = 0
        while True:
            try:
                written += file.write(bytes(64 << 10))
            except OSError:
                break
    os.truncate(path, max(0, written - leave_bytes))


def big_tasks(first, count):
    tasks = [make_task(number) for number in range(first, first + count)]
    for task in tasks:
        task.message.body = bytes(4000)
    return tasks


def put_until_full(engine, first=1, batch=20):
    """Put batches until one is refused; return the number of the first task that wasn't taken."""
    number = first
    with pytest.raises(StoreFull):
        while True:
            engine.commit(Transaction(puts=big_tasks(number, batch), taken={1: number + batch - 1}))
            number += batch
    return number


def test_a_full_disk_refuses_new_work_and_settles_the_old(engine, small_disk):
    engine.commit(Transaction(puts=big_tasks(1, 400), taken={1: 400}))
    leased = engine.lease(["default"], 300)
    fill(small_disk / "filler")
    number = put_until_full(engine, 401)
    assert engine.stats().full
    assert engine.find_outbox(OUTBOX) == (1, number - 1)
    with pytest.raises(QueueFull):
        engine.put(big_tasks(number, 1))
    assert engine.load([make_key(1, number)]) == []
    for at in range(0, 300, 10):
        assert engine.commit(Transaction(settled=[settle(task) for task in leased[at : at + 10]])).refused == []
    assert engine.stats().results == 300
    straight = Transaction(straight=[make_result(make_key(1, number))], taken={1: number})
    assert engine.commit(straight).refused == []
    assert engine.check() == []

    os.unlink(small_disk / "filler")
    engine.put(big_tasks(number + 1, 10))
    assert not engine.stats().full
    assert (small_disk / "store.ballast").stat().st_size == BALLAST_BYTES
    assert engine.check() == []


def test_our_own_backlog_fills_the_disk_and_drains_it(engine, small_disk):
    """Nobody else frees anything: room comes from settling alone."""
    number = put_until_full(engine)
    assert number > 1000
    while leased := engine.lease(["default"], 50):
        engine.commit(Transaction(settled=[settle(task) for task in leased]))
    assert engine.stats().results == number - 1
    assert engine.check() == []
    engine.prune(1e12, 10_000)


def test_a_full_disk_survives_a_restart(engine, small_disk):
    engine.commit(Transaction(puts=big_tasks(1, 100), taken={1: 100}))
    fill(small_disk / "filler")
    number = put_until_full(engine, 101)
    engine.close()
    fill(small_disk / "filler2")
    again = SqliteEngine(small_disk / "store.db")
    try:
        opened = again.open()
    except StoreFull:
        os.unlink(small_disk / "filler2")
        opened = again.open()
    assert opened.ready == {"default": number - 1}
    with pytest.raises(StoreFull):
        again.put(big_tasks(number, 1))
    leased = again.lease(["default"], 5)
    os.truncate(small_disk / "filler", 0)
    again.prune(0, 10)  # what a node calls now and then
    assert (small_disk / "store.ballast").stat().st_size == BALLAST_BYTES
    again.commit(Transaction(puts=big_tasks(number, 1), settled=[settle(task) for task in leased]))
    assert again.check() == []
    again.close()


def test_a_store_cannot_begin_on_a_full_disk(small_disk):
    fill(small_disk / "filler")
    with pytest.raises(StoreFull, match="no space left on the disk"):
        SqliteEngine(small_disk / "store.db").open()
    os.unlink(small_disk / "filler")
    engine = SqliteEngine(small_disk / "store.db")
    assert engine.open().epoch == 1
    engine.close()


def test_ballast_takes_real_blocks_and_gives_them_back(tmp_path):
    ballast = Ballast(tmp_path / "ballast", 1 << 20)
    assert ballast.take()
    assert ballast.take()
    assert ballast.path.stat().st_blocks * 512 >= 1 << 20
    ballast.release()
    ballast.release()
    assert not ballast.is_held()
