"""Bringing children back: the jobs of a static supervisor that follow an end nobody asked for.

Who is restarted with whom is decided in `strategy`, how often in `intensity`, how soon in `backoff`. A failed restart is
never tried again within the same job: the retry comes as a message of its own, so requests and the shutdown get in between
(R14).
"""

from __future__ import annotations

import random
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from actorq.actors.outcome import Started, StartFailed
from actorq.actors.signals import Invoke
from actorq.log import get_logger
from actorq.messages.reasons import SHUTDOWN, ExitReason
from actorq.supervisor.intensity import RestartWindow
from actorq.supervisor.steps import GIVEN_UP, Stepper
from actorq.supervisor.strategy import is_restarted, plan_restart, plan_retry

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from actorq.supervisor.children import Child
    from actorq.supervisor.jobs import Event, Job
    from actorq.supervisor.spec import AutoShutdown

__all__ = ["Failure", "Restarter"]

log = get_logger(__name__)


class Failure(NamedTuple):
    """A child that didn't come up in a group."""

    child: Child
    outcome: StartFailed


class Restarter(Stepper):
    """A static supervisor that restarts."""

    _auto_shutdown: AutoShutdown
    _park_retry_s: float

    def _child_ended(self, child: Child, reason: ExitReason) -> Job:
        if child.ended is None or self._table.get(child.id) is not child:
            return  # a job that was queued before has dealt with it
        child.ended = None
        if is_restarted(child.spec.restart, reason):
            child.fail(self.clock.monotonic())
            yield from self._restart(child)
            return
        child.down_at = None
        if child.spec.restart == "temporary":
            self._strike(child)
        if child.spec.significant:
            self._consider_auto_shutdown()

    def _consider_auto_shutdown(self) -> None:
        """End if this was the last (or any) significant child that ended by itself (R26)."""
        left = any(child.spec.significant and child.alive for child in self._table.values())
        if self._auto_shutdown == "any_significant" or (self._auto_shutdown == "all_significant" and not left):
            self._pre_empt(SHUTDOWN)

    def _restart(self, child: Child) -> Job:
        """Restart `child` and whom it takes along."""
        if not self._count_incident(child):
            return
        plan = plan_restart(self._strategy, self._table, child.id, self._edges)
        if child.state != "parked":
            child.rest("restarting")
        self._tell_rebinders(child, up=False)
        yield from self._stop_all([self._table[id] for id in plan.stop], child)
        delay_s = child.spec.backoff.delay_s(child.failures, random.random)
        if child.state == "restarting" and delay_s > 0:
            self._retry_later(child, plan.start, delay_s)
        else:
            parked = child.id if child.state == "parked" else None
            yield from self._start_group([id for id in plan.start if id != parked], child.id)

    def _count_incident(self, child: Child) -> bool:
        """Count one incident (R12); return whether to go on. False: the supervisor is ending (R13)."""
        now = self.clock.monotonic()
        if child.spec.exhausted == "park":
            window = child.window or RestartWindow(self._window.intensity, self._window.period_s)
            child.window = window.add(now)
            if child.window.exceeded:
                self._park(child)
            return True
        self._window = self._window.add(now)
        if not self._window.exceeded:
            return True
        self._pre_empt(self._note_exhausted(child))
        return False

    def _start_group(
        self, ids: Iterable[str], because: str | None = None, *, by_hand: bool = False
    ) -> Generator[Child, Event, list[Failure]]:
        """Start children in order; one that fails is retried later, and who needs it waits (R14, R16).

        `because` is the id of the child for whose sake this is done. A failure is an incident unless it is `by_hand`.
        """
        group = list(ids)
        left = deque(group)
        failures: list[Failure] = []
        while left:
            child = self._table.get(left.popleft())
            if child is None or child.alive or child.terminated or self._wait_for_provider(child):
                continue
            outcome = yield from self._start(child)
            if outcome is GIVEN_UP:
                continue
            if not isinstance(outcome, StartFailed):
                if isinstance(outcome, Started):
                    self._note_group_start(child, because, by_hand=by_hand)
                freed = [id for id in self._waiting_for(child) if id not in left]
                if freed:  # in their places: whoever was started first is started first again
                    left = deque(self._in_order([*left, *freed]))
                    group = self._in_order({*group, *freed})
                continue
            failures.append(Failure(child, outcome))
            self._note_failure_of("child_restart_failed", child, outcome.reason, strategy=self._strategy)
            child.fail(self.clock.monotonic())
            if not by_hand and not self._count_incident(child):
                return failures
            if child.state == "parked":
                continue
            plan, unconcerned = plan_retry(self._strategy, group, child.id, self._edges)
            yield from self._stop_all([self._table[id] for id in plan.stop if id in self._table], child)
            if not child.terminated:
                delay_s = child.spec.backoff.delay_s(child.failures, random.random)
                self._retry_later(child, plan.start, delay_s)
            left = deque(id for id in left if id in unconcerned)
        return failures

    def _note_group_start(self, child: Child, because: str | None, *, by_hand: bool) -> None:
        if by_hand:
            self._note_up_by_hand("child_recycled", child)
        else:
            self._note_up(child, self._strategy, because=None if because == child.id else because)

    def _retry_later(self, child: Child, group: Iterable[str], delay_s: float) -> None:
        """Leave `child` restarting and its group waiting; the retry comes as a message, so others get in between."""
        child.rest("restarting")
        child.retry = self.timers.after(delay_s, Invoke(self._retry_due, child))
        for id in group:
            other = self._table.get(id)
            if other is not None and other is not child and not other.alive and not other.terminated:
                self._let_wait(other, child.id)

    def _park(self, child: Child) -> None:
        """Leave an optional child down and try again slowly (R40)."""
        child.rest("parked")
        child.failures = 0
        child.window = None
        child.retry = self.timers.after(self._park_retry_s, Invoke(self._retry_due, child))
        log.warning(
            "child_parked", supervisor=str(self), child_id=child.id, reason=child.last_error,
            retry_s=self._park_retry_s,
        )  # fmt: skip

    def _retry_due(self, child: Child) -> None:
        child.retry = None
        self._push(self._retry(child))

    def _retry(self, child: Child) -> Job:
        if child.state not in ("restarting", "parked") or child.retry is not None or child.ended is not None:
            return  # terminated, restarted, or put off again while this waited for its turn
        group = sorted([child.id, *self._waiting_for(child)], key=self._place)
        if child.state == "parked":
            outcome = yield from self._start(child)
            if outcome is GIVEN_UP:
                return
            if isinstance(outcome, StartFailed):
                self._note_failure_of("child_restart_failed", child, outcome.reason, strategy=self._strategy)
                self._park(child)
                return
            self._note_unparked(child)
        yield from self._start_group(group, child.id)

    def _note_unparked(self, child: Child) -> None:
        if child.seen_up:
            child.restarts += 1
        down_s = None if child.down_at is None else round(self.clock.monotonic() - child.down_at, 3)
        child.seen_up, child.down_at = True, None
        log.warning(
            "child_unparked", supervisor=str(self), child_id=child.id, restarts=child.restarts, down_s=down_s
        )  # fmt: skip
