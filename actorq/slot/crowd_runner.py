"""Run deliveries where many run at once: `TaskRunner` for coroutines on a loop of somebody else's, and in threads.

What differs from a slot of one task: nothing here may use signals, so a plain function has no soft limit; a coroutine ends by
its hard limit here, and only where that doesn't work the node ends the process.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from actorq.codec import decode_body
from actorq.errors import NotRegistered, TaskRevoked, TimeLimitExceeded
from actorq.messages.states import SUCCESS
from actorq.slot.aftermath import conclude
from actorq.slot.limits import run_limited
from actorq.slot.outcome import MAX_NAMES_TOLD, TaskRunner, judge, succeed
from actorq.tasks.handlers import tell_end
from actorq.tasks.request import Request, current

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from actorq.messages.task import Delivery, Report
    from actorq.slot.outcome import RunnableTask

__all__ = ["CrowdRunner", "run_hard_limited"]


class CrowdRunner(TaskRunner):
    """Runs deliveries of the tasks of one application. `run` may be called in several threads where none is a coroutine."""

    __slots__ = ()

    def is_coroutine(self, delivery: Delivery) -> bool:
        """Return whether `run_coroutine` is the way to run it."""
        task = self._tasks.get(delivery.message.task)
        return task is not None and task.is_coroutine

    async def run_coroutine(self, delivery: Delivery) -> Report:
        """Run it in the present asyncio task, whose context is its own. Never raises."""
        message = delivery.message
        task, request = self._tasks.get(message.task), None
        try:
            if message.expires is not None and message.expires <= time.time():
                raise TaskRevoked(f"expired at {message.expires:.3f}, before it could start")
            if task is None:
                raise NotRegistered(message.task, sorted(self._tasks)[:MAX_NAMES_TOLD])
            args, kwargs = decode_body(message.codec_id, message.body, self._accept)
            request = Request.from_delivery(delivery, self._hostname, self._pid)
            current.set(request)
            coroutine = task.run_delivery(args, kwargs, request)
            if message.limits is not None:
                soft_s, hard_s = message.limits
                coroutine = run_limited(coroutine, soft_s) if soft_s else coroutine
                coroutine = run_hard_limited(coroutine, hard_s) if hard_s else coroutine
            result = await coroutine
            report = succeed(delivery, result, self._codec)
            if request.children is not None:
                report.children = request.list_children()
            if task.handlers:
                tell_end(task.definition, request, SUCCESS, result)
        except BaseException as error:  # noqa: BLE001  the one place where everything a task raises ends
            report = judge(delivery, error, request, self._codec)
            if task is not None and request is not None:
                report.children = request.list_children() or None
                conclude(task.definition, request, report, error)
        return report

    def _run_limited(
        self, task: RunnableTask, args: tuple[Any, ...], kwargs: dict[str, Any], request: Request, limit_s: float
    ) -> Any:
        if task.is_coroutine:
            return super()._run_limited(task, args, kwargs, request, limit_s)
        return task.run_delivery(args, kwargs, request)  # said at the node's start: see `actorq.pools`


async def run_hard_limited(coroutine: Coroutine[Any, Any, Any], limit_s: float) -> Any:
    """Await it, and cancel it when the time is up; whatever it does then, it has run into its limit.

    Raises:
        TimeLimitExceeded: it took longer.
    """
    timeout = asyncio.timeout(limit_s)
    try:
        async with timeout:
            result = await coroutine
    except BaseException:
        if timeout.expired():
            raise TimeLimitExceeded(limit_s, "it was cancelled") from None
        raise
    if timeout.expired():
        raise TimeLimitExceeded(limit_s, "it was cancelled")
    return result
