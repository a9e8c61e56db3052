"""What a receiver decodes: its allow-list of serializers, and how large a message may become.

Invariant: nothing is decoded that isn't on the list of whoever decodes it, whatever the sender said. Formats that are only
data are on by default; those that run code when they are read are off until a setting names them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from actorq.codec.serializers import CODEC_NAMES, MSGPACK, PLAIN_CODECS, SERIALIZER_MASK, get_codec_id, name_codec
from actorq.errors import ContentDisallowed

if TYPE_CHECKING:
    from actorq.config import Settings

__all__ = ["ACCEPT_PLAIN", "MAX_BYTES", "Acceptance", "check_accepted", "plan_acceptance"]

MAX_BYTES: Final = 64 << 20  # as the setting `message_max_bytes`


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The serializers by number, and the most bytes that arguments or a result may have when they are unpacked."""

    codecs: frozenset[int] = PLAIN_CODECS
    max_bytes: int = MAX_BYTES
    takes_msgpack: bool = field(init=False)  # asked for every task

    def __post_init__(self) -> None:
        object.__setattr__(self, "takes_msgpack", MSGPACK in self.codecs)


ACCEPT_PLAIN: Final = Acceptance()


def plan_acceptance(conf: Settings) -> Acceptance:
    """Return what an application with these settings decodes."""
    return Acceptance(frozenset(map(get_codec_id, conf.accept_content)), conf.message_max_bytes)


def check_accepted(codec_id: int, accept: Acceptance) -> None:
    """Check that content of this format may be decoded here.

    Raises:
        ContentDisallowed: it may not.
    """
    number = codec_id & SERIALIZER_MASK if codec_id >= 0 else codec_id
    if number not in accept.codecs:
        raise ContentDisallowed(
            name_codec(codec_id), [name for at, name in enumerate(CODEC_NAMES) if at in accept.codecs]
        )
