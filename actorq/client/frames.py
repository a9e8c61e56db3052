"""The client's side of the wire: frames built from what is encoded already, and what comes back decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from actorq.errors import BrokerUnavailable, QueueFull, StoreFull
from actorq.messages import wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from actorq.transport.paths import Home

__all__ = ["DECODERS", "encode", "make_refusal", "pack_put"]

encode: Final = msgspec.msgpack.Encoder().encode

DECODERS: Final[dict[bytes, Callable[[memoryview], Any]]] = {
    kind: msgspec.msgpack.Decoder(value).decode
    for kind, value in (
        (wire.WELCOME, wire.Welcome),
        (wire.CONFIRM, wire.Confirm),
        (wire.REFUSED, wire.Refused),
        (wire.RESULTS, wire.Results),
        (wire.ANSWER, wire.Answer),
    )
}


def pack_put(records: list[bytes]) -> bytes:
    """Return the PUT frame of records that are encoded already."""
    count = len(records)
    header = bytes((0x90 | count,)) if count < 16 else b"\xdc" + count.to_bytes(2, "big")
    return b"".join((wire.PUT, b"\x91", header, *records))


def make_refusal(refused: wire.Refused, home: Home) -> Exception:
    """Return the typed error that a REFUSED frame means."""
    if refused.error == "StoreFull":
        return StoreFull(str(home.path))
    if refused.error == "QueueFull":
        limit = int(refused.detail) if refused.detail.isdecimal() else 0
        hint = "the task stays in the outbox and is sent again"
        if refused.queue:
            return QueueFull(refused.queue, limit, hint=hint, named=f"queue {refused.queue!r}")
        return QueueFull(f"the store in {home.path}", limit, hint=hint)
    return BrokerUnavailable(str(home.path), 0.0, f"it refused: {refused.error}: {refused.detail}")
