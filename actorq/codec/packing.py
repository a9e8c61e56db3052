"""What happens to encoded arguments and results before they are sent: bounded, and compressed where it pays.

A small body pays for none of it: whoever encodes compares its size with `look_from` and calls `pack` only from there on.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from actorq.codec.acceptance import MAX_BYTES
from actorq.codec.compression import COMPRESSION_SHIFT, NONE, compress, get_compression
from actorq.codec.serializers import SERIALIZER_MASK
from actorq.errors import MessageTooLarge

if TYPE_CHECKING:
    from actorq.config import Settings

__all__ = ["PACK_PLAIN", "Packing", "plan_packing"]


@dataclass(frozen=True, slots=True)
class Packing:
    """`compress_from` is the size at which compression starts; `max_bytes` bounds the size before compression."""

    compression: int = NONE
    compress_from: int = 0
    max_bytes: int = MAX_BYTES
    look_from: int = field(init=False)  # smaller ones go as they are

    def __post_init__(self) -> None:
        bound = self.max_bytes + 1
        object.__setattr__(self, "look_from", min(self.compress_from, bound) if self.compression else bound)

    def pack(self, codec_id: int, data: bytes, what: str) -> tuple[int, bytes]:
        """Return `(codec_id, bytes)` as they are to be sent; what doesn't get smaller stays as it is.

        Raises:
            MessageTooLarge: `data` is more than may be sent.
        """
        if len(data) > self.max_bytes:
            raise MessageTooLarge(what, len(data), self.max_bytes)
        if self.compression and len(data) >= self.compress_from:
            packed = compress(self.compression, data)
            if len(packed) < len(data):
                return codec_id | self.compression << COMPRESSION_SHIFT, packed
        return codec_id, data

    def as_received(self, codec_id: int) -> Packing:
        """Return how to pack what takes the place of a received message: compressed as that one was."""
        return replace(self, compression=codec_id >> COMPRESSION_SHIFT & SERIALIZER_MASK)


PACK_PLAIN: Final = Packing()


def plan_packing(conf: Settings, compression: str | None) -> Packing:
    """Return how an application with these settings packs; `compression` is what a task, a call or a setting says.

    Raises:
        ValueError: there is no such compression here.
    """
    return Packing(get_compression(compression), conf.compression_min_bytes, conf.message_max_bytes)
