"""How a task lies in an outbox file: length and CRC-32 of the bytes (both u32, little-endian), then the bytes.

Invariant: the bytes are exactly the encoded TaskMessage, so they go from the file to the wire without another look.
A file may end in the middle of a record, where its writer was killed: reading stops there.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["HEADER_BYTES", "iterate_records", "pack_header", "pack_records"]

_HEADER: Final = struct.Struct("<II")
HEADER_BYTES: Final = _HEADER.size
pack_header: Final = _HEADER.pack  # `(length, crc32)`; for a single record, where a call more would tell


def pack_records(records: Iterable[bytes]) -> bytes:
    """Return records as they lie in the file, one after the other."""
    return b"".join([part for record in records for part in (pack_header(len(record), crc32(record)), record)])


def iterate_records(data: bytes) -> Iterator[bytes]:
    """Yield whole records, oldest first, up to the end or the first one that is torn or damaged."""
    at, size = 0, len(data)
    while at + HEADER_BYTES <= size:
        length, checksum = _HEADER.unpack_from(data, at)
        at += HEADER_BYTES
        record = data[at : at + length]
        # A length of 0 is no record: a file that the kernel filled with zeroes after a power cut.
        if not length or len(record) < length or crc32(record) != checksum:
            return
        yield record
        at += length
