"""Looks after one place in the pool: there is always one slot process in it.

Light; permanent; a child of the dynamic supervisor `slots`. A slot that dies by its task's fault is replaced at once and
costs no restart quota: the pool is never blamed for one task's poison. If this actor itself crashes, the process goes on
and the next incarnation finds it in the roster.

    starting --SlotForked--> up --process ends--> starting        (at once; with a pause if it never gets far)
    up --hard limit of its task--> starting                       (killed; see `hard_limits`)
    up --shutdown--> retiring --process ends--> gone              (the present task may finish; then the deadline kills)
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final

from actorq.actors import Actor
from actorq.errors import Exit
from actorq.log import get_logger
from actorq.messages.reasons import SHUTDOWN
from actorq.node.hard_limits import HardLimit, LookAtDeadline
from actorq.node.messages import ForkFailed, ForkSlot, LookForStrays, RetireSlot, SlotForked, SlotGone
from actorq.slot.line import LineView, trace_path
from actorq.slot.process import reap

if TYPE_CHECKING:
    from pathlib import Path

    from actorq.actors import NameRef
    from actorq.messages.reasons import ExitReason
    from actorq.node.roster import Roster, SlotProcess
    from actorq.transport.paths import Home

__all__ = ["SlotActor"]

log = get_logger(__name__)

FORK_DEADLINE_S: Final = 10.0  # the zygote may be importing the application
SHORT_LIFE_S: Final = 1.0
QUICK_DEATHS: Final = 5  # short lives in a row before the next start waits
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 5.0
RETIRE_LOOK_S: Final = 0.05
RETIRE_GRACE_S: Final = 1.0  # until then the broker is expected to see to it
NO_DELIVERY: Final = (1 << 63) - 1  # a fence that no token passes


class _Fork:
    """Timer: order a process."""


class _ForkLate:
    """Timer: no answer from the zygote."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class _LookRetiring:
    """Timer: is the retiring slot idle?"""


class SlotActor(Actor):
    """Keeps one slot process alive."""

    def init(self, *, place: int, roster: Roster, home: Home, zygote: NameRef, link: NameRef) -> None:
        """Find the process that is there already, wait for the one that was ordered, or order one."""
        self.place, self.roster, self.home, self.zygote, self.hub_link = place, roster, home, zygote, link
        self._retiring_since: float | None = None
        self._started_at = self.clock.monotonic()
        self._short_lives = 0
        self._watched = -1
        self._hard_limit: HardLimit | None = None
        # An earlier incarnation may still be about to end: from now on the place is this one's.
        roster.watchers[place] = self.self_ref.id
        if place in roster.processes:
            self._watch()
        elif place in roster.orders:
            self.timers.after(FORK_DEADLINE_S, _ForkLate(roster.orders[place]))
        else:
            self._order()

    @property
    def _is_mine(self) -> bool:
        return self.roster.watchers.get(self.place) == self.self_ref.id

    def terminate(self, reason: ExitReason) -> None:
        """Leave the process alone when this actor crashes; end it when it was to end."""
        self._unwatch()
        process = self.roster.processes.get(self.place)
        if process is not None and self._is_mine and reason == SHUTDOWN:
            process.kill()
            self._bury(process)

    def stop_requested(self, reason: ExitReason) -> None:
        """Retire when it is told to, in order; any other end of it, or of its supervisors, leaves the process alone."""
        process = self.roster.processes.get(self.place)
        if reason != SHUTDOWN or process is None or not self._is_mine:
            if reason == SHUTDOWN and self._is_mine:
                self.roster.orders.pop(self.place, None)  # what comes for it isn't wanted any more
            raise Exit(reason)
        if self._retiring_since is None:
            self._retiring_since = self.clock.monotonic()
            self.hub_link.tell(RetireSlot(process.name))
            self.timers.every(RETIRE_LOOK_S, _LookRetiring())

    # -- starting ------------------------------------------------------------------------------------------------------

    def on_fork(self, _: _Fork) -> None:
        """The pause is over."""
        if self._is_mine and self.place not in self.roster.processes:
            self._order()

    def _order(self) -> None:
        name = self.roster.orders[self.place] = self.roster.new_name(self.place)
        self.zygote.tell(ForkSlot(self.place, name))
        self.timers.after(FORK_DEADLINE_S, _ForkLate(name))

    def on_fork_late(self, message: _ForkLate) -> None:
        """The zygote died with the order: order again."""
        if self.roster.orders.get(self.place) == message.name and self._is_mine:
            self._order()
            self.zygote.tell(LookForStrays())

    def on_slot_forked(self, message: SlotForked) -> None:
        """The process runs."""
        process = self.roster.processes.get(self.place)
        if process is None or process.name != message.name or not self._is_mine:
            return
        self._watch()
        if self._retiring_since is not None:
            process.kill()  # ordered before, not wanted any more

    def on_fork_failed(self, message: ForkFailed) -> None:
        """No process: try again, after a pause if that goes on."""
        if self.roster.orders.get(self.place) == message.name and self._is_mine:
            log.warning("slot_not_started", place=self.place, why=message.error)
            self._short_lives += 1
            self._order_after_pause()
            self.zygote.tell(LookForStrays())

    def _order_after_pause(self) -> None:
        pause_s = plan_pause(self._short_lives)
        self.roster.orders.pop(self.place, None)
        if pause_s:
            self.timers.after(pause_s, _Fork())
        else:
            self._order()

    # -- up ------------------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        self._started_at = self.clock.monotonic()
        # A descriptor of its own: the loop may still poll that of an incarnation before this one.
        process = self.roster.processes[self.place]
        self._watched = os.dup(process.pidfd)
        self.sockets.add_fd(self._watched, self._on_ended, close=True)
        self._hard_limit = HardLimit(self, self.home.lines / f"{process.name}.line", process.kill)

    def on_look_at_deadline(self, _: LookAtDeadline) -> None:
        """See whether the task that runs has had its time."""
        if self._hard_limit is not None and self._is_mine:
            self._hard_limit.look()

    def _unwatch(self, *, ended: bool = False) -> None:
        if self._hard_limit is not None:
            self._hard_limit.close(ended=ended)
            self._hard_limit = None
        if self._watched >= 0:
            self.sockets.remove(self._watched, close=True)
            self._watched = -1

    def _on_ended(self) -> None:
        self._unwatch(ended=self._is_mine)
        process = self.roster.processes.get(self.place)
        if process is None or not self._is_mine:
            return
        is_short = self.clock.monotonic() - self._started_at < SHORT_LIFE_S
        did_work = self._bury(process)
        self._short_lives = self._short_lives + 1 if is_short and not did_work else 0
        if self._retiring_since is not None:
            raise Exit(SHUTDOWN)
        self._order_after_pause()

    def _bury(self, process: SlotProcess) -> bool:
        """Reap the process and tell the hub how it ended. Return whether it had ever run a task."""
        process.kill()  # what its tasks had started in its group goes with it
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PIDFD, process.pidfd, os.WEXITED | os.WNOWAIT)  # dead or killed: microseconds
        cause = reap(process.pidfd) or "an unknown cause"
        del self.roster.processes[self.place]
        self.roster.reap_strays(process.pid)
        line = self.home.lines / f"{process.name}.line"
        view = LineView.attach(line)
        did_work = view is not None and (view.executed > 0 or view.executing() is not None)
        if view is not None:
            view.close()
        self.hub_link.tell(SlotGone(process.name, cause, _read_trace(line)))
        process.close()
        if self._retiring_since is None:
            log.warning("slot_ended", slot=process.name, pid=process.pid, cause=cause)
        return did_work

    # -- retiring ------------------------------------------------------------------------------------------------------

    def on_look_retiring(self, _: _LookRetiring) -> None:
        """If the broker doesn't see to it: let nothing start any more, and end the process between two tasks."""
        process = self.roster.processes.get(self.place)
        waited_s = self.clock.monotonic() - (self._retiring_since or 0.0)
        if process is None or waited_s < RETIRE_GRACE_S:
            return
        view = LineView.attach(self.home.lines / f"{process.name}.line")
        if view is None:
            process.kill()
            return
        if view.fence < NO_DELIVERY:
            view.set_fence(NO_DELIVERY)  # seen by the next look
        elif view.executing() is None:
            process.kill()  # its reports are in its line
        view.close()

    def describe(self) -> dict[str, object]:
        """Return what the tree shows."""
        process = self.roster.processes.get(self.place)
        if process is None:
            return {"process": "starting"}
        return {"slot": process.name, "pid": process.pid}


def plan_pause(short_lives: int) -> float:
    """Return how long to wait before the next start, in seconds, after so many slots in a row that never worked."""
    if short_lives < QUICK_DEATHS:
        return 0.0
    return float(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(short_lives - QUICK_DEATHS, 10)))


def _read_trace(line: Path) -> str:
    try:
        with open(trace_path(line), encoding="utf-8", errors="replace") as trace:
            return trace.read(64 << 10)
    except OSError:
        return ""
