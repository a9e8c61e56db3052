"""Ending the roots of a system one after the other, the last one first."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from actorq.messages.reasons import SHUTDOWN

if TYPE_CHECKING:
    from actorq.actors.cell import Cell
    from actorq.actors.ref import ActorRef

__all__ = ["StopChain"]


class StopChain:
    """Stops actors one after the other, the last one first; each end sets off the next, in the thread where it happens."""

    def __init__(self, cells: list[Cell]) -> None:
        self._left = cells
        self._done = threading.Event()
        self._step = threading.Lock()
        self.current: ActorRef[Any] | None = None

    def run(self, deadline: float) -> bool:
        """Return whether all had ended by `deadline`; then the rest is left alone."""
        self._next()
        ended = self._done.wait(max(0.0, deadline - time.monotonic()))
        if not ended:
            with self._step:
                self._left.clear()
        return ended

    def _next(self, *_: object) -> None:
        while True:
            with self._step:
                cell = self._left.pop() if self._left else None
            if cell is None:
                self._done.set()
                return
            if not cell.is_dead:
                self.current = cell.ref
                cell.watch(self._next)  # at once, if it has died since
                cell.exit(None, SHUTDOWN)
                return
