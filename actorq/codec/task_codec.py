"""What whoever runs tasks does with bytes, as the application's settings say: arguments in, results and retries out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from actorq.codec.acceptance import ACCEPT_PLAIN, Acceptance, plan_acceptance
from actorq.codec.body import encode_body
from actorq.codec.packing import PACK_PLAIN, Packing, plan_packing
from actorq.codec.results import encode_result
from actorq.codec.serializers import SERIALIZER_MASK, get_codec_id

if TYPE_CHECKING:
    from actorq.config import Settings

__all__ = ["PLAIN_TASK_CODEC", "TaskCodec"]


class TaskCodec:
    """`accept` is what is decoded; `result_codec` the serializer of results, None: that of the arguments."""

    __slots__ = ("_look_from", "_packing", "_result_codec", "accept")

    def __init__(
        self, accept: Acceptance = ACCEPT_PLAIN, result_codec: int | None = None, packing: Packing = PACK_PLAIN
    ) -> None:
        self.accept, self._result_codec, self._packing = accept, result_codec, packing
        self._look_from = packing.look_from

    @classmethod
    def plan(cls, conf: Settings) -> TaskCodec:
        """Return the codec of an application with these settings.

        Raises:
            ValueError: `result_compression` isn't there.
        """
        serializer = conf.result_serializer
        return cls(
            plan_acceptance(conf),
            None if serializer is None else get_codec_id(serializer),
            plan_packing(conf, conf.result_compression),
        )

    def encode_result(self, value: Any, codec_id: int) -> tuple[int, bytes]:
        """Return `(codec_id, bytes)` of the result of a task whose arguments came in the format `codec_id`.

        Raises:
            EncodeError: it can't be carried. MessageTooLarge: it is more than may be sent.
        """
        serializer = self._result_codec
        found, payload = encode_result(value, codec_id & SERIALIZER_MASK if serializer is None else serializer)
        if len(payload) >= self._look_from:
            return self._packing.pack(found, payload, "the result")
        return found, payload

    def encode_retry(self, arguments: tuple[tuple[Any, ...], dict[str, Any]], codec_id: int) -> tuple[int, bytes]:
        """Return `(codec_id, bytes)` of arguments for another run, in the format of those before.

        Raises:
            EncodeError, MessageTooLarge: as for a result.
        """
        number = codec_id & SERIALIZER_MASK
        packing = self._packing.as_received(codec_id)
        return packing.pack(number, encode_body(*arguments, number), "the arguments of the retry")


PLAIN_TASK_CODEC: Final = TaskCodec()
