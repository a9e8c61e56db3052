"""Large buffers beside the serialized bytes, in one body: each is copied once, into its place.

Such a body starts with 0xC1, a byte with which nothing else starts: MessagePack never uses it, JSON is text, and a pickle
starts with 0x80.

    0xC1 │ version │ 2 unused │ count: u32 │ sizes: (count + 1) × u64 │ head │ buffer │ buffer …

Little-endian; the head is what the serializer made of the rest. Head and buffers start at multiples of 16 bytes, so
that arrays are aligned.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

from actorq.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["has_buffers", "join_buffers", "split_buffers"]

MARK: Final = 0xC1
VERSION: Final = 1
ALIGN_BYTES: Final = 16
_START: Final = struct.Struct("<BBxxI")


def has_buffers(body: bytes | memoryview) -> bool:
    """Return whether this body was made by `join_buffers`."""
    return len(body) > 0 and body[0] == MARK


def join_buffers(head: bytes, buffers: Sequence[Any]) -> bytes:
    """Return one body: the only copy of the buffers that is made."""
    parts: list[Any] = [_START.pack(MARK, VERSION, len(buffers))]
    sizes = [len(head), *(memoryview(buffer).nbytes for buffer in buffers)]
    parts.append(struct.pack(f"<{len(sizes)}Q", *sizes))
    at = len(parts[0]) + len(parts[1])
    for part, size in zip((head, *buffers), sizes, strict=True):
        gap = -at % ALIGN_BYTES
        parts += (bytes(gap), part)
        at += gap + size
    return b"".join(parts)


def split_buffers(body: bytes | memoryview) -> tuple[memoryview, list[memoryview]]:
    """Return the head and the buffers as read-only views into `body`.

    Raises:
        DecodeError: the sizes don't add up.
    """
    view = memoryview(body).toreadonly()
    try:
        _, version, count = _START.unpack_from(view)
        sizes = struct.unpack_from(f"<{count + 1}Q", view, _START.size)
    except (struct.error, MemoryError, OverflowError) as error:
        raise DecodeError(f"expected a body with buffers, got {len(view)} bytes that aren't one: {error}") from error
    if version != VERSION:
        raise DecodeError(f"expected a body with buffers of version {VERSION}, got version {version}")
    at = _START.size + 8 * len(sizes)
    found: list[memoryview] = []
    for size in sizes:
        at += -at % ALIGN_BYTES
        found.append(view[at : at + size])
        at += size
    if at != len(view):
        raise DecodeError(f"expected a body with buffers of {at} bytes, got {len(view)}")
    return found[0], found[1:]
