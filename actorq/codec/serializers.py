"""The serializers by their numbers on the wire, and who may use which.

A message tells the format of its content by one number: the serializer in the low four bits, the compression in the next
four (see `actorq.codec.compression`).

Pickle runs what the bytes say. It is decoded only where the allow-list has it (`actorq.codec.acceptance`): in a slot, and
in the client that gets its own results. The node and the command line never unpickle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from actorq.config import SERIALIZERS, suggest
from actorq.errors import DecodeError, EncodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "ALL_CODECS",
    "CLOUDPICKLE",
    "CODEC_NAMES",
    "DECODE_ERRORS",
    "JSON",
    "MSGPACK",
    "PICKLE",
    "PLAIN_CODECS",
    "SERIALIZER_MASK",
    "dump_pickle",
    "get_codec_id",
    "load",
    "load_pickle",
    "name_codec",
]

MSGPACK: Final = 0
JSON: Final = 1
PICKLE: Final = 2
CLOUDPICKLE: Final = 3
CODEC_NAMES: Final = SERIALIZERS
PLAIN_CODECS: Final = frozenset({MSGPACK, JSON})
ALL_CODECS: Final = frozenset({MSGPACK, JSON, PICKLE, CLOUDPICKLE})
SERIALIZER_MASK: Final = 15
# What a msgspec decoder raises; a bomb of nested arrays is a RecursionError.
DECODE_ERRORS: Final = (msgspec.MsgspecError, RecursionError, ValueError, OverflowError)
_NUMBERS: Final = {name: number for number, name in enumerate(CODEC_NAMES)}


def get_codec_id(name: str) -> int:
    """Return the number of the serializer `name`.

    Raises:
        ValueError: there is no such serializer.
    """
    found = _NUMBERS.get(name)
    if found is None:
        hint = suggest(str(name), CODEC_NAMES)
        raise ValueError(f"expected serializer to be one of {', '.join(map(repr, CODEC_NAMES))}, got {name!r}{hint}")
    return found


def name_codec(codec_id: int) -> str:
    """Return the name of the serializer in a message's number, also of one that isn't known here."""
    number = codec_id & SERIALIZER_MASK if codec_id >= 0 else codec_id
    return CODEC_NAMES[number] if 0 <= number < len(CODEC_NAMES) else f"serializer number {number}"


def dump_pickle(value: Any, codec_id: int, where: str, buffer_callback: Callable[[Any], object] | None = None) -> bytes:
    """Pickle `value`; with CLOUDPICKLE also closures, lambdas and what `__main__` defines.

    `buffer_callback` gets large buffers, which then aren't in the bytes (pickle protocol 5).

    Raises:
        EncodeError: it can't be pickled.
    """
    try:
        if codec_id == CLOUDPICKLE:
            import cloudpickle  # type: ignore[import-untyped] # noqa: PLC0415  50 ms that few applications need

            packed: bytes = cloudpickle.dumps(value, protocol=5, buffer_callback=buffer_callback)
            return packed
        import pickle  # noqa: PLC0415

        return pickle.dumps(value, protocol=5, buffer_callback=buffer_callback)
    except Exception as error:
        raise EncodeError(
            f"expected {where} to be of types that {CODEC_NAMES[codec_id]} carries, got: {type(error).__name__}: {error}"
        ) from error


def load_pickle(data: bytes | memoryview, buffers: Sequence[memoryview] = ()) -> Any:
    """Unpickle; only ever reached behind an allow-list.

    Raises:
        DecodeError: the bytes aren't a pickle, or name something that isn't here.
    """
    import pickle  # noqa: PLC0415

    try:
        return pickle.loads(data, buffers=buffers)  # noqa: S301  allow-listed by the caller
    except Exception as error:
        raise DecodeError(f"expected a pickle that can be loaded here, got: {type(error).__name__}: {error}") from error


def load(decode: Callable[[bytes | memoryview], Any], data: bytes | memoryview, what: str) -> Any:
    """Run a msgspec decoder and turn each of its ways to fail into one.

    Raises:
        DecodeError: also for nested-array bombs, which msgspec reports as RecursionError.
    """
    try:
        return decode(data)
    except DECODE_ERRORS as error:
        raise DecodeError(f"expected {what}, got: {error}") from error
