"""Encode and decode whatever isn't a handful of plain values as MessagePack: the long way of arguments and results."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from actorq.codec.acceptance import check_accepted
from actorq.codec.buffers import has_buffers, join_buffers, split_buffers
from actorq.codec.compression import COMPRESSION_SHIFT, decompress
from actorq.codec.plain import check_json
from actorq.codec.rich import convert, is_rich, unpack_extension
from actorq.codec.secrets import SECRET_KEY, to_object, unwrap_objects
from actorq.codec.serializers import JSON, MSGPACK, SERIALIZER_MASK, dump_pickle, load, load_pickle
from actorq.errors import EncodeError, MessageTooLarge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actorq.codec.acceptance import Acceptance

__all__ = ["decode_content", "encode_content"]

_encode_msgpack: Final = msgspec.msgpack.Encoder().encode
_encode_json: Final = msgspec.json.Encoder(enc_hook=to_object).encode
_SECRET: Final = SECRET_KEY.encode()


def encode_content(value: Any, codec_id: int, where: str) -> bytes:
    """Encode with any serializer; `where` reads like "an argument" or "the result".

    Raises:
        EncodeError: the serializer can't carry it unchanged.
    """
    buffers: list[Any] = []
    try:
        if codec_id == MSGPACK:
            if is_rich((value,)):
                value = convert(value, buffers, where)
            head = _encode_msgpack(value)
        elif codec_id == JSON:
            check_json((value,), where)
            head = _encode_json(value)
        else:
            head = _pickle(value, codec_id, where, buffers)
    except (OverflowError, RecursionError, ValueError, TypeError, BufferError, msgspec.MsgspecError) as error:
        raise EncodeError(f'expected {where} that can be encoded, got: {error}; use serializer="pickle"') from error
    return join_buffers(head, buffers) if buffers else head


def _pickle(value: Any, codec_id: int, where: str, buffers: list[Any]) -> bytes:
    def put_aside(buffer: Any) -> None:
        # All of them, so that what arrives is read-only whatever its size.
        buffers.append(buffer.raw())

    return dump_pickle(value, codec_id, where, put_aside)


def decode_content(codec_id: int, data: bytes | memoryview, accept: Acceptance, kind: Any, what: str) -> Any:
    """Decode what `encode_content` made and a sender may have compressed; msgpack and json have to give a `kind`.

    Raises:
        ContentDisallowed: `accept` doesn't have the serializer. MessageTooLarge: it unpacks to more than that allows.
        DecodeError: the bytes aren't what they claim to be.
    """
    check_accepted(codec_id, accept)
    if compression := codec_id >> COMPRESSION_SHIFT:
        data = decompress(compression, data, accept.max_bytes, what)
    elif len(data) > accept.max_bytes:
        raise MessageTooLarge(what, len(data), accept.max_bytes)
    buffers: Sequence[memoryview] = ()
    if has_buffers(data):
        data, buffers = split_buffers(data)
    number = codec_id & SERIALIZER_MASK
    if number == MSGPACK:
        decode = msgspec.msgpack.Decoder(kind, ext_hook=partial(unpack_extension, buffers)).decode
        return load(decode, data, f"{what} as msgpack")
    if number == JSON:
        value = load(msgspec.json.Decoder(kind).decode, data, f"{what} as json")
        return unwrap_objects(value) if _SECRET in bytes(data) else value
    return load_pickle(data, buffers)
