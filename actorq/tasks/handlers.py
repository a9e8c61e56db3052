"""What a task's class says to the end of a run: `on_success`, `on_retry`, `on_failure`, and then `after_return`.

Names, order and arguments are Celery's. A handler is told of an end that stands already: what it raises is logged and
changes nothing. Those of a class that overrides none are never looked at.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from actorq.codec.failures import say
from actorq.errors import Retry
from actorq.log import get_logger
from actorq.messages.states import FAILURE, RETRY, SUCCESS
from actorq.tasks.request import pop_request, push_request

if TYPE_CHECKING:
    from actorq.tasks.request import Request

__all__ = ["HANDLERS", "ErrorInfo", "HandledTask", "find_handlers", "tell_end"]

HANDLERS: Final = ("before_start", "on_success", "on_retry", "on_failure", "after_return")

log: Final = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """What a handler is given as `einfo`: the exception, its class, and the traceback's text, which it also prints as."""

    exception: BaseException
    traceback: str

    @property
    def type(self) -> type[BaseException]:
        """The exception's class."""
        return type(self.exception)

    def __str__(self) -> str:
        return self.traceback


class HandledTask(Protocol):
    """A task, which has methods of these names, and says which of them it overrides."""

    name: str
    handlers: frozenset[str]


def find_handlers(kind: type, base: type) -> frozenset[str]:
    """Return which handlers of `base` the class `kind` overrides.

    Raises:
        TypeError: one is a coroutine function; nobody would await it.
    """
    found = frozenset(name for name in HANDLERS if getattr(kind, name) is not getattr(base, name))
    for name in sorted(found):
        if inspect.iscoroutinefunction(getattr(kind, name)):
            raise TypeError(f"expected {name} of {kind.__qualname__} to be a plain method, got a coroutine function")
    return found


def tell_end(task: HandledTask, request: Request, state: str, value: Any, text: str = "") -> None:
    """Call the handlers that a run which ended in `state` is for; `value` is its result or its exception.

    `text` is the traceback's. Runs that were rejected, ignored or revoked have no handlers, as in Celery.
    """
    if not task.handlers or state not in _HANDLER_OF:
        return
    token = push_request(request)
    try:
        where = request.id, request.args, request.kwargs
        einfo = None
        if state == SUCCESS:
            _call(task, "on_success", value, *where)
        else:
            cause = value.cause if isinstance(value, Retry) and value.cause is not None else value
            einfo = ErrorInfo(cause, text)
            _call(task, _HANDLER_OF[state], cause, *where, einfo)
        _call(task, "after_return", state, value, *where, einfo)
    finally:
        pop_request(token)


_HANDLER_OF: Final = {SUCCESS: "on_success", RETRY: "on_retry", FAILURE: "on_failure"}


def _call(task: HandledTask, name: str, *arguments: Any) -> None:
    if name not in task.handlers:
        return
    try:
        getattr(task, name)(*arguments)
    except BaseException as error:
        log.error(
            "task_handler_failed",
            task=task.name,
            handler=name,
            error=say(error),
            consequence="none: the end of the task stands",
            exc_info=error,
        )
