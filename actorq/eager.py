"""Tasks that run where they are called: `task.apply()`, and every send where `task_always_eager` is set.

The two differ in one thing. `apply` is a call: arguments and result are the caller's own objects. An eager send is what a
node would do, done here: arguments, result, exception and the arguments of a retry go through the codec, so that what
wouldn't travel fails in a test, too, and nothing is shared that a node wouldn't share.
"""

from __future__ import annotations

import os
import time
import traceback
from typing import TYPE_CHECKING, Any, Final, cast

from actorq.codec import decode_body, decode_failure, decode_result, encode_failure
from actorq.eager_result import EagerResult
from actorq.errors import Ignore, NotRegistered, Reject, Replace, Retry, TaskIgnored, TaskRevoked
from actorq.messages.ids import format_task_id, new_outbox_id
from actorq.messages.states import FAILURE, IGNORED, REJECTED, RETRY, REVOKED, STARTED, SUCCESS
from actorq.messages.task import FLAG_IGNORE_RESULT, TaskMessage
from actorq.plugins.hooks import HookedTask
from actorq.tasks.coroutines import run_to_end
from actorq.tasks.handlers import tell_end
from actorq.tasks.request import Request, current, pop_request, push_request
from actorq.tasks.updates import find_last_update

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actorq.codec import Acceptance, TaskCodec
    from actorq.plugins.plugin import Plugin
    from actorq.tasks.task import Task

__all__ = ["find_here", "run_applied", "run_sent"]

MAX_NAMES_TOLD: Final = 30  # of registered tasks, in a NotRegistered

_Arguments = tuple[tuple[Any, ...], dict[str, Any]]


def find_here(tasks: Mapping[str, Task[..., Any]], name: str) -> Task[..., Any]:
    """Return the task that a node with these tasks would run.

    Raises:
        NotRegistered: there is none.
    """
    task = tasks.get(name)
    if task is None:
        raise NotRegistered(name, sorted(tasks)[:MAX_NAMES_TOLD])
    return task


def run_applied(
    task: Task[..., Any], hooks: tuple[Plugin, ...], message: TaskMessage, arguments: _Arguments, *, throw: bool
) -> EagerResult[Any]:
    """Run a task as a call; with `throw` its exception is raised."""
    request = _make_request(message, arguments)
    try:
        value = _run(_with_hooks(task, hooks), request, arguments)
    except Exception as error:
        text = traceback.format_exc()
        tell_end(task, request, _end_of(error), error, text)
        if throw:
            raise
        return EagerResult(request.id, _end_of(error), error, text)
    tell_end(task, request, SUCCESS, value)
    return EagerResult(request.id, SUCCESS, value)


def run_sent(
    task: Task[..., Any],
    hooks: tuple[Plugin, ...],
    message: TaskMessage,
    body: bytes,
    codec: TaskCodec,
    *,
    throw: bool = False,
    is_awaited: bool = False,
) -> EagerResult[Any]:
    """Run a task as a node would: everything goes through the codec; with `throw` its exception is raised as it is.

    `is_awaited`: somebody needs the value, even where the caller doesn't want the result kept.
    """
    codec_id = message.codec_id
    request = _make_request(message, ((), {}))
    try:
        arguments = decode_body(codec_id, body, codec.accept)
        request.args, request.kwargs = arguments
        if message.expires is not None and message.expires <= time.time():
            raise TaskRevoked(f"expired at {message.expires:.3f}, before it could start")
        returned = _run(_with_hooks(task, hooks), request, arguments, codec)
        is_kept = is_awaited or not message.flags & FLAG_IGNORE_RESULT
        value = decode_result(*codec.encode_result(returned, codec_id), codec.accept) if is_kept else None
    except Ignore:
        return _end_ignored(request, codec.accept)
    except (Exception, SystemExit) as error:  # a slot outlives sys.exit(), too
        # What comes back from a node is another object, and of another class where this one isn't registered.
        came, text = decode_failure(encode_failure(error, traceback.format_exc()))
        tell_end(task, request, _end_of(error), error, text)
        if throw:
            raise
        return EagerResult(request.id, _end_of(error), came, text, was_sent=True, request=request)
    tell_end(task, request, SUCCESS, returned)
    return EagerResult(request.id, SUCCESS, value, was_sent=True)


def _run(task: Task[..., Any], request: Request, arguments: _Arguments, codec: TaskCodec | None = None) -> Any:
    """Run `task` until it doesn't ask for another run; the waits in between are left out.

    With a `codec` the arguments of another run go through it.
    """
    while True:
        token = push_request(request)
        try:
            value = task.run_delivery(*arguments, request)
            return run_to_end(value) if task.is_coroutine else value
        except Replace as wanted:
            return task.definition.app.run_replacement(wanted.canvas, request)
        except Retry as again:
            if again.arguments:
                arguments = again.arguments
                if codec is not None:
                    again_in = codec.encode_retry(arguments, request.message.codec_id)
                    arguments = decode_body(*again_in, codec.accept)
            tell_end(task.definition, request, RETRY, again)
            request.message.retries += 1
            if again.expires is not None:
                request.message.expires = again.expires
        finally:
            pop_request(token)


def _make_request(message: TaskMessage, arguments: _Arguments) -> Request:
    outer = current.get()
    if outer is not None and not message.root:  # a part of a workflow knows already
        message.root, message.parent = outer.root_id, outer.id
    task_id = message.alias or format_task_id(new_outbox_id(), 0)
    outbox_id = outer.outbox_id if outer is not None else 0
    in_slot = outer is not None and outer.in_slot
    return Request(message, task_id, *arguments, outbox_id, 0, os.uname().nodename, os.getpid(), in_slot, is_eager=True)


def _with_hooks(task: Task[..., Any], hooks: tuple[Plugin, ...]) -> Task[..., Any]:
    return cast("Task[..., Any]", HookedTask(task, hooks)) if hooks else task


def _end_ignored(request: Request, accept: Acceptance) -> EagerResult[Any]:
    """Return how a task ends that raised Ignore: as it said, if it has said anything."""
    update = find_last_update(request)
    if update is None:
        return EagerResult(request.id, IGNORED, TaskIgnored(), was_sent=True)
    meta = decode_result(update.codec_id, update.meta, accept)
    if update.state == SUCCESS:
        return EagerResult(request.id, SUCCESS, meta, was_sent=True)
    state = IGNORED if update.state == STARTED else update.state
    return EagerResult(request.id, state, TaskIgnored(state, meta), was_sent=True)


def _end_of(error: BaseException) -> str:
    if isinstance(error, TaskRevoked):
        return REVOKED
    if isinstance(error, Ignore):
        return IGNORED
    return REJECTED if isinstance(error, Reject) else FAILURE
