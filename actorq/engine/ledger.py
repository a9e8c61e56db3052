"""What the engine knows about its store without reading: lanes, leases, outboxes, counts.

The invariant: the ledger is what is committed. A transaction writes down what it will have changed as `Effects`, and
only after the commit are they applied; a transaction that fails throws them away.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from actorq.engine.lanes import Lane
from actorq.engine.leases import Lease, LeaseBook
from actorq.engine.schema import ARRIVAL_BITS
from actorq.engine.values import EPOCH_SHIFT, QueueStats
from actorq.messages.ids import NUMBER_BITS

if TYPE_CHECKING:
    import sqlite3

__all__ = ["Effects", "Ledger"]


class Effects:
    """What a transaction changes in the ledger once it is committed."""

    __slots__ = (
        "aliases",
        "arrivals",
        "born",
        "dead",
        "earliest_due_at",
        "ended",
        "expires_at",
        "is_due_stale",
        "lanes",
        "ready",
        "refused",
        "repeated",
        "results",
        "returned",
        "scheduled",
        "taken",
    )

    def __init__(self, ledger: Ledger) -> None:
        self.arrivals = ledger.arrivals
        self.lanes: dict[tuple[str, int], Lane] = {}
        self.born: dict[int, Lease] = {}
        self.ended: set[int] = set()  # keys whose lease, or whose whole row, is over
        self.ready: dict[Lane, int] = {}
        self.scheduled: dict[Lane, int] = {}
        self.returned: list[tuple[Lane, int, int]] = []
        self.refused: list[int] = []
        self.repeated: list[int] = []
        self.taken: dict[int, int] = {}
        self.results = 0
        self.dead = 0
        self.aliases = False
        self.earliest_due_at: float | None = None
        self.is_due_stale = False
        self.expires_at: float | None = None

    def note_expiry(self, expires_at: float) -> None:
        """Keep when the first of the tasks expires that came, or changed."""
        self.expires_at = expires_at if self.expires_at is None else min(self.expires_at, expires_at)

    def count_ready(self, lane: Lane, delta: int) -> None:
        """Count tasks that became ready, or (below 0) are no longer."""
        self.ready[lane] = self.ready.get(lane, 0) + delta

    def count_scheduled(self, lane: Lane, due_at: float, delta: int) -> None:
        """Count a task that is scheduled for `due_at` now (1), or no longer (-1)."""
        self.scheduled[lane] = self.scheduled.get(lane, 0) + delta
        self.note_due(due_at, delta)

    def note_due(self, due_at: float, delta: int) -> None:
        """Keep the earliest due time right when a row got (1) or lost (-1) one."""
        if delta < 0:
            self.is_due_stale = True
        elif self.earliest_due_at is None or due_at < self.earliest_due_at:
            self.earliest_due_at = due_at


class Ledger:
    """The memory of one open store."""

    def __init__(self) -> None:
        self.book = LeaseBook()
        self.tokens = itertools.count(1)
        self.epoch = 0
        self.arrivals = 0
        self.results = 0
        self.dead = 0
        self.has_aliases = False
        self.has_expiring = False
        self.lanes: dict[tuple[str, int], Lane] = {}
        self.lanes_by_number: dict[int, Lane] = {}
        self.outbox_nos: dict[int, int] = {}  # outbox_id -> outbox_no
        self.outbox_ids: dict[int, int] = {}  # outbox_no -> outbox_id
        self.taken: dict[int, int] = {}  # outbox_no -> highest number
        self.paused: set[str] = set()
        self._next_due_at: float | None = None
        self._is_due_stale = True

    def load(self, connection: sqlite3.Connection) -> None:
        """Read everything anew, without a lease: an epoch begins."""
        execute = connection.execute
        self.epoch, self.arrivals = execute("SELECT epoch, arrivals FROM meta").fetchone()
        self.tokens = itertools.count(self.epoch << EPOCH_SHIFT | 1)
        self.book.clear()
        self.lanes.clear()
        self.lanes_by_number.clear()
        for number, queue, priority in execute("SELECT lane, queue, priority FROM lanes").fetchall():
            self.add_lane(Lane(number, queue, priority))
        ready = "SELECT place >> ?, count(*) FROM tasks WHERE due_at IS NULL GROUP BY 1"
        for number, count in execute(ready, (ARRIVAL_BITS,)).fetchall():
            self.lanes_by_number[number].ready = count
        scheduled = "SELECT place >> ?, count(*) FROM tasks WHERE due_at IS NOT NULL GROUP BY 1"
        for number, count in execute(scheduled, (ARRIVAL_BITS,)).fetchall():
            self.lanes_by_number[number].scheduled = count
        self.outbox_nos.clear()
        self.outbox_ids.clear()
        self.taken.clear()
        for outbox_no, outbox_id, taken in execute("SELECT outbox_no, outbox_id, taken FROM outboxes").fetchall():
            self.add_outbox(outbox_no, outbox_id & (1 << 64) - 1, taken)
        self.paused = {queue for (queue,) in execute("SELECT queue FROM paused").fetchall()}
        (self.results,) = execute("SELECT count(*) FROM results").fetchone()
        (self.dead,) = execute("SELECT count(*) FROM dead").fetchone()
        self.has_aliases = execute("SELECT 1 FROM aliases LIMIT 1").fetchone() is not None
        self.has_expiring = execute("SELECT 1 FROM expiring LIMIT 1").fetchone() is not None
        self._is_due_stale = True

    def apply(self, effects: Effects) -> None:
        """Make a committed transaction's changes one's own."""
        self.arrivals = effects.arrivals
        for lane in effects.lanes.values():
            self.add_lane(lane)
        for lane, delta in effects.ready.items():
            lane.ready += delta
        for lane, delta in effects.scheduled.items():
            lane.scheduled += delta
        for key, lease in effects.born.items():
            self.book.add(key, lease)
        self.book.end(effects.ended)
        for lane, place, key in effects.returned:
            lane.give_back(place, key)
        self.taken.update(effects.taken)
        self.results += effects.results
        self.dead += effects.dead
        self.has_aliases = self.has_aliases or effects.aliases
        self.has_expiring = self.has_expiring or effects.expires_at is not None
        if effects.is_due_stale:
            self._is_due_stale = True
        elif effects.earliest_due_at is not None and not self._is_due_stale:
            self._next_due_at = min(self._next_due_at or effects.earliest_due_at, effects.earliest_due_at)

    def find_next_due_at(self, connection: sqlite3.Connection) -> float | None:
        """Return the earliest due time; reads only when it may have gone."""
        if self._is_due_stale:
            found = connection.execute("SELECT min(due_at) FROM tasks WHERE due_at IS NOT NULL").fetchone()
            self._next_due_at = found[0]
            self._is_due_stale = False
        return self._next_due_at

    def add_lane(self, lane: Lane) -> None:
        """Enter a lane that is stored."""
        self.lanes[lane.queue, lane.priority] = lane
        self.lanes_by_number[lane.base >> ARRIVAL_BITS] = lane

    def get_lane(self, place: int) -> Lane:
        """Return the lane in which a place is."""
        return self.lanes_by_number[place >> ARRIVAL_BITS]

    def add_outbox(self, outbox_no: int, outbox_id: int, taken: int) -> None:
        """Enter an outbox that is stored."""
        self.outbox_nos[outbox_id] = outbox_no
        self.outbox_ids[outbox_no] = outbox_id
        self.taken[outbox_no] = taken

    def drop_outbox(self, outbox_no: int) -> None:
        """Forget an outbox that was dropped."""
        self.outbox_nos.pop(self.outbox_ids.pop(outbox_no), None)
        self.taken.pop(outbox_no, None)

    def get_outbox_id(self, key: int) -> int:
        """Return whose task this is; 0 where its outbox is forgotten."""
        return self.outbox_ids.get(key >> NUMBER_BITS, 0)

    def list_outboxes(self) -> dict[int, tuple[int, int]]:
        """Return `dict[outbox_id, (outbox_no, taken)]`."""
        return {outbox_id: (number, self.taken[number]) for outbox_id, number in self.outbox_nos.items()}

    def count_ready(self) -> dict[str, int]:
        """Return the ready tasks by queue, without empty queues."""
        ready: dict[str, int] = {}
        for lane in self.lanes_by_number.values():
            if lane.ready:
                ready[lane.queue] = ready.get(lane.queue, 0) + lane.ready
        return ready

    def count_queues(self) -> dict[str, QueueStats]:
        """Return the counts of each queue that has tasks or is paused."""
        counts: dict[str, list[int]] = {queue: [0, 0, 0] for queue in self.paused}
        for lane in self.lanes_by_number.values():
            if lane.ready or lane.scheduled:
                of_queue = counts.setdefault(lane.queue, [0, 0, 0])
                of_queue[0] += lane.ready
                of_queue[2] += lane.scheduled
        for lease in self.book.by_key.values():
            counts.setdefault(self.get_lane(lease.place).queue, [0, 0, 0])[1] += 1
        return {
            queue: QueueStats(ready, leased, scheduled, queue in self.paused)
            for queue, (ready, leased, scheduled) in counts.items()
        }
