"""What all sends of a task have in common, worked out once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actorq.codec.packing import PACK_PLAIN, plan_packing
from actorq.codec.serializers import get_codec_id
from actorq.messages.task import FLAG_ACK_EARLY, FLAG_IGNORE_RESULT, FLAG_TRACK_STARTED, TaskMessage
from actorq.tasks.masks import show_arguments
from actorq.tasks.routing import Route
from actorq.tasks.validation import dump_arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    from actorq.codec.packing import Packing
    from actorq.tasks.routing import Routing
    from actorq.tasks.task import Task

    _Arguments: TypeAlias = tuple[tuple[Any, ...], dict[str, Any], Mapping[str, Any]]
    Prepare: TypeAlias = Callable[[tuple[Any, ...], dict[str, Any], Mapping[str, Any]], _Arguments]

__all__ = ["SendPlan", "plan_sends"]


class SendPlan:
    """What every send of a task has in common, worked out once. `message` is a template: fill it under the outbox's lock.

    `is_plain`: the message can go as it is; False where each call has an expiry or a route of its own, or hooks
    of plugins around it, or runs here. `routing` is there where functions choose the route. `prepare` changes arguments and
    options of each call, where a task needs that. `may_inherit`: neither the task nor its route says a priority.
    `default_hard_s` is the hard limit of the settings.
    """

    __slots__ = (
        "check",
        "codec_id",
        "default_hard_s",
        "expires_s",
        "is_plain",
        "may_inherit",
        "message",
        "packing",
        "prepare",
        "routing",
    )

    def __init__(
        self,
        message: TaskMessage,
        codec_id: int,
        expires_s: float | None,
        check: Callable[..., None] | None,
        routing: Routing,
        *,
        packing: Packing = PACK_PLAIN,
        is_plain: bool = True,
        prepare: Prepare | None = None,
        default_hard_s: float | None = None,
    ) -> None:
        self.message, self.codec_id, self.expires_s, self.check = message, codec_id, expires_s, check
        self.packing = packing
        self.is_plain = is_plain and not routing.routers and prepare is None
        self.prepare = prepare
        self.default_hard_s = default_hard_s
        self.routing = routing if routing.routers else None
        self.may_inherit = routing.own.over(routing.otherwise).priority is None


def plan_sends(task: Task[..., Any], check: Callable[..., None] | None) -> SendPlan:
    """Return the plan for `task`, whose arguments `check` checks."""
    conf = task.app.conf
    codec_id = get_codec_id(task.serializer or conf.task_serializer)
    flags = (
        FLAG_IGNORE_RESULT * task.ignore_result
        | FLAG_ACK_EARLY * (not task.acks_late)
        | FLAG_TRACK_STARTED * task.track_started
    )
    limits = None
    if task.soft_time_limit is not None or task.time_limit is not None:
        limits = (task.soft_time_limit, task.time_limit)
    routing = task.app.routes.plan(task.name, Route(task.queue, task.priority), conf)
    queue, priority = routing.settle()
    message = TaskMessage(
        0,
        task.name,
        b"",
        codec_id,
        queue,
        priority,
        flags,
        max_deliveries=task.max_deliveries or conf.max_deliveries,
        limits=limits,
        result_ttl_s=task.result_expires,
    )
    is_plain = not (task.expires is not None or task.app.plugins.hooks.sending or conf.task_always_eager)
    is_plain = is_plain and not (conf.task_inherit_parent_priority or conf.has_bounds)
    packing = plan_packing(conf, task.compression or conf.task_compression)
    return SendPlan(
        message,
        codec_id,
        task.expires,
        check,
        routing,
        packing=packing,
        is_plain=is_plain,
        prepare=_find_preparation(task),
        default_hard_s=conf.task_time_limit,
    )


def _find_preparation(task: Task[..., Any]) -> Prepare | None:
    """Return what is done to each call: models become plain data, what may be shown is worked out where names are known."""
    if not task.pydantic and not task.redact:
        return None

    def prepare(args: tuple[Any, ...], kwargs: dict[str, Any], options: Mapping[str, Any]) -> _Arguments:
        if task.redact:
            shown = show_arguments(args, kwargs, None, task.redact, task.body)
            options = dict(zip(("argsrepr", "kwargsrepr"), shown, strict=True)) | dict(options)
        if task.pydantic:
            args, kwargs = dump_arguments(args, kwargs)
        return args, kwargs, options

    return prepare
