"""What a static supervisor does when it is asked to: start, terminate, restart, recycle, delete.

Each is a job like any other and waits for its turn, with two exceptions, so that a slow start can't hold up who wants to be
rid of it: terminating a child that is starting gives up that start, and terminating one that is about to be restarted (or
waits, or is parked) takes effect at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from actorq.actors.outcome import Started, StartFailed
from actorq.errors import ActorDead
from actorq.log import get_logger
from actorq.messages.reasons import SHUTDOWN
from actorq.supervisor.administration import (
    ChildAlreadyPresent,
    ChildAlreadyStarted,
    ChildNotFound,
    ChildRestarting,
    ChildRunning,
    ChildStartFailed,
    ChildTemporary,
    ChildWaiting,
    DeleteChild,
    Recycle,
    RestartChild,
    StartChild,
    TerminateChild,
)
from actorq.supervisor.children import Child
from actorq.supervisor.restarts import Restarter
from actorq.supervisor.spec import BadRequirement, SpecError, check_spec
from actorq.supervisor.steps import GIVEN_UP
from actorq.supervisor.strategy import plan_recycle, plan_terminate

if TYPE_CHECKING:
    from collections.abc import Callable

    from actorq.actors import ActorRef, Refusal, Reply
    from actorq.actors.outcome import StartOutcome
    from actorq.supervisor.jobs import Job
    from actorq.supervisor.spec import ChildSpec

__all__ = ["Administered"]

log = get_logger(__name__)

AT_REST: Final = ("restarting", "parked", "waiting", "down", "ignored")  # states without an incarnation


class Administered(Restarter):
    """A static supervisor that can be asked."""

    def start_child(self, spec: ChildSpec) -> None:
        """Add a child at the end of the list and start it; see `StartChild`."""
        self._administer(lambda reply: self._add_child(spec, reply))

    def terminate_child(self, child: str | ActorRef[Any]) -> None:
        """Stop a child; see `TerminateChild`."""
        found = None if self._ending is not None else self._find(child)
        if found is None:
            self._administer(lambda reply: self._terminate_child(child, reply))
        elif found is self._awaited and found.state == "starting":
            found.terminated = True
            found.terminators.append(self.defer())
            self._step("terminated")
        elif found.state in AT_REST and found.ended is None:
            self._put_down(found)
            self.defer().set(None)
        else:
            self._administer(lambda reply: self._terminate_child(child, reply))

    def restart_child(self, id: str) -> None:
        """Start a child that is down; see `RestartChild`."""
        self._administer(lambda reply: self._restart_child(id, reply))

    def recycle(self, child: str | ActorRef[Any]) -> None:
        """Stop a child and start it again; see `Recycle`."""
        self._administer(lambda reply: self._recycle_child(child, reply))

    def delete_child(self, id: str) -> None:
        """Forget a child that is down; see `DeleteChild`."""
        self._administer(lambda reply: self._delete_child(id, reply))

    def on_start_child(self, message: StartChild) -> None:
        self.start_child(message.spec)

    def on_terminate_child(self, message: TerminateChild) -> None:
        self.terminate_child(message.child)

    def on_restart_child(self, message: RestartChild) -> None:
        self.restart_child(message.id)

    def on_recycle(self, message: Recycle) -> None:
        self.recycle(message.child)

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
        child = Child(spec)
        refusal = self._why_not_add(child)
        if refusal is not None:
            reply.fail(refusal)
            return
        self._enlist(child)
        outcome = yield from self._start(child)
        if isinstance(outcome, StartFailed):
            self._strike(child)
        self._answer_start("child_started", child, outcome, reply)

    def _why_not_add(self, child: Child) -> Refusal | SpecError | None:
        spec = child.spec
        try:
            check_spec(spec, self._auto_shutdown)
            for wanted in spec.requires:
                if wanted not in self._table:
                    raise BadRequirement(f"child {spec.id!r}", "requires", "ids of earlier siblings", wanted)
        except SpecError as error:
            return error
        known = self._table.get(spec.id)
        if known is not None:
            return ChildAlreadyPresent(known.id) if known.ref is None else ChildAlreadyStarted(known.id, known.ref)
        provider = self._missing_provider(child)
        return None if provider is None else ChildWaiting(child.id, provider.id)

    def _put_down(self, child: Child) -> None:
        """Let a child without an incarnation stay down; those that waited for it and needn't go on."""
        child.rest("down")
        child.terminated = True
        child.down_at = None
        log.info("child_terminated", supervisor=str(self), child_id=child.id)
        if child.spec.restart == "temporary":
            self._strike(child)
        if self._waiting_for(child):
            self._push(self._start_waiting(child))

    def _start_waiting(self, child: Child) -> Job:
        """Start those that waited for a child that isn't to come back, unless they can't go on without it."""
        yield from self._start_group(self._waiting_for(child), child.id)

    def _terminate_child(self, wanted: str | ActorRef[Any], reply: Reply) -> Job:
        child = self._find(wanted)
        if child is None:
            reply.fail(ChildNotFound(wanted))
            return
        child.terminated = True
        order = plan_terminate(self._strategy, self._table, child.id, self._edges)
        yield from self._stop_all([self._table[id] for id in order], child)
        self._put_down(child)
        reply.set(None)

    def _restart_child(self, id: str, reply: Reply) -> Job:
        child = self._find(id)
        refusal = self._why_not_down(id, child)
        if refusal is not None or child is None:
            reply.fail(refusal or ChildNotFound(id))
            return
        provider = self._missing_provider(child)
        if provider is not None:
            reply.fail(ChildWaiting(child.id, provider.id))
            return
        outcome = yield from self._start(child)
        self._answer_start("child_started", child, outcome, reply)
        if isinstance(outcome, Started):
            yield from self._start_group(self._waiting_for(child), child.id)

    def _recycle_child(self, wanted: str | ActorRef[Any], reply: Reply) -> Job:
        child = self._find(wanted)
        refusal = self._why_not_recycle(wanted, child)
        if refusal is not None or child is None:
            reply.fail(refusal or ChildNotFound(wanted))
            return
        child.terminated = False
        plan = plan_recycle(self._strategy, self._table, child.id, self._edges)
        yield from self._stop_all([self._table[id] for id in plan.stop], child)
        failures = yield from self._start_group(plan.start, child.id, by_hand=True)
        if failures:
            reply.fail(_start_refused(failures[0].child, failures[0].outcome))
        elif child.terminated:
            reply.fail(ChildStartFailed(child.id, SHUTDOWN))
        else:
            reply.set(child.ref)

    def _why_not_recycle(self, wanted: object, child: Child | None) -> Refusal | None:
        if child is None:
            return ChildNotFound(wanted)
        if child.spec.restart == "temporary":
            return ChildTemporary(child.id)
        provider = self._missing_provider(child)
        return None if provider is None else ChildWaiting(child.id, provider.id)

    def _delete_child(self, id: str, reply: Reply) -> Job:
        child = self._find(id)
        refusal = self._why_not_down(id, child)
        if refusal is not None or child is None:
            reply.fail(refusal or ChildNotFound(id))
        else:
            for waiting in self._waiting_for(child):
                self._table[waiting].rest("down")
            self._strike(child)
            reply.set(None)
        yield from ()  # a job like the others, though it never waits

    def _why_not_down(self, id: str, child: Child | None) -> Refusal | None:
        """Return what speaks against starting or deleting a child as one that is down (R24)."""
        if child is None:
            return ChildNotFound(id)
        if child.alive:
            return ChildRunning(child.id)
        if child.waiting_on is not None:
            return ChildWaiting(child.id, child.waiting_on)
        if child.state == "restarting" or child.ended is not None:
            return ChildRestarting(child.id)
        return None

    def _answer_start(self, event: str, child: Child, outcome: StartOutcome, reply: Reply) -> None:
        if isinstance(outcome, StartFailed):
            if outcome is not GIVEN_UP:
                self._note_failure_of("child_start_failed", child, outcome.reason)
            reply.fail(_start_refused(child, outcome))
            return
        if isinstance(outcome, Started):
            self._note_up_by_hand(event, child)
        reply.set(child.ref)


def _start_refused(child: Child, outcome: StartFailed) -> ChildStartFailed:
    refusal = ChildStartFailed(child.id, outcome.reason)
    refusal.__cause__ = outcome.error
    return refusal
