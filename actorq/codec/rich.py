"""Types beyond plain data that MessagePack carries as extensions, unchanged: dates, Decimal, UUID, sets, arrays and buffers.

Invariant: an extension is data. Its code says what to make of its bytes; nothing in the bytes names a class or a function.
The codes are part of the wire and store format.

What is large (`LARGE_BYTES`) isn't copied into the MessagePack but put aside as a buffer of its own, and its extension says
which one it is; see `actorq.codec.buffers`. Whoever sends only plain data pays for nothing of this.
"""

from __future__ import annotations

import datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import msgspec
from msgspec.msgpack import Ext

from actorq.codec.arrays import is_array, pack_array, unpack_array
from actorq.codec.plain import ATOMS, KEYS, make_refusal
from actorq.errors import DecodeError
from actorq.messages.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

__all__ = ["convert", "is_rich", "unpack_extension"]

LARGE_BYTES: Final = 64 * 1024  # below, one more part costs as much as the copy

SECRET, DATETIME, DATE, TIME, TIMEDELTA, DECIMAL, UUID_CODE, SET, FROZENSET, TUPLE, COMPLEX = range(1, 12)
BYTES, BYTEARRAY, MEMORYVIEW, ARRAY = range(12, 16)  # what they hold: see `_pack_buffer`

_PLAIN: Final = ATOMS - {bytearray}
_encode: Final = msgspec.msgpack.Encoder().encode


def is_rich(values: Collection[Any]) -> bool:
    """Return whether something in `values`, at any depth, isn't plain data: it must be converted before it is encoded.

    Raises:
        EncodeError: a key of a dict can't be encoded.
    """
    if _PLAIN.issuperset(map(type, values)):
        return False
    for value in values:
        kind = type(value)
        if kind in _PLAIN:
            continue
        if kind is list or kind is tuple:
            inner = value
        elif kind is dict and KEYS.issuperset(map(type, value)):
            inner = value.values()
        else:
            return True
        if not _PLAIN.issuperset(map(type, inner)) and is_rich(inner):
            return True
    return False


def convert(value: Any, buffers: list[Any], where: str) -> Any:
    """Return `value` with extensions in place of what isn't plain data; large buffers are appended to `buffers`.

    Raises:
        EncodeError: names the type that can't be carried.
    """
    kind = type(value)
    if kind in _PLAIN and not (kind is bytes and len(value) >= LARGE_BYTES):
        return value
    if kind is list or kind is tuple:
        return [convert(each, buffers, where) for each in value]
    if kind is dict:
        for key in value:
            if type(key) not in KEYS:
                raise make_refusal(key, where, "as a key in ")
        return {key: convert(each, buffers, where) for key, each in value.items()}
    found = _VALUES.get(kind)
    if found is not None:
        code, describe = found
        return Ext(code, _encode(describe(value)))
    if kind is Secret:
        return Ext(SECRET, _encode(convert(value.reveal(), buffers, where)))
    if kind is set or kind is frozenset:
        members = [_convert_member(each, buffers, where) for each in value]
        return Ext(SET if kind is set else FROZENSET, _encode(members))
    found_code = _BUFFERS.get(kind)
    if found_code is not None:
        return _pack_buffer(found_code, b"", value, buffers, where)
    if is_array(value):
        described = pack_array(value, where)
        return _pack_buffer(ARRAY, described[0], described[1], buffers, where)
    raise make_refusal(value, where)


def _convert_member(value: Any, buffers: list[Any], where: str) -> Any:
    """Return a member of a set, which must be hashable when it arrives: a tuple stays one."""
    if type(value) is tuple:
        return Ext(TUPLE, _encode([_convert_member(each, buffers, where) for each in value]))
    return convert(value, buffers, where)


def _pack_buffer(code: int, about: bytes, data: Any, buffers: list[Any], where: str) -> Ext:
    """Return `[about, bytes]`, or where they are large `[about, number of the buffer]`."""
    view = memoryview(data)
    if not view.c_contiguous:
        raise make_refusal(data, where)
    if view.nbytes < LARGE_BYTES:
        return Ext(code, _encode((about, bytes(view))))
    buffers.append(view)
    return Ext(code, _encode((about, len(buffers) - 1)))


def unpack_extension(buffers: Sequence[memoryview], code: int, data: memoryview) -> Any:
    """Return the value of an extension.

    Raises:
        DecodeError: it isn't one, or not of a code that is known here.
    """
    try:
        if code in _BUFFER_MAKERS:
            about, where = _decode(data)
            return _BUFFER_MAKERS[code](about, buffers[where] if isinstance(where, int) else memoryview(where))
        make = _MAKERS.get(code)
        if make is None:
            raise ValueError(f"expected an extension that is known here, got code {code}")
        return make(_decode_with(buffers, data))
    except DecodeError:
        raise
    except Exception as error:
        raise DecodeError(
            f"expected an extension of code {code} that can be read, got: {type(error).__name__}: {error}"
        ) from error


def _decode_with(buffers: Sequence[memoryview], data: memoryview) -> Any:
    return msgspec.msgpack.decode(data, ext_hook=partial(unpack_extension, buffers))


_decode: Final = msgspec.msgpack.Decoder().decode
_VALUES: Final[dict[type, tuple[int, Callable[[Any], Any]]]] = {
    datetime.datetime: (DATETIME, datetime.datetime.isoformat),
    datetime.date: (DATE, datetime.date.isoformat),
    datetime.time: (TIME, datetime.time.isoformat),
    datetime.timedelta: (TIMEDELTA, lambda value: (value.days, value.seconds, value.microseconds)),
    Decimal: (DECIMAL, str),
    UUID: (UUID_CODE, lambda value: value.bytes),
    complex: (COMPLEX, lambda value: (value.real, value.imag)),
}
_BUFFERS: Final[dict[type, int]] = {bytes: BYTES, bytearray: BYTEARRAY, memoryview: MEMORYVIEW}
_MAKERS: Final[dict[int, Callable[[Any], Any]]] = {
    SECRET: Secret,
    DATETIME: datetime.datetime.fromisoformat,
    DATE: datetime.date.fromisoformat,
    TIME: datetime.time.fromisoformat,
    TIMEDELTA: lambda found: datetime.timedelta(*found),
    DECIMAL: Decimal,
    UUID_CODE: lambda found: UUID(bytes=found),
    SET: set,
    FROZENSET: frozenset,
    TUPLE: tuple,
    COMPLEX: lambda found: complex(*found),
}
_BUFFER_MAKERS: Final[dict[int, Callable[[bytes, memoryview], Any]]] = {
    BYTES: lambda _, view: bytes(view),
    BYTEARRAY: lambda _, view: bytearray(view),
    MEMORYVIEW: lambda _, view: view,
    ARRAY: unpack_array,
}
