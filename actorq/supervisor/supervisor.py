"""The static supervisor: a list of children, started in order, kept up by a strategy.

What it does is jobs (`jobs`) made of steps (`steps`): boot and shutdown here, restarts in `restarts`, what it is asked for in
`administered`. Decisions are made elsewhere, as pure functions (`strategy`, `intensity`, `backoff`, `stopping`); rules are
those of OTP's supervisor, R1–R40.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

from actorq.actors import DEFER, Deferred
from actorq.actors.outcome import Started, StartFailed
from actorq.messages.reasons import ExitReason, Shutdown
from actorq.supervisor.administered import Administered
from actorq.supervisor.children import Child
from actorq.supervisor.intensity import RestartWindow
from actorq.supervisor.spec import check_flags, check_specs
from actorq.supervisor.steps import GIVEN_UP
from actorq.supervisor.stopping import plan_stop_all

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actorq.supervisor.jobs import Job
    from actorq.supervisor.spec import AutoShutdown, ChildSpec
    from actorq.supervisor.strategy import Strategy

__all__ = ["Supervisor"]

PARK_RETRY_S: Final = 30.0  # between attempts to start what was parked; slow enough to be no load


class Supervisor(Administered):
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
        self._init_keeper(RestartWindow(intensity, period_s))
        self._init_table()
        self._init_jobs()
        for spec in checked:
            self._enlist(Child(spec))
        self._push(self._boot_children())
        return DEFER

    def describe(self) -> dict[str, object]:
        """Return the strategy and how much of the intensity is used."""
        return {"strategy": self._strategy, **self._window_facts()}

    def stop_requested(self, reason: ExitReason) -> None:
        self._pre_empt(reason)

    def _boot_children(self) -> Job:
        children = list(self._table.values())
        for earlier, later in itertools.pairwise(children):
            self._let_wait(later, earlier.id)
        for child in children:
            if child.terminated or self._wait_for_provider(child):
                continue
            outcome = yield from self._start(child)
            if isinstance(outcome, Started):
                child.seen_up = True
            if outcome is GIVEN_UP or not isinstance(outcome, StartFailed):
                continue
            self._note_failure_of("child_start_failed", child, outcome.reason)
            if child.spec.exhausted == "park":
                self._park(child)
                continue
            yield from self._stop_all(plan_stop_all(self._table.values()))
            self._fail_start(child, outcome)
            return
        self._up_since = self.clock.now()
        self.confirm_start()

    def _fail_start(self, child: Child, outcome: StartFailed) -> None:
        """End because a child didn't start (R7); whoever waits for this start gets the child's own exception (G4)."""
        if outcome.error is not None:
            outcome.error.add_note(f"while starting child {child.id!r} of {self}")
            self._cell.start_error = outcome.error
        self._cell.end(Shutdown(("failed_to_start_child", child.id, outcome.reason)))

    def _shut_down(self, reason: ExitReason) -> Job:
        yield from self._stop_all(plan_stop_all(self._table.values()))
        self._cell.end(reason)
