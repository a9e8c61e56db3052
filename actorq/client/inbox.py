"""Results that have come and those who wait for them.

Results stay undecoded until somebody asks: decoding is the caller's time, not the link's. Invariant: what nobody takes is
bounded by number and bytes, the oldest goes first, and can be had again because the broker keeps it.

A thread waits for one number at a time, so collecting a hundred thousand results wakes it once per frame, not per task.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from actorq.client.coverage import AHEAD, Coverage

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Collection, Iterable
    from typing import Protocol

    from actorq.messages.task import ResultRecord

    class Arrivals(Protocol):
        """Where waiters go whose result has come. `put` is called in the link's thread and returns at once."""

        def put(self, waiter: Waiter, /) -> None: ...


__all__ = ["Arrivals", "Inbox", "Waiter"]

MAX_RESULTS: Final = 65_536
MAX_BYTES: Final = 64 << 20
NEVER: Final = 1 << 62  # a number that no outbox reaches
EVICT: Final = 4_096  # thrown away at a time at most


class Waiter:
    """Somebody who waits for one result: a thread on a lock, a coroutine on a future of its loop, or `arrivals` for many."""

    __slots__ = ("arrivals", "asked_at", "future", "key", "lock", "loop", "record")

    def __init__(
        self, key: int | str, loop: asyncio.AbstractEventLoop | None = None, arrivals: Arrivals | None = None
    ) -> None:
        self.key, self.loop, self.arrivals = key, loop, arrivals
        self.asked_at = time.monotonic()
        self.record: ResultRecord | None = None
        self.future: asyncio.Future[None] | None = loop.create_future() if loop else None
        self.lock: Any = None if loop or arrivals is not None else threading.Lock()
        if self.lock is not None:
            self.lock.acquire()


class Inbox:
    """Results by number (this outbox's tasks) or by id (others'). `wake` tells the link that there is something to ask."""

    def __init__(self, wake: Callable[[], None], last: Callable[[], int]) -> None:
        self.results: dict[int | str, ResultRecord] = {}  # unclaimed, oldest first; popped without the lock
        self.extend_at = NEVER  # getting this number asks for the next range ahead of time
        self.ranges: deque[tuple[int, int]] = deque()  # to be asked for by the link
        self.ids: deque[str] = deque()  # the same for foreign ids
        self._wake, self._last = wake, last
        self._extend_from = 0
        self._lock = threading.RLock()  # a signal handler may ask while its thread does
        self._waiters: dict[int | str, list[Waiter]] = {}
        self._coverage = Coverage()
        self._bytes = 0  # upper bound of what `results` holds

    # -- callers ------------------------------------------------------------------------------------------------------

    def take(self, key: int | str) -> ResultRecord | None:
        """Return the result if it is here, and forget it."""
        record = self.results.pop(key, None)
        if record is not None and isinstance(key, int) and key >= self.extend_at:
            self._extend()
        return record

    def enlist(
        self, key: int | str, loop: asyncio.AbstractEventLoop | None = None, arrivals: Arrivals | None = None
    ) -> Waiter | ResultRecord:
        """Return the result, or somebody who waits for it; make sure that the broker was asked."""
        with self._lock:
            record = self.results.pop(key, None)
            if record is not None:
                return record
            waiter = Waiter(key, loop, arrivals)
            self._waiters.setdefault(key, []).append(waiter)
            must_ask = self._ask_for(key)
        if must_ask:
            self._wake()
        return waiter

    def withdraw(self, waiter: Waiter) -> None:
        """Stop waiting."""
        with self._lock:
            others = self._waiters.get(waiter.key)
            if others and waiter in others:
                others.remove(waiter)
                if not others:
                    del self._waiters[waiter.key]

    def _ask_for(self, key: int | str) -> bool:
        if isinstance(key, str):
            self.ids.append(key)
            return True
        planned = self._coverage.plan_watch(key, self._last())
        if planned is None:
            return False
        self.ranges.append(planned)
        if planned[1] - planned[0] >= AHEAD // 2:
            self.extend_at, self._extend_from = (planned[0] + planned[1]) // 2, planned[1] + 1
        return True

    def _extend(self) -> None:
        """Ask for what follows the newest range before anybody has to wait for it."""
        with self._lock:
            self.extend_at = NEVER
            if self._extend_from > self._last() or not self._ask_for(self._extend_from):
                return
        self._wake()

    # -- the link -----------------------------------------------------------------------------------------------------

    @property
    def has_waiters(self) -> bool:
        """Whether anybody waits."""
        return bool(self._waiters)

    def deliver(self, results: dict[int | str, ResultRecord], numbers: Collection[int], size_bytes: int) -> None:
        """Take in results from the broker, which are the inbox's from now on: to those who wait, else for later.

        `numbers` are those of its keys that are numbers. `size_bytes` is no less than all payloads together; a frame's
        size will do, and needs no look at each.
        """
        with self._lock:
            self._coverage.mark(numbers)
            released = self._hand_out(results) if self._waiters else []
            self.results.update(results)
            self._bytes += size_bytes
            if len(self.results) > MAX_RESULTS or self._bytes > MAX_BYTES:
                self._evict()
        _release(released)

    def _hand_out(self, results: dict[int | str, ResultRecord]) -> list[Waiter]:
        """Move what is waited for out of `results` and return who waited."""
        released: list[Waiter] = []
        for key in self._waiters.keys() & results.keys():  # looks up the fewer among the more
            record = results.pop(key)
            for waiter in self._waiters.pop(key):
                waiter.record = record
                released.append(waiter)
        return released

    def end(self, results: Iterable[tuple[int | str, ResultRecord]]) -> None:
        """Give those who wait an end that is no result; nothing is kept for later."""
        with self._lock:
            released: list[Waiter] = []
            for key, record in results:
                for waiter in self._waiters.pop(key, ()):
                    waiter.record = record
                    released.append(waiter)
        _release(released)

    def find_stale(self, before: float) -> list[int | str]:
        """Return what has been waited for since before `before` (monotonic) and count it as asked for anew now."""
        now = time.monotonic()
        with self._lock:
            stale = [key for key, waiting in self._waiters.items() if waiting[0].asked_at <= before]
            for key in stale:
                self._waiters[key][0].asked_at = now
        return stale

    def ask_again(self, keys: Iterable[int | str] | None = None) -> None:
        """Put what is waited for (`keys`, else all of it, after a reconnect) back on the list of what to ask for."""
        with self._lock:
            if keys is None:
                self._coverage.clear()
                self.ranges.clear()
                self.ids.clear()
                keys = list(self._waiters)
            else:
                for key in keys:
                    if isinstance(key, int):
                        self._coverage.forget(key)
            # Ascending, so that a range covers those after its first number.
            for key in sorted(key for key in keys if isinstance(key, int)):
                self._ask_for(key)
            self.ids.extend(key for key in keys if isinstance(key, str))

    def _evict(self) -> None:
        # What was taken isn't subtracted then; recount now that it matters.
        self._bytes = sum(len(record.payload) for record in list(self.results.values()))
        while self.results and (len(self.results) > MAX_RESULTS or self._bytes > MAX_BYTES):
            for key in list(islice(self.results, min(EVICT, 1 + len(self.results) // 4))):
                self._bytes -= self._drop(key)

    def _drop(self, key: int | str) -> int:
        record = self.results.pop(key, None)
        if record is None:
            return 0
        if isinstance(key, int):
            self._coverage.forget(key)
        return len(record.payload)


def _release(waiters: list[Waiter]) -> None:
    """Let those who waited go on: each thread by its lock or its arrivals, all coroutines of a loop with one call."""
    loops: dict[asyncio.AbstractEventLoop, list[Waiter]] = {}
    for waiter in waiters:
        if waiter.arrivals is not None:
            waiter.arrivals.put(waiter)
        elif waiter.loop is None:
            waiter.lock.release()
        else:
            loops.setdefault(waiter.loop, []).append(waiter)
    for loop, theirs in loops.items():
        try:
            loop.call_soon_threadsafe(_resolve, theirs)
        except RuntimeError:  # the loop was closed while its coroutine waited: nobody is left to tell
            continue


def _resolve(waiters: list[Waiter]) -> None:
    for waiter in waiters:
        if waiter.future is not None and not waiter.future.done():
            waiter.future.set_result(None)
