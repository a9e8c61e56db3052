"""What an earlier hub gave out: its slots' reports and runs, taken over from their line files.

A part of the ledger. What the store knows of is simply taken over. But a task is dispatched before it is committed: if the hub
dies in between, its sender still has it in an outbox, and a slot may have it, too: finished (then there is an early report in
its line) or running. Both wait here until the task arrives a second time, so that it isn't given out a second time.

Invariant: a key is here only while the store hasn't heard of its task.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from actorq.engine.protocol import Change
from actorq.messages.ids import NUMBER_BITS, NUMBER_MASK
from actorq.messages.states import NUMBERS, RETRY
from actorq.messages.task import Delivery
from actorq.node.batch import make_record
from actorq.node.desks import SlotDesk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from actorq.engine.protocol import StoredTask
    from actorq.messages.task import Report
    from actorq.node.batch import Batch
    from actorq.node.cancellations import Cancellations
    from actorq.node.desks import OutboxDesk
    from actorq.node.lanes import Lanes

__all__ = ["Legacy"]

_RETRY: Final = NUMBERS[RETRY]


class Legacy:
    """Early reports, and adopted runs; false when there are neither.

    Belongs to a ledger, whose parts these are; `end(delivery, report, now)` and `fail_delivery` are the ledger's.
    """

    __slots__ = ("_batch", "_by_no", "_cancellations", "_end", "_fail_delivery", "_lanes", "_reports", "_running")

    def __init__(
        self,
        lanes: Lanes,
        batch: Batch,
        by_no: Mapping[int, OutboxDesk],
        cancellations: Cancellations,
        *,
        end: Callable[[Delivery, Report, float], None],
        fail_delivery: Callable[[SlotDesk, int, str, str, float], bool],
    ) -> None:
        self._lanes, self._batch, self._by_no, self._cancellations = lanes, batch, by_no, cancellations
        self._end, self._fail_delivery = end, fail_delivery
        self._reports: dict[int, Report] = {}
        self._running: dict[int, tuple[SlotDesk, int]] = {}  # key -> who runs it, under which token

    def __bool__(self) -> bool:
        return bool(self._reports or self._running)

    @property
    def has_reports(self) -> bool:
        """Whether reports are known whose tasks are yet to be sent again: nothing else remembers them durably."""
        return bool(self._reports)

    # -- what the lines say --------------------------------------------------------------------------------------------

    def recover_report(self, report: Report, now: float) -> None:
        """Take a report that a line file kept. The store refuses it where the task has ended already."""
        outbox = self._by_no.get(report.key >> NUMBER_BITS)
        if outbox is None:
            return
        if report.key & NUMBER_MASK > outbox.taken:
            self._reports[report.key] = report  # its put was never committed: the outbox will send it again
            return
        if report.state == _RETRY:
            return  # rare, and nothing ended: it simply runs again
        record = make_record(report, now)
        self._batch.results.append(record)
        self._batch.settle(report.key, report.token, record)

    def recover_death(self, task: StoredTask, token: int, cause: str, now: float) -> None:
        """Count the delivery that a dead slot left running; the task is in the store and leased to nobody."""
        delivery = Delivery(task.key, token, task.deliveries, task.outbox_id, task.message)
        if self._cancellations and self._cancellations.stop(delivery, now):
            return
        if delivery.deliveries + 1 < task.message.max_deliveries:
            self._batch.change(Change(task.key, token, delivery.deliveries + 1))
            return
        grave = SlotDesk("", held={task.key: delivery})
        self._fail_delivery(grave, task.key, cause, "", now)

    def adopt(self, slot: SlotDesk, key: int, token: int, task: StoredTask | None) -> None:
        """Leave a task with the living slot that still runs it; `task` is None where the store doesn't know it."""
        if task is not None:
            slot.held[key] = Delivery(key, token, task.deliveries, task.outbox_id, task.message)
            self._lanes.left_store(task.message.queue)
            return
        outbox = self._by_no.get(key >> NUMBER_BITS)
        if outbox is not None and key & NUMBER_MASK > outbox.taken:
            self._running[key] = (slot, token)

    # -- what becomes of it until its task is sent again ---------------------------------------------------------------

    def keep(self, slot: SlotDesk, reports: Iterable[Report]) -> None:
        """Keep reports of tasks that this slot ran for an earlier hub and whose put hasn't come again yet."""
        for report in reports:
            if self._running.get(report.key) == (slot, report.token):
                del self._running[report.key]
                self._reports[report.key] = report

    def lose(self, slot: SlotDesk) -> None:
        """Forget what a dead slot was running for an earlier hub: its put will be a new delivery."""
        for key in [key for key, (holder, _) in self._running.items() if holder is slot]:
            del self._running[key]

    def marry(self, delivery: Delivery, now: float) -> bool:
        """Marry a task that was sent again to what an earlier hub's slot has done with it; False: nothing."""
        key = delivery.key
        early = self._reports.pop(key, None)
        if early is not None:
            self._batch.fresh[key] = delivery
            delivery.token = early.token
            self._end(delivery, early, now)
            return True
        running = self._running.pop(key, None)
        if running is None:
            return False
        slot, delivery.token = running
        slot.held[key] = self._batch.fresh[key] = delivery
        return True
