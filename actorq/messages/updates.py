"""What a running task says of itself: a state of its own making and whatever else it wants known."""

from __future__ import annotations

from typing import Any, Final

import msgspec

__all__ = ["LAST_UPDATE", "Update", "read_update"]

LAST_UPDATE: Final = -1  # codec id of a result whose task raised Ignore after an update: the payload is that update


class Update(msgspec.Struct, array_like=True, gc=False):
    """`meta` is encoded like a result, with the codec `codec_id`; the rest says which run of which task it is of."""

    state: str
    codec_id: int = 0
    meta: bytes = b""
    outbox_id: int = 0
    number: int = 0
    retries: int = 0


_decode: Final[Any] = msgspec.msgpack.Decoder(Update).decode


def read_update(payload: bytes) -> Update:
    """Return the update that is the payload of a `LAST_UPDATE`."""
    update: Update = _decode(payload)
    return update
