"""The options of one call, turned into the message that is sent. Pure, but for the clock it is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from actorq.codec.body import encode_body
from actorq.codec.packing import Packing, plan_packing
from actorq.codec.plain import check_msgpack
from actorq.codec.serializers import get_codec_id
from actorq.config import suggest
from actorq.messages.task import FLAG_IGNORE_RESULT, TaskMessage
from actorq.tasks.moments import find_due_at, find_expiry
from actorq.tasks.options import check_limits, check_options
from actorq.tasks.plan import SendPlan
from actorq.tasks.routing import Route

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actorq.client.outbox import Outbox
    from actorq.config import Settings
    from actorq.tasks.routing import Routes

__all__ = [
    "CALL_OPTIONS",
    "append_batch",
    "apply_call_options",
    "encode_call",
    "make_message",
    "pack_message",
    "plan_unregistered",
]

CALL_OPTIONS: Final = frozenset(
    {
        "argsrepr",
        "kwargsrepr",
        "retry_policy",
        "shadow",
        "compression",
        "countdown",
        "eta",
        "expires",
        "headers",
        "ignore_result",
        "max_deliveries",
        "priority",
        "queue",
        "result_expires",
        "serializer",
        "soft_time_limit",
        "task_id",
        "time_limit",
    }
)
_SHOWN: Final = ("argsrepr", "kwargsrepr", "shadow")  # they travel as headers, as in Celery
_CHECKED: Final = CALL_OPTIONS - {
    "countdown",
    "eta",
    "expires",
    "headers",
    "task_id",
    "ignore_result",
    "retry_policy",
    *_SHOWN,
}
ALIAS_CHARS: Final = 255
HEADERS_BYTES: Final = 64 * 1024  # the broker decodes and keeps them, unlike the arguments

_encode: Final = msgspec.msgpack.Encoder().encode


def plan_unregistered(name: str, conf: Settings, routes: Routes) -> SendPlan:
    """Return the plan for a task that is known by its name alone."""
    codec_id, routing = get_codec_id(conf.task_serializer), routes.plan(name, Route(), conf)
    message = TaskMessage(0, name, b"", codec_id, *routing.settle(), max_deliveries=conf.max_deliveries)
    packing, hard_s = plan_packing(conf, conf.task_compression), conf.task_time_limit
    return SendPlan(message, codec_id, None, None, routing, packing=packing, default_hard_s=hard_s)


def make_message(
    plan: SendPlan,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    options: Mapping[str, Any],
    parent: TaskMessage | None = None,
) -> TaskMessage:
    """Return the message of one call, without its body: the plan's, routed, with the call's options.

    With a `parent` its priority holds where neither call nor task nor route says one.

    Raises:
        TypeError, ValueError: an option is unknown or doesn't fit, or a router's answer is no route.
    """
    template, routing = plan.message, plan.routing
    if routing is not None:
        if parent is not None:
            routing = msgspec.structs.replace(routing, default_priority=parent.priority)
        template = routing.apply(template, args, kwargs, options)
    elif parent is not None and plan.may_inherit:
        template = msgspec.structs.replace(template, priority=parent.priority)
    message = apply_call_options(template, plan.expires_s, options)
    if message.limits is not None and message.limits[1] is None:
        check_limits(message.limits[0], plan.default_hard_s)
    return message


def apply_call_options(template: TaskMessage, expires_s: float | None, options: Mapping[str, Any]) -> TaskMessage:
    """Return a message like `template` with the options of one call; `expires_s` is the task's own expiry.

    Raises:
        TypeError, ValueError: an option is unknown or doesn't fit.
    """
    for name in options:
        if name not in CALL_OPTIONS:
            raise TypeError(f"unknown option {name!r} for a call of {template.task}{suggest(name, CALL_OPTIONS)}")
    checked = check_options({key: value for key, value in options.items() if key in _CHECKED}, template.task)
    message = msgspec.structs.replace(template)
    message.queue = checked.get("queue") or message.queue
    message.priority = checked.get("priority", message.priority)
    message.max_deliveries = checked.get("max_deliveries", message.max_deliveries)
    message.result_ttl_s = checked.get("result_expires", message.result_ttl_s)
    if "serializer" in checked:
        message.codec_id = get_codec_id(checked["serializer"])
    if "ignore_result" in options:
        message.flags = message.flags & ~FLAG_IGNORE_RESULT | FLAG_IGNORE_RESULT * bool(options["ignore_result"])
    message.limits = _find_limits(message, checked)
    message.eta = find_due_at(options.get("countdown"), options.get("eta"))
    message.expires = find_expiry(options.get("expires", expires_s))
    message.alias = _check_alias(options.get("task_id"))
    headers = options.get("headers")
    if shown := {name: options[name] for name in _SHOWN if options.get(name) is not None}:
        headers = {**(headers or {}), **_check_texts(shown)}
    message.headers = check_headers(headers)
    return message


def _check_texts(given: dict[str, Any]) -> dict[str, str]:
    for name, value in given.items():
        if not isinstance(value, str):
            raise TypeError(f"expected {name} to be a text, got {value!r}")
    return given


def encode_call(
    plan: SendPlan,
    conf: Settings,
    message: TaskMessage,
    arguments: tuple[tuple[Any, ...], dict[str, Any]],
    options: Mapping[str, Any],
) -> tuple[TaskMessage, bytes]:
    """Return the message of one call and its body as they are to be sent.

    Raises:
        EncodeError, MessageTooLarge: the arguments can't be sent. ValueError: there is no such compression here.
    """
    packing = plan_packing(conf, options["compression"]) if "compression" in options else plan.packing
    body = encode_body(*arguments, message.codec_id)
    return pack_message(message, packing, body) if len(body) >= packing.look_from else (message, body)


def pack_message(message: TaskMessage, packing: Packing, body: bytes) -> tuple[TaskMessage, bytes]:
    """Return the message and its body as they are to be sent, for a body that has reached `packing.look_from`.

    Raises:
        MessageTooLarge: the body is more than may be sent.
    """
    codec_id, body = packing.pack(message.codec_id, body, f"the arguments of {message.task}")
    return msgspec.structs.replace(message, codec_id=codec_id), body


def append_batch(
    outbox: Outbox, plan: SendPlan, template: TaskMessage, bodies: list[bytes], lineage: tuple[str, str]
) -> Iterable[int]:
    """Append one task for each body and return their numbers.

    Raises:
        MessageTooLarge: one of the bodies is; then none is sent. QueueFull, StoreFull: see `Outbox.append_batch`.
    """
    if max(map(len, bodies)) < plan.packing.look_from:
        return outbox.append_batch(template, bodies, *lineage)
    packed = [pack_message(template, plan.packing, body) for body in bodies]
    return [outbox.append(message, body, *lineage) for message, body in packed]


def check_headers(headers: Any) -> dict[str, Any] | None:
    """Return the headers, None where there are none.

    Raises:
        TypeError, ValueError: they aren't plain data under names.
    """
    if not headers:
        return None
    if not isinstance(headers, Mapping) or not all(isinstance(name, str) for name in headers):
        raise TypeError(f"expected headers to be a mapping of names and plain data, got {headers!r}")
    try:
        check_msgpack(headers.values(), "a header")
        if len(_encode(headers)) > HEADERS_BYTES:
            raise ValueError(
                f"expected headers of at most {HEADERS_BYTES} bytes; put what is larger into the arguments"
            )
    except (TypeError, RecursionError, OverflowError, msgspec.MsgspecError) as error:
        raise TypeError(f"expected headers to be plain data, got: {error}") from error
    return dict(headers)


def _find_limits(message: TaskMessage, checked: Mapping[str, Any]) -> tuple[float | None, float | None] | None:
    soft_s, hard_s = message.limits or (None, None)
    soft_s, hard_s = checked.get("soft_time_limit", soft_s), checked.get("time_limit", hard_s)
    check_limits(soft_s, hard_s)
    return None if soft_s is None and hard_s is None else (soft_s, hard_s)


def _check_alias(task_id: Any) -> str | None:
    if task_id is not None and (not isinstance(task_id, str) or not 0 < len(task_id) <= ALIAS_CHARS):
        raise ValueError(f"expected task_id to be a text of 1 to {ALIAS_CHARS} characters, got {task_id!r}")
    return task_id
