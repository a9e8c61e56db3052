"""Ends tasks that were cancelled or have expired, in the ledger: wherever they wait, and when they come back or arrive later.

A part of the ledger, as a value like the rest of it. Invariant: what was ended here never reaches a slot:

- one in a window is taken out of it;
- one that only the store has is settled blindly, by a token that is above every lease of this epoch. Should the store have
  given it to the hub before it reads that, it is dropped when it gets here (`_settling`);
- one that isn't here yet, or runs, is remembered (`revoked`) and stopped when it arrives or comes back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from actorq.codec import encode_failure
from actorq.engine.protocol import EPOCH_SHIFT
from actorq.errors import TaskRevoked
from actorq.messages.states import NUMBERS, REVOKED
from actorq.messages.task import Delivery, Report, ResultRecord
from actorq.node.revoked_ids import RevokedIds

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from actorq.engine.protocol import Receipt
    from actorq.node.batch import Batch, Sealed
    from actorq.node.lanes import Lanes

__all__ = ["CANCELLED", "EXPIRED", "Cancellations", "revoked_report"]

CANCELLED: Final = "cancelled before it could start"
EXPIRED: Final = "expired before it could start"
_REVOKED: Final = NUMBERS[REVOKED]


class Cancellations:
    """Belongs to a ledger, whose `lanes` and `batch` these are; `end(delivery, report, now)` ends a task there.

    `needs_look`: something came back to the windows, or from the store, that must not start: `look` before a hand-out.
    """

    def __init__(
        self,
        lanes: Lanes,
        batch: Batch,
        *,
        end: Callable[[Delivery, Report, float], None],
        count_end: Callable[[int], None],
        epoch: int,
        found: Mapping[str, float],
    ) -> None:
        self.revoked = RevokedIds(found)
        self.needs_look = False
        self._lanes, self._batch, self._end, self._count_end = lanes, batch, end, count_end
        self._settling: set[int] = set()
        self._last_token = (epoch + 1 << EPOCH_SHIFT) - 1

    def __bool__(self) -> bool:
        return bool(self.revoked) or bool(self._settling)

    # -- somebody cancels ----------------------------------------------------------------------------------------------

    def end_waiting(self, keys: Collection[int], why: str, now: float) -> set[int]:
        """End those of these tasks that wait in a window, and return which. One pass, however many they are."""
        found = self._lanes.take_out(lambda delivery: delivery.key in keys)
        for delivery in found:
            delivery.token = self._last_token  # it may never have had one; the store leased it to the hub under another
            self._end(delivery, revoked_report(delivery, why), now)
        return {delivery.key for delivery in found}

    def end_stored(self, keys: Iterable[int], why: str, now: float) -> None:
        """End tasks that aren't in memory, if the store has them: the receipt of the next transaction says whether."""
        batch, payload = self._batch, encode_failure(TaskRevoked(why), "")
        over = {settled.key for settled in batch.settled} | {record.key for record in batch.straight}
        over |= {letter.key for letter in batch.dead}
        for key in keys:
            if key in over or key in self._settling:
                continue
            record = ResultRecord(key, _REVOKED, payload, 0, now)
            batch.changed.pop(key, None)  # a transaction says one thing about a task: its end
            batch.settle(key, self._last_token, record)
            batch.results.append(record)
            self._settling.add(key)

    def is_settling(self, key: int) -> bool:
        """Return whether the end of this task is on its way to the store, which may not have it any more."""
        return key in self._settling

    def stored_ended(self, keys: Iterable[int], sealed: Sealed, receipt: Receipt) -> tuple[set[int], set[int]]:
        """Take note of a commit; return which of `end_stored`'s keys have ended by it, and which are yet to be written."""
        refused, written = set(receipt.refused), {record.key for record in sealed.results}
        waiting = {key for key in keys if key in self._settling}
        ended = waiting & written  # one that isn't waiting has ended by itself, perhaps in the same transaction
        for key in ended:
            self._count_end(key)
        self._settling -= ended | (waiting & refused)
        return ended, waiting & self._settling

    def note(self, ids: Iterable[str], now: float) -> list[str]:
        """Remember, durably, that these must not start (again); return those for which there is no room."""
        added, refused = self.revoked.add(ids, now)
        self._batch.revoked.update(added)
        return refused

    def pardon(self, ids: Iterable[str]) -> None:
        """Take note that the store forgets these."""
        self._batch.revoked.update(dict.fromkeys(ids))

    # -- what was cancelled turns up -------------------------------------------------------------------------------------

    def stop(self, delivery: Delivery, now: float) -> bool:
        """End a task that must not start; False: it may. The batch knows whether the store has heard of it."""
        if not self.revoked.covers(delivery):
            return False
        delivery.token = self._last_token
        self._end(delivery, revoked_report(delivery, CANCELLED), now)
        self.pardon(self.revoked.forget(delivery.outbox_id, delivery.message.number, delivery.message.alias))
        return True

    def came_back(self, deliveries: Iterable[Any]) -> None:
        """Take note of tasks that are in the windows (again), by a slot or by the store: `key`, `outbox_id`, `message`."""
        deliveries = list(deliveries)
        if any(each.key in self._settling for each in deliveries):
            # Now: the answer to that settlement may be the next message, and then nobody knows of it any more.
            self._lanes.take_out(lambda each: each.key in self._settling)
        if any(map(self.revoked.covers, deliveries)):
            self.needs_look = True

    def look(self, now: float) -> None:
        """Take out of the windows what must not start."""
        self.needs_look = False
        for delivery in self._lanes.take_out(self.revoked.covers):
            self.stop(delivery, now)

    def ended(self, outbox_id: int, number: int) -> None:
        """Take note that a task has ended: nothing of it is left to be stopped."""
        self.pardon(self.revoked.forget(outbox_id, number))


def revoked_report(delivery: Delivery, why: str) -> Report:
    """Return the end of a task that never started."""
    return Report(delivery.key, delivery.token, _REVOKED, encode_failure(TaskRevoked(why), ""))
