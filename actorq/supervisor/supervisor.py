"""The static supervisor: a list of children, started in order, kept up by a strategy.

What it does is jobs (see `jobs`): boot, restart, retry, administration, shutdown.

Decisions are made elsewhere (`strategy`, `intensity`, `backoff`); rules are those of OTP's supervisor, R1–R40.
"""

from __future__ import annotations

import random
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from actorq.actors import DEFER, Deferred
from actorq.actors.outcome import Started, StartFailed, StartIgnored
from actorq.actors.signals import Invoke
from actorq.errors import ActorDead
from actorq.log import get_logger
from actorq.messages.reasons import SHUTDOWN, ExitReason, Shutdown
from actorq.supervisor.administration import (
    ChildAlreadyPresent,
    ChildAlreadyStarted,
    ChildNotFound,
    ChildRestarting,
    ChildRunning,
    ChildStartFailed,
    DeleteChild,
    ProviderDown,
    ProviderUp,
    RestartChild,
    StartChild,
    TerminateChild,
)
from actorq.supervisor.children import Child
from actorq.supervisor.intensity import RestartWindow
from actorq.supervisor.jobs import JobKeeper
from actorq.supervisor.spec import BadRequirement, SpecError, check_flags, check_spec, check_specs
from actorq.supervisor.strategy import hard_edges, is_restarted, plan_restart, plan_retry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from actorq.actors import ActorRef, Reply, Timer
    from actorq.actors.outcome import StartOutcome
    from actorq.supervisor.jobs import Job, Steps
    from actorq.supervisor.spec import AutoShutdown, ChildSpec
    from actorq.supervisor.strategy import Strategy

__all__ = ["Supervisor"]

log = get_logger(__name__)

PARK_RETRY_S: Final = 30.0  # between attempts to start what was parked; slow enough to be no load


class Supervisor(JobKeeper):
    """Keeps `specs` up by `strategy`; gives up after more than `intensity` incidents within `period_s`."""

    def init(
        self,
        specs: Iterable[ChildSpec],
        *,
        strategy: Strategy,
        intensity: int,
        period_s: float,
        auto_shutdown: AutoShutdown = "never",
        park_retry_s: float = PARK_RETRY_S,
    ) -> Deferred:
        """Check everything, then start the children; the start is confirmed when all are up.

        Raises:
            SpecError: a spec or a flag that can't be used.
        """
        check_flags(strategy, intensity, period_s, auto_shutdown)
        checked = check_specs(specs, auto_shutdown)
        self._strategy, self._auto_shutdown, self._park_retry_s = strategy, auto_shutdown, park_retry_s
        self._window = RestartWindow(intensity, period_s)
        self._no_incidents = self._window
        self._table = {spec.id: Child(spec) for spec in checked}
        self._by_monitor = {}
        self._init_jobs()
        self._push(self._boot_children())
        return DEFER

    def describe(self) -> dict[str, object]:
        """Return the strategy and how much of the intensity is used."""
        return {
            "strategy": self._strategy,
            "intensity": self._window.intensity,
            "period_s": self._window.period_s,
            "incidents": len(self._window.incidents),
        }

    # -- events ------------------------------------------------------------------------------------------------------------

    def _launched(self, child: Child, outcome: StartOutcome) -> None:
        child.state = "up" if isinstance(outcome, Started) else "down"
        if child is self._awaited:
            self._step(outcome)

    def _gone(self, child: Child, reason: ExitReason) -> None:
        was_stopping = child.state == "stopping"
        if was_stopping:
            child.state = "down"
            self._report_stop(child, reason)
        if child is self._awaited:
            self._step("down")
        if not was_stopping and self._table.get(child.id) is child:
            child.state, child.ended = "down", True
            self._note_end("child_failed", child, reason, strategy=self._strategy)
            self._push(self._child_ended(child, reason))

    def stop_requested(self, reason: ExitReason) -> None:
        self._pre_empt(reason)

    def _is_late(self, child: Child) -> None:
        if child is self._awaited and child.state == "stopping":
            self._step("late")

    # -- steps of jobs -------------------------------------------------------------------------------------------------------

    def _start(self, child: Child) -> Steps:
        """Start one child and wait until that ended one way or the other."""
        self._launch(child)
        outcome = yield child
        assert not isinstance(outcome, str)
        if isinstance(outcome, StartIgnored):
            child.rest("ignored")
            if child.spec.restart == "temporary":
                self._table.pop(child.id, None)
        elif isinstance(outcome, Started):
            child.drop_arguments()
            self._tell_rebinders(child, up=True)
        return outcome

    def _stop_child(self, child: Child) -> Job:
        """Stop one child; kill it when its time is up (R19)."""
        child.rest("stopping" if child.alive else "down")
        cell = child.cell
        if cell is None:
            return
        limit_s = child.spec.shutdown_s
        timer: Timer | None = None
        if limit_s == 0:
            cell.kill()
        else:
            cell.exit(self._cell, SHUTDOWN)
            if limit_s is not None:
                timer = self.timers.after(limit_s, Invoke(self._is_late, child))
        self._tell_rebinders(child, up=False)
        try:
            while child.alive:
                child.launch = 0  # a start that is under way doesn't matter any more
                if (yield child) == "late" and child.alive:
                    log.warning("child_killed", supervisor=str(self), child_id=child.id, waited_s=limit_s)
                    cell.kill()
        finally:
            if timer is not None:
                timer.cancel()
        if child.cell is not None:
            self._let_go(child)
            self._report_stop(child, cell.reason)
        child.rest("down")

    def _stop_all(self, children: Iterable[Child]) -> Job:
        """Stop children one after the other; temporary ones are gone for good."""
        for child in children:
            yield from self._stop_child(child)
            if child.spec.restart == "temporary":
                self._table.pop(child.id, None)

    # -- jobs: the life of the tree --------------------------------------------------------------------------------------------

    def _boot_children(self) -> Job:
        for child in list(self._table.values()):
            if self._wait_for_provider(child):
                continue
            outcome = yield from self._start(child)
            if not isinstance(outcome, StartFailed):
                continue
            self._note_failure_of("child_start_failed", child, outcome.reason)
            if child.spec.exhausted == "park":
                self._park(child)
                continue
            yield from self._stop_all(reversed(list(self._table.values())))
            self._fail_start(child, outcome)
            return
        self.confirm_start()

    def _fail_start(self, child: Child, outcome: StartFailed) -> None:
        """End because a child didn't start (R7); whoever waits for this start gets the child's own exception (G4)."""
        if outcome.error is not None:
            outcome.error.add_note(f"while starting child {child.id!r} of {self}")
            self._cell.start_error = outcome.error
        self._cell.end(Shutdown(("failed_to_start_child", child.id, outcome.reason)))

    def _shut_down(self, reason: ExitReason) -> Job:
        yield from self._stop_all(reversed(list(self._table.values())))
        self._cell.end(reason)

    def _child_ended(self, child: Child, reason: ExitReason) -> Job:
        if not child.ended or self._table.get(child.id) is not child:
            return  # a job that was queued before has dealt with it
        child.ended = False
        if is_restarted(child.spec.restart, reason):
            up_s = None if child.up_at is None else self.clock.monotonic() - child.up_at
            child.failures = child.spec.backoff.failures_after(child.failures, up_s)
            yield from self._restart(child)
            return
        if child.spec.restart == "temporary":
            del self._table[child.id]
        if child.spec.significant:
            self._consider_auto_shutdown()

    def _consider_auto_shutdown(self) -> None:
        """End if this was the last (or any) significant child that ended by itself (R26)."""
        left = any(child.spec.significant and child.alive for child in self._table.values())
        if self._auto_shutdown == "any_significant" or (self._auto_shutdown == "all_significant" and not left):
            self._pre_empt(SHUTDOWN)

    # -- jobs: restarts --------------------------------------------------------------------------------------------------------

    def _restart(self, child: Child) -> Job:
        """Restart `child` and whom it takes along."""
        if not self._count_incident(child):
            return
        plan = plan_restart(self._strategy, list(self._table), child.id, self._edges())
        self._tell_rebinders(child, up=False)
        yield from self._stop_all([self._table[id] for id in plan.stop])
        if child.state == "parked":
            yield from self._start_group([id for id in plan.start if id != child.id])
            return
        delay_s = child.spec.backoff.delay_s(child.failures, random.random)
        if delay_s > 0:
            self._retry_later(child, plan.start, delay_s)
        else:
            yield from self._start_group(plan.start)

    def _count_incident(self, child: Child) -> bool:
        """Count one incident (R12); return whether to go on. False: the supervisor is ending (R13)."""
        now = self.clock.monotonic()
        if child.spec.exhausted == "park":
            child.window = (child.window or self._no_incidents).add(now)
            if child.window.exceeded:
                self._park(child)
            return True
        self._window = self._window.add(now)
        if not self._window.exceeded:
            return True
        log.error(
            "supervisor_gave_up", supervisor=str(self), child_id=child.id, reason=child.last_error,
            intensity=self._window.intensity, period_s=self._window.period_s,
        )  # fmt: skip
        self._pre_empt(SHUTDOWN)
        return False

    def _start_group(self, ids: Sequence[str]) -> Job:
        """Start children in order; one that fails is retried later, and who needs it waits (R14, R16)."""
        group, left = list(ids), deque(ids)
        while left:
            child = self._table.get(left.popleft())
            if child is None or child.alive or self._wait_for_provider(child):
                continue
            outcome = yield from self._start(child)
            if not isinstance(outcome, StartFailed):
                if isinstance(outcome, Started):
                    child.restarts += 1
                freed = [id for id in self._waiting_for(child) if id not in left]
                left.extend(freed)
                group.extend(id for id in freed if id not in group)
                continue
            self._note_failure_of("child_restart_failed", child, outcome.reason, strategy=self._strategy)
            child.failures = child.spec.backoff.failures_after(child.failures, None)
            if not self._count_incident(child):
                return
            if child.state == "parked":
                continue
            plan, unconcerned = plan_retry(self._strategy, group, child.id, self._edges())
            yield from self._stop_all([self._table[id] for id in plan.stop if id in self._table])
            delay_s = child.spec.backoff.delay_s(child.failures, random.random)
            self._retry_later(child, plan.start, delay_s)
            left = deque(id for id in left if id in unconcerned)

    def _retry_later(self, child: Child, group: Iterable[str], delay_s: float) -> None:
        """Leave `child` restarting and its group waiting; the retry comes as a message, so others get in between."""
        child.rest("restarting")
        child.retry = self.timers.after(delay_s, Invoke(self._retry_due, child))
        for id in group:
            other = self._table.get(id)
            if other is not None and other is not child and not other.alive:
                other.rest("waiting", child.id)

    def _park(self, child: Child) -> None:
        """Leave an optional child down and try again slowly (R40)."""
        child.rest("parked")
        child.failures = 0
        child.window = None
        child.retry = self.timers.after(self._park_retry_s, Invoke(self._retry_due, child))
        log.warning("child_parked", supervisor=str(self), child_id=child.id, retry_s=self._park_retry_s)

    def _retry_due(self, child: Child) -> None:
        child.retry = None
        self._push(self._retry(child))

    def _retry(self, child: Child) -> Job:
        if child.state not in ("restarting", "parked") or child.retry is not None:
            return  # terminated, restarted, or put off again while this waited for its turn
        group = [id for id, other in self._table.items() if other is child or other.waiting_on == child.id]
        if child.state == "parked":
            outcome = yield from self._start(child)
            if isinstance(outcome, StartFailed):
                self._note_failure_of("child_restart_failed", child, outcome.reason, strategy=self._strategy)
                self._park(child)
                return
            child.restarts += 1
        yield from self._start_group(group)

    def _wait_for_provider(self, child: Child) -> bool:
        """Let `child` wait if one it can't go on without isn't there for the moment (R39)."""
        if self._strategy != "dependents":
            return False
        for id in child.spec.requires:
            provider = self._table.get(id)
            if provider is None or id in child.spec.rebind:
                continue
            if provider.state in ("restarting", "waiting", "parked"):
                child.rest("waiting", provider.id)
                return True
        return False

    def _waiting_for(self, child: Child) -> list[str]:
        return [id for id, other in self._table.items() if other.state == "waiting" and other.waiting_on == child.id]

    def _edges(self) -> dict[str, frozenset[str]]:
        return {id: hard_edges(child.spec.requires, child.spec.rebind) for id, child in self._table.items()}

    def _tell_rebinders(self, child: Child, *, up: bool) -> None:
        """Tell those that survive the restart of `child` (G3), if they want to know."""
        if self._strategy != "dependents":
            return
        for other in self._table.values():
            if child.id not in other.spec.rebind or other.cell is None or not other.alive:
                continue
            if up and child.cell is not None and hasattr(other.spec.actor, "on_provider_up"):
                other.cell.ref.tell(ProviderUp(child.id, child.cell.ref))
            elif not up and hasattr(other.spec.actor, "on_provider_down"):
                other.cell.ref.tell(ProviderDown(child.id))

    # -- administration --------------------------------------------------------------------------------------------------------

    def start_child(self, spec: ChildSpec) -> None:
        """Add a child at the end of the list and start it; see `StartChild`."""
        self._administer(lambda reply: self._add_child(spec, reply))

    def terminate_child(self, child: str | ActorRef[Any]) -> None:
        """Stop a child; see `TerminateChild`."""
        self._administer(lambda reply: self._terminate_child(child, reply))

    def restart_child(self, id: str) -> None:
        """Start a child that is down; see `RestartChild`."""
        self._administer(lambda reply: self._restart_child(id, reply))

    def delete_child(self, id: str) -> None:
        """Forget a child that is down; see `DeleteChild`."""
        self._administer(lambda reply: self._delete_child(id, reply))

    def on_start_child(self, message: StartChild) -> None:
        self.start_child(message.spec)

    def on_terminate_child(self, message: TerminateChild) -> None:
        self.terminate_child(message.child)

    def on_restart_child(self, message: RestartChild) -> None:
        self.restart_child(message.id)

    def on_delete_child(self, message: DeleteChild) -> None:
        self.delete_child(message.id)

    def _administer(self, make_job: Callable[[Reply], Job]) -> None:
        """Queue a job that answers the present ask when it is done."""
        reply = self.defer()
        if self._ending is not None:
            reply.fail(ActorDead(str(self), self._ending))
        else:
            self._push(make_job(reply))

    def _add_child(self, spec: ChildSpec, reply: Reply) -> Job:
        try:
            check_spec(spec, self._auto_shutdown)
            for wanted in spec.requires:
                if wanted not in self._table:
                    raise BadRequirement(f"child {spec.id!r}", "requires", "ids of earlier siblings", wanted)
        except SpecError as error:
            reply.fail(error)
            return
        known = self._table.get(spec.id)
        if known is not None:
            reply.fail(_present(known))
            return
        child = self._table[spec.id] = Child(spec)
        outcome = yield from self._start(child)
        if isinstance(outcome, StartFailed):
            self._table.pop(spec.id, None)
        self._answer_start(child, outcome, reply)

    def _terminate_child(self, wanted: str | ActorRef[Any], reply: Reply) -> Job:
        child = self._find(wanted)
        if child is None:
            reply.fail(ChildNotFound(wanted))
            return
        yield from self._stop_all([child])
        for id in self._waiting_for(child):
            self._table[id].rest("down")
        reply.set(None)

    def _restart_child(self, id: str, reply: Reply) -> Job:
        child = self._table.get(id)
        if child is None:
            reply.fail(ChildNotFound(id))
        elif child.alive:
            reply.fail(ChildRunning(id))
        elif child.state in ("restarting", "waiting") or child.ended:
            reply.fail(ChildRestarting(id))
        else:
            outcome = yield from self._start(child)
            self._answer_start(child, outcome, reply)
            if isinstance(outcome, Started):
                yield from self._start_group(self._waiting_for(child))

    def _delete_child(self, id: str, reply: Reply) -> Job:
        child = self._table.get(id)
        if child is None:
            reply.fail(ChildNotFound(id))
        elif child.alive:
            reply.fail(ChildRunning(id))
        elif child.state in ("restarting", "waiting") or child.ended:
            reply.fail(ChildRestarting(id))
        else:
            child.rest("down")
            del self._table[id]
            reply.set(None)
        yield from ()  # a job like the others, though it never waits

    def _answer_start(self, child: Child, outcome: StartOutcome, reply: Reply) -> None:
        if isinstance(outcome, StartFailed):
            self._note_failure_of("child_start_failed", child, outcome.reason)
            refusal = ChildStartFailed(child.id, outcome.reason)
            refusal.__cause__ = outcome.error
            reply.fail(refusal)
        else:
            reply.set(None if child.cell is None else child.cell.ref)

    def _find(self, wanted: str | ActorRef[Any]) -> Child | None:
        if isinstance(wanted, str):
            return self._table.get(wanted)
        return next((one for one in self._table.values() if one.cell is not None and one.cell.ref == wanted), None)

    def _children(self) -> Iterable[Child]:
        return self._table.values()


def _present(child: Child) -> ChildAlreadyStarted | ChildAlreadyPresent:
    if child.cell is not None and child.alive:
        return ChildAlreadyStarted(child.id, child.cell.ref)
    return ChildAlreadyPresent(child.id)
