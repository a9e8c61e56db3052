"""The SQLite file and everything beside it: its lock, its mark, its reserve, its only connection.

One connection, exclusive, write-ahead log: SQLite below 3.51.3 can corrupt a log that two connections reset, and an
exclusive one keeps the log's index in memory, where a full disk can't kill us. The invariant: `write` either returns
with its work committed and marked, or raises with nothing changed; where it can't know, the store stops working until
it is opened anew, because a failed sync must not be tried twice.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from actorq.engine.ballast import Ballast
from actorq.engine.mark import Mark, MarkFile, read_boot_hash
from actorq.engine.schema import APPLICATION_ID, SCHEMA, SCHEMA_VERSION
from actorq.errors import StoreDamaged, StoreError, StoreFull, StoreLocked
from actorq.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Durability", "Store"]

Durability = Literal["power", "process", "none"]
T = TypeVar("T")
log = get_logger(__name__)

SYNCHRONOUS: Final = {"power": "FULL", "process": "NORMAL", "none": "OFF"}
CHECKPOINT_PAGES: Final = 1000  # 4 MiB; a log that is reused is synced faster than one that grows
CHECKPOINT_PAGES_FULL: Final = 64  # on a full disk the log must stay small
CACHE_KIB: Final = 10 << 10  # taken as needed, kept for good; 32 MiB made settling 5 % faster
QUICK_CHECK_BYTES: Final = 32 << 20  # up to this size the whole structure is checked at each open (about 0.1 s)
NEW_STORE_SEQ: Final = 0
_DOCTOR: Final = "run `actorq doctor`"


class Store:
    """A store file that is open for this process alone, or about to be."""

    def __init__(self, path: Path, durability: Durability) -> None:
        self.path = path
        self.durability = durability
        self.probe: Callable[[str], None] | None = None
        self.seq = NEW_STORE_SEQ
        self.is_full = False
        self.store_id = 0
        self._connection: sqlite3.Connection | None = None
        self._trouble = "it isn't open"
        self._boot_hash = read_boot_hash()
        on_disk = durability != "none"
        self._mark = MarkFile(path.with_name("store.mark")) if on_disk else None
        self._ballast = Ballast(path.with_name("store.ballast")) if on_disk else None

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection, for reading, and for writing inside `write`.

        Raises:
            StoreError: the store isn't open, or stopped working.
        """
        if self._connection is None or self._trouble:
            raise StoreError(f"expected a store that works at {self.path}, but {self._trouble}; open it again")
        return self._connection

    # ------------------------------------------------------------------------------------------------------- life

    def open(self, *, is_loss_accepted: bool = False) -> None:
        """Take the store, check it against its mark, and make it where there is none.

        With `is_loss_accepted` a missing mark is made anew from what is there; for the doctor.

        Raises:
            StoreLocked, StoreDamaged, StoreFull: see `Engine.open`.
        """
        self.is_full = False
        mark = self._mark.read() if self._mark is not None else None
        if self._mark is not None:
            self._check_owner(mark)
        try:
            self._connect()
            self._trouble = ""
            if self._is_new():
                self._create(mark)
            else:
                self._check(mark, is_loss_accepted=is_loss_accepted)
        except sqlite3.DatabaseError as error:
            refusal = self._explain(error)
            self._abandon(refusal)
            raise refusal from error
        except OSError as error:
            self._abandon(error)
            raise StoreFull(str(self.path)) from error
        except BaseException as error:
            self._abandon(error)
            raise
        self.restore_ballast()

    def close(self) -> None:
        """Fold the log into the file and let go; twice is fine."""
        if self._connection is not None and not self._trouble:
            with suppress(sqlite3.Error):  # whatever couldn't be folded in is still in the log
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._disconnect("it was closed")

    def measure_bytes(self) -> int:
        """Return what the store takes on the disk, its log included."""
        if self._mark is None:
            pages = self.connection.execute("PRAGMA page_count").fetchone()[0]
            return int(pages * self.connection.execute("PRAGMA page_size").fetchone()[0])
        total = 0
        for path in (self.path, self._log_path):
            with suppress(FileNotFoundError):
                total += os.stat(path).st_size
        return total

    # ----------------------------------------------------------------------------------------------------- writing

    def step(self, name: str) -> None:
        """Tell the probe where we are."""
        if self.probe is not None:
            self.probe(name)

    def write(self, work: Callable[[], T], *, is_refusable: bool = False) -> T:
        """Run `work` inside a transaction, commit, mark; return what it returned.

        On a full disk refusable work is refused, other work is tried again with the reserve released; so `work` may
        run twice and must change nothing but the database.

        Raises:
            StoreFull: no room; nothing has changed.
            StoreDamaged: SQLite met something that can't be.
        """
        if self.is_full and is_refusable and not self.restore_ballast():
            raise StoreFull(str(self.path))
        try:
            return self._write_once(work)
        except sqlite3.DatabaseError as error:
            if _code_of(error) != sqlite3.SQLITE_FULL:
                raise self._explain(error) from error
            self._make_room()
            if is_refusable:
                raise StoreFull(str(self.path)) from error
        try:
            return self._write_once(work)
        except sqlite3.DatabaseError as error:
            raise self._explain(error) from error

    def restore_ballast(self) -> bool:
        """Take the reserve back if there is room, and with it new work; return whether the disk has room again."""
        if self._ballast is None:
            return True
        if not self._ballast.take():
            self._set_full(True)
            return False
        self._set_full(False)
        return True

    def _write_once(self, work: Callable[[], T]) -> T:
        connection = self.connection
        self.step("before_begin")
        connection.execute("BEGIN IMMEDIATE")
        try:
            value = work()
            seq = self.seq + 1
            connection.execute("UPDATE meta SET seq = ? WHERE id = 1", (seq,))
            self.step("before_commit")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        # From here it has happened. Whoever interrupts us now leaves a memory that doesn't know.
        self._trouble = "it was interrupted after a commit"
        self.step("after_commit")
        self.seq = seq
        if self._mark is not None:
            self._write_mark(self._mark)
        self.step("after_mark")
        self._trouble = ""
        return value

    def _write_mark(self, mark: MarkFile) -> None:
        try:
            mark.write(self._make_mark())
        except OSError as error:
            # A mark that stays behind protects less, but lies about nothing.
            log.warning("store_mark_failed", path=str(mark.path), reason=str(error))

    def _make_mark(self) -> Mark:
        return Mark(self.store_id, self.seq, self._boot_hash, self.durability == "power")

    def _make_room(self) -> None:
        if self._ballast is not None:
            self._ballast.release()
        self._set_full(True)
        with suppress(sqlite3.Error):
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _set_full(self, is_full: bool) -> None:
        if is_full == self.is_full:
            return
        self.is_full = is_full
        pages = CHECKPOINT_PAGES_FULL if is_full else CHECKPOINT_PAGES
        self.connection.execute(f"PRAGMA wal_autocheckpoint = {pages}")
        if is_full:
            log.error("store_filled_disk", path=str(self.path))
        else:
            log.info("store_found_room", path=str(self.path))

    # ------------------------------------------------------------------------------------------------------ opening

    @property
    def _log_path(self) -> Path:
        return self.path.with_name(self.path.name + "-wal")

    def _check_owner(self, mark: Mark | None) -> None:
        """Refuse what isn't ours before SQLite touches it; make an empty private file where there is nothing.

        Never opens an existing store: closing any descriptor of it would drop the locks of a connection that this
        process has to the same file.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            found = os.lstat(self.path)
        except FileNotFoundError:
            if mark is not None and mark.seq > NEW_STORE_SEQ:
                raise self._damaged(f"a store with commit {mark.seq}", "no file") from None
            self._make_private_file()
            return
        except OSError as error:
            raise self._locked("a folder that can be used", error.strerror or str(error)) from error
        if not stat.S_ISREG(found.st_mode):
            raise self._locked("a regular file", "something else")
        if found.st_uid != os.geteuid():
            raise self._locked(f"a file of user {os.geteuid()}", f"one of user {found.st_uid}; run as that user")
        if not os.access(self.path, os.R_OK | os.W_OK, effective_ids=True):
            raise self._locked("a file that can be read and written", f"mode {stat.S_IMODE(found.st_mode):o}")

    def _make_private_file(self) -> None:
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except PermissionError as error:
            raise self._locked("a folder that can be written", error.strerror or str(error)) from error
        except OSError as error:
            raise StoreFull(str(self.path)) from error

    def _connect(self) -> None:
        target = ":memory:" if self._mark is None else str(self.path)
        self._connection = connection = sqlite3.connect(
            target, timeout=0, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # before the log is touched: keeps its index private
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {SYNCHRONOUS[self.durability]}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA secure_delete = OFF")  # some builds overwrite what is deleted
        connection.execute("BEGIN EXCLUSIVE")  # takes the lock, which stays ours
        connection.execute("COMMIT")

    def _is_new(self) -> bool:
        return int(self.connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]) == 0

    def _create(self, mark: Mark | None) -> None:
        if mark is not None and mark.seq > NEW_STORE_SEQ:
            raise self._damaged(f"a store with commit {mark.seq}", "an empty one")
        self.store_id = int.from_bytes(os.urandom(4), "big")
        self.seq = NEW_STORE_SEQ
        insert = f"INSERT INTO meta VALUES (1, {self.store_id}, {NEW_STORE_SEQ}, 0, 0, 0);"
        self.connection.executescript(f"BEGIN; {SCHEMA} {insert} COMMIT;")
        if self._mark is not None:
            # Folded in and synced, so that a power cut in "process" durability still finds this store, if an older one.
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._mark.create(self._make_mark())

    def _check(self, mark: Mark | None, *, is_loss_accepted: bool) -> None:
        connection = self.connection
        (application_id,) = connection.execute("PRAGMA application_id").fetchone()
        if application_id != APPLICATION_ID:
            raise self._damaged("a store of actorq", "a database of something else", "move it away")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > SCHEMA_VERSION:
            way_out = "a newer actorq wrote it: install that version or a later one"
            raise self._damaged(f"a store of version {SCHEMA_VERSION} or below", f"version {version}", way_out)
        if os.path.exists(self.path) and os.stat(self.path).st_size <= QUICK_CHECK_BYTES:
            (finding,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if finding != "ok":
                raise self._damaged("a sound database", str(finding))
        self.store_id, self.seq = connection.execute("SELECT store_id, seq FROM meta WHERE id = 1").fetchone()
        if self._mark is not None:
            self._check_mark(mark, is_loss_accepted=is_loss_accepted)
            self._mark.open()

    def _check_mark(self, mark: Mark | None, *, is_loss_accepted: bool) -> None:
        if mark is None:
            if self.seq > NEW_STORE_SEQ and not is_loss_accepted:
                raise self._damaged("the mark of the last confirmed commit beside it (store.mark)", "none")
            assert self._mark is not None
            self._mark.create(self._make_mark())  # killed between making the store and its mark
        elif mark.store_id != self.store_id:
            raise self._damaged(f"store {mark.store_id:08x}", f"store {self.store_id:08x}, another one's copy")
        elif self.seq < mark.seq and (mark.is_power_safe or mark.boot_hash == self._boot_hash):
            found = f"commit {self.seq}: {mark.seq - self.seq} confirmed commits are missing"
            raise self._damaged(f"commit {mark.seq} or a later one, which was confirmed", found)

    # ------------------------------------------------------------------------------------------------------- errors

    def _damaged(self, expected: str, got: str, way_out: str = _DOCTOR) -> StoreDamaged:
        return StoreDamaged(f"expected {expected} at {self.path}, got {got}; {way_out}")

    def _locked(self, expected: str, got: str) -> StoreLocked:
        return StoreLocked(f"expected {expected} at {self.path}, got {got}")

    def _explain(self, error: sqlite3.DatabaseError) -> Exception:
        """Return the one error of ours that says what SQLite's says; stop working where its state is unknown."""
        code = _code_of(error)
        if code == sqlite3.SQLITE_FULL:
            return StoreFull(str(self.path))
        if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            return self._locked("a store that nobody else has open", "one that another process has open")
        if code in {sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}:
            return self._locked("a file that can be read and written", str(error))
        if isinstance(error, sqlite3.IntegrityError):
            return ValueError(f"expected keys of new tasks and results, got one that is stored already ({error})")
        if isinstance(error, sqlite3.ProgrammingError | sqlite3.DataError):
            return ValueError(f"expected values that can be stored, got: {error}")
        self._trouble = f"it stopped working: {error}"
        if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            return self._damaged("a sound database", str(error))
        return StoreError(f"expected to be able to use {self.path}, got {error}; open it again")

    def _abandon(self, reason: BaseException) -> None:
        """Let go of a store that was refused. A damaged one's log is kept: closing folds it in and deletes it."""
        if isinstance(reason, StoreDamaged) and self._mark is not None:
            with suppress(OSError):
                if os.stat(self._log_path).st_size:
                    kept = self.path.with_name(f"{self.path.name}-wal.refused-{os.urandom(3).hex()}")
                    os.link(self._log_path, kept)
        self._disconnect("it was refused")

    def _disconnect(self, trouble: str) -> None:
        self._trouble = trouble
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._mark is not None:
            self._mark.close()


def _code_of(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code; 0 where the error came from Python's side."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
