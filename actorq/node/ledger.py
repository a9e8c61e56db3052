"""Who has which task: the broker's memory as a value, without a socket, a thread or a clock.

The ledger takes batches (tasks from outboxes, reports from slots, refills from the store) and says what follows: which
deliveries a slot may have, and one `Sealed` transaction for everything since the last. The broker only carries things.

Invariant: an unfinished task that the hub has accepted is in exactly one of these places: a lane's window (`lanes`), a
slot's hands (`held`), the store alone (the lanes count them), or a sealed transaction on its way there. The `batch` says
which of the first two the store hasn't heard of yet: such a task, if it ends before the next seal, is written once, as a
result. What an earlier hub gave out, and whose task hasn't been sent again yet, is the `legacy`. Runs that come after one that
didn't end its task are for `reruns`, tasks that must not start for `cancellations`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from actorq.codec import encode_failure
from actorq.engine.protocol import Change, NewTask
from actorq.errors import SlotLost
from actorq.messages.ids import NUMBER_BITS, NUMBER_MASK, make_key, parse_task_id
from actorq.messages.states import FAILURE, NUMBERS, RETRY
from actorq.messages.task import Delivery, Report, ResultRecord, TaskMessage
from actorq.node import lanes
from actorq.node.batch import Batch, Sealed, make_record
from actorq.node.cancellations import EXPIRED, Cancellations, revoked_report
from actorq.node.credit import next_mean_s, plan_credit
from actorq.node.desks import OutboxDesk, SlotDesk
from actorq.node.lanes import Lanes
from actorq.node.legacy import Legacy
from actorq.node.requeues import Requeues
from actorq.node.reruns import Reruns

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from actorq.engine.protocol import Opened, Receipt, StoredTask

__all__ = ["Ledger"]

_RETRY: Final = NUMBERS[RETRY]
_FAILURE: Final = NUMBERS[FAILURE]


class Ledger:
    """The broker's memory; see the module. Not safe for more than one thread."""

    def __init__(self, opened: Opened, *, max_tasks: int, prefetch_s: float) -> None:
        self.epoch = opened.epoch
        self.tokens = opened.tokens
        self.max_tasks = max_tasks
        self.prefetch_s = prefetch_s
        self.outboxes: dict[int, OutboxDesk] = {}
        self.by_no: dict[int, OutboxDesk] = {}
        self.slots: dict[str, SlotDesk] = {}
        self.accepted = 0
        self.finished = 0
        self.unfinished = sum(opened.ready.values())
        self.lanes = Lanes(opened.ready)
        self._batch = Batch()
        self._requeues = Requeues()
        self.cancellations = Cancellations(
            self.lanes,
            self._batch,
            end=self._end,
            count_end=self._count_end,
            epoch=opened.epoch,
            found=opened.revoked,
        )
        self._revoked = self.cancellations.revoked.names  # looked at for every task
        self._reruns = Reruns(self.lanes, self._batch, self._requeues, self.cancellations)
        self.legacy = Legacy(
            self.lanes,
            self._batch,
            self.by_no,
            self.cancellations,
            end=self._end,
            fail_delivery=self.fail_delivery,
        )
        for outbox_id, (no, taken) in opened.outboxes.items():
            self.open_outbox(outbox_id, no, taken)

    # -- tasks come in ------------------------------------------------------------------------------------------------

    def open_outbox(self, outbox_id: int, no: int, taken: int) -> OutboxDesk:
        """Return the desk of an outbox that the store has registered; the same one each time.

        A new one where the store has dropped it since, as nothing of it was left, and has given it another number.
        """
        desk = self.outboxes.get(outbox_id)
        if desk is None or desk.no != no:
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
        known, batch = self.lanes, self._batch
        get_lane, fresh, window_tasks = known.get_lane, batch.fresh, lanes.WINDOW_TASKS
        is_special = bool(self.legacy) or bool(self.cancellations)
        before, appended = taken, 0
        for message in messages:
            number = message.number
            if number <= taken:
                continue
            taken = number
            delivery = Delivery(base | number, 0, 0, outbox_id, message)
            if is_special and (self.legacy.marry(delivery, now) or self._take_revoked(delivery, now)):
                continue
            if message.eta is not None and message.eta > now:
                batch.puts.append(NewTask(delivery.key, message))
                continue
            lane = get_lane(message.queue, message.priority)
            # `Lane.is_open`, written out: it is asked for every task.
            if lane.stored or lane.spilling or lane.queue.unknown or len(lane.window) >= window_tasks:
                batch.spill(lane, delivery)
            else:
                lane.window.append(delivery)
                appended += 1
                fresh[delivery.key] = delivery
        known.waiting += appended
        if taken != before:
            self.accepted += taken - before
            self.unfinished += taken - before
            outbox.taken = batch.taken[outbox.no] = taken

    def _take_revoked(self, delivery: Delivery, now: float) -> bool:
        """End a task that was cancelled before it got here; False: it wasn't."""
        if not self.cancellations.revoked.covers(delivery):
            return False
        self._batch.fresh[delivery.key] = delivery
        return self.cancellations.stop(delivery, now)

    def refill(self, queue: str, tasks: Sequence[StoredTask], *, exhausted: bool) -> None:
        """Take ready tasks that the store has leased to the hub."""
        self.lanes.refill(queue, tasks, exhausted=exhausted)
        if self.cancellations:
            self.cancellations.came_back(tasks)

    def woken(self, queues: dict[str, int], *, revived: bool = False) -> None:
        """Remember that tasks became ready in the store; `revived`: they had ended, and are unfinished again."""
        self.lanes.woken(queues)
        if revived:
            count = sum(queues.values())
            self.accepted += count
            self.unfinished += count

    # -- queues are held, purged, moved --------------------------------------------------------------------------------

    def release_held(self) -> None:
        """Leave to the store alone what waits of held queues, at the places it had."""
        for queue in self.lanes.held:
            for lane, deliveries in self.lanes.empty(queue):
                self._batch.release(lane, deliveries, next(self.tokens))

    def ended_in_store(self, tasks: Iterable[StoredTask]) -> None:
        """Note that tasks ended that were in the store alone."""
        for task in tasks:
            if task.due_at is None:
                self.lanes.left_lane(task.message.queue, task.message.priority)
            self._count_end(task.key)

    # -- tasks go out -------------------------------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """Tasks in the windows, ready to be drawn."""
        return self.lanes.waiting

    def draw(self, slot: SlotDesk, limit: int, now: float) -> list[Delivery]:
        """Lease up to `limit` tasks to a slot under one fresh token, by priority within a queue, those it takes in turn."""
        if not self.lanes.waiting:
            return []
        drawn, expired = self.lanes.draw(slot.held, next(self.tokens), limit, now, slot.takes)
        for delivery in expired:
            self._end(delivery, revoked_report(delivery, EXPIRED), now)
        return drawn

    # -- one task becomes several --------------------------------------------------------------------------------------

    def put(self, outbox: OutboxDesk, message: TaskMessage) -> int:
        """Accept a task that nobody has sent, under the next number of an outbox. It is given out once it is stored."""
        outbox.taken += 1
        message.number = self._batch.taken[outbox.no] = outbox.taken
        lane = self.lanes.get_lane(message.queue, message.priority)
        key = outbox.no << NUMBER_BITS | message.number
        self._batch.spill(lane, Delivery(key, 0, 0, outbox.outbox_id, message))
        self.accepted += 1
        self.unfinished += 1
        return message.number

    def end(self, delivery: Delivery, report: Report, now: float) -> None:
        """End a task that was drawn and that no slot has."""
        self._end(delivery, report, now)

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
            slot.credit = plan_credit(slot.mean_s, self.prefetch_s, slot.places)
        if reports:
            slot.reported = self._batch.reported[slot] = first + len(reports)
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
            self._reruns.run_again(delivery, report, now)
            return
        key, batch = delivery.key, self._batch
        record = make_record(report, now, delivery.message.parent)
        batch.results.append(record)
        if batch.changed:
            batch.changed.pop(key, None)  # a transaction says one thing about a task: its end
        if batch.fresh.pop(key, None) is None:
            batch.settle(key, delivery.token, record)
        else:
            batch.straight.append(record)
            if delivery.message.alias is not None:
                batch.aliases.append((delivery.message.alias, key))
            if delivery.message.result_ttl_s is not None:
                batch.ttls[key] = delivery.message.result_ttl_s
        if self._requeues:
            self._requeues.note_end(delivery)
        self._count_end(key)

    def _count_end(self, key: int) -> None:
        self.finished += 1
        self.unfinished -= 1
        outbox = self.by_no.get(key >> NUMBER_BITS)
        if outbox is not None and outbox.finished < key & NUMBER_MASK:
            outbox.finished = key & NUMBER_MASK
        if self._revoked and outbox is not None:
            self.cancellations.ended(outbox.outbox_id, key & NUMBER_MASK)

    def fail_delivery(self, slot: SlotDesk, key: int, cause: str, traceback: str, now: float) -> bool:
        """Count a delivery whose slot died while it ran. Return whether the task is a dead letter now."""
        delivery = slot.held.pop(key, None)
        if delivery is None:
            return False
        batch = self._batch
        delivery.deliveries += 1
        if self.cancellations and self.cancellations.stop(delivery, now):
            return False
        if delivery.deliveries < delivery.message.max_deliveries:
            if key not in batch.fresh:
                batch.change(Change(key, delivery.token, delivery.deliveries, keep_lease=True))
            self.lanes.put_back([delivery])
            return False
        lost = SlotLost(delivery.message.task, cause, delivery.deliveries)
        batch.bury(delivery, cause, traceback, ResultRecord(key, _FAILURE, encode_failure(lost, traceback), 0, now))
        self._count_end(key)
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

    def _put_back(self, deliveries: Sequence[Delivery]) -> None:
        self.lanes.put_back(deliveries)
        if self.cancellations:
            self.cancellations.came_back(deliveries)

    # -- what must be written -----------------------------------------------------------------------------------------

    def forget(self, keys: Sequence[int]) -> None:
        """Drop results."""
        self._batch.forgotten.extend(keys)

    def when_safe(self, tell: Callable[[Sealed, Receipt], None]) -> None:
        """Call this after the commit of everything up to now."""
        self._batch.when_safe.append(tell)

    @property
    def operations(self) -> int:
        """How much waits to be committed."""
        return self._batch.operations

    @property
    def is_all_out(self) -> bool:
        """Whether all that waits to be committed are new tasks in slots' hands: they may be about to end."""
        fresh = len(self._batch.fresh)
        return bool(fresh) and fresh == self._batch.operations and not self.lanes.waiting

    def seal(self) -> Sealed | None:
        """Return everything since the last seal as one transaction, or None where there is nothing."""
        # While reports wait here for their tasks to be sent again, their slots and lines must go on keeping them.
        return self._batch.seal(self.tokens, keep_reports=self.legacy.has_reports)

    def unseal_puts(self, sealed: Sealed) -> None:
        """Take back a transaction's new tasks, which had no room, and what has happened to them meanwhile."""
        self._batch.unseal_puts(sealed)

    def committed(self, sealed: Sealed, receipt: Receipt) -> None:
        """Note that a sealed transaction is safe."""
        for no, number in sealed.confirms.items():
            self.by_no[no].committed = number
        sealed.committed(receipt)

    # -- what can be seen ---------------------------------------------------------------------------------------------

    def find(self, key: int) -> tuple[Delivery, SlotDesk | None] | None:
        """Return an unfinished task that is in memory, and the slot that has it (None: it waits). Slow: for questions."""
        for slot in self.slots.values():
            delivery = slot.held.get(key)
            if delivery is not None:
                return delivery, slot
        waiting = self.lanes.find(key)
        return None if waiting is None else (waiting, None)

    def find_key(self, task_id: str) -> int | None:
        """Return the key of a task that was taken from its outbox; None: it wasn't, or its caller chose the id."""
        parsed = parse_task_id(task_id)
        outbox = self.outboxes.get(parsed[0]) if parsed else None
        if outbox is None or parsed is None or not 0 < parsed[1] <= outbox.taken:
            return None
        return make_key(outbox.no, parsed[1])

    def find_aliases(self, aliases: Collection[str]) -> dict[str, int]:
        """Return `{alias: key}` for those of tasks in memory that the store may not have heard of. Slow."""
        found: list[Delivery | NewTask] = [*self._batch.puts, *self.lanes.iterate()]
        found += [delivery for slot in self.slots.values() for delivery in slot.held.values()]
        return {alias: each.key for each in found if (alias := each.message.alias) is not None and alias in aliases}
