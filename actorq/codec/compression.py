"""Compression of what a message carries, told by its number: 0 none, 1 zlib, 2 zstd, in bits 4 to 7 of the format.

Invariant: unpacking never makes more bytes than the receiver allows, whatever the sender's bytes claim. A body that
unpacks to the right bytes or not at all: both formats have a checksum.
"""

from __future__ import annotations

import zlib
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from actorq.config import COMPRESSIONS, suggest
from actorq.errors import DecodeError, MessageTooLarge

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["COMPRESSION_SHIFT", "NONE", "ZLIB", "ZSTD", "compress", "decompress", "get_compression"]

NONE: Final = 0
ZLIB: Final = 1
ZSTD: Final = 2
COMPRESSION_SHIFT: Final = 4
ZLIB_LEVEL: Final = 1  # level 6 takes three times as long for a tenth less
ZSTD_LEVEL: Final = 3  # the library's default
_NUMBERS: Final = {name: number for number, name in enumerate(COMPRESSIONS)} | {"gzip": ZLIB}  # kombu's name for it
_INSTALL: Final = "install it: pip install 'actorq[zstd]'"


def get_compression(name: str | None) -> int:
    """Return the number of the compression `name`; None and "none" are none.

    Raises:
        ValueError: there is no such compression, or its package isn't installed here.
    """
    if name is None:
        return NONE
    found = _NUMBERS.get(name)
    if found is None:
        known = ", ".join(map(repr, COMPRESSIONS))
        raise ValueError(f"expected compression to be one of {known}, got {name!r}{suggest(str(name), COMPRESSIONS)}")
    if found == ZSTD and find_spec("zstandard") is None:
        raise ValueError(f"expected the package zstandard for compression='zstd', got none here; {_INSTALL}")
    return found


def compress(compression: int, data: bytes) -> bytes:
    """Return `data` compressed."""
    if compression == ZLIB:
        return zlib.compress(data, ZLIB_LEVEL)
    import zstandard  # noqa: PLC0415  an extra

    return zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True, write_content_size=True).compress(data)


def decompress(compression: int, data: bytes | memoryview, max_bytes: int, what: str) -> bytes:
    """Return what `compress` was given.

    Raises:
        MessageTooLarge: it would be more than `max_bytes`.
        DecodeError: the bytes are damaged, or in a format that isn't known here.
    """
    unpack = _UNPACKERS.get(compression)
    if unpack is None:
        raise DecodeError(f"expected {what} with a compression that is known here, got number {compression}")
    return unpack(data, max_bytes, what)


def _unpack_zlib(data: bytes | memoryview, max_bytes: int, what: str) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        found = unpacker.decompress(data, max_bytes + 1)
    except zlib.error as error:
        raise _damaged(what, "zlib", error) from error
    if len(found) > max_bytes:
        raise MessageTooLarge(what, len(found), max_bytes, is_at_least=True)
    if not unpacker.eof or unpacker.unused_data:
        raise _damaged(what, "zlib", "they end too early or too late")
    return found


def _unpack_zstd(data: bytes | memoryview, max_bytes: int, what: str) -> bytes:
    try:
        import zstandard  # noqa: PLC0415
    except ImportError:
        raise DecodeError(f"expected the package zstandard to read {what}, got none here; {_INSTALL}") from None
    try:
        size = zstandard.get_frame_parameters(data).content_size
        # Nothing is allocated before its size is known and small enough.
        if size == zstandard.CONTENTSIZE_UNKNOWN:
            raise _damaged(what, "zstd", "their size isn't told")
        if size > max_bytes:
            raise MessageTooLarge(what, size, max_bytes)
        found: bytes = zstandard.ZstdDecompressor().decompress(data, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise _damaged(what, "zstd", error) from error
    return found


def _damaged(what: str, name: str, why: Any) -> DecodeError:
    return DecodeError(f"expected {what} compressed by {name}, got bytes that can't be unpacked: {why}")


_UNPACKERS: Final[dict[int, Callable[[bytes | memoryview, int, str], bytes]]] = {ZLIB: _unpack_zlib, ZSTD: _unpack_zstd}
