"""Whether a task runs again and when: the decisions behind `self.retry()` and `autoretry_for`. The rules are Celery's.

Nothing here acts: a decision is the exception to raise, and raising it tells the slot.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Protocol

from actorq.codec.failures import say
from actorq.errors import Ignore, MaxRetriesExceeded, Reject, Retry, TaskRevoked
from actorq.tasks.backoff import plan_retry_delay
from actorq.tasks.moments import find_due_at, find_expiry

if TYPE_CHECKING:
    import datetime
    from collections.abc import Mapping, Sequence

    from actorq.tasks.request import Request

__all__ = ["RetriedTask", "plan_autoretry", "plan_retry"]


class RetriedTask(Protocol):
    """What a decision goes by: the options of a task that are about retries."""

    name: str
    max_retries: int | None
    default_retry_delay: float
    dont_autoretry_for: tuple[type[BaseException], ...]
    retry_kwargs: Mapping[str, Any]
    retry_backoff: bool | float
    retry_backoff_max: float
    retry_jitter: bool


def plan_retry(
    task: RetriedTask,
    request: Request,
    cause: BaseException | None,
    *,
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    countdown: float | None = None,
    eta: datetime.datetime | float | None = None,
    expires: datetime.datetime | float | None = None,
    max_retries: int | None = None,
) -> BaseException:
    """Return what to raise: a Retry; or, with no retries left or in a direct call, the cause or MaxRetriesExceeded.

    Raises:
        ValueError: `countdown` and `eta` are both given, or a datetime has no time zone.
    """
    if request.called_directly:
        return cause or Retry(f"task {task.name} asked for another run, but it was called directly")
    limit = task.max_retries if max_retries is None else max_retries
    if limit is not None and request.retries >= limit:
        return cause or MaxRetriesExceeded(f"task {task.name} {request.id} has used up its {limit} retries")
    due_at = find_due_at(task.default_retry_delay if countdown is None and eta is None else countdown, eta)
    arguments = None
    if args is not None or kwargs is not None:
        arguments = (
            tuple(request.args if args is None else args),
            dict(request.kwargs if kwargs is None else kwargs),
        )
    return Retry("" if cause is None else say(cause), cause, due_at, arguments, find_expiry(expires))


def plan_autoretry(task: RetriedTask, request: Request, error: BaseException) -> BaseException:
    """Return what to raise where a run of a task raised `error`, one of its `autoretry_for`: a Retry, or the error."""
    if isinstance(error, (Retry, Ignore, Reject, TaskRevoked, *task.dont_autoretry_for)):
        return error
    options = dict(task.retry_kwargs)
    cause = options.pop("exc", None) or error
    if task.retry_backoff:
        options.pop("eta", None)  # the back-off says when
        options["countdown"] = plan_retry_delay(
            request.retries,
            factor=float(task.retry_backoff),  # True is one second
            maximum_s=task.retry_backoff_max,
            jitter=task.retry_jitter,
            rand=random.random,
        )
    return plan_retry(task, request, cause, **options)
