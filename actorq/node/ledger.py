"""Who has which task: the broker's memory as a value, without a socket, a thread or a clock.

The ledger takes batches (tasks from outboxes, reports from slots, refills from the store) and says what follows: which
deliveries a slot may have, and one `Sealed` transaction for everything since the last. The broker only carries things.

Invariant: an unfinished task that the hub has accepted is in exactly one of these places: a lane's window, a slot's
hands (`held`), the store alone (`stored` counts them), or a sealed transaction on its way there. `fresh` says which of
the first two the store hasn't heard of yet: such a task, if it ends before the next seal, is written once, as a result.

Tasks wait in a *lane*, one for each queue and priority. A lane's window is its head in memory; what doesn't fit stays in
the store and comes back in order by refills. A fresh task may enter the window only while nothing of its lane waits in
the store, so the order of arrival holds.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from actorq.codec import encode_failure
from actorq.engine.protocol import Change, DeadLetter, NewTask, Settlement, Transaction
from actorq.errors import SlotLost, TaskRevoked
from actorq.messages.ids import NUMBER_BITS, NUMBER_MASK
from actorq.messages.states import FAILURE, NUMBERS, RETRY, REVOKED
from actorq.messages.task import Delivery, Report, ResultRecord, TaskMessage
from actorq.node.credit import INITIAL_CREDIT, next_mean_s, plan_credit

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from actorq.engine.protocol import Opened, Receipt, StoredTask

__all__ = ["KEEP_NO_RESULT", "Ledger", "OutboxDesk", "Sealed", "SlotDesk", "without_new_tasks"]

WINDOW_TASKS: Final = 65_536
REFILL_BELOW: Final = 4_096  # tasks in a window; lower, and a refill might come too late
REFILL_TASKS: Final = 2_048  # tasks read at once: bounds how long one read keeps the store from committing
KEEP_NO_RESULT: Final = -1  # a report's codec_id that means: the task wants no state kept

_RETRY: Final = NUMBERS[RETRY]
_FAILURE: Final = NUMBERS[FAILURE]
_REVOKED: Final = NUMBERS[REVOKED]


@dataclass(slots=True, eq=False)
class OutboxDesk:
    """What the hub knows of one outbox, as highest numbers: `taken` was accepted, `committed` is safe, `finished` ended.

    Its owner may forget what is committed, not what is merely taken: that is in this memory only.
    """

    outbox_id: int
    no: int
    taken: int
    committed: int
    finished: int = 0


@dataclass(slots=True, eq=False)
class SlotDesk:
    """What the hub knows of one slot. `held` is in the order in which the slot runs: its first may be running."""

    name: str
    node: str = ""
    pid: int = 0
    held: dict[int, Delivery] = field(default_factory=dict)
    mean_s: float = 0.0
    credit: int = INITIAL_CREDIT
    reported: int = 0  # reports seen: sequence number of the next
    settled: int = 0  # reports committed
    done: int = 0
    closed: bool = False  # gets nothing for now: being recalled, retiring, or dead
    retiring: bool = False


@dataclass(slots=True, eq=False)
class _Lane:
    queue: str
    priority: int
    window: deque[Delivery] = field(default_factory=deque)
    stored: int = 0  # committed tasks of this lane that are in the store alone
    spilling: int = 0  # the same, not yet committed


@dataclass(slots=True, eq=False)
class _Queue:
    name: str
    lanes: list[_Lane] = field(default_factory=list)  # highest priority first
    unknown: int = 0  # tasks in the store whose lane isn't known: of an earlier epoch, or woken by their eta
    refilling: bool = False


@dataclass(slots=True)
class Sealed:
    """A transaction on its way to the store, and what may be said once it is committed."""

    transaction: Transaction
    confirms: dict[int, int]  # outbox_no -> highest number now safe
    results: list[ResultRecord]
    settled: dict[SlotDesk, int]
    spilled: dict[_Lane, int]
    operations: int


class Ledger:
    """The broker's memory; see the module. Not safe for more than one thread."""

    def __init__(self, opened: Opened, *, max_tasks: int, prefetch_s: float) -> None:
        self.epoch = opened.epoch
        self.tokens: Iterator[int] = opened.tokens
        self.max_tasks = max_tasks
        self.prefetch_s = prefetch_s
        self.outboxes: dict[int, OutboxDesk] = {}
        self.by_no: dict[int, OutboxDesk] = {}
        self.slots: dict[str, SlotDesk] = {}
        self.accepted = 0
        self.finished = 0
        self.unfinished = sum(opened.ready.values())
        self._queues: dict[str, _Queue] = {}
        self._lanes: dict[tuple[str, int], _Lane] = {}
        self._fresh: dict[int, Delivery] = {}
        self._early: dict[int, Report] = {}  # ended before a hub that knew them died; their put comes again
        self._adopted: dict[int, tuple[SlotDesk, int]] = {}  # key -> running there with that token; put comes again
        self._in_windows = 0
        for outbox_id, (no, taken) in opened.outboxes.items():
            self.open_outbox(outbox_id, no, taken)
        for queue, count in opened.ready.items():
            self._queue(queue).unknown = count
        self._reset()

    def _reset(self) -> None:
        self._puts: list[NewTask] = []
        self._settled: list[Settlement] = []
        self._straight: list[ResultRecord] = []
        self._aliases: list[tuple[str, int]] = []
        self._changed: dict[int, Change] = {}
        self._dead: list[DeadLetter] = []
        self._taken: dict[int, int] = {}
        self._results: list[ResultRecord] = []
        self._reported: dict[SlotDesk, int] = {}
        self._spilled: dict[_Lane, int] = {}
        self._forgotten: list[int] = []

    # -- tasks come in ------------------------------------------------------------------------------------------------

    def open_outbox(self, outbox_id: int, no: int, taken: int) -> OutboxDesk:
        """Return the desk of an outbox that the store has registered; the same one each time."""
        desk = self.outboxes.get(outbox_id)
        if desk is None:
            desk = self.outboxes[outbox_id] = self.by_no[no] = OutboxDesk(outbox_id, no, taken, committed=taken)
            desk.finished = taken  # what ended before this epoch must be looked up in the store
        return desk

    def is_full(self) -> bool:
        """Return whether new tasks must be refused."""
        return self.unfinished >= self.max_tasks

    def take(self, outbox: OutboxDesk, messages: Sequence[TaskMessage], now: float) -> None:
        """Accept tasks of one outbox, numbers ascending; those it has already are passed over.

        A task is dispatched before it is committed: its outbox keeps it until then, and at-least-once covers the rest.
        """
        taken, base, outbox_id = outbox.taken, outbox.no << NUMBER_BITS, outbox.outbox_id
        lanes, fresh = self._lanes, self._fresh
        recovering = bool(self._early or self._adopted)
        before = taken
        for message in messages:
            number = message.number
            if number <= taken:
                continue
            taken = number
            delivery = Delivery(base | number, 0, 0, outbox_id, message)
            if (message.eta is not None and message.eta > now) or recovering:
                self._take_special(delivery, now)
                continue
            lane = lanes.get((message.queue, message.priority)) or self._lane(message.queue, message.priority)
            if lane.stored or lane.spilling or len(lane.window) >= WINDOW_TASKS or self._queues[lane.queue].unknown:
                self._spill(lane, delivery)
            else:
                lane.window.append(delivery)
                self._in_windows += 1
                fresh[delivery.key] = delivery
        if taken != before:
            self.accepted += taken - before
            self.unfinished += taken - before
            outbox.taken = self._taken[outbox.no] = taken

    def _take_special(self, delivery: Delivery, now: float) -> None:
        key = delivery.key
        early = self._early.pop(key, None)
        running = self._adopted.pop(key, None)
        if early is not None:
            self._fresh[key] = delivery
            delivery.token = early.token
            self._end(delivery, early, now)
        elif running is not None:
            slot, delivery.token = running
            slot.held[key] = self._fresh[key] = delivery
        elif delivery.message.eta is not None and delivery.message.eta > now:
            self._puts.append(NewTask(key, delivery.message))
        else:
            lane = self._lane(delivery.message.queue, delivery.message.priority)
            if lane.stored or lane.spilling or self._queues[lane.queue].unknown:
                self._spill(lane, delivery)
            else:
                self._fresh[key] = delivery
                self._append(lane, delivery)

    def _spill(self, lane: _Lane, delivery: Delivery) -> None:
        self._puts.append(NewTask(delivery.key, delivery.message))
        lane.spilling += 1
        self._spilled[lane] = self._spilled.get(lane, 0) + 1

    def _append(self, lane: _Lane, delivery: Delivery) -> None:
        lane.window.append(delivery)
        self._in_windows += 1

    def _lane(self, queue: str, priority: int) -> _Lane:
        lane = self._lanes.get((queue, priority))
        if lane is None:
            lane = self._lanes[queue, priority] = _Lane(queue, priority)
            lanes = self._queue(queue).lanes
            lanes.append(lane)
            lanes.sort(key=lambda each: -each.priority)
        return lane

    def _queue(self, name: str) -> _Queue:
        queue = self._queues.get(name)
        if queue is None:
            queue = self._queues[name] = _Queue(name)
        return queue

    # -- tasks go out -------------------------------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """Tasks in the windows, ready to be drawn."""
        return self._in_windows

    def draw(self, slot: SlotDesk, limit: int, now: float) -> list[Delivery]:
        """Lease up to `limit` tasks to a slot under one fresh token, by priority within a queue, queues in turn."""
        drawn: list[Delivery] = []
        if not self._in_windows:
            return drawn
        token, held = next(self.tokens), slot.held
        for queue in list(self._queues.values()):
            for lane in queue.lanes:
                window = lane.window
                while window and len(drawn) < limit:
                    delivery = window.popleft()
                    self._in_windows -= 1
                    delivery.token = token
                    expires = delivery.message.expires
                    if expires is not None and expires <= now:
                        self._expire(delivery, now)
                        continue
                    held[delivery.key] = delivery
                    drawn.append(delivery)
                if lane.stored or queue.unknown:
                    break  # more of this priority is on its way from the store: lower ones wait
            if len(drawn) >= limit:
                self._queues[queue.name] = self._queues.pop(queue.name)  # its turn is over: to the end
                break
        return drawn

    def _expire(self, delivery: Delivery, now: float) -> None:
        payload = encode_failure(TaskRevoked("expired before it could start"), "")
        self._end(delivery, Report(delivery.key, delivery.token, _REVOKED, payload), now)

    def refills(self) -> list[tuple[str, int]]:
        """Return `(queue, limit)` for each queue that should be read from the store now, and remember that it is."""
        asked = []
        for queue in self._queues.values():
            if queue.refilling:
                continue
            hungry = any(lane.stored and len(lane.window) < REFILL_BELOW for lane in queue.lanes)
            if hungry or (queue.unknown and sum(len(lane.window) for lane in queue.lanes) < REFILL_BELOW):
                queue.refilling = True
                asked.append((queue.name, REFILL_TASKS))
        return asked

    def refill(self, name: str, tasks: Sequence[StoredTask], *, exhausted: bool) -> None:
        """Take what the store leased to the hub; `exhausted` says that nothing of this queue is left there."""
        queue = self._queue(name)
        queue.refilling = False
        for task in tasks:
            lane = self._lane(name, task.message.priority)
            self._append(lane, Delivery(task.key, task.token, task.deliveries, task.outbox_id, task.message))
            if lane.stored:
                lane.stored -= 1
            elif queue.unknown:
                queue.unknown -= 1
        if exhausted:
            queue.unknown = 0
            for lane in queue.lanes:
                lane.stored = 0

    def woken(self, queues: dict[str, int]) -> None:
        """Remember that tasks became due: they are in the store, in lanes that aren't known here."""
        for name, count in queues.items():
            self._queue(name).unknown += count

    # -- tasks end ----------------------------------------------------------------------------------------------------

    def settle(self, slot: SlotDesk, first: int, reports: Sequence[Report], now: float) -> int:
        """Take reports of a living slot; `first` is the sequence number of the first. Return how many were stale."""
        stale, held, spent = 0, slot.held, 0.0
        known = slot.reported - first
        if known > 0:  # sent again to be sure, after a reconnect
            first, reports = first + known, reports[known:]
        for report in reports:
            delivery = held.get(report.key)
            if delivery is None or delivery.token != report.token:
                stale += 1
                continue
            del held[report.key]
            spent += report.runtime_s
            self._end(delivery, report, now)
        count = len(reports) - stale
        if count:
            slot.done += count
            slot.mean_s = next_mean_s(slot.mean_s, spent / count, count)
            slot.credit = plan_credit(slot.mean_s, self.prefetch_s)
        if reports:
            slot.reported = self._reported[slot] = first + len(reports)
        return stale

    def settle_early(self, slot: SlotDesk, reports: Iterable[Report], now: float) -> int:
        """Take from a living slot's line what it has finished but not sent; it will send it again. Return how many."""
        count = 0
        for report in reports:
            delivery = slot.held.get(report.key)
            if delivery is not None and delivery.token == report.token:
                del slot.held[report.key]
                self._end(delivery, report, now)
                count += 1
        return count

    def _end(self, delivery: Delivery, report: Report, now: float) -> None:
        if report.state == _RETRY:
            self._again(delivery, report, now)
            return
        key = delivery.key
        if report.codec_id == KEEP_NO_RESULT:
            record = None
        else:
            record = ResultRecord(key, report.state, report.payload, report.codec_id, now, report.runtime_s)
            self._results.append(record)
        if self._changed:
            self._changed.pop(key, None)  # a transaction says one thing about a task: its end
        if self._fresh.pop(key, None) is None:
            self._settled.append(Settlement(key, delivery.token, record))
        elif record is not None:
            self._straight.append(record)
            if delivery.message.alias is not None:
                self._aliases.append((delivery.message.alias, key))
        self.finished += 1
        self.unfinished -= 1
        outbox = self.by_no.get(key >> NUMBER_BITS)
        if outbox is not None and outbox.finished < key & NUMBER_MASK:
            outbox.finished = key & NUMBER_MASK

    def _again(self, delivery: Delivery, report: Report, now: float) -> None:
        """Run a task once more: handed back to the front (no `due_at`), or because it asked for a retry."""
        if report.due_at is None:
            self._put_back([delivery])
            return
        before = delivery.message
        message = msgspec.structs.replace(before, retries=before.retries + 1)
        if report.payload:
            message.body, message.codec_id = report.payload, report.codec_id
        delivery.message = message
        is_fresh = self._fresh.pop(delivery.key, None) is not None
        if report.due_at > now:
            if is_fresh:
                message.eta = report.due_at
                self._puts.append(NewTask(delivery.key, message, deliveries=delivery.deliveries))
            else:
                self._change(Change(delivery.key, delivery.token, delivery.deliveries, message, report.due_at))
            return
        if is_fresh:
            self._fresh[delivery.key] = delivery
        else:
            self._change(Change(delivery.key, delivery.token, delivery.deliveries, message, keep_lease=True))
        self._append(self._lane(message.queue, message.priority), delivery)

    def _change(self, change: Change) -> None:
        """Note a change; of several in one transaction the last counts, with what it doesn't say taken from before."""
        before = self._changed.get(change.key)
        if before is not None and change.message is None:
            change.message = before.message
        self._changed[change.key] = change

    def fail_delivery(self, slot: SlotDesk, key: int, cause: str, traceback: str, now: float) -> bool:
        """Count a delivery whose slot died while it ran. Return whether the task is a dead letter now."""
        delivery = slot.held.pop(key, None)
        if delivery is None:
            return False
        delivery.deliveries += 1
        if delivery.deliveries < delivery.message.max_deliveries:
            if delivery.key not in self._fresh:
                self._change(Change(key, delivery.token, delivery.deliveries, keep_lease=True))
            self._put_back([delivery])
            return False
        lost = SlotLost(delivery.message.task, cause, delivery.deliveries)
        record = ResultRecord(key, _FAILURE, encode_failure(lost, traceback), 0, now)
        if self._fresh.pop(key, None) is not None:
            self._puts.append(NewTask(key, delivery.message, delivery.token, delivery.deliveries))
        self._changed.pop(key, None)
        self._dead.append(DeadLetter(key, delivery.token, cause, traceback, now, record))
        self._results.append(record)
        self.finished += 1
        self.unfinished -= 1
        outbox = self.by_no.get(key >> NUMBER_BITS)
        if outbox is not None:
            outbox.finished = max(outbox.finished, key & NUMBER_MASK)
        return True

    def undo(self, slot: SlotDesk, drawn: Sequence[Delivery]) -> None:
        """Take back what was drawn for a slot that turned out not to be there."""
        for delivery in drawn:
            del slot.held[delivery.key]
        self._put_back(drawn)

    def hand_back(self, slot: SlotDesk, keep: Collection[int] = ()) -> int:
        """Take from a slot everything but the tasks `keep`, to the front of the lanes, in order. Return how many."""
        back = [delivery for key, delivery in slot.held.items() if key not in keep]
        for delivery in back:
            del slot.held[delivery.key]
        self._put_back(back)
        return len(back)

    def _put_back(self, deliveries: Iterable[Delivery]) -> None:
        for delivery in reversed(list(deliveries)):
            lane = self._lane(delivery.message.queue, delivery.message.priority)
            lane.window.appendleft(delivery)
            self._in_windows += 1

    # -- after a hub, or only its broker, has died ---------------------------------------------------------------------

    def recover_report(self, report: Report, now: float) -> None:
        """Take a report that a line file kept. The store refuses it where the task has ended already."""
        outbox = self.by_no.get(report.key >> NUMBER_BITS)
        if outbox is None:
            return
        if report.key & NUMBER_MASK > outbox.taken:
            self._early[report.key] = report  # its put was never committed: the outbox will send it again
            return
        if report.state == _RETRY:
            return  # rare, and nothing ended: it simply runs again
        record = None
        if report.codec_id != KEEP_NO_RESULT:
            record = ResultRecord(report.key, report.state, report.payload, report.codec_id, now, report.runtime_s)
            self._results.append(record)
        self._settled.append(Settlement(report.key, report.token, record))

    def recover_death(self, task: StoredTask, token: int, cause: str, now: float) -> None:
        """Count the delivery that a dead slot left running; the task is in the store and leased to nobody."""
        grave = SlotDesk("")
        delivery = Delivery(task.key, token, task.deliveries, task.outbox_id, task.message)
        delivery.deliveries += 1
        if delivery.deliveries < task.message.max_deliveries:
            self._change(Change(task.key, token, delivery.deliveries))
            return
        delivery.deliveries -= 1
        grave.held[task.key] = delivery
        self.fail_delivery(grave, task.key, cause, "", now)

    def adopt(self, slot: SlotDesk, key: int, token: int, task: StoredTask | None) -> None:
        """Leave a task with the living slot that still runs it; `task` is None where the store doesn't know it."""
        if task is not None:
            slot.held[key] = Delivery(key, token, task.deliveries, task.outbox_id, task.message)
            queue = self._queue(task.message.queue)
            queue.unknown = max(0, queue.unknown - 1)
            return
        outbox = self.by_no.get(key >> NUMBER_BITS)
        if outbox is not None and key & NUMBER_MASK > outbox.taken:
            self._adopted[key] = (slot, token)

    def keep_adopted(self, slot: SlotDesk, reports: Iterable[Report]) -> None:
        """Keep reports of tasks that this slot ran for an earlier hub and whose put hasn't come again yet."""
        for report in reports:
            if self._adopted.get(report.key) == (slot, report.token):
                del self._adopted[report.key]
                self._early[report.key] = report

    def lose_adopted(self, slot: SlotDesk) -> None:
        """Forget what a dead slot was running for an earlier hub: its put will be a new delivery."""
        for key in [key for key, (holder, _) in self._adopted.items() if holder is slot]:
            del self._adopted[key]

    # -- what must be written -----------------------------------------------------------------------------------------

    def forget(self, keys: Sequence[int]) -> None:
        """Drop results."""
        self._forgotten.extend(keys)

    @property
    def operations(self) -> int:
        """How much waits to be committed."""
        return (
            len(self._fresh)
            + len(self._puts)
            + len(self._settled)
            + len(self._straight)
            + len(self._changed)
            + len(self._dead)
            + len(self._forgotten)
        )

    @property
    def has_early(self) -> bool:
        """Whether reports are known whose tasks are yet to be sent again: nothing else remembers them durably."""
        return bool(self._early)

    @property
    def is_all_out(self) -> bool:
        """Whether all that waits to be committed are new tasks in slots' hands: they may be about to end."""
        fresh = len(self._fresh)
        return bool(fresh) and fresh == self.operations and not self._in_windows

    def seal(self) -> Sealed | None:
        """Return everything since the last seal as one transaction, or None where there is nothing."""
        operations = self.operations
        # While reports wait here for their tasks to be sent again, their slots and lines must go on keeping them.
        kept = self._reported if self._early else {}
        if not operations and not self._taken and not (self._reported and not kept):
            return None
        if self._fresh:
            token = next(self.tokens)  # for tasks that wait in a window: any delivery of them has a later one
            self._puts.extend(
                NewTask(key, each.message, each.token or token, each.deliveries) for key, each in self._fresh.items()
            )
        transaction = Transaction(
            puts=self._puts,
            settled=self._settled,
            straight=self._straight,
            aliases=self._aliases,
            changed=list(self._changed.values()),
            dead=self._dead,
            taken=self._taken,
            forgotten=self._forgotten,
        )
        sealed = Sealed(
            transaction, self._taken, self._results, {} if kept else self._reported, self._spilled, operations
        )
        self._fresh = {}
        self._reset()
        self._reported = kept
        return sealed

    def unseal_puts(self, sealed: Sealed) -> None:
        """Take back a transaction's new tasks, which had no room, and what has happened to them meanwhile."""
        transaction = sealed.transaction
        new = {put.key for put in transaction.puts}
        self._puts = transaction.puts + self._puts
        self._settled = [each for each in transaction.settled if each.key in new] + self._settled
        self._changed = {each.key: each for each in transaction.changed if each.key in new} | self._changed
        self._dead = [each for each in transaction.dead if each.key in new] + self._dead
        self._results = [each for each in sealed.results if each.key in new] + self._results
        self._taken = {**sealed.confirms, **self._taken}
        for lane, count in sealed.spilled.items():
            self._spilled[lane] = self._spilled.get(lane, 0) + count
        sealed.results = [each for each in sealed.results if each.key not in new]
        sealed.confirms, sealed.spilled = {}, {}

    def committed(self, sealed: Sealed, receipt: Receipt) -> None:
        """Note that a sealed transaction is safe."""
        for lane, count in sealed.spilled.items():
            lane.spilling -= count
            lane.stored += count
        for no, number in sealed.confirms.items():
            self.by_no[no].committed = number
        for slot, reported in sealed.settled.items():
            slot.settled = max(slot.settled, reported)
        if receipt.refused:
            refused = set(receipt.refused)
            sealed.results = [record for record in sealed.results if record.key not in refused]

    # -- what can be seen ---------------------------------------------------------------------------------------------

    def find(self, key: int) -> tuple[Delivery, SlotDesk | None] | None:
        """Return an unfinished task that is in memory, and the slot that has it (None: it waits). Slow: for questions."""
        for slot in self.slots.values():
            delivery = slot.held.get(key)
            if delivery is not None:
                return delivery, slot
        for lane in self._lanes.values():
            for delivery in lane.window:
                if delivery.key == key:
                    return delivery, None
        return None

    def windows(self, queue: str) -> Iterator[tuple[int, Iterable[Delivery]]]:
        """Yield `(priority, tasks)` for each lane of a queue, highest first."""
        known = self._queues.get(queue)
        for lane in known.lanes if known else ():
            yield lane.priority, lane.window

    def queue_lengths(self) -> dict[str, int]:
        """Return the ready tasks of each queue, in memory and in the store."""
        return {
            name: queue.unknown + sum(len(lane.window) + lane.stored + lane.spilling for lane in queue.lanes)
            for name, queue in self._queues.items()
        }


def without_new_tasks(transaction: Transaction) -> Transaction:
    """Return what of a transaction can be written where there is no room for new tasks: what happened to old ones."""
    new = {put.key for put in transaction.puts}
    return Transaction(
        settled=[each for each in transaction.settled if each.key not in new],
        straight=transaction.straight,
        aliases=transaction.aliases,
        changed=[each for each in transaction.changed if each.key not in new],
        dead=[each for each in transaction.dead if each.key not in new],
        forgotten=transaction.forgotten,
    )
