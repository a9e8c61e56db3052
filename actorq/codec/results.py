"""The value that a task returned as bytes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from actorq.codec.acceptance import ACCEPT_PLAIN
from actorq.codec.buffers import has_buffers
from actorq.codec.content import decode_content, encode_content
from actorq.codec.plain import ATOMS
from actorq.codec.rich import unpack_extension
from actorq.codec.serializers import DECODE_ERRORS, MSGPACK
from actorq.errors import DecodeError, EncodeError

if TYPE_CHECKING:
    from actorq.codec.acceptance import Acceptance

__all__ = ["decode_result", "encode_result"]

_PLAIN: Final = ATOMS - {bytearray}
_NONE: Final = b"\xc0"  # what most tasks return, whatever their serializer; there is nothing to decode in it
_encode_msgpack: Final = msgspec.msgpack.Encoder().encode
_decode_msgpack: Final = msgspec.msgpack.Decoder(ext_hook=partial(unpack_extension, ())).decode


def encode_result(value: Any, codec_id: int = MSGPACK) -> tuple[int, bytes]:
    """Return `(codec_id, bytes)` of what a task returned.

    Raises:
        EncodeError: a value that the serializer can't carry unchanged; the task then fails with this error.
    """
    if codec_id == MSGPACK and type(value) in _PLAIN:
        try:
            return MSGPACK, _encode_msgpack(value)
        except (OverflowError, ValueError, TypeError, msgspec.MsgspecError) as error:
            raise EncodeError(
                f'expected a result that can be encoded, got: {error}; use serializer="pickle"'
            ) from error
    return codec_id, encode_content(value, codec_id, "the result")


def decode_result(codec_id: int, payload: bytes | memoryview, accept: Acceptance = ACCEPT_PLAIN) -> Any:
    """Return the value; None where nothing was kept (`ignore_result`).

    Raises:
        ContentDisallowed: `accept` doesn't have its serializer. MessageTooLarge: it unpacks to more than that allows.
        DecodeError: the bytes aren't a result.
    """
    if not payload:
        return None
    if codec_id == MSGPACK:
        if accept.takes_msgpack:
            try:
                return _decode_msgpack(payload)
            except DECODE_ERRORS as error:
                if not has_buffers(payload):
                    raise DecodeError(f"expected a result as msgpack, got: {error}") from error
        elif payload == _NONE:
            return None
    return decode_content(codec_id, payload, accept, Any, "a result")
