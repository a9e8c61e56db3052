"""What MessagePack and JSON carry without changing it.

msgspec would turn a set into a list, a dataclass into a dict and an enum into its value without a word, and the task would
get something else than its caller gave. So types are checked first, at C speed for flat containers. One change is
allowed because everybody's hands know it from JSON: a tuple arrives as a list.
"""

from __future__ import annotations

import datetime
import math
from typing import TYPE_CHECKING, Any, Final

from actorq.errors import EncodeError
from actorq.messages.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

__all__ = ["ATOMS", "KEYS", "check_json", "check_msgpack", "make_refusal"]

ATOMS: Final = frozenset({type(None), bool, int, float, str, bytes, bytearray})
KEYS: Final = frozenset({type(None), bool, int, float, str, bytes})
_JSON_ATOMS: Final = frozenset({type(None), bool, int, str})
_CARRIED: Final = {
    "msgpack": "None, bool, int, float, str, bytes, list, dict; date and time, Decimal, UUID, sets, numpy arrays of numbers",
    "json": "None, bool, int, finite float, str, list, dict with str keys",
}


def check_msgpack(values: Collection[Any], where: str) -> None:
    """Check that every value survives MessagePack; `where` reads like "an argument of shop.add".

    Aware datetimes arrive as the same instant, in UTC.

    Raises:
        EncodeError: names the type that doesn't, and the way out.
    """
    if ATOMS.issuperset(map(type, values)):
        return
    for kind in set(map(type, values)) - ATOMS:
        for value in values:
            if type(value) is kind:
                _check_other(value, kind, where)


def _check_other(value: Any, kind: type, where: str) -> None:
    if kind is list or kind is tuple:
        check_msgpack(value, where)
    elif kind is dict:
        if not KEYS.issuperset(map(type, value)):
            raise make_refusal(next(key for key in value if type(key) not in KEYS), where, "as a key in ")
        check_msgpack(value.values(), where)
    elif kind is not datetime.datetime or value.tzinfo is None:
        raise make_refusal(value, where)


def check_json(values: Iterable[Any], where: str) -> None:
    """Check that every value survives JSON: no bytes, only string keys, only finite numbers.

    Raises:
        EncodeError: names the type that doesn't, and the way out.
    """
    for value in values:
        kind = type(value)
        if kind in _JSON_ATOMS or (kind is float and math.isfinite(value)):
            continue
        if kind is list or kind is tuple:
            check_json(value, where)
        elif kind is dict and all(type(key) is str for key in value):
            check_json(value.values(), where)
        elif kind is Secret:
            check_json((value.reveal(),), where)
        else:
            raise make_refusal(value, where, name="json")


def make_refusal(value: Any, where: str, role: str = "", *, name: str = "msgpack") -> EncodeError:
    """Return the error for a value that the serializer `name` would change."""
    kind = type(value)
    full_name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return EncodeError(
        f"expected {role}{where} to be of types that {name} carries unchanged ({_CARRIED[name]}), got {full_name}; "
        f'convert it, or use serializer="pickle" where the receiver\'s accept_content has it'
    )
