"""numpy arrays as data: the text of the type, the shape, and the bytes. numpy is used where it is, never needed.

An array is never pickled. It arrives as a read-only view of the message, whatever its size: nobody gets an array that can
be written while it is small and not once it is large. `array.copy()` makes one to write to.
"""

from __future__ import annotations

import sys
from typing import Any, Final

import msgspec

from actorq.codec.plain import make_refusal
from actorq.errors import DecodeError

__all__ = ["is_array", "pack_array", "unpack_array"]

KINDS: Final = frozenset("biufcmMSUV")  # no objects: they would have to be pickled

_encode: Final = msgspec.msgpack.Encoder().encode


class _About(msgspec.Struct, array_like=True):
    """`dtype` as numpy writes it (`<f8`); `shape` None: a scalar."""

    dtype: str
    shape: tuple[int, ...] | None


_decode: Final = msgspec.msgpack.Decoder(_About).decode


def is_array(value: Any) -> bool:
    """Return whether this is an array or a scalar of numpy, and no subclass that means more."""
    numpy = sys.modules.get("numpy")  # who has an array has loaded it
    return numpy is not None and (type(value) is numpy.ndarray or isinstance(value, numpy.generic))


def pack_array(value: Any, where: str) -> tuple[bytes, Any]:
    """Return what describes the array, and its bytes as a flat buffer: without a copy where it is contiguous.

    Raises:
        EncodeError: its elements are objects, or a structure.
    """
    numpy = sys.modules["numpy"]
    shape = value.shape if type(value) is numpy.ndarray else None
    array = numpy.ascontiguousarray(value)
    if array.dtype.kind not in KINDS or array.dtype.names is not None or array.dtype.subdtype is not None:
        raise make_refusal(value, where)
    # Dates and some others don't offer themselves as buffers; bytes do.
    return _encode(_About(array.dtype.str, shape)), array.reshape(-1).view(numpy.uint8) if array.nbytes else b""


def unpack_array(about: bytes, data: memoryview) -> Any:
    """Return the array as a view of `data`, or the scalar.

    Raises:
        DecodeError: numpy isn't installed here. ValueError, TypeError, msgspec.MsgspecError: they don't fit each other.
    """
    try:
        import numpy  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415
    except ImportError:
        raise DecodeError(
            "expected numpy to be installed where an array is decoded, got none; pip install numpy"
        ) from None
    found = _decode(about)
    dtype = numpy.dtype(found.dtype)
    if dtype.kind not in KINDS or dtype.names is not None or dtype.subdtype is not None:
        raise ValueError(f"expected the type of an array of plain elements, got {found.dtype!r}")
    shape = found.shape or ()
    array = numpy.ndarray(shape, dtype, data.toreadonly())
    if array.nbytes != data.nbytes:
        raise ValueError(f"expected {array.nbytes} bytes for an array, got {data.nbytes}")
    return array[()] if found.shape is None else array
