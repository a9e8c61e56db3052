"""The value that a task returned as bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from actorq.codec.plain import ATOMS, check_json, check_msgpack
from actorq.codec.secrets import SECRET_KEY, from_extension, to_extension, to_object, unwrap_objects
from actorq.codec.serializers import ALL_CODECS, JSON, MSGPACK, check_allowed, dump_pickle, load, load_pickle
from actorq.errors import EncodeError

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["decode_result", "encode_result"]

_encode_msgpack: Final = msgspec.msgpack.Encoder(enc_hook=to_extension).encode
_encode_json: Final = msgspec.json.Encoder(enc_hook=to_object).encode
_decode_msgpack: Final = msgspec.msgpack.Decoder(ext_hook=from_extension).decode
_SECRET: Final = SECRET_KEY.encode()
_decode_json: Final = msgspec.json.Decoder().decode


def encode_result(value: Any, codec_id: int = MSGPACK) -> tuple[int, bytes]:
    """Return `(codec_id, bytes)` of what a task returned.

    Raises:
        EncodeError: a value that the serializer can't carry unchanged; the task then fails with this error.
    """
    try:
        if codec_id == MSGPACK:
            if type(value) not in ATOMS:  # else the call isn't worth its time
                check_msgpack((value,), "the result", secrets=True)
            return MSGPACK, _encode_msgpack(value)
        if codec_id == JSON:
            check_json((value,), "the result")
            return JSON, _encode_json(value)
    except (OverflowError, RecursionError, ValueError, TypeError, msgspec.MsgspecError) as error:
        raise EncodeError(f'expected a result that can be encoded, got: {error}; use serializer="pickle"') from error
    return codec_id, dump_pickle(value, codec_id, "the result")


def decode_result(codec_id: int, payload: bytes, allowed: Collection[int] = ALL_CODECS) -> Any:
    """Return the value; None where nothing was kept (`ignore_result`).

    Raises:
        DecodeError: the bytes aren't a result, or `allowed` doesn't have their serializer.
    """
    if codec_id == MSGPACK and payload and MSGPACK in allowed:
        return load(_decode_msgpack, payload, "a result as msgpack")
    if not payload:
        return None
    check_allowed(codec_id, allowed)
    if codec_id == JSON:
        value = load(_decode_json, payload, "a result as json")
        return unwrap_objects(value) if _SECRET in payload else value
    return load_pickle(payload)
