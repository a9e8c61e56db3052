"""What all sends of a task have in common, worked out once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actorq.codec.packing import PACK_PLAIN, plan_packing
from actorq.codec.serializers import get_codec_id
from actorq.messages.task import FLAG_ACK_EARLY, FLAG_IGNORE_RESULT, FLAG_TRACK_STARTED, TaskMessage
from actorq.tasks.routing import Route

if TYPE_CHECKING:
    from collections.abc import Callable

    from actorq.codec.packing import Packing
    from actorq.tasks.routing import Routing
    from actorq.tasks.task import Task

__all__ = ["SendPlan", "plan_sends"]


class SendPlan:
    """What every send of a task has in common, worked out once. `message` is a template: fill it under the outbox's lock.

    `is_plain`: the message can go as it is; False where each call has an expiry or a route of its own, or hooks
    of plugins around it, or runs here. `routing` is there where functions choose the route. `dumps_models`: arguments may be
    pydantic's models. `may_inherit`: neither the task
    nor its route says a priority.
    """

    __slots__ = (
        "check", "codec_id", "dumps_models", "expires_s", "is_plain", "may_inherit", "message", "packing", "routing",
    )  # fmt: skip

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
        dumps_models: bool = False,
    ) -> None:
        self.message, self.codec_id, self.expires_s, self.check = message, codec_id, expires_s, check
        self.packing = packing
        self.is_plain = is_plain and not routing.routers and not dumps_models
        self.dumps_models = dumps_models
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
        dumps_models=task.pydantic,
    )
