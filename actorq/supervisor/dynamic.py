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
        self._window = RestartWindow(intensity, period_s)
        self._max_children = max_children
        self._listed: dict[int, Child] = {}  # by the number under which a child was added, oldest first
        self._numbers: dict[Child, int] = {}
        self._added = 0
        self._by_monitor = {}
        self._starting: dict[Child, Reply] = {}
        self._stopping: dict[Child, list[Reply]] = {}
        self._ending: ExitReason | None = None

    def describe(self) -> dict[str, object]:
        """Return how much of the intensity is used."""
        return {
            "strategy": "dynamic",
            "intensity": self._window.intensity,
            "period_s": self._window.period_s,
            "incidents": len(self._window.incidents),
            "max_children": self._max_children,
        }

    # -- administration --------------------------------------------------------------------------------------------------

    def start_child(self, spec: ChildSpec) -> None:
        """Add a child and start it; the ask is answered with its ref, or None if it was ignored (R8)."""
        reply = self.defer()
        try:
            self._check(spec)
        except (SpecError, TooManyChildren, ActorDead) as error:
            reply.fail(error)
            return
        child = Child(spec)
        self._added += 1
        self._listed[self._added] = child
        self._numbers[child] = self._added
        self._starting[child] = reply
        self._launch(child)

    def terminate_child(self, child: str | ActorRef[Any]) -> None:
        """Stop the child of that ref and forget it (R24)."""
        reply = self.defer()
        found = None if isinstance(child, str) else self._find(child)
        if found is None:
            reply.fail(ChildNotFound(child))
            return
        self._stopping.setdefault(found, []).append(reply)
        self._stop_child(found)

    def on_start_child(self, message: StartChild) -> None:
        self.start_child(message.spec)

    def on_terminate_child(self, message: TerminateChild) -> None:
        self.terminate_child(message.child)

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

    # -- events ----------------------------------------------------------------------------------------------------------

    def _launched(self, child: Child, outcome: StartOutcome) -> None:
        reply = self._starting.pop(child, None)
        match outcome:
            case Started():
                child.state = "up"
                if reply is None:
                    child.restarts += 1
                elif child.cell is not None:
                    reply.set(child.cell.ref)
                child.drop_arguments()
            case StartIgnored():
                self._drop(child)
                if reply is not None:
                    reply.set(None)
            case StartFailed(reason, error):
                self._start_failed(child, reason, error, reply)

    def _start_failed(self, child: Child, reason: ExitReason, error: BaseException | None, reply: Reply | None) -> None:
        if reply is not None:
            self._note_failure_of("child_start_failed", child, reason)
            self._drop(child)
            refusal = ChildStartFailed(child.id, reason)
            refusal.__cause__ = error
            reply.fail(refusal)
            return
        self._note_failure_of("child_restart_failed", child, reason)
        child.failures = child.spec.backoff.failures_after(child.failures, None)
        self._restart(child)

    def _gone(self, child: Child, reason: ExitReason) -> None:
        if child.state == "stopping":
            self._report_stop(child, reason)
            self._drop(child)
            return
        self._note_end("child_failed", child, reason, strategy="dynamic")
        if self._ending is not None or not is_restarted(child.spec.restart, reason):
            self._drop(child)
            return
        up_s = None if child.up_at is None else self.clock.monotonic() - child.up_at
        child.failures = child.spec.backoff.failures_after(child.failures, up_s)
        self._restart(child)

    def _restart(self, child: Child) -> None:
        """Count an incident and start again, at once or after the back-off."""
        if self._ending is not None:
            self._drop(child)
            return
        self._window = self._window.add(self.clock.monotonic())
        if self._window.exceeded:
            log.error(
                "supervisor_gave_up", supervisor=str(self), child_id=child.id, reason=child.last_error,
                intensity=self._window.intensity, period_s=self._window.period_s,
            )  # fmt: skip
            self._drop(child)
            self._shut_down(SHUTDOWN)
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
        """Stop everybody at once; one timer for all that have a limit."""
        if self._ending is not None:
            return
        self._ending = reason
        limits = [child.spec.shutdown_s for child in self._listed.values() if child.spec.shutdown_s]
        for child in list(self._listed.values()):
            self._stop_child(child, shared_timer=True)
        if limits and self._listed:
            self.timers.after(max(limits), Invoke(self._kill_late))
        self._end_if_empty()

    def _kill_late(self) -> None:
        for child in list(self._listed.values()):
            if child.spec.shutdown_s is not None:
                self._kill(child)

    def _stop_child(self, child: Child, *, shared_timer: bool = False) -> None:
        if child.state == "stopping":
            return
        limit_s = child.spec.shutdown_s
        if child.cell is None or not child.alive:
            self._drop(child)
            return
        child.rest("stopping")
        child.launch = 0
        reply = self._starting.pop(child, None)
        if reply is not None:
            reply.fail(ChildStartFailed(child.id, SHUTDOWN))
        if limit_s == 0:
            child.cell.kill()
        else:
            child.cell.exit(self._cell, SHUTDOWN)
            if limit_s is not None and not shared_timer:
                self.timers.after(limit_s, Invoke(self._kill, child))

    def _kill(self, child: Child) -> None:
        if child.state == "stopping" and child.cell is not None and child.alive:
            log.warning("child_killed", supervisor=str(self), child_id=child.id, waited_s=child.spec.shutdown_s)
            child.cell.kill()

    def _drop(self, child: Child) -> None:
        """Forget a child; whoever waits for that is told, and an ending supervisor may be done."""
        child.rest("down")
        self._let_go(child)
        self._listed.pop(self._numbers.pop(child, 0), None)
        for reply in self._stopping.pop(child, ()):
            reply.set(None)
        self._end_if_empty()

    def _end_if_empty(self) -> None:
        if self._ending is not None and not self._listed:
            self._cell.end(self._ending)

    def _find(self, ref: ActorRef[Any]) -> Child | None:
        return next((one for one in self._listed.values() if one.cell is not None and one.cell.ref == ref), None)

    def _children(self) -> Iterable[Child]:
        return self._listed.values()
