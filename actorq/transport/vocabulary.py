"""What may travel inside a message, and what comes out at the other end.

By default plain data (None, bool, int, float, str, bytes, list, tuple, dict, set, frozenset, aware datetime), refs of actors
(as their addresses), exit reasons, and the message classes a gateway was given: frozen dataclasses and msgspec Structs, sent by
their full name and fields. Anything else is pickled by the sender, and it is the receiver who decides whether it is ever
unpickled: only a gateway that was made with `pickle=True` does.

Invariant: a name in bytes is a key into the classes this gateway was given, never something to import or to call. What is
built is built by the class itself, so whatever its `__post_init__` refuses is refused here.
"""

from __future__ import annotations

import dataclasses
import datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec.msgpack import Ext

from actorq.actors import ActorRef, NameRef, RemoteRef
from actorq.codec.plain import ATOMS
from actorq.codec.serializers import CLOUDPICKLE, MSGPACK, PICKLE, dump_pickle, load_pickle
from actorq.errors import DecodeError, EncodeError
from actorq.messages.reasons import Crashed, Kill, Killed, NoConnection, NoProc, Normal, Shutdown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from actorq.actors import AnyRef, System

__all__ = ["Vocabulary"]

_REF: Final = 1
_MESSAGE: Final = 2
_TUPLE: Final = 3
_SET: Final = 4
_FROZENSET: Final = 5
_KEYS: Final = frozenset({type(None), bool, int, float, str, bytes})
_REASONS: Final = (Normal, Shutdown, Kill, Killed, NoProc, NoConnection, Crashed)
_REFS: Final = (ActorRef, NameRef, RemoteRef)
_PLAIN_BYTE: Final = bytes([MSGPACK])
_encode: Final = msgspec.msgpack.Encoder().encode


class _Untravelled(Exception):
    """A value that isn't in the vocabulary."""


class Vocabulary:
    """Encodes in any thread; decodes for one system, in whose name refs are opened."""

    def __init__(self, system: System, messages: Iterable[type] = (), *, pickle: bool = False) -> None:
        """Take the classes.

        Raises:
            TypeError: one is neither a frozen dataclass nor a msgspec Struct, or two have the same full name.
        """
        self.pickle = pickle
        self._system = system
        self._fields: dict[type, tuple[str, tuple[str, ...]]] = {}
        self._by_name: dict[str, type] = {}
        self._decode = msgspec.msgpack.Decoder(ext_hook=self._rebuild).decode
        for message in (*_REASONS, *messages):
            name, fields = _describe(message)
            if name in self._by_name and self._by_name[name] is not message:
                raise TypeError(f"expected message classes of different names, got {name} twice")
            self._fields[message], self._by_name[name] = (name, fields), message

    def encode(self, value: Any) -> bytes:
        """Return the body for `value`.

        Raises:
            EncodeError: it can't even be pickled.
        """
        try:
            return _PLAIN_BYTE + _encode(value if type(value) in ATOMS else self._lower(value))
        except (_Untravelled, ValueError, OverflowError, RecursionError, msgspec.MsgspecError):
            return self._encode_pickle(value)

    def decode(self, body: bytes) -> Any:
        """Return the value of a body.

        Raises:
            DecodeError: it isn't one, or something in it isn't allowed here; says how to allow it.
        """
        codec = body[0] if body else -1
        if codec == MSGPACK:
            try:
                return self._decode(memoryview(body)[1:])
            except DecodeError:
                raise
            except Exception as error:  # the classes' own code runs here
                raise DecodeError(f"expected a message, got: {type(error).__name__}: {error}") from error
        if codec not in (PICKLE, CLOUDPICKLE):
            raise DecodeError(f"expected a message, got {body[:16]!r}")
        if not self.pickle:
            raise DecodeError(
                f"expected plain data or a registered message on node {self._system.name!r}, got a pickle; give its class "
                "to both gateways (messages=...), or pickle=True to the one that receives it"
            )
        return load_pickle(body[1:])

    def _encode_pickle(self, value: Any) -> bytes:
        where = f"a message of type {type(value).__qualname__}"
        try:
            return bytes([PICKLE]) + dump_pickle(value, PICKLE, where)
        except EncodeError:
            return bytes([CLOUDPICKLE]) + dump_pickle(value, CLOUDPICKLE, where)

    def _lower(self, value: Any) -> Any:
        """Return `value` in terms of what MessagePack has."""
        kind = type(value)
        if kind in ATOMS:
            return value
        if kind is list:
            return [self._lower(each) for each in value]
        if kind is dict:
            if not _KEYS.issuperset(map(type, value)):
                raise _Untravelled
            return {key: self._lower(each) for key, each in value.items()}
        if known := self._fields.get(kind):
            name, fields = known
            return Ext(_MESSAGE, _encode((name, {field: self._lower(getattr(value, field)) for field in fields})))
        if code := _COLLECTIONS.get(kind):
            return Ext(code, _encode([self._lower(each) for each in value]))
        if isinstance(value, _REFS):
            return Ext(_REF, _encode((str(value.address), getattr(value, "wait_s", 0.0))))
        if kind is datetime.datetime and value.tzinfo is not None:
            return value
        raise _Untravelled

    def _rebuild(self, code: int, data: memoryview) -> Any:
        inner = self._decode(data)
        if code == _MESSAGE:
            name, values = inner
            known = self._by_name.get(name)
            if known is None:
                raise DecodeError(
                    f"expected a message that is registered on node {self._system.name!r}, got {str(name)[:200]}; give its "
                    "class to Gateway(messages=...) there"
                )
            return known(**values)
        if code == _REF:
            return self._open(*inner)
        if make := _MAKERS.get(code):
            return make(inner)
        raise DecodeError(f"expected a message, got an extension of type {code}")

    def _open(self, text: str, wait_s: float) -> AnyRef:
        return self._system.ref_to(text, float(wait_s))


_COLLECTIONS: Final[dict[type, int]] = {tuple: _TUPLE, set: _SET, frozenset: _FROZENSET}
_MAKERS: Final[dict[int, Callable[[Any], Any]]] = {code: kind for kind, code in _COLLECTIONS.items()}


def _describe(message: type) -> tuple[str, tuple[str, ...]]:
    """Return the full name of a message class, and its fields."""
    name = f"{message.__module__}.{message.__qualname__}"
    if issubclass(message, msgspec.Struct):
        return name, tuple(message.__struct_fields__)
    if dataclasses.is_dataclass(message) and message.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        return name, tuple(field.name for field in dataclasses.fields(message) if field.init)
    raise TypeError(f"expected messages to be frozen dataclasses or msgspec Structs, got {name}")
