"""The arguments of a task as bytes. The body is encoded once, by the caller, and decoded once, by the slot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from actorq.codec.plain import ATOMS, check_json, check_msgpack, flatten
from actorq.codec.secrets import SECRET_KEY, from_extension, to_extension, to_object, unwrap_objects
from actorq.codec.serializers import ALL_CODECS, JSON, MSGPACK, check_allowed, dump_pickle, load, load_pickle
from actorq.errors import DecodeError, EncodeError

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["decode_body", "encode_body"]

_Arguments = tuple[tuple[Any, ...], dict[str, Any]]
_encode_msgpack: Final = msgspec.msgpack.Encoder(enc_hook=to_extension).encode
_encode_json: Final = msgspec.json.Encoder(enc_hook=to_object).encode
_decode_msgpack: Final = msgspec.msgpack.Decoder(_Arguments, ext_hook=from_extension).decode
_SECRET: Final = SECRET_KEY.encode()
_decode_json: Final = msgspec.json.Decoder(_Arguments).decode


def encode_body(args: tuple[Any, ...], kwargs: dict[str, Any], codec_id: int = MSGPACK) -> bytes:
    """Encode the arguments of a call.

    Raises:
        EncodeError: a value that the serializer can't carry unchanged (a tuple may become a list).
    """
    try:
        if codec_id == MSGPACK:
            for value in args:
                if type(value) not in ATOMS:
                    check_msgpack(args, "an argument", secrets=True)
                    break
            if kwargs:
                check_msgpack(kwargs.values(), "an argument", secrets=True)
            return _encode_msgpack((args, kwargs))
        if codec_id == JSON:
            check_json(flatten(args, kwargs), "an argument")
            return _encode_json((args, kwargs))
    except (OverflowError, RecursionError, ValueError, TypeError, msgspec.MsgspecError) as error:
        raise EncodeError(f'expected arguments that can be encoded, got: {error}; use serializer="pickle"') from error
    return dump_pickle((args, kwargs), codec_id, "arguments")


def decode_body(
    codec_id: int, body: bytes, allowed: Collection[int] = ALL_CODECS
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return `(args, kwargs)`.

    Raises:
        DecodeError: the bytes aren't arguments, or `allowed` doesn't have their serializer.
    """
    if codec_id == MSGPACK and MSGPACK in allowed:
        found: _Arguments = load(_decode_msgpack, body, "the arguments of a task as msgpack")
        return found
    check_allowed(codec_id, allowed)
    if codec_id == JSON:
        found = load(_decode_json, body, "the arguments of a task as json")
        return unwrap_objects(found) if _SECRET in body else found
    loaded = load_pickle(body)
    if not (isinstance(loaded, tuple) and len(loaded) == 2 and isinstance(loaded[0], tuple)):
        raise DecodeError(f"expected (args, kwargs) in a pickled body, got {type(loaded).__qualname__}")
    return loaded[0], dict(loaded[1])
