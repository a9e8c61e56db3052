"""How a Secret travels in serializers that know plain data only: wrapped, so that it arrives as one.

In MessagePack as an extension, in JSON as an object with one key, which nobody's data should have.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from actorq.messages.secret import Secret

__all__ = ["SECRET_KEY", "from_extension", "to_extension", "to_object", "unwrap_objects"]

SECRET_KEY: Final = "__actorq_secret__"  # noqa: S105  it marks them
_EXTENSION: Final = 1


def to_extension(value: Any) -> msgspec.msgpack.Ext:
    """Return what MessagePack carries for a Secret.

    Raises:
        TypeError: it isn't one.
    """
    return msgspec.msgpack.Ext(_EXTENSION, _encode(_reveal(value)))


_encode: Final = msgspec.msgpack.Encoder(enc_hook=to_extension).encode


def from_extension(code: int, data: memoryview) -> Any:
    """Return what an extension stands for.

    Raises:
        ValueError: none of ours.
    """
    if code != _EXTENSION:
        raise ValueError(f"expected an extension of actorq's, got number {code}")
    return Secret(_decode(bytes(data)))


_decode: Final = msgspec.msgpack.Decoder(ext_hook=from_extension).decode


def to_object(value: Any) -> dict[str, Any]:
    """Return what JSON carries for a Secret.

    Raises:
        TypeError: it isn't one.
    """
    return {SECRET_KEY: _reveal(value)}


def unwrap_objects(value: Any) -> Any:
    """Return data that came as JSON with its Secrets in it."""
    if isinstance(value, dict):
        if value.keys() == {SECRET_KEY}:
            return Secret(unwrap_objects(value[SECRET_KEY]))
        return {key: unwrap_objects(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(unwrap_objects(each) for each in value)
    return value


def _reveal(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.reveal()
    raise TypeError(f"expected plain data, got {type(value).__qualname__}")
