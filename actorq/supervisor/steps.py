"""The steps of which the jobs of a static supervisor are made: start one child, stop one, stop many.

Also who is in the table, and who waits for whom. A child is in one state at a time; what a job has still to start is
`waiting` or `restarting`, so whoever says that it shall stay down (`terminated`) is heard by the job that comes to it.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Final

from actorq.actors.outcome import Started, StartFailed, StartIgnored
from actorq.actors.signals import Invoke
from actorq.messages.reasons import SHUTDOWN, ExitReason
from actorq.supervisor.administration import ProviderDown, ProviderUp
from actorq.supervisor.jobs import JobKeeper
from actorq.supervisor.stopping import plan_stop
from actorq.supervisor.strategy import hard_edges, is_restarted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actorq.actors.outcome import StartOutcome
    from actorq.actors.ref import AnyRef
    from actorq.supervisor.children import Child
    from actorq.supervisor.jobs import Job, Steps
    from actorq.supervisor.strategy import Strategy

__all__ = ["GIVEN_UP", "Stepper"]

GIVEN_UP: Final = StartFailed(SHUTDOWN)  # how a start ends that somebody didn't want any more


class Stepper(JobKeeper):
    """A static supervisor that can start and stop."""

    _strategy: Strategy
    _table: dict[str, Child]  # in start order
    _edges: dict[str, frozenset[str]]  # child -> those it can't go on without
    _rebinders: dict[str, dict[str, None]]  # provider -> those that survive its restart
    _waiters: dict[str, set[str]]  # child -> those that waited for it at some time
    _added: int

    @abstractmethod
    def _child_ended(self, child: Child, reason: ExitReason) -> Job:
        """Return the job that deals with the end of a child that nobody asked for."""

    @abstractmethod
    def _put_down(self, child: Child) -> None:
        """Let a child without an incarnation stay down until somebody asks for it."""

    # -- the table -----------------------------------------------------------------------------------------------------

    def _init_table(self) -> None:
        self._table, self._edges, self._rebinders, self._waiters = {}, {}, {}, {}
        self._added = 0

    def _enlist(self, child: Child) -> None:
        """Add a child at the end."""
        self._added += 1
        child.number = self._added
        self._table[child.id] = child
        self._edges[child.id] = hard_edges(child.spec.requires, child.spec.rebind)
        for provider in child.spec.rebind:
            self._rebinders.setdefault(provider, {})[child.id] = None

    def _strike(self, child: Child) -> None:
        """Forget a child. Idempotent."""
        self._forget(child)
        if self._table.get(child.id) is child:
            del self._table[child.id], self._edges[child.id]
            for provider in child.spec.rebind:
                self._rebinders[provider].pop(child.id, None)

    def _children(self) -> Iterable[Child]:
        return self._table.values()

    def _find(self, wanted: str | AnyRef) -> Child | None:
        """Return the child of that id, of that name, or of whose last incarnation that is a ref."""
        if not isinstance(wanted, str):
            return self._find_ref(wanted)
        child = self._table.get(wanted)
        if child is None:
            child = next((one for one in self._table.values() if one.spec.name == wanted), None)
        return child

    # -- waiting -------------------------------------------------------------------------------------------------------

    def _let_wait(self, child: Child, on: str) -> None:
        child.rest("waiting", on)
        self._waiters.setdefault(on, set()).add(child.id)

    def _waiting_for(self, child: Child) -> list[str]:
        """Return the ids of those that wait for `child`, in start order."""
        known = [self._table[id] for id in self._waiters.pop(child.id, ()) if id in self._table]
        waiting = [one.id for one in known if one.waiting_on == child.id]
        if waiting:
            self._waiters[child.id] = set(waiting)
        return sorted(waiting, key=self._place)

    def _place(self, id: str) -> int:
        return self._table[id].number

    def _in_order(self, ids: Iterable[str]) -> list[str]:
        """Return those of `ids` that are still known, in start order."""
        return sorted((id for id in ids if id in self._table), key=self._place)

    def _missing_provider(self, child: Child) -> Child | None:
        """Return one without whom `child` can't be up, and who isn't there for the moment (R39)."""
        if self._strategy != "dependents":
            return None
        for id in child.spec.requires:
            provider = self._table.get(id)
            if provider is None or id in child.spec.rebind:
                continue
            if provider.terminated or provider.state in ("restarting", "waiting", "parked"):
                return provider
        return None

    def _wait_for_provider(self, child: Child) -> bool:
        """Let `child` wait if one it can't go on without isn't there for the moment."""
        provider = self._missing_provider(child)
        if provider is None:
            return False
        self._let_wait(child, provider.id)
        return True

    # -- events --------------------------------------------------------------------------------------------------------

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
            child.state = "restarting" if is_restarted(child.spec.restart, reason) else "down"
            child.ended = reason
            self._note_end("child_failed", child, reason, strategy=self._strategy)
            self._push(self._child_ended(child, reason))

    def _is_late(self, child: Child) -> None:
        if child is self._awaited and child.state == "stopping":
            self._step("late")

    # -- steps ---------------------------------------------------------------------------------------------------------

    def _start(self, child: Child) -> Steps:
        """Start one child and wait until that ended one way or the other.

        GIVEN_UP: it was terminated while it started, and is down.
        """
        self._launch(child)
        outcome = yield child
        if outcome == "terminated":
            yield from self._stop_child(child)
            self._put_down(child)
            terminators, child.terminators = child.terminators, []
            for reply in terminators:
                reply.set(None)
            return GIVEN_UP
        assert not isinstance(outcome, str)
        if isinstance(outcome, StartIgnored):
            child.rest("ignored")
            if child.spec.restart == "temporary":
                self._strike(child)
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
        step = plan_stop(child.spec.shutdown_s)
        if step.ask:
            cell.exit(self._cell, self._stop_reason())
        else:
            cell.kill()
        if step.limit_s is not None:
            child.deadline = self.timers.after(step.limit_s, Invoke(self._is_late, child))
        self._tell_rebinders(child, up=False)
        try:
            while child.alive:
                child.launch = 0  # a start that is under way doesn't matter any more
                if (yield child) == "late" and child.alive:
                    self._note_kill(child)
                    cell.kill()
        finally:
            if child.deadline is not None:
                child.deadline.cancel()
                child.deadline = None
        if child.cell is not None:
            self._let_go(child)
            self._report_stop(child, cell.reason)
        child.rest("down")

    def _stop_all(self, children: Iterable[Child], for_: Child | None = None) -> Job:
        """Stop children one after the other; temporary ones are gone for good, the others wait for `for_`, if given."""
        for child in children:
            yield from self._stop_child(child)
            if child.spec.restart == "temporary":
                self._strike(child)
            elif child is for_:
                child.rest("restarting")
            elif for_ is not None and not child.terminated:
                self._let_wait(child, for_.id)

    def _tell_rebinders(self, child: Child, *, up: bool) -> None:
        """Tell those that survive the restart of `child` (G3), if they want to know."""
        if self._strategy != "dependents":
            return
        name = child.spec.name or child.id
        message: Any = ProviderDown(name)
        if up and child.ref is not None:
            message = ProviderUp(name, child.ref)
        hook = "on_provider_up" if up else "on_provider_down"
        for id in self._rebinders.get(child.id, ()):
            other = self._table[id]
            if other.ref is not None and hasattr(other.spec.actor, hook):
                other.ref.tell(message)
