"""The serializers by their numbers on the wire, and who may use which.

Pickle runs what the bytes say. It is decoded only for a caller whose allow-list has it: a slot, and the client that gets
its own results over a socket of the same user. The node and the command line pass `PLAIN_CODECS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from actorq.config import suggest
from actorq.errors import DecodeError, EncodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

__all__ = [
    "ALL_CODECS",
    "CLOUDPICKLE",
    "CODEC_NAMES",
    "JSON",
    "MSGPACK",
    "PICKLE",
    "PLAIN_CODECS",
    "dump_pickle",
    "get_codec_id",
    "load",
    "load_pickle",
]

MSGPACK: Final = 0
JSON: Final = 1
PICKLE: Final = 2
CLOUDPICKLE: Final = 3
CODEC_NAMES: Final = ("msgpack", "json", "pickle", "cloudpickle")
PLAIN_CODECS: Final = frozenset({MSGPACK, JSON})
ALL_CODECS: Final = frozenset({MSGPACK, JSON, PICKLE, CLOUDPICKLE})
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


def dump_pickle(value: Any, codec_id: int, where: str) -> bytes:
    """Pickle `value`; with CLOUDPICKLE also closures, lambdas and what `__main__` defines.

    Raises:
        EncodeError: it can't be pickled.
    """
    try:
        if codec_id == CLOUDPICKLE:
            import cloudpickle  # type: ignore[import-untyped] # noqa: PLC0415  50 ms that few applications need

            packed: bytes = cloudpickle.dumps(value, protocol=5)
            return packed
        import pickle  # noqa: PLC0415

        return pickle.dumps(value, protocol=5)
    except Exception as error:
        raise EncodeError(
            f"expected {where} to be of types that {CODEC_NAMES[codec_id]} carries, got: {type(error).__name__}: {error}"
        ) from error


def load_pickle(data: bytes) -> Any:
    """Unpickle; only ever reached behind an allow-list.

    Raises:
        DecodeError: the bytes aren't a pickle, or name something that isn't here.
    """
    import pickle  # noqa: PLC0415

    try:
        return pickle.loads(data)  # noqa: S301  allow-listed by the caller
    except Exception as error:
        raise DecodeError(f"expected a pickle that can be loaded here, got: {type(error).__name__}: {error}") from error


def load(decode: Callable[[bytes], Any], data: bytes, what: str) -> Any:
    """Run a msgspec decoder and turn each of its ways to fail into one.

    Raises:
        DecodeError: also for nested-array bombs, which msgspec reports as RecursionError.
    """
    try:
        return decode(data)
    except (msgspec.MsgspecError, RecursionError, ValueError, OverflowError) as error:
        raise DecodeError(f"expected {what}, got: {error}") from error


def check_allowed(codec_id: int, allowed: Collection[int]) -> None:
    """Check that `codec_id` may be decoded here.

    Raises:
        DecodeError: it may not.
    """
    if codec_id in allowed:
        return
    name = CODEC_NAMES[codec_id] if 0 <= codec_id < len(CODEC_NAMES) else f"number {codec_id}"
    raise DecodeError(f"expected a serializer that is allowed here, got {name}")
