"""Which deliveries a slot executes: words in its line file, one row for each that it can execute at once.

A slot that runs one task at a time has its row among the line's first words, as cheap as it can be. One that runs many has a
table behind the ring, a row of eight words (one cache line) for each of its *places*.

Invariant: a row belongs to one run at a time, and whoever runs it writes it: its key last when the run begins, 0 into its key
last when the run's report is in the ring. A deadline is written after the key and cleared before it. So a reader that sees the
same key before and after what it reads has read that run's words, and needs no lock.

The fence is the line's, one for all rows, and each row takes part in the handshake by itself (see `actorq.slot.line`).
"""

from __future__ import annotations

import enum
import time
from itertools import compress, count
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["GRANTED", "RECALLED", "SKIPPED", "Condemned", "Execution", "Rows", "Start", "Table", "table_bytes"]

ROW_WORDS: Final = 8
# Within a row. LIMIT is what the task is told it ran into; the deadline may be later than start + limit. Its highest bit says that
# the task must not run again once it has begun.
_KEY, _TOKEN, _STARTED, _DEADLINE, _LIMIT, _CONDEMNED_KEY, _CONDEMNED_TOKEN, _CONDEMNED_LIMIT = range(ROW_WORDS)
_WORD_BYTES: Final = 8
_ONCE: Final = 1 << 63
_SIGNAL_SHIFT: Final = 56  # in the word of a condemned one's limit, which is two years at most
_LIMIT_MASK: Final = (1 << _SIGNAL_SHIFT) - 1
_PAGE_BYTES: Final = 4096


class Start(enum.Enum):
    """What became of a delivery that was about to start."""

    GRANTED = enum.auto()  # run it
    SKIPPED = enum.auto()  # its token is behind the fence; nobody saw it here: say nothing
    RECALLED = enum.auto()  # behind the fence, but somebody may have seen it executing: hand it back


GRANTED: Final = Start.GRANTED
SKIPPED: Final = Start.SKIPPED
RECALLED: Final = Start.RECALLED


class Condemned(NamedTuple):
    """The delivery that a slot is killed for, and the hard limit it ran into; or `signal`: somebody wants it terminated so."""

    key: int
    token: int
    limit_ns: int
    signal: int = 0


class Execution(NamedTuple):
    """One run that goes on. Times are monotonic; `deadline_ns` and `limit_ns` are 0 where it has no hard limit."""

    key: int
    token: int
    started_ns: int
    deadline_ns: int
    limit_ns: int
    once: bool = False

    def running_s(self) -> float:
        """Return for how long it has been going on."""
        return max(0.0, (time.monotonic_ns() - self.started_ns) / 1e9)


def table_bytes(places: int) -> int:
    """Return the size of the table in a line for so many places, whole pages."""
    return -(-places * ROW_WORDS * _WORD_BYTES // _PAGE_BYTES) * _PAGE_BYTES


class Table:
    """The slot's own side of a table. Each row is written by whoever runs what is in it, from any thread."""

    __slots__ = ("_fence_at", "_header", "_words")

    def __init__(self, header: memoryview, fence_at: int, words: memoryview) -> None:
        self._header, self._fence_at, self._words = header, fence_at, words

    def begin(self, place: int, key: int, token: int, started_ns: int, *, once: bool = False) -> Start:
        """Declare that this delivery starts in this place, unless it was recalled; `once`: it must not start again."""
        header, fence_at = self._header, self._fence_at
        if token < header[fence_at]:
            return SKIPPED
        words, at = self._words, place * ROW_WORDS
        words[at + _TOKEN] = token
        words[at + _STARTED] = started_ns
        words[at + _LIMIT] = _ONCE if once else 0
        words[at] = key
        return RECALLED if token < header[fence_at] else GRANTED

    def set_deadline(self, place: int, deadline_ns: int, limit_ns: int) -> None:
        """Say when the run in this place must be over."""
        at = place * ROW_WORDS
        self._words[at + _LIMIT] |= limit_ns
        self._words[at + _DEADLINE] = deadline_ns

    def clear_deadline(self, place: int) -> None:
        """The run is over; its report isn't in the ring yet."""
        self._words[place * ROW_WORDS + _DEADLINE] = 0

    def end(self, place: int) -> None:
        """The report of the run in this place is in the ring: the place is free."""
        self._words[place * ROW_WORDS] = 0

    def release(self) -> None:
        """Let go of the mapping."""
        self._words.release()


class Rows:
    """Somebody else's rows, wherever they are: each argument holds one word of all rows."""

    __slots__ = ("_condemned", "_deadlines", "_keys", "_limits", "_started", "_tokens")

    def __init__(  # noqa: PLR0917  in the order of the words
        self,
        keys: memoryview,
        tokens: memoryview,
        started: memoryview,
        deadlines: memoryview,
        limits: memoryview | None,
        condemned: tuple[memoryview, memoryview, memoryview],
    ) -> None:
        self._keys, self._tokens, self._started = keys, tokens, started
        self._deadlines, self._limits, self._condemned = deadlines, limits, condemned

    @classmethod
    def of_table(cls, words: memoryview, places: int) -> Rows:
        """Return the rows of a table."""
        end = places * ROW_WORDS
        keys, tokens, started, deadlines, limits, *condemned = (
            words[column:end:ROW_WORDS] for column in range(ROW_WORDS)
        )
        return cls(keys, tokens, started, deadlines, limits, (condemned[0], condemned[1], condemned[2]))

    def executions(self) -> list[Execution]:
        """Return the runs that go on, by their places."""
        keys = self._keys.tolist()
        if not any(keys):
            return []
        rows = zip(keys, *(column.tolist() for column in self._columns()), strict=True)
        found = [
            # One that was taken over meanwhile is read by itself, as often as it needs.
            _make(*row) if key == row[0] else self._read(place)
            for place, (key, row) in enumerate(zip(self._keys.tolist(), rows, strict=True))
            if key
        ]
        if self._limits is None:
            found = [run._replace(limit_ns=_limit_of(run)) for run in found]
        return [run for run in found if run.key]

    def executing(self) -> tuple[int, int] | None:
        """Return `(key, token)` of one of the runs that go on; asked for often."""
        keys = self._keys
        place = next(compress(count(), keys.tolist()), 0) if len(keys) > 1 else 0
        key = keys[place]
        while key:
            token = self._tokens[place]
            again = keys[place]
            if again == key:
                return key, token
            key = again
        return None

    def running_keys(self) -> set[int]:
        """Return the keys of the runs that go on."""
        return set(self._keys.tolist()) - {0}

    def running_s(self) -> float:
        """Return for how long the latest of the present runs has been going on; 0.0 while nothing runs."""
        if len(self._keys) == 1:
            latest_ns = self._started[0] if self._keys[0] else 0
        else:
            latest_ns = max(compress(self._started.tolist(), self._keys.tolist()), default=0)
        return max(0.0, (time.monotonic_ns() - latest_ns) / 1e9) if latest_ns else 0.0

    def _columns(self) -> tuple[memoryview, ...]:
        limits = self._deadlines if self._limits is None else self._limits
        return self._tokens, self._started, self._deadlines, limits

    def _read(self, place: int) -> Execution:
        while True:
            key = self._keys[place]
            run = _make(key, *(column[place] for column in self._columns()))
            if self._keys[place] == key:
                return run

    def deadline_ns(self) -> int:
        """Return the first deadline of what is running; 0: there is none."""
        return min(filter(None, self._deadlines.tolist()), default=0)

    def find_overdue(self, now_ns: int) -> list[Condemned]:
        """Return the deliveries that are executing although their deadlines have passed."""
        return [
            Condemned(each.key, each.token, each.limit_ns)
            for each in self.executions()
            if 0 < each.deadline_ns <= now_ns
        ]

    def condemn(self, condemned: Iterable[Condemned]) -> None:
        """Write down whom the process is about to be killed for."""
        keys, tokens, limits = self._condemned
        for place, each in enumerate(condemned):
            limits[place] = each.limit_ns | each.signal << _SIGNAL_SHIFT
            tokens[place], keys[place] = each.token, each.key

    def acquit(self) -> None:
        """Undo `condemn`."""
        tokens = self._condemned[1]
        for place in range(len(tokens)):
            tokens[place] = 0

    def condemned(self) -> list[Condemned]:
        """Return whom the process was killed for."""
        found = zip(*(column.tolist() for column in self._condemned), strict=True)
        return [Condemned(key, token, word & _LIMIT_MASK, word >> _SIGNAL_SHIFT) for key, token, word in found if token]

    def release(self) -> None:
        """Let go of the mapping."""
        for each in (*self._condemned, self._keys, *self._columns()):
            each.release()


def _make(key: int, token: int, started_ns: int, deadline_ns: int, limit: int) -> Execution:
    return Execution(key, token, started_ns, deadline_ns, limit & ~_ONCE, limit >= _ONCE)


def _limit_of(run: Execution) -> int:
    return run.deadline_ns - run.started_ns if run.deadline_ns else 0
