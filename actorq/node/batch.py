"""What the next transaction will say: everything that happened since the last one was sealed, as a value.

Invariant: a transaction says one thing about a task. `fresh` are tasks in memory that the store hasn't heard of: one that
ends before the seal leaves it and is written once, as a result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from actorq.engine.protocol import Change, DeadLetter, NewTask, Settlement, Transaction
from actorq.messages.task import ResultRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from actorq.engine.protocol import Receipt
    from actorq.messages.task import Delivery, Report
    from actorq.node.desks import SlotDesk
    from actorq.node.lanes import Lane

__all__ = ["Batch", "Sealed", "make_record", "without_new_tasks"]


@dataclass(slots=True)
class Sealed:
    """A transaction on its way to the store, and what may be said once it is committed."""

    transaction: Transaction
    confirms: dict[int, int]  # outbox_no -> highest number now safe
    results: list[ResultRecord]
    settled: dict[SlotDesk, int]
    spilled: dict[Lane, int]
    operations: int
    when_safe: list[Callable[[Sealed, Receipt], None]]

    def committed(self, receipt: Receipt) -> None:
        """Note in lanes and slots that it is safe; what the store refused is nobody's result."""
        for lane, count in self.spilled.items():
            lane.spilling -= count
            lane.stored += count
        for slot, reported in self.settled.items():
            slot.settled = max(slot.settled, reported)
        if receipt.refused:
            refused = set(receipt.refused)
            self.results = [record for record in self.results if record.key not in refused]


class Batch:
    """Gathers until `seal`. Whoever is in `when_safe` is called with what was sealed and the receipt, after the commit."""

    __slots__ = (
        "aliases", "changed", "dead", "forgotten", "fresh", "puts", "reported", "results", "revoked", "settled", "spilled",
        "straight", "taken", "ttls", "when_safe",
    )  # fmt: skip

    def __init__(self) -> None:
        self.fresh: dict[int, Delivery] = {}
        self.reported: dict[SlotDesk, int] = {}  # how many of its reports this batch and those before it hold
        self._clear()

    def _clear(self) -> None:
        self.puts: list[NewTask] = []
        self.settled: list[Settlement] = []
        self.straight: list[ResultRecord] = []
        self.aliases: list[tuple[str, int]] = []
        self.changed: dict[int, Change] = {}
        self.dead: list[DeadLetter] = []
        self.taken: dict[int, int] = {}
        self.results: list[ResultRecord] = []
        self.spilled: dict[Lane, int] = {}
        self.forgotten: list[int] = []
        self.ttls: dict[int, float] = {}
        self.revoked: dict[str, float | None] = {}
        self.when_safe: list[Callable[[Sealed, Receipt], None]] = []

    @property
    def operations(self) -> int:
        """How much waits to be committed."""
        return (
            len(self.fresh)
            + len(self.puts)
            + len(self.settled)
            + len(self.straight)
            + len(self.changed)
            + len(self.dead)
            + len(self.forgotten)
            + len(self.revoked)
            + len(self.when_safe)
        )

    def spill(self, lane: Lane, delivery: Delivery) -> None:
        """Write a new task that has no place in its window."""
        self.puts.append(NewTask(delivery.key, delivery.message))
        lane.spilling += 1
        self.spilled[lane] = self.spilled.get(lane, 0) + 1

    def release(self, lane: Lane, deliveries: Sequence[Delivery], token: int) -> None:
        """Leave tasks of a window to the store alone, at their places; `token` is larger than all they had."""
        new = []
        for delivery in deliveries:
            if self.fresh.pop(delivery.key, None) is not None:
                new.append(NewTask(delivery.key, delivery.message, 0, delivery.deliveries))
            else:
                self.change(Change(delivery.key, token, delivery.deliveries))
        self.puts[:0] = new  # a lane spills what comes after those in its window
        lane.spilling += len(deliveries)
        self.spilled[lane] = self.spilled.get(lane, 0) + len(deliveries)

    def change(self, change: Change) -> None:
        """Note a change; of several in one transaction the last counts, with what it doesn't say taken from before."""
        before = self.changed.get(change.key)
        if before is not None and change.message is None:
            change.message = before.message
        self.changed[change.key] = change

    def settle(self, key: int, token: int, record: ResultRecord | None) -> None:
        """Note the end of a task that the store knows."""
        self.settled.append(Settlement(key, token, record))

    def bury(self, delivery: Delivery, cause: str, traceback: str, record: ResultRecord) -> None:
        """Note a dead letter; one that the store hasn't heard of yet is put first."""
        key = delivery.key
        if self.fresh.pop(key, None) is not None:
            self.puts.append(NewTask(key, delivery.message, delivery.token, delivery.deliveries))
        else:  # the letter takes from the task how often it was delivered: the last time counts, too
            self.change(Change(key, delivery.token, delivery.deliveries, keep_lease=True))
        self.dead.append(DeadLetter(key, delivery.token, cause, traceback, record.finished_at, record))
        self.results.append(record)

    def seal(self, tokens: Iterator[int], *, keep_reports: bool) -> Sealed | None:
        """Return everything since the last seal as one transaction, or None where there is nothing.

        `keep_reports`: slots aren't to be told that their reports are safe.
        """
        operations = self.operations
        if not operations and not self.taken and (keep_reports or not self.reported):
            return None
        if self.fresh:
            token = next(tokens)  # for tasks that wait in a window: any delivery of them has a later one
            self.puts.extend(
                NewTask(key, each.message, each.token or token, each.deliveries) for key, each in self.fresh.items()
            )
            self.fresh = {}
        transaction = Transaction(
            puts=self.puts,
            settled=self.settled,
            straight=self.straight,
            aliases=self.aliases,
            changed=list(self.changed.values()),
            dead=self.dead,
            taken=self.taken,
            forgotten=self.forgotten,
            revoked=self.revoked,
            ttls=self.ttls,
        )
        reported = {} if keep_reports else self.reported
        sealed = Sealed(transaction, self.taken, self.results, reported, self.spilled, operations, self.when_safe)
        if not keep_reports:
            self.reported = {}
        self._clear()
        return sealed

    def unseal_puts(self, sealed: Sealed) -> None:
        """Take back a transaction's new tasks, which had no room, and what has happened to them meanwhile."""
        transaction = sealed.transaction
        new = {put.key for put in transaction.puts}
        self.puts = transaction.puts + self.puts
        self.settled = [each for each in transaction.settled if each.key in new] + self.settled
        self.changed = {each.key: each for each in transaction.changed if each.key in new} | self.changed
        self.dead = [each for each in transaction.dead if each.key in new] + self.dead
        self.results = [each for each in sealed.results if each.key in new] + self.results
        self.taken = {**sealed.confirms, **self.taken}
        for lane, count in sealed.spilled.items():
            self.spilled[lane] = self.spilled.get(lane, 0) + count
        sealed.results = [each for each in sealed.results if each.key not in new]
        sealed.confirms, sealed.spilled = {}, {}


def without_new_tasks(transaction: Transaction) -> Transaction:
    """Return what of a transaction can be written where there is no room for new tasks: what happened to old ones."""
    new = {put.key for put in transaction.puts}
    return Transaction(
        settled=[each for each in transaction.settled if each.key not in new],
        straight=transaction.straight,
        aliases=transaction.aliases,
        ttls=transaction.ttls,
        changed=[each for each in transaction.changed if each.key not in new],
        dead=[each for each in transaction.dead if each.key not in new],
        forgotten=transaction.forgotten,
        revoked=transaction.revoked,
    )


def make_record(report: Report, now: float, parent: str = "") -> ResultRecord:
    """Return what is to be kept of a task that ended."""
    payload, codec_id = report.payload, report.codec_id
    return ResultRecord(report.key, report.state, payload, codec_id, now, report.runtime_s, parent, report.children)
