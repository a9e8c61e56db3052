"""`update_state`: what a running task says of itself, checked and encoded, on its way to whoever carries it.

Invariant: the last update of a run is kept with its request, so that `raise Ignore()` ends the task as it said.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from actorq.codec import encode_result
from actorq.codec.serializers import SERIALIZER_MASK
from actorq.errors import ActorqError
from actorq.messages.states import (
    FAILURE,
    IGNORED,
    PENDING,
    RECEIVED,
    REJECTED,
    RETRY,
    REVOKED,
    STARTED,
    SUCCESS,
    UNKNOWN,
)
from actorq.messages.updates import Update

if TYPE_CHECKING:
    from collections.abc import Callable

    from actorq.messages.task import Delivery
    from actorq.tasks.request import Request

__all__ = ["MAX_META_BYTES", "carry_with", "check_state", "find_last_update", "tell_started", "update_state"]

MAX_META_BYTES: Final = 64 * 1024  # encoded; the hub keeps one for each running task in memory
MAX_STATE_CHARS: Final = 64

ENDS: Final = frozenset({SUCCESS, FAILURE, REVOKED, REJECTED})  # taken as how the task is to end when it raises Ignore
TOLD_BY_OTHERS: Final = frozenset({PENDING, RECEIVED, RETRY, IGNORED, UNKNOWN})

_carriers: Final[
    list[tuple[Callable[[Update], None], str]]
] = []  # of this process: none, or that of its slot and its node


def carry_with(carrier: Callable[[Update], None], hostname: str) -> None:
    """From now on give the updates of tasks that run in this slot process to `carrier`, which returns at once."""
    _carriers[:] = [(carrier, hostname)]


def update_state(request: Request | None, state: str | None, meta: Any) -> None:
    """Say that the task of `request` is in `state` (None: as before) and tell `meta` of it.

    Raises:
        ActorqError: no task runs here.
        TypeError, ValueError: it isn't a state that a task can say, or `meta` is too big.
        EncodeError: `meta` doesn't fit the task's serializer.
    """
    if request is None:
        raise ActorqError("expected update_state() to be called while a task runs, got it outside of any task")
    before = find_last_update(request)
    if state is None:
        state = before.state if before is not None else STARTED
    check_state(state)
    message = request.message
    codec_id, packed = encode_result(meta, message.codec_id & SERIALIZER_MASK)
    if len(packed) > MAX_META_BYTES:
        raise ValueError(
            f"expected meta to take up to {MAX_META_BYTES} bytes encoded, got {len(packed)}; "
            "say less, or keep it where others can read it and tell where that is"
        )
    update = Update(state, codec_id, packed, request.outbox_id, message.number, message.retries)
    request._update = update  # noqa: SLF001  set here alone; read through `find_last_update`
    if state not in ENDS and request.in_slot and not (request.called_directly or request.is_eager):
        for carrier, _ in _carriers:
            carrier(update)


def check_state(state: object) -> None:
    """Check that a task may say that it is in this state.

    Raises:
        TypeError: it isn't text. ValueError: it is no name, or one that others say of a task.
    """
    if not isinstance(state, str):
        raise TypeError(f"expected state to be a text such as 'PROGRESS', got {state!r}")
    if not 0 < len(state) <= MAX_STATE_CHARS or not state.isprintable():
        raise ValueError(f"expected state to have 1 to {MAX_STATE_CHARS} printable characters, got {state[:200]!r}")
    if state in TOLD_BY_OTHERS:
        raise ValueError(
            f"expected state to be a name of your own, STARTED, or how the task is to end, got {state!r}, "
            "which is told of a task that isn't running; say 'PROGRESS', for example"
        )


def find_last_update(request: Request | None) -> Update | None:
    """Return what the run of this request last said of itself."""
    found: Update | None = getattr(request, "_update", None)
    return found


def tell_started(delivery: Delivery) -> None:
    """Say that a run begins, and in which process of which node: what `track_started` is for."""
    message = delivery.message
    for carrier, hostname in _carriers:
        codec_id, packed = encode_result({"pid": os.getpid(), "hostname": hostname})
        carrier(Update(STARTED, codec_id, packed, delivery.outbox_id, message.number, message.retries))
