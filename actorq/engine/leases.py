"""The leases of one epoch, in memory.

An embedded store is owned by one process, so a lease needs no row: it ends with the process that could honour it. What
must outlive it, the fence of a lease that was ended early, is written with the task.

The invariant: every lease with a deadline has an entry in the heap at or before that deadline.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Lease", "LeaseBook"]

HEAP_SLACK: Final = 10_000  # outdated entries that aren't worth cleaning up; a settled lease leaves one behind


class Lease(msgspec.Struct, gc=False):
    """One lease, and what is needed of its task to end it without reading the row.

    `deadline` is monotonic. `place` and `due_at` are the row's, `ttl_s` its message's `result_ttl_s`.
    """

    token: int
    deadline: float | None = None
    place: int = 0
    due_at: float | None = None
    ttl_s: float | None = None


class LeaseBook:
    """Leases by key; deadlines in a heap whose outdated entries are skipped when they surface."""

    __slots__ = ("_heap", "by_key")

    def __init__(self) -> None:
        self.by_key: dict[int, Lease] = {}
        self._heap: list[tuple[float, int, int]] = []

    def add(self, key: int, lease: Lease) -> None:
        """Enter a lease; the key has none."""
        self.by_key[key] = lease
        if lease.deadline is not None:
            heappush(self._heap, (lease.deadline, key, lease.token))
            if len(self._heap) > HEAP_SLACK + 2 * len(self.by_key):
                self._drop_outdated()

    def extend(self, leases: Iterable[tuple[int, int]], deadline: float) -> list[int]:
        """Set the deadline of leases given as `(key, token)`; return the keys not leased under that token."""
        refused = []
        for key, token in leases:
            lease = self.by_key.get(key)
            if lease is None or lease.token != token:
                refused.append(key)
                continue
            # A later deadline needs no entry of its own: the old one surfaces first and is then moved.
            if lease.deadline is None or deadline < lease.deadline:
                heappush(self._heap, (deadline, key, token))
            lease.deadline = deadline
        return refused

    def find_expired(self, now: float, limit: int) -> list[int]:
        """Return up to `limit` keys with a deadline at or before `now`, oldest first. The leases stay until ended."""
        found: dict[int, Lease] = {}
        heap = self._heap
        while heap and heap[0][0] <= now and len(found) < limit:
            _, key, token = heappop(heap)
            lease = self.by_key.get(key)
            if lease is None or lease.token != token or lease.deadline is None or key in found:
                continue
            if lease.deadline > now:
                heappush(heap, (lease.deadline, key, token))
            else:
                found[key] = lease
        for key, lease in found.items():
            # Back into the heap: the caller may fail to write their fences and then asks again.
            heappush(heap, (lease.deadline or now, key, lease.token))
        return list(found)

    def end(self, keys: Iterable[int]) -> None:
        """Forget leases; keys without one are skipped."""
        pop = self.by_key.pop
        for key in keys:
            pop(key, None)

    def clear(self) -> None:
        """Forget all leases."""
        self.by_key.clear()
        self._heap.clear()

    def _drop_outdated(self) -> None:
        """Rebuild the heap from the leases there are, so that quick tasks under long leases don't fill the memory."""
        self._heap = [
            (lease.deadline, key, lease.token) for key, lease in self.by_key.items() if lease.deadline is not None
        ]
        heapify(self._heap)
