"""After a run: what the slot's log says about its end, and the handlers of the task's class.

Called when the report is made, so nothing here can change it, and only for runs that failed, asked for another, or have
handlers: a run that simply returns never comes here. The hard limit still counts; the soft one is over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from actorq.codec import decode_failure
from actorq.codec.failures import say
from actorq.errors import Retry
from actorq.log import get_logger
from actorq.messages.states import FAILURE, NAMES, NUMBERS, RETRY
from actorq.messages.updates import LAST_UPDATE
from actorq.tasks.handlers import tell_end

if TYPE_CHECKING:
    from actorq.messages.task import Report
    from actorq.tasks.request import Request
    from actorq.tasks.task import Task

__all__ = ["conclude"]

_FAILURE: Final = NUMBERS[FAILURE]
_RETRY: Final = NUMBERS[RETRY]

log: Final = get_logger("actorq.tasks")


def conclude(task: Task[..., Any], request: Request, report: Report, error: BaseException) -> None:
    """Log how a run ended that raised `error`, and tell the task's handlers. Never raises."""
    try:
        if report.state == _FAILURE and report.codec_id != LAST_UPDATE:
            text = decode_failure(report.payload)[1]
            _log_failure(task, request, error, text)
            tell_end(task, request, FAILURE, error, text)
        elif report.state == _RETRY and report.due_at is not None and isinstance(error, Retry):
            text = "" if error.cause is None else say(error.cause)
            log.info("task_retried", **_facts(request), error=text, due_at=report.due_at)
            tell_end(task, request, NAMES[_RETRY], error, text)
    except BaseException as trouble:  # noqa: BLE001  an exception whose text can't be made, a closed stderr
        log.error("task_end_untold", task=request.task, error=type(trouble).__name__)
    finally:
        # The traceback holds every frame of the task and what they refer to: let go of it before the next run.
        error.__traceback__ = None


def _log_failure(task: Task[..., Any], request: Request, error: BaseException, text: str) -> None:
    what = say(error)
    if isinstance(error, task.throws):
        log.info("task_failed", **_facts(request), error=what, expected=True)
    else:
        log.error("task_failed", **_facts(request), error=what, exception=text.rstrip())


def _facts(request: Request) -> dict[str, Any]:
    shadow = {"shadow": request.shadow} if request.shadow else {}
    return {
        "task": request.task,
        **shadow,
        "task_id": request.id,
        "queue": request.message.queue,
        "attempt": request.retries + 1,
        "args": request.argsrepr,
        "kwargs": request.kwargsrepr,
    }
