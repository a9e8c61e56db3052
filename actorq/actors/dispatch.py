"""Which method takes a message: a `ReleaseLeases` goes to `on_release_leases`, as does a private `_ReleaseLeases`.

Looked up once per actor class and message class; a message class without a method of its own goes where its base goes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["HOOKS", "Table", "find_handler", "handler_name"]

Table = dict[type, "Callable[[Any, Any], Any] | None"]

# Hooks of the kernel and of Pykka; a message whose name would lead to one of them has no handler.
HOOKS: Final = frozenset(
    {"on_receive", "on_exit", "on_down", "on_drained", "on_start", "on_stop", "on_failure", "on_full"}
)
_WORD_START: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def handler_name(message_class: type) -> str:
    """Return the name of the method for messages of that class."""
    return "on_" + _WORD_START.sub("_", message_class.__name__.lstrip("_")).lower()


def find_handler(actor_class: type, message_class: type) -> Callable[[Any, Any], Any] | None:
    """Return the function that takes such messages, or None."""
    for candidate in message_class.__mro__[:-1]:
        name = handler_name(candidate)
        if name not in HOOKS and callable(found := getattr(actor_class, name, None)):
            function: Callable[[Any, Any], Any] = found
            return function
    return None
