"""Watching the beats of loops from outside (K2, K3).

A thread of its own, because whatever it watches may be stuck. A loop that has been at one item for `warn_s` is logged with
its stack, once; after `limit_s`, or when more than `zombie_limit` killed actors haven't given their threads back, nothing
inside the process can help: `on_stuck` is called once with the reason, and the node is expected to exit for its outer
supervisor to restart it. Sleeping loops have no beat and are well.
"""

from __future__ import annotations

import sys
import threading
import traceback
from typing import TYPE_CHECKING, Final

from actorq.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from actorq.actors.loop import Loop
    from actorq.actors.system import System

__all__ = ["Watchdog"]

log = get_logger(__name__)

LOOK_EVERY_S: Final = 0.5


class Watchdog:
    """Looks at the loops of `system` twice a second between `start` and `stop`."""

    def __init__(
        self,
        system: System,
        on_stuck: Callable[[str], None],
        *,
        warn_s: float = 1.0,
        limit_s: float = 10.0,
        zombie_limit: int = 3,
    ) -> None:
        self._system, self._on_stuck = system, on_stuck
        self._warn_s, self._limit_s, self._zombie_limit = warn_s, limit_s, zombie_limit
        self._warned: set[Loop] = set()
        self._reported = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"{system.name}:watchdog", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more; returns when the thread has ended."""
        self._stopped.set()
        self._thread.join()

    def look(self) -> None:
        """Look once."""
        stuck = {loop: stuck_s for loop in self._system.loops() if (stuck_s := loop.stuck_for_s()) >= self._warn_s}
        self._warned &= stuck.keys()
        for loop, stuck_s in stuck.items():
            if loop not in self._warned:
                self._warned.add(loop)
                log.warning("loop_stuck", loop=loop.name, stuck_for_s=round(stuck_s, 1), stack=_stack_of(loop))
            if stuck_s >= self._limit_s:
                self._report(f"the loop {loop.name!r} has been at one item for {stuck_s:.1f} s")
        zombies = self._system.zombies(self._warn_s)
        if len(zombies) > self._zombie_limit:
            names = ", ".join(label for label, _ in zombies)
            self._report(f"{len(zombies)} killed actors haven't given their threads back: {names}")

    def _report(self, reason: str) -> None:
        if not self._reported:
            self._reported = True
            log.error("system_stuck", system=self._system.name, reason=reason)
            self._on_stuck(reason)

    def _watch(self) -> None:
        while not self._stopped.wait(LOOK_EVERY_S):
            self.look()


def _stack_of(loop: Loop) -> str:
    frame = sys._current_frames().get(loop.thread_id)  # noqa: SLF001  the documented way to see another thread's stack
    return "" if frame is None else "".join(traceback.format_stack(frame))
