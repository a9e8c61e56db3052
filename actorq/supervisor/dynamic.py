"""The dynamic supervisor: children that come and go, each for itself.

OTP's `simple_one_for_one` with specs of their own. Children start in parallel, restart each for itself, and stop in
parallel under one shared timer (R22). They are known by ref. Nothing here blocks, so nothing needs a queue of jobs: each
child is its own small state machine.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from actorq.actors.outcome import Started, StartFailed, StartIgnored
from actorq.actors.signals import Invoke
from actorq.errors import ActorDead
from actorq.log import get_logger
from actorq.messages.reasons import SHUTDOWN, ExitReason
from actorq.supervisor.administration import (
    ChildNotFound,
    ChildStartFailed,
    ChildTemporary,
    Recycle,
    StartChild,
    TerminateChild,
    TooManyChildren,
)
from actorq.supervisor.children import Child
from actorq.supervisor.intensity import RestartWindow
from actorq.supervisor.keeper import Keeper
from actorq.supervisor.spec import (
    BadExhausted,
    BadMaxChildren,
    BadSignificant,
    SpecError,
    check_flags,
    check_spec,
    is_count,
)
from actorq.supervisor.stopping import plan_parallel_stop, plan_stop
from actorq.supervisor.strategy import is_restarted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actorq.actors import ActorRef, Reply
    from actorq.actors.outcome import StartOutcome
    from actorq.supervisor.spec import ChildSpec

__all__ = ["DynamicSupervisor"]

log = get_logger(__name__)


class DynamicSupervisor(Keeper):
    """Keeps up to `max_children`; gives up after more than `intensity` incidents within `period_s`."""

    def init(self, *, intensity: int, period_s: float, max_children: int | None = None) -> None:
        """Start without children.

        Raises:
            SpecError: a flag that can't be used.
        """
        check_flags("one_for_one", intensity, period_s)
        if max_children is not None and not is_count(max_children, 1):
            raise BadMaxChildren("supervisor", "max_children", "a whole number of at least 1, or None", max_children)
        self._init_keeper(RestartWindow(intensity, period_s))
        self._max_children = max_children
        self._listed: dict[int, Child] = {}  # by `number`, oldest first
        self._added = 0
        # Who waits for what, by child: its first start, its end, its start after a recycling.
        self._starting: dict[Child, Reply] = {}
        self._stopping: dict[Child, list[Reply]] = {}
        self._recycling: dict[Child, list[Reply]] = {}
        self._ending: ExitReason | None = None

    def describe(self) -> dict[str, object]:
        """Return how much of the intensity is used."""
        return {"strategy": "dynamic", **self._window_facts(), "max_children": self._max_children}

    # -- administration --------------------------------------------------------------------------------------------------

    def start_child(self, spec: ChildSpec) -> None:
        """Add a child and start it; the ask is answered with its ref, or None if it was ignored (R8)."""
        reply = self.defer()
        try:
            self._check(spec)
        except (SpecError, TooManyChildren, ActorDead) as error:
            reply.fail(error)
            return
        self._added += 1
        child = self._listed[self._added] = Child(spec, self._added)
        self._starting[child] = reply
        self._launch(child)

    def terminate_child(self, child: str | ActorRef[Any]) -> None:
        """Stop the child of that ref and forget it (R24); also one that is starting or about to be restarted."""
        reply = self.defer()
        found = None if isinstance(child, str) else self._find_ref(child)
        if found is None:
            reply.fail(ChildNotFound(child))
            return
        self._stopping.setdefault(found, []).append(reply)
        self._stop_child(found)

    def recycle(self, child: str | ActorRef[Any]) -> None:
        """Stop a child and start it again; see `Recycle`. By id only where one child alone has it."""
        reply = self.defer()
        found = self._find(child)
        if self._ending is not None:
            reply.fail(ActorDead(str(self), self._ending))
        elif found is None or found in self._stopping:
            reply.fail(ChildNotFound(child))
        elif found.spec.restart == "temporary":
            reply.fail(ChildTemporary(found.id))
        else:
            self._recycling.setdefault(found, []).append(reply)
            if found.alive:
                self._stop_child(found)
            else:
                self._let_go(found)  # a death that hasn't been handled yet doesn't matter any more
                self._launch(found)

    def on_start_child(self, message: StartChild) -> None:
        self.start_child(message.spec)

    def on_terminate_child(self, message: TerminateChild) -> None:
        self.terminate_child(message.child)

    def on_recycle(self, message: Recycle) -> None:
        self.recycle(message.child)

    def _check(self, spec: ChildSpec) -> None:
        if self._ending is not None:
            raise ActorDead(str(self), self._ending)
        if spec.significant:
            raise BadSignificant(f"child {spec.id!r}", "significant", "False under a dynamic supervisor", True)
        check_spec(spec)
        if spec.exhausted == "park":
            raise BadExhausted(f"child {spec.id!r}", "exhausted", "'escalate' under a dynamic supervisor", "park")
        if self._max_children is not None and len(self._listed) >= self._max_children:
            raise TooManyChildren(self._max_children)

    def _find(self, wanted: str | ActorRef[Any]) -> Child | None:
        if not isinstance(wanted, str):
            return self._find_ref(wanted)
        named = [child for child in self._listed.values() if child.id == wanted]
        return named[0] if len(named) == 1 else None

    # -- events ----------------------------------------------------------------------------------------------------------

    def _launched(self, child: Child, outcome: StartOutcome) -> None:
        match outcome:
            case Started():
                self._came_up(child)
            case StartIgnored():
                replies = self._take_starters(child)
                self._drop(child)
                for reply in replies:
                    reply.set(None)
            case StartFailed(reason, error):
                self._start_failed(child, reason, error)

    def _came_up(self, child: Child) -> None:
        child.state = "up"
        recycled = child in self._recycling
        for reply in self._take_starters(child):
            reply.set(child.ref)
        if recycled:
            self._note_up_by_hand("child_recycled", child)
        else:
            self._note_up(child, "dynamic")
        child.drop_arguments()

    def _start_failed(self, child: Child, reason: ExitReason, error: BaseException | None) -> None:
        first, recycled = child in self._starting, child in self._recycling
        self._note_failure_of("child_start_failed" if first else "child_restart_failed", child, reason)
        for reply in self._take_starters(child):
            refusal = ChildStartFailed(child.id, reason)
            refusal.__cause__ = error
            reply.fail(refusal)
        if first:
            self._drop(child)
            return
        child.fail(self.clock.monotonic())
        self._restart(child, counted=not recycled)

    def _take_starters(self, child: Child) -> list[Reply]:
        """Return who waits for the start of `child`."""
        first = self._starting.pop(child, None)
        return [*([] if first is None else [first]), *self._recycling.pop(child, ())]

    def _gone(self, child: Child, reason: ExitReason) -> None:
        if child.state == "stopping":
            self._report_stop(child, reason)
            if child in self._recycling and child not in self._stopping and self._ending is None:
                self._cancel_deadline(child)
                self._launch(child)
            else:
                self._drop(child)
            return
        self._note_end("child_failed", child, reason, strategy="dynamic")
        if self._ending is not None or not is_restarted(child.spec.restart, reason):
            self._drop(child)
            return
        child.fail(self.clock.monotonic())
        self._restart(child)

    def _restart(self, child: Child, *, counted: bool = True) -> None:
        """Count an incident and start again, at once or after the back-off."""
        if self._ending is not None:
            self._drop(child)
            return
        if counted:
            self._window = self._window.add(self.clock.monotonic())
            if self._window.exceeded:
                reason = self._note_exhausted(child)
                self._drop(child)
                self._shut_down(reason)
                return
        child.rest("restarting")
        delay_s = child.spec.backoff.delay_s(child.failures, random.random)
        # As a message even without delay, so that requests get in between (R14).
        child.retry = self.timers.after(delay_s, Invoke(self._retry, child))

    def _retry(self, child: Child) -> None:
        child.retry = None
        if child.state == "restarting" and self._ending is None:
            self._launch(child)

    # -- the end ---------------------------------------------------------------------------------------------------------

    def stop_requested(self, reason: ExitReason) -> None:
        self._shut_down(reason)

    def _shut_down(self, reason: ExitReason) -> None:
        """Stop everybody at once; one timer for all that have a limit (R22)."""
        if self._ending is not None:
            return
        self._ending = reason
        plan = plan_parallel_stop([(number, child.spec.shutdown_s) for number, child in self._listed.items()])
        for child in list(self._listed.values()):
            self._stop_child(child, shared_timer=True)
        if plan.limit_s is not None and self._listed:
            self.timers.after(plan.limit_s, Invoke(self._kill_late, plan.limited))
        self._end_if_empty()

    def _kill_late(self, numbers: frozenset[int]) -> None:
        for child in [child for number, child in self._listed.items() if number in numbers]:
            self._kill(child)

    def _stop_child(self, child: Child, *, shared_timer: bool = False) -> None:
        if child.state == "stopping":
            return
        if child.cell is None or not child.alive:
            self._drop(child)
            return
        child.rest("stopping")
        child.launch = 0
        starting = self._starting.pop(child, None)
        if starting is not None:
            starting.fail(ChildStartFailed(child.id, SHUTDOWN))
        step = plan_stop(child.spec.shutdown_s)
        if not step.ask:
            child.cell.kill()
            return
        child.cell.exit(self._cell, self._stop_reason())
        if step.limit_s is not None and not shared_timer:
            child.deadline = self.timers.after(step.limit_s, Invoke(self._kill, child))

    def _kill(self, child: Child) -> None:
        if child.state == "stopping" and child.cell is not None and child.alive:
            self._note_kill(child)
            child.cell.kill()

    def _cancel_deadline(self, child: Child) -> None:
        if child.deadline is not None:
            child.deadline.cancel()
            child.deadline = None

    def _drop(self, child: Child) -> None:
        """Forget a child; whoever waits for that is told, and an ending supervisor may be done."""
        self._cancel_deadline(child)
        self._forget(child)
        self._let_go(child)
        self._listed.pop(child.number, None)
        for reply in self._stopping.pop(child, ()):
            reply.set(None)
        for reply in self._take_starters(child):
            reply.fail(ChildStartFailed(child.id, SHUTDOWN))
        self._end_if_empty()

    def _end_if_empty(self) -> None:
        if self._ending is not None and not self._listed:
            self._cell.end(self._ending)

    def _children(self) -> Iterable[Child]:
        return self._listed.values()
