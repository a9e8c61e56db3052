"""What gateways say to each other: frames, and the items of a data frame.

A frame is one byte that says its kind, then MessagePack. Data frames carry a list of items, because a message costs ZeroMQ
twenty times as much as one of a hundred items in it costs. Bodies of messages stay bytes here: `vocabulary` reads them.

A watch has a key: positive ones are made by the side that watches (`Watch`), negative ones are offered by the side that has
the actor (`Link`). Numbers of asks and keys begin at random, so those of an earlier life mean nothing to a later one.

Invariant: `decode_items` returns a list of items or raises DecodeError, whatever the bytes are.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from actorq.codec.serializers import load
from actorq.messages.reasons import Crashed, ExitReason, Shutdown

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "BYE",
    "DATA",
    "FENCED",
    "HELLO",
    "ITEMS",
    "PING",
    "PONG",
    "PROTOCOL",
    "Alive",
    "Answer",
    "Ask",
    "Dead",
    "Down",
    "Exit",
    "Failure",
    "Hello",
    "Item",
    "Link",
    "Tell",
    "Unlink",
    "Unwatch",
    "Watch",
    "Watched",
    "decode_hello",
    "decode_items",
    "encode_hello",
    "encode_items",
    "first_number",
    "wire_reason",
]

PROTOCOL: Final = 1
HELLO: Final = b"H"
DATA: Final = b"D"
PING: Final = b"P"  # are you there?
PONG: Final = b"p"
BYE: Final = b"B"  # the gateway ends in good order
FENCED: Final = b"F"  # you count as dead here: give this link up and begin anew


class Hello(msgspec.Struct, array_like=True):
    """The first thing on a link, and again when there is a new `echo`; see `handshake`."""

    protocol: int
    node: str
    boot: str
    serial: int
    echo: int
    max_bytes: int


class _Item(msgspec.Struct, array_like=True, gc=False, tag_field="kind"):
    pass


class Tell(_Item, tag=1):
    """A message that expects nothing."""

    target: str
    body: bytes
    wait_s: float = 0.0


class Ask(_Item, tag=2):
    """A message that expects an Answer, a Failure or a Dead of the same number."""

    number: int
    target: str
    body: bytes
    wait_s: float = 0.0


class Alive(_Item, tag=3):
    """Is somebody there?"""

    number: int
    target: str


class Answer(_Item, tag=4):
    """What an actor answered."""

    number: int
    body: bytes


class Failure(_Item, tag=5):
    """The exception an ask ended with, as `codec.failures` writes it."""

    number: int
    failure: bytes


class Dead(_Item, tag=6):
    """Nobody answers that ask any more."""

    number: int
    reason: ExitReason


class Watch(_Item, tag=7):
    """Say when whoever is at `target` ends."""

    key: int
    target: str


class Watched(_Item, tag=8):
    """The incarnation that a watch of a name is about."""

    key: int
    address: str


class Unwatch(_Item, tag=9):
    """Never mind."""

    key: int


class Down(_Item, tag=10):
    """It has ended."""

    key: int
    reason: ExitReason


class Link(_Item, tag=11):
    """The actor at `source` has linked to the one watched as `key`; its own end will be told as `offer`."""

    key: int
    source: str
    offer: int


class Unlink(_Item, tag=12):
    """It has unlinked."""

    key: int
    source: str


class Exit(_Item, tag=13):
    """An exit signal."""

    source: str
    target: str
    reason: ExitReason


Item: TypeAlias = Tell | Ask | Alive | Answer | Failure | Dead | Watch | Watched | Unwatch | Down | Link | Unlink | Exit

ITEMS: Final = (_Item,)  # every item is one

_encode: Final = msgspec.msgpack.Encoder().encode
_decode_hello: Final = msgspec.msgpack.Decoder(Hello).decode
_decode_items: Final = msgspec.msgpack.Decoder(list[Item]).decode


def encode_hello(hello: Hello) -> bytes:
    """Return the frame of a hello."""
    return HELLO + _encode(hello)


def decode_hello(frame: bytes) -> Hello:
    """Read a hello's frame. Raises DecodeError."""
    found: Hello = load(_decode_hello, frame[1:], "a hello of a gateway")
    return found


def encode_items(items: Sequence[Item]) -> bytes:
    """Return a data frame."""
    return DATA + _encode(items)


def decode_items(frame: bytes) -> list[Item]:
    """Read a data frame. Raises DecodeError."""
    found: list[Item] = load(_decode_items, memoryview(frame)[1:], "items of a gateway")
    return found


def first_number() -> int:
    """Return where the numbers of one life begin: positive, and far from those of any other life."""
    return secrets.randbits(48) + 1


def wire_reason(reason: ExitReason) -> ExitReason:
    """Return a reason that can travel: its text stands for what can't."""
    try:
        _encode(_checked(reason))
    except Exception:
        if isinstance(reason, Shutdown):
            return Shutdown(_text(reason.info))
        if isinstance(reason, Crashed):
            return Crashed(_text(reason.class_name), _text(reason.message), _text(reason.traceback_text))
        raise
    return reason


def _checked(reason: Any) -> Any:
    if isinstance(reason, Shutdown) and not isinstance(reason.info, (str, int, float, bool, bytes, type(None))):
        raise TypeError("it would arrive as something else")
    return reason


def _text(value: object) -> str:
    try:
        return str(value).encode("utf-8", "backslashreplace").decode()
    except Exception:  # noqa: BLE001
        return f"<{type(value).__qualname__}>"
