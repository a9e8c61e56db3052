"""What every engine promises: the one seam between actorq and whatever keeps its tasks.

The invariant: a call that returned a receipt has happened, wholly, and survives what the engine's durability names; a
call that raised has not happened at all. Nothing in between is ever visible, not even after a kill at any step.

An engine is called from one thread and starts none. All calls are batches; a caller that has one task still passes a
list. The conformance suite `actorq.testing.engine_contract` tests the sentences below, and kills engines between them.

Leases are fenced by tokens, as in Kleppmann's "How to do distributed locking": every lease gets a token larger than
all before it, and whoever comes with a smaller one than the task's newest lease is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from actorq.engine.values import (
    EPOCH_SHIFT,
    Change,
    DeadLetter,
    DeadTask,
    EngineStats,
    LaneStats,
    NewTask,
    Opened,
    QueueStats,
    Receipt,
    Settlement,
    StoredTask,
    Transaction,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from actorq.messages.task import ResultRecord

__all__ = [
    "EPOCH_SHIFT",
    "Change",
    "DeadLetter",
    "DeadTask",
    "Engine",
    "EngineStats",
    "LaneStats",
    "NewTask",
    "Opened",
    "QueueStats",
    "Receipt",
    "Settlement",
    "StoredTask",
    "Transaction",
]


@runtime_checkable
class Engine(Protocol):
    """Keeps tasks, results and everything else that must survive a node.

    Words used below. A *lane* is a queue at one priority. The *place* of a task in its lane is its arrival: the order
    in which commits brought the tasks of all outboxes, and within a commit the order of `puts`; a task keeps its place
    for life, whatever happens to it. A task is *scheduled* until its due time, then *ready*, unless it is *leased*.
    A *fence* is the smallest token that may still settle a task.
    """

    probe: Callable[[str], None] | None
    """Called with the name of each step of a write: `before_begin`, `after_puts`, `after_settled`, `after_straight`,
    `after_changed`, `after_dead`, `after_taken`, `before_commit`, `after_commit`, `after_mark`. A test kills there."""

    # ------------------------------------------------------------------------------------------------------- life

    def open(self) -> Opened:
        """Take the store for this process alone, check it, and begin an epoch in it.

        What is found must be at least what was confirmed last: a store that lost commits is refused, not repaired.

        Raises:
            StoreLocked: another process has it open, or it belongs to another user or can't be read.
            StoreDamaged: it is damaged, or misses commits that were confirmed, or a newer version wrote it.
            StoreFull: there is no room to begin an epoch.
        """
        ...

    def begin_epoch(self) -> Opened:
        """End all leases and begin an epoch in the open store; for a broker that starts again in the same process.

        Tasks that were leased are ready again at their places (or scheduled, if they have a due time), without a
        fence of their own: whoever held one may still settle it until it is leased anew. The tokens of the new epoch
        are larger than all before. Also ends all leaderships.
        """
        ...

    def close(self) -> None:
        """Give the store up. Nothing that was confirmed depends on this being called; closing twice is fine."""
        ...

    # --------------------------------------------------------------------------------------------------- outboxes

    def register_outbox(self, outbox_id: int) -> tuple[int, int]:
        """Return `(outbox_no, taken)` of an outbox; a number for good is given to a new one, durable on return.

        `outbox_id` is any of 64 bits but 0. `taken` is the highest number committed from it. Asking again changes
        nothing. An outbox registered in this opening isn't dropped by `prune`.
        """
        ...

    def find_outbox(self, outbox_id: int) -> tuple[int, int] | None:
        """Return `(outbox_no, taken)` of a known outbox, without registering it."""
        ...

    # ----------------------------------------------------------------------------------------------------- writing

    def put(self, tasks: list[NewTask]) -> Receipt:
        """Store tasks: short for `commit(Transaction(puts=tasks))`."""
        ...

    def commit(self, transaction: Transaction) -> Receipt:
        """Do everything in `transaction` at once, durably, or nothing of it.

        - `puts` become rows at the back of their lanes, in list order. With an `eta` in the future they are scheduled
          until then. With a token they are leased from birth, without a deadline. A task or straight result whose
          number isn't above `taken` of its outbox, as committed before, has been here before: left out and listed in
          `Receipt.repeated`. A message's `alias` leads to its key until task, result and dead letter are gone; of
          two equal aliases the later one counts.
        - `settled`, `changed` and `dead` are each accepted if the task exists and their token is at least the
          fence: the token of its lease in this epoch, else the fence that its last expired or changed lease left. A
          task that isn't leased can be settled too (to cancel it). What isn't accepted is listed in `Receipt.refused`
          in the order settled, changed, dead, and everything else in the transaction happens all the same.
        - A result expires at `finished_at` + its message's `result_ttl_s`, or the engine's default where it is None.
          It stays readable until `prune`. Times that aren't a number count as none: no message can stop a commit.
        - A change ends the lease (unless `keep_lease`) and leaves its token as the fence. With a new message of
          another queue or priority the task changes lanes and keeps its arrival.
        - `taken` never goes down.
        - `revoked` is only remembered, until `prune` finds it expired: to heed it is the caller's. It comes back in
          `Opened.revoked`.

        `Receipt.seq` is one more than at the last write. `Receipt.next_due_at` is when `wake_due` has work next.

        Raises:
            StoreFull: no room and there are `puts`; nothing has changed. A transaction without puts is committed even
                then, as long as the reserve lasts.
            ValueError: a put's key is stored already, and `taken` didn't tell. Nothing has changed.
        """
        ...

    # ------------------------------------------------------------------------------------------------------ leases

    def lease(self, queues: Sequence[str], limit: int, ttl_s: float | None = None) -> list[StoredTask]:
        """Lease up to `limit` ready tasks and return them in the order in which to run them.

        Priority 9 goes first over all `queues`; within a priority the queues in the order given; within a lane by
        arrival. Paused queues and scheduled tasks are passed over; tasks past their `expires` are not (the caller
        settles them as revoked). Each gets a fresh token. A lease ends with the epoch; with `ttl_s` also by
        `release_expired` once that many seconds of monotonic time are over.
        """
        ...

    def extend(self, leases: Iterable[tuple[int, int]], ttl_s: float) -> list[int]:
        """Let leases, given as `(key, token)`, end `ttl_s` from now; return the keys not leased under that token."""
        ...

    def release_expired(self, now: float, limit: int) -> list[int]:
        """End up to `limit` leases whose deadline is at or before `now`; return their keys, oldest deadline first.

        `now` is *monotonic* time (`clock.monotonic()`). Each leaves its token as a durable fence: its holder may still
        settle until the task is leased anew, an earlier holder may not. Full batches mean there is more.
        """
        ...

    def adopt(self, key: int, token: int) -> StoredTask | None:
        """Lease a task under a token it had in an earlier epoch, for a slot that survived and still runs it.

        The lease has no deadline. None: there is no such task, it is leased, or the token is below its fence.
        """
        ...

    def wake_due(self, now: float, limit: int) -> tuple[dict[str, int], float | None]:
        """Make up to `limit` scheduled tasks ready whose due time is at or before `now` (wall time), earliest first.

        Returns `(dict[queue, tasks made ready], next_due_at)`; they take their places by arrival. When `next_due_at`
        isn't after `now`, there is more.
        """
        ...

    def expired(self, now: float, limit: int) -> tuple[list[int], float | None]:
        """Return the keys of up to `limit` unfinished tasks that expired at or before `now` (wall time), and when to ask again.

        The first to expire come first, leased or not, scheduled or not; to end them is the caller's. One that isn't ended is
        told again 60 s later. None: no task has an end. When the time isn't after `now`, there is more.
        """
        ...

    # ----------------------------------------------------------------------------------------------------- reading

    def load(self, keys: Iterable[int]) -> list[StoredTask]:
        """Return the tasks of these keys, each once, in the order given, leased or not; what isn't there is left out."""
        ...

    def results(self, keys: Iterable[int]) -> list[ResultRecord]:
        """Return the results of these keys, each once, in the order given; what isn't there is left out."""
        ...

    def results_between(self, low_key: int, high_key: int, limit: int) -> list[ResultRecord]:
        """Return up to `limit` results with `low_key <= key <= high_key`, ascending."""
        ...

    def find_alias(self, alias: str) -> int | None:
        """Return the key of the task that was sent under the id `alias`."""
        ...

    def peek(self, queue: str, limit: int) -> list[StoredTask]:
        """Return the first `limit` tasks of `queue` that aren't leased, and leave them so.

        Ready ones in the order in which they would be leased, then scheduled ones by due time. A pause doesn't matter.
        """
        ...

    def scheduled(self, limit: int) -> list[StoredTask]:
        """Return up to `limit` tasks that aren't leased and wait for a later time, of all queues, the first due first."""
        ...

    def lanes(self) -> list[LaneStats]:
        """Return what each queue holds at each priority, in no particular order; empty ones may be among them."""
        ...

    def stats(self) -> EngineStats:
        """Return counts that are exact at this moment."""
        ...

    def check(self) -> list[str]:
        """Look at everything, slowly, and return one line for each thing that is wrong; for `actorq doctor`."""
        ...

    # ------------------------------------------------------------------------------------------------ dead letters

    def dead(self, limit: int, offset: int = 0) -> list[DeadTask]:
        """Return dead letters, the latest first."""
        ...

    def load_dead(self, keys: Iterable[int]) -> list[DeadTask]:
        """Return these dead letters in the order of `keys`, without those that aren't there."""
        ...

    def requeue_dead(self, keys: Iterable[int]) -> list[int]:
        """Make dead letters tasks again, at the back of their lanes, with no deliveries and without their results.

        They are ready at once. Every token minted so far is below their fences. Returns the keys that were dead.
        """
        ...

    def purge_dead(self, keys: Iterable[int] | None = None) -> int:
        """Drop these dead letters (None: all) and return how many there were. Their results stay."""
        ...

    # ------------------------------------------------------------------------------------------------------ groups

    def save_group(self, id: str, body: bytes, expires_at: float) -> None:
        """Keep a body under an id until `expires_at` (wall time), in the place of the one before it, durable on return.

        Raises:
            StoreFull: there is no room.
        """
        ...

    def load_group(self, id: str, now: float) -> bytes | None:
        """Return what was saved under an id and hasn't expired by `now`, else None."""
        ...

    def drop_group(self, id: str) -> bool:
        """Drop what was saved under an id; return whether there was anything."""
        ...

    # ------------------------------------------------------------------------------------------------ housekeeping

    def purge(self, queue: str) -> int:
        """End all tasks of `queue` that aren't leased, as REVOKED with an empty payload; return how many."""
        ...

    def pause(self, queue: str) -> None:
        """Lease nothing more from `queue`, durably. It still takes tasks. A queue may be paused before it exists."""
        ...

    def resume(self, queue: str) -> None:
        """Undo `pause`."""
        ...

    def paused(self) -> set[str]:
        """Return the paused queues."""
        ...

    def leader(self, name: str, holder: str, ttl_s: float) -> int | None:
        """Try to lead `name` for `ttl_s` seconds of monotonic time; return the leadership's epoch, None: another leads.

        The holder asks again to extend, and gets the same epoch. Every change of leader gives a larger one, durably.
        """
        ...

    def prune(self, now: float, limit: int) -> int:
        """Drop up to `limit` results that expired at or before `now` (wall time), and return how many.

        Also drops what of `Transaction.revoked` and which groups have expired, takes back the reserve that a full disk
        cost, and drops outboxes that left nothing behind and weren't heard of for a week.
        """
        ...
