"""Who waits for which result: a value the broker asks after each commit.

A client says which of its own task numbers it waits for, as ranges (collecting a hundred thousand results is one range,
not a hundred thousand entries), and which ids of other outboxes. Nothing here knows about sockets.
"""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING, Final

from actorq.messages.ids import NUMBER_BITS, NUMBER_MASK
from actorq.messages.wire import Results

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from actorq.messages.task import ResultRecord

__all__ = ["Ranges", "Subscriptions", "split_results"]

RECORDS_PER_FRAME: Final = 1_000
BYTES_PER_FRAME: Final = 1 << 20


class Ranges:
    """A set of whole numbers kept as disjoint inclusive ranges, ascending; made for few, long ranges.

    Adding 1..5 and then 4..9 leaves one range, 1..9.
    """

    __slots__ = ("_highs", "_lows")

    def __init__(self) -> None:
        self._lows: list[int] = []
        self._highs: list[int] = []

    def add(self, low: int, high: int) -> None:
        """Add `low`..`high`, both included; ranges that touch become one."""
        if low > high:
            return
        first = bisect.bisect_left(self._highs, low - 1)
        last = bisect.bisect_right(self._lows, high + 1)
        if first < last:
            low, high = min(low, self._lows[first]), max(high, self._highs[last - 1])
        self._lows[first:last] = [low]
        self._highs[first:last] = [high]

    def __contains__(self, number: int) -> bool:
        place = bisect.bisect_left(self._highs, number)
        return place < len(self._lows) and self._lows[place] <= number

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(zip(self._lows, self._highs, strict=True))


class Subscriptions:
    """Watched ranges by outbox, watched keys of others; `match` says who gets what."""

    def __init__(self) -> None:
        self._own: dict[int, tuple[bytes, Ranges]] = {}  # outbox number -> (routing id, numbers)
        self._foreign: dict[int, dict[bytes, str]] = {}  # key -> routing id -> the id as it was asked for

    def watch(self, outbox_no: int, routing_id: bytes, low: int, high: int) -> None:
        """Note that the owner of an outbox, now at `routing_id`, waits for its tasks `low`..`high`."""
        known = self._own.get(outbox_no)
        if known is None or known[0] != routing_id:
            known = self._own[outbox_no] = (routing_id, Ranges())
        known[1].add(low, high)

    def watch_foreign(self, key: int, routing_id: bytes, task_id: str) -> None:
        """Note that `routing_id` waits for somebody else's task, once."""
        self._foreign.setdefault(key, {})[routing_id] = task_id

    def drop(self, routing_id: bytes, outbox_no: int | None) -> None:
        """Forget a client that went away."""
        if outbox_no is not None and outbox_no in self._own and self._own[outbox_no][0] == routing_id:
            del self._own[outbox_no]
        for key in [key for key, waiting in self._foreign.items() if routing_id in waiting]:
            del self._foreign[key][routing_id]
            if not self._foreign[key]:
                del self._foreign[key]

    def match(self, records: Iterable[ResultRecord]) -> list[tuple[bytes, Results]]:
        """Return what to send to whom, in frames of bounded size; records keep their order."""
        own, foreign = self._own, self._foreign
        if not own and not foreign:
            return []
        batches: dict[bytes, list[ResultRecord]] = {}
        others: dict[bytes, list[tuple[str, ResultRecord]]] = {}
        for record in records:
            key = record.key
            watched = own.get(key >> NUMBER_BITS)
            if watched is not None and key & NUMBER_MASK in watched[1]:
                batch = batches.get(watched[0])
                if batch is None:
                    batches[watched[0]] = [record]
                else:
                    batch.append(record)
            if foreign and key in foreign:
                for routing_id, task_id in foreign.pop(key).items():
                    others.setdefault(routing_id, []).append((task_id, record))
        sends = [(peer, Results(part)) for peer, batch in batches.items() for part in split_results(batch)]
        sends += [(peer, Results([], found)) for peer, found in others.items()]
        return sends


def split_results(records: Sequence[ResultRecord]) -> Iterator[list[ResultRecord]]:
    """Cut records into frames of at most `RECORDS_PER_FRAME` and, where one record alone isn't larger, `BYTES_PER_FRAME`."""
    part: list[ResultRecord] = []
    size = 0
    for record in records:
        if part and (size + len(record.payload) > BYTES_PER_FRAME or len(part) >= RECORDS_PER_FRAME):
            yield part
            part, size = [], 0
        part.append(record)
        size += len(record.payload)
    if part:
        yield part
