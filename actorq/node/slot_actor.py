"""Looks after one place in the pool: there is always one slot process in it.

Light; permanent; a child of the dynamic supervisor `slots`. A slot that dies by its task's fault is replaced at once and
costs no restart quota: the pool is never blamed for one task's poison. If this actor itself crashes, the processes go on
and the next incarnation finds them in the roster.

    starting --SlotForked--> up --process ends--> starting        (at once; with a pause if it never gets far)
    up --hard limit of its task--> starting                       (killed; see `hard_limits`)
    up --shutdown--> retiring --process ends--> gone              (the present task may finish; then the deadline kills)

A slot that has had its share of work (`slot.wear`), or whose code is old, changes places with a successor that is there
before it leaves: the successor gets nothing to do until the other is through, so a place never runs two tasks at once.

    up --nearly worn, or new code--> up, ordered --SlotForked--> up, succeeded
    up, succeeded --worn, or new code--> up (the successor; the old one leaves after its present task)
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final

from actorq.actors import Actor
from actorq.errors import Exit
from actorq.log import get_logger
from actorq.messages.reasons import SHUTDOWN
from actorq.node.messages import ForkFailed, ForkSlot, LookForStrays, ReplaceSlot, RetireSlot, SlotForked, SlotGone
from actorq.node.run_terminations import RunTerminations
from actorq.node.slot_watch import SlotWatch
from actorq.node.verdicts import pardon
from actorq.slot.layout import trace_path
from actorq.slot.line_view import LineView
from actorq.slot.process import reap
from actorq.slot.wear import NEAR

if TYPE_CHECKING:
    from pathlib import Path

    from actorq.actors import NameRef
    from actorq.messages.reasons import ExitReason
    from actorq.node.hard_limits import LookAtDeadline
    from actorq.node.messages import TerminateRun
    from actorq.node.roster import Roster, SlotProcess
    from actorq.node.run_terminations import LookTerminated
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
    """Timer: are those that were told to go idle?"""


class SlotActor(Actor):
    """Keeps one slot process alive."""

    def init(self, *, place: int, roster: Roster, home: Home, zygote: NameRef, link: NameRef) -> None:
        """Find the processes that are there already, wait for the one that was ordered, or order one."""
        self.place, self.roster, self.home, self.zygote, self.hub_link = place, roster, home, zygote, link
        self._is_stopping = False
        self._short_lives = 0
        self._watches: dict[str, SlotWatch] = {}
        self._outdated = ""  # name of the process whose code is old
        self._is_looking = False
        self._terminations = RunTerminations(self, link)
        # An earlier incarnation may still be about to end: from now on the place is this one's.
        roster.watchers[place] = self.self_ref.id
        for process in roster.of_place(place):
            self._watch(process)
        for process in roster.of_place(place):
            if process.name in roster.leaving:
                self._retire(process)
        if place in roster.orders:
            self.timers.after(FORK_DEADLINE_S, _ForkLate(roster.orders[place]))
        elif place not in roster.processes:
            self._order()

    @property
    def _is_mine(self) -> bool:
        return self.roster.watchers.get(self.place) == self.self_ref.id

    @property
    def _needs_process(self) -> bool:
        present = self.roster.processes.get(self.place)
        return present is None or (present.name == self._outdated and self.place not in self.roster.successors)

    def terminate(self, reason: ExitReason) -> None:
        """Leave the processes alone when this actor crashes; end them when they were to end."""
        for watch in self._watches.values():
            watch.close()
        if self._is_mine and reason == SHUTDOWN:
            for process in self.roster.of_place(self.place):
                pardon(self._line_of(process))
                process.kill()
                self._bury(process)

    def stop_requested(self, reason: ExitReason) -> None:
        """Retire when it is told to, in order; any other end of it, or of its supervisors, leaves the process alone."""
        mine = self.roster.of_place(self.place) if self._is_mine else []
        if reason != SHUTDOWN or not mine:
            if reason == SHUTDOWN and self._is_mine:
                self.roster.orders.pop(self.place, None)  # what comes for it isn't wanted any more
            raise Exit(reason)
        if not self._is_stopping:
            self._is_stopping = True
            for process in mine:
                if self.roster.successors.get(self.place) is process:
                    self._watch(process)
                    pardon(self._line_of(process))
                    process.kill()  # it waited; what it may have got since isn't counted
                else:
                    self._retire(process)

    # -- starting ------------------------------------------------------------------------------------------------------

    def on_fork(self, _: _Fork) -> None:
        """The pause is over."""
        if self._is_mine and self.place not in self.roster.orders and self._needs_process:
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
        mine = self.roster.of_place(self.place) if self._is_mine else []
        process = next((each for each in mine if each.name == message.name), None)
        if process is None or process.name in self._watches:
            return
        self._watch(process)
        if self._is_stopping:
            process.kill()  # ordered before, not wanted any more
            return
        present = self.roster.processes[self.place]
        if present is not process:
            if present.name == self._outdated:
                self._hand_over()
            else:
                self._watch(present).look()

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

    def _watch(self, process: SlotProcess) -> SlotWatch:
        """Return the watch of a process, made at the first need: one in the roster may not have been announced yet."""
        watch = self._watches.get(process.name)
        if watch is None:
            watch = SlotWatch(self, process, self.home.lines, ended=self._ended, worn=self._worn)
            self._watches[process.name] = watch
            watch.look()
        return watch

    def _line_of(self, process: SlotProcess) -> Path:
        return self.home.lines / f"{process.name}.line"

    def on_terminate_run(self, message: TerminateRun) -> None:
        """End a process for what it runs."""
        self._terminations.begin(message, self._watches.get(message.name) if self._is_mine else None)

    def on_look_terminated(self, message: LookTerminated) -> None:
        """See whether what was to be terminated is over."""
        self._terminations.look(message, self._watches.get(message.run.name) if self._is_mine else None)

    def on_look_at_deadline(self, message: LookAtDeadline) -> None:
        """See whether the task that runs has had its time."""
        if self._is_mine:
            message.limit.look()

    def _ended(self, process: SlotProcess) -> None:
        watch = self._watches.pop(process.name)
        watch.close(ended=self._is_mine)
        if not self._is_mine:
            return
        was_present = self.roster.processes.get(self.place) is process
        is_short = self.clock.monotonic() - watch.started_at < SHORT_LIFE_S
        did_work = self._bury(process, told_to_go=self._is_stopping or watch.retired_at is not None)
        if self._is_stopping:
            if not self._watches:
                raise Exit(SHUTDOWN)
            return
        if watch.retired_at is None:
            self._short_lives = self._short_lives + 1 if is_short and not did_work else 0
        present = self.roster.processes.get(self.place)
        if was_present and present is not None:
            self._watch(present).look()
        if self._needs_process and self.place not in self.roster.orders:
            self._order_after_pause()

    def _bury(self, process: SlotProcess, *, told_to_go: bool = True) -> bool:
        """Reap the process and tell the hub how it ended. Return whether it had ever run a task."""
        process.kill()  # what its tasks had started in its group goes with it
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PIDFD, process.pidfd, os.WEXITED | os.WNOWAIT)  # dead or killed: microseconds
        cause = reap(process.pidfd) or "an unknown cause"
        self.roster.remove(process)
        self.roster.reap_strays(process.pid)
        line = self._line_of(process)
        view = LineView.attach(line)
        did_work = view is not None and (view.executed > 0 or view.executing() is not None)
        if view is not None:
            view.close()
        self.hub_link.tell(SlotGone(process.name, cause, _read_trace(line)))
        process.close()
        if not told_to_go:
            log.warning("slot_ended", slot=process.name, pid=process.pid, cause=cause)
        return did_work

    # -- changing places -----------------------------------------------------------------------------------------------

    def _worn(self, process: SlotProcess, wear: int) -> None:
        """A slot says how near it is to the end of its share."""
        if self._is_stopping or self.roster.processes.get(self.place) is not process:
            return
        if self.place in self.roster.successors:
            if wear > NEAR:
                self._hand_over()
        elif self.place not in self.roster.orders:
            self._order()

    def on_replace_slot(self, _: ReplaceSlot) -> None:
        """There is newer code: have a successor made of it."""
        present = self.roster.processes.get(self.place)
        if self._is_stopping or not self._is_mine:
            return
        waiting = self.roster.successors.get(self.place)
        if waiting is not None:
            self._retire(waiting)  # of the old code
            self.roster.dismiss(self.place)
        if present is not None:
            self._outdated = present.name
        self._order()  # one that is under way already may be of the old code: it isn't taken

    def _hand_over(self) -> None:
        old = self.roster.hand_over(self.place)
        present = self.roster.processes[self.place]
        log.debug("slot_succeeded", slot=old.name, successor=present.name)
        self._retire(old)
        self._watch(present).look()

    # -- retiring ------------------------------------------------------------------------------------------------------

    def _retire(self, process: SlotProcess) -> None:
        self._watch(process).retired_at = self.clock.monotonic()
        self.hub_link.tell(RetireSlot(process.name))
        if not self._is_looking:
            self._is_looking = True
            self.timers.after(RETIRE_GRACE_S, _LookRetiring())

    def on_look_retiring(self, _: _LookRetiring) -> None:
        """If the broker doesn't see to it: let nothing start any more, and end the process between two tasks."""
        now = self.clock.monotonic()
        going = [watch for watch in self._watches.values() if watch.retired_at is not None]
        for watch in going:
            if now - (watch.retired_at or now) >= RETIRE_GRACE_S:
                _end_between_tasks(watch)
        self._is_looking = bool(going)
        if going:
            self.timers.after(RETIRE_LOOK_S, _LookRetiring())

    def describe(self) -> dict[str, object]:
        """Return what the tree shows."""
        process = self.roster.processes.get(self.place)
        if process is None:
            return {"process": "starting"}
        going = sum(watch.retired_at is not None for watch in self._watches.values())
        return {"slot": process.name, "pid": process.pid, **({"leaving": going} if going else {})}


def plan_pause(short_lives: int) -> float:
    """Return how long to wait before the next start, in seconds, after so many slots in a row that never worked."""
    if short_lives < QUICK_DEATHS:
        return 0.0
    return float(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(short_lives - QUICK_DEATHS, 10)))


def _end_between_tasks(watch: SlotWatch) -> None:
    view = LineView.attach(watch.line)
    if view is None:
        watch.process.kill()
        return
    if view.fence < NO_DELIVERY:
        view.set_fence(NO_DELIVERY)  # seen by the next look
    elif view.executing() is None:
        watch.process.kill()  # its reports are in its line
    view.close()


def _read_trace(line: Path) -> str:
    try:
        with open(trace_path(line), encoding="utf-8", errors="replace") as trace:
            return trace.read(64 << 10)
    except OSError:
        return ""
