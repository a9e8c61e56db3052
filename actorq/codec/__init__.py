"""Bytes to values and back: arguments, results and failures; the only place that unpickles.

Invariant: nothing is decoded by a serializer that the caller's allow-list doesn't name, and no class is ever looked up by
a name that came in bytes.
"""

from actorq.codec.acceptance import ACCEPT_PLAIN, Acceptance, plan_acceptance
from actorq.codec.body import decode_body, encode_body
from actorq.codec.failures import decode_failure, encode_failure, register_exception
from actorq.codec.packing import PACK_PLAIN, Packing, plan_packing
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
from actorq.codec.task_codec import PLAIN_TASK_CODEC, TaskCodec

__all__ = [
    "ACCEPT_PLAIN",
    "ALL_CODECS",
    "CLOUDPICKLE",
    "CODEC_NAMES",
    "JSON",
    "MSGPACK",
    "PACK_PLAIN",
    "PICKLE",
    "PLAIN_CODECS",
    "PLAIN_TASK_CODEC",
    "Acceptance",
    "Packing",
    "TaskCodec",
    "decode_body",
    "decode_failure",
    "decode_result",
    "encode_body",
    "encode_failure",
    "encode_result",
    "get_codec_id",
    "plan_acceptance",
    "plan_packing",
    "register_exception",
]
