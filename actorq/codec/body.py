"""The arguments of a task as bytes. The body is encoded once, by the caller, and decoded once, by the slot."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from actorq.codec.acceptance import ACCEPT_PLAIN
from actorq.codec.buffers import has_buffers
from actorq.codec.content import decode_content, encode_content
from actorq.codec.plain import ATOMS
from actorq.codec.rich import is_rich, unpack_extension
from actorq.codec.serializers import DECODE_ERRORS, MSGPACK, PLAIN_CODECS, SERIALIZER_MASK
from actorq.errors import DecodeError, EncodeError

if TYPE_CHECKING:
    from actorq.codec.acceptance import Acceptance

__all__ = ["decode_body", "encode_body"]

_Arguments = tuple[tuple[Any, ...], dict[str, Any]]
_PLAIN: Final = ATOMS - {bytearray}
_encode_msgpack: Final = msgspec.msgpack.Encoder().encode
_decode_msgpack: Final = msgspec.msgpack.Decoder(_Arguments, ext_hook=partial(unpack_extension, ())).decode


def encode_body(args: tuple[Any, ...], kwargs: dict[str, Any], codec_id: int = MSGPACK) -> bytes:
    """Encode the arguments of a call.

    Raises:
        EncodeError: a value that the serializer can't carry unchanged (a tuple may become a list).
    """
    if codec_id == MSGPACK:
        try:
            for value in args:
                if type(value) not in _PLAIN:
                    if is_rich(args):
                        return encode_content((args, kwargs), codec_id, "an argument")
                    break
            if not kwargs or not is_rich(kwargs.values()):
                return _encode_msgpack((args, kwargs))
        except (OverflowError, RecursionError, ValueError, TypeError, msgspec.MsgspecError) as error:
            raise EncodeError(
                f'expected arguments that can be encoded, got: {error}; use serializer="pickle"'
            ) from error
    return encode_content((args, kwargs), codec_id, "an argument")


def decode_body(
    codec_id: int, body: bytes | memoryview, accept: Acceptance = ACCEPT_PLAIN
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return `(args, kwargs)`.

    Raises:
        ContentDisallowed: `accept` doesn't have their serializer. MessageTooLarge: they unpack to more than it allows.
        DecodeError: the bytes aren't arguments.
    """
    if codec_id == MSGPACK and accept.takes_msgpack:
        try:
            found: _Arguments = _decode_msgpack(body)
        except DECODE_ERRORS as error:
            if not has_buffers(body):
                raise DecodeError(f"expected the arguments of a task as msgpack, got: {error}") from error
        else:
            return found
    loaded = decode_content(codec_id, body, accept, _Arguments, "the arguments of a task")
    if codec_id & SERIALIZER_MASK in PLAIN_CODECS:
        return cast("_Arguments", loaded)  # their decoders were given the type
    if not (isinstance(loaded, tuple) and len(loaded) == 2 and isinstance(loaded[0], tuple)):
        raise DecodeError(f"expected (args, kwargs) in a pickled body, got {type(loaded).__qualname__}")
    return loaded[0], dict(loaded[1])
