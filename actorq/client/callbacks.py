"""Functions that are called when results come: what `then` asked for.

They run one after the other in a thread of their own, so that one which waits for another result never stops the link that
brings it. Invariant: the thread lives while a function waits to be called, and no longer; what one raises is logged.
"""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

from actorq.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from actorq.client.inbox import Waiter
    from actorq.messages.task import ResultRecord

__all__ = ["Callbacks", "Countdown"]

log = get_logger(__name__)


class Callbacks:
    """Safe to use from any thread."""

    def __init__(self) -> None:
        self._due: SimpleQueue[tuple[Call, ResultRecord] | None] = SimpleQueue()
        self._lock = threading.RLock()  # a signal handler may call `then`
        self._open = 0  # calls that are waited for
        self._thread: threading.Thread | None = None

    def expect(self, task_id: str, function: Callable[[ResultRecord], None]) -> Call:
        """Return what a waiter is put into: `function` is called then. `withdraw` it where nobody will be put."""
        with self._lock:
            self._open += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="actorq-callbacks", daemon=True)
                self._thread.start()
        return Call(task_id, function, self._due)

    def withdraw(self) -> None:
        """One call less is expected."""
        with self._lock:
            self._open -= 1
            if not self._open:
                self._due.put(None)

    def close(self) -> None:
        """Call nobody any more; a function that runs now may end."""
        with self._lock:
            if self._thread is not None:
                self._open = 0
                self._due.put(None)

    def _run(self) -> None:
        while self._is_needed():
            due = self._due.get()
            if due is None:
                continue
            call, record = due
            try:
                call.function(record)
            except Exception:
                log.exception("callback_failed", task_id=call.task_id)
            with self._lock:
                self._open = max(0, self._open - 1)

    def _is_needed(self) -> bool:
        with self._lock:
            if not self._open:
                self._thread = None
            return self._thread is not None


class Call:
    """One function that waits for one result: the arrivals of its waiter."""

    __slots__ = ("_due", "function", "task_id")

    def __init__(
        self,
        task_id: str,
        function: Callable[[ResultRecord], None],
        due: SimpleQueue[tuple[Call, ResultRecord] | None],
    ) -> None:
        self.task_id, self.function, self._due = task_id, function, due

    def put(self, waiter: Waiter, /) -> None:
        """Have the function called."""
        assert waiter.record is not None
        self._due.put((self, waiter.record))


class Countdown:
    """Calls `action` when it was called `count` times, from whatever threads; at once where there is nothing to count."""

    def __init__(self, count: int, action: Callable[[], None]) -> None:
        self._left, self._action = count, action
        self._lock = threading.Lock()
        if not count:
            action()

    def __call__(self, _: object) -> None:
        with self._lock:
            self._left -= 1
            is_last = not self._left
        if is_last:
            self._action()
