"""The obvious slow engine: dictionaries that are copied for each write, and the oracle the others are compared with.

What is committed lives in a `MemoryStorage`, so a test can kill an engine at any step and open another one on what it
left behind. The invariant: `storage.state` is replaced as a whole, in one assignment, and never changed in place.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from math import isnan
from typing import TYPE_CHECKING, Final, NamedTuple

from actorq.clock import SYSTEM_CLOCK
from actorq.engine.leases import Lease, LeaseBook
from actorq.engine.values import (
    EPOCH_SHIFT,
    EXPIRED_AGAIN_S,
    DeadTask,
    EngineStats,
    LaneStats,
    NewTask,
    Opened,
    QueueStats,
    Receipt,
    StoredTask,
    Transaction,
)
from actorq.errors import StoreError, StoreLocked
from actorq.messages.ids import split_key
from actorq.messages.states import NUMBERS, REVOKED
from actorq.messages.task import ResultRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from actorq.clock import Clock
    from actorq.messages.task import TaskMessage

__all__ = ["MemoryEngine", "MemoryStorage"]

OUTBOX_KEEP_S: Final = 7 * 86400.0  # an outbox that left nothing is remembered this long
OUTBOX_GRACE_S: Final = 3600.0  # and nothing is dropped this soon after opening: its owner may be about to connect


class _Row(NamedTuple):
    key: int
    message: TaskMessage
    arrival: int
    due_at: float | None
    deliveries: int
    fence: int

    @property
    def lane(self) -> tuple[str, int]:
        return self.message.queue, min(9, max(0, self.message.priority))


class _Outbox(NamedTuple):
    outbox_no: int
    taken: int
    touched_at: float


@dataclass(slots=True)
class _State:
    """Everything durable."""

    seq: int = 0
    epoch: int = 0
    arrivals: int = 0
    last_outbox_no: int = 0
    tasks: dict[int, _Row] = field(default_factory=dict)
    results: dict[int, tuple[float, ResultRecord]] = field(default_factory=dict)
    dead: dict[int, DeadTask] = field(default_factory=dict)
    aliases: dict[str, int] = field(default_factory=dict)
    outboxes: dict[int, _Outbox] = field(default_factory=dict)
    paused: set[str] = field(default_factory=set)
    leaders: dict[str, int] = field(default_factory=dict)
    revoked: dict[str, float] = field(default_factory=dict)
    groups: dict[str, tuple[float, bytes]] = field(default_factory=dict)
    expiring: dict[int, float] = field(default_factory=dict)

    def copy(self) -> _State:
        """Return a copy to write into; the values in it are never changed in place."""
        return replace(
            self,
            tasks=dict(self.tasks),
            results=dict(self.results),
            dead=dict(self.dead),
            aliases=dict(self.aliases),
            outboxes=dict(self.outboxes),
            paused=set(self.paused),
            leaders=dict(self.leaders),
            revoked=dict(self.revoked),
            groups=dict(self.groups),
            expiring=dict(self.expiring),
        )

    def drop_lost_aliases(self) -> None:
        self.aliases = {
            alias: key
            for alias, key in self.aliases.items()
            if key in self.tasks or key in self.results or key in self.dead
        }


class MemoryStorage:
    """What a `MemoryEngine` has committed; outlives the engine. One engine at a time has it open."""

    def __init__(self) -> None:
        self.state = _State()
        self.owner: object | None = None

    def kill_owner(self) -> None:
        """Act as if the process of the engine that has this open had been killed."""
        self.owner = None


class MemoryEngine:
    """An `Engine` over a `MemoryStorage`. Every write copies everything: for tests with thousands of tasks, not more."""

    def __init__(
        self, storage: MemoryStorage | None = None, *, clock: Clock = SYSTEM_CLOCK, result_expires_s: float = 86400.0
    ) -> None:
        self.storage = storage or MemoryStorage()
        self.clock = clock
        self.result_expires_s = result_expires_s
        self.probe: Callable[[str], None] | None = None
        self._book = LeaseBook()
        self._tokens = itertools.count(1)
        self._leaders: dict[str, tuple[str, float]] = {}  # name -> (holder, deadline)
        self._registered: set[int] = set()
        self._opened_at = 0.0
        self._opened_seq = 0

    # ------------------------------------------------------------------------------------------------------- life

    def open(self) -> Opened:
        if self.storage.owner is not None:
            raise StoreLocked("expected a store that nobody has open, got one that another engine has open")
        self.storage.owner = self
        self._registered.clear()
        self._opened_at = self.clock.monotonic()
        self._opened_seq = self.storage.state.seq
        return self.begin_epoch()

    def begin_epoch(self) -> Opened:
        draft = self._begin()
        draft.epoch += 1
        self._commit(draft)
        self._book.clear()
        self._leaders.clear()
        self._tokens = itertools.count(draft.epoch << EPOCH_SHIFT | 1)
        ready = {name: queue.ready for name, queue in self.stats().queues.items() if queue.ready}
        outboxes = {outbox_id: (box.outbox_no, box.taken) for outbox_id, box in draft.outboxes.items()}
        return Opened(draft.epoch, self._tokens, outboxes, ready, self._next_due_at(), dict(draft.revoked))

    def close(self) -> None:
        if self.storage.owner is self:
            self.storage.owner = None

    # --------------------------------------------------------------------------------------------------- outboxes

    def register_outbox(self, outbox_id: int) -> tuple[int, int]:
        found = self.find_outbox(outbox_id)
        if found is None:
            draft = self._begin()
            draft.last_outbox_no += 1
            draft.outboxes[outbox_id] = _Outbox(draft.last_outbox_no, 0, self.clock.now())
            self._commit(draft)
            found = (draft.last_outbox_no, 0)
        self._registered.add(outbox_id)
        return found

    def find_outbox(self, outbox_id: int) -> tuple[int, int] | None:
        box = self._state.outboxes.get(outbox_id)
        return (box.outbox_no, box.taken) if box else None

    # ----------------------------------------------------------------------------------------------------- writing

    def put(self, tasks: list[NewTask]) -> Receipt:
        return self.commit(Transaction(puts=tasks))

    def commit(self, transaction: Transaction) -> Receipt:
        draft = self._begin()
        leases = dict(self._book.by_key)
        born: dict[int, Lease] = {}
        receipt = Receipt(draft.seq + 1)
        taken = {box.outbox_no: box.taken for box in draft.outboxes.values()}
        for put in transaction.puts:
            if self._is_repeated(put.key, taken):
                receipt.repeated.append(put.key)
                continue
            if put.key in draft.tasks:
                raise ValueError(f"expected keys of new tasks, got {put.key}, which is stored already")
            draft.arrivals += 1
            eta = put.message.eta
            due_at = eta if eta is not None and eta > self.clock.now() else None
            draft.tasks[put.key] = _Row(put.key, put.message, draft.arrivals, due_at, put.deliveries, 0)
            if put.message.alias is not None:
                draft.aliases[put.message.alias] = put.key
            self._expire(draft, put.key, put.message, receipt)
            if put.token:
                born[put.key] = leases[put.key] = Lease(put.token)
        self._step("after_puts")
        for settled in transaction.settled:
            if self._accept(draft, leases, settled.key, settled.token, receipt):
                row = draft.tasks.pop(settled.key)
                draft.expiring.pop(settled.key, None)
                leases.pop(settled.key, None)
                if settled.result is not None:
                    self._add_result(draft, settled.key, settled.result, row.message.result_ttl_s)
        self._step("after_settled")
        for result in transaction.straight:
            if self._is_repeated(result.key, taken):
                receipt.repeated.append(result.key)
                continue
            self._add_result(draft, result.key, result, transaction.ttls.get(result.key))
        draft.aliases.update(transaction.aliases)
        self._step("after_straight")
        for change in transaction.changed:
            if not self._accept(draft, leases, change.key, change.token, receipt):
                continue
            row = draft.tasks[change.key]
            if change.message is not None:
                self._expire(draft, change.key, change.message, receipt)
            row = row._replace(
                deliveries=row.deliveries if change.deliveries is None else change.deliveries,
                message=change.message or row.message,
                fence=max(row.fence, change.token),
            )
            if not change.keep_lease:
                due_at = change.due_at
                row = row._replace(due_at=due_at if due_at is not None and due_at > self.clock.now() else None)
                leases.pop(change.key, None)
            draft.tasks[change.key] = row
        self._step("after_changed")
        for letter in transaction.dead:
            if self._accept(draft, leases, letter.key, letter.token, receipt):
                row = draft.tasks.pop(letter.key)
                leases.pop(letter.key, None)
                draft.dead[letter.key] = DeadTask(
                    letter.key,
                    self._outbox_id(letter.key),
                    row.deliveries,
                    letter.cause,
                    letter.traceback,
                    letter.died_at,
                    row.message,
                )
                self._add_result(draft, letter.key, letter.result, row.message.result_ttl_s)
        self._step("after_dead")
        by_no = {box.outbox_no: outbox_id for outbox_id, box in draft.outboxes.items()}
        for outbox_no, number in transaction.taken.items():
            if outbox_no not in by_no:
                raise ValueError(f"expected the number of a registered outbox, got {outbox_no}")
            box = draft.outboxes[by_no[outbox_no]]
            draft.outboxes[by_no[outbox_no]] = _Outbox(outbox_no, max(box.taken, number), self.clock.now())
        for key in transaction.forgotten:
            draft.results.pop(key, None)
        draft.drop_lost_aliases()
        for task_id, expires_at in transaction.revoked.items():
            draft.revoked.pop(task_id, None)
            if expires_at is not None:
                draft.revoked[task_id] = expires_at
        self._step("after_taken")
        self._commit(draft)
        for key, lease in born.items():
            if key in leases:
                self._book.add(key, lease)
        self._book.end([key for key in self._book.by_key if key not in leases])
        receipt.next_due_at = self._next_due_at()
        return receipt

    # ------------------------------------------------------------------------------------------------------ leases

    def lease(self, queues: Sequence[str], limit: int, ttl_s: float | None = None) -> list[StoredTask]:
        state = self._state
        order = {queue: at for at, queue in reversed(list(enumerate(queues)))}
        ready = [
            row
            for row in state.tasks.values()
            if row.due_at is None
            and row.key not in self._book.by_key
            and row.message.queue in order
            and row.message.queue not in state.paused
        ]
        ready.sort(key=lambda row: (-row.lane[1], order[row.message.queue], row.arrival))
        deadline = None if ttl_s is None else self.clock.monotonic() + ttl_s
        for row in ready[:limit]:
            self._book.add(row.key, Lease(next(self._tokens), deadline))
        return [self._stored(row) for row in ready[:limit]]

    def extend(self, leases: Iterable[tuple[int, int]], ttl_s: float) -> list[int]:
        return self._book.extend(leases, self.clock.monotonic() + ttl_s)

    def release_expired(self, now: float, limit: int) -> list[int]:
        keys = self._book.find_expired(now, limit)
        if keys:
            draft = self._begin()
            for key in keys:
                draft.tasks[key] = draft.tasks[key]._replace(fence=self._book.by_key[key].token)
            self._commit(draft)
            self._book.end(keys)
        return keys

    def adopt(self, key: int, token: int) -> StoredTask | None:
        row = self._state.tasks.get(key)
        if row is None or key in self._book.by_key or token < row.fence:
            return None
        self._book.add(key, Lease(token))
        return self._stored(row)

    def expired(self, now: float, limit: int) -> tuple[list[int], float | None]:
        due = sorted((at, key) for key, at in self._state.expiring.items() if at <= now)[:limit]
        if due:
            draft = self._begin()
            for _, key in due:
                if key in draft.tasks:
                    draft.expiring[key] = now + EXPIRED_AGAIN_S
                else:
                    del draft.expiring[key]
            self._commit(draft)
        state = self._state
        return [key for _, key in due if key in state.tasks], min(state.expiring.values(), default=None)

    def wake_due(self, now: float, limit: int) -> tuple[dict[str, int], float | None]:
        due = sorted((row.due_at, row.key) for row in self._state.tasks.values() if row.due_at is not None)
        woken: dict[str, int] = {}
        keys = [key for due_at, key in due[:limit] if due_at <= now]
        if keys:
            draft = self._begin()
            for key in keys:
                draft.tasks[key] = draft.tasks[key]._replace(due_at=None)
                if key not in self._book.by_key:
                    queue = draft.tasks[key].message.queue
                    woken[queue] = woken.get(queue, 0) + 1
            self._commit(draft)
        return woken, self._next_due_at()

    # ----------------------------------------------------------------------------------------------------- reading

    def load(self, keys: Iterable[int]) -> list[StoredTask]:
        tasks = self._state.tasks
        return [self._stored(tasks[key]) for key in dict.fromkeys(keys) if key in tasks]

    def results(self, keys: Iterable[int]) -> list[ResultRecord]:
        results = self._state.results
        return [results[key][1] for key in dict.fromkeys(keys) if key in results]

    def results_between(self, low_key: int, high_key: int, limit: int) -> list[ResultRecord]:
        results = self._state.results
        return [results[key][1] for key in sorted(results) if low_key <= key <= high_key][:limit]

    def find_alias(self, alias: str) -> int | None:
        return self._state.aliases.get(alias)

    def peek(self, queue: str, limit: int) -> list[StoredTask]:
        waiting = [
            row for row in self._state.tasks.values() if row.message.queue == queue and row.key not in self._book.by_key
        ]
        ready = sorted((row for row in waiting if row.due_at is None), key=lambda row: (-row.lane[1], row.arrival))
        scheduled = sorted((row for row in waiting if row.due_at is not None), key=lambda row: (row.due_at, row.key))
        return [self._stored(row) for row in (ready + scheduled)[:limit]]

    def scheduled(self, limit: int) -> list[StoredTask]:
        rows = [
            row for row in self._state.tasks.values() if row.due_at is not None and row.key not in self._book.by_key
        ]
        return [self._stored(row) for row in sorted(rows, key=lambda row: (row.due_at, row.key))[:limit]]

    def lanes(self) -> list[LaneStats]:
        found: dict[tuple[str, int], list[_Row]] = {}
        for row in self._state.tasks.values():
            if row.key not in self._book.by_key:
                found.setdefault(row.lane, []).append(row)
        counted = []
        for (queue, priority), rows in found.items():
            ready = sorted((row.arrival, row.message.sent_at) for row in rows if row.due_at is None)
            counted.append(
                LaneStats(queue, priority, len(ready), len(rows) - len(ready), ready[0][1] if ready else None)
            )
        return counted

    def stats(self) -> EngineStats:
        state = self._state
        queues: dict[str, QueueStats] = {queue: QueueStats(paused=True) for queue in state.paused}
        for row in state.tasks.values():
            queue = row.message.queue
            old = queues.get(queue, QueueStats(paused=queue in state.paused))
            leased = row.key in self._book.by_key
            queues[queue] = QueueStats(
                old.ready + (not leased and row.due_at is None),
                old.leased + leased,
                old.scheduled + (not leased and row.due_at is not None),
                old.paused,
            )
        commits = state.seq - self._opened_seq
        return EngineStats(queues, len(state.results), len(state.dead), 0, commits, state.seq, state.epoch)

    def check(self) -> list[str]:
        return [f"alias {alias!r} leads nowhere" for alias in self._state.aliases if not self._is_known_alias(alias)]

    # ------------------------------------------------------------------------------------------------ dead letters

    def dead(self, limit: int, offset: int = 0) -> list[DeadTask]:
        letters = sorted(self._state.dead.values(), key=lambda letter: (-letter.died_at, -letter.key))
        return letters[offset : offset + limit]

    def load_dead(self, keys: Iterable[int]) -> list[DeadTask]:
        return [self._state.dead[key] for key in dict.fromkeys(keys) if key in self._state.dead]

    def requeue_dead(self, keys: Iterable[int]) -> list[int]:
        found = [key for key in dict.fromkeys(keys) if key in self._state.dead]
        if found:
            draft = self._begin()
            for key in found:
                draft.arrivals += 1
                message = draft.dead.pop(key).message
                draft.tasks[key] = _Row(key, message, draft.arrivals, None, 0, next(self._tokens))
                draft.results.pop(key, None)
            self._commit(draft)
        return found

    def purge_dead(self, keys: Iterable[int] | None = None) -> int:
        found = [key for key in dict.fromkeys(self._state.dead if keys is None else keys) if key in self._state.dead]
        if found:
            draft = self._begin()
            for key in found:
                del draft.dead[key]
            draft.drop_lost_aliases()
            self._commit(draft)
        return len(found)

    # ------------------------------------------------------------------------------------------------ housekeeping

    def save_group(self, id: str, body: bytes, expires_at: float) -> None:
        draft = self._begin()
        draft.groups[id] = (expires_at, body)
        self._commit(draft)

    def load_group(self, id: str, now: float) -> bytes | None:
        expires_at, body = self._state.groups.get(id, (now, b""))
        return body if expires_at > now else None

    def drop_group(self, id: str) -> bool:
        if id not in self._state.groups:
            return False
        draft = self._begin()
        del draft.groups[id]
        self._commit(draft)
        return True

    def purge(self, queue: str) -> int:
        leased = self._book.by_key
        found = [row for row in self._state.tasks.values() if row.message.queue == queue and row.key not in leased]
        if found:
            draft = self._begin()
            for row in found:
                del draft.tasks[row.key]
                result = ResultRecord(row.key, NUMBERS[REVOKED], finished_at=self.clock.now())
                self._add_result(draft, row.key, result, row.message.result_ttl_s)
            self._commit(draft)
        return len(found)

    def pause(self, queue: str) -> None:
        if queue not in self._state.paused:
            draft = self._begin()
            draft.paused.add(queue)
            self._commit(draft)

    def resume(self, queue: str) -> None:
        if queue in self._state.paused:
            draft = self._begin()
            draft.paused.remove(queue)
            self._commit(draft)

    def paused(self) -> set[str]:
        return set(self._state.paused)

    def leader(self, name: str, holder: str, ttl_s: float) -> int | None:
        now = self.clock.monotonic()
        current, deadline = self._leaders.get(name, ("", now))
        if deadline <= now:
            draft = self._begin()
            draft.leaders[name] = draft.leaders.get(name, 0) + 1
            self._commit(draft)
        elif current != holder:
            return None
        self._leaders[name] = (holder, now + ttl_s)
        return self._state.leaders[name]

    def prune(self, now: float, limit: int) -> int:
        expired = sorted((at, key) for key, (at, _) in self._state.results.items() if at <= now)[:limit]
        unneeded = self._find_unneeded_outboxes(now)
        pardoned = [task_id for task_id, at in self._state.revoked.items() if at <= now]
        dissolved = [id for id, (at, _) in self._state.groups.items() if at <= now]
        if expired or unneeded or pardoned or dissolved:
            draft = self._begin()
            for id in dissolved:
                del draft.groups[id]
            for task_id in pardoned:
                del draft.revoked[task_id]
            for _, key in expired:
                del draft.results[key]
            for outbox_id in unneeded:
                del draft.outboxes[outbox_id]
            draft.drop_lost_aliases()
            self._commit(draft)
        return len(expired)

    # ----------------------------------------------------------------------------------------------------- private

    @property
    def _state(self) -> _State:
        if self.storage.owner is not self:
            raise StoreError("expected an open engine, got one that is closed or was killed")
        return self.storage.state

    def _begin(self) -> _State:
        draft = self._state.copy()
        self._step("before_begin")
        return draft

    def _commit(self, draft: _State) -> None:
        draft.seq += 1
        self._step("before_commit")
        self.storage.state = draft
        self._step("after_commit")
        self._step("after_mark")

    def _step(self, name: str) -> None:
        if self.probe is not None:
            self.probe(name)

    def _expire(self, draft: _State, key: int, message: TaskMessage, receipt: Receipt) -> None:
        at = message.expires
        if at is not None and not isnan(at):
            draft.expiring[key] = at
            receipt.expires_at = at if receipt.expires_at is None else min(at, receipt.expires_at)

    def _is_repeated(self, key: int, taken: dict[int, int]) -> bool:
        outbox_no, number = split_key(key)
        return number <= taken.get(outbox_no, 0)

    def _accept(self, draft: _State, leases: dict[int, Lease], key: int, token: int, receipt: Receipt) -> bool:
        row = draft.tasks.get(key)
        if row is not None and token >= (leases[key].token if key in leases else row.fence):
            return True
        receipt.refused.append(key)
        return False

    def _add_result(self, draft: _State, key: int, result: ResultRecord, ttl_s: float | None) -> None:
        if key in draft.results:
            raise ValueError(f"expected the only result of {key}, got a second one")
        expires_at = result.finished_at + (self.result_expires_s if ttl_s is None else ttl_s)
        if isnan(expires_at):
            expires_at = self.clock.now() + self.result_expires_s
        draft.results[key] = (expires_at, result)

    def _stored(self, row: _Row) -> StoredTask:
        lease = self._book.by_key.get(row.key)
        return StoredTask(
            row.key,
            lease.token if lease else row.fence,
            row.deliveries,
            self._outbox_id(row.key),
            row.message,
            lease.deadline if lease else None,
            row.due_at,
            lease is not None,
        )

    def _outbox_id(self, key: int) -> int:
        outbox_no, _ = split_key(key)
        return next((known for known, box in self._state.outboxes.items() if box.outbox_no == outbox_no), 0)

    def _next_due_at(self) -> float | None:
        return min((row.due_at for row in self._state.tasks.values() if row.due_at is not None), default=None)

    def _is_known_alias(self, alias: str) -> bool:
        state = self._state
        key = state.aliases[alias]
        return key in state.tasks or key in state.results or key in state.dead

    def _find_unneeded_outboxes(self, now: float) -> list[int]:
        if self.clock.monotonic() - self._opened_at < OUTBOX_GRACE_S:
            return []
        state = self._state
        used = {split_key(key)[0] for keys in (state.tasks, state.results, state.dead) for key in keys}
        return [
            outbox_id
            for outbox_id, box in state.outboxes.items()
            if box.touched_at <= now - OUTBOX_KEEP_S and outbox_id not in self._registered and box.outbox_no not in used
        ]
