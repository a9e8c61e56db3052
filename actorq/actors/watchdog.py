"""Watching the beats of loops from outside (K2, K3).

A thread of its own, because whatever it watches may be stuck. A loop that has been at one item for `warn_s` is logged with
its stack, once per stall. A killed actor from whose code the thread isn't back after `grace_s` is a zombie. Nothing inside
the process can help a loop that is stuck for `limit_s`, more than `zombie_limit` zombies, or a single one on a shared loop,
where it stops all others: `on_stuck` is called once with the reason, and the node is expected to exit for its outer
supervisor to restart it. Sleeping loops have no beat and are well; busy ones beat between two items. A pinned actor that
has to wait for a disk says so with `patience_s`.

Where the whole process stood still (SIGSTOP, a frozen container), every loop looks stuck to whoever wakes up with it: so
what was before a gap between two looks of its own doesn't count.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING, Final

from actorq.actors.signals import Reap
from actorq.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from actorq.actors.loop import Loop
    from actorq.actors.system import System

__all__ = ["Watchdog"]

log = get_logger(__name__)

LOOK_EVERY_S: Final = 0.5
STOOD_STILL_S: Final = 2.0  # between two looks: nobody was running


class Watchdog:
    """Looks at the loops of `system` twice a second between `start` and `stop`."""

    def __init__(
        self,
        system: System,
        on_stuck: Callable[[str], None],
        *,
        warn_s: float = 1.0,
        limit_s: float = 10.0,
        grace_s: float = 1.0,
        zombie_limit: int = 3,
    ) -> None:
        self._system, self._on_stuck = system, on_stuck
        self._warn_s, self._limit_s = warn_s, limit_s
        self._grace_s, self._zombie_limit = grace_s, zombie_limit
        self._warned: set[Loop] = set()
        self._reported = False
        self._looked_at = self._awake_since = time.monotonic()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"{system.name}:watchdog", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._looked_at = self._awake_since = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """Look no more; returns when the thread has ended."""
        self._stopped.set()
        self._thread.join()

    def look(self) -> None:
        """Look once."""
        system = self._system
        awake_s = self._note_look(time.monotonic())
        loops = {loop: min(loop.stuck_for_s(), awake_s) for loop in system.loops()}
        stuck = {loop: stuck_s for loop, stuck_s in loops.items() if stuck_s >= self._warn_s}
        self._warned &= stuck.keys()
        for loop, stuck_s in loops.items():
            if stuck_s and not loop.signals:
                # A signal overtakes the mailbox: a loop that is merely busy gets to it, and beats, after the item it is at.
                loop.post_signal(system.nobody, Reap())
            if loop in stuck and loop not in self._warned:
                self._warned.add(loop)
                log.warning("loop_stuck", loop=loop.name, stuck_for_s=round(stuck_s, 1), stack=_stack_of(loop))
            if stuck_s >= self._limit_s + loop.patience_s:
                self._report(f"the loop {loop.name!r} has been at one item for {stuck_s:.1f} s")
        if awake_s >= self._grace_s:
            self._look_for_zombies()

    def _look_for_zombies(self) -> None:
        zombies = self._system.zombies(self._grace_s)
        for zombie in zombies:
            if zombie.shared:
                self._report(f"{zombie.label} was killed {zombie.for_s:.1f} s ago and still holds the shared loop")
        if len(zombies) > self._zombie_limit:
            names = ", ".join(zombie.label for zombie in zombies)
            self._report(f"{len(zombies)} killed actors haven't given their threads back: {names}")

    def _note_look(self, now: float) -> float:
        """Return for how long this thread has been looking without a gap."""
        if now - self._looked_at > STOOD_STILL_S:
            log.warning("system_stood_still", system=self._system.name, for_s=round(now - self._looked_at, 1))
            self._awake_since = now
        self._looked_at = now
        return now - self._awake_since

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
