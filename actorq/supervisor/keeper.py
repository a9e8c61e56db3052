"""What both kinds of supervisor do: launch children without waiting, hear of their ends, report.

A child's death is learnt from a monitor, not from its link, so a child that unlinked itself can't hang its supervisor (R20).
The link is there so that children don't outlive a supervisor that was killed. Exits of strangers are ignored, the parent's
means stop (R17).
"""

from __future__ import annotations

import itertools
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from actorq.actors import ActorRef, NameRef
from actorq.actors.outcome import Started, StartFailed
from actorq.log import get_logger
from actorq.messages.reasons import KILLED, SHUTDOWN, Crashed, Shutdown, as_reason, is_clean
from actorq.supervisor.component import Named
from actorq.supervisor.inspection import Inspected

if TYPE_CHECKING:
    from actorq.actors.outcome import StartOutcome
    from actorq.actors.ref import AnyRef
    from actorq.messages.reasons import ExitReason
    from actorq.supervisor.children import Child
    from actorq.supervisor.intensity import RestartWindow

__all__ = ["Keeper"]

log = get_logger(__name__)

_launches = itertools.count(1)


class Keeper(Inspected):
    """Base of `Supervisor` and `DynamicSupervisor`; light, and never blocks."""

    trap_exit: ClassVar[bool] = True
    _by_monitor: dict[int, Child]
    _by_cell: dict[int, Child]  # by the number of an incarnation: the last one, and the last one that was up
    _ending: ExitReason | None  # why this supervisor ends, if it does

    def _init_keeper(self, window: RestartWindow) -> None:
        self._window = window
        self._by_monitor, self._by_cell = {}, {}
        self._looks = set()
        self._up_since = self.clock.now()

    # -- for the two kinds to define -----------------------------------------------------------------------------------

    @abstractmethod
    def _launched(self, child: Child, outcome: StartOutcome) -> None:
        """Take note of the end of a start."""

    @abstractmethod
    def _gone(self, child: Child, reason: ExitReason) -> None:
        """Take note that an incarnation ended after it was launched."""

    # -- launching and ending ------------------------------------------------------------------------------------------

    def _launch(self, child: Child) -> None:
        """Start an incarnation; `_launched` follows as a signal, never before this returns."""
        child.rest("starting")
        child.up_at, child.terminated = None, False
        launch = child.launch = next(_launches)
        own = self._cell
        spec = child.spec

        def confirm(outcome: StartOutcome) -> None:
            own.post_call(self._confirmed, child, launch, outcome)

        try:
            cell = self.system.start_actor(
                spec.actor,
                spec.args,
                self._resolved(spec.kwargs),
                name=spec.name,
                parent=own,
                confirm=confirm,
                supervised=True,
            )
        except Exception as error:  # noqa: BLE001  a taken name, a constructor: a start that failed, not a broken supervisor
            confirm(StartFailed(as_reason(error), error))
            return
        if child.cell_id != child.known_id:
            self._by_cell.pop(child.cell_id, None)
        child.cell, child.cell_id = cell, cell.id
        self._by_cell[cell.id] = child
        child.monitor_id = own.monitor(cell)
        self._by_monitor[child.monitor_id] = child

    def _resolved(self, kwargs: Any) -> dict[str, Any]:
        return {
            key: self.system.ref(value.name) if isinstance(value, Named) else value for key, value in kwargs.items()
        }

    def _confirmed(self, child: Child, launch: int, outcome: StartOutcome) -> None:
        if child.launch != launch:
            return  # that incarnation was stopped before it confirmed
        child.launch = 0
        if isinstance(outcome, Started):
            if child.known_id != child.cell_id:
                self._by_cell.pop(child.known_id, None)
                child.known_id = child.cell_id
            child.came_up(self.clock.now(), self.clock.monotonic(), outcome.info)
        else:
            self._let_go(child, by_itself=isinstance(outcome, StartFailed))
        self._launched(child, outcome)

    def on_down(self, monitor_id: int, ref: ActorRef[Any], reason: ExitReason) -> None:
        child = self._by_monitor.pop(monitor_id, None)
        if child is None or child.cell is None or child.launch:
            return  # still starting: how that ended comes as its confirmation
        # The cell knows better than a monitor that came too late.
        reason = child.cell.reason
        self._let_go(child, by_itself=child.state != "stopping")
        self._gone(child, reason)

    def _let_go(self, child: Child, *, by_itself: bool = False) -> None:
        """Forget the incarnation."""
        if child.monitor_id:
            self._by_monitor.pop(child.monitor_id, None)
            self._cell.demonitor(child.monitor_id)
            child.monitor_id = 0
        if child.cell is not None:
            self._cell.unlink(child.cell)
        child.cell, child.launch = None, 0
        child.went_down(self.clock.monotonic(), by_itself=by_itself)
        for look in self._looks:  # a little later, when the child's state says what became of it
            self._cell.post_call(look.lost, child)

    def _find_ref(self, wanted: AnyRef) -> Child | None:
        """Return the child of which `wanted` is the last incarnation, or the last that was up, be it dead by now."""
        ref = wanted.resolve() if isinstance(wanted, NameRef) else wanted
        return self._by_cell.get(ref.id) if isinstance(ref, ActorRef) else None

    def _forget(self, child: Child) -> None:
        """Let nothing find the child any more."""
        child.rest("down")
        self._by_cell.pop(child.cell_id, None)
        self._by_cell.pop(child.known_id, None)

    # -- telling people --------------------------------------------------------------------------------------------------

    def _stop_reason(self) -> ExitReason:
        """Return what a child is told that has to end.

        Where this supervisor ends because it gave up, or because its parent crashed, somebody will start it anew: that is
        no end in good order, and its children hear of it. They may leave behind what their successors can use.
        """
        ending = self._ending
        if ending is None or (self._cell.parent is None and is_clean(ending)):
            return SHUTDOWN
        return ending

    def _note_end(self, event: str, child: Child, reason: ExitReason, **facts: Any) -> None:
        """Log how a child ended by itself: one event."""
        gave_up = isinstance(reason, Shutdown) and reason.info is not None and child.spec.type == "supervisor"
        if is_clean(reason) and not gave_up:
            log.info("child_ended", supervisor=str(self), child_id=child.id, reason=str(reason))
        else:
            self._note_failure_of(event, child, reason, **facts)

    def _note_failure_of(self, event: str, child: Child, reason: ExitReason, **facts: Any) -> None:
        """Log the one event of a child's failure, with its traceback, and remember it for the tree."""
        child.last_error, child.last_error_at = str(reason), self.clock.now()
        if isinstance(reason, Crashed):
            facts["traceback"] = reason.traceback_text
        log.error(event, supervisor=str(self), child_id=child.id, reason=str(reason), restarts=child.restarts, **facts)

    def _note_up(self, child: Child, strategy: str, *, because: str | None = None) -> None:
        """Count a child that came up again without being asked to, and say so; `because` of whom it had been stopped."""
        if not child.seen_up:
            child.seen_up = True
            return
        child.restarts += 1
        facts: dict[str, Any] = {"supervisor": str(self), "child_id": child.id, "restarts": child.restarts}
        down_at, child.down_at = child.down_at, None
        if because is not None or down_at is None:
            log.info("child_restarted", strategy=strategy, because=because, **facts)
            return
        down_s = round(self.clock.monotonic() - down_at, 3)
        log.warning("child_restarted", strategy=strategy, reason=child.last_error, down_s=down_s, **facts)

    def _note_up_by_hand(self, event: str, child: Child) -> None:
        child.seen_up, child.down_at = True, None
        log.info(event, supervisor=str(self), child_id=child.id)

    def _note_exhausted(self, child: Child) -> Shutdown:
        """Say that this supervisor gives up; return the reason for which it ends (R13)."""
        log.error(
            "supervisor_gave_up", supervisor=str(self), child_id=child.id, reason=child.last_error,
            intensity=self._window.intensity, period_s=self._window.period_s,
        )  # fmt: skip
        return Shutdown(f"gave up on {child.id!r}: {child.last_error}")

    def _note_kill(self, child: Child) -> None:
        log.warning("child_killed", supervisor=str(self), child_id=child.id, waited_s=child.spec.shutdown_s)

    def _report_stop(self, child: Child, reason: ExitReason) -> None:
        """Say so where a child that was told to stop ended for another reason (R21)."""
        in_order = is_clean(reason) or reason == self._stop_reason()
        expected = reason == KILLED if child.spec.shutdown_s == 0 else in_order
        if not expected and reason != KILLED:  # a kill after the deadline has its own event
            self._note_end("child_stop_failed", child, reason)
