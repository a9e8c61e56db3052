"""Everything about one task, asked of its home: its life so far, and why it waits.

Invariant: nothing is unpickled here. Arguments are decoded by serializers that make plain data only; an exception travels as data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from actorq.client.orphans import find_outbox
from actorq.codec import PLAIN_CODECS, decode_body, decode_failure
from actorq.codec.serializers import SERIALIZER_MASK
from actorq.errors import BrokerUnavailable, DecodeError
from actorq.messages.states import PENDING, UNKNOWN
from actorq.tasks.masks import mask_plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from actorq.transport.paths import Home

__all__ = ["describe_task", "describe_unheard"]

LONGEST_ID: Final = 255


def describe_task(ask: Callable[..., Any], home: Home, task_id: str, *, arguments: bool = False) -> dict[str, Any]:
    """Return the facts about a task, as plain data: what its hub says, and whether it is still in an outbox of this home.

    `ask(command, arguments, repeat=)` asks the hub. With `arguments`, `args` and `kwargs`, or why they can't be shown.

    Raises:
        BrokerUnavailable: nobody answers, and no outbox of this home holds it. ValueError: that can't be an id.
    """
    if not 0 < len(task_id) <= LONGEST_ID:
        raise ValueError(f"expected an id of 1 to {LONGEST_ID} characters, got {len(task_id)}")
    try:
        facts: dict[str, Any] = ask("task_facts", {"id": task_id, "body": arguments}, repeat=True)
    except BrokerUnavailable:
        unheard = describe_unheard(home, task_id)
        if unheard is None:
            raise
        return unheard
    facts = {"id": task_id, **facts}
    if facts["state"] == UNKNOWN and (unheard := describe_unheard(home, task_id)) is not None:
        return {**facts, **unheard}
    if facts.pop("packed_meta", None) is not None and "meta" not in facts:
        facts["meta"] = "(told by a serializer that is unpickled by callers only)"
    failure = facts.pop("failure", None)
    if failure:
        error, text = decode_failure(failure)
        facts |= {"error": f"{type(error).__name__}: {error}", "traceback": text or None}
    return _decode_arguments(facts) if arguments else facts


def describe_unheard(home: Home, task_id: str) -> dict[str, Any] | None:
    """Return the facts about a task that is in an outbox of this home; None: it isn't."""
    outbox = find_outbox(home, task_id)
    return None if outbox is None else {"id": task_id, "state": PENDING, "where": "nowhere", "outbox": outbox}


def _decode_arguments(facts: dict[str, Any]) -> dict[str, Any]:
    codec_id, body = facts.pop("codec", None), facts.pop("body", None)
    if body is None:
        return {**facts, "hidden": "they are not kept with the result of a task that has ended"}
    if len(body) < facts["arguments_bytes"]:
        return {**facts, "hidden": "they are too long"}
    if codec_id & SERIALIZER_MASK not in PLAIN_CODECS:
        return {**facts, "hidden": f"they are {facts['serializer']}, which is unpickled by slots only"}
    try:
        args, kwargs = decode_body(codec_id, body)
    except DecodeError as error:
        return {**facts, "hidden": str(error)}
    shown_args, shown_kwargs = mask_plain(args, kwargs, facts["headers"])
    return {**facts, "args": shown_args, "kwargs": shown_kwargs}
