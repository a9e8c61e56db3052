"""How a Secret travels in serializers that know plain data only: wrapped, so that it arrives as one.

In MessagePack as an extension (`actorq.codec.rich`), in JSON as an object with one key, which nobody's data should have.
"""

from __future__ import annotations

from typing import Any, Final

from actorq.messages.secret import Secret

__all__ = ["SECRET_KEY", "to_object", "unwrap_objects"]

SECRET_KEY: Final = "__actorq_secret__"  # noqa: S105  it marks them


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
