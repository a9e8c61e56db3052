"""What both kinds of supervisor do: launch children without waiting, hear of their ends, show the tree.

A child's death is learnt from a monitor, not from its link, so a child that unlinked itself can't hang its supervisor (R20).
The link is there so that children don't outlive a supervisor that was killed. Exits of strangers are ignored, the parent's
means stop (R17).
"""

from __future__ import annotations

import itertools
import time
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Final

from actorq.actors import Actor
from actorq.actors.outcome import StartFailed
from actorq.actors.signals import Invoke
from actorq.log import get_logger
from actorq.messages.reasons import KILLED, Crashed, as_reason, is_clean
from actorq.supervisor.children import Child, count_children
from actorq.supervisor.component import Named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from actorq.actors import ActorRef
    from actorq.actors.cell import Cell
    from actorq.actors.outcome import StartOutcome
    from actorq.messages.reasons import ExitReason
    from actorq.supervisor.administration import CountChildren, Tree, WhichChildren
    from actorq.supervisor.children import ChildCounts, ChildInfo

__all__ = ["Keeper"]

log = get_logger(__name__)

DEADLINE_SHARE: Final = 0.8  # a child supervisor has this part of the time left, so its partial answer still arrives

_launches = itertools.count(1)


class Keeper(Actor):
    """Base of `Supervisor` and `DynamicSupervisor`; light, and never blocks."""

    trap_exit: ClassVar[bool] = True
    _by_monitor: dict[int, Child]

    # -- for the two kinds to define -----------------------------------------------------------------------------------

    @abstractmethod
    def _children(self) -> Iterable[Child]:
        """Return the children in start order."""

    @abstractmethod
    def _launched(self, child: Child, outcome: StartOutcome) -> None:
        """Take note of the end of a start."""

    @abstractmethod
    def _gone(self, child: Child, reason: ExitReason) -> None:
        """Take note that an incarnation ended after it was launched."""

    # -- administration that needs no decision -------------------------------------------------------------------------

    def which_children(self) -> list[ChildInfo]:
        """Return the children in start order."""
        return [child.info() for child in self._children()]

    def count_children(self) -> ChildCounts:
        """Return how many there are."""
        return count_children(self._children())

    def on_which_children(self, _: WhichChildren) -> list[ChildInfo]:
        return self.which_children()

    def on_count_children(self, _: CountChildren) -> ChildCounts:
        return self.count_children()

    def on_tree(self, message: Tree) -> None:
        reply = self.defer()

        def answer(inner: dict[str, Any]) -> None:
            reply.set({"id": self.name or type(self).__name__, **_own(self._cell), **inner})

        self._inspect(time.monotonic() + message.timeout_s, answer)

    # -- launching and ending ------------------------------------------------------------------------------------------

    def _launch(self, child: Child) -> None:
        """Start an incarnation; `_launched` follows as a signal, never before this returns."""
        child.rest("starting")
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
        child.cell = cell
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
        if outcome.kind != "started":
            self._let_go(child)
        else:
            child.up_at = self.clock.monotonic()
        self._launched(child, outcome)

    def on_down(self, monitor_id: int, ref: ActorRef[Any], reason: ExitReason) -> None:
        child = self._by_monitor.pop(monitor_id, None)
        if child is None or child.cell is None or child.launch:
            return  # still starting: how that ended comes as its confirmation
        # The cell knows better than a monitor that came too late.
        reason = child.cell.reason
        self._let_go(child)
        self._gone(child, reason)

    def _let_go(self, child: Child) -> None:
        """Forget the incarnation."""
        if child.monitor_id:
            self._by_monitor.pop(child.monitor_id, None)
            self._cell.demonitor(child.monitor_id)
            child.monitor_id = 0
        if child.cell is not None:
            self._cell.unlink(child.cell)
        child.cell, child.launch = None, 0

    # -- telling people --------------------------------------------------------------------------------------------------

    def _note_end(self, event: str, child: Child, reason: ExitReason, **facts: Any) -> None:
        """Log how a child ended by itself: one event."""
        if is_clean(reason):
            log.info("child_ended", supervisor=str(self), child_id=child.id, reason=str(reason))
        else:
            self._note_failure_of(event, child, reason, **facts)

    def _note_failure_of(self, event: str, child: Child, reason: ExitReason, **facts: Any) -> None:
        """Log the one event of a child's failure, with its traceback, and remember it for the tree."""
        child.last_error, child.last_error_at = str(reason), self.clock.now()
        if isinstance(reason, Crashed):
            facts["traceback"] = reason.traceback_text
        log.error(event, supervisor=str(self), child_id=child.id, reason=str(reason), restarts=child.restarts, **facts)

    def _report_stop(self, child: Child, reason: ExitReason) -> None:
        """Say so where a child that was told to stop ended for another reason (R21)."""
        expected = reason == KILLED if child.spec.shutdown_s == 0 else is_clean(reason)
        if not expected and reason != KILLED:  # a kill after the deadline has its own event
            self._note_end("child_stop_failed", child, reason)

    # -- the tree --------------------------------------------------------------------------------------------------------

    def _inspect(self, deadline: float, answer: Callable[[dict[str, Any]], None]) -> None:
        """Gather from all children at once; what hasn't answered by the deadline is shown as busy."""
        listed = list(self._children())
        entries = {id(child): _entry(child) for child in listed}
        waiting = {id(child) for child in listed if child.alive and not child.launch}
        facts = self._safe_facts()
        finished = False

        def finish() -> None:
            nonlocal finished
            if not finished:
                finished = True
                timer.cancel()
                answer({"facts": facts, "children": [entries[id(child)] for child in listed]})

        def collect(key: int, inner: dict[str, Any]) -> None:
            if not finished:
                entries[key].update(inner)
                waiting.discard(key)
                if not waiting:
                    finish()

        left_s = max(0.0, deadline - time.monotonic())
        timer = self.timers.after(left_s, Invoke(finish))
        own = self._cell
        inner_deadline = time.monotonic() + left_s * DEADLINE_SHARE
        for child in listed:
            key = id(child)
            if key not in waiting or child.cell is None:
                continue
            entries[key]["facts"] = {"busy": True}
            child.cell.post_call(
                child.cell.actor._inspect,  # noqa: SLF001
                inner_deadline,
                lambda inner, key=key: own.post_call(collect, key, inner),
            )
        if not waiting:
            finish()


def _own(cell: Cell) -> dict[str, Any]:
    return {
        "kind": "supervisor",
        "state": "starting" if cell.state == "starting" else "stopping" if cell.state == "ending" else "up",
        "restarts": 0,
        "pid": cell.id,
        "mailbox": len(cell.mailbox),
        "last_error": None,
        "last_error_at": None,
    }


def _entry(child: Child) -> dict[str, Any]:
    """Return what is known of a child without asking it; `pid` is the number of its incarnation."""
    cell = child.cell if child.alive else None
    return {
        "id": child.id,
        "kind": child.spec.type,
        "state": child.state if child.waiting_on is None else f"waiting({child.waiting_on})",
        "restarts": child.restarts,
        "pid": None if cell is None else cell.id,
        "mailbox": 0 if cell is None else len(cell.mailbox),
        "last_error": child.last_error,
        "last_error_at": child.last_error_at,
        "children": [],
        "facts": {},
    }
