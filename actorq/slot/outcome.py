"""Run one delivery and say how it ended, as a Report.

Invariant: whatever task code does short of ending the process, there is exactly one report and this module returns it;
nothing that a task raises, SystemExit and KeyboardInterrupt included, gets any further.

| the task | state | payload |
| --- | --- | --- |
| returns | SUCCESS | the result, by the serializer of its arguments; nothing where the caller ignores it |
| raises Retry | RETRY, `due_at` | the new body, or nothing: the same again; counts as a retry |
| raises Reject(requeue=True) | RETRY, no `due_at`, `TO_THE_BACK` | nothing: to the end of its queue, doesn't count |
| raises Reject | REJECTED | the failure |
| raises Ignore | IGNORED | nothing, or with the codec `LAST_UPDATE` what it last said by `update_state` |
| raises TaskRevoked, or has expired | REVOKED | the failure |
| raises anything else | FAILURE | the failure with the traceback, actorq's own frames left out |
| is unknown, or its bytes are | FAILURE | NotRegistered, DecodeError |
"""

from __future__ import annotations

import os
import time
import traceback
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from actorq.codec import PLAIN_TASK_CODEC, decode_body, encode_failure, encode_result
from actorq.errors import EncodeError, Ignore, MessageTooLarge, NotRegistered, Reject, RemoteError, Retry, TaskRevoked
from actorq.messages import states
from actorq.messages.task import FLAG_IGNORE_RESULT, TO_THE_BACK, Delivery, Report
from actorq.messages.updates import LAST_UPDATE
from actorq.slot.aftermath import conclude
from actorq.slot.limits import SoftLimit, run_limited
from actorq.tasks.handlers import tell_end
from actorq.tasks.request import Request, current
from actorq.tasks.updates import find_last_update

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Coroutine, Mapping
    from types import TracebackType

    from actorq.codec import TaskCodec
    from actorq.messages.updates import Update
    from actorq.plugins.hooks import HookedTasks

__all__ = ["RunnableTask", "TaskRunner", "format_failure", "hand_back", "judge", "succeed"]


SUCCESS: Final = states.NUMBERS[states.SUCCESS]
FAILURE: Final = states.NUMBERS[states.FAILURE]
RETRY: Final = states.NUMBERS[states.RETRY]
REVOKED: Final = states.NUMBERS[states.REVOKED]
REJECTED: Final = states.NUMBERS[states.REJECTED]
IGNORED: Final = states.NUMBERS[states.IGNORED]

MAX_TRACEBACK_CHARS: Final = 64 * 1024  # the middle is left out beyond that
MAX_NAMES_TOLD: Final = 30  # of registered tasks, in a NotRegistered

_ENCODED_NONE: Final = encode_result(None)  # what most tasks return
_set_request: Final = current.set
_OWN_CODE: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_LOOP_CODE: Final = os.sep + "asyncio" + os.sep


class RunnableTask(Protocol):
    """What a slot needs of a task."""

    name: str
    is_coroutine: bool
    handlers: frozenset[str]

    @property
    def definition(self) -> Any:
        """The task as its application knows it."""
        ...

    def run_delivery(self, args: tuple[Any, ...], kwargs: dict[str, Any], request: Request) -> Any:
        """Run it and return the result, or the coroutine that will."""
        ...


class TaskRunner:
    """Runs deliveries of the tasks of one application, one at a time."""

    __slots__ = ("_accept", "_codec", "_hostname", "_loop", "_pid", "_soft_limit", "_tasks")

    def __init__(
        self, tasks: Mapping[str, RunnableTask] | HookedTasks, hostname: str, codec: TaskCodec = PLAIN_TASK_CODEC
    ) -> None:
        self._tasks = tasks
        self._codec, self._accept = codec, codec.accept
        self._hostname = hostname
        self._pid = os.getpid()
        self._soft_limit = SoftLimit()
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, delivery: Delivery) -> Report:
        """Run it. Never raises."""
        message = delivery.message
        if message.expires is not None and message.expires <= time.time():
            return _fail(delivery, TaskRevoked(f"expired at {message.expires:.3f}, before it could start"), REVOKED)
        task = self._tasks.get(message.task)
        if task is None:
            return _fail(delivery, NotRegistered(message.task, sorted(self._tasks)[:MAX_NAMES_TOLD]))
        request = None
        try:
            args, kwargs = decode_body(message.codec_id, message.body, self._accept)
            request = Request.from_delivery(delivery, self._hostname, self._pid)
            # Not push and pop: there is nothing around this run to go back to.
            _set_request(request)
            try:
                if message.limits is not None and message.limits[0]:
                    result = self._run_limited(task, args, kwargs, request, message.limits[0])
                else:
                    result = task.run_delivery(args, kwargs, request)
                    if task.is_coroutine:
                        result = self._await(result)
            finally:
                _set_request(None)
            # `succeed`, written out: it is asked for every task.
            if message.flags & FLAG_IGNORE_RESULT:
                report = Report(delivery.key, delivery.token, SUCCESS)
            else:
                codec_id, payload = _ENCODED_NONE if result is None else _encode(self._codec, result, message.codec_id)
                report = Report(delivery.key, delivery.token, SUCCESS, payload, codec_id)
            if request.children is not None:
                report.children = request.list_children()
            if task.handlers:
                tell_end(task.definition, request, states.SUCCESS, result)
            return report
        except BaseException as error:  # noqa: BLE001  the one place where everything a task raises ends
            report = judge(delivery, error, request, self._codec)
            if request is not None:
                if request.children is not None:
                    report.children = request.list_children()
                conclude(task.definition, request, report, error)
            return report

    def _run_limited(
        self, task: RunnableTask, args: tuple[Any, ...], kwargs: dict[str, Any], request: Request, limit_s: float
    ) -> Any:
        if task.is_coroutine:
            return self._await(run_limited(task.run_delivery(args, kwargs, request), limit_s))
        try:
            self._soft_limit.arm(limit_s)
            return task.run_delivery(args, kwargs, request)
        finally:
            self._soft_limit.disarm()

    def _await(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine on this slot's loop, which lives on, so that connections can be kept between tasks."""
        loop = self._loop
        if loop is None or loop.is_closed():
            import asyncio  # noqa: PLC0415  most applications have no coroutine tasks

            self._loop = loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
        return loop.run_until_complete(coroutine)

    def close(self) -> None:
        """Close the loop, if there is one; what still runs on it is dropped."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.close()


def hand_back(delivery: Delivery) -> Report:
    """Return the report of a delivery that was not run and is to be given to somebody else, uncounted."""
    return Report(delivery.key, delivery.token, RETRY)


def format_failure(error: BaseException) -> str:
    """Return the traceback text, without the frames through which actorq called the task."""
    try:
        lines = traceback.format_exception(type(error), error, _strip_own_frames(error.__traceback__))
        text = "".join(lines)
    except BaseException as trouble:  # noqa: BLE001  out of memory, or a class that breaks its own formatting
        return f"{type(error).__name__} (its traceback can't be shown: {type(trouble).__name__})\n"
    if len(text) > MAX_TRACEBACK_CHARS:
        half = MAX_TRACEBACK_CHARS // 2
        text = f"{text[:half]}\n  … {len(text) - 2 * half} characters left out …\n{text[-half:]}"
    return text


def _encode(codec: TaskCodec, result: Any, codec_id: int) -> tuple[int, bytes]:
    try:
        return codec.encode_result(result, codec_id)
    except MessageTooLarge:
        raise
    except EncodeError as error:
        raise EncodeError(f"can't send a result of type {_type_name(result)}: {error}") from None
    except Exception as error:
        # Whatever a pickled object's own code raises.
        raise EncodeError(f"can't send a result of type {_type_name(result)}: {error!r}") from error


def succeed(delivery: Delivery, result: Any, codec: TaskCodec) -> Report:
    """Return the report of a delivery whose run returned `result`.

    Raises:
        EncodeError: it can't be sent.
    """
    message = delivery.message
    if message.flags & FLAG_IGNORE_RESULT:
        return Report(delivery.key, delivery.token, SUCCESS)
    codec_id, payload = _ENCODED_NONE if result is None else _encode(codec, result, message.codec_id)
    return Report(delivery.key, delivery.token, SUCCESS, payload, codec_id)


def judge(delivery: Delivery, error: BaseException, request: Request | None, codec: TaskCodec) -> Report:
    """Return the report of a delivery whose run raised `error`."""
    match error:
        case Retry():
            return _retry(delivery, error, codec)
        case Ignore():
            return _ignore(delivery, find_last_update(request))
        case Reject(requeue=True):
            return Report(delivery.key, delivery.token, RETRY, b"", TO_THE_BACK)
        case Reject():
            return _fail(delivery, error, REJECTED)
        case TaskRevoked():
            return _fail(delivery, error, REVOKED)
        case _:
            return _fail(delivery, error)


def _ignore(delivery: Delivery, update: Update | None) -> Report:
    """Return the report of a run that raised Ignore: it ends as the task has said, if it has said anything."""
    key, token = delivery.key, delivery.token
    if update is None:
        return Report(key, token, IGNORED)
    if update.state == states.SUCCESS:
        return Report(key, token, SUCCESS, update.meta, update.codec_id)
    if update.state == states.STARTED:
        update = msgspec.structs.replace(update, state=states.IGNORED)
    number = states.NUMBERS.get(update.state, IGNORED)
    return Report(key, token, number, msgspec.msgpack.encode(update), LAST_UPDATE)


def _retry(delivery: Delivery, wish: Retry, codec: TaskCodec) -> Report:
    due_at = time.time() if wish.due_at is None else wish.due_at
    codec_id = delivery.message.codec_id
    try:
        body = b""
        if wish.arguments:
            codec_id, body = codec.encode_retry(wish.arguments, codec_id)
    except Exception as error:  # noqa: BLE001  as with a result: an object's own code
        return _fail(delivery, error)
    return Report(delivery.key, delivery.token, RETRY, body, codec_id, 0.0, due_at, wish.expires)


def _fail(delivery: Delivery, error: BaseException, state: int = FAILURE) -> Report:
    text = format_failure(error)
    try:
        payload = encode_failure(error, text)
    except BaseException as trouble:  # noqa: BLE001  out of memory, or an exception that exits when it is looked at
        known = RemoteError(_type_name(error), f"can't be described: {type(trouble).__name__}")
        payload = encode_failure(known, text)
    return Report(delivery.key, delivery.token, state, payload)


def _strip_own_frames(found: TracebackType | None) -> TracebackType | None:
    """Skip the outermost frames as long as they are actorq's, or those of the event loop it runs."""
    first = found
    while found is not None:
        file_name = found.tb_frame.f_code.co_filename
        if not (file_name.startswith(_OWN_CODE) or _LOOP_CODE in file_name):
            return found
        found = found.tb_next
    return first  # nothing but our own: then it is ours to explain


def _type_name(value: object) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
