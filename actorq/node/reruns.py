"""Lets a task run once more that a run hasn't ended: it was handed back, or it asked for a retry.

A part of the ledger. Invariant: a task that comes here is in a window of the lanes afterwards, or put off (in the store alone
until then), or ended, because it was cancelled meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from actorq.engine.protocol import Change, NewTask
from actorq.messages.task import TO_THE_BACK

if TYPE_CHECKING:
    from actorq.messages.task import Delivery, Report
    from actorq.node.batch import Batch
    from actorq.node.cancellations import Cancellations
    from actorq.node.lanes import Lanes
    from actorq.node.requeues import Requeues

__all__ = ["Reruns"]


class Reruns:
    """Belongs to a ledger, whose parts these are."""

    __slots__ = ("_batch", "_cancellations", "_lanes", "_requeues")

    def __init__(self, lanes: Lanes, batch: Batch, requeues: Requeues, cancellations: Cancellations) -> None:
        self._lanes, self._batch, self._requeues, self._cancellations = lanes, batch, requeues, cancellations

    def run_again(self, delivery: Delivery, report: Report, now: float) -> None:
        """Run a task once more: it is handed back (no `due_at`), or it asked for a retry."""
        if self._cancellations and self._cancellations.stop(delivery, now):
            return
        if report.due_at is None:
            self._give_back(delivery, report, now)
            return
        batch, before = self._batch, delivery.message
        message = msgspec.structs.replace(before, retries=before.retries + 1)
        if report.payload:
            message.body, message.codec_id = report.payload, report.codec_id
        if report.expires is not None:
            message.expires = report.expires
        delivery.message = message
        if self._requeues:
            self._requeues.note_end(delivery)
        if report.due_at > now:
            self._put_off(delivery, report.due_at)
            return
        if delivery.key not in batch.fresh:
            batch.change(Change(delivery.key, delivery.token, delivery.deliveries, message, keep_lease=True))
        self._lanes.append(self._lanes.get_lane(message.queue, message.priority), delivery)

    def _give_back(self, delivery: Delivery, report: Report, now: float) -> None:
        """Take a delivery back, uncounted: to the front, or where the task wants that itself behind the others."""
        if report.codec_id != TO_THE_BACK:
            self._lanes.put_back([delivery])
        elif pause_s := self._requeues.plan_pause(delivery):
            self._put_off(delivery, now + pause_s)
        else:
            self._lanes.append(self._lanes.get_lane(delivery.message.queue, delivery.message.priority), delivery)

    def _put_off(self, delivery: Delivery, due_at: float) -> None:
        """Let a task wait in the store until then."""
        batch, message = self._batch, delivery.message
        if batch.fresh.pop(delivery.key, None) is None:
            batch.change(Change(delivery.key, delivery.token, delivery.deliveries, message, due_at))
        else:
            message = msgspec.structs.replace(message, eta=due_at)
            batch.puts.append(NewTask(delivery.key, message, deliveries=delivery.deliveries))
