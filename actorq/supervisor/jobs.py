"""The one-job-at-a-time engine under the static supervisor.

What takes time is a *job*: a generator that yields the child it waits for and goes on when that child has confirmed its
start, has ended, is late, or isn't wanted any more. One job runs at a time, others queue, and between any two steps messages are answered. A
shutdown pre-empts: it closes the job that is running and drops those that wait (R23). Every job therefore leaves the table
of children true at each `yield`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Literal, TypeAlias

from actorq.supervisor.keeper import Keeper

if TYPE_CHECKING:
    from collections.abc import Generator

    from actorq.actors.outcome import StartOutcome
    from actorq.messages.reasons import ExitReason
    from actorq.supervisor.children import Child

__all__ = ["Event", "Job", "JobKeeper", "Steps"]

Event: TypeAlias = "StartOutcome | Literal['late', 'down', 'terminated']"
Steps: TypeAlias = "Generator[Child, Event, StartOutcome]"
Job: TypeAlias = "Generator[Child, Event, None]"


class JobKeeper(Keeper):
    """A supervisor that does one thing after the other without ever blocking."""

    _jobs: deque[Job]
    _job: Job | None  # the one that runs
    _awaited: Child | None  # the child whose next event it gets
    _stepping: bool

    @abstractmethod
    def _shut_down(self, reason: ExitReason) -> Job:
        """Return the job that ends everything."""

    def _init_jobs(self) -> None:
        self._jobs = deque()
        self._job = self._awaited = self._ending = None
        self._stepping = False

    def _push(self, job: Job) -> None:
        """Queue a job; run it now if none is running."""
        if self._ending is not None:
            job.close()
            return
        self._jobs.append(job)
        if self._job is None and not self._stepping:
            self._next_job()

    def _next_job(self) -> None:
        while self._job is None and self._jobs and self._cell.state != "dead":
            self._job = self._jobs.popleft()
            self._step(None)

    def _step(self, event: Event | None) -> None:
        """Let the running job go on with what it waited for."""
        job = self._job
        assert job is not None
        self._awaited = None
        self._stepping = True
        try:
            self._awaited = next(job) if event is None else job.send(event)
        except StopIteration:
            self._job = None
        finally:
            self._stepping = False
        if self._job is None and self._cell.state in ("starting", "running"):
            self._next_job()

    def _pre_empt(self, reason: ExitReason) -> None:
        """Drop everything and shut down. Idempotent; the first reason counts."""
        if self._ending is not None:
            return
        self._ending = reason
        if self._stepping:  # the running job asked for it; it ends by itself, and this one is next
            self._drop_queued()
            self._jobs.append(self._shut_down(reason))
            return
        if self._job is not None:
            self._job.close()
            self._job = None
        self._drop_queued()
        self._jobs.append(self._shut_down(reason))
        self._next_job()

    def _drop_queued(self) -> None:
        while self._jobs:
            self._jobs.popleft().close()
