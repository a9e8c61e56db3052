"""Bytes to values and back: arguments, results and failures; the only place that unpickles.

Invariant: nothing is decoded by a serializer that the caller's allow-list doesn't name, and no class is ever looked up by
a name that came in bytes.
"""

from actorq.codec.body import decode_body, encode_body
from actorq.codec.failures import decode_failure, encode_failure, register_exception
from actorq.codec.results import decode_result, encode_result
from actorq.codec.serializers import (
    ALL_CODECS,
    CLOUDPICKLE,
    CODEC_NAMES,
    JSON,
    MSGPACK,
    PICKLE,
    PLAIN_CODECS,
    get_codec_id,
)

__all__ = [
    "ALL_CODECS",
    "CLOUDPICKLE",
    "CODEC_NAMES",
    "JSON",
    "MSGPACK",
    "PICKLE",
    "PLAIN_CODECS",
    "decode_body",
    "decode_failure",
    "decode_result",
    "encode_body",
    "encode_failure",
    "encode_result",
    "get_codec_id",
    "register_exception",
]
