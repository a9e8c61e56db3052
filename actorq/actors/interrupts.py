"""SIGINT and SIGTERM as something to wait for, in a program whose work is done by actors.

A handler runs between any two bytecodes of the main thread, so it may take no lock that the main thread could hold: what is
waited on is a `SimpleQueue`, whose `put` is made for that. The first signal puts the earlier handlers back, so a second one
does what it always did, and a program that won't end can still be ended.
"""

from __future__ import annotations

import signal
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from types import FrameType, TracebackType

__all__ = ["Interrupts"]

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """A context in which signals end a `wait` instead of the process."""

    def __init__(self) -> None:
        self._came: SimpleQueue[int] = SimpleQueue()
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        """Take the signals.

        Raises:
            RuntimeError: this isn't the main thread, the only one that may.
        """
        if threading.current_thread() is not threading.main_thread():
            name = threading.current_thread().name
            raise RuntimeError(f"expected run() in the main thread, got thread {name!r}; use spawn() and shutdown()")
        for number in SIGNALS:
            self._before[number] = signal.signal(number, self._take)
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self._give_back()

    def wait(self) -> int:
        """Wait until there is a signal, or somebody called `end`; return the signal's number, or 0."""
        return self._came.get()

    def end(self, *_: object) -> None:
        """End the wait without a signal; from any thread."""
        self._came.put(0)

    def _take(self, number: int, _: FrameType | None) -> None:
        self._give_back()
        self._came.put(number)

    def _give_back(self) -> None:
        before, self._before = self._before, {}
        for number, handler in before.items():
            signal.signal(number, handler)
