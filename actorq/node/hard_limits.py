"""Kills a slot whose task runs past its hard limit, and looks at nothing where no task has one.

A part of the slot actor. The slot writes the deadline of what it executes into its line; that costs no system call. Somebody
has to look there in time, so the two agree on when: `LineView.look_ns` is when this actor will look next, by one timer. The
slot rings the bell (a named pipe) only where a deadline comes before that look, or no look is due. So a task without a hard
limit costs nothing here or there, and a stream of tasks with one costs a look and at most a ring each time as much as
the limit has passed, not one for each task. Polling all slots every 50 ms would cost more, and be later.

No deadline is missed:
1. the slot writes the deadline, 2. reads `look_ns`, 3. reads the clock. It keeps quiet only if that look is neither past nor
after the deadline. This actor never puts off a look it has promised before its time has come (`plan_look`), and reads the
deadline then: after 3, so after 1. The same holds for the next incarnation of the actor, which looks before it listens.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final

from actorq.log import get_logger
from actorq.slot.bell import bell_path
from actorq.slot.line_view import LineView

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from actorq.actors import Actor
    from actorq.actors.timers import Timer

__all__ = ["HardLimit", "LookAtDeadline", "plan_look"]

log = get_logger(__name__)

LATE_S: Final = 0.001  # a look is never before the time promised, whatever a clock in floats makes of nanoseconds
DEAF_LOOK_S: Final = 0.25  # where no bell could be made (no room, no descriptor): late by that much, never blind
BELL_BYTES: Final = 4096


class LookAtDeadline:
    """Timer: the promised look of that one."""

    __slots__ = ("limit",)

    def __init__(self, limit: HardLimit) -> None:
        self.limit = limit


class HardLimit:
    """Belongs to `actor`, in whose context everything here runs; `kill` ends the process of this line.

    The same bell says that the slot has had its share of work (see `slot.wear`): `notice` is told at each look.
    """

    def __init__(
        self, actor: Actor, line: Path, kill: Callable[[], None], notice: Callable[[int], None] | None = None
    ) -> None:
        self._actor, self._line, self._kill, self._notice = actor, line, kill, notice
        self._timer: Timer | None = None
        self._is_closed = False
        self._bell = bell_path(line)
        self._fd = -1
        try:
            with contextlib.suppress(FileExistsError):  # an earlier incarnation's, on the same slot
                os.mkfifo(self._bell, 0o600)
            # For both directions: so it is never at its end, whoever opens and closes it.
            self._fd = os.open(self._bell, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            log.warning("bell_not_made", bell=str(self._bell), why=str(error), look_every_s=DEAF_LOOK_S)
        else:
            actor.sockets.add_fd(self._fd, self._on_rung, close=True)

    def close(self, *, ended: bool) -> None:
        """Listen no more; the bell goes where the process has `ended`. Idempotent."""
        self._is_closed = True
        if self._fd >= 0:
            self._actor.sockets.remove(self._fd, close=True)
            self._fd = -1
        self._forget_timer()
        if ended:
            self._bell.unlink(missing_ok=True)

    def _on_rung(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._fd, BELL_BYTES)
        self.look()

    def look(self) -> None:
        """Kill the process if its deadline has passed; else promise the next look. Looks for ever once it was called."""
        if self._is_closed:
            return
        self._forget_timer()
        view = LineView.attach(self._line)
        if view is None:
            self._look_later(DEAF_LOOK_S)  # the slot is only starting, or no descriptor is free
            return
        try:
            self._look(view)
            wear = view.wear
        finally:
            view.close()
        if wear and self._notice is not None:
            self._notice(wear)

    def _look(self, view: LineView) -> None:
        now_ns = int(self._actor.clock.monotonic() * 1e9)
        deadline_ns = view.deadline_ns
        overdue = view.find_overdue(now_ns)
        if overdue:
            view.condemn(*overdue)
            self._kill()
            late_s = round((now_ns - deadline_ns) / 1e9, 4)
            limit_s = overdue[0].limit_ns / 1e9
            log.warning("hard_limit_enforced", slot=view.name, limit_s=limit_s, late_s=late_s, tasks=len(overdue))
            return
        if self._fd < 0:
            self._look_later(DEAF_LOOK_S)
            return
        look_ns = plan_look(view.deadline_ns, view.look_ns, now_ns)
        view.set_look(look_ns)
        if look_ns:
            self._look_later((look_ns - now_ns) / 1e9 + LATE_S)

    def _look_later(self, delay_s: float) -> None:
        self._timer = self._actor.timers.after(delay_s, LookAtDeadline(self))

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def plan_look(deadline_ns: int, promised_ns: int, now_ns: int) -> int:
    """Return when to look next; 0: when the bell rings. 0 for `deadline_ns`: nothing that runs has one."""
    promised = (promised_ns,) if promised_ns > now_ns else ()
    due = (max(deadline_ns, now_ns + 1),) if deadline_ns else ()
    return min((*promised, *due), default=0)
