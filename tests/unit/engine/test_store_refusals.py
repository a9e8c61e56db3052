"""What isn't what was confirmed is refused, with one clear error."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from actorq.engine import SqliteEngine, Transaction
from actorq.engine.mark import Mark, MarkFile
from actorq.errors import StoreDamaged, StoreError, StoreFull, StoreLocked
from actorq.testing.clock import FakeClock
from actorq.testing.engine_script import OUTBOX, make_task, settle

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")


@pytest.fixture
def home(tmp_path):
    """A store as a kill leaves it: 30 tasks confirmed, most of it in the log."""
    return make_killed_home(tmp_path)


def make_killed_home(folder, durability="power"):
    engine = SqliteEngine(folder / "origin" / "store.db", durability=durability)
    engine.open()
    engine.register_outbox(OUTBOX)
    for first in (1, 11, 21):
        engine.commit(Transaction(puts=[make_task(number) for number in range(first, first + 10)]))
    shutil.copytree(folder / "origin", folder / "home")
    engine.close()
    return folder / "home"


def open_store(home, durability="power"):
    engine = SqliteEngine(home / "store.db", durability=durability)
    opened = engine.open()
    engine.close()
    return opened


def test_an_intact_store_opens_after_a_kill(home):
    assert (home / "store.db-wal").stat().st_size > 0
    assert open_store(home).ready == {"default": 30}
    assert open_store(home).ready == {"default": 30}


def test_a_deleted_log_is_refused(home):
    os.unlink(home / "store.db-wal")
    with pytest.raises(StoreDamaged, match="actorq doctor"):
        open_store(home)


def test_a_truncated_log_is_refused_again_and_again_and_kept(home):
    log = home / "store.db-wal"
    content = log.read_bytes()
    os.truncate(log, log.stat().st_size - 4096)
    for _ in range(2):
        with pytest.raises(StoreDamaged, match="confirmed commits are missing"):
            open_store(home)
    (kept,) = [path for path in home.iterdir() if "refused" in path.name]
    assert kept.read_bytes() == content[:-4096]


def test_a_flipped_bit_anywhere_in_the_log_is_refused_or_changes_nothing(home, tmp_path):
    size = (home / "store.db-wal").stat().st_size
    refused = 0
    for number, offset in enumerate(range(3, size, size // 40)):
        copy = tmp_path / f"copy{number}"
        shutil.copytree(home, copy)
        flip_bit(copy / "store.db-wal", offset)
        try:
            assert open_store(copy).ready == {"default": 30}
        except StoreDamaged:
            refused += 1
    assert refused >= 38


def test_a_flipped_bit_in_the_file_is_refused_or_changes_nothing_that_counts(home, tmp_path):
    open_store(home)  # folds the log in
    size = (home / "store.db").stat().st_size
    assert size > 20_000
    refused = 0
    for number, offset in enumerate(range(5, size, size // 59)):  # a name that is another one isn't seen: not that byte
        copy = tmp_path / f"copy{number}"
        shutil.copytree(home, copy)
        flip_bit(copy / "store.db", offset)
        try:
            engine = SqliteEngine(copy / "store.db")
            assert engine.open().ready == {"default": 30}
            engine.lease(["default"], 100)
            engine.close()
        except (StoreDamaged, StoreLocked):
            refused += 1
    assert refused > 0


def test_a_damaged_header_is_refused(home):
    open_store(home)
    with open(home / "store.db", "r+b") as file:
        file.write(b"something else entirely, not SQLite")
    with pytest.raises(StoreDamaged, match="sound database"):
        open_store(home)


def test_a_store_cut_in_half_is_refused(home):
    open_store(home)
    os.truncate(home / "store.db", (home / "store.db").stat().st_size // 2)
    with pytest.raises(StoreDamaged):
        open_store(home)


@pytest.mark.parametrize("left", ["nothing", "an empty file"])
def test_a_store_that_vanished_is_not_begun_anew(home, left):
    for name in ("store.db", "store.db-wal"):
        os.unlink(home / name)
    if left == "an empty file":
        (home / "store.db").touch(mode=0o600)
    with pytest.raises(StoreDamaged, match="expected a store with commit"):
        open_store(home)


def test_an_old_backup_is_refused(home):
    open_store(home)
    backup = (home / "store.db").read_bytes()
    engine = SqliteEngine(home / "store.db")
    engine.open()
    engine.put([make_task(99)])
    engine.close()
    (home / "store.db").write_bytes(backup)
    with pytest.raises(StoreDamaged, match="confirmed commits are missing"):
        open_store(home)


def test_another_homes_store_is_refused(home, tmp_path):
    open_store(home)
    other = tmp_path / "other"
    open_store(other)
    shutil.copy(other / "store.mark", home / "store.mark")
    with pytest.raises(StoreDamaged, match="another one's copy"):
        open_store(home)


def test_a_missing_or_damaged_mark_is_refused(home):
    content = (home / "store.mark").read_bytes()
    for broken in (b"", content[:-1], content[:10] + b"\xff" + content[11:]):
        (home / "store.mark").write_bytes(broken)
        with pytest.raises(StoreDamaged, match=r"store\.mark"):
            open_store(home)
    os.unlink(home / "store.mark")
    with pytest.raises(StoreDamaged, match=r"store\.mark"):
        open_store(home)
    (home / "store.mark").write_bytes(content)
    assert open_store(home).ready == {"default": 30}


def test_a_power_cut_may_undo_process_safe_commits_but_a_kill_may_not(tmp_path):
    home = make_killed_home(tmp_path, "process")
    os.unlink(home / "store.db-wal")
    with pytest.raises(StoreDamaged):
        open_store(home, "process")
    mark = MarkFile(home / "store.mark").read()
    assert mark is not None
    assert not mark.is_power_safe
    other_boot = Mark(mark.store_id, mark.seq, mark.boot_hash ^ 1, is_power_safe=False)
    (home / "store.mark").write_bytes(other_boot.encode())
    open_store(home, "process")


def test_a_power_cut_may_not_undo_power_safe_commits(home):
    os.unlink(home / "store.db-wal")
    mark = MarkFile(home / "store.mark").read()
    assert mark is not None
    other_boot = Mark(mark.store_id, mark.seq, mark.boot_hash ^ 1, mark.is_power_safe)
    (home / "store.mark").write_bytes(other_boot.encode())
    with pytest.raises(StoreDamaged):
        open_store(home, "process")


def test_a_kill_between_making_the_store_and_its_mark_is_healed(tmp_path, monkeypatch):
    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(MarkFile, "create", die)
        with pytest.raises(KeyboardInterrupt):
            open_store(tmp_path)
    assert not (tmp_path / "store.mark").exists()
    assert open_store(tmp_path).epoch == 1


def test_a_store_of_a_newer_version_is_refused(home):
    open_store(home)
    connection = sqlite3.connect(home / "store.db")
    connection.execute("PRAGMA user_version = 7")
    connection.close()
    with pytest.raises(StoreDamaged, match="version 7; a newer actorq wrote it"):
        open_store(home)


def test_somebody_elses_database_is_refused(tmp_path):
    connection = sqlite3.connect(tmp_path / "store.db")
    connection.execute("CREATE TABLE shopping (item)")
    connection.close()
    with pytest.raises(StoreDamaged, match="a database of something else"):
        open_store(tmp_path)


def test_another_process_has_it_open(tmp_path):
    program = (
        "import sys, pathlib; from actorq.engine import SqliteEngine;"
        "SqliteEngine(pathlib.Path(sys.argv[1])).open(); print('open', flush=True); sys.stdin.read()"
    )
    arguments = [sys.executable, "-c", program, str(tmp_path / "store.db")]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        with pytest.raises(StoreLocked, match="another process has open"):
            open_store(tmp_path)
        assert {path.suffix for path in tmp_path.iterdir()} == {".db", ".db-wal", ".mark", ".ballast"}
        process.kill()
    assert open_store(tmp_path).epoch == 2


def test_a_reader_from_outside_is_locked_out(tmp_path):
    engine = SqliteEngine(tmp_path / "store.db")
    engine.open()
    program = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('SELECT * FROM meta')"
    result = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "store.db")], capture_output=True, text=True, check=False
    )
    assert "locked" in result.stderr
    engine.close()


@needs_root
def test_another_users_store_is_refused(home):
    os.chown(home / "store.db", 12345, 12345)
    with pytest.raises(StoreLocked, match="one of user 12345"):
        open_store(home)


def test_something_that_is_not_a_file_is_refused(tmp_path):
    (tmp_path / "store.db").mkdir()
    with pytest.raises(StoreLocked, match="a regular file"):
        open_store(tmp_path)


@pytest.fixture
def plain_user():
    """A folder of a user who isn't root, and this process acting as that user."""
    folder = Path(tempfile.mkdtemp())  # not below tmp_path, which only its owner may enter
    is_root = os.geteuid() == 0
    if is_root:
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
    yield folder
    if is_root:
        os.seteuid(0)
    shutil.rmtree(folder)


def test_an_unreadable_store_is_refused(plain_user):
    open_store(plain_user)
    (plain_user / "store.db").chmod(0)
    with pytest.raises(StoreLocked, match=r"can be read and written at .*, got mode 0"):
        open_store(plain_user)


def test_a_folder_that_cannot_be_written_is_refused(plain_user):
    plain_user.chmod(0o500)
    with pytest.raises(StoreLocked, match="a folder that can be written"):
        open_store(plain_user)


def test_the_files_are_private(tmp_path):
    engine = SqliteEngine(tmp_path / "store.db")
    engine.open()
    engine.put([make_task(1)])
    names = {"store.db", "store.db-wal", "store.mark", "store.ballast"}
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == dict.fromkeys(names, 0o600)
    engine.close()


def test_an_interrupted_engine_says_so_until_it_is_opened_again(tmp_path):
    engine = SqliteEngine(tmp_path / "store.db")
    engine.open()

    def probe(step):
        if step == "after_commit":
            raise KeyboardInterrupt

    engine.probe = probe
    with pytest.raises(KeyboardInterrupt):
        engine.put([make_task(1)])
    engine.probe = None
    with pytest.raises(StoreError, match="interrupted after a commit"):
        engine.lease(["default"], 1)
    engine.close()
    assert engine.open().ready == {"default": 1}
    engine.close()


def test_memory_durability_leaves_no_file(tmp_path):
    engine = SqliteEngine(tmp_path / "store.db", durability="none")
    engine.open()
    engine.put([make_task(1)])
    engine.commit(Transaction(settled=[settle(task) for task in engine.lease(["default"], 1)]))
    assert engine.stats().results == 1
    assert engine.stats().bytes > 0
    engine.close()
    assert list(tmp_path.iterdir()) == []
    assert engine.open().ready == {}
    engine.close()


def test_a_wrong_durability_is_a_mistake(tmp_path):
    with pytest.raises(ValueError, match="'power', 'process', 'none', got 'strong'"):
        SqliteEngine(tmp_path / "store.db", durability="strong")  # type: ignore[arg-type]


def test_checking_finds_what_cannot_be(tmp_path):
    engine = SqliteEngine(tmp_path / "store.db", durability="none", clock=FakeClock())
    engine.open()
    engine.put([make_task(1), make_task(2)])
    connection = engine._store.connection
    connection.execute("UPDATE tasks SET message = x'c1' WHERE key = (SELECT min(key) FROM tasks)")
    connection.execute("INSERT INTO results SELECT max(key), 0, x'c1' FROM tasks")
    connection.execute("DELETE FROM lanes")
    assert len(engine.check()) == 5
    with pytest.raises(StoreDamaged, match="message of task"):
        engine.lease(["default"], 5)
    engine.close()


def test_a_full_disk_at_the_first_open_is_its_own_error(tmp_path, monkeypatch):
    def no_room(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(MarkFile, "create", no_room)
    with pytest.raises(StoreFull):
        open_store(tmp_path)


def flip_bit(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        (byte,) = file.read(1)
        file.seek(offset)
        file.write(bytes([byte ^ 0x10]))
